import pytest
import torch
from scipy import stats

from geomrob import randomness
from geomrob.errors import UsageError

MANY = randomness.image_keys(0, torch.arange(20_000))


def test_the_numbers_are_those_of_splitmix64():
    """The first outputs for the seed 1234567, as every implementation has them."""
    found = [value % 2**64 for value in randomness.bits(torch.tensor([1234567]), 3)[0].tolist()]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_key_draws_the_same_in_any_batch():
    for draw in (randomness.bits, randomness.uniform, randomness.normal, randomness.dirichlet):
        whole = draw(MANY[:50], 7)
        assert torch.equal(torch.cat([draw(part, 7) for part in MANY[:50].split(3)]), whole)
        assert torch.equal(draw(MANY[:50].flip(0), 7), whole.flip(0))
        assert torch.equal(draw(MANY[:50], 12)[:, :7], whole) or draw is randomness.dirichlet


def test_seed_epoch_view_and_image_all_tell():
    index = torch.arange(100)
    sets = [randomness.image_keys(seed, index, epoch=epoch, view=view) for seed, epoch, view in SETS]
    assert len(torch.cat(sets).unique()) == 100 * len(SETS)


SETS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (-1, 0, 0), (2**63 + 5, 0, 0)]


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda keys: randomness.uniform(keys, 1)[:, 0], stats.uniform()),
        (lambda keys: randomness.normal(keys, 3)[:, 2], stats.norm()),
        (lambda keys: randomness.normal_pairs(keys, 2)[1, :, 1], stats.norm()),
        (lambda keys: randomness.dirichlet(keys, 4)[:, 1], stats.beta(1, 3)),
        (lambda keys: randomness.beta(keys, 2, 5), stats.beta(2, 5)),
        (lambda keys: randomness.beta(keys, 0.5, 0.5), stats.beta(0.5, 0.5)),
        (lambda keys: randomness.beta(keys, 1, 1), stats.uniform()),
    ],
)
def test_distributions(draw, law):
    assert stats.kstest(draw(MANY).numpy(), law.cdf).pvalue > 1e-3


def test_numbers_of_one_key_and_of_one_place_are_independent():
    drawn = randomness.normal(MANY[:4000], 8)
    correlations = torch.corrcoef(drawn.T) - torch.eye(8)
    assert correlations.abs().max() < 0.07
    assert abs(float((drawn[1:, 0] * drawn[:-1, 0]).mean())) < 0.07


def test_whole_numbers_reach_both_ends_and_no_further():
    drawn = randomness.whole(MANY, 2, torch.full_like(MANY, 5))
    assert drawn.bincount(minlength=6)[2:].float().div(len(MANY)).sub(0.25).abs().max() < 0.02
    assert (int(drawn.min()), int(drawn.max())) == (2, 5)


def test_indices_must_be_whole_numbers():
    with pytest.raises(UsageError, match="one for each image"):
        randomness.image_keys(0, torch.rand(3))
