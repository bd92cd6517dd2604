"""Every analysis that keeps parts: stopped after each of them, cut into shards, in any order, to the same bits."""

import math
import pickle
from dataclasses import fields, is_dataclass, replace

import pytest
import torch
from torch import nn

from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.decision_based import decision_distances
from geomrob.analysis.layers import layers
from geomrob.analysis.margins import margin_curve
from geomrob.analysis.minimum_norms import SEARCHES, minimum_norms
from geomrob.analysis.robust_accuracy import robust_accuracy
from geomrob.analysis.sparsity import sparsity
from geomrob.analysis.strength_curve import strength_curve
from geomrob.analysis.transfer import transfer_matrix
from geomrob.errors import ShardDone, UsageError
from geomrob.results import equal
from geomrob.runs import Run, merge
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks

IMAGES = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))
WIDE = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0])
BANDS = blocks(basis("dct", (8, 8)), 4, 2)


def net(seed=0, pixels=64):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.Tanh(), nn.Linear(16, 3))


ANALYSES = {
    "margins": lambda model, **how: margin_curve(model, IMAGES, subspaces=BANDS, attack="deepfool", examples=4, **how),
    "sparsity": lambda model, **how: sparsity(model, IMAGES, repeats=2, **how),
    "boundary": lambda model, **how: decision_distances(model, IMAGES, budget=40, repeats=2, **how),
    "corruptions": lambda model, **how: corruption_errors(
        {"net": model, "other": net(5, 256)},
        WIDE,
        LABELS[:5],
        corruptions=["fog", "contrast"],
        severities=[1, 3],
        **how,
    ),
    "curve": lambda model, **how: strength_curve(
        {"net": model, "other": net(5)}, IMAGES, LABELS, strengths=[0.1, 0.3], repeats=2, **how
    ),
    "curve of pgd": lambda model, **how: strength_curve(
        {"net": model}, IMAGES, LABELS, attack="pgd", strengths=[0.1], steps=3, **how
    ),
    "curve of fgsm-transfer": lambda model, **how: strength_curve(
        {"net": net(5)}, IMAGES, LABELS, attack="fgsm-transfer", strengths=[0.1], source=model, **how
    ),
    "layers": lambda model, **how: layers(model, IMAGES, sigma=0.1, repeats=2, **how),
    "transfer": lambda model, **how: transfer_matrix({"net": model, "other": net(5)}, IMAGES, labels=LABELS, **how),
    "robust accuracy": lambda model, **how: robust_accuracy(
        model, IMAGES, LABELS, epsilons=[0.02, 0.1], steps=4, targets=1, **how
    ),
    "norms": lambda model, **how: minimum_norms(
        {"net": model}, IMAGES, searches={name: SEARCHES[name] for name in ("sparsefool", "tight-linf")}, **how
    ),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("geomrob.analysis.margins.PAIRS", 3 * len(BANDS))
    monkeypatch.setattr("geomrob.analysis.sparsity.LEAST", 3)
    monkeypatch.setattr("geomrob.analysis.decision_based.LEAST", 3)
    monkeypatch.setattr("geomrob.analysis.strength_curve.PART", 3)
    monkeypatch.setattr("geomrob.analysis.layers.LEAST", 2)
    monkeypatch.setattr("geomrob.analysis.robust_accuracy.PART", 3)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_BLOCK", 2)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_FORWARD_BLOCK", 2)


def measured(analysis, run=None, seed=0):
    model = net(seed, 256 if analysis == "corruptions" else 64)
    return timeless(ANALYSES[analysis](model, run=run))


def timeless(result):
    """Return a result without the time that it took."""
    changed = {
        field.name: timeless(getattr(result, field.name))
        for field in fields(result)
        if is_dataclass(getattr(result, field.name))
    }
    if hasattr(result, "seconds"):
        changed |= {"seconds": 0.0, "created": ""}
    return replace(result, **changed)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_stopped_after_any_part_it_resumes_to_the_same_bits(tmp_path, monkeypatch, analysis):
    plain, kept = measured(analysis), Run.keep
    stops = iter(range(1, 100))

    def keep(run, name, key, part):
        kept(run, name, key, part)
        raise KeyboardInterrupt

    for parts in stops:
        with monkeypatch.context() as patch:
            patch.setattr(Run, "keep", keep)
            try:
                found = measured(analysis, Run(tmp_path))
            except KeyboardInterrupt:
                assert len(list(tmp_path.rglob("*.npz"))) == parts
            else:
                break
    assert parts > 2
    assert equal(found, plain)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_shards_in_any_order_and_through_copies_merge_to_the_same_bits(tmp_path, analysis):
    def copied(compute, items, begin):
        """Yield the parts backwards, each computed by a copy, as another process would have it."""
        del begin
        for key in reversed(items):
            yield key, pickle.loads(pickle.dumps(compute))(items[key])

    plain = measured(analysis)
    for number in (3, 1, 2):
        with pytest.raises(ShardDone, match=f"shard {number} of 3 is done"):
            measured(analysis, Run(tmp_path / str(number), shard=(number, 3), engine=copied))
    merge([tmp_path / str(number) for number in (2, 3, 1)], tmp_path / "out")
    told = []
    assert equal(measured(analysis, Run(tmp_path / "out", report=told.append)), plain)
    (line,) = told
    there, of = line.split()[1], line.split()[3]
    assert there == of


@pytest.mark.parametrize("analysis", ANALYSES)
def test_another_model_is_refused(tmp_path, analysis):
    measured(analysis, Run(tmp_path))
    with pytest.raises(UsageError, match="out must hold a run of the same settings"):
        measured(analysis, Run(tmp_path), seed=3)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_the_memory_and_the_names_of_things_are_no_settings(tmp_path, analysis):
    measured(analysis, Run(tmp_path))
    told = []
    model = net(0, 256 if analysis == "corruptions" else 64)
    how = {} if analysis == "transfer" else {"memory": 1 << 29}
    ANALYSES[analysis](model, run=Run(tmp_path, report=told.append), data="others", **how)
    assert "resumed" in told[0]


class Undefined(nn.Module):
    """Returns NaN, for all images or for the first so many."""

    def __init__(self, pixels, most=math.inf):
        super().__init__()
        self.net, self.most = net(0, pixels), most

    def forward(self, images):
        undefined = (images[:, 0, 0, 0] <= self.most)[:, None]
        return torch.where(undefined, torch.nan, self.net(images))


@pytest.mark.filterwarnings("ignore::geomrob.errors.Note")
@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_model_without_a_finite_logit_is_refused_before_any_part_is_kept(tmp_path, analysis):
    model = Undefined(256 if analysis == "corruptions" else 64)
    with pytest.raises(UsageError, match="model must return finite logits"):
        ANALYSES[analysis](model, run=Run(tmp_path))
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.filterwarnings("ignore::geomrob.errors.Note")
@pytest.mark.parametrize("analysis", ["curve", "layers"])
def test_a_model_without_a_finite_logit_for_its_first_images_alone_is_measured(analysis):
    first = float(IMAGES[:2, 0, 0, 0].max())
    assert (IMAGES[:, 0, 0, 0] > first).any()
    ANALYSES[analysis](Undefined(64, first))
