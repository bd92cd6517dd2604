"""How long a margin curve will take, from the time of one call of the model."""

import time

import torch

from geomrob.inference import Prepared, evaluate, gradients

EVALUATIONS = {"deepfool": (9, 9), "superdeepfool": (50, 43), "ddn": (107, 102), "tight": (81, 58)}
"""Forward and backward evaluations an (image, band) pair with the default options: means on `fmnist-lenet`, of deepfool
on an EfficientNet-lite0 at 224 x 224."""

UNMEASURED = (100, 80)
"""Those of an attack without a row above."""

LARGE = 10**7
"""Elements of all pairs' images from which the time is measured: 67 pairs of 3 x 224 x 224."""


def evaluations_of(attack: str, budget: float | None = None) -> tuple[float, float]:
    """Return how many forward and backward evaluations a search is expected to take for an (image, band) pair.

    Example:
        >>> evaluations_of("tight", budget=200)
        (223, 200)
    """
    forwards, backwards = EVALUATIONS.get(attack, UNMEASURED)
    return (forwards, backwards) if budget is None else (budget + forwards - backwards, budget)


def expected_seconds(ready: Prepared, pairs: int, attack: str, budget: float | None = None) -> float:
    """Return the expected seconds of a margin curve: pairs times evaluations times the measured seconds of one.

    A curve of fewer elements than `LARGE` is not measured: 0.

    Args:
        ready: The model, prepared for the images: one block of them is evaluated a few times.
        pairs: Images times bands.
        attack, budget: As in `margin_curve`.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> ready = Prepared(net, torch.rand(4, 1, 4, 4))
        >>> expected_seconds(ready, 10**7, "deepfool") > 0, expected_seconds(ready, 100, "deepfool")
        (True, 0.0)
    """
    if pairs * ready.images[0].numel() < LARGE:
        return 0.0
    forwards, backwards = evaluations_of(attack, budget)
    one, both = seconds_of_calls(ready)
    return pairs * (backwards * both + (forwards - backwards) * one)


def seconds_of_calls(ready: Prepared) -> tuple[float, float]:
    """Return the measured seconds of one forward evaluation of an image, and of one with its gradient.

    Args:
        ready: The model, prepared for the images: one block of them is evaluated a few times.
    """
    rows = torch.arange(ready.block, device=ready.device)
    images = ready.images[: len(rows)][rows % len(ready.images)]
    one, both = float("inf"), float("inf")
    with ready:
        for _ in range(2):  # The first call is slower: libraries choose their algorithms in it.
            start = time.perf_counter()
            with torch.no_grad():
                evaluate(ready.model, images).sum().item()
            middle = time.perf_counter()
            gradients(ready.model, images, rows, lambda logits, _: logits.amax(1, keepdim=True))[2][0].sum().item()
            one, both = min(one, middle - start), min(both, time.perf_counter() - middle)
    return one / len(rows), both / len(rows)
