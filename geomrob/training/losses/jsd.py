"""The consistency loss of AugMix: predictions of an image and of its augmented versions shall agree."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Logits


def jsd(clean: Logits, one: Logits, other: Logits) -> Float[Tensor, ""]:
    """Return the Jensen-Shannon divergence of three predictions, mean over the images, in nats.

        (KL(p || M) + KL(q || M) + KL(r || M)) / 3    with M = (p + q + r) / 3

    It lies between 0, where all three agree, and ln 3. The training loss is cross-entropy of the clean images plus
    12 times this.

    Args:
        clean: Logits (N, K) of the images.
        one: Of one augmented version of each.
        other: Of another.

    References:
        Hendrycks et al., AugMix, ICLR 2020, eq. 1; with PRIME: Modas, Robustness and invariance properties of image
        classifiers, EPFL 2022, section 5.3.2.

    Differences:
        As the published code, which keeps the mixture in [1e-7, 1] before the logarithm.

    Example:
        >>> import torch
        >>> same = torch.rand(4, 10)
        >>> bool(jsd(same, same, same).abs() < 1e-6)
        True
    """
    parts = [F.softmax(logits, 1) for logits in (clean, one, other)]
    mixture = (sum(parts[1:], start=parts[0]) / 3).clamp(1e-7, 1).log()
    divergences = [F.kl_div(mixture, part, reduction="batchmean") for part in parts]
    return sum(divergences[1:], start=divergences[0]) / 3
