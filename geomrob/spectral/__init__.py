"""Bases, subspaces and coordinates of the image space: pure array mathematics, without models or data."""
