"""Commands that measure models on images."""
