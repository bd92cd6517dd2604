"""CPU seconds of a margin, one thread: `GEOMROB_DATA=... python -m tests.runs.rates` prints a table of docs/scale.md.

The images of 32 x 32 pixels are those of CIFAR-10; without the data set only the first model is measured.
"""

import os
import time

import torch

from geomrob.analysis.margin_bands import margin_bands
from geomrob.analysis.margins import margin_curve
from geomrob.data import load_data
from geomrob.models import load_model

MILLION = 10**6

# Images of each attack: about one part, half a minute at most.
MODELS = {
    "fmnist-lenet": ("fashion-mnist-1k", {"deepfool": 35, "tight": 35}),
    "cifar10-resnet20": ("cifar10", {"deepfool": 8, "tight": 4}),
}


def main() -> None:
    """Measure each model and attack once, after a short one that warms up, and print a row."""
    torch.set_num_threads(1)
    print("| model | attack | pairs | forward + backward | CPU ms a pair | a million images x 29 bands |")
    print("|---|---|---|---|---|---|")
    for name, (data, attacks) in MODELS.items():
        if data == "cifar10" and "GEOMROB_DATA" not in os.environ:
            continue
        model = load_model(name)
        for attack, count in attacks.items():
            samples = load_data(data, samples=count)
            bands = margin_bands(samples)
            margin_curve(model, samples.images[:1], subspaces=bands[:2], attack="deepfool")
            start = time.process_time()
            curve = margin_curve(model, samples.images, subspaces=bands, attack=attack)
            seconds = time.process_time() - start
            pairs = count * len(bands)
            spent = f"{float(curve.forwards.double().mean()):.0f} + {float(curve.backwards.double().mean()):.0f}"
            hours = seconds / pairs * MILLION * 29 / 3600
            print(
                f"| {name} | {attack} | {pairs} | {spent} | {1000 * seconds / pairs:.1f} | {hours:,.0f} h |", flush=True
            )


if __name__ == "__main__":
    main()
