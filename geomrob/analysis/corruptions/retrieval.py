"""Image retrieval by binary codes: the mean average precision of what lies nearest by Hamming distance."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.analysis.corruptions.errors import predicted
from geomrob.arrays import Images, Labels, Logits, Model
from geomrob.errors import UsageError, unknown

TIES = ("expected", "stable")
# Queries that are ranked at once.
AT_ONCE = 256


def retrieval_map(
    queries: Float[Tensor, "q b"],
    query_labels: Int64[Tensor, " q"],
    database: Float[Tensor, "d b"],
    database_labels: Int64[Tensor, " d"],
    *,
    top: int = 200,
    ties: str = "expected",
) -> Float[Tensor, ""]:
    """Return the mean over queries of the average precision among the `top` nearest codes of the database (mAP@200).

        AP = sum_i [i is relevant] P(i) / R

    over the ranks i <= top, with P(i) the share of relevant ones among the first i and R how many of the first `top`
    are relevant; 0 where none is. Relevant are those with the label of the query.

    Codes of b bits lie at b + 1 distances, so nearly all ranks are tied. `expected` is the mean of AP over all orders
    of the tied ones, in closed form: within a group of t at the same distance of which r are relevant, each rank is
    relevant with probability r / t; of the group that the cut at `top` divides, how many relevant ones come before the
    cut is hypergeometric. It does not depend on the order of the database.

    An output that is NaN is no code: such a query has AP 0, such an image of the database stands behind all others and
    is relevant to none.

    Args:
        queries, database: Outputs of the hashing network; their signs are the bits, 0 counts as positive.
        query_labels, database_labels: Their classes.
        top: How many are retrieved; all where the database has fewer.
        ties: `expected`, or `stable`: tied codes in the order of the database.

    Raises:
        UsageError: Codes of other lengths, labels that are not one a code, no query or no database, `top` below 1,
            unknown `ties`.

    References:
        PushPull-Net, supplement 7.2; ties: McSherry and Najork, Computing information retrieval performance measures
        efficiently in the presence of tied scores, 2008.

    Differences:
        The released code sorts without saying how ties fall.

    Example:
        >>> codes, labels = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]), torch.tensor([0, 1, 0])
        >>> retrieval_map(codes[:1], labels[:1], codes, labels).item()
        0.70833...
        >>> retrieval_map(codes[:1], labels[:1], codes[1:], labels[1:], ties="stable").item()
        0.5
    """
    _check(queries, query_labels, database, database_labels, top, ties)
    top, bits, lost = min(top, len(database)), queries.shape[1], database.isnan().any(1)
    precisions: list[Tensor] = []
    for rows, wanted in zip(queries.split(AT_ONCE), query_labels.split(AT_ONCE), strict=True):
        relevant = (wanted[:, None] == database_labels) & ~lost
        distances = hamming(rows, database).masked_fill(lost, bits + 1)
        if ties == "stable":
            ranked = relevant.gather(1, torch.argsort(distances, dim=1, stable=True)[:, :top])
            found = average_precision(ranked.double())
        else:
            found = _expected(distances, relevant, bits + 2, top)
        precisions.append(found.masked_fill(rows.isnan().any(1), 0))
    return torch.cat(precisions).mean()


def hamming(queries: Float[Tensor, "q b"], database: Float[Tensor, "d b"]) -> Int64[Tensor, "q d"]:
    """Return in how many signs each pair of codes differs; 0 counts as positive.

    Example:
        >>> hamming(torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 4.0], [0.0, -1.0]])).tolist()
        [[1, 0]]
    """
    one, other = ((codes >= 0).to(torch.float32) * 2 - 1 for codes in (queries, database))
    return ((one.shape[1] - one @ other.T) / 2).round().long()


def average_precision(relevant: Float[Tensor, "q k"]) -> Float[Tensor, " q"]:
    """Return AP of rankings, 1 where what stands at a rank is relevant, else 0.

    Example:
        >>> average_precision(torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])).tolist()
        [0.8333..., 0.0]
    """
    ranks = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    total = (relevant * relevant.cumsum(1) / ranks).sum(1)
    return total / relevant.sum(1).clamp(min=1)


def _expected(distances: Tensor, relevant: Tensor, levels: int, top: int) -> Tensor:
    """Return the expectation of AP over all orders of codes at the same distance."""
    here: dict[str, Any] = {"dtype": torch.float64, "device": distances.device}
    zero = torch.zeros(len(distances), levels, **here)
    sizes = zero.scatter_add(1, distances, torch.ones(distances.shape, **here))
    good = zero.scatter_add(1, distances, relevant.double())
    ends = sizes.cumsum(1)
    ranks = torch.arange(1, top + 1, **here).expand(len(distances), top).contiguous()
    at = torch.searchsorted(ends, ranks)
    size, hits = sizes.gather(1, at), good.gather(1, at)
    before, found = (ends - sizes).gather(1, at), (good.cumsum(1) - good).gather(1, at)
    # At the j-th of its group, a rank is relevant with probability hits / size; then, before it in the group, each of
    # the j - 1 others is with probability (hits - 1) / (size - 1).
    alone = (found + 1) / ranks
    along = (ranks - before - 1) / ranks
    whole = hits / size * (alone + along * (hits - 1) / (size - 1).clamp(min=1))
    cut = at == at[:, -1:]
    above = torch.where(cut, 0, whole).sum(1)
    first, second = torch.where(cut, alone, 0).sum(1), torch.where(cut, along, 0).sum(1)
    return _over_cut(above, first, second, taken=cut.sum(1), size=size[:, -1], hits=hits[:, -1], found=found[:, -1])


def _over_cut(
    above: Tensor, first: Tensor, second: Tensor, *, taken: Tensor, size: Tensor, hits: Tensor, found: Tensor
) -> Tensor:
    """Return the expectation over how many relevant ones, h, of the group at the cut are among those taken from it."""
    h = torch.arange(int(taken.max()) + 1, dtype=torch.float64, device=above.device)
    taken, size, hits = (number[:, None].double() for number in (taken, size, hits))
    possible = (h <= taken) & (h <= hits) & (taken - h <= size - hits)

    def choose(n: Tensor, k: Tensor) -> Tensor:
        return torch.lgamma(n + 1) - torch.lgamma((k + 1).clamp(min=1)) - torch.lgamma((n - k + 1).clamp(min=1))

    probability = (choose(hits, h) + choose(size - hits, taken - h) - choose(size, taken)).exp().where(possible, 0)
    inside = h / taken * (first[:, None] + (h - 1) / (taken - 1).clamp(min=1) * second[:, None])
    value = (above[:, None] + inside) / (found[:, None] + h).clamp(min=1)
    return (probability * value).sum(1)


def _check(
    queries: Tensor, query_labels: Tensor, database: Tensor, database_labels: Tensor, top: int, ties: str
) -> None:
    """Refuse what cannot be ranked."""
    if ties not in TIES:
        raise unknown("ties", ties, TIES)
    if queries.shape[1] != database.shape[1]:
        given = f"{queries.shape[1]} and {database.shape[1]} bits"
        raise UsageError(f"queries and database must have codes of one length; got {given}: use one network for both")
    for name, codes, labels in (("query", queries, query_labels), ("database", database, database_labels)):
        if labels.shape != codes.shape[:1]:
            given = f"{tuple(labels.shape)} for {len(codes)} codes"
            raise UsageError(f"{name}_labels must be one a code; got {given}: give the class of each image")
    if not len(queries) or not len(database) or top < 1:
        given = f"{len(queries)}, {len(database)}, {top}"
        raise UsageError(f"queries, database and top must be at least 1; got {given}: give images to search among")


@dataclass
class Retrieval:
    """The error 1 - mAP of hashing networks, for the `measure` of `corruption_errors`.

    The codes of the database, clean images as they are without any adaptation, are computed once a network, and kept:
    a network that has been trained on since then needs a `Retrieval` of its own.

    Args:
        images: Of the database (the training images in the paper), in [0, 1].
        labels: Their classes.
        top, ties: As in `retrieval_map`.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 8))
        >>> images, labels = torch.rand(6, 1, 4, 4), torch.tensor([0, 0, 1, 1, 2, 2])
        >>> 0 <= Retrieval(images, labels, top=3)(net, net(images), labels) < 1
        True
    """

    images: Images
    labels: Labels
    top: int = 200
    ties: str = "expected"
    codes: dict[Model, Tensor] = field(default_factory=dict)

    def run_identity(self) -> dict[str, object]:
        """Return what the measure depends on: see `runs.fingerprint`."""
        return {"database": self.images, "classes": self.labels, "top": self.top, "ties": self.ties}

    @property
    def name(self) -> str:
        """What the measure is called."""
        return f"1 - mAP@{self.top}"

    def __call__(self, model: Model, outputs: Logits, labels: Labels) -> float:
        """Return 1 - mAP of these outputs of a model as queries."""
        if model not in self.codes:
            self.codes[model] = predicted(model, self.images)
        base = self.codes[model]
        how: dict[str, Any] = {"top": self.top, "ties": self.ties}
        return 1 - float(retrieval_map(outputs, labels.to(outputs.device), base, self.labels.to(base.device), **how))
