"""Numbers and pictures of a command in a TensorBoard log."""

import io
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from geomrob.errors import UsageError
from geomrob.tables import Record


def check_tensorboard() -> None:
    """Refuse a log where TensorBoard is not installed, before the work.

    Raises:
        UsageError: That.
    """
    if find_spec("tensorboard") is None:
        raise UsageError(
            "tensorboard must be installed for --tensorboard; got none: pip install 'geomrob[tensorboard]'"
        )


def write_log(folder: Path, rows: Mapping[str, Sequence[Record]], pictures: Mapping[str, bytes]) -> None:
    """Append to a log in a folder.

    Args:
        folder: As `tensorboard --logdir` takes it.
        rows: By name; each finite number is the scalar NAME/KEY at the step of its row, from 0 on, or of its `epoch`.
        pictures: PNG by name.
    """
    writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder))
    for name, records in rows.items():
        for number, row in enumerate(records):
            step = row.get("epoch", number)
            for key, value in row.items():
                if isinstance(value, (int, float)) and math.isfinite(value) and key != "epoch":
                    writer.add_scalar(f"{name}/{key}", value, step)
    for name, content in pictures.items():
        writer.add_image(name, np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), dataformats="HWC")
    writer.close()
