"""Training: one loop, its recipes, and the accuracy of what comes out."""

from geomrob.training.augmentation import Augment
from geomrob.training.evaluate import accuracy
from geomrob.training.fit import Epoch, Fitted, fit
from geomrob.training.layer_weights import layer_weights
from geomrob.training.parts import Adversarial, Hebbian, Similarity
from geomrob.training.pool import regularization_images
from geomrob.training.read import read_recipe
from geomrob.training.recipe import Options, Recipe
from geomrob.training.report import report

__all__ = [
    "Adversarial",
    "Augment",
    "Epoch",
    "Fitted",
    "Hebbian",
    "Options",
    "Recipe",
    "Similarity",
    "accuracy",
    "fit",
    "layer_weights",
    "read_recipe",
    "regularization_images",
    "report",
]
