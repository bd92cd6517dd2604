"""What every search for the boundary shares: many (image, band) pairs, one counted and reproducible way to ask the model.

A pair p asks for the smallest coefficients c with F(x + S c) != F(x), where x is image `image[p]` and S the synthesis of
band `band[p]`. The searches work on c alone; this file turns c into images, calls the model and brings slopes back.

Every call of the model has the same batch shape (`block` rows, the last one repeated as padding), because the rounding of
a matrix product depends on the shape of the batch and a search can amplify it. So the answer for a pair does not depend
on its neighbours, on their order or on how many have finished.
"""

import contextlib
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from geomrob.arrays import Bounds, Distances, Images, Labels, Logits, Model, UsageError, norms, per_sample
from geomrob.results import Status
from geomrob.spectral.frames import Coefficients, Coordinates, WholeSpace

Objective = Callable[[Logits, Labels], Float[Tensor, "n r"]]
"""Maps logits and the pairs they belong to onto r scalars per pair, whose slopes are wanted."""

MEMORY = 1 << 30
"""Default budget in bytes for activations and search state together."""


@dataclass(frozen=True)
class Found:
    """Where a search ended: coefficients (P, C, kr, kc), status and steps, and whether they cross the boundary."""

    coefficients: Coefficients
    status: Int64[Tensor, " p"]
    steps: Int64[Tensor, " p"]

    @property
    def success(self) -> Bool[Tensor, " p"]:
        """Whether the coefficients change the decision."""
        return self.status == Status.FOUND


