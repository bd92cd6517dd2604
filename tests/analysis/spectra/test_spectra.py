"""Spectra, energies and heat maps against closed forms: what is in the mean, what is left out, what the error is."""

import dataclasses
import math

import pytest
import torch

from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.fourier_heat_map import heat_map, random_signs
from geomrob.analysis.spectra.mean_spectrum import CHUNK
from geomrob.analysis.spectra.spectra import corruption_spectrum, image_spectrum, kernel_spectrum, perturbation_spectrum
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.errors import UsageError
from geomrob.models import load_model
from geomrob.results import AttackResult, Status, equal, load, save
from geomrob.spectral.bases import basis
from geomrob.spectral.fourier_directions import fourier_directions, half_plane
from geomrob.spectral.push_pull_kernel import push_pull_kernel
from geomrob.spectral.spectra import ring_means, spectra
from geomrob.spectral.subspaces import Subspace, blocks, rings
from tests.oracles import LinearModel

pytestmark = pytest.mark.usefixtures("small_blocks")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attack_result(perturbation, success=None):
    """Return a result whose perturbations are exactly those given."""
    count = len(perturbation)
    success = torch.ones(count, dtype=torch.bool) if success is None else success
    inputs, number = torch.zeros_like(perturbation), torch.ones(count, dtype=torch.int64)
    status = torch.where(success, int(Status.FOUND), int(Status.STEP_LIMIT))
    return AttackResult(inputs, number, inputs + perturbation, success, status, number, 3 * number, 2 * number)


@pytest.mark.parametrize("order", ["mean-of-modulus", "modulus-of-mean"])
@pytest.mark.parametrize("kind", ["power", "amplitude"])
def test_the_order_of_mean_and_modulus(order, kind):
    images = noise(5, 2, 6, 6)
    found = image_spectrum(images, order=order, kind=kind)
    if order == "mean-of-modulus":
        expected = spectra(images, kind=kind).mean(0)
    else:
        expected = spectra(images.mean(0, keepdim=True), kind=kind)[0]
    torch.testing.assert_close(found.values, expected)
    torch.testing.assert_close(found.radial, ring_means(expected)[0])
    torch.testing.assert_close(found.rings, ring_means(spectra(images, kind=kind))[0])


def test_what_has_no_fixed_place_cancels_in_the_mean_image():
    images = noise(400, 1, 8, 8)
    assert float(image_spectrum(images).values.mean()) == pytest.approx(1, abs=0.05)
    assert float(image_spectrum(images, order="modulus-of-mean").values.mean()) == pytest.approx(1 / 400, rel=0.3)


@pytest.mark.parametrize("order", ["mean-of-modulus", "modulus-of-mean"])
def test_the_error_is_that_of_leaving_one_image_out(order):
    images = noise(6, 2, 5, 7)
    found = image_spectrum(images, order=order)
    without = torch.stack(
        [image_spectrum(torch.cat((images[:i], images[i + 1 :])), order=order).radial for i in range(6)]
    )
    expected = ((without - without.mean(0)).square().sum(0) * 5 / 6).sqrt()
    torch.testing.assert_close(found.error, expected)
    if order == "mean-of-modulus":
        torch.testing.assert_close(found.error, found.rings.std(0) / math.sqrt(6))
    assert bool(image_spectrum(images[:1], order=order).error.isnan().all())


def test_chunks_do_not_change_the_mean():
    images = noise(CHUNK + 5, 1, 4, 4)
    torch.testing.assert_close(image_spectrum(images).values, spectra(images).mean(0))


def test_shares_of_the_rings_sum_to_one_and_quantiles_are_those_of_images():
    found = image_spectrum(noise(9, 1, 8, 8))
    assert float(found.shares.sum()) == pytest.approx(1)
    torch.testing.assert_close(found.quantiles(0.5)[:, 0], found.rings.median(0).values)


