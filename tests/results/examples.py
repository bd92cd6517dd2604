"""One example of every result, made by hand: small, with failures and unknown numbers in it."""

import dataclasses
import math

import torch

from geomrob.results import (
    Acceptance,
    AttackResult,
    Audit,
    AugmentationGrid,
    BandExamples,
    BoundaryResult,
    ByClass,
    Check,
    CorruptedSet,
    CorruptionScores,
    DatasetCard,
    DecisionDistances,
    Locations,
    ModelCard,
    Overlap,
    Sparsity,
    Status,
    StrengthCurve,
    TrainingReport,
    Trainings,
    TransferMatrix,
)
from tests.synthetic import (
    attack_result,
    band_energy,
    comparison_result,
    corruption_table,
    cross_section_result,
    filter_bank,
    geometry_result,
    heat_map,
    layers_result,
    margin_curve,
    norms_result,
    provenance,
    robust_accuracy_result,
    spectrum,
)


def sparsity() -> Sparsity:
    """Return four images of 4x5 pixels in two channels: 1, 3 and 2 pixels (1, 4 and 2 elements), and a failure."""
    inputs = torch.zeros(4, 2, 4, 5)
    perturbed = inputs.clone()
    perturbed[0, 1, 0, 0] = 0.5
    perturbed[1, 0, 1, :3], perturbed[1, 1, 1, 0] = 0.25, -0.5
    perturbed[2, :, 0, 0], perturbed[2, 0, 0, 0], perturbed[2, 0, 3, 4] = 0.5, 0.0, -1.0
    perturbed[3] = 1.0
    fooled, counts = torch.tensor([True, True, True, False]), torch.tensor([9, 9, 9, 50])
    result = AttackResult(
        inputs=inputs,
        labels=torch.tensor([0, 1, 1, 2]),
        perturbed=perturbed,
        success=fooled,
        status=torch.where(fooled, int(Status.FOUND), int(Status.INFEASIBLE)),
        steps=torch.ones(4, dtype=torch.int64),
        forwards=counts,
        backwards=counts,
    )
    return Sparsity(
        model="net",
        data="dark",
        attack="sparsefool",
        options={"lam": 3.0, "radius": math.inf},
        result=result,
        found=torch.tensor([1, 0, 2, -1]),
        stored=dataclasses.replace(result, success=torch.tensor([True, False, True, False])),
        stored_found=torch.tensor([1, -1, 2, -1]),
        labels=torch.tensor([0, 1, 2, 2]),
        indices=torch.arange(4),
        classes=("cat", "dog", "bird"),
        random=torch.tensor([0.25, 0.0], dtype=torch.float64),
        provenance=provenance(),
    )


def places() -> Locations:
    maps = torch.stack((torch.eye(3, dtype=torch.float64), torch.full((3, 3), torch.nan, dtype=torch.float64)))
    return Locations("net", "dark", "sparsefool", "found", ("cat", "dog"), maps, torch.tensor([4, 0]), provenance())


def shared() -> Overlap:
    values = torch.tensor([0.5, torch.nan], dtype=torch.float64)
    return Overlap(("net", "other"), "dark", "sparsefool", values, values / 2, values / 4, values / 8)


def transfer() -> TransferMatrix:
    fooled = torch.tensor([[[True, True, False], [False, True, False]], [[False, False, False], [True, True, True]]])
    found, accuracy = fooled[[0, 1], [0, 1]], torch.tensor([0.9, torch.nan], dtype=torch.float64)
    return TransferMatrix(("net", "other"), "dark", "sparsefool", fooled, found, accuracy, provenance())


def check() -> Check:
    images = torch.tensor([3, 8])
    return Check("gradients", "failed", 0.5, 0.0, 0.05, "of images", images, "what it means", "what to do")


def audited() -> Audit:
    nothing = torch.full((4,), torch.nan)
    return Audit(
        model="net",
        data="dark",
        checks=(check(),),
        causes=("quantisation: stairs",),
        predictions=torch.tensor([0, 1, 1, 2]),
        labels=torch.tensor([0, 1, 2, 2]),
        indices=torch.arange(4),
        white=torch.tensor([0.5, torch.inf, 1.0, 2.0]),
        transferred=nothing,
        decision=nothing,
        epsilons=torch.tensor([0.1, 0.2], dtype=torch.float64),
        steps=torch.tensor([1, 10]),
        robust=torch.tensor([[0.5, 0.25], [0.25, 0.0]], dtype=torch.float64),
        profile=torch.zeros(2, 4, 5),
        provenance=provenance(),
    )


