"""Names from outside are drawn letter by letter: none is taken for mathematics, which fails only when rendered."""

import dataclasses
import re

import pytest
import torch
from matplotlib.text import Text

from geomrob.analysis.strength_curve import acceptance
from geomrob.plot.accuracy.corruptions import plot_corruptions, plot_trade_off
from geomrob.plot.accuracy.robust_accuracy import plot_robust_accuracy
from geomrob.plot.accuracy.strength_curve import plot_acceptance, plot_strength
from geomrob.plot.accuracy.transfer import plot_transfer
from geomrob.plot.audit import plot_audit, plot_verdicts
from geomrob.plot.augmentation_grid import plot_draws
from geomrob.plot.band_examples import plot_band_examples
from geomrob.plot.comparison.forest import plot_comparison
from geomrob.plot.corruption_sheet import plot_corruption_sheet
from geomrob.plot.cross_section import plot_cross_section
from geomrob.plot.decision_based import plot_decision_distances
from geomrob.plot.filter_banks import plot_inhibition, plot_kernels
from geomrob.plot.geometry import plot_geometry
from geomrob.plot.layers import plot_layers
from geomrob.plot.margins import plot_margin_map, plot_margins
from geomrob.plot.minimum_norms import plot_norms
from geomrob.plot.perturbation_maps import plot_locations
from geomrob.plot.sparse_gallery import plot_gallery
from geomrob.plot.sparsity import plot_sparsity_sweep
from geomrob.plot.spectra import plot_band_energy, plot_heat_maps, plot_radial, plot_spectra
from geomrob.plot.style import blank, literal
from geomrob.results import (
    Audit,
    BandExamples,
    Check,
    DecisionDistances,
    Locations,
    StrengthCurve,
    TransferMatrix,
)
from tests import synthetic

# Unbalanced in mathematics, left out of legends, a command, no comment, letters beyond ASCII, an odd number of $.
NAMES = (r"a$\frac$c_{", "_a$b$c_{", r"\frac", "100%", "clé $é^$ ü", "one$")
WORST = NAMES[0]


def renamed(result, **facts):
    """Return the result with an outside name for model, data, attack and whatever else it names."""
    fields = {field.name for field in dataclasses.fields(result)}
    names = {name: WORST for name in ("model", "data", "attack", "layer", "name", "method", "basis") if name in fields}
    return dataclasses.replace(result, **(names | facts))


def audit():
    ten = torch.arange(1.0, 11)
    return Audit(
        model=WORST,
        data=WORST,
        checks=(Check("gradients", "failed", 0.5, 0.0, 0.05, "of images", torch.tensor([3]), "Means.", "Do."),),
        causes=(f"gradient: none reaches {WORST}",),
        predictions=torch.zeros(10, dtype=torch.int64),
        labels=torch.zeros(10, dtype=torch.int64),
        indices=torch.arange(10),
        white=ten,
        transferred=ten / 2,
        decision=2 * ten,
        epsilons=torch.tensor([0.05, 0.1], dtype=torch.float64),
        steps=torch.tensor([1]),
        robust=torch.tensor([[0.9], [0.6]], dtype=torch.float64),
        profile=torch.ones(2, 10, 21),
        provenance=synthetic.provenance(),
    )


def transfer():
    fooled = torch.ones(2, 2, 4, dtype=torch.bool)
    accuracy = torch.ones(2, dtype=torch.float64)
    return TransferMatrix(NAMES[:2], WORST, WORST, fooled, fooled[0], accuracy, synthetic.provenance())


def strength():
    return StrengthCurve(
        models=NAMES[:3],
        data=WORST,
        attack="fgsm-transfer",
        source=WORST,
        strengths=torch.tensor([0.0, 0.1, 0.2], dtype=torch.float64),
        correct=torch.arange(180).reshape(3, 1, 1, 3, 20) % 3 > 0,
        labels=torch.zeros(20, dtype=torch.int64),
        indices=torch.arange(20),
        provenance=synthetic.provenance(),
    )


def decisions():
    attack = synthetic.attack_result()
    index = torch.arange(2)
    given = {"attack": "boundary", "budget": 500, "seed": 0, "repeats": (attack,), "labels": index, "indices": index}
    return [DecisionDistances(model=name, data=WORST, provenance=synthetic.provenance(), **given) for name in NAMES[:2]]


