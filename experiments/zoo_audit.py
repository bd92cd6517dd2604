"""Claim: the robustness of the zoo is no masked gradient.

References: Cekic et al., HaH, 2022, section 3: "no additional benefit of using gradient-free attacks"; Attias et al.,
2024, measure pixel-similarity models with black-box attacks alone; Bennabhaktula et al., 2024, measure no attack on
push-pull models. HaH's threshold and maximum, and push-pull's rectified pull, are suspects. No audit of these models is
published.

    python experiments/zoo_audit.py [--trained DIR] [--scale smoke|cpu|paper] [--draw-only]

Writes figures/zoo_audit.json, then figures/zoo_audit.png from the JSON alone. One core: smoke a minute, cpu about 20
minutes, paper 3 hours. Each model is audited with the standard models of both families as sources of transfer.
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
from geomrob.models import MODELS
from geomrob.results import Audit

SOURCES = ("fmnist-standard", "fmnist-vgg")
IMAGES = {"smoke": 6, "cpu": 40, "paper": 300}
SEED = 0
FIGURES = Path("figures")
NAME = "zoo_audit"
VERDICTS = ("passed", "warned", "failed", "skipped")
COLOURS = ("#cfe3f3", "#f4d58d", "#b0004e", "#eeeeee")
MARKS = ("", "!", "\u2717", "\u2013")
ZOO = (
    "fmnist-standard",
    "fmnist-pushpull-avg3",
    "fmnist-pushpull-avg5",
    "fmnist-pushpull-fixed",
    "fmnist-similarity",
    "fmnist-l2-adversarial",
    "fmnist-linf-adversarial",
    "fmnist-vgg",
    "fmnist-hah",
    "fmnist-hah-no-cost",
    "fmnist-hah-batch-norm",
    "fmnist-hah-no-threshold",
)


def measure(images: int, trained: Path | None) -> list[Audit]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    files = {name: None if trained is None else trained / f"{name}-0" / "model.safetensors" for name in ZOO}
    there = [name for name, file in files.items() if (MODELS[name].weights if file is None else file.is_file())]
    models = {name: geomrob.load_model(name, weights=files[name]) for name in there}
    found = []
    for name, model in models.items():
        sources = {key: models[key] for key in SOURCES if key != name and key in models}
        about = {"labels": data.labels, "indices": data.indices, "name": name, "data": data.name, "seed": SEED}
        found.append(audit(model, data.images, sources=sources, **about))
        print(f"{name:28} {found[-1].verdict:7} {'; '.join(found[-1].causes) or '-'}", flush=True)
    return found


def write(found: list[Audit], path: Path, command: str) -> None:
    facts = [
        {
            "model": one.model,
            "images": len(one.labels),
            "accuracy": one.accuracy,
            "verdict": one.verdict,
            "causes": one.causes,
            "checks": {
                check.name: {
                    "verdict": check.verdict,
                    "value": None if math.isnan(check.value) else check.value,
                }
                for check in one.checks
            },
            "medians": {name: str(float(getattr(one, name).median())) for name in ("white", "transferred", "decision")},
            "seconds": one.provenance.seconds,
        }
        for one in found
    ]
    path.write_text(json.dumps({"command": command, "audits": facts}, indent=1, allow_nan=False) + "\n")


def draw(path: Path) -> Figure:
    """A table of colours and marks from the JSON: checks down, models across."""
    audits = json.loads(path.read_text())["audits"]
    checks = list(audits[0]["checks"])
    verdicts = [[VERDICTS.index(one["checks"][check]["verdict"]) for one in audits] for check in checks]
    figure = Figure(figsize=(13, 6.6), dpi=150, layout="constrained")
    ax = figure.subplots()
    ax.imshow(verdicts, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=3.5, aspect="auto")
    for row, check in enumerate(checks):
        for column, one in enumerate(audits):
            value, verdict = one["checks"][check]["value"], verdicts[row][column]
            percent = check not in ("smooth", "eval mode")
            told = "" if value is None else f"{value:.0%}" if percent else f"{value:.2g}"
            ink = "white" if verdict == 2 else "#222222"
            ax.text(column, row, f"{MARKS[verdict]} {told}", ha="center", va="center", fontsize=9, color=ink)
    names = [one["model"].removeprefix("fmnist-").replace("-", "\n") + f"\n{one['accuracy']:.0%}" for one in audits]
    ax.set_xticks(range(len(audits)), names, fontsize=8.5)
    ax.set_yticks(range(len(checks)), checks, fontsize=9)
    ax.xaxis.tick_top()
    ax.set_xticks([x - 0.5 for x in range(1, len(audits))], minor=True)
    ax.set_yticks([y - 0.5 for y in range(1, len(checks))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    figure.suptitle(
        f"What the audit says of each model of the zoo ({audits[0]['images']} images; under each name its accuracy).\n"
        "Dark with \u2717: failed. Yellow with !: warned. Light blue: passed. Grey: skipped. "
        "Per cent of images; smooth: roughness, 0 to 2.",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    return figure


def compare(path: Path) -> None:
    """Print each verdict, what failed or warned, and the distances that the three kinds of attack reach."""
    print("published (HaH): gradient-free attacks gain nothing over gradient attacks, so no masked gradients")
    for one in json.loads(path.read_text())["audits"]:
        told = [f"{name} {check['verdict']}" for name, check in one["checks"].items() if check["verdict"] != "passed"]
        medians = ", ".join(f"{name} {float(value):.2f}" for name, value in one["medians"].items())
        print(f"{one['model']:26} {one['verdict']:7} {'; '.join(one['causes']) or 'no cause'}; {'; '.join(told)}")
        print(f"{'':34} median l2 by gradients, transferred, by decisions: {medians}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--trained", type=Path, help="folder with MODEL-0/model.safetensors; default: embedded weights")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        command = f"python experiments/{NAME}.py --scale {given.scale}"
        write(measure(IMAGES[given.scale], given.trained), path, command)
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
