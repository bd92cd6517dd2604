"""`geomrob layers`: how sparse are the activations of each layer, and how much of a noise do they see?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, layers_report, load, write

if TYPE_CHECKING:
    from geomrob.results import Layers


def layers(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    layer: tuple[str, ...] = (),
    at: Literal["input", "output"] = "input",
    sigma: float = 0.1,
    clamp: bool = False,
    repeats: int = 1,
    samples: int = 200,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-layers"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure sparsity, active share and signal-to-noise ratio of every layer of a model; show, draw and write them.

    Writes layers.json with layers.npz for each model (everything, for geomrob.load), layers.csv and layers.png.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        layer: Name of a module; repeat it. The default is every convolution and linear layer.
        at: Measure the input of each layer (what the block before hands on) or its output.
        sigma: Standard deviation of the Gaussian noise, in [0, 1] pixel units.
        clamp: Cut noisy images to [0, 1].
        repeats: Draws of noise an image.
        samples: How many images.
        seed: Of the drawn images and of the noise.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.layers import layers as measure
    from geomrob.runs import writable

    how: dict[str, Any] = {"at": at, "sigma": sigma, "clamp": clamp, "repeats": repeats, "names": layer or None}
    how["memory"] = console.check_resources(threads, memory)
    writable(out)
    picture = write.check_picture(figure or out / "layers.png")
    place = console.resolve_device(device)
    networks, drawn = load.networks(model, weights, place), load.images(data, data_dir, samples, seed)
    load.check_fit(networks, drawn, place)
    images, labels = drawn.images.to(place), drawn.labels.to(place)
    console.set_threads(threads, networks[model[0]], images[:2])
    about: dict[str, Any] = {"data": drawn.name, "indices": drawn.indices, "seed": seed}
    found: list[Layers] = []
    for name, network in networks.items():
        with console.progress(f"layers of {name}", quiet=json) as progress:
            found.append(measure(network, images, labels, name=name, progress=progress, **about, **how))
    files = _write(found, out, picture)
    layers_report.tell(found, files, as_json=json)
    return 0


def _write(models: "list[Layers]", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the layers, their table and their picture."""
    from geomrob.plot.layers import plot_layers

    files = write.write_each(models, out, "layers")
    table = write.write_rows([row for found in models for row in layers_report.rows(found)], out / "layers.csv")
    return [*files, table, write.write_picture(plot_layers(models), picture)]