@contextlib.contextmanager
def evaluating(model: Model) -> Generator[None]:
    """Hold a module in eval mode with parameter gradients off; put everything back afterwards, also after an error."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in wanted:
            parameter.requires_grad_(True)


def block_size(model: Model, example: Images, memory: int = MEMORY) -> int:
    """Return how many samples one call of the model takes: a power of two, at most 64 on a CPU, 4,096 on a GPU.

    It is found from what autograd keeps of one sample, so it depends on model, image shape and budget alone. On a CPU
    small blocks stay in the cache and cost no speed.
    """
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    one = example[:1].detach().clone().requires_grad_()
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(one)
    del logits
    weights = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    for weight in weights:
        kept.pop(weight.untyped_storage().data_ptr(), None)
    each = 2 * sum(kept.values()) + 8 * one.numel() * one.element_size()
    most = 64 if example.device.type == "cpu" else 4096
    return min(most, 1 << max(0, int(math.log2(max(1.0, memory / 2 / max(each, 1))))))


class Search:
    """P searches at once, and what they have spent.

    Attributes:
        model: Images to logits.
        images: The clean images (I, C, H, W).
        frame: Coordinates of the bands.
        image, band: For each pair (P,), which image and which band.
        reference: For each pair, the class to leave.
        target: For each pair, the class to reach; None if any other class will do.
        bounds: Lowest and highest image (I, C, H, W) or scalars; None for free space.
        block: Samples per call of the model.
        forwards, backwards: Model sample-evaluations spent per pair (P,); evaluations shared by an image's pairs are
            divided among them.
        clean: Logits (P, K) of each pair's image, once `linearise` has asked for them.
    """

    def __init__(
        self,
        model: Model,
        images: Images,
        frame: Coordinates | None = None,
        *,
        image: Labels | None = None,
        band: Labels | None = None,
        reference: Labels,
        target: Labels | None = None,
        bounds: Bounds | None = None,
        block: int = 64,
    ) -> None:
        """Prepare the pairs; `image` and `band` default to every image in the first band."""
        self.model = model
        self.images = images
        self.frame: Coordinates = WholeSpace(tuple(images.shape[1:])) if frame is None else frame
        self.image = torch.arange(len(images), device=images.device) if image is None else image
        self.band = torch.zeros_like(self.image) if band is None else band
        self.reference = reference
        self.target = target
        self.bounds = bounds
        self.block = block
        self.forwards = torch.zeros(len(self.image), dtype=torch.float64)
        self.backwards = torch.zeros(len(self.image), dtype=torch.float64)
        self.whole = isinstance(self.frame, WholeSpace)
        self.clean = torch.empty(0)

    def __len__(self) -> int:
        return len(self.image)

    @property
    def pairs(self) -> Labels:
        """Every pair's number, (P,)."""
        return torch.arange(len(self), device=self.images.device)

    def zeros(self) -> Coefficients:
        """Return no perturbation, for every pair."""
        none = self.images.new_zeros(1, *self.images.shape[1:])
        shape = self.frame.analyse(none, self.band[:1]).shape[1:]
        return self.images.new_zeros(len(self), *shape)

    def points(self, coefficients: Coefficients, pairs: Labels) -> Images:
        """Return the images x + S c of these pairs; inside the bounds to the last bit where the whole space is boxed."""
        moved = self.images[self.image[pairs]] + self.frame.synthesise(coefficients, self.band[pairs])
        if self.bounds is None or not self.whole:
            return moved
        return moved.clamp(*self._box(pairs))

    def gap(self, logits: Logits, pairs: Labels) -> Distances:
        """Return how far the decision is from changed: negative exactly where it has (the target is reached)."""
        held = self.reference if self.target is None else self.target
        own = logits.gather(1, held[pairs, None]).squeeze(1)
        best = logits.scatter(1, held[pairs, None], -math.inf).amax(1)
        return own - best if self.target is None else best - own

    def logits(self, coefficients: Coefficients, pairs: Labels) -> Logits:
        """Return the logits at x + S c, one forward evaluation a pair."""

        def ask(c: Coefficients, p: Labels, n: int) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return (self.model(self.points(c, p))[:n],)

        (logits,) = self._in_blocks(ask, coefficients, pairs)
        self.forwards[pairs.cpu()] += 1
        return logits

    def crosses(self, coefficients: Coefficients, pairs: Labels) -> Bool[Tensor, " n"]:
        """Return where x + S c has changed the decision, one forward evaluation a pair."""
        return self.gap(self.logits(coefficients, pairs), pairs) < 0

    def slopes(
        self, coefficients: Coefficients, pairs: Labels, objective: Objective
    ) -> tuple[Logits, Float[Tensor, "n r"], Float[Tensor, "n r c kr kc"], Float[Tensor, "n r"]]:
        """Return logits, the r objectives, their slopes in the coefficients, and the norm of their slopes in the image.

        One forward and r backward evaluations a pair: r vector-Jacobian products for the whole block.
        """

        def ask(c: Coefficients, p: Labels, n: int) -> tuple[Tensor, ...]:
            where = self.points(c, p).requires_grad_()
            with torch.enable_grad():
                logits = self.model(where)
                values = objective(logits, p)
            inner, length = [], []
            for r in range(values.shape[1]):
                (slope,) = torch.autograd.grad(values[:, r].sum(), where, retain_graph=r + 1 < values.shape[1])
                inner.append(self.frame.analyse(slope, self.band[p])[:n])
                length.append(norms(slope)[:n])
            return logits[:n].detach(), values[:n].detach(), torch.stack(inner, 1), torch.stack(length, 1)

        logits, values, inner, length = self._in_blocks(ask, coefficients, pairs)
        self.forwards[pairs.cpu()] += 1
        self.backwards[pairs.cpu()] += values.shape[1]
        return logits, values, inner, length

    def fit(self, coefficients: Coefficients, pairs: Labels, scale: float = 1.0) -> Coefficients:
        """Return the coefficients moved so that x + scale S c lies inside the bounds (unchanged in free space).

        The whole space is clamped. In a subspace, a few alternating projections onto box and subspace, then the
        largest shrinkage towards the image that is inside both: the box holds x, so there always is one.
        """
        if self.bounds is None:
            return coefficients
        low, high = (side - self.images[self.image[pairs]] for side in self._box(pairs))
        if self.whole:
            return (coefficients * scale).clamp(low, high) / scale
        c = coefficients * scale
        for _ in range(10):
            c = self.frame.analyse(self.frame.synthesise(c, self.band[pairs]).clamp(low, high), self.band[pairs])
        move = self.frame.synthesise(c, self.band[pairs])
        room = torch.where(move > 0, high / move, torch.where(move < 0, low / move, math.inf)).flatten(1).amin(1)
        return c * per_sample(room.clamp(0, 1), c) / scale

    def pinned(self, coefficients: Coefficients, slope: Coefficients, pairs: Labels) -> Coefficients:
        """Return the slope without the elements that cannot follow it, being at a bound already (whole space only)."""
        if self.bounds is None or not self.whole:
            return slope
        low, high = self._box(pairs)
        where = self.images[self.image[pairs]] + coefficients
        stuck = ((slope > 0) & (where >= high)) | ((slope < 0) & (where <= low))
        return slope.masked_fill(stuck, 0)

    def _box(self, pairs: Labels) -> tuple[Tensor, Tensor]:
        assert self.bounds is not None
        sides = [torch.as_tensor(side, dtype=self.images.dtype, device=self.images.device) for side in self.bounds]
        low, high = (side[self.image[pairs]] if side.ndim == 4 else side for side in sides)
        return low, high

    def _in_blocks(
        self, ask: Callable[[Coefficients, Labels, int], tuple[Tensor, ...]], coefficients: Coefficients, pairs: Labels
    ) -> tuple[Tensor, ...]:
        """Return what `ask` answers for all pairs, asked in calls of one shape; a call too big for memory is halved.

        `ask` gets the coefficients and pair numbers of a block and how many of its rows are no padding.
        """
        while True:
            answers: list[tuple[Tensor, ...]] = []
            try:
                for start in range(0, len(pairs), self.block):
                    c, p = coefficients[start : start + self.block], pairs[start : start + self.block]
                    short = self.block - len(p)
                    if short:
                        c = torch.cat((c, c[-1:].expand(short, *c.shape[1:])))
                        p = torch.cat((p, p[-1:].expand(short)))
                    answers.append(ask(c, p, self.block - short))
                return tuple(torch.cat(part) for part in zip(*answers, strict=True))
            except RuntimeError as error:
                if self.block == 1 or not _out_of_memory(error):
                    raise
            self.block //= 2
            if self.images.is_cuda:
                torch.cuda.empty_cache()


