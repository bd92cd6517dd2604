import math

import numpy as np
import pytest
import torch
from scipy import stats

from geomrob import randomness
from geomrob.augment import diffeomorphism as module
from geomrob.augment.diffeomorphism import (
    displacements,
    drawn_strengths,
    largest_cut,
    random_diffeomorphism,
    remapped,
    variances,
)
from geomrob.errors import UsageError

MANY = randomness.image_keys(5, torch.arange(10_000))


def modes(cut):
    return [(i, j) for i in range(1, cut + 1) for j in range(1, cut + 1) if i * i + j * j <= cut * cut]


def determinants(fields):
    """det(1 + J) at the four corners of every square of pixels."""
    down, right = fields.diff(dim=2), fields.diff(dim=3)
    found = []
    for left in (slice(0, -1), slice(1, None)):
        for top in (slice(0, -1), slice(1, None)):
            a, b = down[..., left].unbind(1), right[:, :, top].unbind(1)
            found.append((1 + a[0]) * (1 + b[1]) - a[1] * b[0])
    return torch.stack(found)


def central(fields):
    """det(1 + J) by central differences at the inner pixels."""
    down = (fields[:, :, 2:, 1:-1] - fields[:, :, :-2, 1:-1]) / 2
    right = (fields[:, :, 1:-1, 2:] - fields[:, :, 1:-1, :-2]) / 2
    return (1 + down[:, 0]) * (1 + right[:, 1]) - down[:, 1] * right[:, 0]


def test_mean_and_variance_over_many_draws():
    """E = 0, Var = n^2 sigma^2 sum of sin^2(pi i r1) sin^2(pi j r2) / (i^2 + j^2), down and right independent."""
    side, cut, sigma = 9, 4, 0.05
    drawn = displacements(MANY, torch.full_like(MANY, cut), torch.full((10_000,), sigma), (side, side), bijective=False)
    place = torch.linspace(0, 1, side)
    wave = {i: torch.sin(math.pi * i * place) ** 2 for i in range(1, cut + 1)}
    wanted = (side * sigma) ** 2 * sum(torch.outer(wave[i], wave[j]) / (i * i + j * j) for i, j in modes(cut))
    inner = (slice(None), slice(1, -1), slice(1, -1))
    assert (drawn.var(0)[inner] / wanted[1:-1, 1:-1] - 1).abs().max() < 0.1
    assert (drawn.mean(0)[inner] / wanted[1:-1, 1:-1].sqrt()).abs().max() < 0.06
    assert abs(float(torch.corrcoef(drawn[:, :, 4, 3].T)[0, 1])) < 0.05
    assert not drawn[:, :, [0, -1]].any()
    assert not drawn[..., [0, -1]].any()


@pytest.mark.parametrize("shape", [(28, 28), (32, 32), (20, 31)])
def test_no_map_folds_at_the_pixels_or_between_them(shape):
    """1,000 draws at the upper end of the strengths of every cut; the finer grid has 16 places a pixel."""
    keys = MANY[:1000]
    side = min(shape)
    cut = randomness.whole(randomness.fork(keys, 1), 2, largest_cut(side))
    sigma = variances(side, cut)[1].sqrt()
    drawn = displacements(keys, cut, sigma, shape)
    assert determinants(drawn).min() > 0
    assert central(drawn).min() > 0
    free = displacements(keys, cut, sigma, shape, bijective=False)
    assert (determinants(free) <= 0).any()
    few = slice(0, 100)
    kept = drawn[few].flatten(1).norm(dim=1) / free[few].flatten(1).norm(dim=1)
    height, width = (4 * (length - 1) + 1 for length in shape)
    fine = displacements(keys[few], cut[few], kept * sigma[few], (height, width), bijective=False)
    assert determinants(fine).min() > 0


def test_maps_that_do_not_fold_are_left_alone():
    keys = MANY[:200]
    cut = torch.full_like(keys, 3)
    sigma = variances(28, cut)[0].sqrt()
    free = displacements(keys, cut, sigma, (28, 28), bijective=False)
    assert torch.equal(displacements(keys, cut, sigma, (28, 28)), free)


def test_the_range_of_strengths():
    """T1: half a pixel typical at the centre; T2 = T1 at the largest cut."""
    assert largest_cut(32) == 20
    low, high = variances(32, torch.tensor([2, 20, 21]))
    assert float(low[0]) == pytest.approx(1 / (math.pi * 1024 * math.log(2)))
    assert float(high[0]) == pytest.approx(4 / (math.pi**3 * 4 * math.log(2)))
    assert (high > low).tolist() == [True, True, False]


def test_it_is_the_clamp_and_floor_remap():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 7, 6, dtype=torch.float64, generator=generator)
    moves = 6 * torch.rand(2, 2, 7, 6, dtype=torch.float64, generator=generator) - 3
    found = remapped(images, moves)
    for n in range(2):
        for y in range(7):
            for x in range(6):
                down = min(max(y + float(moves[n, 0, y, x]), 0.0), 6.0)
                right = min(max(x + float(moves[n, 1, y, x]), 0.0), 5.0)
                top, left = int(down), int(right)
                below, beside = min(top + 1, 6), min(left + 1, 5)
                upper = images[n, :, top, left] * (1 - right + left) + images[n, :, top, beside] * (right - left)
                lower = images[n, :, below, left] * (1 - right + left) + images[n, :, below, beside] * (right - left)
                wanted = upper * (1 - down + top) + lower * (down - top)
                torch.testing.assert_close(found[n, :, y, x], wanted)


