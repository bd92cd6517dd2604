"""Write the embedded images: the first 100 of each class of the Fashion-MNIST test set, in test order, class by class.

    python -m experiments.embed_fashion_mnist --data-dir DATA [--out geomrob/assets]

DATA holds FashionMNIST/raw/t10k-*-ubyte.gz. Writes fashion-mnist-1k.png (a mosaic, 50 images a row, two rows a class)
and fashion-mnist-1k.json (rule, licence, labels, positions in the test set, SHA-256 of the pixels). The pixels and the
JSON are the same everywhere; the PNG is the same byte for byte with the Pillow of constraints.txt. Seconds, one core.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from geomrob.data import DATASETS, embedded, idx

PER_CLASS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=embedded.ASSETS)
    given = parser.parse_args()

    images, labels, _ = idx.read(given.data_dir / "FashionMNIST" / "raw", "test")
    classes = DATASETS[embedded.NAME].classes
    indices = np.concatenate([np.flatnonzero(labels == k)[:PER_CLASS] for k in range(len(classes))])
    chosen = np.ascontiguousarray(images[indices, 0])
    facts = {
        "source": "Fashion-MNIST, test set (t10k-images-idx3-ubyte.gz), https://github.com/zalandoresearch/fashion-mnist",
        "licence": "MIT, Copyright 2017 Zalando SE, full text in fashion-mnist-1k.LICENSE.txt",
        "rule": f"the first {PER_CLASS} images of each class in test order, class by class",
        "command": "python experiments/embed_fashion_mnist.py --data-dir DATA",
        "source_sha256": hashlib.sha256(images.tobytes()).hexdigest(),
        "pixels_sha256": hashlib.sha256(chosen.tobytes()).hexdigest(),
        "classes": list(classes),
        "labels": labels[indices].tolist(),
        "indices": indices.tolist(),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(embedded.to_mosaic(chosen)).save(given.out / f"{embedded.NAME}.png", optimize=True)
    (given.out / f"{embedded.NAME}.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
