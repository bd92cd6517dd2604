"""`geomrob corruptions`: how much do noise, blur, weather and storage cost a model, and does another do better?"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, corruptions_report, corruptions_rows, load, write

if TYPE_CHECKING:
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.results import CorruptionTable


def corruptions(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: tuple[Path, ...] = (),
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    corruptions: tuple[str, ...] = ("benchmark",),
    severities: tuple[int, ...] = (1, 2, 3, 4, 5),
    baseline: str | None = None,
    beta: float | None = None,
    adapt: Literal["none", "single", "partial", "full"] = "none",
    table: Literal["auto", "cifar", "imagenet"] = "auto",
    accuracy: bool = False,
    samples: int = 200,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-corruptions"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure the errors of models under common corruptions; show, draw and write them with every score.

    Writes corruptions.json with corruptions.npz (everything, for geomrob.load), corruptions.csv (each error),
    corruption-table.csv (a row a model, the columns of the papers), corruption-scores.csv, corruptions.png (corruption
    by severity) and, with a baseline that errs, corruptions-trade-off.png. A distributed set of corrupted images on
    disk is read where there is one; the tables say so.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt; repeat it for several networks of it, trained with
            different seeds: standard errors are over them.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out, and of CIFAR-10-C, CIFAR-100-C,
            ImageNet-C; default GEOMROB_DATA.
        corruptions: benchmark (the 15 that mCE is the mean over), all (19), or a name; repeat it for several.
        severities: 1 to 5; repeat it for several, by default all.
        baseline: What the relative scores are relative to: one of the models, or alexnet for its published errors on
            ImageNet-C; the default is the first of several models.
        beta: Weight of mCE in R_net; default mCE / clean error of the baseline.
        adapt: Fit batch-norm statistics to each image alone (single), to 8 (partial) or 400 (full) at a time.
        table: Constants of corruptions made here, for 32 x 32 (cifar) or 224 x 224 images (imagenet); auto is by size.
        accuracy: Tell accuracies instead of errors, as the tables of PRIME do.
        samples: How many images.
        seed: Of the drawn images and of everything random.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw the map instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.corruptions.errors import corruption_errors
    from geomrob.runs import writable

    names, levels = load.corruptions(corruptions), tuple(sorted(set(severities)))
    room = console.check_resources(threads, memory)
    against = _baseline(baseline, beta, model, names, levels)
    writable(out)
    picture = write.check_picture(figure or out / "corruptions.png")
    place = console.resolve_device(device)
    networks, drawn = _networks(model, weights, place), load.images(data, data_dir, samples, seed)
    load.check_fit({name: group[0] for name, group in networks.items()}, drawn, place)
    ready_made = _ready_made(data, data_dir, drawn, seed, against)
    images = drawn.images.to(place)
    console.set_threads(threads, networks[model[0]][0], images[:2])
    how: dict[str, Any] = {"corruptions": names, "severities": levels, "adapt": adapt, "table": table, "seed": seed}
    how |= {"ready_made": ready_made, "memory": room}
    with console.progress("corruptions", quiet=json) as progress:
        about: dict[str, Any] = {"data": drawn.name, "indices": drawn.indices, "progress": progress}
        found = corruption_errors(networks, images, drawn.labels, **how, **about)
    scores = corruptions_rows.scored(found, against, beta)
    files = _write(found, scores, against, beta, out, picture)
    corruptions_report.tell(found, scores, against, files, as_json=json, accuracy=accuracy)
    return 0


def _baseline(
    named: str | None, beta: float | None, models: tuple[str, ...], names: tuple[str, ...], levels: tuple[int, ...]
) -> str | None:
    """Return the baseline, refusing before the work one that is none or does not fit."""
    from geomrob.analysis.corruptions.scores import alexnet_errors, checked_beta
    from geomrob.errors import UsageError, unknown

    if beta is not None:
        checked_beta(beta)
    if named == "alexnet":
        alexnet_errors(corruptions_rows.over(names), levels)
    elif named is not None and named not in models:
        raise unknown("baseline", named, (*models, "alexnet"))
    chosen = models[0] if named is None and len(models) > 1 else named
    if beta is not None and chosen in (None, "alexnet"):
        raise UsageError(f"beta must go with a model as the baseline; got {chosen}: name one with --baseline")
    return chosen


def _networks(names: tuple[str, ...], weights: tuple[Path, ...], place: Any) -> "dict[str, list[nn.Module]]":
    """Return the networks of each model: one, or for a single model one for each file of weights."""
    if len(weights) > 1 and len(names) == 1:
        return {names[0]: [load.networks(names, file, place)[names[0]] for file in weights]}
    found = load.networks(names, weights[0] if weights else None, place)
    return {name: [network] for name, network in found.items()}


def _ready_made(data: str, data_dir: Path | None, drawn: "Samples", seed: int, against: str | None) -> Any:
    """Return what reads a corrupted set on disk, None where there is none; refuse AlexNet where it is no ImageNet-C."""
    from geomrob.analysis.corruptions.scores import check_imagenet
    from geomrob.data.corruptions.precomputed import find_corrupted, load_corrupted, mark_of

    root = find_corrupted(data, data_dir=data_dir)
    if against == "alexnet":
        check_imagenet(drawn.name, "made" if root is None or mark_of(root) else "ready-made")
        if len(drawn.classes) != 1000:
            sys.stderr.write(
                f"note: AlexNet's errors are of 1000 classes, those of {drawn.name} {len(drawn.classes)}\n"
            )
    if root is None:
        return None
    return partial(load_corrupted, data, data_dir=data_dir, samples=len(drawn), seed=seed)


def _write(
    found: "CorruptionTable", scores: Any, against: str | None, beta: float | None, out: Path, picture: Path
) -> list[Path]:
    """Return the files that now hold the errors, the scores and their pictures."""
    from geomrob.data.corruptions import CORRUPTIONS
    from geomrob.plot.corruptions import plot_corruptions, plot_trade_off
    from geomrob.results import save

    page = save(found, out / "corruptions.json")
    files = [page, page.with_suffix(".npz")]
    files.append(write.write_rows(corruptions_rows.rows(found), out / "corruptions.csv"))
    files.append(write.write_rows(corruptions_rows.table_rows(found, scores), out / "corruption-table.csv"))
    files.append(write.write_rows(corruptions_rows.score_rows(found, scores), out / "corruption-scores.csv"))
    kinds = {name: CORRUPTIONS[name].category for name in found.corruptions}
    files.append(write.write_picture(plot_corruptions(found, categories=kinds), picture))
    names = corruptions_rows.over(found.corruptions)
    if against in found.models and all(
        bool(errors[found.models.index(against)].any()) for errors in (found.clean, found.mce(names))
    ):
        drawing = plot_trade_off(found, against, names=names, beta=beta).get_figure(root=True)
        assert drawing is not None
        files.append(write.write_picture(drawing, picture.with_stem(f"{picture.stem}-trade-off")))
    return files
