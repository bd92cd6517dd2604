"""The files of the bad calls: a few sound ones, and theirs spoiled in every way that was thought of."""

import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

CANARY = "canary-was-executed"
"""A file of that name in the sandbox: code in a pickle ran."""

NET = """
import os, sys
import torch
from torch import nn

class Flat(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        self.fc = nn.Linear(64, 4)
        torch.manual_seed(seed)
        nn.init.normal_(self.fc.weight)
    def forward(self, x):
        return self.fc(x.flatten(1))

def small():
    return Flat()
def other():
    return Flat(1)
def five():
    model = Flat()
    model.fc = nn.Linear(64, 5)
    return model
def depth(n: int = 1):
    return Flat(n)
def leaves():
    exit()
def leaves0():
    sys.exit(0)
def leaves3():
    sys.exit("bye")
def raises():
    raise RuntimeError("no\\nsuch\\x1b[31m thing")
def deep():
    return deep()
def asks():
    return input("which? ")
def nothing():
    pass
def number():
    return 3
def words():
    return {"a": 1}
def nan():
    model = Flat()
    model.fc.weight.data[:] = float("nan")
    return model
class Random(Flat):
    def forward(self, x):
        return super().forward(x) + torch.rand(len(x), 4)
class Fails(Flat):
    def forward(self, x):
        raise ValueError("not today")
class Leaves(Flat):
    def forward(self, x):
        sys.exit(0)
class Text(Flat):
    def forward(self, x):
        return "class 3"
class Nothing(Flat):
    def forward(self, x):
        return None
class Whole(Flat):
    def forward(self, x):
        return super().forward(x).long()
class Maps(Flat):
    def forward(self, x):
        return x
class Batch(Flat):
    def forward(self, x):
        return super().forward(x) - super().forward(x).mean(0)
class Calls(Flat):
    calls = 0
    def forward(self, x):
        Calls.calls += 1
        return super().forward(x) + (Calls.calls > 8)*torch.randn(4)
class One(Flat):
    def forward(self, x):
        return super().forward(x)[:, :1].expand(-1, 0)
class Meta(Flat):
    def __init__(self):
        super().__init__()
        self.to("meta")
"""


class Canary:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return open, (CANARY, "w")


def make(folder: Path) -> Path:
    """Return the folder, filled with the files of the bad calls; everybody may read it."""
    files = folder / "files"
    files.mkdir(parents=True)
    (folder / "net.py").write_text(NET)
    (folder / "broken.py").write_text("def small(:\n")
    (folder / "exits.py").write_text("import sys\nsys.exit(0)\n")
    (folder / "a file").write_text("no folder")
    (folder / "a.png").mkdir()
    (folder / "a.csv").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torch, about what is old
        for build in (_arrays, _npy, _zips, _torch, _safetensors, _idx, _cifar, _pictures, _tars, _texts, _special):
            build(files)
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            if not path.is_symlink():
                path.chmod(0o755)
    folder.chmod(0o777)
    _forbidden(files)
    return folder


def images(count: int = 12) -> dict[str, np.ndarray]:
    """Return small sound images with labels."""
    rng = np.random.default_rng(0)
    return {"x": rng.integers(0, 256, (count, 1, 8, 8), np.uint8), "y": np.arange(count) % 4}


