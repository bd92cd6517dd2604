"""What a scheme returns, and how code and libraries of others are called: no trace left, one sentence if they fail."""

import contextlib
import re
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.preprocessing import Preprocessing
from geomrob.randomness import seeded

SHOWN = 200
AS_IS = Preprocessing()


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        name: The whole text, for messages.
        rest: What follows the colon of the scheme.
        own_weights: Whether a file of weights follows, so that none are fetched.
        size: Height and width of the images, where the user gave them.
        seed: Of what the code draws.
    """

    name: str
    rest: str
    own_weights: bool = False
    size: tuple[int, int] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """What a scheme opens.

    Attributes:
        network: Without the normalisation of `preprocessing`, on the CPU.
        preprocessing: What it expects of its images.
        notes: On how it was made.
        weights: The file whose weights are its own, which the user's replace; None where it has them already.
        rename: Gives the tensors of such files the names of the network.
    """

    network: nn.Module
    preprocessing: Preprocessing = AS_IS
    notes: tuple[str, ...] = ()
    weights: Path | None = None
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None


def library(name: str, request: Request, extra: str) -> ModuleType:
    """Return an optional library.

    Raises:
        UsageError: It is not installed: the one line that installs it; or it cannot be imported.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise UsageError(
            f"model {request.name} needs {missing}, which is not installed: pip install 'geomrob[{extra}]'"
        ) from None
    except Exception as error:
        raise UsageError(
            f"model {request.name} needs {name}, which cannot be imported ({reason(error)}): install a version of it "
            f"that belongs to torch {torch.__version__}"
        ) from error


@contextlib.contextmanager
def isolated(seed: int = 0) -> Generator[None, None, None]:
    """Run the code of others: prints go to stderr, random draws begin at a seed, the state of torch is restored."""
    dtype, threads, grad = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    try:
        with contextlib.redirect_stdout(sys.stderr), seeded(seed):
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def reason(error: BaseException) -> str:
    """Return an exception of others in one line: its kind and its first line, without escape codes of terminals."""
    if isinstance(error, SystemExit):
        return f"exit({'' if error.code is None else repr(error.code)})"
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", str(error)).strip().split("\n")[0].strip().rstrip(".:")
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
