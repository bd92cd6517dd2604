"""What is settled before a measurement: whether models take the images, and how many CPU threads are used."""

from collections.abc import Mapping
from functools import cache

import torch
from torch import nn

from geomrob.arrays import Images, Model
from geomrob.data.class_names import mapped
from geomrob.data.entry import Samples
from geomrob.errors import UsageError, note
from geomrob.inference import CPU_BLOCK, Prepared, evaluate
from geomrob.models import MODELS


def check_fit(models: Mapping[str, nn.Module], images: Images, data: str) -> dict[str, int]:
    """Return the number of outputs of each model; refuse, before the work, those that do not take these images.

    A model for colour does not fail on grey images (the mean of each channel is taken off the one there is), so the
    channels are compared with those of the table.

    Args:
        models: By name.
        images: Of which the first is evaluated, on the device of each model.
        data: Name of their data set.

    Raises:
        UsageError: Other channels than a model of the table is made for, or a call with one image fails.
    """
    outputs: dict[str, int] = {}
    for name, model in models.items():
        if name in MODELS and MODELS[name].shape[0] != images.shape[1]:
            raise _misfit(name, images, data)
        device = next((tensor.device for tensor in model.state_dict().values()), images.device)
        image = images[:1].to(device)
        with Prepared(model, image), torch.no_grad():
            try:
                outputs[name] = evaluate(model, image).shape[1]
            # The model is the user's own code: whatever it raises is the reason.
            except Exception as error:
                cause = "" if isinstance(error, (RuntimeError, UsageError)) else type(error).__name__
                text = ": ".join(filter(None, (cause, *str(error).splitlines()[:1])))
                raise _misfit(name, images, data, reason=text) from error
    return outputs


def match_labels(samples: Samples, outputs: Mapping[str, int]) -> Samples:
    """Return samples whose labels are outputs of the models (`geomrob.data.class_names.mapped`), with notes of it.

    Args:
        samples: With the names of their classes.
        outputs: Of each model, how many there are.

    Raises:
        UsageError: A model has fewer outputs than the data has classes; two models number the classes differently.
    """
    matched = {name: mapped(samples, count) for name, count in outputs.items()}
    if not matched:
        return samples
    first, *others = matched
    for name in others:
        if not torch.equal(matched[name].labels, matched[first].labels):
            told = f"{outputs[first]} of {first} and {outputs[name]} of {name}"
            raise UsageError(f"models must number the classes of {samples.name} alike; got {told}: measure them apart")
    for text in matched[first].notes[len(samples.notes) :]:
        # Of several models a reader has to know which one is meant.
        note(text.replace("the model has", f"{first} has") if others else text)
    return matched[first]


def prepare(model: Model, images: Images, *, threads: int | None = None, memory: int | None = None) -> Prepared:
    """Return the model prepared for the images, with the number of CPU threads set for it by `set_threads`."""
    ready = Prepared(model, images, memory=memory)
    set_threads(ready, images, threads)
    return ready


def set_threads(model: Model, images: Images, threads: int | None) -> None:
    """Set the number of CPU threads: as given, else one for a model of which a full block fits into one call.

    Such calls take milliseconds; more threads than one then mostly wait for each other, on a busy machine for long.

    Args:
        model: A model, or one that is `Prepared` for the images: its block size is then measured once.
        images: At least one, on the model's device.
        threads: As the user has it; None for the rule.
    """
    every = _threads_at_start()
    if threads is None:
        threads = 1 if images.device.type == "cpu" and Prepared(model, images).block == CPU_BLOCK else every
    torch.set_num_threads(threads)


@cache
def _threads_at_start() -> int:
    """Return how many threads torch had before a small model took all but one away."""
    return torch.get_num_threads()


def _misfit(name: str, images: Images, data: str, reason: str = "") -> UsageError:
    """Return the error that says that the images are not for the model."""
    shape = "x".join(map(str, images.shape[1:]))
    if name in MODELS:
        wanted = "x".join(map(str, MODELS[name].shape))
        return UsageError(
            f"data must hold images of {wanted} for {name}; got {shape} in {data}: choose a model for them"
        )
    return UsageError(f"model must take the images of {data} ({shape}); {name} does not ({reason}): choose others")
