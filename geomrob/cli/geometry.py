"""`geomrob geometry`: how does the decision boundary bend where the smallest perturbations meet it?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, geometry_report, load, write

if TYPE_CHECKING:
    from geomrob.results import Geometry


def geometry(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    method: Literal["difference", "hessian"] = "difference",
    step: float = 0.1,
    attack: Literal["deepfool", "superdeepfool", "ddn", "tight"] = "tight",
    directions: int = 20,
    others: int = 5,
    power: int = 10,
    samples: int = 50,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-geometry"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure the boundary where the smallest perturbations meet it: curvature, angle to its normal, span of normals.

    Writes geometry.json with geometry.npz for each model (everything, for geomrob.load), geometry.csv and geometry.png.
    The exit status is 3 where no boundary was found for some image.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        method: Difference of the boundary's normals over a step to either side, or second derivatives, which are 0 for
            networks of ReLUs and say nothing about them.
        step: With difference, that l2 length, in [0, 1] pixel units.
        attack: The search for the boundary, in free space.
        directions: Random tangents an image.
        others: Other images' perturbations along which each boundary is measured.
        power: Rounds of the search for the most curved direction; 0 for none.
        samples: How many images.
        seed: Of the drawn images and directions.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.geometry.geometry import geometry as measure
    from geomrob.runs import writable

    how: dict[str, Any] = {"method": method, "step": step, "attack": attack, "directions": directions}
    how |= {"others": others, "power": power, "memory": console.check_resources(threads, memory)}
    writable(out)
    picture = write.check_picture(figure or out / "geometry.png")
    place = console.resolve_device(device)
    networks, drawn = load.networks(model, weights, place), load.images(data, data_dir, samples, seed)
    load.check_fit(networks, drawn, place)
    images, labels = drawn.images.to(place), drawn.labels.to(place)
    console.set_threads(threads, networks[model[0]], images[:2])
    about: dict[str, Any] = {"data": drawn.name, "indices": drawn.indices, "seed": seed}
    found: list[Geometry] = []
    for name, network in networks.items():
        with console.progress(f"geometry of {name}", quiet=json) as progress:
            found.append(measure(network, images, labels, name=name, progress=progress, **about, **how))
    files = _write(found, out, picture)
    geometry_report.tell(found, files, as_json=json)
    return 0 if all(bool(one.measured.all()) for one in found) else 3


def _write(models: "list[Geometry]", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the geometries, their table and their picture."""
    from geomrob.plot.geometry import plot_geometry

    files = write.write_each(models, out, "geometry")
    table = write.write_rows([row for found in models for row in geometry_report.rows(found)], out / "geometry.csv")
    return [*files, table, write.write_picture(plot_geometry(models), picture)]
