"""Which plot draws which result, by name: a notebook shows it below the tables; imported when it is drawn."""

PICTURES = {
    "Acceptance": "geomrob.plot.strength_curve:plot_acceptance",
    "Audit": "geomrob.plot.audit:plot_audit",
    "AugmentationGrid": "geomrob.plot.augmentation_grid:plot_primitive",
    "BandEnergy": "geomrob.plot.spectra:plot_band_energy",
    "BandExamples": "geomrob.plot.band_examples:plot_band_examples",
    "Comparison": "geomrob.plot.comparison.forest:plot_comparison",
    "CorruptionTable": "geomrob.plot.corruptions:plot_corruptions",
    "CrossSection": "geomrob.plot.cross_section:plot_cross_section",
    "DecisionDistances": "geomrob.plot.decision_based:plot_decision_distances",
    "FilterBank": "geomrob.plot.filter_banks:plot_kernels",
    "Geometry": "geomrob.plot.geometry:plot_geometry",
    "HeatMap": "geomrob.plot.spectra:plot_heat_maps",
    "Layers": "geomrob.plot.layers:plot_layers",
    "Locations": "geomrob.plot.perturbation_maps:plot_locations",
    "MarginCurve": "geomrob.plot.margins:plot_margins",
    "Norms": "geomrob.plot.minimum_norms:plot_norms",
    "RobustAccuracy": "geomrob.plot.robust_accuracy:plot_robust_accuracy",
    "Sparsity": "geomrob.plot.sparse_gallery:plot_gallery",
    "Spectrum": "geomrob.plot.spectra:plot_spectra",
    "StrengthCurve": "geomrob.plot.strength_curve:plot_strength",
    "TransferMatrix": "geomrob.plot.transfer:plot_transfer",
}
"""For each result that has a picture, the function that draws it, as module:function."""
