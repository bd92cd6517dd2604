"""geomrob measures where the decision boundary of an image classifier lies, and shows it.

Every public name is imported from its home when it is first asked for, so that `import geomrob` loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomrob.analysis.margins import margin_curve
    from geomrob.arrays import UsageError
    from geomrob.attacks.ddn import ddn
    from geomrob.attacks.deepfool import deepfool
    from geomrob.attacks.superdeepfool import superdeepfool
    from geomrob.attacks.tight import tight
    from geomrob.data import load as load_data
    from geomrob.models import load as load_model
    from geomrob.plot.examples import plot_band_examples
    from geomrob.plot.margins import plot_margin_map, plot_margins
    from geomrob.results import AttackResult, MarginCurve, Provenance, Status, equal, load, save
    from geomrob.spectral.bases import basis
    from geomrob.spectral.subspaces import bands

__all__ = [
    "AttackResult",
    "MarginCurve",
    "Provenance",
    "Status",
    "UsageError",
    "__version__",
    "bands",
    "basis",
    "ddn",
    "deepfool",
    "equal",
    "load",
    "load_data",
    "load_model",
    "margin_curve",
    "plot_band_examples",
    "plot_margin_map",
    "plot_margins",
    "save",
    "superdeepfool",
    "tight",
]

__version__ = "0.1.0"

_HOMES = {
    "AttackResult": "geomrob.results:AttackResult",
    "MarginCurve": "geomrob.results:MarginCurve",
    "Provenance": "geomrob.results:Provenance",
    "Status": "geomrob.results:Status",
    "UsageError": "geomrob.arrays:UsageError",
    "bands": "geomrob.spectral.subspaces:bands",
    "basis": "geomrob.spectral.bases:basis",
    "ddn": "geomrob.attacks.ddn:ddn",
    "deepfool": "geomrob.attacks.deepfool:deepfool",
    "equal": "geomrob.results:equal",
    "load": "geomrob.results:load",
    "load_data": "geomrob.data:load",
    "load_model": "geomrob.models:load",
    "margin_curve": "geomrob.analysis.margins:margin_curve",
    "plot_band_examples": "geomrob.plot.examples:plot_band_examples",
    "plot_margin_map": "geomrob.plot.margins:plot_margin_map",
    "plot_margins": "geomrob.plot.margins:plot_margins",
    "save": "geomrob.results:save",
    "superdeepfool": "geomrob.attacks.superdeepfool:superdeepfool",
    "tight": "geomrob.attacks.tight:tight",
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
