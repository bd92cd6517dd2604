"""Files of arrays (`.npz`, `.npy`, `.pt`, `.safetensors`) as named rows, of which only what is drawn is read."""

import math
import pickle
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from geomrob.data.arrays.image_arrays import Rows, rows_of
from geomrob.errors import UsageError

Shape: TypeAlias = tuple[int, ...]
Binary: TypeAlias = IO[bytes] | BufferedIOBase

SUFFIXES = (".npz", ".npy", ".pt", ".pth", ".safetensors")
# What the first bytes say of a file that is not what its ending says, and what to do then.
OTHERS = {
    b"\x93NUMPY": ("a .npy file", "rename it"),
    b"PK\x03\x04": ("a zip archive", "rename it to .npz, .pt or .pth, or unpack it"),
    b"\x1f\x8b": ("a gzip file", "unpack it"),
    b"\x89HDF": ("an HDF5 file", "save the arrays with numpy.savez"),
    b"version https://git-lfs": ("a Git-LFS pointer", "fetch the file itself with git lfs pull"),
    b"<": ("a web page", "download the file itself"),
    b"MATLAB": ("a MATLAB file", "save the arrays with numpy.savez"),
    b"\x80": ("a pickle, which could run code", "save the arrays with numpy.savez"),
    b"": ("an empty file", "fetch or write it again"),
}
# Other kinds of data by their endings: what each is, and how to get from it to a kind that is read.
SAVED = "numpy.savez('set.npz', x=images, y=labels)"
UNPACKED = "unpack it, and pass the folder or the file in it"
KINDS = {
    (".h5", ".hdf5", ".hdf"): (
        "an HDF5 file",
        "f = h5py.File(FILE), then numpy.savez('set.npz', x=f['images'], y=f['labels']) with the names in it",
    ),
    (".mat",): (
        "a MATLAB file",
        f"scipy.io.loadmat(FILE), images with the axis of images first, then {SAVED}; of version 7.3 with h5py",
    ),
    (".parquet",): ("a Parquet file", "load_data(datasets.Dataset.from_parquet(FILE)) in Python"),
    (".arrow",): ("an Arrow file", "load_data(datasets.Dataset.from_file(FILE)) in Python"),
    (".csv", ".tsv"): (
        "a table as text",
        f"of pixels: numpy.loadtxt(FILE, delimiter=',', skiprows=1), then {SAVED}; of names: make a folder a class",
    ),
    (".lmdb", ".mdb"): ("an LMDB data base", "read it by a torch Dataset, and load_data(dataset) in Python"),
    (".tfrecord", ".tfrecords"): ("a TFRecord file", f"read it with tf.data.TFRecordDataset, then {SAVED}"),
    (".pkl", ".pickle"): ("a pickle, which could run code", f"open it in Python if you trust it, then {SAVED}"),
    (".zip", ".7z", ".rar"): ("an archive", UNPACKED),
    (".gz", ".tgz", ".bz2", ".xz", ".zst"): ("a compressed file", UNPACKED),
}
# The endings of files that begin in this way.
OWN = {b"\x93NUMPY": (".npy",), b"PK\x03\x04": (".npz", ".pt", ".pth")}
# A zip member that large which unpacks to so many times its size holds no images.
BOMB_BYTES, BOMB_RATIO = 2**28, 100
# How much of a compressed member is unpacked at once.
PART = 2**24


def open_arrays(path: Path) -> dict[str, Any]:
    """Return what a file holds by name: rows of arrays that are read when they are taken, and lists of names.

    Only headers are read, so that a file larger than memory opens at once. No pickle is ever loaded. A single `.npy`
    array and a single tensor are called `x`.

    Raises:
        UsageError: The file cannot be read, is of another kind, is encrypted, or unpacks to far more than it is.
    """
    suffix = path.suffix.lower()
    with _readable(path):
        return {".npz": _open_npz, ".npy": _open_npy, ".safetensors": _open_safetensors}.get(suffix, _open_torch)(path)


