"""The package as a whole: light to import, complete, and described once."""

import importlib
import pkgutil
import subprocess
import sys
import time

import pytest

import geomrob

HEAVY = {"torch", "numpy", "scipy", "matplotlib", "foolbox"}


def loaded_by(statement: str) -> set[str]:
    """Return which heavy packages a fresh interpreter has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_import_is_light():
    assert loaded_by("import geomrob; geomrob.__version__; dir(geomrob)") == set()


def test_every_command_module_is_light():
    import geomrob.cli

    names = [module.name for module in pkgutil.walk_packages(geomrob.cli.__path__, "geomrob.cli.")]
    assert "geomrob.cli.commands.measure.margin" in names
    assert loaded_by(f"import {', '.join(names)}") == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["margin", "--help"]])
def test_help_is_light(words):
    assert loaded_by(f"from geomrob.cli import main\nassert main({words!r}) == 0") == set()


@pytest.mark.benchmark
def test_help_is_instant():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "geomrob", "--help"], capture_output=True, check=True)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("name", [name for name in geomrob.__all__ if name != "__version__"])
def test_public_name_is_importable_and_documented(name):
    value = getattr(geomrob, name)
    assert value.__doc__
    assert name in dir(geomrob)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="margins_curve"):
        _ = geomrob.margins_curve


def test_every_module_imports_and_says_what_it_is():
    for module in pkgutil.walk_packages(geomrob.__path__, "geomrob."):
        assert importlib.import_module(module.name).__doc__, module.name


def test_no_function_hides_a_module():
    """So `import geomrob.training.loop as m` gives a module and `from geomrob.training import fit` a function."""
    for module in pkgutil.walk_packages(geomrob.__path__, "geomrob."):
        found = importlib.import_module(module.name)
        parent, _, leaf = module.name.rpartition(".")
        assert getattr(importlib.import_module(parent), leaf) is found, module.name
