"""Draw every picture of figures/ again from its numbers, without measuring.

    python -m experiments.redraw [--figures FOLDER]

One core: a minute for all.
"""

import argparse
import contextlib
import importlib
import io
from pathlib import Path

import matplotlib.pyplot as plt

from experiments.harness import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=Path("figures"))
    folder = parser.parse_args().figures
    drawn = 0
    for file in sorted(folder.glob("*.json")):
        name, _, tag = file.stem.partition("-")
        if not (Path(__file__).parent / f"{name}.py").is_file():
            continue
        # What an experiment prints is its comparison, which stands in the docs.
        with contextlib.redirect_stdout(io.StringIO()):
            words = ["--draw-only", "--figures", str(folder), *(["--tag", tag] if tag else [])]
            run(importlib.import_module(f"experiments.{name}").EXPERIMENT, words)
        plt.close("all")
        drawn += 1
    print(f"drew the pictures of {drawn} files of numbers")


if __name__ == "__main__":
    main()
