"""How models differ on the same images, and the sentences that say so."""

from geomrob.results.comparison.comparison import Comparison

__all__ = ["Comparison"]
