"""Central similarity quantisation: networks that give each class a binary code of its own."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.linalg import hadamard
from torch import Tensor, nn

from geomrob.arrays import Labels
from geomrob.errors import UsageError
from geomrob.models.module_replacement import replace_module


def hash_targets(classes: int, bits: int = 64, *, seed: int = 0) -> Float[Tensor, "k b"]:
    """Return the code of each class, -1 and 1, far from all others.

    Up to 2 * bits classes take rows of a Hadamard matrix and then of its negative: any two differ in half the bits, a
    row and its negative in all. More classes, or bits that are no power of two, take independent fair bits.

    Args:
        classes: How many codes.
        bits: Their length.
        seed: Of the fair bits.

    Raises:
        UsageError: Fewer than two classes, or no bit.

    References:
        Yuan et al., Central similarity quantization for efficient image and video retrieval, CVPR 2020.

    Differences:
        The released code of that paper draws each fair bit so that half of a code's are 1; here they are independent.

    Example:
        >>> codes = hash_targets(10)
        >>> (codes @ codes.T).unique().tolist()
        [0.0, 64.0]
    """
    if classes < 2 or bits < 1:
        raise UsageError(f"classes must be at least 2 and bits at least 1; got {classes}, {bits}: 64 bits are usual")
    if bits & (bits - 1) or classes > 2 * bits:
        drawn = torch.randint(2, (classes, bits), generator=torch.Generator().manual_seed(seed))
        return 2.0 * drawn - 1
    rows = torch.tensor(hadamard(bits), dtype=torch.float32)
    return torch.cat((rows, -rows))[:classes]


def csq_loss(
    outputs: Float[Tensor, "n b"], labels: Labels, targets: Float[Tensor, "k b"], *, quantisation: float = 1e-4
) -> Float[Tensor, ""]:
    r"""Return L_hash + lambda L_quantisation, mean over images and bits.

        L_hash = BCE of p = (1 + tanh y) / 2 against the bits (1 + c) / 2 of the class
        L_quantisation = (|tanh y| - 1)^2

    Args:
        outputs: y, of the network.
        labels: Classes.
        targets: c, of `hash_targets`.
        quantisation: lambda.

    References:
        PushPull-Net, supplement 7.2, eqs. 16 and 17.

    Differences:
        The supplement does not say how outputs become probabilities; tanh is from its second term and from CSQ. p
        equals sigmoid(2 y), which is how it is computed: the logarithm of a saturated bit stays finite.

    Example:
        >>> targets = hash_targets(2, 4)
        >>> csq_loss(torch.zeros(2, 4), torch.tensor([0, 1]), targets).item()
        0.69324...
    """
    bits = (1 + targets.to(outputs)[labels]) / 2
    distance = (outputs.tanh().abs() - 1).square().mean()
    return F.binary_cross_entropy_with_logits(2 * outputs, bits) + quantisation * distance


def hash_head(model: nn.Module, bits: int = 64, *, seed: int = 0) -> nn.Module:
    """Return `model`, changed in place: its last linear layer gives `bits` outputs instead of scores of classes.

    Args:
        model: With a linear layer as its last.
        bits: Length of the code.
        seed: Of the new weights, drawn as `torch.nn.Linear` draws them; the global generator is left alone.

    Raises:
        UsageError: No linear layer, or it is the model itself.

    Example:
        >>> model = hash_head(nn.Sequential(nn.Flatten(), nn.Linear(16, 10)), 8)
        >>> model(torch.zeros(1, 1, 4, 4)).shape
        torch.Size([1, 8])
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear or linear[-1] is model:
        raise UsageError(f"model must end in a linear layer; got {type(model).__name__} without: add one")
    old: Any = linear[-1]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        new = nn.Linear(old.in_features, bits, bias=old.bias is not None)
    replace_module(model, old, new.to(old.weight))
    return model


class HashingObjective(nn.Module):
    """The loss of a batch for a hashing network, called as `Objective` is.

    Args:
        classes, bits, seed: As in `hash_targets`.
        quantisation: As in `csq_loss`.

    Example:
        >>> net, labels = nn.Sequential(nn.Flatten(), nn.Linear(4, 8)), torch.tensor([0, 1])
        >>> HashingObjective(2, 8)(net, torch.rand(2, 1, 2, 2), labels).requires_grad
        True
    """

    targets: Tensor

    def __init__(self, classes: int, bits: int = 64, *, quantisation: float = 1e-4, seed: int = 0) -> None:
        super().__init__()
        self.settings = f"{classes}, {bits}, quantisation={quantisation}, seed={seed}"
        self.quantisation = quantisation
        self.register_buffer("targets", hash_targets(classes, bits, seed=seed))

    def extra_repr(self) -> str:
        """Return the settings, by which a training that is resumed is known to be the same."""
        return self.settings

    def forward(
        self, model: nn.Module, images: Tensor, labels: Tensor, _generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the loss of one batch, to be minimised; nothing is drawn."""
        return csq_loss(model(images), labels, self.targets, quantisation=self.quantisation)
