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


@pytest.mark.parametrize("wrong", [torch.rand(3), torch.zeros(3, 1, dtype=torch.int64), torch.tensor(3)])
def test_indices_must_be_whole_numbers(wrong):
    with pytest.raises(UsageError, match="one for each image"):
        randomness.image_keys(0, wrong)


def test_indices_are_counted_by_default_and_must_be_one_an_image():
    assert randomness.checked_indices(None, 3).tolist() == [0, 1, 2]
    assert randomness.checked_indices(torch.tensor([7, 5]), 2).tolist() == [7, 5]
    with pytest.raises(UsageError, match=r"indices must be shaped \(2,\) of torch.int64; got \(3,\) of torch.int64"):
        randomness.checked_indices(torch.arange(3), 2)


def test_fifty_thousand_images_have_as_many_keys():
    """Of 32 bits, two of them would share one with a chance of one in four."""
    indices = torch.arange(50_000)
    assert len(randomness.image_keys(0, indices, use="noise gaussian").unique()) == 50_000
    assert len(randomness.bits(randomness.image_keys(0, indices, use="pgd 0"), 2).unique()) == 100_000
    generators = (randomness.image_generator("snow 3", 0, index) for index in range(50_000))
    assert len({generator.bit_generator.state["state"]["key"].tobytes() for generator in generators}) == 50_000


@pytest.mark.parametrize(
    ("use", "recorded"),
    [
        ("", [-723520818489423801, -7538815731002158540]),
        ("noise gaussian", [924587796839789157, 5408932518531888312]),
    ],
)
def test_the_keys_of_images_stay_as_recorded(use, recorded):
    """Shipped weights (augmentations name no use) and recorded numbers (attacks name one) follow from them."""
    keys = randomness.image_keys(3, torch.tensor([0, 49_999]), epoch=2, view=1, use=use)
    assert keys.tolist() == recorded


def test_the_draws_of_an_image_stay_as_recorded():
    keys = randomness.image_keys(0, torch.tensor([7]))
    assert randomness.uniform(keys, 2)[0].tolist() == [0.8627859950065613, 0.8850534558296204]
    recorded = torch.tensor([0.18327303230762482, -0.5114570260047913])
    torch.testing.assert_close(randomness.normal(keys, 2)[0], recorded, rtol=1e-6, atol=0)
    generator = randomness.image_generator("snow 3", 0, 7)
    assert generator.bit_generator.state["state"]["key"].tolist() == [6317926300166390411, 1866606736463709296]
    assert generator.random() == 0.2097966182048231


def test_a_sample_is_the_same_in_any_batch_and_differs_by_use():
    images, indices = torch.zeros(9, 3, 4, 5, dtype=torch.float64), torch.arange(9) + 40
    drawn = randomness.sample(randomness.normal, "noise", 1, indices, images)
    assert drawn.dtype == torch.float64
    alone = [randomness.sample(randomness.normal, "noise", 1, one, images[:1]) for one in indices.split(1)]
    assert torch.equal(torch.cat(alone), drawn)
    for use, seed in (("other", 1), ("noise", 2)):
        assert not bool((randomness.sample(randomness.normal, use, seed, indices, images) == drawn).any())
