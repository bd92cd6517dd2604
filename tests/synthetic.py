"""Results made of formulas, that look like measured ones: for tests of files, tables and plots."""

import math

import torch

from geomrob.results import (
    AttackResult,
    BandEnergy,
    Comparison,
    CorruptionTable,
    CrossSection,
    FilterBank,
    Geometry,
    HeatMap,
    Layers,
    MarginCurve,
    Norms,
    Provenance,
    RobustAccuracy,
    Sparsity,
    Spectrum,
    Status,
)


def provenance() -> Provenance:
    return Provenance(
        command="geomrob margin",
        seed=0,
        versions={"python": "3.11", "torch": "2.13.0"},
        device="cpu",
        seconds=12.5,
        forwards=1000,
        backwards=500,
        created="2025-01-01T00:00:00+00:00",
    )


def attack_result() -> AttackResult:
    inputs = torch.full((2, 1, 4, 4), 0.25)
    return AttackResult(
        inputs=inputs,
        labels=torch.tensor([0, 1]),
        perturbed=inputs + 0.5 * torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1),
        success=torch.tensor([True, False]),
        status=torch.tensor([Status.FOUND, Status.STEP_LIMIT]),
        steps=torch.tensor([3, 50]),
        forwards=torch.tensor([4, 51]),
        backwards=torch.tensor([27, 450]),
    )


