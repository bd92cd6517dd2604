"""The table of bad calls: values of options, crossed with the commands that take the option."""

from dataclasses import dataclass, field
from functools import cache

from geomrob.cli import COMMANDS, application
from tests.reliability.runner import Call
from tests.reliability.spoiled import RECIPES

EIGHT = "--model net:small --data files/eight.npz --samples 2"
SOUND = {
    "margin": f"{EIGHT} --attack deepfool --size 8",
    "sparsefool": f"{EIGHT} --steps 3",
    "spectrum": f"{EIGHT} --size 8",
    "kernels": "--model fmnist-lenet",
    "curve": f"{EIGHT} --strengths 0.1 --repeats 1",
    "robust": f"{EIGHT} --epsilon 0.1",
    "boundary": f"{EIGHT} --budget 20",
    "compare": "net:small net:other --data files/eight.npz --samples 2 --of sparsefool",
    "report": "net:small --data files/eight.npz --samples 2 --only sparsefool --budget quick",
    "transfer": f"{EIGHT} --model net:other --attack deepfool",
    "audit": f"{EIGHT} --source net:other --budget 0",
    "models": "",
    "data": "",
    "corrupt": "files/clothes.npz out --corruptions gaussian_noise --samples 2",
    "corruptions": "--data files/clothes.npz --samples 2 --corruptions gaussian_noise --severities 1",
    "layers": EIGHT,
    "geometry": f"{EIGHT} --attack deepfool --directions 2 --others 1 --power 0",
    "augment": "--data files/clothes.npz --samples 2 --show spectral --smoothness 1 --strength 0.1",
    "train": "files/sound.toml",
    "reproduce": "thesis-fig-4.18",
    "merge": "files/pictures-sound files/pictures-empty",
}
"""A sound call of each command that ends soon, in the sandbox."""

LONG = "a" * 5000


@dataclass(frozen=True)
class Kind:
    """Bad values of one option.

    Attributes:
        kind: What is wrong with them.
        option: `--seed` and the like; empty for whole calls.
        values: Of the option; words of a whole call, behind the command, with spaces between.
        commands: Those that are called; by default all that take the option.
        status, within: As in `Call`.
        also: Words behind.
    """

    kind: str
    option: str
    values: tuple[str, ...]
    commands: tuple[str, ...] = ()
    status: tuple[int, ...] = (2,)
    within: str = ""
    also: str = ""
    without: tuple[str, ...] = field(default=())


MEASURING = (
    "robust",
    "margin",
    "sparsefool",
    "spectrum",
    "curve",
    "boundary",
    "transfer",
    "audit",
    "corruptions",
    "layers",
    "geometry",
)
WHOLE = ("1.5", "nan", "inf", "1e3", "ten", "", "0x")