def test_failed_attacks_are_left_out_and_counted():
    moved = noise(6, 1, 8, 8)
    success = torch.tensor([True, False, True, True, False, True])
    found = perturbation_spectrum(attack_result(moved, success), name="m", attack="a")
    torch.testing.assert_close(found.values, spectra(moved[success]).mean(0))
    assert (found.left_out, found.of, found.provenance.forwards, found.provenance.backwards) == (
        2, "perturbations", 18, 12,
    )  # fmt: skip
    split = [attack_result(moved[part], success[part]) for part in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(perturbation_spectrum(split).values, found.values)
    energy = band_energy(attack_result(moved, success), rings(basis("dct", (8, 8)), 3))
    assert (energy.left_out, len(energy.energy)) == (2, 4)
    torch.testing.assert_close(energy.energy, moved[success].square().sum((1, 2, 3)))


def test_perturbations_of_zero_have_no_direction():
    moved = torch.cat((noise(3, 1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.float64)))
    assert perturbation_spectrum(attack_result(moved)).left_out == 0
    scaled = perturbation_spectrum(attack_result(moved), unit_norm=True)
    assert scaled.left_out == 1
    assert float(scaled.values.sum()) == pytest.approx(1)
    assert band_energy(attack_result(moved), blocks(basis("dct", (8, 8)), 4)).left_out == 1


@pytest.mark.parametrize("model", ["fmnist-lenet", "fmnist-resnet8"])
@pytest.mark.parametrize("start", [0, 10, 20])
def test_band_limited_perturbations_have_under_a_millionth_of_their_energy_outside(model, start):
    from geomrob.data import load_data

    band = blocks(basis("dct", (28, 28)))[start]
    found = deepfool(load_model(model), load_data("fashion-mnist-1k", samples=8).images, subspace=band)
    rest = Subspace(band.basis, ~band.mask, "outside", math.nan, (math.nan, math.nan))
    shares = band_energy(found, [band, rest]).shares
    assert float(shares[1].max()) < 1e-6
    torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))


def test_energy_quantiles():
    found = band_energy(attack_result(noise(5, 1, 8, 8)), blocks(basis("dct", (8, 8)), 4))
    torch.testing.assert_close(found.quantiles(0.5)[:, 0], found.shares.median(1).values)
    torch.testing.assert_close(found.quantiles(1.0, of="energy")[:, 0], (found.shares * found.energy).amax(1))
    with pytest.raises(UsageError, match="did you mean energy"):
        found.quantiles(0.5, of="energies")


def test_corruption_is_the_mean_modulus_of_the_difference():
    one, two = noise(4, 3, 6, 6), noise(4, 3, 6, 6, seed=1)
    expected = torch.fft.fftshift(torch.fft.fft2(two - one), dim=(-2, -1)).abs().mean((0, 1))
    torch.testing.assert_close(corruption_spectrum(one, two, norm="backward").values, expected)
    with pytest.raises(UsageError, match="shape of original"):
        corruption_spectrum(one, two[:2])


@pytest.mark.parametrize(("alpha", "box"), [(None, 0), (0.5, 0), (-1.0, 3)])
def test_kernels_are_their_frequency_response(alpha, box):
    weights = noise(4, 3, 5, 5)
    shown = weights if alpha is None else push_pull_kernel(weights, alpha, box=box)
    found = kernel_spectrum(weights, alpha=alpha, box=box, size=16)
    assert float(found.values[8, 8]) == pytest.approx(float(shown[:, 0].sum((1, 2)).abs().mean()))
    phase = torch.exp(-2j * math.pi * torch.arange(shown.shape[-1]) * 3 / 16).to(torch.complex128)
    expected = (shown[:, 0].to(torch.complex128) * phase[:, None] * phase).sum((1, 2)).abs().mean()
    assert float(found.values[11, 11]) == pytest.approx(float(expected))
    assert found.unit == "cycles per 16 pixels"


