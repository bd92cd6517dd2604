"""Attacks of other libraries, for the benchmarks: same model, same images, same verification in one run.

None of these libraries but foolbox is needed by geomrob. For the others:
`pip install --no-deps adv-lib torchattacks tqdm requests`.
"""

import contextlib
import importlib
import importlib.util
import math
import sys
import types
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from geomrob.arrays import Images, Labels, norms
from geomrob.errors import UsageError, unknown
from geomrob.inference import evaluating
from geomrob.interop.counted import Counted
from geomrob.results import AttackResult, Status

STAND_INS = ("visdom", "torchvision", "torchvision.models", "torchvision.transforms", "torchvision.utils")
"""Modules that adv-lib imports and no attack of it uses."""

Peer = Callable[[nn.Module, Images, Labels], Images]


@dataclass(frozen=True)
class PeerEntry:
    """One attack of another library: the package it needs, and how to call it (inputs in [0, 1], true labels)."""

    package: str
    attack: Peer
    most: int | None = None
    """So slow that a comparison should give it this many images only; None for no limit."""


def _adv_lib(name: str, **options: object) -> PeerEntry:
    def attack(model: nn.Module, inputs: Images, labels: Labels) -> Images:
        return getattr(_adv_lib_attacks(), name)(model, inputs, labels, **options)

    return PeerEntry("adv-lib", attack)


def _foolbox(name: str, **options: object) -> PeerEntry:
    def attack(model: nn.Module, inputs: Images, labels: Labels) -> Images:
        foolbox = _imported("foolbox", "foolbox")
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=inputs.device)
        return getattr(foolbox.attacks, name)(**options)(wrapped, inputs, labels, epsilons=None)[1]

    return PeerEntry("foolbox", attack)


def _torchattacks(name: str, *, most: int | None = None, **options: object) -> PeerEntry:
    def attack(model: nn.Module, inputs: Images, labels: Labels) -> Images:
        return getattr(_imported("torchattacks", "torchattacks requests tqdm"), name)(model, **options)(inputs, labels)

    return PeerEntry("torchattacks", attack, most)


PEERS: dict[str, PeerEntry] = {
    "adv-lib DeepFool": _adv_lib("df"),
    "adv-lib SuperDeepFool": _adv_lib("sdf"),
    "adv-lib DDN, 100 steps": _adv_lib("ddn", steps=100),
    "adv-lib DDN, 1000 steps": _adv_lib("ddn", steps=1000),
    "adv-lib PDGD, 500 steps": _adv_lib("pdgd", num_steps=500),
    "foolbox L2DeepFool": _foolbox("L2DeepFoolAttack"),
    "foolbox DDN, 100 steps": _foolbox("DDNAttack", steps=100),
}
"""Attacks that look for a small l2 norm."""

SPARSE_PEERS: dict[str, PeerEntry] = {
    "adv-lib sigma-zero, 100 steps": _adv_lib("sigma_zero", num_steps=100),
    "adv-lib sigma-zero, 1000 steps": _adv_lib("sigma_zero", num_steps=1000),
    "adv-lib VFGA": _adv_lib("vfga", targeted=False),
    "adv-lib FMN-l0, 100 steps": _adv_lib("fmn", norm=0, steps=100),
    "foolbox L0FMN, 100 steps": _foolbox("L0FMNAttack", steps=100),
    "foolbox L1FMN, 100 steps": _foolbox("L1FMNAttack", steps=100),
    "foolbox EAD, 5 x 100 steps": _foolbox("EADAttack", binary_search_steps=5, steps=100),
    "torchattacks SparseFool": _torchattacks("SparseFool", most=32),
    "torchattacks JSMA": _torchattacks("JSMA", most=32),
    "torchattacks OnePixel": _torchattacks("OnePixel"),
}
"""Attacks that look for few changed pixels or a small l1 norm."""

NORM_PEERS: dict[float, dict[str, PeerEntry]] = {
    norm: {
        "adv-lib FMN, 100 steps": _adv_lib("fmn", norm=norm, steps=100),
        "adv-lib FMN, 1000 steps": _adv_lib("fmn", norm=norm, steps=1000),
        **({} if norm == 2 else {"adv-lib PDPGD, 500 steps": _adv_lib("pdpgd", norm=norm, num_steps=500)}),
        **(
            {}
            if norm != 2
            else {name: PEERS[name] for name in PEERS if name.startswith(("adv-lib DDN", "adv-lib PDGD"))}
        ),
        **({} if norm > 2 else {"adv-lib ALMA, 1000 steps": _adv_lib("alma", distance=f"l{norm:g}", num_steps=1000)}),
        "adv-lib FAB, targeted, 9 x 100 steps": _adv_lib("fab", norm=norm, n_iter=100, targeted_restarts=True),
    }
    for norm in (math.inf, 2.0, 1.0)
}
"""Attacks that look for a small l-infinity, l2 or l1 norm."""


def run_peer(
    name: str, model: nn.Module, inputs: Images, labels: Labels, table: dict[str, PeerEntry] | None = None
) -> AttackResult:
    """Return the result of a peer, verified as ours is: success where the images returned are adversarial in the box.

    Args:
        name: A row of `PEERS` or `SPARSE_PEERS`.
        model: Images in [0, 1] to logits.
        inputs, labels: Images and the classes to leave.
        table: Where the row is, if elsewhere, such as in one of `NORM_PEERS`.

    Returns:
        One entry an input. Evaluations are the mean over the inputs, rounded: peers do not report them one by one.

    Raises:
        UsageError: No such row; the library is not installed (the sentence says what to install).
    """
    table = PEERS | SPARSE_PEERS if table is None else table
    if name not in table:
        raise unknown("peer", name, table)
    counted = Counted(model).eval()
    with evaluating(model), _seeded():
        perturbed = table[name].attack(counted, inputs.clone(), labels).detach()
        with torch.no_grad():
            inside = ((perturbed >= 0) & (perturbed <= 1)).flatten(1).all(1)
            success = (model(perturbed).argmax(1) != labels) & inside
    spent = [torch.full_like(labels, round(count / len(inputs))) for count in (counted.forwards, counted.backwards)]
    status = torch.where(success, int(Status.FOUND), int(Status.STEP_LIMIT))
    moved = norms(perturbed - inputs) > 0
    return AttackResult(inputs, labels, perturbed, success & moved, status, torch.zeros_like(labels), *spent)


@contextlib.contextmanager
def _seeded() -> Generator[None]:
    """Seed the global generators that peers draw from, and restore them afterwards."""
    numpy_state = np.random.get_state()  # noqa: NPY002  (what the peers use)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def _adv_lib_attacks() -> types.ModuleType:
    with _stand_ins():
        return _imported("adv_lib.attacks", "adv-lib tqdm")


@contextlib.contextmanager
def _stand_ins() -> Generator[None]:
    """Stand in for what adv-lib imports to plot and to read data sets, which no attack uses, where it is missing.

    What adv-lib has imported it keeps; nobody else finds an empty `torchvision` afterwards and takes it for real.
    """
    missing = [name for name in STAND_INS if name.partition(".")[0] not in sys.modules and not _installed(name)]
    for name in missing:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__["Visdom"] = object
    try:
        yield
    finally:
        for name in missing:
            sys.modules.pop(name, None)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name.partition(".")[0]) is not None


def _imported(module: str, packages: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"this comparison needs {module.partition('.')[0]}; got {error}: pip install --no-deps {packages}"
        ) from error
