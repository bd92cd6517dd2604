# The names of this package and their homes: read by type checkers, and by lazy_loader.
from .backward_surrogates import SURROGATES, smoothed_gradients, surrogate_gradients
from .cards import model_cards
from .loading import ASSETS, build, load_model, move
from .registry import MODELS
from .registry.entry import Claim, ModelEntry

__all__ = [
    "ASSETS",
    "MODELS",
    "SURROGATES",
    "Claim",
    "ModelEntry",
    "build",
    "load_model",
    "model_cards",
    "move",
    "smoothed_gradients",
    "surrogate_gradients",
]
