"""Everything geomrob returns: frozen dataclasses of tensors, strings and numbers, one file a question.

A result knows its own meaning (units, norm, what failure looks like) and its birth certificate (`Provenance`).
To add one: its class in a file of this folder, its row in `RESULTS` (`store`), its name in `__init__.pyi`.
Each is imported when it is first used: facts about models need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
