"""The small networks of the zoo in colour: each robust one beside its standard twin, trained on CIFAR-10 once."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

import geomrob
from experiments.harness import SMOKE
from experiments.trainings import Sweep, changed, trained
from geomrob.data import Samples
from geomrob.models.architectures.vgg import VGG16, vgg
from geomrob.models.push_pull_stem import with_push_pull
from geomrob.models.registry.published import resnet18
from geomrob.models.registry.zoo import SMALL_RESNET, SMALL_VGG
from geomrob.training import Augment
from geomrob.training.recipe import Hebbian, Recipe
from geomrob.training.recipe_files import read_recipe

RESNETS = {True: SMALL_RESNET, False: resnet18}
VGGS = {True: (SMALL_VGG, 3), False: (partial(vgg, plan=VGG16), 6)}
SWEEPS = {
    "smoke": Sweep(60, 1, (0,), 10, (3,)),
    "cpu": Sweep(15_000, 10, (0, 1, 2), 400, (1, 3, 5)),
    "paper": Sweep(0, 0, (0, 1, 2), 10_000, (1, 2, 3, 4, 5)),
}
"""How the networks are trained at each scale, and what they are tested on."""
COSTS = (4.5e-3, 2.5e-3, 1.3e-3, 1e-3, 8e-4, 5e-4)


@dataclass(frozen=True)
class Case:
    """A training: its twin, the recipe whose optimisation it has, and what is done to it beside."""

    twin: str
    recipe: str = "cifar10-similarity"
    transform: str = ""
    options: dict[str, Any] = field(default_factory=dict)


PLAIN: dict[str, Any] = {"similarity": None}
CASES = {
    "standard": Case("", options=PLAIN),
    "grey": Case("standard", transform="gray", options=PLAIN),
    "push-pull": Case("standard", options=PLAIN),
    "similarity": Case("standard"),
    "AugMix": Case("standard", options={**PLAIN, "augment": Augment("augmix")}),
    "PRIME": Case("standard", options={**PLAIN, "augment": Augment("prime")}),
    "standard, no decay": Case("", "cifar10-resnet18-similarity", options=PLAIN),
    "similarity, no decay": Case("standard, no decay", "cifar10-resnet18-similarity"),
    "VGG": Case("", "cifar10-hah", options={"hebbian": None}),
    "HaH": Case("VGG", "cifar10-hah"),
}
"""By name. Without decay: as the regulariser was published, SGD at a falling rate without weight decay."""


def network(case: str, *, small: bool, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0) -> nn.Module:
    """Return the network of a case with its initial weights, which depend on `seed` alone."""
    plain, blocks = VGGS[small]
    builders: dict[str, Callable[..., nn.Module]] = {
        "push-pull": partial(with_push_pull, RESNETS[small], average=3, classes=10),
        "VGG": partial(plain, weight_norm=True),
        "HaH": partial(plain, hah=blocks),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return builders.get(case, RESNETS[small])(shape=shape)


def recipe_of(case: str, scale: Sweep, *, small: bool) -> Recipe:
    """Return the recipe of a case with the images and epochs of a scale."""
    one = CASES[case]
    options = dict(one.options)
    if one.recipe == "cifar10-hah" and "hebbian" not in options:
        options["hebbian"] = Hebbian(weights=COSTS[: VGGS[small][1]])
    if scale.epochs:
        options["epochs"] = scale.epochs
    kept = read_recipe(one.recipe).options.similarity
    if kept is not None and "similarity" not in options:
        options["similarity"] = replace(kept, images=min(kept.images, scale.train or kept.images))
    return replace(changed(one.recipe, samples=scale.train, **options), transform=one.transform)


def network_of(case: str, seed: int, scale: Sweep, flags: argparse.Namespace) -> nn.Module:
    """Return the trained network of a case, in eval mode; at scale smoke on embedded grey images in three channels."""
    smoke, small = flags.scale == SMOKE, flags.scale != "paper"
    folder = flags.figures / "trainings" if smoke else flags.trainings
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of CIFAR-10 by --data-dir")
    own: dict[str, Any] = {"train": images_of(scale.train, flags)} if smoke else {}
    shape = (3, 28, 28) if smoke else (3, 32, 32)
    make = partial(network, case, small=small, shape=shape, seed=seed)
    name = f"{case}, {'small' if small else 'published'}"
    return trained(recipe_of(case, scale, small=small), seed, folder, flags.data_dir, make=make, name=name, **own)


def images_of(count: int, flags: argparse.Namespace) -> Samples:
    """Return test images: of CIFAR-10, at scale smoke embedded ones in three equal channels."""
    if flags.scale != SMOKE:
        return geomrob.load_data("cifar10", split="test", data_dir=flags.data_dir, samples=count, seed=0)
    samples = geomrob.load_data("fashion-mnist-1k", samples=count, seed=0)
    return replace(samples, images=samples.images[:].repeat(1, 3, 1, 1))
