"""Names of models: schemes, files and modules of the user with arguments, modules of Python, and what is refused."""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from geomrob.cli import main
from geomrob.errors import Note, UsageError
from geomrob.models import load_model
from geomrob.models.schemes import factory, opened
from geomrob.models.schemes.arguments import typed_arguments
from geomrob.models.schemes.opened import Request
from geomrob.models.schemes.table import SCHEMES

NETS = """
import dataclasses, sys, typing
from collections.abc import Sequence
from pathlib import Path
import torch
from torch import nn
seen = {}
class Net(nn.Sequential):
    def __init__(self, classes=3):
        super().__init__(nn.Flatten(), nn.Linear(16, classes))
    @classmethod
    def wide(cls): return cls(7)
READY = Net(5)
NUMBER = 3
def tiny(): return Net()
def typed(depth: int, rate: float = 0.5, deep: bool = False, name: str = "a", sides: tuple[int, ...] = (1,),
          limit: int | None = 2, kind: typing.Literal["a", "b"] = "a", where: Path = Path("."),
          both: tuple[int, str] = (1, "x"), many: Sequence[float] = ()):
    seen.update({key: value for key, value in locals().items()}); return Net()
def untyped(depth=3, rate=0.5, deep=False, name="a", sides=(1, 2), free=None):
    seen.update(locals()); return Net()
def anything(**options):
    seen.update(options); return Net()
def positional(depth, /): return Net()
def before(depth: int, width=2, kind="a", /, *rest, classes=3, **more): seen.update(locals()); return Net()
def needs(depth, width=1): return Net()
def broken(): raise RuntimeError("no such luck")
def aborts(): raise SystemExit(0)
def leaves(): sys.exit("bye")
def generator(): raise GeneratorExit("odd")
def prints(): print("loading"); return Net()
def nothing(): pass
def text(): return "model"
def a_class(): return Net
def state(): return Net().state_dict()
def pair(): return Net(), "preprocess"
def function(): return lambda images: images
def colored(): raise ValueError("\\x1b[1mbold\\x1b[0m and\\nmore")
def meddles():
    torch.set_default_dtype(torch.float64); torch.manual_seed(3); torch.set_grad_enabled(False)
    return Net().float()
"""


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    """A file with factories in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "nets.py").write_text(NETS)
    yield tmp_path
    for name in [name for name in sys.modules if name == "nets" or name.startswith("geomrob_user_")]:
        del sys.modules[name]


def seen(name):
    load_model(name)
    loaded = "nets" if name.startswith("nets:") else next(key for key in sys.modules if key.startswith("geomrob_user"))
    return sys.modules[loaded].seen


IMAGES = torch.rand(2, 1, 4, 4)


@pytest.mark.parametrize(
    "name", ["nets:tiny", "nets.py:tiny", "./nets.py:tiny", "nets:Net", "nets:READY", "nets:Net.wide"]
)
def test_functions_classes_and_modules_of_own_code_are_made_ready(name):
    model = load_model(name)
    assert model(IMAGES).shape == (2, {"nets:READY": 5, "nets:Net.wide": 7}.get(name, 3))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.notes == ()


@pytest.mark.parametrize("name", ["a:b.py", "ha ha.py", "é?.py".replace("?", ""), "with.dots.py", "x.PY"])
def test_files_may_have_any_name_and_import_their_neighbours(nets, name):
    folder = nets / "up per"
    folder.mkdir()
    (folder / "neighbour.py").write_text("from torch import nn\ndef net(): return nn.Flatten()\n")
    (folder / name).write_text("from neighbour import net\n")
    assert load_model(f"up per/{name}:net")(IMAGES).shape == (2, 16)
    assert load_model(f"{folder}/{name}:net")(IMAGES).shape == (2, 16)


def test_a_file_hides_no_library_from_those_that_are_imported_later(nets):
    (nets / "sub").mkdir()
    (nets / "sub" / "colorsys.py").write_text("value = 1\n")
    (nets / "sub" / "net.py").write_text("from torch import nn\nnet = nn.Flatten\n")
    load_model("sub/net.py:net")
    sys.modules.pop("colorsys", None)
    import colorsys

    assert hasattr(colorsys, "rgb_to_hsv")


def test_a_file_that_changed_is_read_again(nets):
    (nets / "net.py").write_text("from torch import nn\ndef net(): return nn.Linear(1, 2)\n")
    assert load_model("net.py:net").out_features == 2
    (nets / "net.py").write_text("from torch import nn\ndef net(): return nn.Linear(1, 33)\n")
    assert load_model("net.py:net").out_features == 33


def test_arguments_have_the_types_of_the_annotations():
    values = seen(
        "nets:typed?depth=18&rate=1e-1&deep=yes&name=1&sides=3,4,5&limit=none&kind=b&where=/tmp&both=2,3&many=[1, 2.5]"
    )
    assert values == {
        "depth": 18,
        "rate": 0.1,
        "deep": True,
        "name": "1",
        "sides": (3, 4, 5),
        "limit": None,
        "kind": "b",
        "where": __import__("pathlib").Path("/tmp"),
        "both": (2, "3"),
        "many": (1.0, 2.5),
    }
    assert seen("nets.py:typed?depth=-1&limit=7")["limit"] == 7


def test_parameters_without_a_name_are_passed_by_their_place():
    assert load_model("nets:positional?depth=18")(IMAGES).shape == (2, 3)
    plain = {"depth": 18, "width": 2, "kind": "a", "rest": (), "classes": 3, "more": {}}
    assert seen("nets:before?depth=18") == plain
    # What lies between two that are given has its default.
    assert seen("nets:before?classes=4&kind=b&depth=5&act=gelu") == plain | {
        "depth": 5,
        "kind": "b",
        "classes": 4,
        "more": {"act": "gelu"},
    }


CHOICES = """
import enum
import torch
from torch import nn
class Act(enum.Enum):
    RELU = "relu"
    GELU = "gelu"
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
seen = {}
def net(act: Act = Act.RELU, level=Level.LOW, kind: torch.dtype = torch.float32, layer: type[nn.Module] = nn.ReLU):
    seen.update(locals()); return nn.Linear(2, 2)