def test_results_round_trip(tmp_path, linear_model):
    moved = attack_result(noise(3, 1, 8, 8))
    images = noise(3, 1, 8, 8).sigmoid()
    for one in (
        perturbation_spectrum(moved),
        image_spectrum(images[:1]),
        band_energy(moved, blocks(basis("random", (8, 8)), 4)),
        heat_map(linear_model, images, epsilon=1.0),
    ):
        assert equal(load(save(one, tmp_path / "one")), one)


def test_heat_map_of_a_linear_model_has_a_closed_form():
    model = LinearModel(shape=(2, 6, 7), classes=4, seed=1)
    images = noise(30, 2, 6, 7, seed=2).sigmoid()
    labels = torch.arange(30) % 4
    found = heat_map(model, images, labels, epsilon=1.5, seed=3)
    pairs, index = half_plane((6, 7))
    waves = fourier_directions((6, 7), pairs)
    signs = random_signs(torch.arange(30), slice(0, len(pairs)), 2, 3)
    # logits(x + e s U) = logits(x) + e s <W, U>, channel by channel.
    slopes = torch.einsum("kchw,bhw->bkc", model.weight, waves) * (1.5 / math.sqrt(2))
    moved = model(images)[:, None] + torch.einsum("nbc,bkc->nbk", signs, slopes)
    expected = (moved.argmax(2) == labels[:, None]).double().mean(0)[index]
    torch.testing.assert_close(found.accuracy, expected)
    assert 0 < float(expected.min()) < float(expected.max())
    assert found.clean == float((model(images).argmax(1) == labels).double().mean())


def test_heat_map_does_not_depend_on_the_batch(linear_model):
    images = noise(12, 1, 8, 8).sigmoid()
    indices = torch.arange(12) + 5
    whole = heat_map(linear_model, images, epsilon=2.0, indices=indices)
    parts = [
        heat_map(linear_model, images[part], epsilon=2.0, indices=indices[part]) for part in (slice(4), slice(4, 12))
    ]
    torch.testing.assert_close(whole.accuracy, (4 * parts[0].accuracy + 8 * parts[1].accuracy) / 12)
    assert not torch.equal(whole.accuracy, heat_map(linear_model, images, epsilon=2.0).accuracy)


def test_heat_map_without_a_step_is_the_clean_accuracy_and_reports_progress(linear_model):
    told = []
    images = noise(6, 1, 8, 8).sigmoid()
    found = heat_map(linear_model, images, epsilon=0.0, progress=lambda *at: told.append(at))
    assert found.clean == 1
    assert bool((found.accuracy == 1).all())
    assert told[-1] == (34, 34)


def test_heat_map_in_a_box_moves_less():
    seen = []

    def model(images):
        seen.append(images.detach())
        return torch.stack((images.sum((1, 2, 3)), torch.zeros(len(images), dtype=images.dtype)), 1)

    heat_map(model, noise(3, 1, 4, 4).sigmoid(), epsilon=3.0, bounds=(0.0, 1.0))
    assert all(0 <= float(images.min()) <= float(images.max()) <= 1 for images in seen)


def test_misuse_is_one_sentence(linear_model):
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    failed = dataclasses.replace(attack_result(images), success=torch.zeros(2, dtype=torch.bool))
    for call, hint in (
        (lambda: perturbation_spectrum(failed), "2 failures"),
        (lambda: perturbation_spectrum([]), "at least one attack result"),
        (lambda: band_energy(attack_result(0 * images), blocks(basis("dct", (8, 8)), 4)), "zeros only"),
        (lambda: image_spectrum(images, order="mean"), "order must be one of"),
        (lambda: image_spectrum(images * math.nan), "finite"),
        (lambda: kernel_spectrum(images, size=4), "size must be at least 8"),
        (lambda: heat_map(linear_model, images, epsilon=-1.0), "epsilon must be a length"),
        (lambda: heat_map(linear_model, images, epsilon=1.0, indices=torch.arange(3)), "indices must be shaped"),
    ):
        with pytest.raises(UsageError, match=hint):
            call()
