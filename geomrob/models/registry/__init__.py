"""The table of models: facts and how to build each; importing it loads neither torch nor an architecture."""

from geomrob.models.registry.embedded import EMBEDDED
from geomrob.models.registry.entry import ModelEntry
from geomrob.models.registry.published import PUBLISHED
from geomrob.models.registry.zoo import ZOO

MODELS: dict[str, ModelEntry] = EMBEDDED | ZOO | PUBLISHED