@contextmanager
def _readable(path: Path) -> Generator[None, None, None]:
    """Turn what a damaged file raises into one sentence."""
    try:
        yield
    except UsageError:
        raise
    # A damaged file fails with whatever exception the byte at hand happens to cause in numpy, zipfile or torch.
    except Exception as error:
        raise UsageError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    """Return the sentence for a file that cannot be read: what its first bytes say it is, else what went wrong."""
    suffix = path.suffix.lower()
    wanted = f"{path} must be a readable {suffix} file of plain arrays"
    if isinstance(error, OSError) and error.strerror:
        return f"{wanted}; got {error.strerror}: check the file"
    try:
        with path.open("rb") as file:
            start = file.read(32).lstrip()
    except OSError as other:
        return f"{wanted}; got {other.strerror}: check the file"
    for first, (kind, advice) in OTHERS.items():
        if suffix not in OWN.get(first, ()) and (start.startswith(first) if first else not start):
            return f"{wanted}; got {kind}: {advice}"
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return f"{wanted}; got {reason}: write it again"


def other_kind(path: Path) -> tuple[str, str] | None:
    """Return what a file or folder of data is that is not read, and what to do; None if that is not known.

    Example:
        >>> other_kind(Path("digits.parquet"))
        ('a Parquet file', 'load_data(datasets.Dataset.from_parquet(FILE)) in Python')
    """
    if path.is_dir():
        inside = [file for file in path.iterdir() if not file.name.startswith(".")]
        kinds = [
            kind for file in inside if (kind := _by_ending(file)) is not None and file.suffix in (".arrow", ".mdb")
        ]
        if not kinds or any(file.is_dir() for file in inside):
            return None
        on_disk = "a folder of datasets.save_to_disk", "load_data(datasets.load_from_disk(FOLDER)) in Python"
        return on_disk if any(file.suffix == ".arrow" for file in inside) else kinds[0]
    start = b"?"
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(32).lstrip()
    by_bytes = next((kind for first, kind in OTHERS.items() if (start.startswith(first) if first else not start)), None)
    # A page or a pointer in place of the data is that, whatever its ending.
    page = by_bytes is not None and by_bytes[0] in ("a Git-LFS pointer", "a web page", "an empty file")
    return by_bytes if page else _by_ending(path) or by_bytes


def _by_ending(path: Path) -> tuple[str, str] | None:
    """Return what the ending of a file says that it is, and what to do."""
    return next((kind for endings, kind in KINDS.items() if path.suffix.lower() in endings), None)


def _open_npy(path: Path) -> dict[str, Rows]:
    """Return the array of a `.npy` file, mapped from the disk."""
    with path.open("rb") as file:
        shape, fortran, dtype = npy_header(file, str(path))
        start = file.tell()
    if _is_opaque(dtype):
        return {"x": _opaque(shape, dtype, str(path))}
    _check_size(path.stat().st_size - start, shape, dtype, str(path))
    if math.prod(shape) == 0:
        return {"x": rows_of(np.empty(shape, dtype))}
    array = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")

    def take(positions: NDArray[np.int64]) -> NDArray[Any]:
        return _native(np.asarray(array[positions]))

    return {"x": Rows(shape, dtype.newbyteorder("="), take)}


