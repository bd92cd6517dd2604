"""PRIME: images mixed from random chains of three primitives of largest entropy, spectral, spatial and colour."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images, per_sample
from geomrob.augment.color_jitter import random_colors
from geomrob.augment.diffeomorphism import LAWS, random_diffeomorphism
from geomrob.augment.random_filter import DELTAS, random_filter
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys

MIXINGS = ("thesis", "beta", "released", "none")
PRIMITIVES = ("spectral", "spatial", "color")


@dataclass(frozen=True)
class Prime:
    """The numbers of PRIME. The defaults are those of the thesis for images of 32 pixels; see `PRESETS`.

    Args:
        width: n, chains that are mixed.
        depth: m, primitives in a chain.
        mixing: `thesis` mixes the image and its n chains with Dirichlet shares, each link of a chain being a primitive
            or the identity (algorithm 3); `beta` mixes the chains alone and the result with the image by eq. 5.9;
            `released` does that with chains of random depth without identity; `none` gives the first chain as it is.
        beta: alpha and beta of eq. 5.9, for `beta` and `released`.
        strength: alpha of section 5.4.3, a factor of every sigma.
        primitives: Which ones a chain is drawn from, of `PRIMITIVES`.
        law: How strength and smoothness are drawn, `thesis` or `released` (see the primitives); `capped` is released
            but for deformations, whose cuts are at most 2n/pi.
        spectral_size: K_omega, odd side of the filters.
        spectral_strength: Largest sigma_omega.
        delta: `centre`, or `released` for the displaced identity of the released filters.
        spatial_cut: K_tau, the highest cut frequency; but for the released law at most 2n/pi.
        spatial_least: The lowest; equal to `spatial_cut` it fixes K_tau.
        bijective: Whether deformations that would fold are weakened.
        color_cut: K_gamma.
        color_strength: Largest sigma_gamma.
        color_band: Delta, how many consecutive frequencies; 0 for all.

    Raises:
        UsageError: A value out of its range.
    """

    width: int = 3
    depth: int = 3
    mixing: str = "thesis"
    beta: tuple[float, ...] = (1.0, 1.0)
    strength: float = 1.0
    primitives: tuple[str, ...] = PRIMITIVES
    law: str = "thesis"
    spectral_size: int = 3
    spectral_strength: float = 4.0
    delta: str = "centre"
    spatial_cut: int = 100
    spatial_least: int = 2
    bijective: bool = True
    color_cut: int = 10
    color_strength: float = 0.01
    color_band: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no PRIME, in one sentence."""
        words = {"mixing": MIXINGS, "law": LAWS, "delta": DELTAS}
        for name, table in words.items():
            if getattr(self, name) not in table:
                raise unknown(f"{name} of PRIME", getattr(self, name), table)
        for name in self.primitives:
            if name not in PRIMITIVES:
                raise unknown("primitive", name, PRIMITIVES)
        if min(self.width, self.depth, len(self.primitives)) < 1 or not 0 <= self.strength < math.inf:
            values = (
                f"width {self.width}, depth {self.depth}, {len(self.primitives)} primitives, strength {self.strength}"
            )
            raise UsageError(
                f"width, depth and primitives of PRIME must be at least 1, strength at least 0; got {values}: 3, 3, "
                "all and 1 are the defaults"
            )
        if len(self.beta) != 2 or not min(self.beta) > 0:
            raise UsageError(f"beta of PRIME must be two numbers above 0; got {self.beta}: (1, 1) is uniform")


PRESETS: dict[str, Prime] = {
    "cifar": Prime(),
    "cifar-fixed": Prime(spatial_least=100),
    "imagenet": Prime(spatial_cut=500, color_cut=500, color_strength=0.05, color_band=20),
    "cifar-released": Prime(mixing="released", law="released", delta="released", bijective=False, color_cut=100),
    "cifar-capped": Prime(mixing="released", law="capped", delta="released", bijective=False, color_cut=100),
    "imagenet-released": Prime(
        mixing="released",
        law="released",
        delta="released",
        bijective=False,
        spatial_cut=500,
        color_cut=500,
        color_strength=0.05,
        color_band=20,
    ),
}
"""The numbers of the thesis, with K_tau drawn or fixed, and of the released code; `cifar-capped` is what the recorded
recipes at the released numbers were trained with."""


