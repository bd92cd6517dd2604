"""What the pictures of kernels, inhibitions and corruptions of PushPull-Net show, as properties of pages."""

import statistics

from experiments.registry.entry import Page


def opposite(page: Page) -> tuple[bool, str]:
    """Push and pull kernels are opposite contrasts."""
    return max(page["correlation"]) < -0.99, f"correlations up to {max(page['correlation']):.3f}"


def edge(page: Page) -> tuple[bool, str]:
    """The edge rises above the noise; the third alpha is 0.5."""
    means = [statistics.fmean(values[at] for values in page["snr"]["0"]) for at in (0, 2)]
    return means[1] > means[0], f"{means[0]:.1f} -> {means[1]:.1f} dB"


def band_pass(page: Page) -> tuple[bool, str]:
    """The amplitude at frequency zero over the largest."""
    spectra = {name: one["radial"] for name, one in page["spectra"].items()}
    small, large = ([spectra[f"{alpha}, {box}"] for box in (0, 3, 5)] for alpha in ("0.25", "6"))
    shares = [max(radial[0] / max(radial) for radial in small), min(radial[0] / max(radial) for radial in large)]
    good = shares[0] < 0.99 < shares[1]
    return good, f"at zero at most {shares[0]:.2f} of the largest for alpha 0.25, at least {shares[1]:.2f} for 6"


def signs(page: Page) -> tuple[bool, str]:
    """Learned inhibitions of both averages."""
    three, five = (page["inhibition"][f"fmnist-pushpull-avg{size}"] for size in (3, 5))
    values = [*three, *five]
    below, spread = (
        sum(abs(value) < 1 for value in values) / len(values),
        (statistics.stdev(three), statistics.stdev(five)),
    )
    good = min(values) < 0 < max(values) and below > 0.5 and spread[0] > spread[1]
    return (
        good,
        f"{min(values):.2f} to {max(values):.2f}, {below:.0%} below 1, spread {spread[0]:.3f} and {spread[1]:.3f}",
    )


def negative(page: Page) -> tuple[bool, str]:
    """Spectra of negative alphas against that of alpha 0."""
    planes = {
        alpha: [value for line in page["spectra"][f"{alpha}, 0"]["plane"] for value in line]
        for alpha in ("-1", "-0.5", "0")
    }
    found = [statistics.correlation(planes[alpha], planes["0"]) for alpha in ("-1", "-0.5")]
    return min(found) > 0.9, f"correlations {found[0]:.2f} and {found[1]:.2f}"


def all_differ(page: Page) -> tuple[bool, str]:
    """Distances of all corruptions from the image."""
    distances = [value for values in page["distances"].values() for value in values]
    return len(distances) == 75 and min(
        distances
    ) > 0, f"{len(distances)} versions, distances from {min(distances):.3f}"


def cheap(page: Page) -> tuple[bool, str]:
    """The cost of a step with a push-pull stem."""
    return page["costs"]["push-pull stem"] <= 1.15, f"{page['costs']['push-pull stem']:.2f} times"
