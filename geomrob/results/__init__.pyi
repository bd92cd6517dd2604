# The names of this package and their homes: read by type checkers, and by lazy_loader.
from .accuracy.by_class import ByClass
from .accuracy.corruptions import CorruptedSet, CorruptionScores, CorruptionTable
from .accuracy.robust_accuracy import RobustAccuracy
from .accuracy.strength_curve import Acceptance, StrengthCurve
from .accuracy.transfer import TransferMatrix
from .attack import AttackResult, BoundaryResult, Status
from .audit import Audit, Check
from .augmentation_grid import AugmentationGrid
from .comparison.comparison import Comparison
from .decision_based import DecisionDistances
from .filter_banks import FilterBank
from .geometry import CrossSection, Geometry
from .layers import Layers
from .margins import BandExamples, MarginCurve
from .minimum_norms import Norms
from .models import DatasetCard, ModelCard
from .provenance import Provenance
from .sparsity import Locations, Overlap, Sparsity
from .spectra import BandEnergy, HeatMap, Spectrum
from .store import RESULTS, equal, load, save
from .training import TrainingReport, Trainings

__all__ = [
    "RESULTS",
    "Acceptance",
    "AttackResult",
    "Audit",
    "AugmentationGrid",
    "BandEnergy",
    "BandExamples",
    "BoundaryResult",
    "ByClass",
    "Check",
    "Comparison",
    "CorruptedSet",
    "CorruptionScores",
    "CorruptionTable",
    "CrossSection",
    "DatasetCard",
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
    "RobustAccuracy",
    "Sparsity",
    "Spectrum",
    "Status",
    "StrengthCurve",
    "TrainingReport",
    "Trainings",
    "TransferMatrix",
    "equal",
    "load",
    "save",
]
