"""Train the zoo on Fashion-MNIST: every model of experiments/zoo_table.py and zoo_corruptions.py by its recipe.

    python -m experiments.train_zoo --data-dir DATA [--out trained/zoo] [--only NAME ...]

Each training is `geomrob train NAME --seed SEED --out OUT/NAME-SEED`; a killed run is resumed when the command is
given again. Hours on one CPU core; `--only` splits the work. Prints the accuracies at the end.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SEEDS = {
    "fmnist-standard": 3,
    "fmnist-pushpull-avg3": 3,
    "fmnist-similarity": 3,
    "fmnist-vgg": 3,
    "fmnist-hah": 3,
    "fmnist-low-pass": 3,
    "fmnist-flipped": 3,
    "fmnist-augmix": 3,
    "fmnist-augmix-no-jsd": 3,
    "fmnist-prime": 3,
    "fmnist-prime-no-jsd": 3,
    "fmnist-prime-no-jsd-released": 3,
    "fmnist-prime-released": 3,
    "fmnist-pushpull-avg5": 1,
    "fmnist-pushpull-fixed": 1,
    "fmnist-hah-no-cost": 1,
    "fmnist-hah-batch-norm": 1,
    "fmnist-hah-no-threshold": 1,
    "fmnist-l2-adversarial": 1,
    "fmnist-linf-adversarial": 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("trained/zoo"))
    parser.add_argument("--only", nargs="+", choices=SEEDS, default=list(SEEDS))
    given = parser.parse_args()
    for name in given.only:
        for seed in range(SEEDS[name]):
            words = ["train", name, "--seed", str(seed), "--out", str(given.out / f"{name}-{seed}"), "--json"]
            words += ["--data-dir", str(given.data_dir)]
            done = subprocess.run([sys.executable, "-m", "geomrob", *words], check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own command
            facts = json.loads(done.stdout)
            print(
                f"{name} seed {seed}: test accuracy {facts['test_accuracy']:.2%}, {facts['seconds']:.0f} s", flush=True
            )


if __name__ == "__main__":
    main()