KINDS = (
    Kind("seeds outside 0 ... 2**63 - 1", "--seed", ("-1", str(2**63), str(2**64), str(-(2**63)), "9" * 5000, *WHOLE)),
    Kind("numbers of images", "--samples", ("0", "-1", "1000000000", str(10**30), "2.6", *WHOLE), without=("corrupt",)),
    Kind("numbers of images", "--samples", ("0", "-1", "1000000000", "2.6"), ("corrupt",)),
    Kind("memory", "--memory", ("0", "-1", "nan", "inf", "-inf", "1e300", "1e-300", "1e12", "much", "")),
    Kind("threads", "--threads", ("0", "-1", "99999999999", "1000000", str(10**30), *WHOLE)),
    Kind(
        "devices",
        "--device",
        ("meta", "mps", "cuda", "cuda:99", "cpu:7", "xla", "hpu", "nosuch", "", "cpu:-1", "cuda:x", "privateuseone"),
    ),
    Kind(
        "paths of no file",
        "--data",
        (
            "~nouser/x",
            "/proc",
            "/proc/self",
            LONG,
            f"{LONG}.npz",
            f"files/{LONG}",
            "",
            ".",
            "..",
            "/",
            "nosuch.npz",
            "no/such",
            "a\0b.npz",
            "a\0b",
        ),
        without=("corrupt",),
    ),
    Kind(
        "paths of no file",
        "--data-dir",
        ("~nouser/x", "/proc", LONG, "nosuch", "a file", "a\0b"),
        MEASURING,
        also="--data fashion-mnist",
    ),
    Kind(
        "paths of no file",
        "--weights",
        ("~nouser/x", "/proc", LONG, "nosuch.pt", "files", "a\0b", ""),
        without=("transfer",),
    ),
    Kind("paths of no file", "--classes", ("~nouser/x", "/proc", LONG, "nosuch.txt", "files", "a\0b"), MEASURING),
    Kind(
        "names of no model",
        "--model",
        (
            "nosuch",
            "",
            ":",
            "net:",
            ":small",
            "net:nosuch",
            "nosuch:small",
            "broken:small",
            "exits:small",
            "net",
            "net.py",
            "net.py:",
            "nosuch.py:small",
            "~nouser/net.py:small",
            f"{LONG}",
            f"{LONG}:small",
            f"{LONG}.py:small",
            "/proc:small",
            "a\0b",
            "a\0b:c",
            "a\0b.py:c",
            "timm:",
            "timm:nosuch",
            "torchvision:nosuch",
            "hf-hub:no/such",
            "onnx:nosuch.onnx",
            "onnx:",
            "robustbench:x",
            "http://x/y.pt",
        ),
        ("margin", "kernels", "layers", "audit"),
    ),
    Kind(
        "code of models that fails",
        "--model",
        (
            "net:leaves",
            "net:leaves0",
            "net:leaves3",
            "net:raises",
            "net:deep",
            "net:nothing",
            "net:number",
            "net:words",
            "net:depth?n=x",
            "net:depth?n=1.5",
            "net:depth?m=1",
            "net:depth?n",
            "net:small?n=1",
            "net:depth?n=1&n=2",
        ),
        ("margin", "sparsefool", "kernels", "corruptions"),
    ),
    Kind(
        "models that return no logits",
        "--model",
        (
            "net:Fails",
            "net:Leaves",
            "net:Text",
            "net:Nothing",
            "net:Whole",
            "net:Maps",
            "net:One",
            "net:nan",
            "net:Meta",
        ),
        ("margin", "sparsefool", "curve", "boundary", "audit", "layers", "geometry", "spectrum"),
    ),
    Kind(
        "models that change",
        "--model",
        ("net:Random", "net:Batch"),
        ("margin", "sparsefool", "boundary", "spectrum", "geometry", "curve", "transfer", "layers"),
    ),
    Kind("models that change", "--model", ("net:Calls",), ("margin", "sparsefool", "boundary", "spectrum", "geometry")),
    Kind(
        "models that do not take the images",
        "--model",
        ("cifar10-resnet20", "fmnist-lenet", "mnist-resnet18"),
        MEASURING[:-1],
        without=("transfer", "corruptions"),
    ),
    Kind(
        "damaged files of weights",
        "--weights",
        tuple(
            f"files/{name}"
            for name in (
                "number-keys.pt",
                "meta.pt",
                "sparse.pt",
                "huge.pt",
                "complex.pt",
                "bool.pt",
                "int8.pt",
                "nan.pt",
                "infinite.pt",
                "expanded.pt",
                "transposed.pt",
                "0-d.pt",
                "a-number.pt",
                "a-list.pt",
                "a-tensor.pt",
                "nothing.pt",
                "none.pt",
                "texts.pt",
                "others.pt",
                "quantised.pt",
                "deep-pickle.pt",
                "packed.pt",
                "sound-cut-1.pt",
                "sound-cut-40.pt",
                "sound-legacy-cut-40.pt",
                "cut-0.safetensors",
                "cut-4.safetensors",
                "cut-60.safetensors",
                "deep.safetensors",
                "not-json.safetensors",
                "list.safetensors",
                "beyond.safetensors",
                "overflow.safetensors",
                "kind.safetensors",
                "negative.safetensors",
                "long.safetensors",
                "longer.safetensors",
                "half.safetensors",
                "index.json",
                "deep-index.json",
                "self-index.json",
                "list-index.json",
                "null-index.json",
                "eight.npz",
                "x.npy",
                "sound.toml",
                "sound.tar",
                "classes.txt",
            )
        ),
        ("layers", "kernels"),
        also="--model net:small",
    ),
    Kind(
        "pickles with code",
        "--weights",
        tuple(
            f"files/{name}"
            for name in (
                "canary.pt",
                "canary-legacy.pt",
                "canary.pkl",
                "canary-pickle.pt",
                "whole-canary.pt",
                "whole-canary-legacy.pt",
                "whole-canary.pkl",
            )
        ),
        ("margin", "kernels", "layers", "sparsefool"),
        also="--model net:small",
    ),
    Kind(
        "pickles with code",
        "--data",
        tuple(
            f"files/{name}"
            for name in (
                "canary.pt",
                "canary-legacy.pt",
                "canary-pickle.npz",
                "canary-pickle.npy",
                "objects.npz",
                "whole-canary.pt",
            )
        ),
        ("margin", "layers", "augment"),
    ),
    Kind(
        "damaged files of arrays",
        "--data",
        tuple(
            f"files/{name}"
            for name in (
                "terabytes.npz",
                "beyond-64-bits.npz",
                "negative.npz",
                "no-tuple.npz",
                "text-shape.npz",
                "huge-rank.npz",
                "floats.npz",
                "code.npz",
                "terabytes.npy",
                "negative.npy",
                "code.npy",
                "dtype.npy",
                "deep-dtype.npy",
                "record.npy",
                "version.npy",
                "long-header.npy",
                "cut-0.npy",
                "cut-9.npy",
                "cut-127.npy",
                "cut-500.npy",
                "really-npy.npz",
                "really-npz.npy",
                "really-npz.pt",
                "really-npz.safetensors",
                "really-npz.tar",
                "cut-0.npz",
                "cut-1.npz",
                "cut-30.npz",
                "cut--30.npz",
                "cut--1.npz",
                "flipped.npz",
                "method-99.npz",
                "method-97.npz",
                "encrypted.npz",
                "strong.npz",
                "bomb.npz",
                "twice.npz",
                "photo.npz",
                "page.npz",
                "xz.npz",
                "expanded-images.pt",
                "meta-images.pt",
                "dict-labels.pt",
                "deep-pickle.pt",
                "sound-cut-40.pt",
                "deep.safetensors",
                "overflow.safetensors",
                "beyond.safetensors",
                "cut-60.safetensors",
            )
        ),
        ("layers", "augment"),
    ),
    Kind(
        "arrays that are no images or labels",
        "--data",
        tuple(
            f"files/{name}.npz"
            for name in (
                "empty",
                "no-labels",
                "no-images",
                "zero-images",
                "0-d-images",
                "0-d-labels",
                "0-d-classes",
                "fractions",
                "nan-labels",
                "negative-labels",
                "huge-labels",
                "billion-labels",
                "complex-labels",
                "two-labels",
                "cut-labels",
                "dates",
                "nan-images",
                "infinite-images",
                "images-to-300",
                "complex-images",
                "text-images",
                "date-images",
                "5-d-images",
                "no-pixels",
                "no-channels",
                "one-class-more",
                "two-classes",
            )
        ),
        ("layers", "boundary"),
    ),
    Kind(
        "damaged tars",
        "--data",
        tuple(
            f"files/{name}.tar"
            for name in (
                "no-labels",
                "text-labels",
                "long-label",
                "long-number",
                "fractions",
                "null",
                "no-picture",
                "packed",
                "empty",
                "cut-0",
                "cut-100",
                "cut-512",
                "cut-600",
                "links",
                "size",
                "outside",
            )
        ),
        ("layers",),
    ),
    Kind(
        "damaged folders of images",
        "--data",
        tuple(
            f"files/pictures-{name}"
            for name in (
                "cut-png",
                "text-png",
                "empty-png",
                "bomb-png",
                "sizes",
                "flat",
                "deep",
                "no-pictures",
                "eps",
                "names",
                "names-twice",
                "names-bytes",
                "names-deep",
                "empty",
                "loop",
            )
        ),
        ("layers", "augment"),
    ),
    Kind(
        "damaged IDX files",
        "--data-dir",
        tuple(
            f"files/idx-{name}"
            for name in (
                "cut-0",
                "cut-3",
                "cut-10",
                "cut-16",
                "cut-17",
                "cut-5000",
                "cut-9423",
                "gz-cut-0",
                "gz-cut-5",
                "gz-cut-12",
                "gz-cut-100",
                "longer",
                "labels-cut",
                "labels-fewer",
                "labels-11",
                "terabytes",
                "none",
                "floats",
                "rank",
                "not-gz",
                "bomb",
                "small",
                "folder",
            )
        ),
        ("layers", "augment"),
        also="--data fashion-mnist",
    ),
    Kind(
        "damaged CIFAR batches",
        "--data-dir",
        tuple(
            f"files/cifar-{name}"
            for name in (
                "ragged",
                "list-data",
                "missing",
                "more",
                "fractions",
                "floats",
                "text",
                "digits",
                "none",
                "some-none",
                "no-labels",
                "labels-none",
                "huge",
                "huger",
                "negative",
                "ten",
                "0-d",
                "0-d-data",
                "true",
                "nested",
                "dict",
                "floats-data",
                "wide",
                "empty",
                "keys",
                "number-keys",
                "a-list",
                "canary",
                "inner-canary",
                "object",
                "cut-0",
                "cut-1",
                "cut-30",
                "deep",
                "memo",
                "page",
            )
        ),
        ("layers", "augment"),
        also="--data cifar10",
    ),
    Kind(
        "damaged lists of classes",
        "--classes",
        tuple(
            f"files/classes-{name}"
            for name in (
                "empty.txt",
                "blank.txt",
                "twice.txt",
                "few.txt",
                "deep.json",
                "numbers.json",
                "null.json",
                "cut.json",
                "huge.json",
                "digits.json",
                "floats.json",
                "bytes.txt",
            )
        ),
        ("layers", "margin"),
    ),
    Kind(
        "recipes that cannot be trained with",
        "",
        tuple(
            f"files/{name}.toml"
            for name in (
                *RECIPES,
                "deep",
                "deep-keys",
                "bytes",
                "empty",
                "cut",
            )
        ),
        ("train",),
    ),
    Kind(
        "paths of no file",
        "",
        (
            "~nouser/x.toml",
            f"{LONG}.toml",
            LONG,
            "nosuch.toml",
            "nosuch",
            "",
            "files",
            "a\0b.toml",
            "a\0b",
            "files/folder.toml",
        ),
        ("train",),
    ),
    Kind(
        "pipes, devices and loops",
        "--data",
        tuple(
            f"files/{name}"
            for name in (
                "pipe.npz",
                "pipe.npy",
                "pipe.pt",
                "pipe.safetensors",
                "pipe.tar",
                "zero.npz",
                "zero.npy",
                "zero.pt",
                "zero.safetensors",
                "zero.tar",
                "memory.npz",
                "memory.pt",
                "folder.npz",
                "folder.tar",
                "dangling.npz",
                "loop.npz",
                "loop.tar",
                "nothing.npz",
                "nothing.pt",
                "nothing.tar",
            )
        ),
        ("layers",),
    ),
    Kind(
        "pipes, devices and loops",
        "--weights",
        tuple(
            f"files/{name}"
            for name in (
                "pipe.pt",
                "zero.pt",
                "memory.pt",
                "folder.pt",
                "dangling.pt",
                "loop.pt",
                "nothing.pt",
            )
        ),
        ("layers", "kernels"),
        also="--model net:small",
    ),
    Kind(
        "pipes, devices and loops",
        "--classes",
        tuple(f"files/{name}.txt" for name in ("pipe", "zero", "memory", "folder", "dangling", "loop", "nothing")),
        ("layers",),
    ),
    Kind(
        "pipes, devices and loops",
        "--basis",
        tuple(
            f"files/{name}"
            for name in (
                "pipe.npz",
                "zero.npz",
                "pipe.npy",
                "zero.npy",
                "pipe.safetensors",
                "zero.safetensors",
                "folder.npz",
                "loop.npz",
                "dangling.npy",
            )
        ),
        ("margin",),
    ),
    Kind(
        "pipes, devices and loops",
        "",
        tuple(f"files/{name}.toml" for name in ("pipe", "zero", "memory", "folder", "dangling", "loop", "nothing")),
        ("train",),
    ),
    Kind(
        "files that only root may read",
        "--data",
        tuple(
            f"files/secret{name}"
            for name in (".npz", ".pt", ".npy", ".tar", ".safetensors", "-folder", "-class", "-picture")
        ),
        ("layers", "augment"),
        within="nobody",
    ),
    Kind(
        "files that only root may read",
        "--weights",
        ("files/secret.pt", "files/secret.safetensors", "files/secret-folder"),
        ("layers",),
        within="nobody",
        also="--model net:small",
    ),
    Kind(
        "files that only root may read",
        "--classes",
        ("files/secret.txt", "files/secret-folder/x.txt"),
        ("layers",),
        within="nobody",
    ),
    Kind(
        "files that only root may read",
        "--data-dir",
        ("files/secret-idx",),
        ("layers",),
        within="nobody",
        also="--data fashion-mnist",
    ),
    Kind(
        "files that only root may read",
        "--data-dir",
        ("files/secret-cifar", "files/secret-folder"),
        ("layers",),
        within="nobody",
        also="--data cifar10",
    ),
    Kind(
        "files that only root may read",
        "",
        ("files/secret.toml", "files/secret-folder/x.toml"),
        ("train",),
        within="nobody",
    ),
    Kind(
        "folders that cannot be written to",
        "--out",
        (
            "~nouser/out",
            "/proc/out",
            "/proc",
            "/dev/null",
            "a file",
            "a file/out",
            LONG,
            f"out/{LONG}",
            "a\0b",
            "files/dangling.txt/x",
            "files/loop.txt",
        ),
        status=(1, 2),
    ),
    Kind(
        "folders that cannot be written to",
        "--out",
        ("files/closed", "files/closed/out", "/proc/out"),
        ("margin", "kernels", "train"),
        status=(1, 2),
        within="nobody",
    ),
    Kind(
        "folders that cannot be written to",
        "",
        tuple(
            f"files/clothes.npz {out}"
            for out in ("~nouser/out", "/proc/out", "/dev/null", "files/sound.pt", LONG, "files")
        ),
        ("corrupt",),
        status=(1, 2),
    ),
    Kind(
        "pictures that cannot be written",
        "--figure",
        (
            "a.png",
            "files",
            "x",
            "x.gif",
            "x.png.exe",
            ".png",
            "",
            "/proc/x.png",
            "/dev/null",
            "~nouser/x.png",
            f"{LONG}.png",
            "a file/x.png",
            "a\0b.png",
        ),
    ),
    Kind("a deleted working folder", "--seed", ("0",), within="deleted", status=(1, 2)),
    Kind(
        "edits of images",
        "--transform",
        (
            "lowpass:0",
            "lowpass:-1",
            "lowpass:1e9",
            "lowpass:x",
            "lowpass:",
            "lowpass:2.5",
            "lowpass:99999999999999999999",
            "highpass:0.5",
            "bandstop:5:2",
            "bandstop:1",
            "bandstop:a:b",
            "bandstop:-1:2",
            "nosuch",
            "flip:3",
            "",
            "+",
            "flip+",
            LONG,
        ),
        without=("transfer", "audit", "boundary", "curve"),
    ),
    Kind(
        "sizes of images",
        "--image-size",
        ("0", "-1", "1.5", "x", "0x0", "8x", "8x8x8", "1000000", "99999999999999999999", "inf", ""),
        ("margin", "layers", "audit", "transfer"),
    ),
    Kind(
        "mean and standard deviation",
        "--mean",
        ("nan", "inf", "x", "", ",", "0.5,0.5,0.5"),
        ("layers", "margin"),
        also="--std 1",
    ),
    Kind(
        "mean and standard deviation",
        "--std",
        ("0", "-1", "nan", "inf", "x", "1e-300", "1e300", ""),
        ("layers", "margin"),
        also="--mean 0",
    ),
    Kind("names that are no text", "--data", ("files/pictures-names-odd",), ("augment",), status=(0,)),
    Kind("names that are no text", "--data", ("files/pictures-names-odd",), ("augment",), status=(0,), within="ascii"),
    Kind("no standard input", "--seed", ("0",), ("layers", "boundary"), status=(0, 3), within="no stdin"),
    Kind(
        "names that are no text",
        "--data",
        ("files/pictures-names-odd",),
        ("layers", "sparsefool", "boundary"),
        status=(0, 3),
        also="--model net:five",
    ),
    Kind(
        "names that are no text",
        "--data",
        ("files/pictures-names-odd",),
        ("layers", "sparsefool", "boundary"),
        status=(0, 3),
        within="ascii",
        also="--model net:five",
    ),
    Kind(
        "shards", "--shard", ("", "0/3", "4/3", "1/0", "1", "x", "-1/2", "1.5/2", f"1/{10**30}", "1/2/3"), MEASURING[:6]
    ),
    Kind("outputs", "--outputs", ("nosuch", "", "LOGITS!"), ("margin", "layers")),
    Kind(
        "bases",
        "--basis",
        (
            "nosuch",
            "",
            "~nouser/b.npy",
            f"{LONG}.npy",
            "a\0b.npy",
            *(
                f"files/{name}"
                for name in (
                    "terabytes.npy",
                    "terabytes.npz",
                    "negative.npy",
                    "code.npy",
                    "dtype.npy",
                    "cut-9.npy",
                    "cut-500.npy",
                    "method-99.npz",
                    "encrypted.npz",
                    "bomb.npz",
                    "objects.npy",
                    "objects.npz",
                    "really-npy.npz",
                    "really-npz.npy",
                    "x.npy",
                    "eight.npz",
                    "0-d-images.npz",
                    "canary-pickle.npy",
                    "canary-pickle.npz",
                    "deep.safetensors",
                    "overflow.safetensors",
                    "beyond.safetensors",
                    "sound.safetensors",
                    "long.safetensors",
                    "nothing.npz",
                    "folder.npy",
                    "sound.toml",
                    "sound.pt",
                )
            ),
        ),
        ("margin",),
    ),
    Kind(
        "corrupted images",
        "--corruption",
        (
            "nosuch",
            "",
            "~nouser/b.npy",
            f"{LONG}.npy",
            "files/x.npy@9",
            "files/x.npy@0",
            "files/x.npy@99999999999999999999",
            *(
                f"files/{name}"
                for name in (
                    "terabytes.npy",
                    "method-99.npz",
                    "encrypted.npz",
                    "objects.npz",
                    "x.npy@3",
                    "cut-9.npy",
                    "canary-pickle.npz",
                    "nosuch.npy@3",
                )
            ),
        ),
        ("spectrum",),
        also="--of corruption",
    ),
    Kind("counts and budgets", "--budget", ("0", "-1", "1", "2.5", "nan", "inf", str(10**30), "x"), ("boundary",)),
    Kind("counts and budgets", "--budget", ("0", "-1", "2.5", "nan", str(10**30)), ("margin",), also="--attack tight"),
    Kind("counts and budgets", "--budget", ("0", "-1", "2.5", "nan", str(10**30)), ("sparsefool",), also="--prune"),
    Kind(
        "counts and budgets",
        "--repeats",
        ("0", "-1", "2.5", "nan", str(10**30), "1000000000000"),
        ("boundary", "curve", "layers"),
    ),
    Kind("counts and budgets", "--budget", ("-1", "2.5", "nan", str(10**30), "x"), ("audit",)),
    Kind(
        "counts and budgets",
        "--budget",
        ("0", "-1", "2.5", "nan", str(10**30)),
        ("transfer", "spectrum"),
        also="--attack boundary",
    ),
    Kind("strengths", "--smoothness", ("-1", "nan", "inf", "11", "x"), ("boundary", "audit")),
    Kind(
        "shares and strengths",
        "--smoothness",
        ("-1", "nan", "inf", "11", "x"),
        ("transfer", "spectrum"),
        also="--attack boundary",
    ),
    Kind("counts and budgets", "--steps", ("0", "-1", "2.5", "nan", str(10**30)), ("sparsefool",)),
    Kind("counts and budgets", "--steps", ("0", "-1", "2.5", "nan", str(10**30)), ("curve",), also="--attack pgd-linf"),
    Kind("counts and budgets", "--directions", ("0", "-1", "2.5", str(10**30), "1000000000000"), ("geometry",)),
    Kind("counts and budgets", "--others", ("-1", "2.5", str(10**30)), ("geometry",)),
    Kind("counts and budgets", "--power", ("-1", "2.5", str(10**30)), ("geometry",)),
    Kind(
        "counts and budgets",
        "--draws",
        ("0", "-1", "2.5", str(10**30), "1000000000"),
        ("augment",),
        also="--show prime",
    ),
    Kind("counts and budgets", "--copies", ("-1", "2.5", str(10**30), "1000000000"), ("augment",), also="--show prime"),
    Kind("counts and budgets", "--show", ("-1", "2.5", str(10**30), "1000000"), ("corrupt",)),
    Kind(
        "sizes of bands and filters",
        "--size",
        ("0", "-1", "9", "2.5", "nan", str(10**30), "1000000"),
        ("margin", "spectrum"),
    ),
    Kind(
        "sizes of bands and filters",
        "--size",
        ("0", "-1", "1", "2.5", "nan", str(10**30), "1000000", "100000000"),
        ("kernels",),
    ),
    Kind("sizes of bands and filters", "--step", ("0", "-1", "2.5", "nan", str(10**30)), ("margin", "spectrum")),
    Kind(
        "sizes of bands and filters",
        "--count",
        ("0", "-1", "2.5", "1000000000", str(10**30)),
        ("margin",),
        also="--bands rings",
    ),
    Kind(
        "sizes of bands and filters",
        "--box",
        ("-1", "2.5", str(10**30), "1000000000"),
        ("spectrum",),
        also="--of kernels --model fmnist-lenet",
    ),
    Kind(
        "sizes of bands and filters",
        "--channels",
        ("-1", "9", "2.5", "nosuch", "", "99999999999999999999", "²"),
        ("kernels", "spectrum"),
    ),
    Kind(
        "strengths",
        "--strengths",
        ("", "-1", "nan", "inf", "x", "0.1,", ",", "0.2,0.1", "0.1,0.1", "1e300"),
        ("curve",),
    ),
    Kind("strengths", "--strength", ("-1", "nan", "inf", "1e300", "x"), ("augment",)),
    Kind(
        "strengths",
        "--strength",
        ("-1", "nan", "inf", "1e300", "x"),
        ("spectrum",),
        also="--of corruption --corruption gaussian",
    ),
    Kind("strengths", "--smoothness", ("0", "-1", "2.5", "1000000000", str(10**30)), ("augment",)),
    Kind("strengths", "--alpha", ("-1", "nan", "inf", "1e300", "x"), ("augment",), also="--show prime"),
    Kind("strengths", "--alpha", ("nan", "inf", "1e300", "x"), ("spectrum",), also="--of kernels --model fmnist-lenet"),
    Kind("strengths", "--epsilon", ("-1", "nan", "inf", "1e300", "x"), ("spectrum",), also="--of model"),
    Kind("strengths", "--epsilon", ("-1", "nan", "inf", "1e300", "x"), ("transfer",), also="--attack pgd"),
    Kind("strengths", "--norm", ("0", "-1", "nan", "3", "x"), ("margin",)),
    Kind("strengths", "--norm", ("0", "-1", "nan", "3", "1", "x"), ("transfer",), also="--attack pgd"),
    Kind("strengths", "--sigma", ("-1", "nan", "inf", "1e300", "x"), ("layers",)),
    Kind("strengths", "--step", ("0", "-1", "nan", "inf", "1e300", "x"), ("geometry",)),
    Kind("strengths", "--lam", ("0", "-1", "0.5", "nan", "inf", "1e300", "x"), ("sparsefool",)),
    Kind("strengths", "--radius", ("0", "-1", "nan", "x"), ("sparsefool",)),
    Kind("strengths", "--beta", ("-1", "nan", "inf", "x"), ("corruptions",)),
    Kind("sizes", "--epsilon", ("0", "-1", "nan", "inf", "1/0", "8/", "x", "1e30", ""), ("robust",)),
    Kind("norms", "--norm", ("3", "max", ""), ("robust",)),
    Kind("strengths", "--minimum", ("-1", "nan", "inf", "2", "x"), ("curve",), also="--baseline net:small"),
    Kind("names of nothing", "--baseline", ("nosuch", "", LONG), ("curve", "corruptions")),
    Kind("names of nothing", "--source", ("nosuch", "", "net:leaves", LONG), ("audit",)),
    Kind("names of nothing", "--source", ("nosuch", "", "net:leaves", LONG), ("curve",), also="--attack fgsm-transfer"),
    Kind(
        "names of nothing", "--target", ("nosuch", "", "-1", "9", "1.5", LONG, "99999999999999999999"), ("sparsefool",)
    ),
    Kind("names of nothing", "--layer", ("nosuch", "", LONG), ("layers",)),
    Kind("names of nothing", "--corruptions", ("nosuch", "", LONG), ("corrupt", "corruptions")),
    Kind("names of nothing", "--severities", ("0", "6", "-1", "2.5", "nan", str(10**30)), ("corruptions",)),
    Kind(
        "names of nothing",
        "--attack",
        ("nosuch", "", "PGD"),
        ("margin", "curve", "boundary", "transfer", "geometry", "spectrum"),
    ),
    Kind("names of nothing", "--data", ("nosuch", "", LONG), ("models",)),
    Kind("names of nothing", "--of", ("nosuch", ""), ("spectrum",)),
    Kind("names of nothing", "", ("nosuch", "all nosuch", "hah-tab", LONG, "a\0b"), ("reproduce",)),
    Kind("names of nothing", "--scale", ("nosuch", "", "CPU"), ("reproduce",)),
    Kind("numbers of processes", "--jobs", ("0", "-1", "1000000", *WHOLE), ("reproduce",)),
    Kind("options that do not exist", "--nosuch", ("1",), COMMANDS),
)


