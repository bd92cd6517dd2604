"""How a model is evaluated: prepared once (eval mode, block size, determinism, clean logits), in fixed padded blocks.

Every call of the model has the same batch shape (`Prepared.block` rows, the last one repeated as padding), because the
rounding of a matrix product depends on the shape of the batch and a search can amplify it. So the output for an image
does not depend on its neighbours, on their order or on how many images are left. The block follows from the model, the
image shape and the memory budget: another budget may give other last bits.
"""

from geomrob.inference.classes import check_finite, checked_classes, checked_targets, logit_gap, predicted_classes
from geomrob.inference.evaluations import MEMORY, Evaluations, chunks, pieces
from geomrob.inference.logits_and_gradients import (
    Objective,
    evaluate,
    evaluating,
    gradient,
    gradients,
    out_of_memory,
    scores,
)
from geomrob.inference.outputs import OUTPUTS
from geomrob.inference.predictions_and_accuracy import accuracy, is_adversarial
from geomrob.inference.prepared import (
    CPU_BLOCK,
    CPU_FORWARD_BLOCK,
    GPU_BLOCK,
    Prepared,
    plain,
)
from geomrob.inference.repeatability import PROBED, check_first_call

__all__ = [
    "CPU_BLOCK",
    "CPU_FORWARD_BLOCK",
    "GPU_BLOCK",
    "MEMORY",
    "OUTPUTS",
    "PROBED",
    "Evaluations",
    "Objective",
    "Prepared",
    "accuracy",
    "check_finite",
    "check_first_call",
    "checked_classes",
    "checked_targets",
    "chunks",
    "evaluate",
    "evaluating",
    "gradient",
    "gradients",
    "is_adversarial",
    "logit_gap",
    "out_of_memory",
    "pieces",
    "plain",
    "predicted_classes",
    "scores",
]
