"""Attacks that evaluate the predicted class alone."""
