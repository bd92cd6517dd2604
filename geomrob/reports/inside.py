"""The sections on the models themselves: what they are, spectra of their perturbations, their layers, their audits."""

from collections.abc import Iterator, Sequence

import torch

from geomrob.plot.audit import plot_audit
from geomrob.plot.layers import plot_layers
from geomrob.plot.spectra import plot_band_energy, plot_radial, plot_spectra
from geomrob.reports.boundary import Failures
from geomrob.reports.content import Grid, Section, axes, by_model, drawn, grid, listed, of, with_model
from geomrob.reports.pictures import Picture, picture
from geomrob.results import Audit, BandEnergy, Layers, ModelCard, Spectrum
from geomrob.results.result import Result

VERDICTS = {
    "passed": "no check found masked gradients on these images, so the attacks can be trusted there",
    "warned": "the attacks can be trusted with reservations",
    "failed": "do not believe the robustness, gradients mislead the attacks",
    "skipped": "nothing was checked",
}
"""What a verdict means, after the model's name."""


def models(results: Sequence[Result], _failures: Failures) -> Section:
    """Return the section on what the models are."""
    cards = of(results, ModelCard)
    names = [card.model for card in cards]
    rows: list[tuple[str, list[str]]] = [
        ("what it is", [card.about for card in cards]),
        ("input, classes", [f"{card.shape}, {card.classes}" for card in cards]),
        ("parameters", [f"{card.parameters:,}" for card in cards]),
        ("claimed accuracy", [_claims(card) for card in cards]),
        ("weights", [f"{card.weights} (SHA-256 {card.sha256[:12]}...)" if card.weights else "" for card in cards]),
        ("trained by", [card.command for card in cards]),
        ("reference", [card.reference for card in cards]),
    ]
    filled = [(name, [value or "\u2013" for value in values]) for name, values in rows if any(values)]
    table = by_model(filled, names, "Model cards")
    words = Grid(table.caption, table.head, table.rows, (True,) * len(table.head))
    return Section("models", "The models", grids=(words,) if cards else ())


def _claims(card: ModelCard) -> str:
    return ", ".join(f"{data} {accuracy:.1%}" for data, accuracy in card.accuracies.items())


def spectra(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on the frequencies of perturbations."""
    planes = [plane for plane in of(results, Spectrum) if plane.of == "perturbations"]
    energies = of(results, BandEnergy)

    def make() -> Iterator[Picture]:
        if energies:
            ax = plot_band_energy(energies, ax=axes())
            yield picture(ax, "energy", otherwise="Energy of perturbations by band")
        if planes:
            yield picture(plot_radial(planes, ax=axes()), "radial", otherwise="Radial spectra", about="By radius")
            columns = min(3, len(planes))
            yield picture(plot_spectra(planes, columns=columns), "spectra", otherwise="Spectra", turning=False)

    pictures, why = drawn(make)
    notes = tuple(note for energy in energies for note in energy.caveats())
    return Section(
        "spectra",
        "Frequencies of the perturbations",
        "The perturbations that DeepFool finds in the whole space, taken apart into spatial frequencies: which "
        "patterns, coarse or fine, the model is sensitive to.",
        tuple(_most_energy(energy) for energy in energies),
        tuple(pictures),
        notes=notes,
        failures=(*failures.get("spectrum", ()), *why),
    )


def _most_energy(energy: BandEnergy) -> str:
    """Return where the perturbations of a model have most of their energy."""
    shares = energy.quantiles(0.5)[:, 0]
    most = int(torch.nan_to_num(shares).argmax())
    where = f"{float(energy.frequency[most]):.3g} cycles per image"
    name = energy.bands[most] if bool(energy.frequency.isnan().any()) else where
    return f"{energy.model}: most energy around {name} ({float(shares[most]):.1%} in that band, median image)."


def layers(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on layers."""
    found = of(results, Layers)

    def make() -> Iterator[Picture]:
        if found:
            yield picture(plot_layers(found), "layers", otherwise="Layers")

    pictures, why = drawn(make)
    tables = [with_model(table, result.model) for result in found for table in result.tables()]
    return Section(
        "layers",
        "Layers",
        "How sparse the activations of each layer are (few active channels are harder to move), and how much of them "
        "Gaussian noise in the image changes.",
        pictures=tuple(pictures),
        grids=tuple(grid(tables, caption="Sparsity and signal-to-noise ratio of each layer", folded="All numbers")),
        notes=tuple(note for result in found for note in result.caveats()),
        failures=(*failures.get("layers", ()), *why),
    )


def audits(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on the audit verdicts: one table of all models, what failed and why, pictures on request."""
    found = of(results, Audit)
    checks = dict.fromkeys(check.name for audit in found for check in audit.checks)
    rows = [("verdict", [audit.verdict for audit in found])]
    for name in checks:
        known = [next((check for check in audit.checks if check.name == name), None) for audit in found]
        rows.append((name, ["\u2013" if one is None else f"{one.verdict} ({one.number})" for one in known]))
    table = by_model(rows, [audit.model for audit in found], "Checks of the audits, with the number that decided each")
    marked = Grid(table.caption, table.head, table.rows, table.left, marks=("passed", "warned", "failed", "skipped"))
    pictures = [
        picture(
            plot_audit(audit),
            f"audit-{at}",
            otherwise="Audit",
            turning=False,
            folded=f"Pictures of the audit of {audit.model}",
        )
        for at, audit in enumerate(found)
    ]
    return Section(
        "audit",
        "Audit: can these numbers be trusted?",
        "A model can look robust because attacks fail on it. Checks of its gradients, of attacks that need none, and "
        "of how attacks behave with more effort tell the two apart.",
        tuple(verdict(audit) for audit in found),
        tuple(pictures),
        (marked,) if found else (),
        tuple(note for audit in found for note in audit.caveats()),
        tuple(failures.get("audit", ())),
    )


def verdict(audit: Audit) -> str:
    """Return what the audit of a model means, in a sentence."""
    causes = f" ({listed(audit.causes)})" if audit.causes else ""
    return f"{audit.model}: {audit.verdict}: {VERDICTS[audit.verdict]}{causes}."
