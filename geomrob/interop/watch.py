"""What foolbox's boundary attack keeps to itself: its step sizes, and whether they ever adapted."""

import importlib
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def library(name: str) -> Any:
    """Return foolbox or what belongs to it, loaded when first asked for: it takes a second."""
    return importlib.import_module(name)


def watched(attack: Any) -> Any:
    """Return the attack, or for a BoundaryAttack one that does the same and tells `told_by` of its steps.

    foolbox tells its step sizes to TensorBoard alone. The code of `run` is foolbox's own; only the name TensorBoard
    means `Recorder` to it, in this one object, and nothing in foolbox is changed.
    """
    foolbox = library("foolbox")
    if not isinstance(attack, foolbox.attacks.BoundaryAttack):
        return attack
    kind = type(attack)

    class Watched(kind):  # pyright: ignore[reportUntypedBaseClass]
        recorder: Recorder

        def run(self, *arguments: Any, **options: Any) -> Any:
            self.recorder = Recorder(self)
            names = {**kind.run.__globals__, "TensorBoard": lambda logdir: self.recorder}
            own = types.FunctionType(kind.run.__code__, names, "run", kind.run.__defaults__, kind.run.__closure__)
            own.__kwdefaults__ = kind.run.__kwdefaults__
            return own(self, *arguments, **options)

    Watched.__name__ = kind.__name__
    copy: Any = Watched.__new__(Watched)
    for name, value in vars(attack).items():
        setattr(copy, name, value)
    return copy


def told_by(attack: Any, count: int) -> dict[str, Tensor]:
    """Return what the last run of a watched attack told, one value an image; nothing of any other attack."""
    recorder = vars(attack).get("recorder")
    return {} if recorder is None else recorder.last(count)


class Recorder:
    """Takes the place of foolbox's TensorBoard for one run, and keeps the last of what a walk tells of itself."""

    def __init__(self, attack: Any) -> None:
        """Args: attack: Says the first step sizes, and the limit under which a walk has converged."""
        self.first = {name: float(getattr(attack, name)) for name in ("spherical_step", "source_step")}
        self.limit = float(attack.source_step_convergance)
        self.told: dict[str, Tensor] = {}
        self.adapted: Tensor | None = None
        self.steps = 0

    def histogram(self, name: str, values: Any, step: int) -> None:
        """Keep the step sizes."""
        if name not in self.first:
            return
        raw = values.raw.detach().cpu().clone()
        changed = raw != torch.full_like(raw, self.first[name])
        self.adapted = changed if self.adapted is None else self.adapted | changed
        self.told[name], self.steps = raw, step

    def last(self, count: int) -> dict[str, Tensor]:
        """Return the last step sizes of `count` images; the first ones of a walk that took no step."""
        sizes = {name: self.told.get(name, torch.full((count,), size)) for name, size in self.first.items()}
        adapted = torch.zeros(count, dtype=torch.bool) if self.adapted is None else self.adapted
        converged = sizes["source_step"] < self.limit
        return {**sizes, "converged": converged, "adapted": adapted, "steps": torch.full((count,), self.steps)}

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a method that does nothing, for everything else that is told."""
        return lambda *args, **kwargs: None
