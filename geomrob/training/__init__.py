"""Training: one loop, its recipes, and the accuracy of what comes out."""

from geomrob.training.evaluate import accuracy
from geomrob.training.fit import Epoch, Fitted, fit
from geomrob.training.recipe import Options, Recipe, read_recipe
from geomrob.training.report import report

__all__ = ["Epoch", "Fitted", "Options", "Recipe", "accuracy", "fit", "read_recipe", "report"]