def _out_of_memory(error: RuntimeError) -> bool:
    """Return whether this is how torch says that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


@dataclass(frozen=True)
class Linear:
    """The model to first order at the image, for every pair: shared by all bands of an image, computed once.

    Attributes:
        rivals: Classes (P, R) by decreasing logit, the reference (or all but the target's opponent) left out.
        values: What each rival lacks, f_k - f_reference (P, R): negative on the inner side.
        slopes: Slopes of the values in the coefficients (P, R, C, kr, kc).
        lengths: Norms (P, R) of the slopes in the band, 0 where what is left is rounding.
        status: FOUND where the image is across already, NON_FINITE, INVARIANT, else STEP_LIMIT (still to search), (P,).
    """

    rivals: Labels
    values: Tensor
    slopes: Tensor
    lengths: Tensor
    status: Labels

    def nearest(self, rank: int, cap: float = math.inf) -> tuple[Coefficients, Distances]:
        """Return the unit direction and the linear distance of the rival that is `rank`-nearest (0: nearest)."""
        distance = torch.where(self.lengths > 0, -self.values / self.lengths.clamp_min(1e-30), math.inf)
        order = distance.argsort(dim=1, stable=True)
        finite = torch.isfinite(distance).sum(1).clamp_min(1)
        which = order.gather(1, torch.full_like(order[:, :1], rank) % finite[:, None])
        length = self.lengths.gather(1, which)
        slope = self.slopes[torch.arange(len(which), device=which.device), which.squeeze(1)]
        return slope / per_sample(length.clamp_min(1e-30), slope), distance.gather(1, which).squeeze(1).clamp(0, cap)


def linearise(search: Search, candidates: int = 10) -> Linear:
    """Return the model linearised at each image of a search, one forward and at most `candidates - 1` backward each."""
    images, whole = search.images, WholeSpace(tuple(search.images.shape[1:]))
    first = torch.full((len(images),), len(search), dtype=torch.int64)
    first.scatter_reduce_(0, search.image.cpu(), torch.arange(len(search)), "amin")
    used = (first < len(search)).nonzero().squeeze(1).to(images.device)
    held = search.reference[first.to(images.device)[used]]
    wanted = None if search.target is None else search.target[first.to(images.device)[used]]
    at = Search(search.model, images[used], whole, reference=held, target=wanted, block=search.block)
    rivals = torch.empty(0)

    def objective(logits: Logits, pairs: Labels) -> Tensor:
        nonlocal rivals
        if logits.ndim != 2 or logits.shape[0] != len(pairs) or logits.shape[1] < 2:
            raise UsageError(
                f"model must return logits shaped (N, K) with K >= 2; got {tuple(logits.shape)} for "
                f"{len(pairs)} images: return one score per class"
            )
        count = min(candidates, logits.shape[1]) - 1
        own = logits.gather(1, held[pairs, None])
        if wanted is None:
            chosen = logits.detach().scatter(1, held[pairs, None], -math.inf).topk(count, 1).indices
        else:
            chosen = wanted[pairs, None]
        if not len(rivals):
            rivals = chosen.new_zeros(len(at), chosen.shape[1])
        rivals[pairs] = chosen
        return logits.gather(1, chosen) - own

    logits, values, slopes, _ = at.slopes(at.zeros(), at.pairs, objective)
    search.block = at.block
    if not bool(torch.isfinite(logits).any()):
        raise UsageError(
            "model must return finite logits; got NaN or infinity for every image: check weights and inputs"
        )
    back = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    back[used] = torch.arange(len(used), device=images.device)
    own = back[search.image]
    share = torch.bincount(search.image, minlength=len(images))[search.image].cpu()
    search.clean = logits[own]
    search.forwards += 1 / share
    search.backwards += values.shape[1] / share
    inner = torch.stack([search.frame.analyse(slopes[own, r], search.band) for r in range(values.shape[1])], 1)
    lengths = torch.linalg.vector_norm(inner.flatten(2), dim=2)
    total = torch.linalg.vector_norm(slopes.flatten(2), dim=2)[own]
    lengths = torch.where(lengths > rounding(total), lengths, 0)
    status = torch.full_like(search.image, Status.STEP_LIMIT)
    status[(lengths == 0).all(1)] = Status.INVARIANT
    bad = ~(torch.isfinite(logits).all(1)[own] & torch.isfinite(lengths).all(1))
    status[bad] = Status.NON_FINITE
    status[(search.gap(logits[own], search.pairs) < 0) & ~bad] = Status.FOUND
    return Linear(rivals[own], values[own], inner, lengths, status)


def rounding(length: Tensor) -> Tensor:
    """Return the size below which the part of a slope inside a band is rounding error of the projection."""
    return length * 64 * torch.finfo(length.dtype).eps


def settle(search: Search, coefficients: Coefficients, live: Labels, status: Labels) -> tuple[Labels, Labels]:
    """Return the status with those pairs marked that have crossed or gone non-finite, and the pairs still to search."""
    logits = search.logits(coefficients, live)
    across, finite = search.gap(logits, live) < 0, torch.isfinite(logits).all(1)
    status = status.clone()
    status[live[across & finite]] = Status.FOUND
    status[live[~finite]] = Status.NON_FINITE
    return status, live[~across & finite]


def keep_closest(
    best: Coefficients, distance: Distances, new: Coefficients, crossed: Bool[Tensor, " n"]
) -> tuple[Coefficients, Distances]:
    """Return, pair by pair, the closer of the best so far and a new point that has crossed."""
    length = norms(new)
    closer = crossed & (length < distance)
    return torch.where(per_sample(closer, new), new, best), torch.where(closer, length, distance)


def refine(
    search: Search, found: Found, pairs: Labels | None = None, *, tolerance: float = 1e-5, rounds: int = 30
) -> Found:
    """Return the found coefficients shortened along their own ray until they just cross the boundary.

    The crossing is bracketed and closed in by the secant of the gap, which on a nearly linear ray lands at once, and by
    halving where the secant is slow. The result is always a point that the model was asked about and that crosses.

    Args:
        search: The pairs.
        found: Where a search ended; pairs that did not succeed are left alone.
        pairs: Which pairs the rows of `found` belong to; all of them by default.
        tolerance: Relative width of the bracket at which a pair is finished.
        rounds: Most forward evaluations a pair.
    """
    rows = (found.success & (norms(found.coefficients) > 0)).nonzero().squeeze(1)
    if not len(rows):
        return found
    active = rows if pairs is None else pairs[rows]
    ray = found.coefficients[rows]
    low, high = torch.zeros_like(norms(ray)), torch.ones_like(norms(ray))
    gap_low = search.gap(search.clean[active], active)
    gap_high = search.gap(search.logits(ray, active), active)
    live = torch.arange(len(active), device=active.device)
    for turn in range(rounds):
        live = live[(high - low)[live] > tolerance * high[live]]
        if not len(live):
            break
        width = high[live] - low[live]
        secant = low[live] + width * gap_low[live] / (gap_low[live] - gap_high[live])
        # Aim a little beyond the root, on the side that is still wide, so that both ends of the bracket close in.
        beyond = torch.where(secant - low[live] > high[live] - secant, -1, 1) * tolerance * high[live] / 3
        least = tolerance * high[live] / 4
        trial = (secant + beyond).clamp(low[live] + least, high[live] - least)
        halve = ~torch.isfinite(secant) | torch.tensor(turn % 4 == 3, device=active.device)
        trial = torch.where(halve, low[live] + width / 2, trial)
        gap = search.gap(search.logits(ray[live] * per_sample(trial, ray), active[live]), active[live])
        over = gap < 0
        high[live], low[live] = torch.where(over, trial, high[live]), torch.where(over, low[live], trial)
        gap_high[live], gap_low[live] = torch.where(over, gap, gap_high[live]), torch.where(over, gap_low[live], gap)
    coefficients = found.coefficients.clone()
    coefficients[rows] = ray * per_sample(high, ray)
    return Found(coefficients, found.status, found.steps)