def header(shape: object, dtype: str = "'|u1'", extra: str = "") -> bytes:
    """Return the beginning of a `.npy` file that claims an array of that shape."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, {extra}}}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def bytes_of(array: np.ndarray, **options: object) -> bytes:
    """Return an array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def _arrays(files: Path) -> None:
    x, y = images().values()
    np.savez(files / "eight.npz", x=x, y=y)
    np.savez_compressed(files / "packed.npz", x=x, y=y)
    rng = np.random.default_rng(0)
    np.savez(files / "clothes.npz", x=rng.integers(0, 256, (4, 1, 28, 28), np.uint8), y=np.arange(4))
    np.save(files / "x.npy", x)
    np.save(files / "labels.npy", y)
    sets = {
        "empty": {},
        "no-labels": {"x": x},
        "no-images": {"y": y},
        "zero-images": {"x": x[:0], "y": y[:0]},
        "0-d-images": {"x": np.uint8(3), "y": y},
        "0-d-labels": {"x": x, "y": np.int64(3)},
        "0-d-classes": {"x": x, "y": y, "classes": np.array("abcd")},
        "fractions": {"x": x, "y": y + 0.7},
        "nan-labels": {"x": x, "y": np.where(y == 1, np.nan, y)},
        "negative-labels": {"x": x, "y": y - 1},
        "huge-labels": {"x": x, "y": y.astype(np.uint64) + 2**63},
        "billion-labels": {"x": x, "y": y + 10**9},
        "complex-labels": {"x": x, "y": y + 1j},
        "two-labels": {"x": x, "y": np.stack([y, y], 1)},
        "cut-labels": {"x": x, "y": y[:5]},
        "dates": {"x": x, "y": y.astype("datetime64[D]")},
        "nan-images": {"x": np.where(x > 200, np.nan, x / 255).astype(np.float32), "y": y},
        "infinite-images": {"x": np.where(x > 200, np.inf, x / 255), "y": y},
        "images-to-300": {"x": x / 1.0, "y": y},
        "complex-images": {"x": x / 255 + 1j, "y": y},
        "text-images": {"x": x.astype(str), "y": y},
        "date-images": {"x": x.astype("datetime64[s]"), "y": y},
        "bool-images": {"x": (x > 5)[:, 0, 0], "y": y},
        "flat-images": {"x": x.reshape(12, 64), "y": y},
        "5-d-images": {"x": x[None, None], "y": y},
        "no-pixels": {"x": x[:, :, :0], "y": y},
        "no-channels": {"x": x[:, :0], "y": y},
        "one-class-more": {"x": x, "y": y + 96},
        "two-classes": {"x": x, "y": y, "classes": np.array(["a", "b"])},
    }
    for name, arrays in sets.items():
        np.savez(files / f"{name}.npz", **arrays)
    np.savez(files / "objects.npz", allow_pickle=True, x=np.array([Canary()], object), y=np.array([Canary()], object))
    np.save(files / "objects.npy", np.array([Canary()], object), allow_pickle=True)


