"""What a command opens before its work: models, images, device, folder, progress; refused in one sentence."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from geomrob.cli import console
from geomrob.cli.invocation import HIDDEN, current, current_run, silent
from geomrob.cli.loading import load_networks, load_samples
from geomrob.cli.options import Common, Data, Inputs, Output, Settings
from geomrob.cli.trainings import by_training, edit, training_names
from geomrob.errors import OtherRunError, ShardDone, UsageError
from geomrob.seeds import check_seed

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.inference import Prepared
    from geomrob.runs import Run

PICTURES = (".png", ".pdf", ".svg")

THREADS = 1024
"""More start no faster; of many more the system kills the process."""

LEAST_MEMORY, MOST_MEMORY = 1e-6, 2**20
"""GiB: about a kilobyte, a pebibyte."""

Gradients = Literal["own", "surrogate", "smoothed"]
"""Which gradients searches follow; the logits are the model's in any case."""

Progress = Callable[[int, int], object]

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Session:
    """What one run of a command works with.

    Attributes:
        command: Its name.
        out: Folder to write to, checked.
        figure: Where its picture goes, checked.
        device: Where models and images are.
        networks: All networks of each model: one for each file of weights.
        trainings: How the networks of each model are called: as the model, or model@file where there are several.
        samples: The drawn images.
        inputs: What the user gave of the preprocessing.
        memory: Budget of a batch in bytes, None for the default.
        threads: CPU threads, None for the default.
        outputs: What the models return, as `Prepared` takes it.
        transform: Edit of the images.
        edited: Whether the drawn images are edited; otherwise every network edits its images before anything else, so
            that they, their corruptions and what attacks make of them lie in [0, 1].
    """

    command: str
    out: Path
    figure: Path
    device: "torch.device"
    networks: "dict[str, list[nn.Module]]"
    trainings: dict[str, tuple[str, ...]]
    samples: "Samples"
    inputs: Inputs
    memory: int | None = None
    threads: int | None = None
    outputs: str = "auto"
    transform: str | None = None
    edited: bool = False

    @classmethod
    def open(
        cls,
        command: str,
        options: Settings,
        *,
        models: Sequence[str] = (),
        weights: Sequence[Path] = (),
        default_models: "Callable[[Samples], Sequence[str]] | None" = None,
        figure: str = "",
        others: Sequence[str] = (),
        edited: bool = False,
    ) -> "Session":
        """Return the session of a command, everything checked and loaded before the first evaluation.

        Args:
            command: Name of the command.
            options: What the user gave.
            models, weights: Where the command decides; those of the options by default.
            default_models: Which models the images suggest, where none is named.
            figure: Name of the picture; COMMAND.png by default.
            others: Names of the other pictures of the command in its folder, with * for any part.
            edited: Whether the edit of the options is done to the drawn images.

        Raises:
            UsageError: A folder that cannot be written to, no picture's ending, no such device, models or images that
                cannot be loaded or do not fit each other.
        """
        libraries()
        from geomrob.analysis.preparation import check_fit, match_labels

        memory = check_resources(options.threads, options.memory)
        if isinstance(options, Common) and not models:
            models, weights = options.model, options.weights
        try:
            out, picture = places(command, options, figure, others)
        except OtherRunError:
            # A wrong model or wrong images are another run than the one in the folder, too: that is the better advice.
            cpu = console.resolve_device("cpu")
            found = load_networks(models, weights, cpu, inputs=options, outputs=options.outputs)
            load_samples(options, options.transform if edited else None, models=found)
            raise
        device = console.resolve_device(options.device)
        networks = load_networks(models, weights, device, inputs=options, outputs=options.outputs)
        samples = load_samples(options, options.transform if edited else None, models=networks)
        if not models and default_models is not None:
            models = default_models(samples)
            networks = load_networks(models, weights, device, inputs=options, outputs=options.outputs)
        if options.transform is not None and not edited:
            samples = replace(samples, name=f"{samples.name} ({options.transform})")
            edit([network for group in networks.values() for network in group], options.transform)
        returned = check_fit({name: group[0] for name, group in networks.items()}, samples.images, samples.name)
        samples = match_labels(samples, returned)
        return cls(
            command=command,
            out=out,
            figure=picture,
            device=device,
            networks=networks,
            trainings=training_names(networks, weights),
            samples=samples,
            inputs=options,
            memory=memory,
            threads=options.threads,
            outputs=options.outputs,
            transform=options.transform,
            edited=edited,
        )

    @property
    def models(self) -> "dict[str, nn.Module]":
        """All networks, each training of a model by the name that `trainings` has for it."""
        return by_training(self.networks, self.trainings)

    def load(self, names: Sequence[str]) -> "dict[str, nn.Module]":
        """Return further models by name, checked as the others; one that is open already is that one.

        Raises:
            UsageError: One cannot be loaded or does not take the images.
        """
        from geomrob.analysis.preparation import check_fit, match_labels
        from geomrob.models.preprocessing import check_size

        missing = [name for name in names if name not in self.models]
        new = load_networks(missing, (), self.device, inputs=self.inputs, outputs=self.outputs)
        if self.transform is not None and not self.edited:
            edit([network for group in new.values() for network in group], self.transform)
        known = {**self.models, **{name: group[0] for name, group in new.items()}}
        check_size(known, self.samples.images)
        loaded = {name: known[name] for name in names}
        match_labels(self.samples, check_fit(loaded, self.samples.images, self.samples.name))
        return loaded

    def with_gradients(self, kind: Gradients) -> "Session":
        """Return the same with models of the same logits whose gradients are surrogates or smoothed, and named so.

        Raises:
            UsageError: A model has no layer with a surrogate.
        """
        if kind == "own":
            return self
        from geomrob.models import smoothed_gradients, surrogate_gradients

        change = surrogate_gradients if kind == "surrogate" else smoothed_gradients
        told = f"{{}} ({kind} gradients)".format
        return replace(
            self,
            networks={told(name): [change(one) for one in group] for name, group in self.networks.items()},
            trainings={told(name): tuple(map(told, names)) for name, names in self.trainings.items()},
        )

    @property
    def run(self) -> "Run | None":
        """The run in the folder of results, for the analyses; none where the command was called as a function."""
        return current_run()

    @cached_property
    def images(self) -> "torch.Tensor":
        """The drawn images on the device, the same tensor at each call: what is known of it is measured once."""
        return self.samples.images.to(self.device)

    @cached_property
    def labels(self) -> "torch.Tensor":
        """The labels on the device."""
        return self.samples.labels.to(self.device)

    @property
    def boxed(self) -> bool:
        """Whether the images lie in [0, 1]; synthetic and edited ones need not."""
        from geomrob.data import in_box

        return not (self.edited and self.transform) and in_box(self.samples)

    def set_threads(self, model: "nn.Module | None" = None) -> None:
        """Set the number of CPU threads for a model, the first one by default."""
        from geomrob.analysis.preparation import set_threads

        model = model or next(iter(self.models.values()))
        set_threads(model, self.samples.images[:2].to(self.device), self.threads)

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Return a bar on stderr for people who watch, moved by (done, total)."""
        return console.progress(title)

    def announce(self, title: str, seconds: float) -> None:
        """Say on stderr how long the work will take, where it is a minute or more."""
        if seconds >= 60 and not silent():
            sys.stderr.write(f"{title}: about {console.duration(seconds)}\n")

    def each(self, title: str) -> "Iterator[tuple[str, Prepared, Progress]]":
        """Yield name, model and progress of each model, prepared for the images, the CPU threads set for it."""
        from geomrob.analysis.preparation import prepare

        for name, model in self.models.items():
            ready = prepare(model, self.images, threads=self.threads, memory=self.memory)
            with self.progress(f"{title} of {name}") as progress:
                yield name, ready, progress

    def measure(self, title: str, analysis: "Callable[[str, Prepared, Progress], Result]") -> "list[Result]":
        """Return what an analysis returns for each model, called with its name, itself prepared, and a progress.

        Raises:
            ShardDone: The run is a shard: its parts of all models are there.
        """
        results: list[Result] = []
        done: ShardDone | None = None
        for name, model, progress in self.each(title):
            try:
                results.append(analysis(name, model, progress))
            except ShardDone as shard:  # noqa: PERF203 - the others go on
                done = shard
        if done is not None:
            raise done
        return results


def libraries() -> None:
    """Import numpy before anything imports torch, so that Ctrl-C ends a command at any time.

    Torch imports numpy from its own code while it starts and drops whatever is raised there: a Ctrl-C in that moment
    would be lost, and numpy with it.
    """
    import_module("numpy")


def places(
    command: str, options: Output, figure: str = "", others: Sequence[str] = (), *, hidden: bool = False
) -> tuple[Path, Path]:
    """Return the folder and the picture of a command, if both can be written, so that this is known before the work.

    Args:
        command: Name of the command.
        options: What the user gave.
        figure, others: As in `Session.open`.
        hidden: Whether what its run keeps lies hidden, in a folder that others read as a data set.

    Raises:
        UsageError: An ending that is no picture's, a folder that cannot be written to, a picture that is a folder or
            another file of the command, or no seed.
    """
    from geomrob.files import user_path
    from geomrob.runs import writable

    if isinstance(options, Data):
        check_seed(options.seed)
    out = user_path(options.out or f"geomrob-{command}", "out")
    if (call := current()) is not None and not out.exists():
        call.fresh = out
    writable(out)
    picture = user_path(options.figure or out / (figure or f"{command}.png"), "figure")
    if picture.suffix.lower() not in PICTURES:
        raise UsageError(f"figure must end in {', '.join(PICTURES)}; got {picture}: rename it")
    if picture.is_dir():
        raise UsageError(f"figure must be a file; got the folder {picture}: name a file in it")
    inside = Path(os.path.realpath(picture)).parent == Path(os.path.realpath(out))
    if inside and any(fnmatch(picture.name, other) for other in others):
        raise UsageError(f"figure must not be another file of {command}; got {picture}: rename it")
    writable(picture.parent, "figure must be in")
    if call is not None:
        call.open_run(command, out / HIDDEN if hidden else out, options)
    return out, picture


def check_resources(threads: int | None, memory: float | None) -> int | None:
    """Return the budget of a batch in bytes, None for the default, so that misuse is known before the work.

    Raises:
        UsageError: No thread, no memory.
    """
    if threads is not None and not 1 <= threads <= THREADS:
        raise UsageError(f"threads must be at least 1, at most {THREADS}; got {threads}: leave --threads out")
    if memory is not None and not LEAST_MEMORY <= memory <= MOST_MEMORY:
        raise UsageError(
            f"memory must be above 0 GiB, from {LEAST_MEMORY:g} to {MOST_MEMORY:,}; got {memory:g}: leave --memory out "
            "for the default"
        )
    return None if memory is None else int(memory * 2**30)
