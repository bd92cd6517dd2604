"""What each layer of a model does: how sparse its activations are, and how much of a noise in the image reaches it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from geomrob.analysis.activations import SIDES, Watch, chosen_modules, watching
from geomrob.arrays import Images, Labels, Logits, Model, UsageError, check_images, unknown
from geomrob.attacks.attack import checked_classes
from geomrob.attacks.calls import MEMORY, evaluating, out_of_memory, scores
from geomrob.attacks.direct import call_size, check_strength
from geomrob.attacks.draws import checked_indices, drawn
from geomrob.results import Layers
from geomrob.runs import Clock

Progress = Callable[[int, int], object]


def layers(
    model: Model,
    inputs: Images,
    labels: Labels | None = None,
    *,
    names: Sequence[str] | None = None,
    at: str = "input",
    sigma: float = 0.1,
    clamp: bool = False,
    repeats: int = 1,
    name: str = "model",
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Layers:
    r"""Return sparsity, active share and signal-to-noise ratio of the activations at each layer.

    At each place of a layer the C channels a give the Hoyer ratio ||a||_1 / ||a||_2, between 1 (one channel speaks)
    and sqrt(C) (all alike), brought to [0, 1]; lower is sparser. Noise w ~ N(0, sigma^2) in the image changes the
    activations f to f(x + w); the signal-to-noise ratio of the layer is

        SNR = 10 log10 mean_x(||f(x)||^2 / ||f(x + w) - f(x)||^2) dB.

    Clean and noisy images pass together and are reduced to a few numbers inside hooks, which are gone afterwards.

    Args:
        model: A module from images in [0, 1] to logits; held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device.
        labels: True classes, for the accuracy only; the predicted ones by default.
        names: Modules to measure, as `named_modules` calls them; by default all with a weight matrix or kernel
            (convolutions, linear layers and what replaces them).
        at: `input` of those modules (for a convolution or linear layer: what the block before it hands on), or their
            `output` (for Fig. 2 of the paper: name the blocks).
        sigma: Standard deviation of the noise, in [0, 1] pixel units.
        clamp: Whether noisy images are cut to [0, 1], as in the released code.
        repeats: Draws of noise an image.
        name, data: How the result calls model and data.
        indices: Position of each image in its source; its noise depends on it, on `seed` and on nothing else.
        seed: Of the noise; the draws are those of `noise`.
        memory: Budget in bytes for activations, 1 GiB by default.
        progress: Called with (images done, images in all).

    Returns:
        One row a layer. In an input (N, C, H, W) of a convolution C are the channels; of a linear layer it is the last
        axis, so that a flattened map counts as one place of many channels. Images whose activations are not finite
        have NaN there.

    Raises:
        UsageError: A model that is no module, images outside [0, 1], an unknown module name or one that the forward
            pass does not call, `at` that is neither, a strength that is none, labels or indices of another number.

    References:
        "Neuro-inspired robustness by Hebbian/anti-Hebbian learning" (HaH), Figs. 2, 3, eq. 6; Hoyer, Non-negative
        matrix factorization with sparseness constraints, JMLR 2004.

    Differences:
        Hoyer's measure is (sqrt(C) - l1/l2) / (sqrt(C) - 1), one minus this one. Places where all channels are zero
        have no ratio: they are counted and left out. The paper does not say whether noisy images are cut to [0, 1]
        (`clamp`); its code does, and adds 1e-9 to the norm of the difference (`Layers.snr_db`).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        >>> found = layers(model, torch.rand(5, 1, 8, 8), sigma=0.05)
        >>> found.names, found.channels.tolist(), found.snr_db().shape
        (('0', '3'), [1, 144], torch.Size([2]))
    """
    network = _checked(model, inputs, at, sigma, repeats)
    chosen = chosen_modules(network, names)
    keys, clock = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device)
    watch, predictions = Watch(at), list[Tensor]()
    budget, inputs = MEMORY if memory is None else memory, inputs.detach()
    with evaluating(network), torch.no_grad(), watching(chosen, watch):
        block, start = call_size(model, inputs, budget, blind=True), 0
        while start < len(inputs):
            piece = slice(start, start + block)
            try:
                logits = _pass(network, watch, inputs[piece], keys[piece], (block, sigma, clamp, repeats, seed))
            except RuntimeError as error:
                if block == 1 or not out_of_memory(error):
                    raise
                block //= 2
                continue
            watch.keep()
            predictions.append(logits)
            start += block
            if progress is not None:
                progress(min(start, len(inputs)), len(inputs))
    watch.check(names)
    clean = torch.cat(predictions)
    predicted = clean.argmax(1)
    truth = predicted if labels is None else checked_classes("labels", labels, clean)
    return Layers(
        model=name,
        data=data,
        at=at,
        sigma=float(sigma),
        clamped=clamp,
        **watch.fields(),
        predictions=predicted.cpu(),
        labels=truth.cpu(),
        indices=keys,
        provenance=clock.provenance(forwards=2 * repeats * len(inputs), backwards=0),
    )


def _pass(
    model: nn.Module, watch: Watch, images: Images, keys: Labels, how: tuple[int, float, bool, int, int]
) -> Logits:
    """Return the logits of a block of clean images, each pass of one shape: clean images, then noisy ones."""
    block, sigma, clamp, repeats, seed = how
    watch.rows, watch.batch, watch.now = len(images), 2 * block, {}
    shape, short = tuple(images.shape[1:]), block - len(images)

    def draw(generator: torch.Generator) -> Tensor:
        return sigma * torch.randn(shape, generator=generator, dtype=torch.float64)

    def padded(batch: Tensor) -> Tensor:
        return torch.cat((batch, batch[-1:].expand(short, *shape)))

    logits = images.new_empty(0, 0)
    for repeat in range(repeats):
        noisy = images + drawn(draw, "noise gaussian", seed + repeat, keys, images)
        noisy = noisy.clamp(0, 1) if clamp else noisy
        watch.repeat, watch.called = repeat, []
        logits = scores(model, torch.cat((padded(images), padded(noisy))))[: len(images)]
    return logits


def _checked(model: object, inputs: Images, at: str, sigma: float, repeats: int) -> nn.Module:
    """Return the model, refusing before the work what cannot be measured."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"model must be a torch.nn.Module; got {type(model).__name__}: functions have no layers")
    if at not in SIDES:
        raise unknown("at", at, SIDES)
    check_images(inputs)
    check_strength(sigma)
    if sigma == 0 or repeats < 1:
        raise UsageError(f"sigma must be above 0 and repeats at least 1; got {sigma:g}, {repeats}: 0.1 and 1 are usual")
    return model