def _npy(files: Path) -> None:
    claims = {
        "terabytes": "(100000000, 3, 512, 512)",
        "beyond-64-bits": f"({2**70}, 1, 8, 8)",
        "negative": "(-1, 1, 8, 8)",
        "no-tuple": "12",
        "text-shape": "('a', 2)",
        "huge-rank": f"({'1, ' * 200})",
        "floats": "(2.5, 1)",
        "code": "__import__('os').system('touch canary-was-executed')",
    }
    for name, shape in claims.items():
        (files / f"{name}.npy").write_bytes(header(shape) + b"\0" * 100)
        with zipfile.ZipFile(files / f"{name}.npz", "w") as archive:
            archive.writestr("x.npy", header(shape) + b"\0" * 100)
            archive.writestr("y.npy", bytes_of(np.arange(12)))
    (files / "dtype.npy").write_bytes(header("(2, 1, 8, 8)", "'|q9'") + b"\0" * 128)
    (files / "deep-dtype.npy").write_bytes(header("(2,)", "[" * 400 + "]" * 400))
    (files / "record.npy").write_bytes(header("(2,)", "[('a', '<f8')]") + b"\0" * 16)
    (files / "version.npy").write_bytes(b"\x93NUMPY\x09\x00" + b"\0" * 100)
    (files / "long-header.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 100)
    whole = (files / "x.npy").read_bytes()
    for cut in (0, 3, 9, 40, 127, 128, 500):
        (files / f"cut-{cut}.npy").write_bytes(whole[:cut])
    shutil.copy(files / "x.npy", files / "really-npy.npz")
    shutil.copy(files / "eight.npz", files / "really-npz.npy")
    shutil.copy(files / "eight.npz", files / "really-npz.pt")
    shutil.copy(files / "eight.npz", files / "really-npz.safetensors")
    shutil.copy(files / "eight.npz", files / "really-npz.tar")


def _zips(files: Path) -> None:
    whole = (files / "packed.npz").read_bytes()
    for cut in (0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        (files / f"cut-{cut if cut <= len(whole) // 2 else cut - len(whole)}.npz").write_bytes(whole[:cut])
    (files / "flipped.npz").write_bytes(whole[:200] + bytes([whole[200] ^ 255]) + whole[201:])
    for name, place, value in (("method-99", 10, 99), ("method-97", 10, 97), ("encrypted", 8, 1), ("strong", 8, 65)):
        (files / f"{name}.npz").write_bytes(_patched(whole, place, value))
    (files / "disk-7.npz").write_bytes(whole[:-18] + b"\x07\0" + whole[-16:])
    zeros = header(f"({2**30 // 64}, 1, 8, 8)") + bytes(2**20)
    with zipfile.ZipFile(files / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as member:
            member.write(zeros)
            for _ in range(320):
                member.write(bytes(2**20))
        archive.writestr("y.npy", bytes_of(np.zeros(2**30 // 64, np.int8)))
    with zipfile.ZipFile(files / "traversal.npz", "w") as archive:
        for name in ("../../outside.npy", "/tmp/outside.npy", "x.npy"):
            archive.writestr(name, bytes_of(images()["x"]))
        archive.writestr("y.npy", bytes_of(images()["y"]))
    with zipfile.ZipFile(files / "twice.npz", "w") as archive:
        archive.writestr("x.npy", bytes_of(images()["x"]))
        archive.writestr("y.npy", bytes_of(images()["y"]))
        archive.NameToInfo.clear()
        archive.writestr("x.npy", bytes_of(images()["x"]))
    (files / "photo.npz").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (files / "page.npz").write_bytes(b"<!DOCTYPE html><html>not found</html>")


def _patched(content: bytes, place: int, value: int) -> bytes:
    """Return a zip archive with two bytes of every local and central header changed."""
    changed = bytearray(content)
    for mark, shift in ((b"PK\x03\x04", -2), (b"PK\x01\x02", 0)):
        start = changed.find(mark)
        while start >= 0:
            changed[start + place + shift : start + place + shift + 2] = struct.pack("<H", value)
            start = changed.find(mark, start + 4)
    return bytes(changed)


def _torch(files: Path) -> None:
    torch.manual_seed(0)
    state = {"fc.weight": torch.randn(4, 64), "fc.bias": torch.zeros(4)}
    bad = {
        "sound": state,
        "number-keys": {3: state["fc.weight"], 4.5: state["fc.bias"]},
        "meta": {key: value.to("meta") for key, value in state.items()},
        "sparse": {key: value.to_sparse() for key, value in state.items()},
        "huge": {"fc.weight": torch.full((4, 64), 1e300, dtype=torch.float64), "fc.bias": state["fc.bias"]},
        "complex": {key: value + 1j for key, value in state.items()},
        "bool": {key: value > 0 for key, value in state.items()},
        "int8": {key: value.to(torch.int8) for key, value in state.items()},
        "nan": {**state, "fc.bias": torch.full((4,), torch.nan)},
        "infinite": {**state, "fc.bias": torch.full((4,), torch.inf)},
        "expanded": {"fc.weight": torch.zeros(1, 1).expand(4, 64), "fc.bias": torch.zeros(1).expand(10**9)},
        "transposed": {**state, "fc.weight": state["fc.weight"].T},
        "0-d": {**state, "fc.bias": torch.tensor(3.0)},
        "a-number": 3,
        "a-list": [1, 2, 3],
        "a-tensor": torch.zeros(3),
        "nothing": {},
        "none": None,
        "texts": {"fc.weight": "many", "fc.bias": "few"},
        "others": {"conv.weight": torch.zeros(3)},
    }
    for name, content in bad.items():
        torch.save(content, files / f"{name}.pt")
    torch.save(state, files / "sound-legacy.pt", _use_new_zipfile_serialization=False)
    deep = torch.zeros(3)
    for _ in range(3000):
        deep = [deep]
    for name, content in (("canary", {"fc.weight": Canary()}), ("whole-canary", Canary())):
        torch.save(content, files / f"{name}.pt")
        torch.save(content, files / f"{name}-legacy.pt", _use_new_zipfile_serialization=False)
        (files / f"{name}.pkl").write_bytes(pickle.dumps(content))
        shutil.copy(files / f"{name}.pkl", files / f"{name}-pickle.pt")
        shutil.copy(files / f"{name}.pkl", files / f"{name}-pickle.npz")
        shutil.copy(files / f"{name}.pkl", files / f"{name}-pickle.npy")
    (files / "deep-pickle.pt").write_bytes(b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b".")
    quantised = torch.quantize_per_tensor(state["fc.weight"], 0.1, 0, torch.qint8)
    torch.save({"fc.weight": quantised, "fc.bias": state["fc.bias"]}, files / "quantised.pt")
    for kind in ("sound", "sound-legacy"):
        whole = (files / f"{kind}.pt").read_bytes()
        for cut in (1, 40, len(whole) // 2, len(whole) - 20):
            (files / f"{kind}-cut-{cut}.pt").write_bytes(whole[:cut])
    with (
        zipfile.ZipFile(files / "sound.pt") as one,
        zipfile.ZipFile(files / "packed.pt", "w", zipfile.ZIP_DEFLATED) as two,
    ):
        for name in one.namelist():
            two.writestr(name, one.read(name))
        two.writestr("archive/data/99", bytes(2**24))
    torch.save({"x": torch.zeros(1).expand(10**9, 1, 8, 8), "y": torch.arange(12)}, files / "expanded-images.pt")
    torch.save({"x": torch.rand(4, 1, 8, 8).to_sparse(), "y": torch.arange(4)}, files / "sparse-images.pt")
    torch.save({"x": torch.zeros(4, 1, 8, 8, device="meta"), "y": torch.arange(4)}, files / "meta-images.pt")
    torch.save({"x": torch.zeros(4, 1, 8, 8), "y": {"a": 3}}, files / "dict-labels.pt")


def _safetensors(files: Path) -> None:
    state = {"fc.weight": torch.randn(4, 64), "fc.bias": torch.zeros(4)}
    whole = save(state)
    (files / "sound.safetensors").write_bytes(whole)
    for cut in (0, 4, 8, 60, len(whole) // 2, len(whole) - 1):
        (files / f"cut-{cut}.safetensors").write_bytes(whole[:cut])
    heads = {
        "deep": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "not-json": b"{" + b"x" * 100,
        "list": b"[1, 2, 3]",
        "beyond": json.dumps({"fc.weight": {"dtype": "F32", "shape": [4, 64], "data_offsets": [0, 10**15]}}).encode(),
        "overflow": json.dumps({"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}}).encode(),
        "kind": json.dumps({"a": {"dtype": "Q7", "shape": [1], "data_offsets": [0, 4]}}).encode(),
        "negative": json.dumps({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}).encode(),
    }
    for name, head in heads.items():
        (files / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(64))
    (files / "long.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    (files / "longer.safetensors").write_bytes(struct.pack("<Q", 2**38) + b"{}")
    (files / "bits.safetensors").write_bytes(
        save({"x": torch.zeros(4, 1, 8, 8, dtype=torch.bool), "y": torch.arange(4)})
    )
    (files / "half.safetensors").write_bytes(
        save({"fc.weight": torch.full((4, 64), 1e300, dtype=torch.float64), "fc.bias": torch.zeros(4)})
    )
    (files / "index.json").write_text(json.dumps({"weight_map": {"fc.weight": "../../etc/passwd", "fc.bias": "a"}}))
    (files / "deep-index.json").write_text('{"weight_map": ' + "[" * 50_000 + "]" * 50_000 + "}")
    (files / "self-index.json").write_text(json.dumps({"weight_map": {"fc.weight": "self-index.json"}}))
    (files / "list-index.json").write_text(json.dumps({"weight_map": {"fc.weight": [1]}}))
    (files / "null-index.json").write_text(json.dumps({"weight_map": {"fc.weight": None}}))


def idx(array: np.ndarray) -> bytes:
    """Return bytes as an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", size) for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


def _idx(files: Path) -> None:
    rng = np.random.default_rng(0)
    pictures, labels = idx(rng.integers(0, 256, (12, 28, 28))), idx(np.arange(12) % 10)
    zipped = gzip.compress(pictures)
    sets: dict[str, tuple[bytes, bytes, str]] = {
        **{f"cut-{cut}": (pictures[:cut], labels, "") for cut in (0, 3, 10, 16, 17, 5000, len(pictures) - 1)},
        **{
            f"gz-cut-{cut}": (zipped[:cut], labels, ".gz") for cut in (0, 5, 12, 100, len(zipped) // 2, len(zipped) - 4)
        },
        "longer": (pictures + b"\0", labels, ""),
        "labels-cut": (pictures, labels[:-1], ""),
        "labels-fewer": (pictures, idx(np.arange(5)), ""),
        "labels-11": (pictures, idx(np.arange(12) + 1), ""),
        "terabytes": (pictures[:4] + struct.pack(">III", 2**31, 2**15, 2**15), labels, ""),
        "none": (idx(np.zeros((0, 28, 28))), idx(np.zeros(0)), ""),
        "floats": (bytes([0, 0, 13, 3]) + pictures[4:], labels, ""),
        "rank": (bytes([0, 0, 8, 1]) + pictures[4:], labels, ""),
        "not-gz": (pictures, labels, ".gz"),
        "bomb": (gzip.compress(pictures[:4] + struct.pack(">III", 2**20, 28, 28) + bytes(2**28)), labels, ".gz"),
        "small": (idx(np.zeros((12, 0, 28))), idx(np.arange(12)), ""),
    }
    for name, (first, second, ending) in sets.items():
        raw = files / f"idx-{name}" / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / f"t10k-images-idx3-ubyte{ending}").write_bytes(first)
        (raw / "t10k-labels-idx1-ubyte").write_bytes(second)
    raw = files / "idx-folder" / "FashionMNIST" / "raw"
    (raw / "t10k-images-idx3-ubyte").mkdir(parents=True)


def _cifar(files: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, (6, 3072), np.uint8)
    rows = [list(row) for row in data[:6].tolist()]
    labels = [0, 1, 2, 3, 4, 5]
    contents = {
        "ragged": {b"data": [*rows[:5], rows[5][:7]], b"labels": labels},
        "list-data": {b"data": rows, b"labels": labels},
        "missing": {b"data": data, b"labels": labels[:4]},
        "more": {b"data": data, b"labels": [*labels, 1]},
        "fractions": {b"data": data, b"labels": [0.7, 1.2, 2.9, 3.1, 4.0, 5.5]},
        "floats": {b"data": data, b"labels": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]},
        "text": {b"data": data, b"labels": list("abcdef")},
        "digits": {b"data": data, b"labels": list("012345")},
        "none": {b"data": data, b"labels": [None] * 6},
        "some-none": {b"data": data, b"labels": [0, 1, 2, 3, None, 5]},
        "no-labels": {b"data": data},
        "labels-none": {b"data": data, b"labels": None},
        "huge": {b"data": data, b"labels": [2**63, 1, 2, 3, 4, 5]},
        "huger": {b"data": data, b"labels": [2**70, 1, 2, 3, 4, 5]},
        "negative": {b"data": data, b"labels": [-1, 1, 2, 3, 4, 5]},
        "ten": {b"data": data, b"labels": [10, 1, 2, 3, 4, 5]},
        "0-d": {b"data": data, b"labels": np.int64(3)},
        "0-d-data": {b"data": np.uint8(3), b"labels": labels},
        "true": {b"data": data, b"labels": [True, False] * 3},
        "nested": {b"data": data, b"labels": [[0, 1], [1], [2], [3], [4], [5]]},
        "dict": {b"data": data, b"labels": {0: 1}},
        "floats-data": {b"data": data / 255, b"labels": labels},
        "wide": {b"data": data[:, :3000], b"labels": labels},
        "empty": {b"data": data[:0], b"labels": []},
        "keys": {b"\xff\xfe": data, b"\x80labels": labels},
        "number-keys": {1: data, 2: labels},
        "a-list": [data, labels],
        "canary": Canary(),
        "inner-canary": {b"data": data, b"labels": [Canary()] * 6},
        "object": {b"data": np.array([Canary()] * 6, object), b"labels": labels},
    }
    for name, content in contents.items():
        folder = files / f"cifar-{name}" / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        (folder / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    whole = pickle.dumps({b"data": data, b"labels": labels}, protocol=2)
    bytes_ = {
        **{f"cut-{cut}": whole[:cut] for cut in (0, 1, 30, len(whole) // 2, len(whole) - 1)},
        "deep": b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b".",
        "memo": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
        "page": b"<html></html>",
    }
    for name, content in bytes_.items():
        folder = files / f"cifar-{name}" / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        (folder / "test_batch").write_bytes(content)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _pictures(files: Path) -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(buffer, "PNG")
    png = buffer.getvalue()
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    huge += chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    text = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    text += chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**28))) + png[33:]
    trees: dict[str, dict[str, bytes]] = {
        "cut-png": {"cat/0.png": png[: len(png) // 2], "dog/0.png": png[: len(png) // 2]},
        "text-png": {"cat/0.png": b"hello", "dog/0.png": b"hello"},
        "empty-png": {"cat/0.png": b"", "dog/0.png": b""},
        "bomb-png": {"cat/0.png": huge, "dog/0.png": huge},
        "text-bomb-png": {"cat/0.png": text, "dog/0.png": text},
        "sizes": {"cat/0.png": png, "dog/0.png": _png(9)},
        "flat": {"0.png": png, "1.png": png},
        "deep": {"a/b/c/d/0.png": png},
        "no-pictures": {"cat/notes.txt": b"none"},
        "eps": {"cat/0.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "dog/0.png": b"%!PS-Adobe-3.0\n"},
        "names": {"cat/0.png": png, "dog/0.png": png, "classes.txt": b"cat\n"},
        "names-twice": {"cat/0.png": png, "dog/0.png": png, "classes.txt": b"cat\ncat\ndog\n"},
        "names-bytes": {"cat/0.png": png, "dog/0.png": png, "classes.txt": b"\xff\xfe\x80\n"},
        "names-deep": {"cat/0.png": png, "dog/0.png": png, "classes.txt": b"[" * 50_000},
    }
    for tree, content in trees.items():
        for name, each in content.items():
            path = files / f"pictures-{tree}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each)
    (files / "pictures-empty").mkdir()
    for number in range(4):
        for kind in ("sound", "é", "$x_1$", "a\\b", os.fsdecode(b"\xff\xfe")):
            path = files / "pictures-names-odd" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
    for number in range(4):
        for kind in ("cat", "dog"):
            path = files / "pictures-sound" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
    loop = files / "pictures-loop" / "cat"
    loop.mkdir(parents=True)
    (loop / "0.png").symlink_to("0.png")
    (loop / "again").symlink_to("..")


def _png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _tars(files: Path) -> None:
    png = _png(8)

    def tar(name: str, members: dict[str, bytes], mode: str = "w") -> bytes:
        with tarfile.open(files / name, mode) as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return (files / name).read_bytes()

    sound = {f"{number}.{ending}": content for number in range(4) for ending, content in (("png", png), ("cls", b"1"))}
    whole = tar("sound.tar", sound)
    tar("outside.tar", {"../../outside.png": png, "/tmp/outside.png": png, "../../outside.txt": b"1"})
    tar("no-labels.tar", {"0.png": png})
    tar("text-labels.tar", {"0.png": png, "0.json": b"[" * 50_000})
    tar("long-label.tar", {"0.png": png, "0.cls": b"1" * 2**21})
    tar("long-number.tar", {"0.png": png, "0.cls": b"1" * 5000})
    tar("fractions.tar", {"0.png": png, "0.json": b'{"label": 0.7}'})
    tar("null.tar", {"0.png": png, "0.json": b'{"label": null}'})
    tar("no-picture.tar", {"0.png": b"x", "0.cls": b"1"})
    tar("packed.tar", sound, "w:gz")
    tar("empty.tar", {})
    for cut in (0, 100, 512, 600, len(whole) // 2):
        (files / f"cut-{cut}.tar").write_bytes(whole[:cut])
    with tarfile.open(files / "links.tar", "w") as archive:
        for kind, name in (
            (tarfile.SYMTYPE, "0.png"),
            (tarfile.LNKTYPE, "1.png"),
            (tarfile.CHRTYPE, "2.png"),
            (tarfile.FIFOTYPE, "3.png"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    size = bytearray(whole)
    size[124:136] = b"77777777777\0"
    (files / "size.tar").write_bytes(bytes(size))


RECIPE = 'model = "fmnist-lenet"\ndata = "fashion-mnist-1k"\nsplit = "test"\nsamples = 16\nepochs = 1\nbatch = 8\n'


def _texts(files: Path) -> None:
    (files / "sound.toml").write_text(RECIPE)
    for name, text in RECIPES.items():
        base = "".join(line + "\n" for line in RECIPE.splitlines() if line.split()[0] not in _keys(text))
        (files / f"{name}.toml").write_text(
            f"{text if not text.startswith('[') else ''}\n{base}{text if text.startswith('[') else ''}\n"
        )
    (files / "deep.toml").write_text(RECIPE + "a = " + "[" * 5000 + "]" * 5000)
    (files / "deep-keys.toml").write_text(RECIPE + ".".join(["a"] * 5000) + " = 1\n")
    (files / "bytes.toml").write_bytes(b"\xff\xfe\x00model")
    (files / "empty.toml").write_bytes(b"")
    (files / "cut.toml").write_text('model = "fmnist')
    (files / "classes.txt").write_text("a\nb\nc\nd\n")
    texts = {
        "empty.txt": "",
        "blank.txt": "\n\n\n",
        "twice.txt": "a\na\n",
        "few.txt": "a\n",
        "deep.json": "[" * 50_000,
        "numbers.json": "[1, 2, 3]",
        "null.json": "[null]",
        "cut.json": '["a", "b"',
        "huge.json": json.dumps({"999999999999": "a"}),
        "digits.json": json.dumps({"9" * 5000: "a"}),
        "floats.json": json.dumps({"0.5": "a"}),
    }
    for name, text in texts.items():
        (files / f"classes-{name}").write_text(text)
    (files / "classes-bytes.txt").write_bytes(b"\xff\xfe\xfd")
    (files / "classes-zeros.txt").write_bytes(b"\0" * 100)
    (files / "xz.npz").write_bytes(lzma.compress(bytes(10**6)))


def _keys(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if "=" in line}


RECIPES = {
    "rate-infinite": "max_rate = inf",
    "rate-nan": "max_rate = nan",
    "rate-negative": "max_rate = -1.0",
    "rate-huge": "max_rate = 1e300",
    "final-infinite": "final_rate = inf",
    "final-nan": "final_rate = nan",
    "start-infinite": "start_rate = inf",
    "decay-infinite": "weight_decay = inf",
    "decay-nan": "weight_decay = nan",
    "decay-huge": "weight_decay = 1e308",
    "clip-infinite": "clip = inf",
    "clip-nan": "clip = nan",
    "peak-nan": "peak = nan",
    "factor-infinite": 'schedule = "step"\nmilestones = [1]\nfactor = inf',
    "momentum-nan": "momentum = nan",
    "ema-nan": "ema = nan",
    "ema-one": "ema = 1.0",
    "batch-zero": "batch = 0",
    "batch-huge": f"batch = {10**30}",
    "batch-negative": "batch = -1",
    "batch-fraction": "batch = 8.5",
    "epochs-zero": "epochs = 0",
    "epochs-huge": f"epochs = {10**30}",
    "held-out-all": "held_out = 16",
    "held-out-huge": f"held_out = {10**30}",
    "crop-huge": "crop = 1000000000",
    "crop-reflect": 'crop = 28\npadding = "reflect"',
    "crop-negative": "crop = -1",
    "phases-huge": f'schedule = "two-cycle"\nphases = {10**30}',
    "phases-zero": "phases = 0",
    "milestones-negative": 'schedule = "step"\nmilestones = [-1]',
    "milestones-huge": f'schedule = "step"\nmilestones = [{10**40}]\nfactor = 1e-300',
    "samples-negative": "samples = -1",
    "samples-huge": f"samples = {10**30}",
    "samples-fraction": "samples = 2.5",
    "model-unknown": 'model = "nosuch"',
    "model-number": "model = 3",
    "model-code": 'model = "net:leaves"',
    "data-unknown": 'data = "nosuch"',
    "data-path": 'data = "../../etc/passwd"',
    "data-nouser": 'data = "~nouser/x"',
    "split-unknown": 'split = "valid"',
    "transform-zero": 'transform = "lowpass:0"',
    "transform-unknown": 'transform = "sharpen"',
    "flag-text": 'flip = "yes"',
    "unknown-key": "epoch = 3",
    "unknown-table": "[attack]\nsteps = 3",
    "adversarial-infinite": "[adversarial]\nepsilon = inf",
    "adversarial-nan": "[adversarial]\nepsilon = nan",
    "adversarial-steps": f"[adversarial]\nsteps = {10**30}",
    "hebbian-nan": "[hebbian]\nweights = [nan]",
    "hebbian-many": "[hebbian]\nweights = [1.0, 1.0]",
    "similarity-infinite": "[similarity]\nstrength = inf",
    "similarity-pairs": f"[similarity]\npairs = {10**30}",
    "similarity-images": f"[similarity]\nimages = {10**30}",
    "similarity-target": '[similarity]\ntarget = "files/terabytes.npy"',
    "similarity-canary": '[similarity]\ntarget = "files/objects.npy"',
    "similarity-target-npz": '[similarity]\ntarget = "files/method-99.npz"',
    "similarity-target-encrypted": '[similarity]\ntarget = "files/encrypted.npz"',
    "similarity-target-long": f'[similarity]\ntarget = "{"a" * 5000}.npy"',
    "similarity-layers": '[similarity]\nlayers = ["nosuch"]',
    "similarity-data": '[similarity]\ndata = "nosuch"',
    "augment-unknown": '[augment]\nmethod = "nosuch"',
    "augment-width": f"[augment]\nwidth = {10**9}",
    "augment-width-zero": "[augment]\nwidth = 0",
    "augment-depth": f"[augment]\ndepth = {10**30}",
    "augment-strength": "[augment]\nstrength = inf",
    "augment-strength-nan": "[augment]\nstrength = nan",
    "augment-beta": "[augment]\nbeta = [0.0, 0.0]",
    "augment-beta-infinite": "[augment]\nbeta = [inf, inf]",
    "augment-severity": '[augment]\nmethod = "augmix"\nseverity = 1e300',
    "augment-jsd": "[augment]\njsd = nan",
}
"""Entries of a recipe that cannot be trained with."""


def _special(files: Path) -> None:
    for ending in ("npz", "npy", "pt", "safetensors", "toml", "txt", "tar", "png"):
        (files / f"folder.{ending}").mkdir()
        (files / f"dangling.{ending}").symlink_to("nowhere")
        (files / f"loop.{ending}").symlink_to(f"loop.{ending}")
        os.mkfifo(files / f"pipe.{ending}")
        (files / f"zero.{ending}").symlink_to("/dev/zero")
        (files / f"memory.{ending}").symlink_to("/proc/self/mem")
        (files / f"nothing.{ending}").write_bytes(b"")


def _forbidden(files: Path) -> None:
    """Make files and folders that only root may read."""
    for name, source in (
        ("secret.npz", "eight.npz"),
        ("secret.pt", "sound.pt"),
        ("secret.toml", "sound.toml"),
        ("secret.npy", "x.npy"),
        ("secret.txt", "classes.txt"),
        ("secret.tar", "sound.tar"),
        ("secret.safetensors", "sound.safetensors"),
    ):
        shutil.copy(files / source, files / name)
        (files / name).chmod(0)
    for name, hidden in (("secret-folder", "."), ("secret-class", "dog"), ("secret-picture", "dog/0.png")):
        shutil.copytree(files / "pictures-sound", files / name)
        (files / name / hidden).chmod(0)
    shutil.copytree(files / "idx-longer", files / "secret-idx")
    (files / "secret-idx/FashionMNIST/raw/t10k-images-idx3-ubyte").chmod(0)
    shutil.copytree(files / "cifar-floats", files / "secret-cifar")
    (files / "secret-cifar/cifar-10-batches-py").chmod(0)
    (files / "closed").mkdir()
    (files / "closed").chmod(0o500)
