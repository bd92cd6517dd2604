"""The birth certificate of a number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """The birth certificate of a number: what made it, from what, on what, at what cost."""

    command: str
    seed: int
    versions: dict[str, str]
    device: str
    seconds: float
    forwards: int
    backwards: int
    created: str