def walked() -> BoundaryResult:
    found = attack_result()
    sizes = torch.linspace(0.1, 0.2, len(found.labels), dtype=torch.float64)
    return BoundaryResult(
        **vars(found), start=sizes, spherical_step=sizes, source_step=sizes, converged=sizes > 0.1, adapted=sizes > 0
    )


def strengths() -> StrengthCurve:
    right = torch.tensor([[[[[True, True], [True, False]]]]])
    steps = torch.tensor([0.0, 0.1], dtype=torch.float64)
    return StrengthCurve(
        ("net",), "dark", "gaussian", "", steps, right, torch.zeros(2, dtype=torch.int64), torch.arange(2), provenance()
    )


def plane() -> Acceptance:
    ratio = torch.tensor([1.0, torch.inf, torch.nan], dtype=torch.float64)
    return Acceptance(("net", "other", "third"), "net", "dark", "gaussian", 0.1, 0.9, ratio, ratio)


def decisions() -> DecisionDistances:
    repeats, images = (walked(), attack_result()), torch.arange(2)
    return DecisionDistances("net", "dark", "boundary", 500, 3, repeats, images, images + 7, provenance())


def examples() -> BandExamples:
    images = torch.zeros(2, 1, 4, 4)
    classes, distances = torch.tensor([0, 1]), torch.tensor([[0.5, torch.inf]])
    return BandExamples(
        "net",
        "dark",
        ("block 0:8",),
        "tight",
        2.0,
        images,
        images[None] + 0.125,
        classes,
        classes.flip(0)[None],
        distances,
    )


def scores() -> CorruptionScores:
    table = corruption_table()
    values = {"clean": table.clean, "severity 1": table.errors[..., 0].mean(2), "mCE": table.mce(table.over)}
    return CorruptionScores(
        table.models, table.data, "error", "none", "made", "base", "mean CE", values, table.provenance
    )


def corrupted() -> CorruptedSet:
    return CorruptedSet("pets", "out", "png", "auto", 3, 5, ("fog", "snow"), ("cat/2.png: broken", "dog/1.png: broken"))


def card() -> ModelCard:
    accuracies = {"fashion-mnist": 0.91, "fashion-mnist-1k": 0.92}
    return ModelCard(
        "net", "a net", "1x28x28", 10, 1234, "fashion-mnist", accuracies, "", "", "geomrob train net", "us"
    )


def of_classes() -> ByClass:
    values = torch.tensor([[[0.5, 0.2, 0.9], [math.inf, math.nan, math.nan]]] * 2, dtype=torch.float64)
    classes, images = ("cat", "dog"), torch.tensor([3, 7])
    return ByClass("net", "some", "median distance", "band", ("low", "high"), classes, images, values)


def data_card() -> DatasetCard:
    return DatasetCard("pets", "3x32x32", 2, 0, 1000, "pets/raw", False, "free", "us")


def trained() -> TrainingReport:
    return TrainingReport("smoke", "net", 3, 2, 0.5, math.nan, 1.5, "run/model.safetensors", "ab", ("a remark",))


def trainings() -> Trainings:
    return Trainings(
        *("net", "some", "MarginCurve", ("net@0", "net@1"), torch.tensor([0.5, math.nan]).double(), ("margins",)),
        *(("band",), (("a",), ("b / c",)), ("median", "reached"), ("median", "found"), ("{:.2f}", "{:.0%}")),
        torch.tensor([[[1.0, 2.0], [0.5, 0.5]], [[math.inf, 2.0], [math.nan, 0.5]]], dtype=torch.float64),
    )


def grid() -> AugmentationGrid:
    pictures = torch.rand(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return AugmentationGrid("color", (2, 10), (0.1, 0.3), pictures)


EVERY = [comparison_result(), attack_result(), margin_curve(), provenance(), sparsity(), places(), shared(), transfer()]
EVERY += [spectrum(), filter_bank(), band_energy(), heat_map(), check(), audited()]
EVERY += [walked(), strengths(), plane(), examples(), decisions()]
EVERY += [scores(), corrupted(), card(), data_card(), of_classes(), trained(), trainings(), grid()]
EVERY += [
    layers_result(),
    geometry_result(),
    norms_result(),
    robust_accuracy_result(),
    corruption_table(),
    cross_section_result(),
]
