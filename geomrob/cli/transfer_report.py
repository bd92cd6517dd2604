"""What is told about transfer: a row for each pair of models, the matrix as a table, the JSON answer."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import TransferMatrix


def rows(matrix: "TransferMatrix") -> list[dict[str, Any]]:
    """Return one row of plain numbers for each source and target."""
    rates, accuracy = matrix.rates.tolist(), matrix.accuracy.tolist()
    return [
        {
            "source": source,
            "target": target,
            "data": matrix.data,
            "method": matrix.method,
            "images": matrix.found.shape[1],
            "fooled_source": int(matrix.found[s].sum()),
            "fooled_target": int(matrix.fooled[s, t].sum()),
            "rate": rates[s][t],
            "target_accuracy": accuracy[t],
        }
        for s, source in enumerate(matrix.models)
        for t, target in enumerate(matrix.models)
    ]


def tell(matrix: "TransferMatrix", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: the matrix and the files written, or one JSON object."""
    if as_json:
        say(to_json(matrix, files))
        return
    images = matrix.found.shape[1]
    say(
        f"{matrix.method} on {images} images of {matrix.data}: share of the images on which the model of the column "
        "(target)",
        "decides otherwise after they were changed to fool the model of the row (source)",
    )
    lines = [
        (source, f"{int(found.sum())} of {images}", *(f"{rate:.1%}" for rate in rates))
        for source, found, rates in zip(matrix.models, matrix.found, matrix.rates.tolist(), strict=True)
    ]
    show_table(("source", "fooled", *(f"on\n{name}" for name in matrix.models)), lines)
    accuracy = zip(matrix.models, matrix.accuracy.tolist(), strict=True)
    say(
        "clean accuracy: "
        + ", ".join(f"{name} {'-' if math.isnan(share) else f'{share:.1%}'}" for name, share in accuracy)
    )
    spent = matrix.provenance
    say(
        f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; "
        f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations",
        f"written: {', '.join(map(str, files))}",
    )


def to_json(matrix: "TransferMatrix", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    answer = {
        "models": list(matrix.models),
        "pairs": rows(matrix),
        "provenance": vars(matrix.provenance),
        "files": [str(file) for file in files],
    }
    return json.dumps(strict(answer), allow_nan=False, indent=1)
