"""Your own code: `package.module:factory` and `path/to/file.py:factory`, both with ?key=value arguments."""

import ast
import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from geomrob.errors import UsageError, unknown
from geomrob.models.schemes.arguments import parse_arguments, typed_arguments
from geomrob.models.schemes.opened import Opened, Request, isolated, reason
from geomrob.randomness import seeded

FILE = re.compile(r"(?P<home>.+?\.py):(?P<factory>[^:?]*)(\?(?P<arguments>.*))?", re.DOTALL | re.IGNORECASE)
MODULE = re.compile(r"(?P<home>[^:?]*):(?P<factory>[^:?]*)(\?(?P<arguments>.*))?", re.DOTALL)


def is_path(name: str) -> bool:
    """Return whether a name is meant as a file: it has a folder, or the ending of a file of code or weights.

    Example:
        >>> [is_path(name) for name in ("nets/a.py:f", "C:/nets/a.py:f", "a.py:f", "timm:resnet18", "mine:f?p=/a")]
        [True, True, True, False, False]
    """
    home = name.partition("?")[0]
    ending = Path(home.rpartition(":")[0] or home).suffix.lower() or Path(home).suffix.lower()
    known = (".py", ".ipynb", ".onnx", ".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".h5", ".tflite")
    if "://" in home:
        return False
    folder = re.match(r"[^:]*[/\\]|[A-Za-z]:\\|~", home) is not None
    return folder or ending in known


def open_file(request: Request) -> Opened:
    """Return what a function of a Python file builds. This runs the file; its folder is searched for imports.

    Raises:
        UsageError: No such file, no Python, no such function, or a function that fails or builds no module.
    """
    match = FILE.fullmatch(request.name)
    if match is None:
        raise _no_factory(request.name)
    path = _python_file(match["home"], request.name)
    # Two files of one name are two modules; the same file twice is run twice.
    module_name = f"geomrob_user_{hashlib.sha256(str(path).encode(errors='surrogateescape')).hexdigest()[:12]}"

    def imported() -> ModuleType:
        loader = importlib.machinery.SourceFileLoader(module_name, str(path))
        spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
        return module

    return _opened(request, match, imported, path.parent)


def open_module(request: Request) -> Opened:
    """Return what a function of an importable module builds. This runs that code; the current folder is searched first.

    Raises:
        UsageError: No such module or function, or a function that fails or builds no module.
    """
    match = MODULE.fullmatch(request.name)
    if match is None or not match["home"] or not match["factory"]:
        raise UsageError(f"model must read package.module:factory; got {request.name!r}: name both sides of the colon")
    home = match["home"]
    return _opened(request, match, lambda: importlib.import_module(home), Path.cwd())


def _opened(request: Request, match: re.Match[str], imported: Any, folder: Path) -> Opened:
    """Return the module that the factory builds, called with the arguments of the name."""
    factory_name = match["factory"]
    values = parse_arguments(match["arguments"] or "")
    with _searched(folder), isolated(request.seed):
        # The factory is the user's own code: whatever it raises is the reason, an exit too.
        try:
            module = imported()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UsageError(_cannot_import(request.name, error)) from error
        target = _attribute(module, factory_name, request.name)
        if isinstance(target, nn.Module):
            if values:
                raise UsageError(f"arguments must be left out for {factory_name}, a module; got {', '.join(values)}")
            return Opened(target)
        if not callable(target):
            raise _no_module(request.name, target, "is")
        positional, named = typed_arguments(target, values, factory_name)
        # Again, since a module draws when it is imported, but only the first time.
        try:
            with seeded(request.seed):
                built = target(*positional, **named)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UsageError(
                f"model {request.name!r} must build; {factory_name} ended with {reason(error)}: try it in Python first"
            ) from error
    if not isinstance(built, nn.Module):
        raise _no_module(request.name, built, "returns")
    return Opened(built)


@contextlib.contextmanager
def _searched(folder: Path) -> Generator[None, None, None]:
    """Search a folder first while code is imported and called, and last from then on, where it hides nothing."""
    text = str(folder)
    sys.path.insert(0, text)
    try:
        yield
    finally:
        sys.path.remove(text)
        if text not in sys.path:
            sys.path.append(text)


def _python_file(text: str, name: str) -> Path:
    """Return the path of a Python file that exists."""
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            raise UsageError(f"model {name!r} must name a Python file; {text} is a folder: name a file in it")
        path = path.resolve(strict=True)
        path.open("rb").close()
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"model {name!r} must name a readable file; got {problem} for {text}: check the path"
        ) from None
    return path


def _cannot_import(name: str, error: BaseException) -> str:
    """Return the sentence for code that does not import, with the advice that fits."""
    advice = "try it in Python first"
    if isinstance(error, ImportError) and "relative import" in str(error):
        advice = "name it as package.module:factory from the folder above the package"
    elif isinstance(error, SyntaxError):
        return f"model {name!r} must name Python code; got {reason(error)} (line {error.lineno}): correct that line"
    elif isinstance(error, SystemExit):
        advice = "keep what runs on import under if __name__ == '__main__'"
    return f"model {name!r} must be importable; got {reason(error)}: {advice}"


def _attribute(module: ModuleType, name: str, whole: str) -> Any:
    """Return the attribute of a module by its dotted name."""
    target: Any = module
    for part in name.split("."):
        if not part or not hasattr(target, part):
            own = [
                key
                for key, value in vars(module).items()
                if callable(value) and not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
            ]
            kind = f"model {whole!r} has no attribute {name!r}"
            if not own:
                raise UsageError(f"{kind}, and its module defines no function: name one that returns the network")
            raise UsageError(f"{kind}: {unknown('factory', name, own)}")
        target = getattr(target, part)
    return target


def _no_factory(name: str) -> UsageError:
    """Return the error for a file that is named without a function, or that is no Python file."""
    path = Path(name)
    ending = path.suffix.lower()
    if ending == ".onnx":
        return UsageError(f"model must name how a file is opened; got {name!r}: write onnx:{name}")
    if ending == ".py":
        return UsageError(f"model must name a function of the file; got {name!r}: write {name}:{_functions(path)}")
    if ending in (".pt", ".pth", ".ckpt", ".bin", ".safetensors"):
        return UsageError(
            f"model must name the network of the weights; got {name!r}: give its architecture with --model and this "
            "file with --weights"
        )
    return UsageError(
        f"model must read path/to/file.py:factory, the file in Python; got {name!r}: name a .py file and its function"
    )


def _functions(path: Path) -> str:
    """Return the functions that a file defines, FACTORY if none can be read; the file is not run."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return "FACTORY"
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")]
    return " or :".join(names[:5]) or "FACTORY"


def _no_module(name: str, value: Any, verb: str) -> UsageError:
    """Return the error for a factory that returns something else than a module, with the advice that fits."""
    kind = type(value).__name__
    advice = "return the model itself"
    if value is None:
        kind, advice = "None", "end the function with `return model`"
    elif inspect.isclass(value):
        kind, advice = f"the class {value.__name__}", "call it"
    elif isinstance(value, Mapping):
        advice = "build the network, load these weights into it with load_state_dict and return it"
    elif isinstance(value, (tuple, list)) and any(isinstance(item, nn.Module) for item in value):
        advice = "return the network alone"
    elif callable(value):
        advice = "put it into the forward of a torch.nn.Module"
    return UsageError(f"model {name!r} must be or return a torch.nn.Module; got {kind}, which it {verb}: {advice}")
