"""The terms of a training objective, one file each."""
