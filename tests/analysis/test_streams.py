"""Sets larger than memory: the numbers are those of a tensor, and memory does not grow with the set."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.analysis.audit import audit
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.decision_based import decision_distances
from geomrob.analysis.geometry.geometry import geometry
from geomrob.analysis.layers import layers
from geomrob.analysis.margins import margin_curve
from geomrob.analysis.minimum_norms import minimum_norms
from geomrob.analysis.sparsity import sparsity
from geomrob.analysis.spectra.fourier_heat_map import heat_map
from geomrob.analysis.spectra.spectra import image_spectrum
from geomrob.analysis.strength_curve import strength_curve
from geomrob.analysis.transfer import transfer_matrix
from geomrob.attacks import deepfool
from geomrob.data.lazy import LazyImages
from geomrob.results.store import equal
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks

SHAPE = (3, 16, 16)
BANDS = blocks(basis("dct", SHAPE[1:]), size=8, step=8)


def net():
    torch.manual_seed(0)
    body = (torch.nn.Conv2d(3, 4, 5, stride=3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten())
    return torch.nn.Sequential(*body, torch.nn.Linear(64, 5))


class Source:
    """Images on no disk, which count how often they are read."""

    def __init__(self, images):
        self.held, self.reads = images, []

    def __call__(self, position):
        self.reads.append(position)
        return self.held[position]

    def lazy(self):
        return LazyImages(self, len(self.held), self.held.shape[1:])


@pytest.fixture
def source():
    return Source(torch.rand(41, *SHAPE, generator=torch.Generator().manual_seed(1)))


LABELS = torch.arange(41) % 5

MEASURES = {
    "margin": lambda images, memory: margin_curve(
        net(), images, subspaces=BANDS, attack="deepfool", memory=memory, examples=2
    ),
    **{
        f"corruptions, {adapt}": lambda images, memory, adapt=adapt: corruption_errors(
            {"a": net(), "b": net()},
            images,
            LABELS,
            corruptions=["gaussian_noise", "contrast"],
            severities=[1, 5],
            adapt=adapt,
            memory=memory,
        )
        for adapt in ("none", "single", "partial", "full")
    },
    **{
        f"curve, {attack}": lambda images, memory, attack=attack, how=how: strength_curve(
            {"a": net(), "b": net()}, images, LABELS, attack=attack, strengths=[0.02, 0.1], memory=memory, **how
        )
        for attack, how in {
            "gaussian": {},
            "salt-pepper": {},
            "fgsm": {},
            "fgsm-transfer": {"source": net()},
            "pgd": {"steps": 3},
            "pgd-l2": {"steps": 3},
            "pgd-l1": {"steps": 3},
        }.items()
    },
    "layers": lambda images, memory: layers(net(), images, LABELS, memory=memory),
}


@pytest.mark.parametrize("memory", [None, 1 << 20])
@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_lazy_images_have_the_numbers_of_a_tensor(source, measure, memory):
    held = measure(source.held, memory)
    assert not source.reads
    lazy = measure(source.lazy(), memory)
    assert set(source.reads) == set(range(41))
    assert (lazy.provenance.forwards, lazy.provenance.backwards) == (
        held.provenance.forwards,
        held.provenance.backwards,
    )
    assert equal(replace(lazy, provenance=held.provenance), held)


WHOLE = {
    "sparsity": lambda images: sparsity(net(), images, repeats=1),
    "decision-based": lambda images: decision_distances(net(), images, budget=40),
    "transfer": lambda images: transfer_matrix({"a": net(), "b": net()}, images),
    "minimum norms": lambda images: minimum_norms({"a": net()}, images, norms=["l2"], searches={"deepfool": deepfool}),
    "geometry": lambda images: geometry(net(), images),
    "heat map": lambda images: heat_map(net(), images, epsilon=1.0),
    "spectrum": image_spectrum,
    "audit": lambda images: audit(net(), images, labels=LABELS[:8], epsilons=(0.1,), steps=(1, 2), budget=50),
}


@pytest.mark.parametrize("measure", WHOLE.values(), ids=WHOLE)
def test_what_holds_all_images_has_the_same_numbers_too(source, measure):
    lazy, held = (measure(images) for images in (source.lazy().picked(torch.arange(8)), source.held[:8]))
    assert equal(replace(lazy, provenance=held.provenance), held)


def test_what_is_read_at_a_time_fits_the_memory(source, monkeypatch):
    monkeypatch.setattr("geomrob.arrays.CHECKED", 8)
    sizes = []
    take = LazyImages.__getitem__

    def watched(images, key):
        taken = take(images, key)
        sizes.append(len(taken) if taken.ndim == 4 else 1)
        return taken

    monkeypatch.setattr(LazyImages, "__getitem__", watched)
    for name, measure in MEASURES.items():
        if "full" not in name:  # 400 images that lend each other their statistics are in one call.
            sizes.clear()
            measure(source.lazy(), 1 << 20)
            assert max(sizes) < 41, name


PEAK = """
import resource, sys
import torch
from geomrob.analysis.audit import audit
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.decision_based import decision_distances
from geomrob.analysis.geometry.geometry import geometry
from geomrob.analysis.layers import layers
from geomrob.analysis.margins import margin_curve
from geomrob.analysis.strength_curve import strength_curve
from geomrob.data import load_data
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks

