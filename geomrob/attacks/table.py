"""All attacks in one literal table, importable without torch: functions are imported when they are first used.

To add an attack, write its file and its row here. Choices and help of the commands, the export to foolbox, contract and
truth tests, and the table in the docs come from the rows.
"""

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from geomrob.errors import unknown

if TYPE_CHECKING:
    from geomrob.results import AttackResult

Kind = Literal["minimal", "budget", "noise", "decision"]
"""What an attack does: minimise a norm by gradients; search a ball of given radius; draw and not search; minimise a
norm by predictions alone."""

EVERY: tuple[Kind, ...] = ("minimal", "budget", "noise", "decision")

SHARED = ("targets", "subspace", "bounds", "epsilon", "memory")
"""Arguments that mean the same in every attack that takes them: these are not counted among its options."""

TENTHS, SMALL = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5), (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2)
WIDE, WIDER = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0), (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0)


@dataclass(frozen=True)
class Variant:
    """An attack of a given strength, with some options set, under a name of its own.

    Attributes:
        summary: What it is.
        strengths: Usual ones: they take a small network from its clean accuracy to near that of guessing.
        norm: In which its strength bounds the perturbation; None for a strength that bounds none.
        options: What is set.
        source: Whether it needs another model to craft on.
    """

    summary: str
    strengths: tuple[float, ...]
    norm: float | None
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    source: bool = False


