"""Claim: the pixels that SparseFool changes lie where the object is; between two models they are partly shared.

Reference: Modas, thesis, 2022, section 3.4.1, Figs. 3.8 and 3.9. Published as pictures only: the perturbation lies
around the important parts of the image for every network, but how it concentrates or spreads differs.

    python experiments/sparsefool_locations.py [--scale smoke|cpu|paper]

Writes figures/sparsefool_locations.json with .npz (the maps), figures/sparsefool_overlap.json, and
figures/sparsefool_locations.png from the maps. One core: smoke 20 s, cpu and paper (all 1,000 images) 2 minutes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

import geomrob

MODELS = ("fmnist-lenet", "fmnist-resnet8")
IMAGES = {"smoke": 60, "cpu": 1000, "paper": 1000}
RESAMPLES = 2000
SEED = 0
FIGURES = Path("figures")
NAME = "sparsefool_locations"


def measure(images: int) -> tuple[geomrob.Locations, geomrob.Overlap]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    about = {"labels": data.labels, "indices": data.indices, "classes": data.classes, "data": data.name, "repeats": 1}
    one, other = (
        geomrob.sparsity(geomrob.load_model(name), data.images, name=name, seed=SEED, **about) for name in MODELS
    )
    return geomrob.locations(one, by="label"), geomrob.overlap(one, other)


def facts(overlap: geomrob.Overlap) -> dict[str, Any]:
    """Means over the images that both models were fooled on, with 95 % bootstrap intervals."""
    values = torch.stack([getattr(overlap, name) for name in ("union", "smaller", "chance", "elsewhere")])
    values = values[:, ~values.isnan().any(0)]
    drawn = torch.randint(values.shape[1], (RESAMPLES, values.shape[1]), generator=torch.Generator().manual_seed(SEED))
    means = values[:, drawn].mean(2).sort(1).values
    low, high = means[:, int(0.025 * RESAMPLES)], means[:, int(0.975 * RESAMPLES)]
    each = zip(("union", "smaller", "chance", "elsewhere"), values.mean(1), low, high, strict=True)
    rows = {name: {"mean": float(mean), "interval": [float(a), float(b)]} for name, mean, a, b in each}
    return {"models": overlap.models, "data": overlap.data, "images": values.shape[1], **rows}


def compare(path: Path) -> None:
    """Print what was measured beside the claim."""
    told = json.loads(path.read_text())["overlap"]
    print("published: pictures only; shared areas, but spread differently from network to network")
    for name, what in {
        "smaller": "of the pixels of the smaller perturbation are in the other model's too",
        "chance": "would be, if pixels lay anywhere",
        "elsewhere": "are in the other model's perturbation of another image",
        "union": "of all changed pixels are shared",
    }.items():
        low, high = told[name]["interval"]
        print(f"{told[name]['mean']:6.1%} ({low:.1%} to {high:.1%}) {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the maps that are there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    overlap = FIGURES / "sparsefool_overlap.json"
    if not given.draw_only:
        maps, shared = measure(IMAGES[given.scale])
        geomrob.save(maps, FIGURES / NAME)
        page = {"command": f"python experiments/{NAME}.py", "overlap": facts(shared)}
        overlap.write_text(json.dumps(page, indent=1) + "\n")
    maps = geomrob.load(FIGURES / NAME, geomrob.Locations)
    clothes = geomrob.load_data("fashion-mnist-1k")
    means = torch.stack([clothes.images[clothes.labels == label].mean(0) for label in range(10)])
    geomrob.plot_locations(maps, images=means).savefig(FIGURES / f"{NAME}.png")
    compare(overlap)


if __name__ == "__main__":
    main()
