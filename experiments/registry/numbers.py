"""Where the numbers of the rows stand in the pages of the experiments."""

import statistics
from collections.abc import Callable

from experiments.registry.criteria import Numbers, every, holds
from experiments.registry.entry import Criterion, Entry, Page

CATEGORIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
}
"""Those of Table 5.3 that a criterion names."""


def zoo(column: str, model: str) -> Numbers:
    """Return a column of zoo_table, a number a training."""
    return lambda page: [
        row[column] for row in page["rows"] if row["model"] == f"fmnist-{model}" and row[column] is not None
    ]


def corrupted(model: str, column: str = "mean", how: str = "none") -> Numbers:
    """Return accuracies in per cent of zoo_corruptions: of a corruption, of a category, their mean, or clean."""

    def numbers(page: Page) -> list[float]:
        row = next(row for row in page["rows"] if (row["model"], row["adapt"]) == (f"fmnist-{model}", how))
        if column == "clean":
            return [100 - 100 * error for error in row["clean"]]
        names = CATEGORIES.get(column, tuple(page["corruptions"]) if column == "mean" else (column,))
        at = [page["corruptions"].index(name) for name in names]
        return [100 - 100 * sum(errors[index] for index in at) / len(at) for errors in row["errors"]]

    return numbers


def colour(case: str, name: str) -> Numbers:
    """Return an accuracy in per cent of colour_networks, a number a training."""
    return lambda page: [row[name] for row in page["rows"] if row["case"] == case]


def synthetic(model: str, subspace: str) -> Numbers:
    """Return the median margin in a subspace of synthetic_margins."""
    return lambda page: [page["models"][model]["margins"][subspace]["quantiles"][1]]


def among_draws(model: str, subspace: str, published: float) -> Criterion:
    """Return the criterion that a published median of one random subspace lies in the range of ours over draws."""

    def check(page: Page) -> tuple[bool, str]:
        medians = sorted(page["models"][model]["medians_over_draws"][subspace])
        return medians[0] <= published <= medians[-1], f"{subspace} {medians[0]:.3g} to {medians[-1]:.3g} over draws"

    return holds(f"{published:g} within the range over random draws of {subspace}", check)


def sparse(model: str, method: str, field: str, factor: float = 1.0) -> Numbers:
    """Return a number of sparsefool_table."""
    return lambda page: [factor * page["table"][model][method][field]]


def shape(name: str) -> Criterion:
    """Return the criterion that a shape of margin_shapes holds by DeepFool, as published, and by the tight search."""

    def check(page: Page) -> tuple[bool, str]:
        from experiments import margin_shapes  # noqa: PLC0415 - torch, for what a list does not need

        values = [margin_shapes.ratio(page, name, method) for method in margin_shapes.METHODS]
        if None in values:
            return False, f"{name}: not measured"
        good = all(margin_shapes.holds(page, name, method) for method in margin_shapes.METHODS)
        return good, f"{name}: DeepFool {values[0]:.2f}, tight {values[1]:.2f}"

    return holds(f"{name}, by DeepFool and by the tight search, within the bounds in SHAPES of margin_shapes", check)


def tested(data: str, trained: str, on: str) -> Numbers:
    """Return an accuracy in per cent of other_versions."""
    return lambda page: [
        row["accuracy"][on] for row in page["rows"] if (row["data"], row["trained"]) == (data, trained)
    ]


def energy(kind: str) -> Callable[[Page], tuple[bool, str]]:
    """Return whether energy is more in the lowest block than in the highest, or the reverse for flipped images."""

    def check(page: Page) -> tuple[bool, str]:
        epochs = page["rows"][kind]["epochs"]
        good = all((epoch[0] > epoch[-1]) == (kind == "original") for epoch in epochs)
        low, high = (sum(epoch[at] for epoch in epochs) / len(epochs) for at in (0, -1))
        return good, f"lowest block {low:.2f}, highest {high:.3f}"

    return check


def cost(name: str) -> Numbers:
    """Return the cost of a training step of augmentation_reach."""
    return lambda page: [page["costs"][name]]


def strength(key: str) -> Callable[[Page], tuple[bool, str]]:
    """Return whether a larger strength, or cut, changes images more in each family of image_pictures."""

    def check(page: Page) -> tuple[bool, str]:
        pairs = {
            family: next(values for name, values in row.items() if (name == "strength") == (key == "strength"))
            for family, row in page["families"].items()
        }
        good = all(first < second for first, second in pairs.values())
        return good, ", ".join(f"{family} {first:.2f} -> {second:.2f}" for family, (first, second) in pairs.items())

    return check


def blocks(measure: str, *, up: bool) -> Criterion:
    """Return the criterion that a measure of hah_blocks rises, or falls, from no to most HaH blocks."""

    def check(page: Page) -> tuple[bool, str]:
        counts = sorted({row["blocks"] for row in page["rows"]})
        ends = [
            [100 * row[measure] for row in page["rows"] if row["blocks"] == count] for count in (counts[0], counts[-1])
        ]
        first, last = (sum(values) / len(values) for values in ends)
        return (last > first) == up, f"{measure} {first:.1f} -> {last:.1f} %"

    return holds(f"{measure} {'rises' if up else 'falls'} from no to most HaH blocks", check)


def passed(*tests: str) -> Criterion:
    """Return the criterion that tests pass: those that compare an equation with an independent computation."""

    def one(test: str) -> Criterion:
        def check(page: Page) -> tuple[bool, str]:
            outcomes = [outcome for name, outcome in page["tests"].items() if name.split("[")[0] == test]
            good = bool(outcomes) and all(outcome == "PASSED" for outcome in outcomes)
            return good, f"{outcomes.count('PASSED')} of {len(outcomes)} cases pass"

        return holds(f"{test.split('::')[1]} passes", check)

    return every(*map(one, tests))


def equation(id: str, where: str, claim: str, function: str, *tests: str, published: str = "") -> Entry:  # noqa: A002
    """Return the row of an equation: the function that computes it, and the tests that check it, as `FILE::TEST`."""
    named = tuple(f"tests/{test}" for test in tests)
    return Entry(
        id=id,
        where=where,
        claim=claim,
        published={"": published} if published else {},
        run="equations",
        criterion=passed(*named),
        function=f"geomrob.{function}",
        tests=named,
    )


def swept(case: str, measure: str, data: str = "fashion-mnist") -> Numbers:
    """Return a measure of a case of similarity_sweeps, a number a training."""
    return lambda page: [row[measure] for row in page["rows"] if (row["data"], row["case"]) == (data, case)]


def of_sweep(case: str, column: str) -> Numbers:
    """Return the error in per cent of a case of stem_sweeps or prime_sweeps: clean, the mean or of some corruptions."""

    def numbers(page: Page) -> list[float]:
        rows = [row for row in page["rows"] if row["case"] == case]
        if column in ("clean", "mean"):
            return [row[column] for row in rows]
        names = CATEGORIES[column]
        return [statistics.fmean(row["corruptions"][name] for name in names) for row in rows]

    return numbers


def mrce(case: str, to: str = "plain") -> Numbers:
    """Return the corruption error of a case of stem_sweeps relative to another one, the mean over corruptions."""

    def numbers(page: Page) -> list[float]:
        own, base = ([row["corruptions"] for row in page["rows"] if row["case"] == name] for name in (case, to))
        means = {name: statistics.fmean(row[name] for row in base) for name in base[0]}
        return [statistics.fmean(row[name] / means[name] for name in means) for row in own]

    return numbers
