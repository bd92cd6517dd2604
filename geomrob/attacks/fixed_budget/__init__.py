"""Perturbations of a given strength."""
