"""geomrob measures where the decision boundary of an image classifier lies, and shows it.

Every public name is imported from its home when it is first used, so that `import geomrob` loads nothing heavy.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