@cache
def options(command: str) -> frozenset[str]:
    """Return the options that a command takes."""
    arguments = application()[command].assemble_argument_collection()
    return frozenset(name for argument in arguments if argument.parse for name in argument.names)


def calls() -> list[Call]:
    """Return all bad calls, in the order of the table."""
    every: list[Call] = []
    for kind in KINDS:
        takes = kind.commands or tuple(
            name for name in COMMANDS if kind.option in options(name) and kind.option not in positional(name)
        )
        for command in takes:
            if command not in kind.without:
                every += [
                    Call(kind.kind, words(command, kind, value), kind.status, kind.within) for value in kind.values
                ]
    every += [Call(kind, tuple(text.split())) for kind, texts in WHOLE_CALLS.items() for text in texts]
    return list({(call.words, call.within): call for call in every}.values())


def positional(command: str) -> tuple[str, ...]:
    """Return the options that a command takes as words without a name."""
    return ("--data", "--out") if command == "corrupt" else ()


def words(command: str, kind: Kind, value: str) -> tuple[str, ...]:
    """Return the sound call of a command with one value of an option instead of its own."""
    if not kind.option:
        first = tuple(value.split(" "))
        return (command, *first, *(("--out", "out") if command == "train" else ()), *kind.also.split())
    sound = SOUND[command].split()
    given = [kind.option, *kind.also.split()]
    kept: list[str] = []
    while sound:
        word = sound.pop(0)
        if word.startswith("--") and word in given:
            sound.pop(0)
        else:
            kept.append(word)
    if "--out" in options(command) and kind.option != "--out" and not positional(command):
        kept += ["--out", "out"]
    return (command, *kept, *kind.also.split(), kind.option, value)


