"""Find a convolution in any network, and replace a module by another one."""

from torch import Tensor, nn

from geomrob.errors import UsageError


def first_convolution(model: nn.Module, layer: str | None = None) -> tuple[str, nn.Conv2d]:
    """Return name and module of the first convolution registered in `model`, or of the one named `layer`.

    Raises:
        UsageError: There is none, `model` is nothing but a convolution, or it is one that does more than convolve.
    """
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    name = next(iter(convolutions), None) if layer is None else layer
    if name not in convolutions:
        names = ", ".join(list(convolutions)[:5]) or "no torch.nn.Conv2d at all"
        raise UsageError(f"model must have the convolution {layer or 'to replace'}; got {names}: name one of those")
    if not name:
        raise UsageError("model must hold its first convolution; got the convolution itself: put it in nn.Sequential")
    conv = convolutions[name]
    if not isinstance(dict(conv.named_parameters(recurse=False)).get("weight"), nn.Parameter):
        raise UsageError(f"layer {name!r} must have a plain weight; got a parametrization: remove it first")
    if isinstance(conv.weight, nn.parameter.UninitializedParameter):
        raise UsageError(f"layer {name!r} must have its shape; got a lazy one: send one image through the model first")
    if next(conv.children(), None) is not None:
        raise UsageError(f"layer {name!r} must have nothing attached; got layers in it: replace first, then antialias")
    if not only_convolves(conv):
        raise UsageError(
            f"layer {name!r} must do no more than convolve; got {type(conv).__name__}: name a plain Conv2d"
        )
    return name, conv


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Replace `old` by `new` wherever `model` has it, which may be under several names."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)


def only_convolves(conv: nn.Conv2d) -> bool:
    """Return whether a layer computes what `torch.nn.Conv2d` does, be it with the padding of timm's `Conv2dSame`."""
    kinds = type(conv).mro()
    own = {name for kind in kinds[: kinds.index(nn.Conv2d)] for name in vars(kind)}
    return own.isdisjoint({"forward", "_conv_forward"}) or type(conv).__name__ == "Conv2dSame"


def same_padding(
    inputs: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[int]:
    """Return what `torch.nn.functional.pad` must add for ceil(side / stride) outputs, an odd one below and right."""
    amounts: list[int] = []
    for side, width, step, spread in zip(inputs.shape[:1:-1], kernel[::-1], stride[::-1], dilation[::-1], strict=True):
        total = max((-(-side // step) - 1) * step + (width - 1) * spread + 1 - side, 0)
        amounts += [total // 2, total - total // 2]
    return amounts
