"""The one training loop."""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.arrays import UsageError
from geomrob.data.entry import Samples
from geomrob.training import checkpoint
from geomrob.training.augment import crop_and_flip
from geomrob.training.checkpoint import Epoch, State
from geomrob.training.evaluate import accuracy
from geomrob.training.recipe import Options
from geomrob.training.schedule import rate

Progress: TypeAlias = Callable[[int, int, int, float], None]


@dataclass(frozen=True)
class Fitted:
    """A trained model: the one given, now in eval mode with the weights of `best_epoch` (counted from 1)."""

    model: nn.Module
    best_epoch: int
    history: tuple[Epoch, ...]


def fit(
    model: nn.Module,
    train: Samples,
    options: Options | None = None,
    *,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Fitted:
    """Return the model trained by SGD on cross-entropy, with the weights of its best epoch on held-out images.

    Every draw of an epoch (order, augmentation, dropout) comes from (seed, epoch), so a training that is killed and
    resumed ends where an uninterrupted one does. The global generators are as before afterwards.

    Args:
        model: Trained in place, on the device where it is: the parameters that require gradients.
        train: The training images; `options.held_out` of them are set aside to choose the epoch.
        options: How; None for the defaults.
        seed: Of everything random but the initial weights, which the model brings.
        out: Folder for the files that `geomrob.training.checkpoint` names; None writes none.
        resume: Whether to go on from the state in `out`; False starts afresh and overwrites it.
        progress: Called after each step with (epoch, step, steps of the epoch, loss), all counted from 1.

    Returns:
        The model and the log.

    Raises:
        UsageError: Nothing left to train (on), the state of another training in `out`, a loss that is not finite.

    Differences:
        From the released code behind the margin measurements: the rate is read in the middle of each step instead of
        at its end, so that no step has rate 0; the best epoch on held-out training images is kept instead of the last.

    Example:
        >>> from geomrob.data import load
        >>> from geomrob.models import build
        >>> clothes = load("fashion-mnist-1k", samples=100)
        >>> fitted = fit(build("fmnist-lenet", seed=0), clothes, Options(epochs=1))
        >>> fitted.best_epoch, len(fitted.history)
        (1, 1)
    """
    options = options or Options()
    trained, held_out = _hold_out(train, options.held_out, seed)
    facts = {"data": train.name, "images": len(train), "seed": seed, "options": dataclasses.asdict(options)}
    run = json.dumps(facts, sort_keys=True)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise UsageError("model must have parameters with gradients on; got none: call model.requires_grad_(True)")
    if options.channels_last:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.SGD(
        trainable, lr=options.max_rate, momentum=options.momentum, weight_decay=options.weight_decay
    )
    state = State(run, {}, {}, {}, 0, ())
    if out is not None:
        _make(out)
        stored = checkpoint.read(out, run) if resume else None
        if stored is not None:
            state = stored
            _restore(model, optimizer, state)
    try:
        for epoch in range(len(state.history) + 1, options.epochs + 1):
            start = time.perf_counter()
            model.train()
            loss, last_rate = _one_epoch(model, optimizer, trained, options, epoch, seed, progress)
            share = accuracy(model, held_out) if held_out else math.nan
            line = Epoch(epoch, loss, last_rate, share, round(time.perf_counter() - start, 3))
            state = _next_state(state, model, optimizer, line)
            if out is not None:
                checkpoint.write(out, state)
        model.load_state_dict(state.best)
    finally:
        optimizer.zero_grad(set_to_none=True)
        model.eval()
    return Fitted(model, state.best_epoch, state.history)


def _hold_out(train: Samples, count: int, seed: int) -> tuple[Samples, Samples | None]:
    """Return the samples to train on and those to choose the epoch with."""
    if len(train) <= count:
        raise UsageError(f"train must hold more images than held_out; got {len(train)} and {count}: hold out fewer")
    shuffled = torch.randperm(len(train), generator=_generator(seed, 0))
    held_out = train.subset(shuffled[:count].sort().values) if count else None
    return train.subset(shuffled[count:].sort().values), held_out


def _one_epoch(
    model: nn.Module,
    optimizer: torch.optim.SGD,
    trained: Samples,
    options: Options,
    epoch: int,
    seed: int,
    progress: Progress | None,
) -> tuple[float, float]:
    """Train on every image once; return the mean loss and the last rate."""
    device = next(model.parameters()).device
    generator = _generator(seed, epoch)
    batches = torch.randperm(len(trained), generator=generator).split(options.batch)
    total, now = 0.0, 0.0
    with _seeded(device, int(torch.randint(2**62, (), generator=generator))):
        for step, positions in enumerate(batches):
            images, labels = trained.images[positions].to(device), trained.labels[positions].to(device)
            if options.crop or options.flip:
                images = crop_and_flip(images, crop=options.crop, flip=options.flip, generator=generator)
            if options.channels_last:
                images = images.to(memory_format=torch.channels_last)
            now = rate((epoch - 1) * len(batches) + step, options.epochs * len(batches), options)
            loss = _one_step(model, optimizer, images, labels, now, options.clip)
            if not math.isfinite(loss):
                raise UsageError(f"loss must stay finite; got {loss} in epoch {epoch}: lower max_rate or clip")
            total += loss * len(positions)
            if progress is not None:
                progress(epoch, step + 1, len(batches), loss)
    return total / len(trained), now


def _one_step(
    model: nn.Module, optimizer: torch.optim.SGD, images: Tensor, labels: Tensor, now: float, clip: float
) -> float:
    """Take one step of SGD at rate `now`; return the loss before it."""
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = now
    optimizer.step()
    return float(loss.detach())


def _generator(seed: int, epoch: int) -> torch.Generator:
    """Return the CPU generator of one epoch; epoch 0 draws what is held out."""
    words = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))


@contextlib.contextmanager
def _seeded(device: torch.device, seed: int) -> Generator[None]:
    """Seed the global generators of the CPU and of `device` (dropout draws there), and put them back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that later steps do not change."""
    return {key: value.detach().clone() for key, value in tensors.items()}


def _next_state(before: State, model: nn.Module, optimizer: torch.optim.SGD, line: Epoch) -> State:
    """Return the state after one more epoch; a tie on the held-out images goes to the later epoch."""
    weights = _copy(model.state_dict())
    slots = {key: optimizer.state.get(parameter, {}) for key, parameter in model.named_parameters()}
    momentum = _copy({key: slot["momentum_buffer"] for key, slot in slots.items() if "momentum_buffer" in slot})
    score = max((epoch.held_out for epoch in before.history), default=-math.inf)
    better = not line.held_out < score
    best, best_epoch = (weights, line.epoch) if better else (before.best, before.best_epoch)
    return State(before.run, weights, momentum, best, best_epoch, (*before.history, line))


def _restore(model: nn.Module, optimizer: torch.optim.SGD, state: State) -> None:
    """Put weights and momentum of a stored state back."""
    try:
        model.load_state_dict(state.weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"out must hold a training of this model; got {reason}: choose another folder") from None
    for key, parameter in model.named_parameters():
        if key in state.momentum:
            slot = torch.empty_like(parameter).copy_(state.momentum[key])
            optimizer.state[parameter]["momentum_buffer"] = slot.detach()


def _make(out: Path) -> None:
    """Make the folder of a training."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"out must be a folder to write to; got {error.strerror} for {out}: choose another") from None
