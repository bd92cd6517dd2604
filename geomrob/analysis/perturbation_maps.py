"""Locations: where in the image an attack changes pixels, and how far two models agree about that."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.errors import UsageError, unknown
from geomrob.results import Locations, Overlap, Sparsity

PIECE = 1 << 24
"""Entries of the table of all pairs of images that are held at a time."""


def locations(sparsity: Sparsity, *, by: str = "label") -> Locations:
    """Return for each class the share of its fooled images in which each pixel is changed, in any channel.

    Args:
        sparsity: What an attack did to some images.
        by: Which class an image counts for: `label` (the true one), `left` (the one predicted before) or `found` (the
            one predicted now).

    Returns:
        One map a class, NaN where it has no fooled image. Classes without a name are called by their number.

    Raises:
        UsageError: An unknown `by`, or fewer names than classes.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, sec. 3.4.1 (which looks at single
        images: Figs. 3.8 and 3.9).

    Example:
        >>> from geomrob.analysis.sparsity import sparsity
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> locations(sparsity(model, torch.rand(5, 1, 8, 8)), by="left").maps.shape[1:]
        torch.Size([8, 8])
    """
    attack = sparsity.result
    groups = {"label": sparsity.labels, "left": attack.labels, "found": sparsity.found}
    if by not in groups:
        raise unknown("by", by, groups)
    needed = 1 + max(int(group.max()) for group in groups.values())
    names = sparsity.classes or tuple(map(str, range(needed)))
    if len(names) < needed:
        raise UsageError(f"classes must name class {needed - 1} too; got {len(names)} names: give all or none")
    group, changed = groups[by][attack.success], attack.changed[attack.success].double()
    counts = torch.bincount(group, minlength=len(names))
    maps = changed.new_zeros(len(names), *changed.shape[1:]).index_add(0, group, changed)
    return Locations(
        model=sparsity.model,
        data=sparsity.data,
        attack=sparsity.attack,
        by=by,
        classes=names,
        # 0 / 0 is NaN: of a class without fooled images nothing is known.
        maps=maps / counts[:, None, None],
        counts=counts,
        provenance=sparsity.provenance,
    )


def overlap(one: Sparsity, other: Sparsity) -> Overlap:
    r"""Return how far two models' perturbations of the same images change the same pixels, in any channel.

    With A_i, B_i the pixels of D that change in image i: `union` |A_i & B_i| / |A_i | B_i|, `smaller`
    |A_i & B_i| / min(|A_i|, |B_i|). If A_i stayed and B_i lay anywhere, |A_i & B_i| would be |A_i| |B_i| / D on average
    (hypergeometric), so `expected` is max(|A_i|, |B_i|) / D. `elsewhere` is the mean of |A_i & B_j| / min(|A_i|, |B_j|)
    over all other images j, exactly, by one matrix product.

    Args:
        one: What an attack did to the images on one model (A).
        other: The same images on another model, or with another attack (B).

    Returns:
        One entry an image; NaN where an attack failed or changed nothing. Such an image counts for no `elsewhere`.

    Raises:
        UsageError: Other images.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, sec. 3.4.1, Fig. 3.8.
    """
    before, after = one.result.inputs, other.result.inputs
    if before.shape != after.shape or not torch.equal(before, after):
        raise UsageError(
            f"other must be about the same images; got {len(after)} of {other.data} and {len(before)} of {one.data}"
            f"{' that differ' if before.shape == after.shape else ''}: attack the same images in the same order"
        )
    first, second = _pixels(one), _pixels(other)
    mine, theirs = first.sum(1), second.sum(1)
    shared = (first * second).sum(1)
    # 0 / 0 is NaN, and x / 0 cannot be: what shares a pixel has one.
    valid = torch.where((mine > 0) & (theirs > 0), 1.0, torch.nan)
    return Overlap(
        models=(one.model, other.model),
        data=one.data,
        attack=one.attack if one.attack == other.attack else f"{one.attack} and {other.attack}",
        union=valid * shared / (mine + theirs - shared),
        smaller=valid * shared / torch.minimum(mine, theirs),
        expected=valid * torch.maximum(mine, theirs) / first.shape[1],
        elsewhere=valid * _elsewhere(first, second),
    )


def _pixels(sparsity: Sparsity) -> Float[Tensor, "n d"]:
    """Return 1 where a pixel is changed and 0 elsewhere; failures change none."""
    attack = sparsity.result
    return (attack.changed & attack.success[:, None, None]).flatten(1).double()


def _elsewhere(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Return the mean share of pixels of each row that it has in common with the other rows of the other table."""
    mine, theirs = first.sum(1), second.sum(1)
    means: list[Tensor] = []
    for rows in _rows(len(first)):
        least = torch.minimum(mine[rows, None], theirs)
        counts: Bool[Tensor, "m n"] = (theirs > 0).expand_as(least).clone()
        counts[torch.arange(len(rows)), rows] = False
        share = torch.where(counts, first[rows] @ second.T / least, 0)
        means.append(share.sum(1) / counts.sum(1))
    return torch.cat(means)


def _rows(count: int) -> Iterator[Int64[Tensor, " m"]]:
    """Yield the numbers of the images, as many at a time as fit."""
    yield from torch.arange(count).split(max(1, PIECE // count))
