"""What several experiments measure in the same way."""

import contextlib
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.harness import Page, facts
from geomrob.analysis.audit import audit
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.data import Samples
from geomrob.plot.audit import plot_verdicts
from geomrob.plot.style import blank, figure_headline
from geomrob.results import Audit
from geomrob.training import accuracy

SIGMA, DRAWS = 0.1, 3
BALLS = {"linf": (2 / 255, math.inf), "l2": (0.25, 2.0)}


class Bfloat16(nn.Module):
    """A model whose products are taken in bfloat16, its logits in float32."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits in float32."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            return self.model(images).float()


def first_correct(model: nn.Module, data: Samples, count: int, *, order: Tensor | None = None) -> Samples:
    """The first `count` samples, in an order, that the model classifies as labelled."""
    ordered = data if order is None else data.subset(order)
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in ordered.images.split(500)]) == ordered.labels
    return ordered.subset(right.nonzero().flatten()[:count])


def evaluation_cost(model: nn.Module, images: Tensor, size: int = 64, rounds: int = 30) -> tuple[float, float]:
    """CPU seconds of one forward evaluation of the bare model, and of one backward, in batches of `size`."""
    batch = images.repeat(math.ceil(size / len(images)), 1, 1, 1)[:size]

    def forward() -> None:
        with torch.no_grad():
            model(batch)

    def both() -> None:
        at = batch.clone().requires_grad_()
        logits = model(at)
        for k in range(3):
            torch.autograd.grad(logits[:, k].sum(), at, retain_graph=k < 2)

    times = []
    for call in (forward, both):
        call()
        start = time.process_time()
        for _ in range(rounds):
            call()
        times.append((time.process_time() - start) / rounds / size)
    return times[0], max(0.0, times[1] - times[0]) / 3


def noise_accuracy(model: nn.Module, samples: Samples) -> float:
    """Accuracy under Gaussian noise of `SIGMA`, mean of `DRAWS` draws."""
    shares = []
    for seed in range(DRAWS):
        images = noisy(samples.images, kind="gaussian", epsilon=SIGMA, seed=seed, indices=samples.indices)
        shares.append(accuracy(model, Samples(images, samples.labels, samples.classes, samples.indices, samples.name)))
    return statistics.fmean(shares)


def robust_accuracy(model: nn.Module, samples: Samples, ball: str, steps: int) -> float:
    """Share of the samples that stay correct under PGD with both losses, inside one of `BALLS`."""
    epsilon, norm = BALLS[ball]
    held = torch.ones(len(samples), dtype=torch.bool)
    for loss in ("cross-entropy", "margin"):
        options = {"epsilon": epsilon, "norm": norm, "steps": steps, "loss": loss, "indices": samples.indices}
        held &= ~pgd(model, samples.images, samples.labels, **options).success
    return float(held.double().mean())


@contextlib.contextmanager
def coarse_products(on: bool) -> Iterator[None]:
    """Let products of matrices be rounded to bfloat16 meanwhile, if `on`."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if on else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def audits(models: Mapping[str, nn.Module], data: Samples, sources: Mapping[str, nn.Module], seed: int) -> list[Audit]:
    """An audit of each model, with the other sources for the transferred perturbations."""
    results = []
    for name, model in models.items():
        others = {key: source for key, source in sources.items() if key != name}
        results.append(
            audit(
                model,
                data.images,
                sources=others,
                labels=data.labels,
                indices=data.indices,
                name=name,
                data=data.name,
                seed=seed,
            )
        )
        print(f"{name:28} {results[-1].verdict:7} {'; '.join(results[-1].causes) or '-'}", flush=True)
    return results


def audit_page(results: Sequence[Audit]) -> Page:
    """What the pictures and tables of audits need of them."""
    rows = [
        {
            "model": one.model,
            "data": one.data,
            "images": len(one.labels),
            "accuracy": one.accuracy,
            "verdict": one.verdict,
            "causes": one.causes,
            "checks": {check.name: {"verdict": check.verdict, "value": check.value} for check in one.checks},
            "medians": {name: float(getattr(one, name).median()) for name in ("white", "transferred", "decision")},
            "provenance": facts(one),
        }
        for one in results
    ]
    return {"units": {check.name: check.unit for check in results[0].checks}, "audits": rows}


def draw_audits(page: Page, names: Mapping[str, str], title: str, reading: str = "") -> Figure:
    """The verdict of every check on every model, the models under the names given."""
    verdicts = {
        names[one["model"]]: {
            name: (row["verdict"], row["value"], page["units"][name]) for name, row in one["checks"].items()
        }
        for one in page["audits"]
    }
    figure = blank(max(11.0, 1.1 * len(verdicts)), 6.6)
    legend = (
        "Dark with \u2717: failed. Yellow with !: warned. Light blue: passed. Grey with \u2013: skipped. Per cent of "
    )
    legend += f"{page['audits'][0]['images']} images; smooth: roughness, 0 to 2. "
    figure_headline(figure, title, legend + reading)
    plot_verdicts(verdicts, ax=figure.add_subplot())
    return figure
