# The public names and their homes: read by type checkers, and by lazy_loader when geomrob is imported.
from .analysis.audit import audit
from .analysis.by_class import by_class
from .analysis.comparison.compare import compare
from .analysis.corruptions.errors import corruption_errors
from .analysis.corruptions.summary import corruption_scores, score_table
from .analysis.decision_based import decision_distances
from .analysis.geometry.cross_section import cross_section
from .analysis.geometry.geometry import geometry
from .analysis.layers import layers
from .analysis.margins import margin_curve
from .analysis.minimum_norms import minimum_norms
from .analysis.perturbation_maps import locations, overlap
from .analysis.robust_accuracy import robust_accuracy
from .analysis.sparsity import sparsity, sparsity_sweep
from .analysis.spectra.band_energy import band_energy
from .analysis.spectra.filter_banks import filter_banks
from .analysis.spectra.fourier_heat_map import heat_map
from .analysis.spectra.spectra import corruption_spectrum, image_spectrum, kernel_spectrum, perturbation_spectrum
from .analysis.strength_curve import acceptance, strength_curve
from .analysis.transfer import transfer_matrix
from .attacks.decision_based.boundary import boundary
from .attacks.fixed_budget.fgsm import fgsm
from .attacks.fixed_budget.noise import noise
from .attacks.fixed_budget.pgd import pgd
from .attacks.minimal.ddn import ddn
from .attacks.minimal.deepfool import deepfool
from .attacks.minimal.sparsefool import sparsefool
from .attacks.minimal.superdeepfool import superdeepfool
from .attacks.minimal.tight import tight
from .attacks.quantization import eight_bit
from .data import load_data
from .data.corruptions import corrupt
from .data.corruptions.precomputed import load_corrupted
from .errors import UsageError
from .models import load_model
from .models.antialias import antialias
from .models.layers.push_pull import PushPullConv2d, push_pull
from .models.push_pull_stem import replace_first_conv
from .plot.accuracy.corruptions import plot_corruptions, plot_trade_off
from .plot.accuracy.robust_accuracy import plot_robust_accuracy
from .plot.accuracy.strength_curve import plot_acceptance, plot_strength
from .plot.accuracy.transfer import plot_transfer
from .plot.audit import plot_audit
from .plot.band_examples import plot_band_examples
from .plot.comparison.forest import plot_comparison
from .plot.corruption_sheet import plot_corruption_sheet
from .plot.cross_section import plot_cross_section
from .plot.decision_based import plot_decision_distances
from .plot.filter_banks import plot_inhibition, plot_kernels
from .plot.geometry import plot_geometry
from .plot.layers import plot_layers
from .plot.margins import plot_margin_map, plot_margins
from .plot.minimum_norms import plot_norms
from .plot.perturbation_maps import plot_locations
from .plot.sparse_gallery import plot_gallery
from .plot.sparsity import plot_sparsity_sweep
from .plot.spectra import plot_band_energy, plot_heat_maps, plot_radial, plot_spectra
from .reports.build import Report, report, report_from
from .results import (
    Acceptance,
    AttackResult,
    Audit,
    AugmentationGrid,
    BandEnergy,
    BandExamples,
    BoundaryResult,
    ByClass,
    Check,
    Comparison,
    CorruptedSet,
    CorruptionScores,
    CorruptionTable,
    CrossSection,
    DatasetCard,
    DecisionDistances,
    FilterBank,
    Geometry,
    HeatMap,
    Layers,
    Locations,
    MarginCurve,
    ModelCard,
    Norms,
    Overlap,
    Provenance,
    RobustAccuracy,
    Sparsity,
    Spectrum,
    Status,
    StrengthCurve,
    TrainingReport,
    Trainings,
    TransferMatrix,
    equal,
    load,
    save,
)
from .results.decision_based import score
from .runs.progress import progress_bar
from .spectral.bases import basis
from .spectral.subspaces import bands

__version__: str

__all__ = [
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
    "PushPullConv2d",
    "Report",
    "RobustAccuracy",
    "Sparsity",
    "Spectrum",
    "Status",
    "StrengthCurve",
    "TrainingReport",
    "Trainings",
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
    "by_class",
    "compare",
    "corrupt",
    "corruption_errors",
    "corruption_scores",
    "corruption_spectrum",
    "cross_section",
    "ddn",
    "decision_distances",
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
    "plot_comparison",
    "plot_corruption_sheet",
    "plot_corruptions",
    "plot_cross_section",
    "plot_decision_distances",
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
    "plot_robust_accuracy",
    "plot_sparsity_sweep",
    "plot_spectra",
    "plot_strength",
    "plot_trade_off",
    "plot_transfer",
    "progress_bar",
    "push_pull",
    "replace_first_conv",
    "report",
    "report_from",
    "robust_accuracy",
    "save",
    "score",
    "score_table",
    "sparsefool",
    "sparsity",
    "sparsity_sweep",
    "strength_curve",
    "superdeepfool",
    "tight",
    "transfer_matrix",
]
