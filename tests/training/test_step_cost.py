"""What a step of robust training costs beside a standard one: the least CPU time of steps taken in turn."""

import time

import pytest
import torch
from torch import nn

from geomrob.models.architectures.resnet import resnet18
from geomrob.models.push_pull_stem import with_push_pull
from geomrob.training import Adversarial, Options
from geomrob.training.losses.objective import Objective

pytestmark = pytest.mark.benchmark
BATCH, ROUNDS = 16, 6


def seconds(model: nn.Module, objective: Objective, images: torch.Tensor, labels: torch.Tensor) -> float:
    start = time.process_time()
    objective(model, images, labels, torch.Generator().manual_seed(0)).backward()
    taken = time.process_time() - start
    model.zero_grad()
    return taken


def ratio(model: nn.Module, options: Options, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the cost of a step over that of the standard ResNet-18, both taken in turn."""
    standard = resnet18().train()
    models = [(standard, Objective(standard, Options(), images)), (model.train(), Objective(model, options, images))]
    best = [min(seconds(*pair, images, labels) for _ in range(2)) for pair in models]
    for _ in range(ROUNDS):
        best = [min(old, seconds(*pair, images, labels)) for old, pair in zip(best, models, strict=True)]
    return best[1] / best[0]


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(BATCH, 3, 32, 32, generator=generator), torch.arange(BATCH) % 10


@pytest.mark.parametrize("average", [3, 5])
def test_push_pull_costs_at_most_a_seventh_more(batch, average):
    facts = {"shape": (3, 32, 32), "classes": 10, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    model = with_push_pull(resnet18, average=average, **facts)
    found = ratio(model, Options(), *batch)
    print(f"push-pull stem, average {average}: {found:.2f} of the standard step")
    assert found <= 1.15


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_seven_steps_of_pgd_cost_at_most_eight_and_a_half(batch, norm):
    options = Options(adversarial=Adversarial(norm=norm, epsilon=0.03, steps=7))
    found = ratio(resnet18(), options, *batch)
    print(f"PGD-7, {norm}: {found:.2f} of the standard step")
    assert found <= 8.5
