"""Layers claimed to improve robustness, and the layers for normalisation and preprocessing."""
