"""Claim: on a GPU every attack and a training give what they give on a CPU; margins cost little beside the model.

Reference: Ortiz-Jimenez et al. 2020 and the thesis measure margins at 224 x 224; the code of the authors takes about
120 seconds for a batch of 128 images in all bands of a ResNet-50 on one card.

    python -m experiments.gpu [--device cuda] [--model NAME] [--weights FILE] [--images FOLDER]
                              [--settings NAME ...] [--scale smoke|cpu|paper]

`attacks`: each row of the table of attacks on the embedded LeNet, on the CPU and on the device: the same images
adversarial, norms alike; one short training on both. `blocks`: images a second of a ResNet-50 at 224 x 224, forward and
with gradients, in blocks of 16 to 512. `margins`: DeepFool in all bands of 128 images with the fastest of these blocks,
in float32, and with tf32, bfloat16, channels last and compilation: seconds, the share of them that the bare model takes
for as many evaluations, perturbed images that the float32 model still finds adversarial. `cpu` is the same with a
ResNet-8 at 32 x 32; it and `smoke` show that the recipe runs, and say nothing of a GPU.
"""

import argparse
import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from experiments.harness import Experiment, Page, Row, run, stroke
from experiments.measures import Bfloat16
from geomrob.attacks.table import ATTACKS
from geomrob.inference import Prepared, accuracy, gradients
from geomrob.models.architectures.resnet import resnet, resnet50
from geomrob.plot.style import blank, figure_headline, plain_numbers, tidy
from geomrob.training import Options, fit

SCALES: dict[str, dict[str, Any]] = {
    "smoke": {"images": 2, "side": 32, "attacked": 2, "trained": 64, "blocks": (2, 4), "bands": 2},
    "cpu": {"images": 16, "side": 32, "attacked": 16, "trained": 1000, "blocks": (16, 32, 64, 128), "bands": 13},
    "paper": {
        "images": 128,
        "side": 224,
        "attacked": 200,
        "trained": 1000,
        "blocks": (16, 32, 64, 128, 256, 512),
        "bands": 99,
    },
}
"""Images of the margins, their side, images of the attacks and of the training, sizes of blocks, most bands."""
PUBLISHED = {"seconds": 120.0, "norms": 1e-3, "share": 0.9}
"""Seconds of a batch by the authors' code; how far medians may differ between devices; least share of the model."""
EPSILON = 0.1
SETTINGS = ("float32", "tf32", "bfloat16", "channels last", "compile")
SHOWN = 16
"""Images whose perturbed versions in a low, a middle and a high band are evaluated again in float32."""
LABELS = {"seconds": "all margins", "bare_s": "the bare model, as many evaluations"}
FLAGS = {
    "--device": {"default": "cuda"},
    "--model": {"metavar": "NAME", "help": "as `load_model` knows it, timm:resnet50, say; untrained ones without it"},
    "--weights": {"type": Path, "metavar": "FILE"},
    "--images": {"type": Path, "metavar": "FOLDER", "help": "photographs; random images without it"},
    "--settings": {"nargs": "+", "choices": SETTINGS, "default": SETTINGS},
}


@contextmanager
def setting(name: str, model: nn.Module) -> Generator[nn.Module]:
    """Yield the model with a setting."""
    before = torch.get_float32_matmul_precision()
    how: dict[str, Callable[[nn.Module], nn.Module]] = {
        "bfloat16": Bfloat16,
        "channels last": lambda same: same.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        "compile": torch.compile,  # type: ignore[dict-item]
    }
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        yield how[name](model) if name in how else model
    finally:
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        torch.set_float32_matmul_precision(before)


