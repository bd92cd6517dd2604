"""Every `geomrob` command of README and docs is read by the parser, and run on files as the pages describe them."""

import pickle
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from geomrob.cli import COMMANDS, INCOMPLETE, OK, application, main
from geomrob.models import MODELS
from geomrob.results import save
from tests.data.test_idx import by_hand
from tests.synthetic import margin_curve
from tests.test_project import CURRENT, FENCE

BLOCK = re.compile(r"^(?: {4,}|[^`\n]*?&& )(?:\.venv/bin/)?geomrob ([a-z][^\n]*)$", re.MULTILINE)
SPAN = re.compile(r"`geomrob ([a-z]+ [^`]+)`")
NOT_RUN = {
    r"^train (?!smoke)": "a training takes minutes or hours; smoke is the short one",
    r"^reproduce (?!list)": "experiments take minutes; list shows the rows",
    r"timm:": "the weights are fetched over the network",
}
"""Commands that are parsed only, and why."""
QUICK = {
    "margin": {"samples": "2", "budget": "20"},
    "audit": {"samples": "2", "budget": "20"},
    "boundary": {"samples": "2", "budget": "50"},
    "curve": {"samples": "4", "repeats": "1"},
    "robust": {"samples": "4"},
    "compare": {"samples": "2"},
    "corrupt": {"samples": "2"},
    "corruptions": {"samples": "4"},
    "geometry": {"samples": "2"},
    "layers": {"samples": "4"},
    "report": {"samples": "2", "budget": "quick", "only": "layers"},
    "sparsefool": {"samples": "2"},
    "spectrum": {"samples": "2"},
    "transfer": {"samples": "2"},
    "augment": {"samples": "2"},
}
"""What makes a run of a command short."""
WITHOUT = {"budget": "--attack", "samples": "--of kernels", "only": "--from"}
"""Options that are not added to a command that says this."""

MODULE = """
from torch import nn

def net(channels=3):
    return nn.Sequential(nn.Conv2d(channels, 4, 7, 4), nn.Softplus(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(16, 10))

def grey():
    return net(1)

small, smooth, hah, standard = net, grey, grey, grey
"""


def documented() -> dict[str, str]:
    """Return the commands of README and docs, without comments and pipes, each with its first page."""
    commands: dict[str, str] = {}
    for page in CURRENT:
        text = re.sub(r"^```diff\n.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        blocks = "\n".join(f"    {line}" for _, code in FENCE.findall(text) for line in code.splitlines())
        for found in BLOCK.findall(text) + BLOCK.findall(blocks) + SPAN.findall(text):
            commands.setdefault(re.split(r"\s+(?:#|\||&&)\s", found)[0].strip(), page.name)
    return commands


DOCUMENTED = documented()
RUNNABLE = [line for line in DOCUMENTED if not any(re.search(pattern, line) for pattern in NOT_RUN)]
CHEAP = ("margin", "sparsefool", "spectrum", "boundary", "transfer", "models", "layers", "corrupt")
"""Commands of which one line is run each time."""
FIRST = [next(line for line in RUNNABLE if line.split()[0] == command) for command in CHEAP]


@pytest.mark.parametrize("line", DOCUMENTED, ids=lambda line: f"{DOCUMENTED[line]}: {line}")
def test_the_parser_reads_a_documented_command(line):
    application().parse_args(shlex.split(line), exit_on_error=False, print_error=False)


def test_a_wrong_option_of_a_documented_command_is_found():
    with pytest.raises(Exception, match="--sample"):
        test_the_parser_reads_a_documented_command("margin --sample 5")
    assert len(DOCUMENTED) > 60
    assert {line.split()[0] for line in RUNNABLE} == set(COMMANDS)


def shortened(line: str) -> list[str]:
    """Return the arguments of a command with fewer images and smaller budgets."""
    words = shlex.split(line)
    for name, value in QUICK.get(words[0], {}).items():
        if f"--{name}" in words:
            words[words.index(f"--{name}") + 1] = value
        elif WITHOUT.get(name, "--no") not in line:
            words += [f"--{name}", value]
    return words


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder with the files, data sets and modules that the pages name."""
    root = tmp_path_factory.mktemp("documented")
    random = np.random.default_rng(0)
    for folder, shape in (("path/to/images", (32, 32, 3)), ("path/to/folder", (28, 28))):
        for number in range(8):
            path = root / folder / f"class{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    (root / "names.txt").write_text("class0\nclass1\n")
    for name in ("path/to/file.npz", "digits.npz", "clean.npz", "fog.npz"):
        np.savez(root / name, x=random.integers(0, 256, (8, 28, 28), dtype=np.uint8), y=np.arange(8))

    batches = root / "DATA" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    colour = random.integers(0, 256, (10, 3072), dtype=np.uint8)
    for name in ("test_batch", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(pickle.dumps({b"data": colour, b"labels": list(range(10))}, protocol=2))
    corrupted = root / "CIFAR-10-C"
    corrupted.mkdir()
    np.save(corrupted / "fog.npy", np.tile(colour.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), (5, 1, 1, 1)))
    np.save(corrupted / "labels.npy", np.tile(np.arange(10), 5))
    digits = root / "DATA" / "MNIST" / "raw"
    digits.mkdir(parents=True)
    (digits / "t10k-images-idx3-ubyte").write_bytes(by_hand(random.integers(0, 256, (8, 28, 28), dtype=np.uint8)))
    (digits / "t10k-labels-idx1-ubyte").write_bytes(by_hand(np.arange(8, dtype=np.uint8)))

    for module in ("my_models.py", "other_models.py", "my_package/nets.py", "package/nets.py"):
        (root / module).parent.mkdir(exist_ok=True)
        (root / module).write_text(MODULE.replace("channels=3", f"channels={1 if module[0] == 'p' else 3}"))
    for name in ("a", "b"):
        (root / "runs" / name).mkdir(parents=True)
        save(margin_curve(images=12, bands=3, model=name), root / "runs" / name / "margin.json")
    save_file(small(3).state_dict(), root / "small.safetensors")
    save_file(small(3).state_dict(), root / "net.safetensors")
    for seed in range(3):
        torch.save(small(1).state_dict(), root / f"{seed}.pt")
    for name, folders in (("t1-mlp", ("trained/t1-mlp",)), ("cifar10-resnet18", ("trained/resnet18", "s0", "s1"))):
        row = MODELS[name]
        model = row.builder(shape=row.shape, classes=row.classes, mean=row.mean, std=row.std)
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
            save_file(model.state_dict(), root / folder / "model.safetensors")
    return root


def small(channels: int) -> nn.Module:
    """Return the network that the modules of the pages build."""
    names: dict[str, Callable[..., nn.Module]] = {}
    exec(MODULE, names)
    return names["net"](channels)


@pytest.fixture
def run(files, tmp_path, monkeypatch, capsys):
    """Return a function that runs a documented command in a new folder where these files lie."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GEOMROB_DATA", str(files / "DATA"))
    before = set(sys.modules)

    def call(line: str) -> tuple[int, str]:
        return main(shortened(line)), capsys.readouterr().err

    yield call
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("my_models", "other_models", "my_package", "package"):
            del sys.modules[name]


@pytest.mark.parametrize("line", FIRST)
def test_the_first_documented_command_of_a_cheap_kind_runs(line, run):
    status, said = run(line)
    assert status in (OK, INCOMPLETE), said


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in RUNNABLE if line not in FIRST])
def test_every_documented_command_runs(line, run):
    status, said = run(line)
    assert status in (OK, INCOMPLETE), said