def locations():
    maps = torch.rand(len(NAMES), 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = torch.full((len(NAMES),), 10)
    return Locations(WORST, WORST, WORST, "label", NAMES, maps, counts, synthetic.provenance())


def examples():
    images = torch.full((2, 1, 4, 4), 0.5)
    classes, sizes = torch.tensor([0, 1]), torch.full((1, 2), 0.4)
    return BandExamples(
        WORST, WORST, (WORST,), WORST, 2.0, images, images[None] + 0.1, classes, classes.flip(0)[None], sizes
    )


def sheet(**on):
    images = {name: torch.rand(2, 1, 4, 4) for name in NAMES}
    return plot_corruption_sheet(images[WORST][0], images, categories=dict.fromkeys(NAMES, WORST), caption=WORST, **on)


CURVE = renamed(synthetic.margin_curve(bands=4, images=5), bands=NAMES[:4])
GRID = renamed(synthetic.margin_curve(bands=9, images=5, kind="grid"))
SPARSITY = renamed(synthetic.sparsity_result(), classes=NAMES[:3])
TABLE = synthetic.corruption_table(models=NAMES[:2], data=WORST, corruptions=NAMES[:2], sources=("made", "ready-made"))
BANK = renamed(synthetic.filter_bank(WORST))
PLAIN = renamed(synthetic.filter_bank(inhibition=torch.zeros(0), kind="convolution", spectra=1))
SPECTRA = [renamed(synthetic.spectrum()), renamed(synthetic.spectrum(1), name=NAMES[1])]
ENERGY = renamed(synthetic.band_energy(), bands=NAMES[:3])
PICTURES = torch.full((2, 2, 1, 4, 4), 0.5)

PLOTS = {
    "audit": lambda **on: plot_audit(audit(), **on),
    "verdicts": lambda **on: plot_verdicts({name: {WORST: ("failed", 0.5, "of images")} for name in NAMES}, **on),
    "draws": lambda **on: plot_draws(PICTURES, method=WORST, classes=NAMES[:2], **on),
    "band examples": lambda **on: plot_band_examples(examples(), classes=NAMES, **on),
    "corruption sheet": sheet,
    "corruptions": lambda **on: plot_corruptions(TABLE, categories=dict.fromkeys(NAMES, WORST), **on),
    "trade-off": lambda **on: plot_trade_off(TABLE, WORST, **on),
    "cross-section": lambda **on: plot_cross_section(renamed(synthetic.cross_section_result(classes=NAMES[:2])), **on),
    "decision distances": lambda **on: plot_decision_distances(decisions(), **on),
    "inhibition": lambda **on: plot_inhibition([BANK, renamed(BANK, layer=NAMES[1]), PLAIN], **on),
    "kernels": lambda **on: plot_kernels([BANK, PLAIN], **on),
    "geometry": lambda **on: plot_geometry([renamed(synthetic.geometry_result(missing=n)) for n in (1, 10)], **on),
    "layers": lambda **on: plot_layers(renamed(synthetic.layers_result(), names=NAMES[:3]), **on),
    "margins": lambda **on: plot_margins([CURVE, renamed(CURVE, model=NAMES[1])], **on),
    "margin map": lambda **on: plot_margin_map(GRID, **on),
    "norms": lambda **on: plot_norms(renamed(synthetic.norms_result(), models=NAMES[:2]), **on),
    "locations": lambda **on: plot_locations(locations(), **on),
    "gallery": lambda **on: plot_gallery(SPARSITY, **on),
    "sparsity": lambda **on: plot_sparsity_sweep([SPARSITY, renamed(SPARSITY, model=NAMES[1])], **on),
    "spectra": lambda **on: plot_spectra(SPECTRA, **on),
    "radial": lambda **on: plot_radial(SPECTRA, **on),
    "heat maps": lambda **on: plot_heat_maps(renamed(synthetic.heat_map()), **on),
    "band energy": lambda **on: plot_band_energy([ENERGY], **on),
    "robust accuracy": lambda **on: plot_robust_accuracy(renamed(synthetic.robust_accuracy_result()), **on),
    "comparison": lambda **on: plot_comparison(renamed(synthetic.comparison_result(), models=NAMES[:3]), **on),
    "strength": lambda **on: plot_strength(strength(), **on),
    "acceptance": lambda **on: plot_acceptance(acceptance(strength(), WORST), **on),
    "transfer": lambda **on: plot_transfer(transfer(), **on),
}


def letters(text):
    """Return a text without spaces of any width, and without underscores, which names of corruptions lose."""
    return re.sub(r"[\s\u200b_]", "", text)


@pytest.mark.parametrize("plot", PLOTS)
def test_every_picture_draws_the_names_letter_by_letter(plot):
    drawn = PLOTS[plot]()
    figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    figure.set_dpi(40)
    figure.canvas.draw()
    parts = [text._preprocess_math(text.get_text()) for text in figure.findobj(Text)]
    ours = re.compile(r"(?<!\\)\$.*?(?<!\\)\$")
    words = letters("|".join(ours.sub("", part).replace(r"\$", "$") if maths else part for part, maths in parts))
    assert letters(WORST) in words
    for name in NAMES:
        words = words.replace(letters(name), "")
    assert not re.search(r"[$\\{]|frac|é", words)


def test_a_name_with_an_underscore_in_front_stays_in_the_legend():
    labels = [text.get_text() for text in plot_strength(strength()).get_legend().get_texts()]
    assert [label.split(" (")[0].replace("\u200b", "") for label in labels] == [
        literal(n).strip("\u200b") for n in NAMES[:3]
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("around", ["{}", "{} at $\\ell_2$", "{0} and {0}"])
def test_a_name_is_drawn_as_it_is_written(name, around):
    """Next to mathematics of ours, too: what is given to the font is the name's own letters."""
    figure = blank()
    text = figure.text(0, 0, around.format(literal(name)))
    shown, mathematics = text._preprocess_math(text.get_text())
    assert bool(mathematics) == ("ell" in around)
    if not mathematics:
        assert shown.replace("\u200b", "") == around.format(name)
    text.get_window_extent()