def seconds(device: str, work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long some work takes, until the device is done, and what it returns."""
    start = time.perf_counter()
    made = work()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, made


def attacks(count: int, device: str) -> dict[str, Page]:
    """Return for each attack its norms and seconds on the CPU and on the device, and how many images agree."""
    samples = geomrob.load_data("fashion-mnist-1k", samples=count)
    rows: dict[str, Page] = {}
    for name, row in ATTACKS.items():
        how = {**row.quick, **({"epsilon": EPSILON} if row.takes("epsilon") else {})}
        found = {}
        for where in ("cpu", device):
            model = geomrob.load_model("fmnist-lenet").to(where)
            call = partial(row.attack, model, samples.images.to(where), **how)
            taken, result = seconds(where, call)
            found[where] = (taken, result.success.cpu(), result.distances(row.norm).cpu().double())
        both = found["cpu"][1] & found[device][1]
        median = [float(side[2][both].median()) if bool(both.any()) else math.nan for side in found.values()]
        rows[name] = {
            "cpu_s": found["cpu"][0],
            "device_s": found[device][0],
            "agree": float((found["cpu"][1] == found[device][1]).double().mean()),
            "cpu_median": median[0],
            "device_median": median[-1],
        }
        print(name, rows[name], flush=True)
    return rows


def training(count: int, device: str) -> Page:
    """Return the accuracies of a short training on the CPU and on the device."""
    samples = geomrob.load_data("fashion-mnist-1k", samples=count)
    page: Page = {}
    for side, where in (("reference", "cpu"), ("device", device)):
        torch.manual_seed(0)
        model = resnet(shape=(1, 28, 28), mean=[0.286], std=[0.353], widths=(8, 16), depths=(1, 1)).to(where)
        taken, _ = seconds(where, partial(fit, model, samples, Options(epochs=2, held_out=0), seed=0))
        correct = accuracy(model, samples.images.to(where), samples.labels.to(where))
        page[side] = {"seconds": taken, "accuracy": correct}
    return page


def network(side: int, flags: argparse.Namespace) -> nn.Module:
    """Return the network of the margins, in eval mode: a ResNet-50 for images of 224 x 224, a small one for smaller."""
    if flags.model:
        return geomrob.load_model(flags.model, weights=flags.weights)
    torch.manual_seed(0)
    shape = (3, side, side)
    if side < 64:
        return resnet(shape=shape, widths=(16, 32, 64), depths=(1, 1, 1)).eval()
    return resnet50(shape=shape, classes=1000, stem_stride=2, stem_kernel=7, stem_pool=3).eval()


def throughput(model: nn.Module, images: Tensor, block: int, device: str) -> tuple[float, float]:
    """Return the images a second of a block, forward alone and with the gradient of the largest logit."""
    batch = images[torch.arange(block) % len(images)].to(device)
    rows = torch.arange(block, device=device)

    def forward() -> Tensor:
        with torch.no_grad():
            return model(batch)

    def both() -> object:
        return gradients(model, batch, rows, lambda logits, _: logits.amax(1, keepdim=True))

    forward()
    both()
    return block / seconds(device, forward)[0], block / seconds(device, both)[0]


def blocks(model: nn.Module, images: Tensor, sizes: tuple[int, ...], device: str) -> dict[str, tuple[float, float]]:
    """Return the throughput of each block that the device has room for."""
    rates: dict[str, tuple[float, float]] = {}
    for block in sizes:
        try:
            rates[str(block)] = throughput(model, images, block, device)
        except torch.OutOfMemoryError:
            break
        print(block, rates[str(block)], flush=True)
    return rates


def margins(name: str, model: nn.Module, images: Tensor, bands: Any, block: int, device: str) -> Page:
    """Return the cost of DeepFool in all bands with a setting, and how many of its images the float32 model denies."""

    def curve() -> geomrob.MarginCurve:
        return geomrob.margin_curve(
            Prepared(changed, images, block=block), images, subspaces=bands, attack="deepfool", examples=SHOWN
        )

    with setting(name, model) as changed:
        taken, found = seconds(device, curve)
        forward, both = throughput(changed, images, block, device)
    forwards, backwards = float(found.forwards.sum()), float(found.backwards.sum())
    shown = found.examples
    assert shown is not None
    with torch.no_grad():
        clean = model(shown.images.to(device)).argmax(1).cpu()
        moved = [model(perturbed.to(device)).argmax(1).cpu() != clean for perturbed in shown.perturbed]
    return {
        "seconds": taken,
        "bare_s": max(0.0, forwards - backwards) / forward + backwards / both,
        "evaluations": forwards + backwards,
        "median": float(found.distances.median()),
        "found": float(torch.isfinite(found.distances).double().mean()),
        "adversarial_in_float32": float(torch.stack(moved).double().mean()),
    }


def measure(size: dict[str, Any], flags: argparse.Namespace) -> Page:
    device = flags.device
    model = network(size["side"], flags).to(device)
    if flags.images is None:
        images = torch.rand(size["images"], 3, size["side"], size["side"], generator=torch.Generator().manual_seed(0))
    else:
        images = geomrob.load_data(flags.images, samples=size["images"]).images
    images = images.to(device)
    every = geomrob.bands("blocks", geomrob.basis("dct", images.shape[-2:]))
    bands = every[:: max(1, math.ceil(len(every) / size["bands"]))]
    rates = blocks(model, images, size["blocks"], device)
    block = int(max(rates, key=lambda name: rates[name][1]))
    rows = {}
    for name in flags.settings:
        rows[name] = margins(name, model, images, bands, block, device)
        print(name, rows[name], flush=True)
    return {
        "device": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device,
        "images": len(images),
        "side": size["side"],
        "bands": len(bands),
        "parameters": sum(part.numel() for part in model.parameters()),
        "attacks": attacks(size["attacked"], device),
        "training": training(size["trained"], device),
        "blocks": rates,
        "block": block,
        "margins": rows,
    }


def draw(page: Page) -> Figure:
    figure = blank(9.0, 4.2)
    figure_headline(
        figure,
        "How fast are margins on this device?",
        f"{page['device']}: DeepFool on {page['images']} images of {page['side']} x {page['side']} in {page['bands']} "
        "bands. Left: images a second by size of block. Right: seconds of all margins, and those of the bare model.",
    )
    left, right = figure.subplots(1, 2)
    sizes = [int(name) for name in page["blocks"]]
    for index, label in enumerate(("forward", "with gradients")):
        left.plot(sizes, [rates[index] for rates in page["blocks"].values()], label=label, **stroke(index))
    left.set(xscale="log", yscale="log", xlabel="images of a block", ylabel="images a second")
    for axis in (left.xaxis, left.yaxis):
        plain_numbers(axis)
    left.legend(frameon=False, fontsize=8.5)
    for index, key in enumerate(("seconds", "bare_s")):
        x = [at + 0.4 * index - 0.2 for at in range(len(page["margins"]))]
        colour = stroke(index)["color"]
        right.bar(x, [row[key] for row in page["margins"].values()], width=0.38, color=colour, label=LABELS[key])
    right.set_xticks(range(len(page["margins"])), [name.replace(" ", "\n") for name in page["margins"]])
    right.set_ylabel("seconds")
    right.legend(frameon=False, fontsize=8.5)
    for ax in (left, right):
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Attacks whose norms differ, then each setting next to the seconds of the authors' code."""
    rows = []
    for name, row in page["attacks"].items():
        apart = abs(row["device_median"] / row["cpu_median"] - 1)
        alike = row["agree"] == 1 and (math.isnan(apart) or apart <= PUBLISHED["norms"])
        rows.append(Row(f"{name}: medians, {row['agree']:.0%} agree", row["device_median"], row["cpu_median"], alike))
    sides = page["training"]
    rows.append(Row("training: accuracy", sides["device"]["accuracy"], sides["reference"]["accuracy"]))
    for name, row in page["margins"].items():
        told = f"{row['adversarial_in_float32']:.1%} adversarial in float32"
        rows.append(Row(f"{name}: seconds; {told}", row["seconds"], PUBLISHED["seconds"]))
        share = row["bare_s"] / row["seconds"]
        rows.append(Row(f"{name}: share of the bare model", share, PUBLISHED["share"], share >= PUBLISHED["share"]))
    return rows


EXPERIMENT = Experiment("gpu", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
