"""Training: one loop, its recipes, and the accuracy of what comes out."""

from geomrob.augment.registry import Augment
from geomrob.training.by_recipe import report, train_recipe
from geomrob.training.evaluate import accuracy
from geomrob.training.loop import Epoch, Fitted, fit
from geomrob.training.losses.pixel_similarity import layer_weights, regularization_images
from geomrob.training.recipe import Adversarial, Hebbian, Options, Recipe, Similarity
from geomrob.training.recipe_files import read_recipe

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
    "train_recipe",
]