def test_the_released_cuts_and_strengths():
    """m ~ U{3 ... 100}, c = floor(2 + (m - 1) b), T = T1 + (max(T1, T2) - T1) b' with b, b' ~ Beta(1/2, 1/2)."""
    cuts, sigma = drawn_strengths(MANY, 32, 2, 100, uniform=False)
    arcsine, top = stats.beta(0.5, 0.5), np.arange(3, 101)
    shares = np.array(
        [np.diff(arcsine.cdf(np.array([c - 2, c - 1])[:, None] / (top - 1)), axis=0).mean() for c in range(2, 101)]
    )
    assert shares.sum() == pytest.approx(1)
    assert stats.chisquare(np.bincount(cuts, minlength=101)[2:], 10_000 * shares).pvalue > 1e-3
    low, high = variances(32, cuts)
    place = ((sigma**2 - low) / (high - low))[cuts <= 15]
    assert stats.kstest(place.numpy(), arcsine.cdf).pvalue > 1e-3
    torch.testing.assert_close(sigma[cuts > 20], low[cuts > 20].sqrt())
    assert float((cuts > 20).float().mean()) == pytest.approx(0.48, abs=0.02)


def released_length(generator, side, cut):
    """The root mean square of one released displacement in pixels, mode by mode in float64."""
    bound = 1 / (math.pi * side**2 * math.log(cut))
    variance = bound + (max(bound, 4 / (math.pi**3 * cut**2 * math.log(cut))) - bound) * generator.beta(0.5, 0.5)
    index = np.arange(1, cut + 1)
    radius = np.hypot(index[:, None], index)
    coefficients = generator.standard_normal((cut, cut)) * (radius < cut + 0.5) / radius
    waves = np.sin(math.pi * np.outer(np.linspace(0, 1, side), index))
    return math.sqrt(variance) * side * np.sqrt(np.square(waves @ coefficients @ waves.T).mean())


def test_the_released_law_deforms_as_far_as_the_released_code():
    """A twin in numpy draws by the letter; half of the maps of the capped law go 1.6 times as far on 32 pixels."""
    generator, lengths = np.random.default_rng(0), []
    for _ in range(1500):
        top = generator.integers(3, 101)
        lengths.append(released_length(generator, 32, int(2 + (top - 1) * generator.beta(0.5, 0.5))))
    found = {}
    for law, highest in (("released", 100), ("capped", 20)):
        cuts, sigma = drawn_strengths(MANY[:1500], 32, 2, highest, uniform=False)
        moves = displacements(MANY[:1500], cuts, sigma, (32, 32), bijective=False, beyond=law == "released")
        found[law] = moves[:, 0].square().mean((1, 2)).sqrt()
    assert stats.ks_2samp(found["released"].numpy(), lengths).pvalue > 1e-3
    assert stats.ks_2samp(found["capped"].numpy(), lengths).pvalue < 1e-9
    assert float(found["capped"].median() / found["released"].median()) == pytest.approx(1.6, rel=0.1)


def test_the_modes_of_the_released_law():
    """Those with i^2 + j^2 < (c + 1/2)^2, also beyond the pixels."""
    side, cut, sigma = 5, 7, 0.05
    drawn = displacements(
        MANY, torch.full_like(MANY, cut), torch.full((10_000,), sigma), (side, side), bijective=False, beyond=True
    )
    index = range(1, cut + 1)
    kept = [(i, j) for i in index for j in index if math.hypot(i, j) < cut + 0.5]
    assert len(kept) > len(modes(cut))
    wave = {i: torch.sin(math.pi * i * torch.linspace(0, 1, side)) ** 2 for i in index}
    wanted = (side * sigma) ** 2 * sum(torch.outer(wave[i], wave[j]) / (i * i + j * j) for i, j in kept)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    assert (drawn.var(0)[inner] / wanted[1:-1, 1:-1] - 1).abs().max() < 0.1


def test_the_cut_is_fixed_where_least_equals_it(monkeypatch):
    """As the thesis fixes K_tau: 100, as far as the images carry it."""
    seen = []
    real = module.displacements
    monkeypatch.setattr(
        module, "displacements", lambda keys, cut, *args, **how: seen.append(cut) or real(keys, cut, *args, **how)
    )
    for least in (100, 2):
        random_diffeomorphism(torch.rand(50, 1, 32, 32), MANY[:50], cut=100, least=least)
    assert seen[0].unique().tolist() == [20]
    assert len(seen[1].unique()) > 10


@pytest.mark.parametrize("law", ["thesis", "released", "capped"])
def test_draws_do_not_depend_on_the_batch_and_without_strength_nothing_moves(law):
    images = torch.rand(12, 3, 10, 12, generator=torch.Generator().manual_seed(1))
    drawn = random_diffeomorphism(images, MANY[:12], law=law)
    split = [random_diffeomorphism(images[i : i + 1], MANY[i : i + 1], law=law) for i in range(12)]
    torch.testing.assert_close(torch.cat(split), drawn, atol=1e-5, rtol=0)
    still = random_diffeomorphism(images, MANY[:12], law=law, strength=0)
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)


def test_misuse():
    images = torch.rand(1, 1, 8, 8)
    with pytest.raises(UsageError, match="at least 4 pixels"):
        random_diffeomorphism(torch.rand(1, 1, 3, 8), MANY[:1])
    with pytest.raises(UsageError, match=r"least must lie in 2 \.\.\. cut"):
        random_diffeomorphism(images, MANY[:1], least=5, cut=4)
    with pytest.raises(UsageError, match="would alias"):
        displacements(MANY[:1], torch.tensor([8]), torch.ones(1), (8, 8))
    with pytest.raises(UsageError, match="law must be one of"):
        random_diffeomorphism(images, MANY[:1], law="other")
