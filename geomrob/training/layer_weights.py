"""Which layers a finished training with the similarity part chose to regularise."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from geomrob.arrays import UsageError


def layer_weights(folder: str | Path) -> dict[str, float]:
    """Return gamma, the weight of each layer in the similarity of features, after the last epoch of a training.

    The weights are at least 0 and add up to 1. A weight near 1 says that the network keeps to the pixel similarities
    in that layer only; published ones lie in the first half of the network (Tables 2 and 3 of the paper).

    Args:
        folder: What `geomrob train` or `fit(..., out=...)` wrote.

    Returns:
        A weight a layer, in the order in which images pass them.

    Raises:
        UsageError: No training with the similarity part lies there.

    References:
        Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eq. 4, Appendix 7.6.
    """
    path = Path(folder) / "objective.safetensors"
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["geomrob"])
            gamma: list[float] = file.get_tensor("similarity.logits").softmax(0).tolist()
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"folder must hold a training with [similarity]; got {error!r} for {path}: name the --out of one"
        ) from None
    named: list[str] = facts["run"]["options"]["similarity"]["layers"]
    names = named or ["bn", *(f"stages.{index}" for index in range(len(gamma) - 1))]
    return dict(zip(names, gamma, strict=True))
