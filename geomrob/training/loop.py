"""The one training loop."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from geomrob.augment.registry import crop_and_flip, views
from geomrob.data.entry import Samples
from geomrob.errors import UsageError, unknown
from geomrob.randomness import seeded
from geomrob.training import checkpoint
from geomrob.training.checkpoint import Epoch, State
from geomrob.training.evaluate import accuracy
from geomrob.training.losses.objective import Objective
from geomrob.training.optimizer import (
    averaged_model,
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
    set_rate,
)
from geomrob.training.recipe import Options

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """A trained model: the one given, now in eval mode with the weights of `best_epoch` (counted from 1).

    `notes` are sentences on options that were not used as given, and on what the saved weights do not hold.
    """

    model: nn.Module
    best_epoch: int
    history: tuple[Epoch, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Training:
    """What changes from step to step."""

    model: nn.Module
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    options: Options
    device: torch.device
    layout: torch.memory_format
    notes: tuple[str, ...]


def fit(
    model: nn.Module,
    train: Samples,
    options: Options | None = None,
    *,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = True,
    regularization: Samples | None = None,
    objective: nn.Module | None = None,
    origin: str = "",
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Return the model, trained on cross-entropy and the losses that the options name, in its best epoch.

    Every draw of an epoch (order, augmentation, dropout) comes from (seed, epoch), so a training that is killed and
    resumed ends where an uninterrupted one does. The global generators are as before afterwards.

    Args:
        model: Trained in place, on the device where it is: the parameters that require gradients.
        train: The training images; `options.held_out` of them are set aside to choose the epoch.
        options: How; None for the defaults.
        seed: Of everything random but the initial weights, which the model brings.
        out: Folder for the files that `geomrob.training.checkpoint` names; None writes none.
        resume: Whether to continue from the state in `out`; False starts afresh and overwrites it.
        regularization: Images of the similarity loss; None takes the training images. Ignored without that loss.
        objective: A loss of your own instead, called as `Objective` is, with (model, images, labels, generator); only
            with options that name no loss, and hold nothing out (the epoch is chosen by the accuracy of classes). A
            training in `out` is resumed if the objective there had the same `repr`.
        origin: What the model's weights are, such as a digest of their file; a training in `out` is resumed only if it
            started from the same.
        progress: Called after each step with (steps done, steps of the whole training).
        on_epoch: Called after each epoch with its line of the log; not for those that `out` holds already.

    Returns:
        The model and the log.

    Raises:
        UsageError: Nothing left to train (on), the state of another training in `out`, a loss that is not finite,
            options that do not go with `objective`.

    Differences:
        From the released code behind the margin measurements: the rate is read in the middle of each step instead of
        at its end, so that no step has rate 0; the best epoch on held-out training images is kept instead of the last.

    Example:
        >>> from geomrob.data import load_data
        >>> from geomrob.models import build
        >>> clothes = load_data("fashion-mnist-1k", samples=100)
        >>> fitted = fit(build("fmnist-lenet", seed=0), clothes, Options(epochs=1))
        >>> fitted.best_epoch, len(fitted.history)
        (1, 1)
    """
    options = options or Options()
    trained, held_out = _hold_out(train, options.held_out, seed)
    pool = trained if regularization is None else regularization
    facts: dict[str, object] = {
        "data": train.name,
        "images": len(train),
        "seed": seed,
        "options": dataclasses.asdict(options),
    }
    if options.similarity is not None:
        facts["regularization"] = {"data": pool.name, "images": len(pool)}
    if objective is not None:
        _check_alone(options)
        facts["objective"] = repr(objective)
    if origin:
        facts["origin"] = origin
    _check_crop(options, min(train.images.shape[-2:]))
    _check_state(model)
    still = _without_gradients(model, options.frozen)
    hidden = _copy(_unsaved(model))
    training = _prepare(model, options, pool.images, objective)
    state = State(json.dumps(facts, sort_keys=True), {}, {}, {}, {}, {}, 0, ())
    with checkpoint.held(out):
        stored = checkpoint.read(out, state.run) if out is not None and resume else None
        if stored is not None:
            state = stored
            _restore(training, state, len(state.history) * len(_batches(torch.arange(len(trained)), options.batch)))
        try:
            for epoch in range(len(state.history) + 1, options.epochs + 1):
                start = time.perf_counter()
                model.train()
                for name in options.frozen:
                    model.get_submodule(name).eval()
                loss, last_rate = _one_epoch(training, trained, epoch, seed, progress)
                measured = model if training.average is None else training.average.module
                share = accuracy(measured, held_out) if held_out else math.nan
                line = Epoch(epoch, loss, last_rate, share, round(time.perf_counter() - start, 3))
                state = _next_state(state, training, line)
                if out is not None:
                    checkpoint.write(out, state)
                if on_epoch is not None:
                    on_epoch(line)
            model.load_state_dict(state.best)
        finally:
            training.optimizer.zero_grad(set_to_none=True)
            for parameter in still:
                parameter.requires_grad_(True)
            model.eval()
    changed = [name for name, value in _unsaved(model).items() if not _same(value, hidden.get(name))]
    lost = (
        f"{', '.join(changed)}: changed by the training but not in model.state_dict(), so that the saved weights are "
        "those of another model; register the buffer with persistent=True"
    )
    return Fitted(model, state.best_epoch, state.history, training.notes + (lost,) * bool(changed))


