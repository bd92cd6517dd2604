"""Training: one loop, its recipes, and the accuracy of what comes out."""

from geomrob.augment.registry import Augment
from geomrob.training.evaluate import accuracy
from geomrob.training.loop import Epoch, Fitted, fit
from geomrob.training.losses.pixel_similarity import layer_weights, regularization_images
from geomrob.training.recipe import Adversarial, Hebbian, Options, Recipe, Similarity, read_recipe
from geomrob.training.train import train_recipe

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
    "train_recipe",
]
