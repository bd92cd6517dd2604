"""Whether a model returns the same logits for an image when it is evaluated again, and among other images."""

from typing import TYPE_CHECKING

import torch

from geomrob.arrays import Images, Logits
from geomrob.inference.classes import check_finite
from geomrob.inference.outputs import agree

if TYPE_CHECKING:
    from geomrob.inference.prepared import Prepared

PROBED = 8
"""How many images are evaluated again: is the model deterministic, and does it look at each image alone?"""


def repeated(ready: "Prepared") -> tuple[bool, bool]:
    """Return whether some images get the same logits when evaluated again, and in other positions of a call.

    They are the first ones, and the last ones of the first call, which are put before them.
    """
    alone = ready.block == 1
    count = min(PROBED, 1 if alone else ready.block - 1)
    first = min(len(ready.images), ready.block)
    last = torch.arange(max(0, first - count // 2), first)
    chosen = torch.cat((last, torch.arange(min(count - len(last), first))))
    clean, images = ready.clean[chosen.to(ready.device)].nan_to_num(), ready.images[chosen]
    # The block is filled up with an image that is none of the others.
    probe = torch.cat((images, 1 - images[-1:]))[: len(clean) + (not alone)]
    again = ready.logits(probe)[: len(clean)].nan_to_num()
    same = torch.equal(again, clean)
    deterministic = same or torch.equal(again, ready.logits(probe)[: len(clean)].nan_to_num())
    return deterministic, same or agree(again, clean)


def check_first_call(ready: "Prepared") -> None:
    """Refuse, before any work, a model that is not deterministic by its first call, or has no finite logit at all.

    Only where the first call has none are the other images evaluated.

    Raises:
        UsageError: It is such a one.
    """
    first = ready.rows(slice(0, ready.block), ready.images[: ready.block])
    first.check_deterministic()
    if not bool(first.clean.isfinite().any()):
        check_finite(ready.clean)


def unchanged(ready: "Prepared", images: Images | None, logits: Logits | None) -> bool:
    """Return whether clean images, and all of these, get the logits that they had, apart from rounding.

    Args:
        ready: The model.
        images, logits: Further images and what the model returned for them, None for none.
    """
    few = max(1, min(PROBED, ready.block // 2))
    rows, known = ready.images[:few], ready.clean[:few]
    images, logits = (rows[:0], known[:0]) if images is None or logits is None else (images, logits)
    # From the last one on, and each part with clean images behind it: other positions, among others than before.
    parts = torch.arange(len(images), device=rows.device).flip(0).split(max(1, ready.block - few))
    return all(agree(ready.logits(torch.cat((images[part], rows))), torch.cat((logits[part], known))) for part in parts)
