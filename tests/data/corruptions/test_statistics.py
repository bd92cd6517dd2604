"""What the corruptions do on the whole: formulas, growth with severity, and numbers written down once (golden.json)."""

import json
import math
from pathlib import Path

import pytest
import torch

from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from geomrob.data.corruptions.severities import TABLES
from geomrob.data.corruptions.weather import texture
from tests.data.corruptions.samples import colour, grey

GOLDEN = Path(__file__).with_name("golden.json")
# Where the benchmark itself is not monotone in the mean: glass blur changes sigma against the rounds, frost and motion
# blur trade one constant for another, elastic transform begins with its widest map, spatter turns from water to mud,
# saturate turns from less to more colour. Of large images also fog.
UNEVEN = {
    "cifar": {"glass_blur", "motion_blur", "frost", "elastic_transform", "spatter", "saturate"},
    "imagenet": {"glass_blur", "frost", "fog", "elastic_transform", "spatter", "saturate"},
}
SETS = {
    "grey 28": ("cifar", grey(16)),
    "colour 32": ("cifar", colour(8, 32)),
    "colour 60": ("imagenet", colour(4, 60)),
}


def flat(value, count=16):
    """Return images of one value."""
    return torch.full((count, 3, 32, 32), value, dtype=torch.uint8)


def change(images, name, severity, table):
    return corrupt(images, name, severity, table=table).double() - images.double()


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("table", TABLES)
def test_gaussian_noise_has_its_deviation_and_is_clipped(table, severity):
    (scale,) = TABLES[table]["gaussian_noise"][severity - 1]
    sigma, edge = 255 * scale, 127 / (255 * scale)
    tail = math.erfc(edge / math.sqrt(2)) / 2
    density = math.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi)
    # Of a normal number that is clipped at +- edge deviations.
    wanted = sigma * math.sqrt(1 - 2 * tail - 2 * edge * density + 2 * edge**2 * tail)
    found = change(flat(128), "gaussian_noise", severity, table)
    assert float(found.std()) == pytest.approx(wanted, rel=0.02)
    # Truncation to 8 bits takes half a step on average.
    assert float(found.mean()) == pytest.approx(-0.5, abs=4 * wanted / math.sqrt(found.numel()))
    dark = change(flat(0), "gaussian_noise", severity, table)
    assert float(dark.mean()) == pytest.approx(sigma / math.sqrt(2 * math.pi) - 0.25, rel=0.03)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_has_the_variance_of_counting(severity):
    (photons,) = TABLES["cifar"]["shot_noise"][severity - 1]
    found = change(flat(100), "shot_noise", severity, "cifar")
    assert float(found.std()) == pytest.approx(255 * math.sqrt(100 / 255 / photons), rel=0.02)
    assert not change(flat(0), "shot_noise", severity, "cifar").any()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_changes_its_share_to_black_and_white_alike(severity):
    (amount,) = TABLES["cifar"]["impulse_noise"][severity - 1]
    found = corrupt(flat(128, 32), "impulse_noise", severity)
    black, white = float((found == 0).double().mean()), float((found == 255).double().mean())
    spread = 4 * math.sqrt(amount / found.numel())
    assert black == pytest.approx(amount / 2, abs=spread)
    assert white == pytest.approx(amount / 2, abs=spread)
    assert bool(((found == 0) | (found == 255) | (found == 128)).all())


@pytest.mark.parametrize("value", [40, 100])
def test_speckle_noise_grows_with_the_image(value):
    found = change(flat(value), "speckle_noise", 4, "cifar")
    assert float(found.std()) == pytest.approx(0.16 * value, rel=0.02)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_and_brightness_are_their_formulas(severity):
    images = colour(4)
    (share,) = TABLES["cifar"]["contrast"][severity - 1]
    low = corrupt(images, "contrast", severity).double()
    assert float(low.std((2, 3)).mean()) == pytest.approx(share * float(images.double().std((2, 3)).mean()), rel=0.02)
    (more,) = TABLES["cifar"]["brightness"][severity - 1]
    value = corrupt(images, "brightness", severity).amax(1).double()
    wanted = (images.amax(1).double() + 255 * more).clamp(max=255)
    assert float((value - wanted).abs().max()) <= 1


def test_brightness_and_saturation_keep_the_hue_of_a_colour():
    orange = torch.tensor([200, 120, 40], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 32, 32)
    # Saturation 0.8 becomes 0.24; value 200 becomes 251; the hue of 30 degrees stays.
    wanted = {("saturate", 1): [200, 200 * (1 - 0.24 / 2), 200 * (1 - 0.24)], ("brightness", 4): [251, 150.6, 50.2]}
    for (name, severity), colours in wanted.items():
        found = corrupt(orange, name, severity)[0, :, 0, 0]
        assert found.tolist() == pytest.approx(colours, abs=1)


def test_frost_is_one_of_four_pictures_laid_over():
    dark = corrupt(torch.zeros(200, 3, 32, 32, dtype=torch.uint8), "frost", 5).double().mean((1, 2, 3)) / 0.45
    means = torch.tensor([float(texture(number, True).mean()) for number in range(5)], dtype=torch.float64)
    assert torch.equal(torch.from_numpy(texture(1, True).copy()), torch.from_numpy(texture(2, True).copy()))
    nearest = (dark[:, None] - means[[0, 1, 3, 4]]).abs().argmin(1)
    counts = torch.bincount(nearest, minlength=4).tolist()
    # The picture that the benchmark has twice comes twice as often.
    assert 55 <= counts[1] <= 105
    assert min(counts) >= 15


def test_fog_keeps_the_largest_value_at_its_place_at_most():
    images = colour(4)
    found = corrupt(images, "fog", 5)
    assert bool((found.amax((1, 2, 3)) <= images.amax((1, 2, 3))).all())


def test_blur_leaves_what_is_flat():
    for name in ("gaussian_blur", "defocus_blur", "zoom_blur", "glass_blur", "motion_blur", "pixelate", "contrast"):
        for severity in SEVERITIES:
            assert float(change(flat(90, 2), name, severity, "cifar").abs().max()) <= 1, name


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_distortion_grows_with_severity_where_the_benchmark_does(name, table):
    images = colour(24) if table == "cifar" else colour(8, 60)
    sizes = [float(change(images, name, severity, table).square().mean().sqrt()) for severity in SEVERITIES]
    assert min(sizes) > 0
    if name not in UNEVEN[table]:
        assert sizes == sorted(sizes)


def measured():
    """Return mean and deviation of the change of pixels, in 8-bit steps: set, corruption, severity."""
    return {
        kind: {
            name: [
                [round(float(number), 3) for number in (moved.mean(), moved.std())]
                for moved in (change(images, name, severity, table) for severity in SEVERITIES)
            ]
            for name in CORRUPTIONS
        }
        for kind, (table, images) in SETS.items()
    }


def test_golden():
    """Means and deviations as written down by `python -m tests.data.corruptions.test_statistics`.

    The tolerance is for other versions of libjpeg and of the sums in numpy; another draw is ten times as far off.
    """
    wanted = json.loads(GOLDEN.read_text())
    found = measured()
    assert set(found) == set(wanted)
    for kind, names in found.items():
        assert set(names) == set(wanted[kind])
        for name, rows in names.items():
            for severity, row in enumerate(rows):
                assert row == pytest.approx(wanted[kind][name][severity], abs=0.02), (kind, name, severity + 1)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(measured()).replace("}, ", "},\n").replace("]], ", "]],\n") + "\n")