@torch.no_grad()
def prime(images: Images, keys: Keys, how: Prime | None = None) -> Images:
    """Return one PRIME image of each image, in [0, 1].

    With x_0 = x and x_i = g_m(... g_1(x)), each g drawn from identity, filter, deformation and colour curve,

        x~ = sum over i = 0 ... n of lambda_i x_i,    lambda ~ Dirichlet(1, ..., 1)        (algorithm 3)

    Everything is drawn image by image, link by link. Images with the same primitive at one link are computed together,
    and no primitive is computed for an image that did not draw it.

    Args:
        images: (N, C, H, W) in [0, 1], at least 4 x 4, on any device.
        keys: One an image: `randomness.image_keys(seed, indices, epoch=...)`. The same key draws the same, whatever the
            batch.
        how: The numbers; None for those of the thesis for small images.

    Raises:
        UsageError: Images or numbers that a primitive refuses.

    References:
        Modas, Rade, Ortiz-Jimenez, Moosavi-Dezfooli, Frossard, PRIME: a few primitives can boost robustness to common
        corruptions, ECCV 2022; Modas, Robustness and invariance properties of image classifiers, EPFL 2022, algorithm
        3, eqs. 5.3-5.6 and 5.9, appendix B.

    Differences:
        The released code mixes by eq. 5.9 with a uniform p, so that the clean image has a mean weight of 1/2 instead of
        1/(n+1), and draws the depth of a chain from {1 ... m} (`mixing="released"`). It shares deformations, and cut,
        strength and band of colours, among all images of a batch, and computes every primitive for every image.

    Example:
        >>> from geomrob.randomness import image_keys
        >>> prime(torch.rand(2, 3, 8, 8), image_keys(0, torch.arange(2))).shape
        torch.Size([2, 3, 8, 8])
    """
    how = how or Prime()
    width = 1 if how.mixing == "none" else how.width
    count = len(images)
    chain_keys = torch.cat([randomness.fork(keys, 1, chain) for chain in range(width)])
    chains = images.repeat(width, 1, 1, 1)
    links = _links(chain_keys, how)
    for link in range(how.depth):
        link_keys = randomness.fork(chain_keys, 2, link)
        for number, name in enumerate(how.primitives):
            drawn = (links[:, link] == number).nonzero().flatten()
            if len(drawn):
                chains[drawn] = _primitive(name, chains[drawn], link_keys[drawn], how)
    return _mixed(images, chains.unflatten(0, (width, count)), randomness.fork(keys, 3), how).clamp_(0, 1)


def _links(keys: Keys, how: Prime) -> Tensor:
    """Return which primitive each link of each chain is, (chains, depth); beyond the last one it is the identity."""
    kinds = len(how.primitives)
    share = randomness.uniform(randomness.fork(keys, 0), how.depth)
    if how.mixing != "released":
        return (share * (kinds + 1)).long()
    depth = randomness.whole(randomness.fork(keys, 1), 1, how.depth)
    beyond = torch.arange(how.depth, device=keys.device) >= depth[:, None]
    return (share * kinds).long().masked_fill(beyond, kinds)


def _primitive(name: str, images: Images, keys: Keys, how: Prime) -> Tensor:
    """Return images after one primitive."""
    if name == "spectral":
        strength = how.strength * how.spectral_strength
        return random_filter(images, keys, size=how.spectral_size, strength=strength, delta=how.delta)
    if name == "spatial":
        cut, least = how.spatial_cut, how.spatial_least
        return random_diffeomorphism(
            images, keys, cut=cut, least=least, strength=how.strength, law=how.law, bijective=how.bijective
        )
    # The released strength is a variance.
    law = "thesis" if how.law == "thesis" else "released"
    strength = how.color_strength * (how.strength if law == "thesis" else how.strength**2)
    return random_colors(images, keys, cut=how.color_cut, strength=strength, band=how.color_band, law=law)


def _mixed(images: Tensor, chains: Tensor, keys: Keys, how: Prime) -> Tensor:
    """Return what is made of the images and their chains (width, N, C, H, W)."""
    if how.mixing == "none":
        return chains[0]
    if how.mixing == "thesis":
        return _combined(torch.cat((images[None], chains)), keys)
    share = per_sample(randomness.beta(randomness.fork(keys, 0), *how.beta), images).to(images)
    return torch.lerp(images, _combined(chains, keys), share)


def _combined(parts: Tensor, keys: Keys) -> Tensor:
    """Return the sum of parts (P, N, C, H, W) with Dirichlet shares, one draw an image."""
    shares = randomness.dirichlet(randomness.fork(keys, 1), len(parts)).to(parts)
    total = torch.zeros_like(parts[0])
    for part, share in zip(parts, shares.T, strict=True):
        total.addcmul_(part, per_sample(share, part))
    return total