def npy_header(file: Binary, source: str) -> tuple[Shape, bool, np.dtype[Any]]:
    """Return shape, whether the order is Fortran's, and type of a `.npy` file, which is left after its header.

    Raises:
        UsageError: A negative size.
        Exception: Whatever a damaged header causes.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if any(size < 0 for size in shape):
        raise UsageError(f"{source} must hold plain arrays; got a negative size in {shape}: write it again")
    return shape, fortran, dtype


def _check_size(content: int, shape: Shape, dtype: np.dtype[Any], source: str) -> None:
    """Raise for content that is not as long as its header says, before memory is taken for it."""
    wanted = math.prod(shape) * dtype.itemsize
    if content != wanted:
        raise UsageError(
            f"{source} must be as long as its header says; got {content:,} bytes for {dtype} {shape}, "
            f"which takes {wanted:,}: fetch or write it again"
        )


def _is_opaque(dtype: np.dtype[Any]) -> bool:
    """Return whether an array is of Python objects, which are never read, or of records."""
    return dtype.hasobject or dtype.kind == "V"


def _opaque(shape: Shape, dtype: np.dtype[Any], source: str) -> Rows:
    """Return rows that raise when they are taken: other arrays of the file may be the ones that are wanted."""

    def take(_: NDArray[np.int64]) -> NDArray[Any]:
        raise UsageError(f"{source} must hold plain arrays; got Python objects or records, never read: store numbers")

    return Rows(shape, dtype, take)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of this machine, as torch wants it."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _open_npz(path: Path) -> dict[str, Rows]:
    """Return the arrays of an `.npz` file, each read from its zip member when it is taken."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        arrays = {member.filename[:-4]: _member(archive, member, path) for member in members}
    if len(arrays) < len(members):
        raise UsageError(f"{path} must hold each array once; got two of one name: write it again")
    return arrays


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Rows:
    """Return the rows of one zip member."""
    source = f"{member.filename[:-4]} of {path}"
    if member.flag_bits & 1:
        raise UsageError(f"{source} must be readable without a password; got an encrypted zip: write it without one")
    if member.file_size > max(BOMB_BYTES, BOMB_RATIO * member.compress_size):
        sizes = f"{member.file_size / 2**30:.1f} GiB in {member.compress_size / 2**20:.1f} MiB"
        raise UsageError(f"{source} must be images; got {sizes}, which no images pack into: write it with numpy.savez")
    with archive.open(member) as file:
        shape, fortran, dtype = npy_header(file, source)
        start = file.tell()
    if _is_opaque(dtype):
        return _opaque(shape, dtype, source)
    _check_size(member.file_size - start, shape, dtype, source)

    def take(positions: NDArray[np.int64]) -> NDArray[Any]:
        with _readable(path), zipfile.ZipFile(path) as again, again.open(member) as content:
            content.read(start)
            return _native((_columns if fortran else _rows)(content, shape, dtype, positions))

    def direct() -> Rows:
        return _mapped(path, member, start, Rows(shape, dtype, take), fortran=fortran)

    return Rows(shape, dtype.newbyteorder("="), take, direct)


def _mapped(path: Path, member: zipfile.ZipInfo, start: int, like: Rows, *, fortran: bool) -> Rows:
    """Return the rows of a zip member mapped from the disk: in place, or unpacked to a file that has no name."""
    with _readable(path), zipfile.ZipFile(path) as archive, archive.open(member) as content:
        if member.compress_type == zipfile.ZIP_STORED:
            with path.open("rb") as file:
                file.seek(member.header_offset + 26)
                start += file.tell() + 4 + sum(struct.unpack("<HH", file.read(4)))
            while content.read(PART):  # To the end, where zipfile compares the checksum.
                pass
            array = np.memmap(path, like.dtype, "r", start, like.shape, "F" if fortran else "C")
        else:
            with tempfile.TemporaryFile() as unpacked:
                shutil.copyfileobj(content, unpacked, PART)
                array = np.memmap(unpacked, like.dtype, "r", start, like.shape, "F" if fortran else "C")
    return Rows(like.shape, like.dtype.newbyteorder("="), lambda positions: _native(np.asarray(array[positions])))


