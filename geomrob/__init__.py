"""geomrob measures where the decision boundary of an image classifier lies, and shows it.

Every public name is imported from its home when it is first asked for, so that `import geomrob` loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomrob.analysis.audit import audit
    from geomrob.analysis.corruption_summary import corruption_scores
    from geomrob.analysis.corruptions import corruption_errors
    from geomrob.analysis.cross_section import cross_section
    from geomrob.analysis.curves import strength_curve
    from geomrob.analysis.energies import band_energy
    from geomrob.analysis.geometry import geometry
    from geomrob.analysis.heat_maps import heat_map
    from geomrob.analysis.kernels import filter_banks
    from geomrob.analysis.layers import layers
    from geomrob.analysis.locations import locations, overlap
    from geomrob.analysis.margins import margin_curve
    from geomrob.analysis.norms import minimum_norms
    from geomrob.analysis.plane import acceptance
    from geomrob.analysis.score import score
    from geomrob.analysis.sparsity import sparsity
    from geomrob.analysis.sparsity import sweep as sparsity_sweep
    from geomrob.analysis.spectra import corruption_spectrum, image_spectrum, kernel_spectrum, perturbation_spectrum
    from geomrob.analysis.transfer import transfer_matrix
    from geomrob.arrays import UsageError
    from geomrob.attacks.boundary import boundary
    from geomrob.attacks.ddn import ddn
    from geomrob.attacks.deepfool import deepfool
    from geomrob.attacks.eight_bit import eight_bit
    from geomrob.attacks.fgsm import fgsm
    from geomrob.attacks.noise import noise
    from geomrob.attacks.pgd import pgd
    from geomrob.attacks.sparsefool import sparsefool
    from geomrob.attacks.superdeepfool import superdeepfool
    from geomrob.attacks.tight import tight
    from geomrob.data import load as load_data
    from geomrob.data.corruptions import corrupt
    from geomrob.data.corruptions.ready_made import load_corrupted
    from geomrob.models import load as load_model
    from geomrob.models.antialias import antialias
    from geomrob.models.pushpull import PushPullConv2d, push_pull
    from geomrob.models.replace import replace_first_conv
    from geomrob.plot.audit import plot_audit
    from geomrob.plot.corruption_sheet import plot_corruption_sheet
    from geomrob.plot.corruptions import plot_corruptions, plot_trade_off
    from geomrob.plot.cross_section import plot_cross_section
    from geomrob.plot.curves import plot_acceptance, plot_strength
    from geomrob.plot.examples import plot_band_examples
    from geomrob.plot.gallery import plot_gallery
    from geomrob.plot.geometry import plot_geometry
    from geomrob.plot.kernels import plot_inhibition, plot_kernels
    from geomrob.plot.layers import plot_layers
    from geomrob.plot.locations import plot_locations
    from geomrob.plot.margins import plot_margin_map, plot_margins
    from geomrob.plot.norms import plot_norms
    from geomrob.plot.sparsity import plot_sparsity_sweep
    from geomrob.plot.spectra import plot_band_energy, plot_heat_maps, plot_radial, plot_spectra
    from geomrob.plot.transfer import plot_transfer
    from geomrob.results import (
        Acceptance,
        AttackResult,
        Audit,
        BandEnergy,
        BoundaryResult,
        Check,
        CorruptionTable,
        CrossSection,
        FilterBank,
        Geometry,
        HeatMap,
        Layers,
        Locations,
        MarginCurve,
        Norms,
        Overlap,
        Provenance,
        Sparsity,
        Spectrum,
        Status,
        StrengthCurve,
        TransferMatrix,
        equal,
        load,
        save,
    )
    from geomrob.spectral.bases import basis
    from geomrob.spectral.subspaces import bands

__all__ = [
    "Acceptance",
    "AttackResult",
    "Audit",
    "BandEnergy",
    "BoundaryResult",
    "Check",
    "CorruptionTable",
    "CrossSection",
    "FilterBank",
    "Geometry",
    "HeatMap",
    "Layers",
    "Locations",
    "MarginCurve",
    "Norms",
    "Overlap",
    "Provenance",
    "PushPullConv2d",
    "Sparsity",
    "Spectrum",
    "Status",
    "StrengthCurve",
    "TransferMatrix",
    "UsageError",
    "__version__",
    "acceptance",
    "antialias",
    "audit",
    "band_energy",
    "bands",
    "basis",
    "boundary",
    "corrupt",
    "corruption_errors",
    "corruption_scores",
    "corruption_spectrum",
    "cross_section",
    "ddn",
    "deepfool",
    "eight_bit",
    "equal",
    "fgsm",
    "filter_banks",
    "geometry",
    "heat_map",
    "image_spectrum",
    "kernel_spectrum",
    "layers",
    "load",
    "load_corrupted",
    "load_data",
    "load_model",
    "locations",
    "margin_curve",
    "minimum_norms",
    "noise",
    "overlap",
    "perturbation_spectrum",
    "pgd",
    "plot_acceptance",
    "plot_audit",
    "plot_band_energy",
    "plot_band_examples",
    "plot_corruption_sheet",
    "plot_corruptions",
    "plot_cross_section",
    "plot_gallery",
    "plot_geometry",
    "plot_heat_maps",
    "plot_inhibition",
    "plot_kernels",
    "plot_layers",
    "plot_locations",
    "plot_margin_map",
    "plot_margins",
    "plot_norms",
    "plot_radial",
    "plot_sparsity_sweep",
    "plot_spectra",
    "plot_strength",
    "plot_trade_off",
    "plot_transfer",
    "push_pull",
    "replace_first_conv",
    "save",
    "score",
    "sparsefool",
    "sparsity",
    "sparsity_sweep",
    "strength_curve",
    "superdeepfool",
    "tight",
    "transfer_matrix",
]

__version__ = "0.1.0"

_HOMES = {
    "Acceptance": "geomrob.results:Acceptance",
    "AttackResult": "geomrob.results:AttackResult",
    "Audit": "geomrob.results:Audit",
    "BandEnergy": "geomrob.results:BandEnergy",
    "BoundaryResult": "geomrob.results:BoundaryResult",
    "Check": "geomrob.results:Check",
    "CorruptionTable": "geomrob.results:CorruptionTable",
    "CrossSection": "geomrob.results:CrossSection",
    "FilterBank": "geomrob.results:FilterBank",
    "Geometry": "geomrob.results:Geometry",
    "HeatMap": "geomrob.results:HeatMap",
    "Layers": "geomrob.results:Layers",
    "Locations": "geomrob.results:Locations",
    "MarginCurve": "geomrob.results:MarginCurve",
    "Norms": "geomrob.results:Norms",
    "Overlap": "geomrob.results:Overlap",
    "Provenance": "geomrob.results:Provenance",
    "PushPullConv2d": "geomrob.models.pushpull:PushPullConv2d",
    "Sparsity": "geomrob.results:Sparsity",
    "Spectrum": "geomrob.results:Spectrum",
    "Status": "geomrob.results:Status",
    "StrengthCurve": "geomrob.results:StrengthCurve",
    "TransferMatrix": "geomrob.results:TransferMatrix",
    "UsageError": "geomrob.arrays:UsageError",
    "acceptance": "geomrob.analysis.plane:acceptance",
    "antialias": "geomrob.models.antialias:antialias",
    "audit": "geomrob.analysis.audit:audit",
    "band_energy": "geomrob.analysis.energies:band_energy",
    "bands": "geomrob.spectral.subspaces:bands",
    "basis": "geomrob.spectral.bases:basis",
    "boundary": "geomrob.attacks.boundary:boundary",
    "corrupt": "geomrob.data.corruptions:corrupt",
    "corruption_errors": "geomrob.analysis.corruptions:corruption_errors",
    "corruption_scores": "geomrob.analysis.corruption_summary:corruption_scores",
    "corruption_spectrum": "geomrob.analysis.spectra:corruption_spectrum",
    "cross_section": "geomrob.analysis.cross_section:cross_section",
    "ddn": "geomrob.attacks.ddn:ddn",
    "deepfool": "geomrob.attacks.deepfool:deepfool",
    "eight_bit": "geomrob.attacks.eight_bit:eight_bit",
    "equal": "geomrob.results:equal",
    "fgsm": "geomrob.attacks.fgsm:fgsm",
    "filter_banks": "geomrob.analysis.kernels:filter_banks",
    "geometry": "geomrob.analysis.geometry:geometry",
    "heat_map": "geomrob.analysis.heat_maps:heat_map",
    "image_spectrum": "geomrob.analysis.spectra:image_spectrum",
    "kernel_spectrum": "geomrob.analysis.spectra:kernel_spectrum",
    "layers": "geomrob.analysis.layers:layers",
    "load": "geomrob.results:load",
    "load_corrupted": "geomrob.data.corruptions.ready_made:load_corrupted",
    "load_data": "geomrob.data:load",
    "load_model": "geomrob.models:load",
    "locations": "geomrob.analysis.locations:locations",
    "margin_curve": "geomrob.analysis.margins:margin_curve",
    "minimum_norms": "geomrob.analysis.norms:minimum_norms",
    "noise": "geomrob.attacks.noise:noise",
    "overlap": "geomrob.analysis.locations:overlap",
    "perturbation_spectrum": "geomrob.analysis.spectra:perturbation_spectrum",
    "pgd": "geomrob.attacks.pgd:pgd",
    "plot_acceptance": "geomrob.plot.curves:plot_acceptance",
    "plot_audit": "geomrob.plot.audit:plot_audit",
    "plot_band_energy": "geomrob.plot.spectra:plot_band_energy",
    "plot_band_examples": "geomrob.plot.examples:plot_band_examples",
    "plot_corruption_sheet": "geomrob.plot.corruption_sheet:plot_corruption_sheet",
    "plot_corruptions": "geomrob.plot.corruptions:plot_corruptions",
    "plot_cross_section": "geomrob.plot.cross_section:plot_cross_section",
    "plot_gallery": "geomrob.plot.gallery:plot_gallery",
    "plot_geometry": "geomrob.plot.geometry:plot_geometry",
    "plot_heat_maps": "geomrob.plot.spectra:plot_heat_maps",
    "plot_inhibition": "geomrob.plot.kernels:plot_inhibition",
    "plot_kernels": "geomrob.plot.kernels:plot_kernels",
    "plot_layers": "geomrob.plot.layers:plot_layers",
    "plot_locations": "geomrob.plot.locations:plot_locations",
    "plot_margin_map": "geomrob.plot.margins:plot_margin_map",
    "plot_margins": "geomrob.plot.margins:plot_margins",
    "plot_norms": "geomrob.plot.norms:plot_norms",
    "plot_radial": "geomrob.plot.spectra:plot_radial",
    "plot_sparsity_sweep": "geomrob.plot.sparsity:plot_sparsity_sweep",
    "plot_spectra": "geomrob.plot.spectra:plot_spectra",
    "plot_strength": "geomrob.plot.curves:plot_strength",
    "plot_trade_off": "geomrob.plot.corruptions:plot_trade_off",
    "plot_transfer": "geomrob.plot.transfer:plot_transfer",
    "push_pull": "geomrob.models.pushpull:push_pull",
    "replace_first_conv": "geomrob.models.replace:replace_first_conv",
    "save": "geomrob.results:save",
    "score": "geomrob.analysis.score:score",
    "sparsefool": "geomrob.attacks.sparsefool:sparsefool",
    "sparsity": "geomrob.analysis.sparsity:sparsity",
    "sparsity_sweep": "geomrob.analysis.sparsity:sweep",
    "strength_curve": "geomrob.analysis.curves:strength_curve",
    "superdeepfool": "geomrob.attacks.superdeepfool:superdeepfool",
    "tight": "geomrob.attacks.tight:tight",
    "transfer_matrix": "geomrob.analysis.transfer:transfer_matrix",
}


def __getattr__(name: str) -> object:
    """Import one public name from its home and remember it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return what this module offers, loaded or not."""
    return sorted({*globals(), *_HOMES})