@dataclass(frozen=True)
class AttackEntry:
    """One attack.

    Attributes:
        home: Its function, as module:function.
        kind: What it does.
        norms: Which it minimises, or which bound its ball.
        summary: What it is, for help texts.
        search_name: In the same module, its search over (image, band) pairs; empty for none.
        variants: By name, for attacks of a given strength.
        quick: Options that make it cheap, for tests of what holds at any price.
    """

    home: str
    kind: Kind
    norms: tuple[float, ...]
    summary: str
    search_name: str = ""
    variants: Mapping[str, Variant] = field(default_factory=dict[str, Variant])
    quick: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def attack(self) -> "Callable[..., AttackResult]":
        """The function."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)

    @property
    def search(self) -> Callable[..., Any]:
        """The search over (image, band) pairs of an attack that has one."""
        return getattr(importlib.import_module(self.home.partition(":")[0]), self.search_name)

    @property
    def options(self) -> dict[str, Any]:
        """What may be chosen, with defaults: the keyword arguments that are its own."""
        return {name: default for name, default in self._keywords().items() if name not in SHARED}

    @property
    def norm(self) -> float:
        """The norm of its perturbations unless another one is chosen."""
        return float(self.options.get("norm", self.norms[0]))

    def takes(self, argument: str) -> bool:
        """Return whether the function has that keyword argument, such as `subspace`, `bounds`, `targets` or `seed`."""
        return argument in self._keywords()

    def _keywords(self) -> dict[str, Any]:
        parameters = inspect.signature(self.attack).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


ATTACKS: dict[str, AttackEntry] = {
    "deepfool": AttackEntry(
        "geomrob.attacks.minimal.deepfool:deepfool",
        "minimal",
        (2, 1, math.inf),
        "steps to the nearest linearized boundary",
        search_name="deepfool_search",
    ),
    "superdeepfool": AttackEntry(
        "geomrob.attacks.minimal.superdeepfool:superdeepfool",
        "minimal",
        (2,),
        "DeepFool, then along the boundary's normal",
        search_name="superdeepfool_search",
        quick={"rounds": 2},
    ),
    "ddn": AttackEntry(
        "geomrob.attacks.minimal.ddn:ddn",
        "minimal",
        (2,),
        "unit steps on a sphere whose radius follows success",
        search_name="ddn_search",
        quick={"steps": 30},
    ),
    "tight": AttackEntry(
        "geomrob.attacks.minimal.tight:tight",
        "minimal",
        (2, 1, math.inf),
        "DDN from DeepFool's start, angle annealed, with restarts",
        search_name="tight_search",
        quick={"budget": 20},
    ),
    "sparsefool": AttackEntry(
        "geomrob.attacks.minimal.sparsefool:sparsefool",
        "minimal",
        (1,),
        "few pixels of a box, along DeepFool's normal",
    ),
    "noise": AttackEntry(
        "geomrob.attacks.fixed_budget.noise:noise",
        "noise",
        (math.inf,),
        "Gaussian, uniform or salt-and-pepper noise",
        variants={
            "gaussian": Variant("Gaussian noise of that standard deviation", TENTHS, None, {"kind": "gaussian"}),
            "uniform": Variant("noise drawn evenly from -strength to strength", TENTHS, math.inf, {"kind": "uniform"}),
            "salt-pepper": Variant(
                "that share of the elements one lighter or darker", TENTHS, None, {"kind": "salt-pepper"}
            ),
        },
    ),
    "fgsm": AttackEntry(
        "geomrob.attacks.fixed_budget.fgsm:fgsm",
        "budget",
        (math.inf,),
        "one step along the sign of the gradient",
        variants={
            "fgsm": Variant("one step along the sign of the model's own gradient", SMALL, math.inf),
            "fgsm-transfer": Variant(
                "one step along the sign of another model's gradient", SMALL, math.inf, source=True
            ),
        },
    ),
    "pgd": AttackEntry(
        "geomrob.attacks.fixed_budget.pgd:pgd",
        "budget",
        (math.inf, 2, 1),
        "the best of many steps inside a ball",
        variants={
            "pgd": Variant("the best of many steps in an l_inf ball", SMALL, math.inf),
            "pgd-l2": Variant("the best of many steps in an l2 ball", WIDE, 2, {"norm": 2}),
            "pgd-l1": Variant("the best of many steps in an l1 ball", WIDER, 1, {"norm": 1}),
        },
        quick={"steps": 10},
    ),
    "boundary": AttackEntry(
        "geomrob.attacks.decision_based.boundary:boundary",
        "decision",
        (2,),
        "a walk along the boundary by predictions alone",
        quick={"budget": 80},
    ),
}


def names(*kinds: Kind, search: bool = False) -> tuple[str, ...]:
    """Return the names of the attacks of some kinds, of all by default; only those with a search, where it is wanted.

    Example:
        >>> "boundary" in names("decision"), "boundary" in names("minimal")
        (True, False)
    """
    rows = ATTACKS.items()
    return tuple(name for name, row in rows if row.kind in (kinds or EVERY) and (not search or bool(row.search_name)))


def variants(*kinds: Kind) -> dict[str, tuple[AttackEntry, Variant]]:
    """Return the variants of the attacks of a given strength, of some kinds or all, by name, each with its attack.

    Example:
        >>> [name for name in variants("budget") if name.startswith("pgd")]
        ['pgd', 'pgd-l2', 'pgd-l1']
    """
    every: dict[str, tuple[AttackEntry, Variant]] = {}
    for name in names(*kinds):
        row = ATTACKS[name]
        # A given strength without variants is one by its own name.
        own = {name: Variant(row.summary, SMALL, row.norms[0])} if row.kind in ("budget", "noise") else {}
        every |= {called: (row, variant) for called, variant in (row.variants or own).items()}
    return every


def variant(name: str) -> tuple[AttackEntry, Variant]:
    """Return the variant of that name, and its attack.

    Raises:
        UsageError: None of them.
    """
    known = variants()
    if name not in known:
        raise unknown("attack", name, known)
    return known[name]


def entry(name: str, known: tuple[str, ...] | None = None) -> AttackEntry:
    """Return the row of that name.

    Args:
        name: Of the attack.
        known: Which names are allowed; all by default.

    Raises:
        UsageError: None of them.
    """
    allowed = names() if known is None else known
    if name not in allowed:
        raise unknown("attack", name, allowed)
    return ATTACKS[name]


def markdown() -> str:
    """Return the table of the docs: what each attack is, does, minimises and takes."""
    words = {1: "l1", 2: "l2", math.inf: "l-infinity"}
    lines = ["| attack | kind | norms | targets | bands | options | what it is |", "|" + " --- |" * 7]
    for name, row in ATTACKS.items():
        norms = ", ".join(words[norm] for norm in row.norms)
        given = ", ".join(f"`{option}`" for option in row.options)
        targets, bands = ("yes" if row.takes(argument) else "" for argument in ("targets", "subspace"))
        lines.append(f"| `{name}` | {row.kind} | {norms} | {targets} | {bands} | {given} | {row.summary} |")
    return "\n".join(lines) + "\n"
