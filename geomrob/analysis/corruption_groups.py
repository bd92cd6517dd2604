"""Which corruptions a score is a mean over: the 15 of the benchmark, their categories and frequency groups."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import UsageError, unknown
from geomrob.data.corruptions import CORRUPTIONS

# What mCE is a mean over, in the column order of the papers.
BENCHMARK = tuple(name for name, entry in CORRUPTIONS.items() if entry.benchmark)

SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "category": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].category == group)
        for group in ("noise", "blur", "weather", "digital")
    },
    "push_pull_category": {
        "noise": BENCHMARK[:3],
        "blur": BENCHMARK[3:7],
        "weather": BENCHMARK[7:10],
        "digital": BENCHMARK[10:],
    },
    "push_pull": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].push_pull == group)
        for group in ("low", "mid", "high")
    },
    "pixel_similarity": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].pixel_similarity == group)
        for group in ("low", "mid", "high")
    },
}
"""The 15 by category, as the benchmark has them and as the tables of PushPull-Net do, where brightness is digital; and
by frequency group in the two published splits."""


def grouped(values: Float[Tensor, "*rest c"], names: Sequence[str], split: str) -> dict[str, Float[Tensor, "*rest"]]:
    """Return the mean of values, one a corruption, over each group of a split.

    Args:
        values: CE, or CE over a baseline's, of each corruption.
        names: The corruptions, in their order.
        split: A row of `SPLITS`: `category`, `push_pull_category` (brightness is digital), `push_pull` (PushPull-Net,
            section 5.3), `pixel_similarity` (Attias et al., 2024, section 7.10).

    Raises:
        UsageError: No such split, or a corruption of the 15 is missing: it is named.

    Example:
        >>> import torch
        >>> grouped(torch.arange(15.0), BENCHMARK, "category")["noise"].item()
        1.0
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    missing = [name for name in BENCHMARK if name not in names]
    if missing:
        raise UsageError(f"names must hold all 15 for a split; got no {', '.join(missing)}: measure them, too")
    places = {name: place for place, name in enumerate(names)}
    return {group: values[..., [places[one] for one in members]].mean(-1) for group, members in SPLITS[split].items()}
