"""One image file as an array: its depth, orientation, alpha, frames and colours; each conversion is counted."""

import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from geomrob.data.resize import Fit, fit_array
from geomrob.errors import UsageError

SUFFIXES = frozenset(
    f".{ending}"
    for endings in (
        "png apng jpg jpeg jpe jfif mpo",
        "bmp dib gif webp avif avifs",
        "tif tiff ppm pgm pbm pnm pfm",
    )
    for ending in endings.split()
)
# Whatever the ending says, Pillow looks for these only: some of its other formats start programs.
FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "AVIF", "TIFF", "PPM")
# The head of a PNG, of which the second-last byte is the depth and the last the kind of colour.
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# Pillow raises any of these on a damaged file, depending on where the damage is.
BROKEN = (
    OSError, SyntaxError, EOFError, ValueError, zlib.error, struct.error, IndexError, KeyError, OverflowError,
    Image.DecompressionBombError,
)  # fmt: skip
ORIENTATION = 0x0112
# Where Pillow keeps EXIF or XMP data of a file; TIFF has its own tags.
METADATA = frozenset({"exif", "Raw profile type exif", "Raw profile type APP1", "xmp", "XML:com.adobe.xmp"})
ALPHA = "with transparency: the alpha channel is dropped, as torchvision does"
# What turns the stored rows and columns (H, W, ...) the right way up, by the EXIF tag.
# Those of Pillow with an alpha channel: the A of LAB is a colour.
WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
UPRIGHT: dict[int, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
# How the two bytes of a 16-bit channel lie in the file; Pillow keeps the first of them, or the second, accordingly.
OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


@dataclass(frozen=True)
class FileBytes:
    """An image file in memory."""

    name: str
    content: bytes

    def read_bytes(self) -> bytes:
        """Return the content, as of a path."""
        return self.content

    def open(self, _mode: str) -> BytesIO:
        """Return the content to read from, as of a path."""
        return BytesIO(self.content)

    def __str__(self) -> str:
        return self.name


def read_image(
    file: Path | FileBytes, channels: int, *, fit: Fit | None = None, conversions: Counter[str] | None = None
) -> NDArray[np.generic]:
    """Return one image (C, H, W): uint8 where the file has 8 bits a channel, float32 in [0, 1] where it has more.

    The EXIF orientation is applied. An alpha channel is dropped, as torchvision's `ImageFolder` does. The first frame
    of several is read. Colour profiles are not applied.

    Args:
        file: A file of one of `FORMATS`.
        channels: 1 (grey) or 3 (red, green, blue).
        fit: Size to resize and crop to; None keeps that of the file.
        conversions: Counts what was converted, by the words for it.

    Raises:
        UsageError: Numbers of unknown range, or a depth that cannot be read; the file cannot be opened by this user.
        BROKEN: Not an image, or a damaged one, or one of more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    counts: Counter[str] = Counter() if conversions is None else conversions
    with open_image(file) as image:
        if getattr(image, "is_animated", False):
            counts["of several frames: the first is read"] += 1
        pixels = _pixels(image, file, channels, counts)
        turn = UPRIGHT.get(_orientation(image))
    if turn is not None:
        counts["turned by their EXIF orientation"] += 1
        pixels = turn(pixels)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    planes = planes if len(planes) == channels else planes.repeat(channels, 0)
    return planes if fit is None else fit_array(planes, fit)


def open_image(file: Path | FileBytes) -> ImageFile.ImageFile:
    """Return an open image of which only the header has been read.

    Raises:
        UsageError: The file may not be read.
        BROKEN: As `read_image`.
    """
    try:
        source = BytesIO(file.content) if isinstance(file, FileBytes) else file
        image = Image.open(cast("IO[bytes] | Path", source), formats=_formats())
    except PermissionError:
        raise _forbidden(file) from None
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        image.close()
        raise Image.DecompressionBombError(f"{image.width}x{image.height}, more pixels than Pillow's limit {limit:,}")
    return image


def _forbidden(file: Path | FileBytes) -> UsageError:
    """Return the error for a file that this user may not read."""
    return UsageError(f"{file} must be readable; got no permission: change its permissions")


@cache
def _formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that this Pillow reads."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def is_grey(file: Path | FileBytes) -> bool:
    """Return whether the header of a file says one channel, alpha not counted; so does one that cannot be read.

    Raises:
        UsageError: The file may not be read.
    """
    try:
        with file.open("rb") as content:
            head = content.read(26)
        if head.startswith(PNG):
            return head[-1] in {0, 4}
        with open_image(file) as image:
            return image.mode in GREY
    except PermissionError:
        raise _forbidden(file) from None
    except UsageError:
        raise
    except BROKEN:
        return True


def image_size(file: Path) -> tuple[int, int] | None:
    """Return height and width as the header of a file says, None if it cannot be read."""
    try:
        with open_image(file) as image:
            return image.height, image.width
    except UsageError:
        raise
    except BROKEN:
        return None


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image, 1 (upright) where there is none or it cannot be read."""
    if METADATA.isdisjoint(image.info) and not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1
    try:
        return image.getexif().get(ORIENTATION, 1)
    except BROKEN:
        return 1


def _pixels(
    image: ImageFile.ImageFile, file: Path | FileBytes, channels: int, counts: Counter[str]
) -> NDArray[np.generic]:
    """Return the pixels as stored, (H, W) or (H, W, 3), uint8 or float32 in [0, 1]."""
    layout, bits = _layout(image), _bits(image)
    if channels == 3 and (image.mode in GREY or layout.startswith("LA;")):
        counts["grey: repeated to three channels"] += 1
    if image.mode == "F" or image.mode.startswith("I"):
        return _numbers(image, layout, file)
    if layout.startswith(("RGB;16", "RGBA;16", "RGBX;16", "LA;16")):
        return _deep(image, file, layout, counts)
    if image.format == "PPM" and bits > 8:
        return _deep_ppm(image, file)
    if bits > 8:
        raise UsageError(
            f"{file} must have 8 bits a channel; got {bits} in {image.mode}: convert it, or use an .npz file"
        )
    _count_alpha(image, counts)
    if image.format == "AVIF" and _deep_avif(file):
        counts["AVIF of more than 8 bits a channel: read at 8"] += 1
    if image.mode == "CMYK":
        counts["CMYK: converted to RGB without their colour profile"] += 1
    mode = "L" if channels == 1 else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _layout(image: ImageFile.ImageFile) -> str:
    """Return Pillow's name for how the pixels lie in the file, such as `RGB;16B`."""
    details = image.tile[0][3] if image.tile else ""
    return str(details if isinstance(details, str) or not details else details[0])


def _bits(image: ImageFile.ImageFile) -> int:
    """Return the bits a channel of the file, as far as its header says."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,))))
    if image.format == "PPM" and image.tile:
        return _largest(image.tile[0][3]).bit_length()
    return 8


def _largest(details: Any) -> int:
    """Return the largest value of a PPM, from the details of its tile."""
    return int(details[1]) if isinstance(details, tuple) else 255


def _numbers(image: ImageFile.ImageFile, layout: str, file: Path | FileBytes) -> NDArray[np.float32]:
    """Return one channel of more than 8 bits (H, W) as float32 in [0, 1]."""
    known = image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"})
    if image.mode != "F" and not (known and "S" not in layout):
        raise UsageError(
            f"{file} must have 8 or 16 bits a channel, or floats in [0, 1]; got {layout or image.mode}, of unknown "
            "range: convert it, or use an .npz file"
        )
    values = np.asarray(image).astype(np.float32)
    if image.mode != "F":
        return np.divide(values, 65535, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise UsageError(f"{file} must lie in [0, 1] where it holds floats; got [{low:.3g}, {high:.3g}]: scale it")
    return values


def _deep(image: ImageFile.ImageFile, file: Path | FileBytes, layout: str, counts: Counter[str]) -> NDArray[np.float32]:
    """Return 16-bit colour, or grey with alpha, as float32 (H, W, 3) or (H, W) in [0, 1].

    Pillow keeps one byte of two, which one by the layout: read once in each way, both bytes are there.
    """
    if layout.startswith("LA;"):
        # Four bytes a pixel, as in RGBA: grey, grey, alpha, alpha.
        both = _read_as(file, layout, "RGBA").astype(np.uint16)
        values, alpha = both[..., 0] * 256 + both[..., 1], both[..., 2:3] * 256 + both[..., 3:]
    else:
        order = layout.rpartition(";")[2]
        whole = np.asarray(image).astype(np.uint16) * 256 + _read_as(file, order, OTHER_BYTE[order])
        values, alpha = whole[..., :3], whole[..., 3:] if layout.startswith("RGBA") else whole[..., :0]
    if alpha.size and alpha.min() < 65535:
        counts[ALPHA] += 1
    return np.divide(values, 65535, dtype=np.float32)


def _read_as(file: Path | FileBytes, layout: str, other: str) -> NDArray[np.uint8]:
    """Return the pixels of a file read as if its bytes lay in another way."""
    with open_image(file) as image:
        image.tile = [tile._replace(args=_renamed(tile[3], layout, other)) for tile in image.tile]
        return np.asarray(image)


def _renamed(details: Any, layout: str, other: str) -> Any:
    """Return the details of a tile with another layout; of a compressed TIFF it is the first of them."""
    if isinstance(details, str):
        return details.replace(layout, other)
    return (details[0].replace(layout, other), *details[1:])


def _deep_ppm(image: ImageFile.ImageFile, file: Path | FileBytes) -> NDArray[np.float32]:
    """Return the colours of a binary PPM of 16 bits as float32 (H, W, 3) in [0, 1]."""
    codec, _, offset, details = image.tile[0]
    if codec != "ppm":
        raise UsageError(f"{file} must be a binary PPM where it has more than 8 bits; got text: convert it")
    count = image.width * image.height * 3
    values = np.frombuffer(file.read_bytes(), ">u2", count, offset).reshape(image.height, image.width, 3)
    return np.divide(values, _largest(details), dtype=np.float32)


def _deep_avif(file: Path | FileBytes) -> bool:
    """Return whether the configuration of an AVIF file has the flag of more than 8 bits; Pillow does not report it."""
    with file.open("rb") as content:
        head = content.read(4096)
    at = head.find(b"av1C")
    return 0 <= at < len(head) - 6 and bool(head[at + 6] & 0x40)


def _count_alpha(image: Image.Image, counts: Counter[str]) -> None:
    """Count an image that is not opaque everywhere."""
    pixels, clear = image.width * image.height, "transparency" in image.info
    if clear or (image.mode in WITH_ALPHA and image.getchannel("A").histogram()[255] < pixels):
        counts[ALPHA] += 1
