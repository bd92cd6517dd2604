"""Everything geomrob returns: frozen dataclasses of tensors, strings and numbers, one file a question.

A result knows its own meaning (units, norm, what failure looks like) and its birth certificate (`Provenance`).
To add one: its class in a file of this folder, its row in `RESULTS` (`store`), its name here.
"""

from geomrob.results.accuracy import Acceptance, StrengthCurve, TransferMatrix
from geomrob.results.attack import AttackResult, BoundaryResult, Status
from geomrob.results.audit import Audit, Check
from geomrob.results.augmentation import AugmentationGrid
from geomrob.results.corruptions import CorruptedSet, CorruptionScores, CorruptionTable
from geomrob.results.cross_section import CrossSection
from geomrob.results.decisions import DecisionDistances
from geomrob.results.filter_banks import FilterBank
from geomrob.results.geometry import Geometry
from geomrob.results.layers import Layers
from geomrob.results.margins import BandExamples, MarginCurve
from geomrob.results.minimum_norms import Norms
from geomrob.results.models import ModelCard, TrainingReport
from geomrob.results.provenance import Provenance
from geomrob.results.sparse import Locations, Overlap, Sparsity
from geomrob.results.spectra import BandEnergy, HeatMap, Spectrum
from geomrob.results.store import RESULTS, equal, load, save

__all__ = [
    "RESULTS",
    "Acceptance",
    "AttackResult",
    "Audit",
    "AugmentationGrid",
    "BandEnergy",
    "BandExamples",
    "BoundaryResult",
    "Check",
    "CorruptedSet",
    "CorruptionScores",
    "CorruptionTable",
    "CrossSection",
    "DecisionDistances",
    "FilterBank",
    "Geometry",
    "HeatMap",
    "Layers",
    "Locations",
    "MarginCurve",
    "ModelCard",
    "Norms",
    "Overlap",
    "Provenance",
    "Sparsity",
    "Spectrum",
    "Status",
    "StrengthCurve",
    "TrainingReport",
    "TransferMatrix",
    "equal",
    "load",
    "save",
]