def _check_state(model: nn.Module) -> None:
    """Refuse a model whose state is more than tensors, which no file of weights holds."""
    other = [name for name, value in model.state_dict().items() if not isinstance(value, Tensor)]
    if other:
        raise UsageError(
            f"model must have a state_dict of tensors alone; got {', '.join(other[:3])} (an extra state): keep it in "
            "a buffer, or leave out get_extra_state"
        )


def _unsaved(model: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that are in no state_dict."""
    saved = model.state_dict()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved}


def _same(one: Tensor, other: Tensor | None) -> bool:
    """Return whether two tensors hold the same numbers, NaN included."""
    if other is None or one.shape != other.shape:
        return False
    there = other.to(one.device)
    return bool(((one == there) | ((one != one) & (there != there))).all())  # noqa: PLR0124 - so is NaN found


def _without_gradients(model: nn.Module, names: tuple[str, ...]) -> list[nn.Parameter]:
    """Return the parameters of some modules whose gradients are off from now on, and were on."""
    known = dict(model.named_modules())
    for name in names:
        if name not in known or not name:
            raise unknown("frozen module", name, [name for name in known if name])
    still = [parameter for name in names for parameter in known[name].parameters() if parameter.requires_grad]
    for parameter in still:
        parameter.requires_grad_(False)
    return still


def _check_crop(options: Options, side: int) -> None:
    """Refuse a padding wider than the images, or than there is to reflect."""
    most = side - 1 if options.padding == "reflect" else side
    if options.crop > most:
        raise UsageError(
            f"crop must be at most {most} for images of {side} pixels and {options.padding} padding; got "
            f"{options.crop}: 4 is usual"
        )


def _check_alone(options: Options) -> None:
    """Refuse options that an objective of one's own ignores."""
    losses = [name for name in ("adversarial", "hebbian", "similarity") if getattr(options, name) is not None]
    losses += ["augment.jsd"] if options.augment is not None and options.augment.jsd else []
    losses += ["held_out"] if options.held_out else []
    if losses:
        raise UsageError(f"options must name no loss next to an objective; got {', '.join(losses)}: leave them out")


def _prepare(model: nn.Module, options: Options, pool: Tensor, own: nn.Module | None) -> _Training:
    """Return a training before its first step."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("model must have parameters with gradients on; got none: call model.requires_grad_(True)")
    device = next(model.parameters()).device
    unsafe = _unsafe_channels_last(model) if device.type == "cpu" else None
    layout = torch.preserve_format
    if options.channels_last or unsafe is not None:
        layout = torch.channels_last if unsafe is None else torch.contiguous_format
        model.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    notes = (f"channels_last is off: on a CPU it is unsafe for {unsafe}",) if options.channels_last and unsafe else ()
    objective = (own or Objective(model, options, pool if unsafe is None else pool.contiguous())).to(device)
    average = averaged_model(model, options.ema) if options.ema else None
    made = build_optimizer(model, objective, options)
    return _Training(model, objective, made, average, options, device, layout, notes)


def _unsafe_channels_last(model: nn.Module) -> str | None:
    """Return the first convolution whose weight gradient corrupts memory on a CPU with the channels last, if any.

    A strided 1 x 1 convolution is what oneDNN, as torch 2.13 has it, gathers by whole vectors of input channels: with
    fewer channels than a vector has numbers it writes beyond its buffer.
    """
    lanes = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8
    convolutions = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    for name, layer in convolutions:
        if max(layer.kernel_size) == 1 < max(layer.stride) and layer.in_channels < lanes:
            return f"{name} (1 x 1, stride {max(layer.stride)}, {layer.in_channels} input channels)"
    return None


def _hold_out(train: Samples, count: int, seed: int) -> tuple[Samples, Samples | None]:
    """Return the samples to train on and those to choose the epoch with."""
    if len(train) <= count:
        raise UsageError(f"train must hold more images than held_out; got {len(train)} and {count}: hold out fewer")
    # Versions of an image share its index: none of them is trained on if one is held out.
    images, of = train.indices.unique(return_inverse=True)
    if len(images) == len(train):
        of = torch.arange(len(train))
    apart = count * len(images) // len(train)
    if count and not 0 < apart < len(images):
        raise UsageError(
            f"held_out must leave images with all of their versions on both sides; got {count} of {len(train)} rows, "
            f"versions of {len(images)} images: hold out other numbers"
        )
    shuffled = torch.randperm(len(images), generator=_generator(seed, 0))
    chosen = torch.isin(of, shuffled[:apart])
    return train.subset((~chosen).nonzero().flatten()), train.subset(chosen.nonzero().flatten()) if count else None


def _one_epoch(
    training: _Training, trained: Samples, epoch: int, seed: int, progress: Progress | None
) -> tuple[float, float]:
    """Train on every image once; return the mean loss and the last rate."""
    options, device = training.options, training.device
    generator = _generator(seed, epoch)
    order = _balanced if options.balanced else _shuffled
    batches = _batches(order(trained, generator), options.batch)
    total, now = 0.0, 0.0
    # Dropout draws from the global generator of its device.
    with seeded(int(torch.randint(2**62, (), generator=generator)), device):
        for step, positions in enumerate(batches):
            images, labels = trained.images[positions].to(device), trained.labels[positions].to(device)
            if options.crop or options.flip:
                images = crop_and_flip(
                    images, crop=options.crop, flip=options.flip, padding=options.padding, generator=generator
                )
            if options.augment is not None:
                images = views(images, trained.indices[positions], options.augment, seed=seed, epoch=epoch)
            images = images.to(memory_format=training.layout)
            done, steps = (epoch - 1) * len(batches) + step, options.epochs * len(batches)
            now = set_rate(training.optimizer, done, steps, options)
            loss = _one_step(training, images, labels, generator)
            if not math.isfinite(loss):
                raise UsageError(f"loss must stay finite; got {loss} in epoch {epoch}: lower max_rate or clip")
            total += loss * len(positions)
            if progress is not None:
                progress(done + 1, steps)
    # What the last step did shows in no loss.
    if not all(bool(torch.isfinite(parameter).all()) for parameter in training.model.parameters()):
        raise UsageError(f"weights must stay finite; got others after epoch {epoch}: lower max_rate or final_rate")
    return total / len(trained), now


def _shuffled(trained: Samples, generator: torch.Generator) -> Tensor:
    """Return the positions of all images in random order."""
    return torch.randperm(len(trained), generator=generator)


def _balanced(trained: Samples, generator: torch.Generator) -> Tensor:
    """Return as many positions in random order, of each class equally many up to one; images of rare classes repeat."""
    kinds = trained.labels.unique()
    share, left = divmod(len(trained), len(kinds))
    more = torch.randperm(len(kinds), generator=generator) < left
    parts: list[Tensor] = []
    for kind, extra in zip(kinds, more.tolist(), strict=True):
        own, wanted = (trained.labels == kind).nonzero().flatten(), share + extra
        rounds = [own[torch.randperm(len(own), generator=generator)] for _ in range(math.ceil(wanted / len(own)))]
        parts += [torch.cat(rounds)[:wanted]] if wanted else []
    drawn = torch.cat(parts)
    return drawn[torch.randperm(len(drawn), generator=generator)]


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Return the positions in batches; a last one of a single image is joined to the one before.

    Batch normalisation over vectors has no variance of one image.
    """
    batches = list(order.split(size))
    if size > 1 < len(batches) and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _one_step(training: _Training, images: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    """Take one step; return the loss before it."""
    mixed = training.options.mixed and training.device.type == "cuda"
    training.optimizer.zero_grad()
    with torch.autocast(training.device.type, torch.bfloat16, enabled=mixed):
        try:
            loss = training.objective(training.model, images, labels, generator)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UsageError(
                f"train must give batches of 2 images or more, for batch statistics; got {len(images)}: raise batch, "
                "or train on more images"
            ) from None
    loss.backward()
    if training.options.clip:
        parameters = [*training.model.parameters(), *training.objective.parameters()]
        nn.utils.clip_grad_norm_(parameters, training.options.clip)
    training.optimizer.step()
    if training.average is not None:
        training.average.update_parameters(training.model)
    return float(loss.detach())


def _generator(seed: int, epoch: int) -> torch.Generator:
    """Return the CPU generator of one epoch; epoch 0 draws what is held out."""
    words = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that later steps do not change."""
    return {key: value.detach().clone() for key, value in tensors.items()}


def _next_state(before: State, training: _Training, line: Epoch) -> State:
    """Return the state after one more epoch; a tie on the held-out images goes to the later epoch."""
    weights, kept = _copy(training.model.state_dict()), _copy(training.objective.state_dict())
    average = {} if training.average is None else _copy(training.average.module.state_dict())
    score = max((epoch.held_out for epoch in before.history), default=-math.inf)
    better = not line.held_out < score
    best, best_epoch = (average or weights, line.epoch) if better else (before.best, before.best_epoch)
    optimizer = optimizer_state(training.optimizer)
    return State(before.run, weights, optimizer, kept, average, best, best_epoch, (*before.history, line))


def _restore(training: _Training, state: State, steps: int) -> None:
    """Restore everything that a state holds, which was stored after so many steps."""
    try:
        training.model.load_state_dict(state.weights)
        training.objective.load_state_dict(state.objective)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"out must hold a training of this model; got {reason}: choose another folder") from None
    if training.average is not None:
        training.average.module.load_state_dict(state.average)
        training.average.n_averaged.fill_(1 + steps)
    load_optimizer_state(training.optimizer, state.optimizer)