def _rows(file: Binary, shape: Shape, dtype: np.dtype[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return the rows at `positions`, read in one pass to the end, where the checksum is compared."""
    taken = np.empty((len(positions), *shape[1:]), dtype)
    size = math.prod(shape[1:]) * dtype.itemsize
    step = max(1, PART // max(size, 1))
    for first in range(0, shape[0], step):
        count = min(step, shape[0] - first)
        block = np.frombuffer(_exactly(file, count * size), dtype).reshape(count, *shape[1:])
        inside = (positions >= first) & (positions < first + count)
        taken[inside] = block[positions[inside] - first]
    _exactly(file, 0)
    return taken


def _columns(file: Binary, shape: Shape, dtype: np.dtype[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return the rows at `positions` of an array in Fortran order, whose first axis is the fastest in the file."""
    length = math.prod(shape[1:])
    taken = np.empty((length, len(positions)), dtype)
    size = shape[0] * dtype.itemsize
    step = max(1, PART // max(size, 1))
    for first in range(0, length, step):
        count = min(step, length - first)
        block = np.frombuffer(_exactly(file, count * size), dtype).reshape(count, shape[0])
        taken[first : first + count] = block[:, positions]
    _exactly(file, 0)
    return np.ascontiguousarray(taken.reshape(*shape[:0:-1], len(positions)).T)


def _exactly(file: Binary, count: int) -> bytes:
    """Return so many bytes; for none, look whether the file ends here, which makes zipfile compare the checksum."""
    content = file.read(count or 1)
    if len(content) != count:
        raise UsageError("arrays must be as long as their header says; got a damaged zip: write the file again")
    return content


def _open_safetensors(path: Path) -> dict[str, Rows]:
    """Return the tensors of a `.safetensors` file, each read when it is taken."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
    return {name: _lazy(path, name) for name in names}


def _lazy(path: Path, name: str) -> Rows:
    """Return the rows of one tensor of a `.safetensors` file."""
    with safe_open(path, "pt") as file:
        part = file.get_slice(name)
        shape = tuple(part.get_shape())
        like = rows_of(part[:0] if shape else file.get_tensor(name))

    def take(positions: NDArray[np.int64]) -> NDArray[Any]:
        with _readable(path), safe_open(path, "pt") as again:
            rows = again.get_slice(name)
            if len(positions) == shape[0]:
                return rows_of(rows[:]).take(positions)
            return np.concatenate([rows_of(rows[int(at) : int(at) + 1]).all() for at in positions])

    return Rows(shape, like.dtype, take)


def _open_torch(path: Path) -> dict[str, Any]:
    """Return the tensors of a `.pt` file, mapped from the disk where its format allows."""
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise UsageError(f"{path} must be a file of torch.save; got a compressed zip: save it with torch.save")
    try:
        arrays = flat(torch.load(path, map_location="cpu", weights_only=True, mmap=zipped))
    except pickle.UnpicklingError:
        if not zipped:
            raise
        content = "Python objects, which could run code"
        raise UsageError(
            f"{path} must hold tensors only; got {content}: save (images, labels) or a dict of tensors"
        ) from None
    size = path.stat().st_size
    for name, rows in arrays.items():
        # An expanded tensor of one value can be of any size.
        if isinstance(rows, Rows) and math.prod(rows.shape) * rows.dtype.itemsize > size:
            raise UsageError(f"{name} of {path} must hold each value; got {rows.shape} expanded: save .contiguous()")
    return arrays


def flat(content: Any, name: str = "") -> dict[str, Any]:
    """Return nested dicts as one with joined names; (images, labels) is called `x` and `y`, a tensor alone `x`."""
    if isinstance(content, Mapping):
        parts = [flat(value, f"{name}_{key}" if name else str(key)) for key, value in content.items()]
        return {key: value for part in parts for key, value in part.items()}
    if isinstance(content, (Tensor, np.ndarray)):
        return {name or "x": rows_of(content)}
    if isinstance(content, (list, tuple)) and len(content) == 2 and all(isinstance(one, Tensor) for one in content):
        return {f"{name}_{key}" if name else key: rows_of(one) for key, one in zip("xy", content, strict=True)}
    return {name: list(content)} if isinstance(content, (list, tuple)) else {}
