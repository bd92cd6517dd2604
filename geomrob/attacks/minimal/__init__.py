"""Attacks that minimise the norm of an adversarial perturbation."""
