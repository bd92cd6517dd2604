"""Weights from files: those of the table `MODELS` and those of users."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError, note
from geomrob.files import user_path
from geomrob.models.layers.normalize import Normalize
from geomrob.models.weight_files import State, nameless, read_weights, some

KEYS = (
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network", "params", "weights", "module"),
    *("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema", "student", "teacher"),
)
"""Keys under which a checkpoint keeps a state dict; of several that fit, the first of these is taken."""

PREFIXES = ("module", "model", "net", "_orig_mod", "backbone", "encoder", "network", "student", "ema_model")
"""Parts of a prefix that wrappers put before the names of a network."""

NO_WEIGHTS = re.compile(
    r"(.*\.)?(n_averaged|num_updates|initted|total_ops|total_params|attn_mask|position_ids|relative_position_index)"
)
"""Counters of averages and of profilers, and tables that newer code computes itself: a model may do without."""

NORMALIZATION = re.compile(r"(.*\.)?(new_|pixel_|image_)?(mean|std|mu|sigma)")

DEPTH = 3


@dataclass(frozen=True)
class _Fit:
    """One state dict of a file, laid over the names of a model.

    Attributes:
        path: Keys that lead to it.
        prefix: What is taken off its names.
        root: What is put before them.
        tensors: By the names of the model.
        missing, unknown, unlike: Names that the model lacks, that the file has too many, whose tensors differ in kind.
        dropped: Names that the model can do without.
    """

    path: tuple[str, ...]
    prefix: str
    root: str
    tensors: State
    missing: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    unlike: list[str] = field(default_factory=list[str])
    dropped: list[str] = field(default_factory=list[str])

    @property
    def problems(self) -> int:
        """How many names keep it from fitting."""
        return len(self.missing) + len(self.unknown) + len(self.unlike) + (not self.tensors)


def load_weights(
    model: nn.Module,
    path: str | Path,
    *,
    sha256: str | None = None,
    rename: Callable[[State], State] | None = None,
) -> tuple[str, ...]:
    """Copy the weights of a file into `model`; names and shapes must agree.

    A state dict may lie below keys (`KEYS`, or any others, three deep), and its names may have a prefix that the model
    does not have, or lack one that it has: that is taken off or added where the names then fit. The mean and standard
    deviation of a `Normalize` layer may be absent: the model then keeps its own; so may `num_batches_tracked`, as in
    torch, and one of two tensors that share their memory. Numbers of another precision are cast. All this is reported
    as a `geomrob.errors.Note`.

    Args:
        model: Changed in place.
        path: A file of safetensors or of PyTorch, recognised by its content, whatever its ending; the index (JSON) of
            sharded weights; or a folder that holds one of these under a name that Hugging Face uses. Files of PyTorch
            are read with `weights_only=True`, so that no code in them runs.
        sha256: What the digest of the file must be; None checks nothing.
        rename: Gives the tensors of a file of another project the names that they have here.

    Returns:
        The notes: what was taken of several, taken off, added, cast, left out.

    Raises:
        UsageError: The file is missing, damaged, of another kind, or fits another model. The model is then unchanged.
    """
    path = user_path(path, "weights")
    content = read_weights(path, sha256=sha256)
    wanted = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    if not wanted:
        raise UsageError(f"weights must go with a model that has some; {type(model).__name__} has none: leave them out")
    optional = _optional(model, wanted)
    states = [(where, rename(state) if rename else state) for where, state in _states(content)]
    every = [fit for where, state in states for fit in _fits(state, where, wanted, optional)]
    if not every:
        raise nameless(content, path)
    fitting = [fit for fit in every if not fit.problems]
    best = fitting[0] if fitting else min(every, key=lambda fit: fit.problems)
    if not fitting:
        raise _misfit(model, best, content, path)
    cast_to = {name: tensor.to(wanted[name].dtype) for name, tensor in best.tensors.items()}
    broken = [name for name, tensor in cast_to.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise UsageError(
            f"weights must be finite; got NaN or infinity in {some(broken)} in {path}: pass the file of another epoch"
        )
    notes = tuple(_notes(best, fitting, content, wanted, optional, path.name))
    model.load_state_dict(cast_to, strict=False)
    for text in notes:
        note(text)
    return notes


def _states(content: Mapping[Any, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], State]]:
    """Yield every mapping with tensors by name, and the keys that lead to it: those of `KEYS` first, in that order."""
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
    rank = {key: position for position, key in enumerate(KEYS)}
    inner = [key for key, value in content.items() if isinstance(key, str) and isinstance(value, Mapping)]
    for key in sorted(inner, key=lambda key: rank.get(key, len(KEYS))):
        if len(path) < DEPTH:
            yield from _states(content[key], (*path, key))


def _optional(model: nn.Module, wanted: State) -> set[str]:
    """Return the names that a file may lack."""
    optional = {name for name in wanted if name.rpartition(".")[2] == "num_batches_tracked"}
    for prefix, module in model.named_modules():
        if isinstance(module, Normalize):
            optional |= {f"{prefix}.{name}" if prefix else name for name in ("mean", "std")}
    return optional


def _fits(state: State, path: tuple[str, ...], wanted: State, optional: set[str]) -> Iterator[_Fit]:
    """Yield the state laid over the names of the model, as it is and with each prefix added or taken off."""
    required = [name for name in wanted if name not in optional] or list(wanted)
    for root in _roots(required):
        relative = [name[len(root) :] for name in required]
        probes = {relative[0], relative[len(relative) // 2], relative[-1]}
        prefixes = {
            key[: -len(probe)] for probe in probes for key in state if key == probe or key.endswith("." + probe)
        }
        for prefix in sorted(prefixes | {""}, key=lambda prefix: (not _usual(prefix), prefix.count("."), prefix)):
            yield _fit(state, path, prefix, root, wanted, optional)


def _roots(names: Sequence[str]) -> list[str]:
    """Return what all names have in common, part by part: nothing, then the names of wrappers.

    Example:
        >>> _roots(["1.model.fc.weight", "1.model.conv.bias"])
        ['', '1.', '1.model.']
    """
    parts = [name.split(".")[:-1] for name in names]
    roots = [""]
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        roots.append(f"{roots[-1]}{level[0]}.")
    return roots


def _usual(prefix: str) -> bool:
    """Return whether wrappers put that prefix before names."""
    return all(part in PREFIXES for part in prefix.split(".")[:-1])


def _fit(state: State, path: tuple[str, ...], prefix: str, root: str, wanted: State, optional: set[str]) -> _Fit:
    """Return a state without the prefix and with the root, laid over the names of a model."""
    fit = _Fit(path, prefix, root, {})
    for key, tensor in state.items():
        name = f"{root}{key[len(prefix) :]}" if key.startswith(prefix) else ""
        name = name if name in wanted else key
        if name in wanted and name not in fit.tensors:
            # A normalisation that was rounded with the weights is the model's own.
            rounded = name in optional and name.endswith(("mean", "std")) and _same_numbers(tensor, wanted[name])
            fit.tensors[name] = wanted[name] if rounded else tensor
            if reason := _unlike(tensor, wanted[name]):
                fit.unlike.append(f"{name} {reason}")
        # What stands beside a network in a larger one (a loss, a teacher) is none of its weights.
        elif (prefix and _usual(prefix) and not key.startswith(prefix)) or _spare(key, tensor):
            fit.dropped.append(key)
        else:
            fit.unknown.append(key)
    shared = {value.data_ptr() for name, value in wanted.items() if name in fit.tensors} - {0}
    for name, value in wanted.items():
        if name not in fit.tensors and name not in optional and value.data_ptr() not in shared:
            fit.missing.append(name)
    if not any(name not in optional for name in fit.tensors) and any(name not in optional for name in wanted):
        fit.tensors.clear()
    return fit


def _spare(name: str, tensor: Tensor) -> bool:
    """Return whether a tensor that the model does not know is none of its weights."""
    return bool(NO_WEIGHTS.fullmatch(name)) or (bool(NORMALIZATION.fullmatch(name)) and tensor.numel() <= 4)


def _unlike(given: Tensor, wanted: Tensor) -> str:
    """Return in which way a tensor cannot stand for that of the model; empty if it can."""
    if given.layout != torch.strided or given.is_nested or given.is_meta or given.is_quantized:
        kind = "without values" if given.is_meta else "quantised" if given.is_quantized else "sparse or nested"
        return f"({kind})"
    if wanted.is_floating_point() != given.is_floating_point() or wanted.is_complex() != given.is_complex():
        return f"of type {_name(given.dtype)} instead of {_name(wanted.dtype)}"
    if not nn.parameter.is_lazy(wanted) and given.shape != wanted.shape:
        return f"{tuple(given.shape)} instead of {tuple(wanted.shape)}"
    return ""


def _misfit(model: nn.Module, fit: _Fit, content: Mapping[Any, Any], path: Path) -> UsageError:
    """Return the error that says in which names the nearest state of a file and a model differ."""
    parts = [f"no {some(fit.missing)}"] if fit.missing else []
    parts += [f"unknown {some(sorted(fit.unknown))}"] if fit.unknown else []
    parts += [some(fit.unlike)] if fit.unlike else []
    advice = "pass the file of this model"
    if fit.tensors and not fit.missing and not fit.unknown:
        advice = "build the model with these shapes (its number of classes, say), or pass the file of this model"
        if not any(" instead of (" in text for text in fit.unlike):
            advice = "save model.state_dict() of plain float tensors"
    keys = f" (keys {some([str(key) for key in content], 8)})" if fit.path else ""
    below = f" under {'.'.join(fit.path)}" if fit.path else ""
    return UsageError(
        f"weights must fit the model {type(model).__name__}; got {', '.join(parts)}{below} in {path}{keys}: {advice}"
    )


def _notes(
    fit: _Fit, fitting: Sequence[_Fit], content: Mapping[Any, Any], wanted: State, optional: set[str], file: str
) -> Iterator[str]:
    """Yield what was taken of several, taken off, added, cast and left out, a sentence each."""
    sources = {tuple(map(id, other.tensors.values())): other for other in reversed(fitting)}
    others = [_source(other) for other in reversed(sources.values()) if other is not fit]
    if others:
        yield f"{file} holds several sets of weights: {_source(fit)} was taken, not {some(others)}"
    if fit.prefix:
        yield f"the prefix {fit.prefix} was taken off the names of the weights in {file}"
    if fit.root:
        yield f"the prefix {fit.root} was added to the names of the weights in {file}"
    types = {
        f"{_name(tensor.dtype)} to {_name(wanted[name].dtype)}"
        for name, tensor in fit.tensors.items()
        if tensor.dtype != wanted[name].dtype and tensor.is_floating_point()
    }
    if types:
        yield f"the weights in {file} were cast from {', '.join(sorted(types))}"
    for name in sorted(optional & set(fit.tensors)):
        new, old = (value.double().flatten() for value in (fit.tensors[name], wanted[name].cpu()))
        if name.endswith(("mean", "std")) and not _same_numbers(fit.tensors[name], wanted[name]):
            yield f"the normalisation in {file} replaces the model's: {name} is {_list(new)} instead of {_list(old)}"
    yield from _left_out(fit, content, wanted, optional, file)


def _same_numbers(given: Tensor, own: Tensor) -> bool:
    """Return whether a tensor holds the numbers of another, rounded to its own type."""
    if given.shape != own.shape or not given.is_floating_point() or _unlike(given, own):
        return False
    other = own.detach().cpu()
    return torch.equal(given.cpu(), other.to(given.dtype)) or torch.allclose(
        given.cpu().double(), other.double(), atol=1e-6
    )


def _source(fit: _Fit) -> str:
    """Return where in a file a state dict is."""
    return ".".join((*fit.path, fit.prefix)).strip(".") or "no key"


def _left_out(fit: _Fit, content: Mapping[Any, Any], wanted: State, optional: set[str], file: str) -> Iterator[str]:
    """Yield what of a file was not used: a normalisation with its numbers, other tensors by name."""
    state: Mapping[str, Any] = content
    for key in fit.path:
        state = state[key]
    own = [name for name in sorted(optional) if name.endswith(("mean", "std"))]
    means = [name for name in fit.dropped if NORMALIZATION.fullmatch(name) and state[name].numel() <= 4]
    known = [wanted[name].cpu().double().flatten() for name in own]
    for name in means:
        value = state[name].double().flatten()
        if not any(value.shape == other.shape and torch.allclose(value, other, atol=1e-6) for other in known):
            keeps = ", ".join(f"{mine} {_list(other)}" for mine, other in zip(own, known, strict=True)) or "none"
            yield f"{name} {_list(value)} in {file} was left out: the model's own normalisation is {keeps}"
    rest = [name for name in fit.dropped if name not in means]
    if not fit.path:
        rest += [str(key) for key, value in state.items() if not isinstance(value, (Tensor, Mapping))]
    if rest:
        yield f"{some(rest)} in {file} {'was' if len(rest) == 1 else 'were'} left out: no weights of the model"


def _list(values: Tensor) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values.tolist())})"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
