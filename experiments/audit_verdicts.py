"""Claim: the audit names what is wrong with models made to be wrong, and passes the embedded models.

Reference: Carlini et al., "On evaluating adversarial robustness", 2019; Athalye, Carlini, Wagner, "Obfuscated
gradients give a false sense of security", 2018; Pintor et al., "Indicators of attack failure", 2022. Their checklists
are what the checks ask; none of them publishes numbers for these models.

    python experiments/audit_verdicts.py [--scale smoke|cpu|paper]

Writes figures/audit_verdicts.json, then figures/audit_verdicts.png from the JSON alone, and figures/audit_shattered.png
(the picture that `geomrob audit` makes of one of them). One core: smoke half a minute, cpu 4 minutes, paper 20.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import geomrob
from geomrob.analysis.audit import audit
from geomrob.models.obfuscated import WRONG
from geomrob.plot.audit import plot_audit
from geomrob.results import Audit

GOOD = ("fmnist-lenet", "fmnist-resnet8")
EXPECTED = {
    "quantised": "quantisation",
    "quantised_straight_through": "quantisation",
    "stochastic": "randomness",
    "saturated": "saturated outputs",
    "detached": "detached gradient",
    "without_graph": "detached gradient",
    "shattered": "shattered gradients",
    "batch_statistics": "batch statistics",
}
IMAGES = {"smoke": 8, "cpu": 50, "paper": 300}
SEED = 0
FIGURES = Path("figures")
NAME = "audit_verdicts"
VERDICTS = ("passed", "warned", "failed", "skipped")
COLOURS = ("#cfe3f3", "#f4d58d", "#b0004e", "#eeeeee")
MARKS = ("", "!", "\u2717", "\u2013")


def measure(images: int) -> list[Audit]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    good = {name: geomrob.load_model(name) for name in GOOD}
    models = {**good, **{name: wrap(good["fmnist-lenet"]).eval() for name, wrap in WRONG.items()}}
    found = []
    for name, model in models.items():
        sources = {key: source for key, source in good.items() if key != name}
        about = {"labels": data.labels, "indices": data.indices, "name": name, "data": data.name, "seed": SEED}
        found.append(audit(model, data.images, sources=sources, **about))
        print(f"{name:28} {found[-1].verdict:7} {'; '.join(found[-1].causes) or '-'}", flush=True)
    return found


def write(found: list[Audit], path: Path) -> None:
    facts = [
        {
            "model": one.model,
            "data": one.data,
            "images": len(one.labels),
            "accuracy": one.accuracy,
            "verdict": one.verdict,
            "causes": one.causes,
            "checks": {
                check.name: {"verdict": check.verdict, "value": None if math.isnan(check.value) else check.value}
                for check in one.checks
            },
            "medians": {name: str(float(getattr(one, name).median())) for name in ("white", "transferred", "decision")},
            "provenance": {key: value for key, value in vars(one.provenance).items() if key != "command"},
        }
        for one in found
    ]
    path.write_text(json.dumps({"command": "python experiments/audit_verdicts.py", "audits": facts}, indent=1) + "\n")


def draw(path: Path) -> Figure:
    """A table of colours and marks from the JSON: checks down, models across, the wrong ones by what is wrong."""
    audits = json.loads(path.read_text())["audits"]
    checks = list(audits[0]["checks"])
    verdicts = [[VERDICTS.index(one["checks"][check]["verdict"]) for one in audits] for check in checks]
    figure = Figure(figsize=(11, 6.4), dpi=150, layout="constrained")
    ax = figure.subplots()
    ax.imshow(verdicts, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=3.5, aspect="auto")
    for row, check in enumerate(checks):
        for column, one in enumerate(audits):
            value, verdict = one["checks"][check]["value"], verdicts[row][column]
            percent = check not in ("smooth", "eval mode")
            told = "" if value is None else f"{value:.0%}" if percent else f"{value:.2g}"
            ink = "white" if verdict == 2 else "#222222"
            ax.text(column, row, f"{MARKS[verdict]} {told}", ha="center", va="center", fontsize=9, color=ink)
    names = [one["model"].replace("_", "\n").replace("fmnist-", "embedded\n") for one in audits]
    ax.set_xticks(range(len(audits)), names, fontsize=8.5)
    ax.set_yticks(range(len(checks)), checks, fontsize=9)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    ax.set_xticks([x - 0.5 for x in range(1, len(audits))], minor=True)
    ax.set_yticks([y - 0.5 for y in range(1, len(checks))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    ax.axvline(1.5, color="#222222", linewidth=1.5)
    figure.suptitle(
        f"What the audit says of two sound models and of eight made wrong on purpose ({audits[0]['images']} images).\n"
        "Dark with \u2717: failed. Yellow with !: warned. Light blue: passed. Grey: skipped. "
        "Per cent of images; smooth: roughness, 0 to 2.",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    return figure


def compare(path: Path) -> bool:
    """Print each verdict beside what it must be; return whether all are."""
    right = True
    for one in json.loads(path.read_text())["audits"]:
        named = [cause.split(":")[0] for cause in one["causes"]]
        wanted = [EXPECTED[one["model"]]] if one["model"] in EXPECTED else []
        as_wanted = named == wanted and (one["verdict"] == "failed") == bool(wanted)
        right &= as_wanted
        told = ", ".join(named) or "nothing wrong"
        print(f"{one['model']:28} {one['verdict']:7} {told:24} {'as it must' if as_wanted else f'NOT {wanted}'}")
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        found = measure(IMAGES[given.scale])
        write(found, path)
        shattered = next(one for one in found if one.model == "shattered")
        plot_audit(shattered).savefig(FIGURES / "audit_shattered.png")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    raise SystemExit(0 if compare(path) else 1)


if __name__ == "__main__":
    main()
