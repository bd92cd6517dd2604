"""Weights from files: those of the table `MODELS` and those of users."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize

SHOWN = 3


def load_weights(model: nn.Module, path: str | Path, *, sha256: str | None = None) -> None:
    """Copy the weights of a file into `model`; names and shapes must agree.

    The mean and standard deviation of a `Normalize` layer may be absent from the file: the model then keeps its own.

    Args:
        model: Changed in place.
        path: A `.safetensors` file; or `.pt` or `.pth`, read with `weights_only=True`, so that no code in it runs,
            holding a state dict or one under the key `state_dict` or `model`.
        sha256: What the digest of the file must be; None checks nothing.

    Raises:
        UsageError: The file is missing, damaged, of another kind, or fits another model.
    """
    path = Path(path)
    state = read_weights(path, sha256=sha256)
    wanted = model.state_dict()
    optional = {
        f"{name}.{buffer}" if name else buffer
        for name, module in model.named_modules()
        if isinstance(module, Normalize)
        for buffer in ("mean", "std")
    }
    problems = [f"no {key}" for key in wanted if key not in state and key not in optional]
    problems += [f"unknown {key}" for key in sorted(state) if key not in wanted]
    for key in wanted:
        if key not in state:
            continue
        if state[key].shape != wanted[key].shape:
            problems.append(f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}")
        elif not bool(torch.isfinite(state[key]).all()):
            problems.append(f"NaN or infinity in {key}")
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        shown = ", ".join(problems[:SHOWN]) + more
        raise UsageError(
            f"weights must fit the model {type(model).__name__}; got {shown} in {path}: pass the file of this model"
        )
    model.load_state_dict(state, strict=False)


def read_weights(path: Path, *, sha256: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a weights file by name, on the CPU; see `load_weights`."""
    if path.suffix not in (".safetensors", ".pt", ".pth"):
        raise UsageError(f"weights must be a .safetensors, .pt or .pth file; got {str(path)!r}: convert it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"weights must be a readable file; got {error.strerror} for {path}: check the path") from None
    if sha256 is not None and (digest := hashlib.sha256(data).hexdigest()) != sha256:
        raise UsageError(
            f"weights {path} must have SHA-256 {sha256[:12]}...; got {digest[:12]}...: install geomrob again"
        )
    try:
        state: Any = load_bytes(data) if path.suffix == ".safetensors" else _torch_state(path)
    # torch.load fails with any of these on a file that is cut off, not a pickle, or calls code.
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise UsageError(
            f"weights must be a sound {path.suffix} file; got {reason!r} from {path}: fetch it again"
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UsageError(f"weights must be tensors by name; got another content in {path}: save model.state_dict()")
    return dict(state)


def _torch_state(path: Path) -> Any:
    """Return the state dict of a `.pt` file, looked for below the usual keys."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            return content[key]
    return content