WHOLE_CALLS: dict[str, tuple[str, ...]] = {
    "no command": ("nosuch", "margn", "--nosuch", "-x", "margin margin", "models x y"),
    "folders of no run": (
        "merge",
        "merge --out out",
        "merge nosuch --out out",
        "merge files --out out",
        "merge ~nouser/x /proc --out out",
        "merge a.png a.csv --out out",
    ),
    "options that do not go together": (
        "transfer --model net:small --data files/eight.npz --out out",
        "transfer --weights files/sound.pt --out out",
        "margin --model net:small --model net:other --weights files/sound.pt --data files/eight.npz --out out",
        "margin --budget 3 --attack deepfool --out out",
        "sparsefool --budget 3 --out out",
        "curve --attack gaussian --steps 3 --out out",
        "curve --source fmnist-lenet --out out",
        "curve --minimum 0.5 --out out",
        "spectrum --of images --epsilon 3 --out out",
        "spectrum --of kernels --transform flip --model fmnist-lenet --out out",
        "augment --copies 2 --show spectral --out out",
        "augment --draws 3 --show spectral --out out",
        "corrupt",
        "corrupt fashion-mnist-1k",
        "corrupt fashion-mnist-1k out more",
        "train",
        "train smoke more",
        "spectrum --figure out/radial.png --out out --of images --data files/eight.npz",
        "curve --figure out/plane.png --out out",
        "margin --figure out/examples-1.png --out out",
        "kernels --figure out/inhibition.png --out out",
        "margin --seed --out out",
        "margin --out",
        "margin --samples",
    ),
}
"""Whole command lines."""
