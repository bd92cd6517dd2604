"""Files of weights: of which kind, by their first bytes; what a pickle names, without running it; the tensors."""

import hashlib
import json
import pickle
import pickletools
import re
import warnings
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from geomrob.errors import UsageError

State: TypeAlias = dict[str, Tensor]

Kind: TypeAlias = Literal["safetensors", "torch", "legacy", "json"]
"""Of the files that are read: safetensors, zip and older files of PyTorch, the index of sharded weights."""

LEGACY = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\.", re.DOTALL)
"""How torch.save began its files before version 1.6."""

FETCH = "fetch it again"
UNPACK = "unpack it and pass the file inside"
EXPORT = "load it in its own framework, and save the weights of the PyTorch model as model.state_dict()"

FOREIGN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, rb"version https://git-lfs", "a Git-LFS pointer", "run `git lfs pull`, or download the file that it points to"),
    (
        0,
        rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|!--|\?xml)",
        "a web page",
        f"{FETCH} by a direct link",
    ),
    (257, rb"ustar", "a tar archive", UNPACK),
    (0, rb"\x1f\x8b", "a gzip archive", UNPACK),
    (0, rb"BZh[1-9]", "a bzip2 archive", UNPACK),
    (0, rb"\xfd7zXZ\0", "an xz archive", UNPACK),
    (0, rb"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (0, rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, rb"Rar!\x1a\x07", "a rar archive", UNPACK),
    (0, rb"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras, TensorFlow, MATLAB)", EXPORT),
    (0, rb"MATLAB 5\.0", "a MATLAB file", EXPORT),
    (0, rb"\x93NUMPY", "a NumPy array", "save the tensors by name, as model.state_dict()"),
    (4, rb"TFL3", "a TensorFlow Lite model", EXPORT),
    (0, rb"\x08\x01\x12", "a TensorFlow SavedModel", EXPORT),
    (0, rb"model_checkpoint_path:", "the index of a TensorFlow checkpoint", EXPORT),
    (0, rb"\x08[\x02-\x40][\x12\x1a\x22\x28\x32\x3a\x42]", "an ONNX model", "name it as the model: --model onnx:FILE"),
    (0, rb"[\x81-\x8f\xde\xdf](..)?[\xa1-\xbf\xd9]", "a msgpack file (Flax, JAX)", EXPORT),
    (0, rb"GGUF", "a GGUF file", EXPORT),
    (0, rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", "a picture", "images go to --data"),
    (0, rb"%PDF-", "a PDF", "pass the file of the weights"),
    (0, rb"\x7fELF|MZ", "a program", "pass the file of the weights"),
    (0, rb"\x80[\x00-\x05]", "a plain pickle", "where you trust it, load it there and torch.save the state_dict alone"),
)
"""Files that are none of PyTorch: where in the file, which bytes (a pattern), what it is, what to do."""

INSIDE: tuple[tuple[str, str, str], ...] = (
    (r"(^|/)code/|(^|/)constants\.pkl$", "a TorchScript archive", "save torch.jit.load(FILE).state_dict()"),
    (
        r"serialized_exported_program|(^|/)(archive_format|models/model\.json)$",
        "an exported program",
        "save torch.export.load(FILE).state_dict",
    ),
    (r"\.npy$", "an .npz archive of NumPy", "save the tensors by name, as model.state_dict()"),
    (r"\.weights\.h5$", "a Keras model", EXPORT),
)
"""Zip archives that hold no weights of PyTorch: a file in it (a pattern), what it is, what to do."""

HARMLESS = re.compile(
    r"torch\.(\w+Storage|\w*Tensor|Size|device|[a-z]+\d+\w*|_utils\._rebuild_\w+|nn\.parameter\.\w+|storage\.\w+"
    r"|serialization\._get_layout|_tensor\._rebuild_\w+)|collections\.(OrderedDict|Counter)|_codecs\.encode"
    r"|(__builtin__|builtins)\.(set|complex|bytearray)"
)
"""What the pickle of a state dict names."""

FOLDER = (
    *("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin"),
    *("open_clip_model.safetensors", "diffusion_pytorch_model.safetensors"),
)
"""Files of weights in a folder of Hugging Face, in the order in which they are looked for."""

SHOWN = 3

GROWTH = 20
"""How many times its own size a compressed archive of weights may have."""


def read_weights(path: Path, *, sha256: str | None = None) -> Mapping[Any, Any]:
    """Return what a file of weights holds, tensors by name or below keys, on the CPU; see `load_weights`."""
    if path.is_dir():
        path = _in_folder(path)
    kind = kind_of(path)
    if sha256 is not None and (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
        raise UsageError(
            f"weights {path} must have SHA-256 {sha256[:12]}...; got {digest[:12]}...: install geomrob again"
        )
    if kind == "json":
        return _shards(path)
    more: list[str] = []
    try:
        more = [] if kind == "safetensors" else check_pickle(path, kind)
        content: Any = load_file(path) if kind == "safetensors" else _torch_load(path)
    except UsageError:
        raise
    # torch.load fails with any of these on a file that is cut off or names anything but tensors.
    except (pickle.UnpicklingError, AttributeError, IndexError, TypeError, UnicodeError) as error:
        if more:
            raise _pickled(more, path) from None
        if "operand" in str(error):
            raise refuse("another pickle protocol than 2", path, "save it with torch.save and its defaults") from None
        raise refuse(f"a damaged file of PyTorch ({type(error).__name__})", path, FETCH) from None
    # On other damages with whatever exception the byte at hand happens to cause.
    except Exception as error:
        reason = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().split("\n")[0][:120]
        raise refuse(f"a damaged file ({reason or type(error).__name__})", path, FETCH) from error
    if not isinstance(content, Mapping):
        raise UsageError(
            f"weights must be tensors by name; got {described(content)} in {path}: save model.state_dict()"
        )
    return cast("Mapping[Any, Any]", content)


def _torch_load(path: Path) -> Any:
    with warnings.catch_warnings():
        # Of torch about its own storages; what concerns the weights is said here.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def _pickled(names: Sequence[str], path: Path) -> UsageError:
    """Return the error of a file whose pickle names more than tensors."""
    own = [name for name in names if not name.startswith("torch.")] or list(names)
    if any(name.startswith("torch.nn.modules.") for name in names):
        what, advice = "a whole pickled model", "load it where its code is, and save model.state_dict()"
    else:
        what, advice = "more than tensors", "where you trust it, load it there, and save model.state_dict() alone"
    return UsageError(f"weights must be tensors by name; got {what} ({some(own)}) in {path}: {advice}")


def _in_folder(folder: Path) -> Path:
    """Return the file of weights, or the index of its shards, in a folder."""
    for name in FOLDER:
        if (folder / name).is_file():
            return folder / name
    try:
        names = sorted(file.name for file in folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"weights must be a readable file; got {error.strerror} for {folder}: check the path"
        ) from None
    kinds = {
        ".metadata": ("a distributed checkpoint", "torch.distributed.checkpoint.format_utils makes one file of it"),
        "data.pkl": ("an unpacked file of PyTorch", "pass the file that it was unpacked from"),
        "saved_model.pb": ("a TensorFlow SavedModel", "save the weights of the PyTorch model"),
    }
    for name, (what, advice) in kinds.items():
        if name in names:
            raise refuse(what, folder, advice)
    shown = some(names) if names else "nothing"
    raise UsageError(
        f"weights must be a file, or a folder with {FOLDER[1]} or {FOLDER[3]}; got {shown} in {folder}: name the file"
    )


def _shards(path: Path) -> State:
    """Return the tensors of all the files that an index names."""
    try:
        index: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        files: dict[str, Any] = dict(index["weight_map"])
        names = sorted(set(files.values()))
        if not all(isinstance(name, str) and name for name in names):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise refuse("JSON that is no index of shards", path, "pass the file of the weights themselves") from None
    strange = [name for name in names if Path(name).name != name]
    if strange:
        raise refuse(f"an index that leaves its folder ({some(strange)})", path, FETCH)
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise UsageError(
            f"weights must have all {len(names)} shards of {path}; got no {some(missing)}: fetch the rest of them"
        )
    again = [name for name in names if kind_of(path.parent / name) == "json"]
    if again:
        raise refuse(f"an index that names another ({some(again)})", path, FETCH)
    tensors: State = {}
    for name in names:
        shard = read_weights(path.parent / name)
        tensors |= {key: value for key, value in shard.items() if isinstance(key, str) and isinstance(value, Tensor)}
    absent = [key for key in files if key not in tensors]
    if absent:
        raise UsageError(f"weights must be in the shards that {path} names; got no {some(absent)} there: {FETCH}")
    return tensors


def refuse(got: str, path: Path, advice: str) -> UsageError:
    """Return the error of a file that holds no weights: what it is instead, and what to do."""
    return UsageError(f"weights must be a file of PyTorch or safetensors; got {got} in {path}: {advice}")


def kind_of(path: Path) -> Kind:
    """Return the kind of a file of weights by its first bytes, whatever its ending.

    Raises:
        UsageError: No such file, or another kind of file, which is named.
    """
    head, size = _head(path)
    if not head:
        raise refuse("an empty file", path, FETCH)
    if head.startswith(b"PK"):
        return _zip_kind(path, size)
    if LEGACY.match(head):
        return "legacy"
    if head[8:9] == b"{" and (header := int.from_bytes(head[:8], "little")) < 2**40:
        if 8 + header > size:
            raise refuse("a safetensors file that is cut off", path, FETCH)
        return "safetensors"
    for offset, pattern, what, advice in FOREIGN:
        if re.match(pattern, head[offset:], re.DOTALL):
            raise refuse(what, path, advice)
    return _text_kind(path, head)


def _head(path: Path) -> tuple[bytes, int]:
    """Return the first bytes and the size of a file."""
    if path.exists() and not path.is_file():
        raise UsageError(f"weights must be a readable file; got no regular file in {path}: check the path")
    try:
        with path.open("rb") as stream:
            return stream.read(1024), path.stat().st_size
    except OSError as error:
        raise UsageError(f"weights must be a readable file; got {error.strerror} for {path}: check the path") from None


def _text_kind(path: Path, head: bytes) -> Kind:
    """Return `json` for text that starts as JSON does; other text and unknown bytes are rejected."""
    text = head.decode("utf-8-sig", errors="replace")
    if text.lstrip().startswith(("{", "[")):
        return "json"
    if "\0" not in text and sum(letter == "\ufffd" for letter in text) <= 1:
        raise refuse(f"text ({text.strip()[:40]!r})", path, FETCH)
    raise refuse(f"a file of an unknown kind (first bytes {head[:8].hex(' ')})", path, FETCH)


def _zip_kind(path: Path, size: int) -> Kind:
    """Return `torch` for the zip archive that torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise refuse("a zip archive that is cut off or damaged", path, FETCH) from None
    names = [member.filename for member in members]
    for pattern, what, advice in INSIDE:
        if any(re.search(pattern, name) for name in names):
            raise refuse(what, path, advice)
    if not any(re.fullmatch(r"[^/]*/?data\.pkl", name) for name in names):
        shown = f"of {', '.join(names[:3])}" if names else "of nothing"
        raise refuse(f"a zip archive {shown}", path, UNPACK)
    unpacked = sum(member.file_size for member in members)
    if unpacked > GROWTH * size:
        raise refuse(f"a compressed archive that unpacks to {unpacked / 2**20:,.0f} MiB", path, "save it uncompressed")
    return "torch"


def check_pickle(path: Path, kind: Kind) -> list[str]:
    """Return what the pickle in a file of PyTorch names besides tensors, and reject claims of more than the file holds.

    The pickle is read as a list of its instructions; none of them runs.

    Raises:
        UsageError: A storage, or memory that a constructor would allocate, is larger than the file.
    """
    if kind == "torch":
        with zipfile.ZipFile(path) as archive:
            held = sum(member.file_size for member in archive.infolist())
            name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]*/?data\.pkl", name))
            names, claimed = _instructions(BytesIO(archive.read(name)))
    else:
        held = path.stat().st_size
        with path.open("rb") as stream:
            names, claimed = _instructions(stream, before=3)  # a magic number, a version, facts of the machine
    if claimed > held:
        raise refuse(f"tensors of {claimed:,} elements where there are {held:,} bytes", path, FETCH)
    return [name for name in names if not HARMLESS.fullmatch(name)]


def _instructions(stream: BufferedReader | BytesIO, before: int = 0) -> tuple[list[str], int]:
    """Return the globals that a pickle names, and the largest number of elements that a storage or constructor claims.

    Args:
        stream: Of pickles.
        before: How many of them to skip.
    """
    names: dict[str, None] = {}
    memo: dict[int, str] = {}
    strings, numbers, storages = ["", ""], [0], [0]
    for code, argument in _operations(stream, before):
        if code in ("GLOBAL", "INST"):
            names[str(argument).replace(" ", ".")] = None
        elif code == "STACK_GLOBAL":
            names[".".join(strings[-2:])] = None
        elif code in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = strings[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            strings.append(memo.get(argument, ""))
        elif code == "BINPERSID":
            storages.append(numbers[-1])
        elif isinstance(argument, (int, str)):
            (strings if isinstance(argument, str) else numbers).append(argument)  # pyright: ignore[reportArgumentType]
    # The one constructor of those that torch.load calls which fills the memory that it is asked for.
    fills = any(name.endswith(".bytearray") for name in names)
    return list(names), max(numbers if fills else storages)


def _operations(stream: BufferedReader | BytesIO, before: int) -> Iterator[tuple[str, Any]]:
    """Yield the instructions of a pickle as long as they can be read; what is cut off is rejected by torch.load."""
    try:
        for _ in range(before):
            deque(pickletools.genops(stream), maxlen=0)
        yield from ((operation.name, argument) for operation, argument, _position in pickletools.genops(stream))
    except (ValueError, IndexError, OverflowError, EOFError, OSError, zipfile.BadZipFile):
        return


def nameless(content: object, path: Path) -> UsageError:
    """Return the error of a file without tensors by name."""
    return UsageError(f"weights must be tensors by name; got {described(content)} in {path}: save model.state_dict()")


def described(content: object) -> str:
    """Return in words what a file holds that has no tensors by name."""
    if isinstance(content, Mapping):
        keys = [str(key) for key in cast("Mapping[object, object]", content)]
        if {"state", "param_groups"} <= set(keys):
            return "the state of an optimizer"
        return f"the keys {some(keys, 8)}" if keys else "nothing"
    return "one tensor" if isinstance(content, Tensor) else f"a {type(content).__name__}"


def some(names: Sequence[str], most: int = SHOWN) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
