"""Claim: the audit names the cause in models with planted gradient masking, and passes the embedded models.

Reference: Carlini et al., "On evaluating adversarial robustness", 2019; Athalye, Carlini, Wagner, "Obfuscated
gradients give a false sense of security", 2018; Pintor et al., "Indicators of attack failure", 2022. Their checklists
are what the checks test; none of them publishes numbers for these models.

    python -m experiments.audit_verdicts [--scale smoke|cpu|paper]

Also writes the audit of one of the planted models, and its picture as `geomrob audit` draws it, as
figures/audit_shattered. Exit status 1 if a verdict is not as it must be. One core: smoke half a minute, cpu 4 minutes,
paper 20.
"""

import argparse

from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, run
from experiments.measures import audit_page, audits, draw_audits
from geomrob.models.obfuscated import OBFUSCATED
from geomrob.plot.audit import plot_audit

SOUND = ("fmnist-lenet", "fmnist-resnet8")
# What the audit must name; "-" is nothing.
PUBLISHED = {
    "fmnist-lenet": "-",
    "fmnist-resnet8": "-",
    "quantised": "quantisation",
    "quantised_straight_through": "quantisation",
    "stochastic": "randomness",
    "saturated": "saturated outputs",
    "detached": "detached gradient",
    "without_graph": "detached gradient",
    "shattered": "shattered gradients",
    "batch_statistics": "batch statistics",
}
SCALES = {"smoke": 8, "cpu": 50, "paper": 300}
SEED = 0
SHOWN = "shattered"


def measure(images: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    sound = {name: geomrob.load_model(name) for name in SOUND}
    planted = {name: wrap(sound["fmnist-lenet"]).eval() for name, wrap in OBFUSCATED.items()}
    results = audits(sound | planted, data, sound, SEED)
    shown = next(result for result in results if result.model == SHOWN)
    return {**audit_page(results), "shown": {f"audit_{SHOWN}": shown}}


def draw(page: Page) -> dict[str, Figure]:
    """All verdicts at once, the planted models by what is wrong with them; and the whole audit of one of them."""
    names = {one["model"]: one["model"].replace("_", "\n").replace("fmnist-", "embedded\n") for one in page["audits"]}
    figure = draw_audits(
        page, names, "What does the audit report on two sound models, and on eight with planted gradient masking?"
    )
    figure.axes[0].axvline(len(SOUND) - 0.5, color="black", linewidth=1.5)
    return {"audit_verdicts": figure, **{name: plot_audit(one) for name, one in page["shown"].items()}}


def compare(page: Page) -> list[Row]:
    """The causes that each audit names next to those that it must name."""
    rows = []
    for one in page["audits"]:
        named = ", ".join(cause.split(":")[0] for cause in one["causes"]) or "-"
        wanted = PUBLISHED[one["model"]]
        right = named == wanted and (one["verdict"] == "failed") == (wanted != "-")
        rows.append(Row(one["model"], f"{one['verdict']}: {named}", wanted, right))
    return rows


EXPERIMENT = Experiment("audit_verdicts", __doc__, SCALES, measure, draw, compare)

if __name__ == "__main__":
    raise SystemExit(not all(row.verdict for row in run(EXPERIMENT)))
