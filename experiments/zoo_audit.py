"""Claim: the robustness of the zoo is no masked gradient.

References: Cekic et al., HaH, 2022, section 3: "no additional benefit of using gradient-free attacks"; Attias et al.,
2024, measure pixel-similarity models with black-box attacks alone; Bennabhaktula et al., 2024, measure no attack on
push-pull models. HaH's threshold and maximum, and push-pull's rectified pull, are suspects. No audit of these models is
published.

    python -m experiments.zoo_audit [--trained DIR] [--scale smoke|cpu|paper]

One core: smoke a minute, cpu about 20 minutes, paper 3 hours. Each model is audited with the standard models of both
families as sources of transfer.
"""

import argparse

from matplotlib.figure import Figure

import geomrob
from experiments.harness import SMOKE, TRAINED, Experiment, Page, Row, run
from experiments.measures import audit_page, audits, draw_audits
from experiments.zoo import FAMILIES, members, short, trainings

SCALES = {"smoke": 4, "cpu": 40, "paper": 300}
SEED = 0
TRIED = ("fmnist-vgg", "fmnist-hah")
"""At scale smoke."""
PUBLISHED = "gradient-free attacks gain nothing (HaH)"


def measure(images: int, flags: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    chosen = TRIED if flags.scale == SMOKE else members()
    models = {name: networks[0] for name in chosen if (networks := trainings(name, flags.trained, [0]))}
    sources = {name: models[name] for name in FAMILIES if name in models}
    return audit_page(audits(models, data, sources, SEED))


def draw(page: Page) -> Figure:
    """All verdicts at once, each model with its accuracy."""
    names = {
        one["model"]: short(one["model"]).replace("-", "\n") + f"\n{one['accuracy']:.0%}" for one in page["audits"]
    }
    title = "What does the audit report on each model of the zoo?"
    return draw_audits(page, names, title, "Under each name: its accuracy. ")


def compare(page: Page) -> list[Row]:
    """Each verdict, with the median l2 distances of the three kinds of attack; printed before: what did not pass."""
    rows = []
    for one in page["audits"]:
        failures = [
            f"{name} {check['verdict']}" for name, check in one["checks"].items() if check["verdict"] != "passed"
        ]
        if failures:
            print(f"{short(one['model'])}: {'; '.join([*one['causes'], *failures])}")
        distances = ", ".join(f"{name} {value:.2f}" for name, value in one["medians"].items())
        rows.append(Row(short(one["model"]), f"{one['verdict']}: {distances}", PUBLISHED, one["verdict"] != "failed"))
    return rows


EXPERIMENT = Experiment("zoo_audit", __doc__, SCALES, measure, draw, compare, {"--trained": TRAINED})

if __name__ == "__main__":
    run(EXPERIMENT)