"""


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("act=GELU", "act", "Act.GELU"), ("act=gelu", "act", "Act.GELU"), ("act=Act.GELU", "act", "Act.GELU"),
        ("level=HIGH", "level", "2"), ("level=2", "level", "2"),
        ("kind=float16", "kind", "torch.float16"), ("kind=torch.float16", "kind", "torch.float16"),
    ],
)  # fmt: skip
def test_arguments_may_be_members_and_types_of_numbers(tmp_path, text, key, value):
    file = tmp_path / "choices.py"
    file.write_text(CHOICES)
    with pytest.MonkeyPatch.context() as patch:
        values = {}
        patch.setattr(
            factory, "typed_arguments", lambda *given: values.update(typed_arguments(*given)[1]) or ([], values)
        )
        load_model(f"{file}:net?{text}")
    assert str(values[key]) == value
    assert not isinstance(values[key], str)


@pytest.mark.parametrize(
    ("text", "words"),
    [("act=tanh", "one of RELU, GELU"), ("kind=Tensor", "must be dtype"), ("layer=GELU", "no text stands for that")],
)
def test_a_text_is_never_taken_for_another_object(tmp_path, text, words):
    file = tmp_path / "choices.py"
    file.write_text(CHOICES)
    with pytest.raises(UsageError, match=words):
        load_model(f"{file}:net?{text}")


def test_a_network_without_values_is_one_sentence(tmp_path):
    with torch.device("meta"):
        empty = nn.Linear(2, 2)
    with pytest.raises(UsageError, match="weight on the meta device: build it on the CPU"):
        load_model(empty)
    with pytest.raises(UsageError, match="weight of a lazy layer: call it once"):
        load_model(nn.LazyLinear(2))
    with pytest.raises(UsageError, match="give its architecture with --model"):
        load_model(tmp_path / "w.pt")
    with pytest.raises(UsageError, match="the class Linear: call it"):
        load_model(nn.Linear)


def test_what_a_model_raises_is_one_sentence_of_a_command(tmp_path, capsys):
    (tmp_path / "odd.py").write_text(
        "from torch import nn\nclass Odd(nn.Module):\n    def forward(self, x): raise KeyError('no such input')\n"
    )
    assert main(["margin", "--model", f"{tmp_path}/odd.py:Odd", "--samples", "2", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "KeyError: 'no such input'" in error
    assert "Traceback" not in error


def test_arguments_without_annotations_have_the_types_of_the_defaults():
    values = seen("nets:untyped?depth=4&rate=1&deep=true&name=7&sides=(8,)&free=0.5")
    assert values == {"depth": 4, "rate": 1.0, "deep": True, "name": "7", "sides": (8,), "free": 0.5}
    assert isinstance(values["rate"], float)
    expected = {"width": 3, "act": "gelu", "path": "a&b"}
    assert expected.items() <= seen("nets:anything?width=3&act=gelu&path=a%26b").items()


REFUSED = [
    ("nets:typed", "must be called with depth; got none: add ?depth=..."),
    ("nets:typed?depth=deep", "argument depth must be int; got 'deep'"),
    ("nets:typed?depth=3.5", "argument depth must be int"),
    ("nets:typed?depth=3&deep=maybe", "argument deep must be bool"),
    ("nets:typed?depth=3&kind=c", "argument kind must be typing.Literal['a', 'b']; got 'c'"),
    ("nets:typed?depth=3&both=1,2,3", "argument both must be tuple[int, str]"),
    ("nets:typed?dept=3", "did you mean depth or deep?"),
    ("nets:typed?depth=3&depth=4", "got depth twice"),
    ("nets:typed?depth", "write key=value"),
    ("nets:tiny?depth=3", "arguments must be left out for tiny, which takes none"),
    ("nets:READY?depth=3", "arguments must be left out for READY"),
    ("nets:needs", "add ?depth=..."),
    ("nets:positional", "must be called with depth; got none: add ?depth=..."),
    ("nets:positional?dept=3", "did you mean depth"),
    ("nets:before?depth=deep", "argument depth must be int; got 'deep'"),
    ("nets:broken", "RuntimeError: no such luck"),
    ("nets:aborts", "aborts ended with exit(0)"),
    ("nets:leaves", "leaves ended with exit('bye')"),
    ("nets:generator", "ended with GeneratorExit: odd"),
    ("nets:colored", "ValueError: bold and: try"),
    ("nets:nothing", "got None, which it returns: end the function with `return model`"),
    ("nets:text", "got str, which it returns: return the model itself"),
    ("nets:a_class", "got the class Net, which it returns: call it"),
    ("nets:state", "got OrderedDict, which it returns: build the network, load these weights"),
    ("nets:pair", "got tuple, which it returns: return the network alone"),
    ("nets:function", "got function, which it returns: put it into the forward of a torch.nn.Module"),
    ("nets:NUMBER", "got int, which it is"),
    ("nets:tinny", "did you mean tiny"),
    ("nets:tiny.", "no attribute 'tiny.'"),
    ("nets.py", "write nets.py:Net or :tiny"),
    ("nets.py:", "has no attribute ''"),
    ("missing.py:net", "got No such file or directory for missing.py: check the path"),
    ("C:\\models\\net.py:net", "No such file or directory for C:\\models\\net.py"),
    ("C:\\models\\net.py", "write C:\\models\\net.py:FACTORY"),
    ("folder.py:net", "folder.py is a folder"),
    ("folder/", "name a .py file and its function"),
    ("~nobody_here/net.py:net", "must name a readable file"),
    ("net.ipynb:net", "the file in Python"),
    ("weights.pt", "give its architecture with --model and this file with --weights"),
    ("dir/weights.safetensors", "give its architecture with --model"),
    ("net.onnx", "write onnx:net.onnx"),
    ("words.py:net", "got SyntaxError"),
    ("bytes.py:net", "must"),
    ("quits.py:net", "exit(3): keep what runs on import under if __name__"),
    ("pkg/inner.py:net", "name it as package.module:factory"),
    ("empty.py:net", "its module defines no function"),
    ("tim:resnet18", "did you mean timm:?"),
    ("torchvison:resnet18", "did you mean torchvision:?"),
    ("https://example.org/net.pt", "download it yourself"),
    ("no.such.module:net", "No module named 'no'"),
    ("nosuchmodule:net", "No module named 'nosuchmodule'"),
    ("timm:", "must read timm:NAME"),
    ("hf-hub: ", "must read hf-hub:ORG/NAME"),
    ("resnet18", "did you mean mnist-resnet18 or cifar10-resnet18"),
    ("", "model must be one of"),
    (":", "name both sides of the colon"),
]


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=[name or "nothing" for name, _ in REFUSED])
def test_names_that_open_nothing_are_refused_in_one_sentence(nets, name, words):
    (nets / "folder.py").mkdir()
    (nets / "folder").mkdir()
    (nets / "pkg").mkdir()
    (nets / "pkg" / "inner.py").write_text("from . import other\n")
    (nets / "words.py").write_text("this is no python\n")
    (nets / "bytes.py").write_bytes(b"\x00\xff\x89PNG")
    (nets / "quits.py").write_text("exit(3)\n")
    (nets / "empty.py").write_text("")
    with pytest.raises(UsageError) as error:
        load_model(name)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


def test_a_file_without_permission_is_refused(nets, monkeypatch):
    (nets / "secret.py").write_text("")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(UsageError, match=r"got Permission denied for secret\.py: check the path"):
        load_model("secret.py:net")


def test_an_interrupt_of_a_factory_is_an_interrupt(nets):
    (nets / "slow.py").write_text("def net(): raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_model("slow.py:net")


def test_the_nearest_scheme_comes_first():
    with pytest.raises(UsageError) as error:
        load_model("robustbnch:cifar10/Linf/Standard")
    text = str(error.value)
    assert all(f"{scheme}:" in text for scheme in SCHEMES)
    assert text.index("robustbench:") == min(text.index(f"{scheme}:") for scheme in SCHEMES)


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18", "hf-hub:org/name", "onnx:net.onnx"])
def test_a_missing_library_is_one_line_with_the_command_that_brings_it(nets, monkeypatch, name):
    def missing(module):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    (nets / "net.onnx").write_bytes(b"")
    monkeypatch.setattr(opened, "import_module", missing)
    extra = SCHEMES[name.partition(":")[0]].extra
    with pytest.raises(UsageError, match=rf"which is not installed: pip install 'geomrob\[{extra}\]'$"):
        load_model(name)


def test_a_library_that_does_not_import_is_no_missing_one(monkeypatch):
    def broken(module):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(opened, "import_module", broken)
    with pytest.raises(
        UsageError, match=r"cannot be imported \(RuntimeError: operator torchvision::nms does not exist\)"
    ):
        load_model("timm:resnet18")


def test_extras_of_the_table_are_those_of_the_package():
    from pathlib import Path

    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {scheme.extra for scheme in SCHEMES.values() if scheme.extra} <= set(project["optional-dependencies"])


def test_a_factory_leaves_no_trace_in_torch():
    before = torch.get_rng_state()
    first, second = load_model("nets:meddles"), load_model("nets:tiny")
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.equal(before, torch.get_rng_state())
    assert second[1].weight.dtype == torch.float32 == first[1].weight.dtype


def test_random_weights_of_a_factory_are_the_same_at_each_load():
    assert torch.equal(load_model("nets:tiny")[1].weight, load_model("nets.py:tiny")[1].weight)


def test_a_factory_that_prints_does_not_disturb_the_json(nets, capsys):
    (nets / "clothes.py").write_text(
        "from torch import nn\nprint('hello')\ndef net():\n    print('loading')\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    status = main(
        ["margin", "--model", "clothes:net", "--samples", "2", "--bands", "diagonal", "--size", "14", "--json"]
    )
    told = capsys.readouterr()
    assert status in (0, 3)
    json.loads(told.out)
    assert "hello" in told.err
    assert "loading" in told.err


def test_a_factory_that_exits_is_one_sentence_and_status_2(capsys):
    assert main(["margin", "--model", "nets:aborts"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_module_is_copied_and_keeps_its_mode_and_gradients():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).train()
    with pytest.warns(Note, match="as given"):
        model = load_model(net, mean=[0.5], std=[0.25])
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    torch.testing.assert_close(model(IMAGES), net((IMAGES - 0.5) / 0.25))
    assert load_model(nn.DataParallel(net))(IMAGES).shape == (2, 3)
    assert load_model(torch.jit.script(net))(IMAGES).shape == (2, 3)


@pytest.mark.parametrize("value", [lambda images: images, nn.Linear])
def test_what_is_neither_name_nor_module_is_refused(value):
    with pytest.raises(UsageError, match=r"model must be a name or a torch\.nn\.Module; got"):
        load_model(value)


def test_a_module_that_cannot_be_copied_is_refused():
    net = nn.Flatten()
    net.lock = __import__("threading").Lock()
    with pytest.raises(UsageError, match="can be copied"):
        load_model(net)


def test_a_given_normalisation_is_the_first_layer_and_is_reported():
    with pytest.warns(
        Note, match=r"nets:tiny: images are normalised with mean 0.5 and std 0.25; normalisation as given"
    ):
        model = load_model("nets:tiny", mean=[0.5], std=[0.25])
    plain = load_model("nets:tiny")
    torch.testing.assert_close(model(IMAGES), plain((IMAGES - 0.5) / 0.25))
    assert len(model.notes) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": [0.5]}, "got mean alone: add std"),
        ({"std": [0.5]}, "got std alone: add mean"),
        ({"mean": [0.5], "std": [0.0]}, "std above 0"),
        ({"mean": [0.5, 0.5], "std": [0.5]}, "must be as many"),
        ({"image_size": 0}, "image_size must be one side or height and width"),
        ({"image_size": (1, 2, 3)}, "image_size must be one side"),
    ],
)
def test_a_preprocessing_that_means_nothing_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        load_model("nets:tiny", **options)


def test_a_model_that_normalises_itself_takes_no_second_normalisation():
    with pytest.raises(UsageError, match="mean and std must be left out for fmnist-lenet"):
        load_model("fmnist-lenet", mean=[0.5], std=[0.5])


def test_a_network_with_the_configuration_of_timm_is_prepared_by_it():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    net.pretrained_cfg = {
        "mean": (0.5,),
        "std": (0.25,),
        "input_size": (1, 4, 4),
        "crop_pct": 0.8,
        "interpolation": "bicubic",
    }
    with pytest.warns(
        Note, match=r"resized \(shorter side 5, bicubic\) and cropped to 4x4, normalised .*; by its own config"
    ):
        model = load_model(net)
    torch.testing.assert_close(model(IMAGES), net((IMAGES - 0.5) / 0.25))
    with pytest.warns(Note, match="cropped to 4x4; by its own"):
        again = load_model(model)
    assert again.preprocessing.size == (4, 4)
    assert torch.equal(again(IMAGES), model(IMAGES))


def test_deferred_names_of_files_are_told_from_schemes():
    assert factory.is_path("dir/timm:a.py:net")
    assert not factory.is_path("hf-hub:org/name")
    assert Request("a", "b") == Request(name="a", rest="b")


@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_python_dash_m_finds_modules_of_the_current_folder(nets):
    code = [sys.executable, "-m", "geomrob", "margin", "--model", "nets:broken"]
    root = str(__import__("pathlib").Path(__file__).parents[2])
    done = subprocess.run(
        code, cwd=nets, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no such luck" in done.stderr
