"""geomrob measures where the decision boundary of an image classifier lies, and shows it.

Every public name is imported from its home when it is first asked for, so that `import geomrob` loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomrob.analysis.locations import locations, overlap
    from geomrob.analysis.margins import margin_curve
    from geomrob.analysis.sparsity import sparsity
    from geomrob.analysis.sparsity import sweep as sparsity_sweep
    from geomrob.analysis.transfer import transfer_matrix
    from geomrob.arrays import UsageError
    from geomrob.attacks.ddn import ddn
    from geomrob.attacks.deepfool import deepfool
    from geomrob.attacks.eight_bit import eight_bit
    from geomrob.attacks.sparsefool import sparsefool
    from geomrob.attacks.superdeepfool import superdeepfool
    from geomrob.attacks.tight import tight
    from geomrob.data import load as load_data
    from geomrob.models import load as load_model
    from geomrob.plot.examples import plot_band_examples
    from geomrob.plot.gallery import plot_gallery
    from geomrob.plot.locations import plot_locations
    from geomrob.plot.margins import plot_margin_map, plot_margins
    from geomrob.plot.sparsity import plot_sparsity_sweep
    from geomrob.plot.transfer import plot_transfer
    from geomrob.results import (
        AttackResult,
        Locations,
        MarginCurve,
        Overlap,
        Provenance,
        Sparsity,
        Status,
        TransferMatrix,
        equal,
        load,
        save,
    )
    from geomrob.spectral.bases import basis
    from geomrob.spectral.subspaces import bands

__all__ = [
    "AttackResult",
    "Locations",
    "MarginCurve",
    "Overlap",
    "Provenance",
    "Sparsity",
    "Status",
    "TransferMatrix",
    "UsageError",
    "__version__",
    "bands",
    "basis",
    "ddn",
    "deepfool",
    "eight_bit",
    "equal",
    "load",
    "load_data",
    "load_model",
    "locations",
    "margin_curve",
    "overlap",
    "plot_band_examples",
    "plot_gallery",
    "plot_locations",
    "plot_margin_map",
    "plot_margins",
    "plot_sparsity_sweep",
    "plot_transfer",
    "save",
    "sparsefool",
    "sparsity",
    "sparsity_sweep",
    "superdeepfool",
    "tight",
    "transfer_matrix",
]

__version__ = "0.1.0"

_HOMES = {
    "AttackResult": "geomrob.results:AttackResult",
    "Locations": "geomrob.results:Locations",
    "MarginCurve": "geomrob.results:MarginCurve",
    "Overlap": "geomrob.results:Overlap",
    "Provenance": "geomrob.results:Provenance",
    "Sparsity": "geomrob.results:Sparsity",
    "Status": "geomrob.results:Status",
    "TransferMatrix": "geomrob.results:TransferMatrix",
    "UsageError": "geomrob.arrays:UsageError",
    "bands": "geomrob.spectral.subspaces:bands",
    "basis": "geomrob.spectral.bases:basis",
    "ddn": "geomrob.attacks.ddn:ddn",
    "deepfool": "geomrob.attacks.deepfool:deepfool",
    "eight_bit": "geomrob.attacks.eight_bit:eight_bit",
    "equal": "geomrob.results:equal",
    "load": "geomrob.results:load",
    "load_data": "geomrob.data:load",
    "load_model": "geomrob.models:load",
    "locations": "geomrob.analysis.locations:locations",
    "margin_curve": "geomrob.analysis.margins:margin_curve",
    "overlap": "geomrob.analysis.locations:overlap",
    "plot_band_examples": "geomrob.plot.examples:plot_band_examples",
    "plot_gallery": "geomrob.plot.gallery:plot_gallery",
    "plot_locations": "geomrob.plot.locations:plot_locations",
    "plot_margin_map": "geomrob.plot.margins:plot_margin_map",
    "plot_margins": "geomrob.plot.margins:plot_margins",
    "plot_sparsity_sweep": "geomrob.plot.sparsity:plot_sparsity_sweep",
    "plot_transfer": "geomrob.plot.transfer:plot_transfer",
    "save": "geomrob.results:save",
    "sparsefool": "geomrob.attacks.sparsefool:sparsefool",
    "sparsity": "geomrob.analysis.sparsity:sparsity",
    "sparsity_sweep": "geomrob.analysis.sparsity:sweep",
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
