"""Anti-aliasing: a BlurPool in place of every subsampling of any ResNet."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from geomrob.errors import UsageError, unknown
from geomrob.models.architectures.resnet import PadShortcut
from geomrob.models.layers.blurpool import BlurPool, binomial, pair

VARIANTS = {"zhang": 4, "vasconcelos": 5}
"""The variants, with the default side of the filter."""


def antialias(
    model: nn.Module,
    *,
    size: int | None = None,
    variant: str = "zhang",
    everywhere: bool = False,
    keep_stem: bool = False,
    window: int | None = None,
) -> nn.Module:
    """Return `model`, changed in place: whatever subsampled now takes every position, then a `BlurPool` subsamples.

    `zhang` moves the stride of a convolution after its rectifier: conv(s) - norm - relu - conv becomes conv(1) - norm
    - relu - blur(s) - conv. `vasconcelos` moves it before: conv(1) - blur(s) - norm - relu. Max pools become max(1) -
    blur(s). A 1 x 1 convolution with a stride, such as those of shortcuts, is blurred before (`zhang`) or after it.
    All parameters stay the same under the same names, shapes of features too; with size 1 the logits as well.

    Args:
        model: A ResNet, or any module in which strides belong to `torch.nn.Conv2d` and `torch.nn.MaxPool2d` layers that
            are registered in the order of their use (the shortcuts without parameters of our ResNets are known, too).
        size: Side of the filters; None for 4 (`zhang`) or 5 (`vasconcelos`).
        variant: A row of `VARIANTS`.
        everywhere: Blur after all convolutions larger than 1 x 1 but the first, also where none subsamples;
            `vasconcelos` only.
        keep_stem: Leave the stride of the first convolution, which is what makes the others expensive at 224 pixels.
        window: Side of the max pools, padded by nothing; None keeps theirs.

    Returns:
        The same object.

    Raises:
        UsageError: Nothing subsamples, the model has been changed so before, an unknown variant, a
            convolution that nothing follows in its block (`zhang`), or a pool that rounds up.

    References:
        Zhang, Making convolutional networks shift-invariant again, ICML 2019. Vasconcelos, Larochelle, Dumoulin, Le
        Roux and Goroshin, An effective anti-aliasing approach for residual networks, 2020.

    Differences:
        Zhang's released ResNets have `window=2` and, by default, `keep_stem=True`. BlurConv2 in the comparison of
        PushPull-Net blurs everywhere, which `everywhere=True` does; by default only what subsamples is blurred. Pools
        are treated alike in both variants.

    Example:
        >>> from geomrob.models.architectures.resnet import resnet
        >>> model = antialias(resnet(widths=(4, 8), depths=(1, 1)))
        >>> print(model.stages[1][0].conv2)
        Conv2d(
          8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False
          (blur_before): BlurPool(size=4, stride=(2, 2))
        )
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    if everywhere and variant != "vasconcelos":
        raise UsageError(f"everywhere must go with variant 'vasconcelos'; got {variant!r}: leave it out")
    if any(isinstance(module, BlurPool) for module in model.modules()):
        raise UsageError("model must not blur yet; got one with BlurPool: pass a new one")
    side = VARIANTS[variant] if size is None else size
    binomial(side)
    plan = _plan(model, variant, everywhere, keep_stem)
    if not plan:
        raise UsageError("model must have a convolution or a max pool with a stride; got none: nothing would change")
    for layer, (position, target) in plan.items():
        stride = pair(layer.stride)
        one: Any = 1 if isinstance(layer.stride, int) else (1, 1)
        layer.stride = one
        _attach(target, position, BlurPool(side, stride).to(next(model.parameters()).device))
        if window is not None and isinstance(layer, nn.MaxPool2d):
            layer.kernel_size, layer.padding = window, 0
    return model


def with_antialias(builder: Callable[..., nn.Module], **options: Any) -> nn.Module:
    """Return the model of another builder, anti-aliased; a builder of `MODELS` by `partial`.

    Args:
        builder: Called with those of `options` that `antialias` does not take: shape, classes, mean and std.
        options: Those of `antialias` and of the builder.

    Example:
        >>> from geomrob.models.architectures.resnet import resnet
        >>> model = with_antialias(resnet, widths=(4, 8), depths=(1, 1), variant="vasconcelos")
        >>> model.stages[1][0].conv1.blur_after
        BlurPool(size=5, stride=(2, 2))
    """
    names = ("size", "variant", "everywhere", "keep_stem", "window")
    ours = {name: options.pop(name) for name in names if name in options}
    return antialias(builder(**options), **ours)


def _plan(
    model: nn.Module, variant: str, everywhere: bool, keep_stem: bool
) -> dict[nn.Conv2d | nn.MaxPool2d | PadShortcut, tuple[str, nn.Module]]:
    """Return the layers that lose their stride, with where a blur replaces it; nothing is changed yet."""
    after = variant == "vasconcelos"
    plan: dict[nn.Conv2d | nn.MaxPool2d | PadShortcut, tuple[str, nn.Module]] = {}
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    for parent in model.modules():
        children = list(parent.children())
        for index, layer in enumerate(children):
            if isinstance(layer, nn.MaxPool2d) and pair(layer.stride) != (1, 1):
                if layer.ceil_mode:
                    raise UsageError(f"max pools must round down; got {layer}: set ceil_mode to False")
                plan[layer] = ("blur_after", layer)
            if isinstance(layer, PadShortcut) and layer.stride > 1:
                plan[layer] = ("blur_after" if after else "blur_before", layer)
            if not isinstance(layer, nn.Conv2d) or (keep_stem and layer is first):
                continue
            small, strided = pair(layer.kernel_size) == (1, 1), pair(layer.stride) != (1, 1)
            if after and (strided or (everywhere and not small and layer is not first)):
                plan[layer] = ("blur_after", layer)
            elif strided:
                plan[layer] = ("blur_before", layer if small else _next(layer, children[index + 1 :]))
    return plan


def _next(layer: nn.Conv2d, later: list[nn.Module]) -> nn.Module:
    """Return the layer or block after the norm and the rectifier of `layer`, among its siblings."""
    for module in later:
        inner = module
        # A sequence has no slot in front of it, its first block has.
        while isinstance(inner, nn.Sequential) and len(inner):
            inner = inner[0]
        if isinstance(inner, nn.MaxPool2d) or any(isinstance(part, nn.Conv2d) for part in inner.modules()):
            return inner
    raise UsageError(f"a convolution must follow {layer} in its block; got none: try variant='vasconcelos'")


def _attach(target: nn.Module, position: str, blur: BlurPool) -> None:
    """Apply `blur` before or after `target`, as a part of it; the parameters of `target` keep their names."""
    target.add_module(position, blur)
    if position == "blur_before":
        target.register_forward_pre_hook(_blur_before)
    else:
        target.register_forward_hook(_blur_after)


def _blur_before(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    blur: Any = module.get_submodule("blur_before")
    return (blur(args[0]), *args[1:])


def _blur_after(module: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    blur: Any = module.get_submodule("blur_after")
    return blur(output)
