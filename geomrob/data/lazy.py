"""Images that are read when they are used, so that a set may be larger than memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError

Read: TypeAlias = Callable[[int], Tensor]
"""Returns the image (C, H, W) at a position."""

AT_ONCE = 1 << 27
"""Bytes up to which a set is read at once and kept."""

_FACTS = {
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "nbytes", "itemsize", "layout")),
    *(
        getattr(Tensor, name).__get__
        for name in ("is_cuda", "is_mps", "is_meta", "is_sparse", "requires_grad", "_version")
    ),
    *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.nelement, Tensor.element_size, Tensor.__len__),
    *(Tensor.stride, Tensor.data_ptr, Tensor.is_inference),
    *(Tensor.is_floating_point, torch.is_floating_point, torch.numel, Tensor.is_complex, torch.is_inference),
}
"""What torch knows of images without reading them."""


class LazyImages(Tensor):
    """Images (N, C, H, W), each read when it is used: a tensor that holds none of its elements.

    Shape, type and device cost nothing. `images[3:9]`, `images[positions]` and `images[3]` read just those and are
    plain tensors, as are the parts of `images.split(64)`, read one after the other. `detach`, `to` and `cpu` read none.
    Every other operation of torch reads all images first: right for any set, but only as large as memory.

    Args:
        read: Returns the image (C, H, W) at a position, the same at each call.
        count: How many images.
        shape: Channels, height, width.
        dtype: Of the images.
        device: Where they are moved after reading.

    Raises:
        UsageError: An image of another shape was read.

    Example:
        >>> images = LazyImages(lambda position: torch.full((1, 2, 2), float(position)), 50_000, (1, 2, 2))
        >>> images.shape, images[7:9].mean((1, 2, 3)).tolist()
        (torch.Size([50000, 1, 2, 2]), [7.0, 8.0])
    """

    def __new__(
        cls: type["LazyImages"],
        read: Read,
        count: int,
        shape: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "LazyImages":
        """Return a tensor of that shape with the memory of one element."""
        del read
        return torch.zeros((), dtype=dtype, device=device).expand(count, *shape).as_subclass(cls)

    def __init__(
        self,
        read: Read,
        count: int,
        shape: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Remember how an image is read; the rest is in the tensor."""
        del count, shape, dtype, device
        self.read = read

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what torch does with the images, read first unless it is a fact about them."""
        if func in _FACTS:
            return super().__torch_function__(func, types, args, kwargs or {})
        return func(*_loaded(args), **{name: _loaded(value) for name, value in (kwargs or {}).items()})

    def __getitem__(self, key: Any) -> Tensor:
        """Return the images at a position, a slice or a tensor of positions, read now."""
        if isinstance(key, tuple):
            return self[:][key]
        rows = torch.arange(len(self))[key.cpu() if isinstance(key, Tensor) else key]
        if rows.ndim == 0:
            return self._at(int(rows))
        images = torch.empty(len(rows), *self.shape[1:], dtype=self.dtype)
        for row, position in enumerate(rows.tolist()):
            images[row] = self._at(position)
        return images.to(self.device)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the images, one after the other."""
        return (self[position] for position in range(len(self)))

    def _at(self, position: int) -> Tensor:
        image = self.read(position)
        if image.shape != self.shape[1:]:
            sizes = f"{tuple(image.shape)} at {position}"
            raise UsageError(f"images must all be shaped {tuple(self.shape[1:])}; got {sizes}: resize them first")
        return image.to(self.device, self.dtype)

    def split(self, split_size: int, dim: int = 0) -> Any:
        """Yield the images in parts of that size, each read when it is reached."""
        if dim != 0:
            return self[:].split(split_size, dim)
        return (self[start : start + split_size] for start in range(0, len(self), split_size))

    def detach(self) -> "LazyImages":
        """Return the images, which no gradient ever reaches."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> "LazyImages":
        """Return the same images of another type or on another device."""
        like = torch.empty(0, dtype=self.dtype, device=self.device).to(*args, **kwargs)
        if (like.dtype, like.device) == (self.dtype, self.device):
            return self
        return LazyImages(self.read, len(self), self.shape[1:], dtype=like.dtype, device=like.device)

    def cpu(self, memory_format: torch.memory_format = torch.preserve_format) -> "LazyImages":
        """Return the same images on the CPU."""
        del memory_format
        return self.to("cpu")

    def picked(self, positions: Tensor) -> "LazyImages":
        """Return the images at positions (M,), in that order, without reading them."""
        chosen = torch.arange(len(self))[positions.cpu()].tolist()
        return LazyImages(
            lambda row: self.read(chosen[row]), len(chosen), self.shape[1:], dtype=self.dtype, device=self.device
        )

    def mapped(self, change: Callable[[Tensor, int], Tensor]) -> "LazyImages":
        """Return images changed as they are read.

        Args:
            change: From one image (1, C, H, W) and its position to the changed one, of the same shape.
        """
        return LazyImages(
            lambda position: change(self._at(position)[None], position)[0],
            len(self),
            self.shape[1:],
            dtype=self.dtype,
            device=self.device,
        )


def held_if_small(images: LazyImages) -> Images:
    """Return a set as a plain tensor if it takes at most `AT_ONCE` bytes, else as it is.

    Example:
        >>> type(held_if_small(LazyImages(lambda position: torch.zeros(1, 2, 2), 9, (1, 2, 2)))).__name__
        'Tensor'
    """
    return images[:] if images.nbytes <= AT_ONCE else images


def _loaded(value: Any) -> Any:
    """Return an argument of torch with lazy images read, also inside lists and tuples."""
    if isinstance(value, LazyImages):
        return value[:]
    return type(value)(map(_loaded, value)) if type(value) in (list, tuple) else value
