"""What the pictures of spectra contain: the numbers, one scale, axes in cycles per image, what was left out."""

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.spectra import plot_band_energy, plot_heat_maps, plot_radial, plot_spectra
from geomrob.plot.style import blank
from tests.synthetic import band_energy as energy
from tests.synthetic import heat_map as heat
from tests.synthetic import spectrum

DOUBLE = torch.float64


def words(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_planes_share_one_scale_and_are_centred_on_frequency_zero():
    one, two = spectrum(), spectrum(1, name="fmnist-resnet8", left_out=3)
    figure = plot_spectra([one, two])
    left, right, bar = figure.axes
    assert left.images[0].norm is right.images[0].norm
    np.testing.assert_allclose(left.images[0].get_array(), one.values)
    assert left.images[0].get_extent() == [-4.5, 3.5, 3.5, -4.5]
    assert left.get_xlabel() == right.get_xlabel() == "horizontal frequency\n(cycles per image)"
    assert left.get_ylabel() == "vertical frequency\n(cycles per image)"
    assert right.get_title() == "fmnist-resnet8\n3 failures left out"
    assert "power |F|" in bar.get_ylabel()
    assert "Mean over 50 perturbations (fashion-mnist-1k)" in " ".join(words(figure).split())


@pytest.mark.parametrize("scale", ["linear", "log1p"])
def test_other_scales_start_at_zero(scale):
    one = spectrum(kind="amplitude")
    figure = plot_spectra(one, scale=scale)
    image = figure.axes[0].images[0]
    expected = one.values.log1p() if scale == "log1p" else one.values
    np.testing.assert_allclose(image.get_array(), expected)
    assert image.norm.vmin == 0
    assert ("log(1 + amplitude" in figure.axes[-1].get_ylabel()) == (scale == "log1p")


def test_what_lies_below_the_scale_is_drawn_as_its_lowest():
    values = torch.ones(8, 8, dtype=DOUBLE)
    values[0, 0], values[1, 1] = 1e-30, 0
    image = plot_spectra(spectrum(values=values)).axes[0].images[0]
    assert image.norm.vmin == pytest.approx(1e-6)
    assert float(image.get_array().min()) == pytest.approx(1e-6)


def test_many_planes_wrap_into_rows():
    figure = plot_spectra([spectrum(at, method=f"attack {at}") for at in range(6)], columns=4)
    assert sum(bool(ax.images) for ax in figure.axes) == 6
    assert [ax.get_title() for ax in figure.axes[:2]] == ["attack 0", "attack 1"]


def test_radial_curves_have_error_bands_and_are_told_apart():
    ax = plot_radial([spectrum(), spectrum(name="other", left_out=2)], scale="linear")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [4, 2, 1])
    shade = ax.collections[0].get_paths()[0].vertices
    heights = shade[np.isclose(shade[:, 0], 1), 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [2 - 1.96 * 0.2, 2 + 1.96 * 0.2])
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["deepfool on fmnist-lenet", "deepfool on other (2 left out)"]
    assert ax.get_xlabel() == "radius: spatial frequency (cycles per image)"
    assert "mean power in the ring" in ax.get_ylabel()


def test_a_band_that_reaches_below_zero_stretches_no_logarithmic_axis():
    ax = plot_radial(spectrum(error=torch.tensor([0.4, 1.5, 0.6], dtype=DOUBLE)))
    low, high = ax.get_ylim()
    means = ax.lines[0].get_ydata()
    assert low == pytest.approx(means.min() / 2)
    assert high < 100 * means.max()


def test_radial_shares_sum_to_one():
    ax = plot_radial(spectrum(), share=True)
    assert sum(ax.lines[0].get_ydata()) == pytest.approx(1)
    assert "share of the power" in ax.get_ylabel()


def test_energy_has_median_and_percentiles_above_a_floor():
    one = energy()
    ax = plot_band_energy(one)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.6, 0.2, 1e-6])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), one.frequency)
    assert ax.get_legend().get_texts()[0].get_text() == "deepfool on fmnist-lenet (3 images, 2 left out)"
    assert "share" in ax.get_ylabel()
    unknown = plot_band_energy(energy(frequency=torch.full((3,), torch.nan, dtype=DOUBLE), basis="random"))
    assert unknown.get_xlabel() == "band of the random basis"


def test_heat_maps_share_one_scale():
    figure = plot_heat_maps([heat(), heat("fmnist-resnet8", low=0.05)])
    left, right, bar = figure.axes
    assert left.images[0].norm is right.images[0].norm
    assert (left.images[0].norm.vmin, left.images[0].norm.vmax) == (0.05, 0.9)
    assert left.get_title() == "fmnist-lenet\n92.5% correct without a wave"
    assert bar.get_ylabel() == "share of images classified correctly"
    assert "l2 length 2" in " ".join(words(figure).split())


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    ax, figure = blank().add_subplot(), blank()
    assert plot_radial(spectrum(), ax=ax) is ax
    assert plot_spectra(spectrum(), figure=figure) is figure
    assert plt.get_fignums() == []


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="one kind, norm and unit"):
        plot_spectra([spectrum(), spectrum(kind="amplitude")])
    with pytest.raises(UsageError, match="one kind"):
        plot_radial([])
    with pytest.raises(UsageError, match=r"one epsilon .* \[2.0, 3.0\]"):
        plot_heat_maps([heat(), heat(epsilon=3.0)])
    with pytest.raises(UsageError, match="at least one"):
        plot_band_energy([])
