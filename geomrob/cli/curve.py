"""`geomrob curve`: how the accuracy falls with the strength of noise, of FGSM and of PGD."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, curve_report, load, write

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.results import Acceptance, StrengthCurve

TENTHS, SMALL = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5), (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2)

STRENGTHS = {
    "gaussian": TENTHS,
    "uniform": TENTHS,
    "salt-pepper": TENTHS,
    "fgsm": SMALL,
    "fgsm-transfer": SMALL,
    "pgd": SMALL,
    "pgd-l2": (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
}
"""Strengths of each attack that take a small network from its clean accuracy to near chance."""


def curve(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    attack: Literal["gaussian", "uniform", "salt-pepper", "fgsm", "fgsm-transfer", "pgd", "pgd-l2"] = "gaussian",
    strengths: str | None = None,
    source: str | None = None,
    steps: int | None = None,
    repeats: int | None = None,
    baseline: str | None = None,
    minimum: float | None = None,
    samples: int = 200,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-curve"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure how the accuracy falls with the strength of noise, of FGSM or of PGD; show and write the curves.

    Writes curve.json with curve.npz (everything, for geomrob.load), curve.csv and curve.png; with --baseline also
    plane.json with plane.npz, plane.csv and plane.png: which models keep their clean accuracy and gain at the largest
    strength.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        attack: Noise of three kinds; one step along the sign of the model's own slope, or of the source's; the best of
            many steps in an l-infinity or an l2 ball.
        strengths: Rising numbers with commas between, in [0, 1] pixel units: standard deviation, half width, share of
            the elements, or radius; the default follows the attack.
        source: With --attack fgsm-transfer, the model on which the images are made.
        steps: Of PGD; default 40.
        repeats: How often what is drawn is drawn anew, for the standard error; default 5 of noise, else 1.
        baseline: Which of the models the others are held against on the plane.
        minimum: With --baseline, the share of its clean accuracy that an acceptable model keeps; default 0.9.
        samples: How many images.
        seed: Of the drawn images and of everything random; the repeats take the seeds after it.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw the curves instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.strength_curve import strength_curve
    from geomrob.runs import writable

    how: dict[str, Any] = {"attack": attack, "strengths": _numbers(strengths, attack), "memory": memory}
    how["memory"] = console.check_resources(threads, memory)
    how |= _options(attack, source, steps, repeats)
    _check_baseline(baseline, model, minimum)
    writable(out)
    picture = write.check_picture(figure or out / "curve.png")
    place = console.resolve_device(device)
    networks, drawn = load.networks(model, weights, place), load.images(data, data_dir, samples, seed)
    how |= _crafted_on(source, networks, drawn, place)
    load.check_fit(networks, drawn, place)
    images = drawn.images.to(place)
    console.set_threads(threads, networks[model[0]], images[:2])
    about: dict[str, Any] = {"data": drawn.name, "indices": drawn.indices, "seed": seed}
    with console.progress(f"accuracy under {attack}", quiet=json) as progress:
        found = strength_curve(networks, images, drawn.labels, progress=progress, **about, **how)
    plane = None if baseline is None else _plane(found, baseline, minimum)
    files = _write(found, plane, out, picture)
    curve_report.tell(found, plane, files, as_json=json)
    return 0


def _numbers(words: str | None, attack: str) -> Sequence[float]:
    """Return the strengths that were written with commas between, or those of the attack."""
    from geomrob.errors import UsageError

    if words is None:
        return STRENGTHS[attack]
    try:
        found = [float(word) for word in words.split(",")]
    except ValueError:
        raise UsageError(f"strengths must be numbers with commas between; got {words!r}: write 0.05,0.1") from None
    if any(not 0 <= strength < float("inf") for strength in found):
        raise UsageError(f"strengths must be finite and at least 0; got {words!r}: write 0.05,0.1")
    return found


def _options(attack: str, source: str | None, steps: int | None, repeats: int | None) -> dict[str, Any]:
    """Return the options of the attack, refusing before anything is loaded what it does not have."""
    from geomrob.analysis.strength_curve import CURVES
    from geomrob.errors import UsageError

    if CURVES[attack].source != (source is not None):
        told, what = (f"{source} with {attack}", "leave it out") if source else ("none", "name a model")
        raise UsageError(f"source must go with --attack fgsm-transfer; got {told}: {what}")
    if steps is not None and not attack.startswith("pgd"):
        raise UsageError(f"steps must go with PGD; got {steps} with {attack}: leave --steps out")
    if repeats is None:
        repeats = 5 if CURVES[attack].draws and not attack.startswith("pgd") else 1
    return {"repeats": repeats} if steps is None else {"repeats": repeats, "steps": steps}


def _check_baseline(baseline: str | None, model: Sequence[str], minimum: float | None) -> None:
    """Refuse a baseline that is not measured, or has nothing to be compared with."""
    from geomrob.errors import UsageError, unknown

    if minimum is not None and baseline is None:
        raise UsageError(f"minimum must go with --baseline; got {minimum:g} without: name the baseline")
    if minimum is not None and not 0 < minimum <= 1:
        raise UsageError(f"minimum must lie in (0, 1]; got {minimum:g}: 0.9 is usual")
    if baseline is None:
        return
    if baseline not in model:
        raise unknown("baseline", baseline, model)
    if len(set(model)) < 2:
        raise UsageError(f"model must name another one than the baseline; got {baseline} alone: add --model")


def _crafted_on(
    source: str | None, networks: "dict[str, nn.Module]", drawn: "Samples", place: "torch.device"
) -> dict[str, Any]:
    """Return the source model by name: the measured one of that name, with its weights, where there is one."""
    if source is None:
        return {}
    one = {source: networks[source]} if source in networks else load.networks((source,), None, place)
    load.check_fit(one, drawn, place)
    return {"source": one[source], "source_name": source}


def _plane(found: "StrengthCurve", baseline: str, minimum: float | None) -> "Acceptance":
    """Return where the models stand against the baseline."""
    from geomrob.analysis.strength_curve import acceptance
    from geomrob.errors import UsageError

    if not float(found.mean[found.models.index(baseline), 0]) > 0:
        raise UsageError(f"baseline must be right on some clean image; got {baseline}, never right: choose another")
    return acceptance(found, baseline, **({} if minimum is None else {"minimum": minimum}))


def _write(found: "StrengthCurve", plane: "Acceptance | None", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the curves, and the plane."""
    from geomrob.plot.strength_curve import plot_acceptance, plot_strength
    from geomrob.plot.style import blank
    from geomrob.results import save

    drawing = blank()
    plot_strength(found, ax=drawing.add_subplot())
    page = save(found, out / "curve.json")
    files = [page, page.with_suffix(".npz"), write.write_rows(curve_report.rows(found), out / "curve.csv")]
    files.append(write.write_picture(drawing, picture))
    if plane is not None:
        drawing = blank(6.4, 5.0)
        plot_acceptance(plane, ax=drawing.add_subplot())
        page = save(plane, out / "plane.json")
        files += [page, page.with_suffix(".npz"), write.write_rows(curve_report.plane_rows(plane), out / "plane.csv")]
        files.append(write.write_picture(drawing, out / "plane.png"))
    return files
