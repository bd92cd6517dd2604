"""Every figure and table of the five papers: its claim, the published numbers, the experiment that computes it.

A row of coverage is an `Entry`, an experiment that serves rows a `Run`. Criteria stand in the rows, before any result.
"""

from experiments.registry.hah import HAH
from experiments.registry.pixels import PIXELS
from experiments.registry.pushpull import PUSHPULL, SUPPLEMENT
from experiments.registry.thesis_appendix import APPENDIX
from experiments.registry.thesis_augmentation import AUGMENTATION
from experiments.registry.thesis_margins import MARGINS
from experiments.registry.thesis_sparse import SPARSE

ENTRIES = {
    entry.id: entry for entry in (*PUSHPULL, *SUPPLEMENT, *HAH, *PIXELS, *SPARSE, *MARGINS, *AUGMENTATION, *APPENDIX)
}
"""All rows by their ids, in the order of the papers."""

PAPERS = {
    "pushpull": "PushPull-Net",
    "supplement": "PushPull-Net, supplement",
    "hah": "Hebbian/anti-Hebbian (HaH) learning",
    "pixelreg": "Pixel-similarity regulariser",
    "thesis": "Robustness and invariance properties of image classifiers (thesis)",
}
"""Titles by the first word of an id."""