folder, count, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 9, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(),
    torch.nn.Linear(16, 5),
).eval()
for question in sys.argv[4:]:
    samples = load_data(folder, samples=count, transform="gray" if question == "transform" else None)
    images, labels = samples.images, samples.labels
    assert len(images) == count
    if question == "margin":
        bands = blocks(basis("dct", (224, 224)), size=8, step=216)
        margin_curve(model, images, subspaces=bands, attack="deepfool", steps=1, examples=2, memory=memory)
    elif question == "corruptions":
        corruption_errors({"a": model}, images, labels, corruptions=["contrast"], severities=[3], memory=memory)
    elif question == "curve":
        strength_curve({"a": model}, images, labels, strengths=[0.1], repeats=1, memory=memory)
    elif question == "pgd":
        strength_curve({"a": model}, images, labels, attack="pgd", strengths=[0.001], steps=1, memory=memory)
    else:
        layers(model, images, labels, memory=memory)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)
"""
QUESTIONS = ("transform", "layers", "curve", "corruptions", "pgd", "margin")
"""By rising memory, so that the peak so far of a process is nearly that of the last question."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of 2,000 images of 224 x 224 in two classes: links to eight files."""
    root = tmp_path_factory.mktemp("large")
    draws = np.random.default_rng(0)
    for number in range(8):
        pixels = draws.integers(0, 256, (28, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((224, 224)).save(root / f"{number}.bmp")
    for name in ("left", "right"):
        (root / name).mkdir()
        for number in range(1000):
            os.link(root / f"{number % 8}.bmp", root / name / f"{number}.bmp")
    return root


def peaks(folder: Path, count: int, memory: int, *questions: str) -> list[int]:
    """Return the most memory in MB that a process had taken after each question about so many images."""
    command = [sys.executable, "-c", PEAK, str(folder), str(count), str(memory), *questions]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.slow  # test_what_is_read_at_a_time_fits_the_memory has the same at less cost
def test_twelve_times_the_images_take_hardly_more_memory(folder):
    # As floats, 220 images more are 132 MB: a single copy of all would not pass. `transform` is about layers too.
    questions = ("transform", "curve", "corruptions", "margin")
    few, many = (peaks(folder, count, 1 << 27, *questions) for count in (20, 240))
    assert max(more - less for more, less in zip(many, few, strict=True)) < 110


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_two_thousand_images_take_the_memory_of_twenty(question, folder):
    (few,), (many,) = (peaks(folder, count, 1 << 30, question) for count in (20, 2000))
    assert many - few < 1500
