"""What the tests with real libraries share: torchvision beside a CPU build of torch, a folder of pictures, a cache.

The torchvision of the package index is built for the torch with CUDA. Next to a CPU torch its compiled part does not
load, and Python registers two of its operators, `nms` and `qnms`, which then do not exist: the import fails.
Classifiers use neither. Defining both beforehand lets torchvision, and timm which imports it, be imported. This is
for tests alone: users install builds that belong together, and are told if they do not
(`geomrob.models.schemes.opened.library`).
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def compiled_part_loads() -> bool:
    """Return whether torchvision's operators are there: without torchvision there is nothing to define either."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True
    libraries = [file for folder in spec.submodule_search_locations for file in Path(folder).glob("_C*.so")]
    try:
        for file in libraries:
            torch.ops.load_library(str(file))
    except OSError:
        return False
    return bool(libraries)


if not compiled_part_loads():
    # The object must live as long as its operators are needed.
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        OPERATORS.define(operator + SIGNATURE)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Two classes of two photographs, 48 x 64 and 72 x 48: smooth random colours with edges."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for index, size in enumerate(((64, 48), (48, 72))):
            rough = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            picture = rough.resize(size, Image.Resampling.BICUBIC)
            picture.paste(tuple(draw.integers(0, 256, 3).tolist()), (8, 8, 20, 30))
            picture.save(folder / name / f"{index}.png")
    return folder


@pytest.fixture(autouse=True)
def stores(tmp_path_factory, monkeypatch) -> Path:
    """Empty places for downloads, the current folder an empty one too."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.chdir(folder)
    return folder
