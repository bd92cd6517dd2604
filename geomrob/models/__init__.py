"""Models by name: the table `MODELS`, and the functions that build and load a row of it.

Each name is imported from its home when it is first used: the table alone needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