def margin_curve(*, bands=21, images=50, missing=0, seed=0, model="fmnist-lenet", slope=1.2, kind="blocks", **facts):
    """Return a curve whose margin grows with the frequency, lognormal over images, `missing` per band not found."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "grid":
        side = math.isqrt(bands)
        centre = torch.arange(side, dtype=torch.float64) * 1.5 + 1
        frequencies = torch.cartesian_prod(centre, centre).reshape(-1, 2)
        names = tuple(f"{r},{c}" for r in range(side) for c in range(side))
    else:
        frequencies = (torch.arange(bands, dtype=torch.float64) * 0.5 + 1.75).unsqueeze(1).repeat(1, 2)
        names = tuple(f"{band}-{band + 7}" for band in range(bands))
    frequency = torch.linalg.vector_norm(frequencies, dim=1)
    noise = torch.randn(1, images, generator=generator, dtype=torch.float64) * 0.5
    noise = noise + torch.randn(len(names), images, generator=generator, dtype=torch.float64) * 0.15
    distances = 0.35 * (slope * frequency / frequency.max() * 1.6).exp().unsqueeze(1) * noise.exp()
    status = torch.full((len(names), images), int(Status.FOUND))
    if missing:
        distances[-1, :missing], status[-1, :missing] = torch.inf, int(Status.STEP_LIMIT)
    middle = distances.median(1).values
    labels = torch.arange(images) % 10
    given = {
        "model": model,
        "data": "fashion-mnist-1k",
        "basis": "dct",
        "bands": names,
        "band_kind": kind,
        "attack": "tight",
        "norm": 2.0,
        "frequency": frequency,
        "frequencies": frequencies,
        "dimensions": torch.full((len(names),), 64),
        "distances": distances,
        "status": status,
        "targets": ((labels + 1) % 10).repeat(len(names), 1),
        "predictions": labels,
        "labels": torch.where(torch.arange(images) % 10 == 0, (labels + 1) % 10, labels),
        "indices": torch.arange(images),
        "interval": torch.stack((middle * 0.93, middle * 1.08), 1),
        "forwards": torch.full((len(names), images), 40.0),
        "backwards": torch.full((len(names), images), 30.0),
        "provenance": provenance(),
    }
    return MarginCurve(**(given | facts))


def sparsity_result(pixels=(1, 2, 3, 4, 5), *, shape=(1, 8, 8), steps=2, random=0.1, **facts):
    """Return a sparsity whose images have so many changed pixels, the first in reading order; -1 is a failure.

    Every pixel is 0.5 before; of the changed ones the first, third, ... become 1 and the others 0, in channel 0 alone.
    A failure has all its pixels changed, in vain.
    """
    count, area = len(pixels), shape[1] * shape[2]
    inputs = torch.full((count, *shape), 0.5)
    perturbed = inputs.clone()
    for image, number in zip(perturbed, pixels, strict=True):
        changed = area if number < 0 else number
        image[0].view(-1)[:changed] = torch.arange(1, changed + 1) % 2.0
    success = torch.tensor(pixels) >= 0
    labels = torch.arange(count) % 3
    result = AttackResult(
        inputs=inputs,
        labels=labels,
        perturbed=perturbed,
        success=success,
        status=torch.where(success, int(Status.FOUND), int(Status.STEP_LIMIT)),
        steps=torch.arange(count) + steps,
        forwards=torch.full((count,), 10),
        backwards=torch.arange(count) + 20,
    )
    found = torch.where(success, (labels + 1) % 3, -1)
    given = {
        "model": "fmnist-lenet",
        "data": "fashion-mnist-1k",
        "attack": "sparsefool",
        "options": {"lam": 3.0, "radius": math.inf, "prune": 0.0},
        "result": result,
        "found": found,
        "stored": result,
        "stored_found": found,
        "labels": labels,
        "indices": torch.arange(count),
        "classes": ("shirt", "dress", "coat"),
        "random": torch.tensor([random - 0.05, random + 0.05], dtype=torch.float64),
        "provenance": provenance(),
    }
    return Sparsity(**(given | facts))


def spectrum(seed=0, side=8, **facts):
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    given = {
        "of": "perturbations",
        "name": "fmnist-lenet",
        "data": "fashion-mnist-1k",
        "method": "deepfool",
        "kind": "power",
        "order": "mean-of-modulus",
        "norm": "ortho",
        "window": "none",
        "channels": "average",
        "unit_norm": False,
        "unit": "cycles per image",
        "values": torch.rand(side, side, generator=generator, dtype=torch.float64) + 0.1,
        "vertical": axis,
        "horizontal": axis,
        "radial": torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64),
        "error": torch.tensor([0.4, 0.2, 0.1], dtype=torch.float64),
        "counts": torch.tensor([1, 8, 12]),
        "rings": torch.ones(50, 3, dtype=torch.float64),
        "azimuthal": torch.ones(18, dtype=torch.float64),
        "angles": torch.arange(18, dtype=torch.float64) * 10,
        "directions": torch.ones(18, dtype=torch.int64),
        "left_out": 0,
        "provenance": provenance(),
    }
    return Spectrum(**(given | facts))


def filter_bank(model="fmnist-pushpull-avg3", *, layer="stem", spectra=3, **facts):
    names = ("push filters", "pull filters", "push-pull")[:spectra]
    given = {
        "model": model,
        "layer": layer,
        "kind": "push-pull",
        "trained": True,
        "average": 3,
        "weights": torch.arange(36, dtype=torch.float64).reshape(4, 1, 3, 3),
        "inhibition": torch.tensor([-0.25, 0.0, 0.5, 1.0], dtype=torch.float64),
        "spectra": tuple(spectrum(i, of="kernels", name=model, method=name) for i, name in enumerate(names)),
        "provenance": provenance(),
    }
    return FilterBank(**(given | facts))


def heat_map(model="fmnist-lenet", low=0.2, epsilon=2.0):
    axis = torch.arange(4, dtype=torch.float64) - 2
    accuracy = torch.linspace(low, 0.9, 16, dtype=torch.float64).reshape(4, 4)
    counts, radial = torch.tensor([1, 8, 6, 1]), torch.ones(4, dtype=torch.float64)
    return HeatMap(
        model, "fashion-mnist-1k", epsilon, False, 40, 0.925, accuracy, axis, axis, radial, counts, provenance()
    )


def band_energy(**facts):
    given = {
        "model": "fmnist-lenet",
        "data": "fashion-mnist-1k",
        "attack": "deepfool",
        "basis": "dct",
        "bands": ("block 0:8", "block 10:18", "block 20:28"),
        "frequency": torch.tensor([1.75, 6.75, 11.75], dtype=torch.float64),
        "dimensions": torch.tensor([64, 64, 64]),
        "shares": torch.tensor([[0.5, 0.6, 0.7], [0.1, 0.2, 0.3], [0.0, 1e-9, 1e-8]], dtype=torch.float64),
        "energy": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        "left_out": 2,
        "provenance": provenance(),
    }
    return BandEnergy(**(given | facts))


def layers_result(*, model="net", names=("conv1", "conv2", "fc"), level=0.5, at="input", sigma=0.1):
    """Return three layers of four images; the first has one channel, the first image of the last is silent."""
    sparsity = level + torch.arange(12, dtype=torch.float64).reshape(3, 4) / 40
    sparsity[0], sparsity[2, 0] = torch.nan, torch.nan
    silent = torch.zeros(3, 4, dtype=torch.int64)
    silent[2, 0], silent[1, 1] = 1, 30
    signal = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(3, 4)
    return Layers(
        model=model,
        data="dark",
        at=at,
        sigma=sigma,
        clamped=False,
        names=names,
        kinds=("Conv2d", "Conv2d", "Linear"),
        channels=torch.tensor([1, 6, 84]),
        locations=torch.tensor([64, 49, 1]),
        sparsity=sparsity,
        silent=silent,
        active=torch.full((3, 4), level, dtype=torch.float64),
        signal=signal,
        noise=(signal.flip(1) / 20)[:, None].repeat(1, 2, 1) * torch.tensor([1.0, 2.0])[:, None],
        predictions=torch.tensor([0, 1, 2, 0]),
        labels=torch.arange(4),
        indices=torch.arange(4),
        provenance=provenance(),
    )


def geometry_result(*, model="net", missing=1, method="difference", step=0.1):
    """Return ten boundary points, the first `missing` not found, curvatures from -2 to 1."""
    generator = torch.Generator().manual_seed(0)

    def known(*shape):
        values = 3 * torch.rand(10, *shape, generator=generator, dtype=torch.float64) - 2
        values[:missing] = torch.nan
        return values

    lost = torch.arange(10) < missing
    return Geometry(
        model=model,
        data="dark",
        attack="tight",
        method=method,
        step=step,
        distances=torch.where(lost, torch.inf, torch.linspace(0.1, 1, 10, dtype=torch.float64)),
        status=torch.where(lost, int(Status.STEP_LIMIT), int(Status.FOUND)),
        targets=torch.where(lost, -1, 1),
        cosine=torch.where(lost, torch.nan, torch.linspace(0.9, 1, 10, dtype=torch.float64)),
        gradient_norm=torch.where(lost, torch.nan, torch.ones(10, dtype=torch.float64)),
        random=known(4),
        own=known(),
        others=known(2),
        largest=known(),
        singular=torch.linspace(2, 0.1, 10 - missing, dtype=torch.float64),
        singular_random=torch.ones(10 - missing, dtype=torch.float64),
        predictions=torch.zeros(10, dtype=torch.int64),
        labels=torch.zeros(10, dtype=torch.int64),
        indices=torch.arange(10),
        provenance=provenance(),
    )


def norms_result():
    """Return pixels and l2 of four images on two models; three searches failed on the second."""
    one = torch.tensor([[1, 2, 3, 4], [0.1, 0.2, 0.3, 0.8]], dtype=torch.float64)
    other = torch.where(torch.arange(4) < 3, torch.inf, 2 * one)
    return Norms(
        models=("net", "hah"),
        data="dark",
        norms=("pixels", "l2"),
        attacks=("sparsefool", "tight"),
        left="predicted",
        values=torch.stack((one, other)),
        by=torch.where(torch.isinf(torch.stack((one, other))), -1, torch.tensor([0, 1])[None, :, None]),
        accuracy=torch.tensor([0.75, 1.0], dtype=torch.float64),
        indices=torch.arange(4),
        provenance=provenance(),
    )


def robust_accuracy_result(**facts):
    """Return five images: one misclassified, one undecided, three fooled at 0.02, 0.05 and 0.3 in l-infinity."""
    distances = torch.tensor([0.0, 0.02, 0.05, 0.3, torch.inf], dtype=torch.float64)
    known = {
        "model": "net",
        "data": "dark",
        "norm": math.inf,
        "epsilons": torch.tensor([0.01, 8 / 255, 0.1], dtype=torch.float64),
        "searches": ("deepfool", "pgd"),
        "distances": distances,
        "by": torch.tensor([-1, 0, 1, 1, -1]),
        "searched": torch.tensor([True, True, True, True, False]),
        "forwards": torch.tensor([1, 10, 20, 30, 400]),
        "backwards": torch.tensor([0, 8, 18, 28, 398]),
        "predictions": torch.tensor([1, 0, 0, 0, 0]),
        "labels": torch.zeros(5, dtype=torch.int64),
        "indices": torch.arange(5),
        "reference": "",
        "reference_fooled": torch.zeros(3, 5, dtype=torch.bool),
        "reference_cost": torch.zeros(3, 2, dtype=torch.float64),
        "verdict": "",
        "causes": (),
        "perturbed": None,
        "provenance": provenance(),
    }
    return RobustAccuracy(**{**known, **facts})


def comparison_result(**facts):
    """Return a comparison of two models with a first one: low and high frequencies, and two bands, of 200 images.

    The second is 1.3 times as far at high frequencies, of the third nothing was found there.
    """
    none, seen, lost = [1.02, 0.95, 1.08], [1.304, 1.21, 1.41], [math.nan, 1.5, math.inf]
    ratio = torch.tensor([[[none, seen, none, seen]], [[none, lost, none, lost]]], dtype=torch.float64)
    corrected = torch.tensor([[[0.8, 1e-6, 1.0, 1e-6]], [[1.0, 1e-9, 1.0, 1e-9]]], dtype=torch.float64)
    known = {
        "models": ("net", "hah", "far"),
        "data": "dark",
        "kind": "MarginCurve",
        "measure": "distance",
        "how": "basis dct, attack tight, norm 2",
        "quantity": "boundary",
        "unit": "[0, 1] pixel units",
        "row": "band",
        "rows": ("low frequencies (2-4 cycles/image)", "high frequencies (5-9 cycles/image)", "0-7", "8-15"),
        "pooled": 2,
        "frequency": torch.tensor([3.0, 7.0, 3.0, 7.0], dtype=torch.float64),
        "groups": ("all",),
        "images": torch.tensor([200]),
        "values": torch.tensor(
            [[[0.5, 1.0, 0.5, 1.0]], [[0.51, 1.304, 0.51, 1.304]], [[0.51, math.inf, 0.51, math.inf]]],
            dtype=torch.float64,
        ),
        "ratio": ratio,
        "difference": ratio - 1,
        "p": corrected / 8,
        "corrected": corrected,
        "direction": torch.tensor([[[-1, 1, 1, 1]], [[1, 1, 1, 1]]]),
        "not_found": torch.tensor([0, 0, 0, 0, 120, 0, 0, 0, 0, 0, 120, 0]).repeat(2).reshape(2, 1, 4, 3),
        "level": 0.95,
        "provenance": provenance(),
    }
    return Comparison(**(known | facts))


def corruption_table(**facts):
    """Return two models, one network of each, under two corruptions at two severities."""
    errors = torch.tensor([[[[0.2, 0.3], [0.4, 0.6]]], [[[0.1, 0.3], [0.5, 0.7]]]], dtype=torch.float64)
    known = {
        "models": ("base", "net"),
        "data": "dark",
        "measure": "error",
        "images": 10,
        "corruptions": ("fog", "snow"),
        "severities": (1, 3),
        "sources": ("made", "made"),
        "adapt": "none",
        "errors": errors,
        "clean": torch.tensor([[0.1], [0.2]], dtype=torch.float64),
        "provenance": provenance(),
    }
    return CorruptionTable(**{**known, **facts})


def cross_section_result(*, classes=("-1", "+1")):
    """Return a plane cut in two by a vertical line at 0.5, with two images of each class, one on the wrong side."""
    horizontal, vertical = torch.linspace(-2, 2, 41), torch.linspace(-30, 30, 31)
    return CrossSection(
        model="net",
        data="T1",
        axes=("$u_1$", "$u_2$"),
        classes=classes,
        horizontal=horizontal,
        vertical=vertical,
        regions=(horizontal > 0.5).long().expand(31, 41).contiguous(),
        points=torch.tensor([[-1.0, 0.0], [1.0, 10.0], [1.5, -10.0], [0.0, 20.0]]),
        labels=torch.tensor([0, 0, 1, 1]),
        away=torch.tensor([0.0, 1.0, 2.0, 3.0]),
        provenance=provenance(),
    )
