"""The checks of an audit: a table of what each measures, where it warns and fails, and what that means."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.analysis.audit.measurements import CLOSER, Evidence
from geomrob.arrays import Labels
from geomrob.results import Check

Measure = Callable[[Evidence], tuple[float, Bool[Tensor, " n"]]]

TRUE = (0.5, 2.0)
"""By what factor the change of the gap may differ from its gradient's prediction, on a piecewise linear model."""

ROUGH = (0.6, 1.0)
"""Median roughness at which a line is no longer smooth: warning, failure."""


@dataclass(frozen=True)
class CheckEntry:
    """One check: its number and the images concerned, from the evidence; limits; what it means and what to do.

    `runs` says whether there is anything to judge; without, the verdict is skipped.
    """

    measure: Measure
    warn: float
    fail: float
    unit: str
    meaning: str
    advice: str
    source: str
    runs: Callable[[Evidence], bool] = lambda _: True


def _share(images: Bool[Tensor, " n"]) -> tuple[float, Bool[Tensor, " n"]]:
    return float(images.double().mean()), images


def _training(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    return float(e.training), torch.zeros_like(e.changing)


def _untrue(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    low, high = TRUE
    return _share(~e.vanishing_gap & ~((e.agreement >= low) & (e.agreement <= high)))


def _more_steps(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    """Images that resist more steps and not fewer; the number is the net share."""
    return _gain(e.robust[:, 1:], e.robust[:, :-1])


def _larger_epsilon(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    return _gain(e.robust[1:, -1:], e.robust[:-1, -1:])


def _gain(stronger: Bool[Tensor, "a b n"], weaker: Bool[Tensor, "a b n"]) -> tuple[float, Bool[Tensor, " n"]]:
    """Return the largest net share of images that resist the stronger attack alone, and those images.

    One image is within the noise of random starts, whatever share of a small sample it is: it counts as none.
    """
    if not stronger.numel():
        return 0.0, torch.zeros_like(stronger.any(0).any(0))
    images = stronger.shape[2]
    net = int((stronger.long() - weaker.long()).sum(2).max())
    return net / images if net > 1 else 0.0, (stronger & ~weaker).any(0).any(0)


def _one_step(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    missed = e.robust[:, -1] & ~e.robust[:, 0]
    return float(missed.double().mean(1).max()), missed.any(0)


def _rough(e: Evidence) -> tuple[float, Bool[Tensor, " n"]]:
    return float(e.roughness.median(1).values.max()), (e.roughness > ROUGH[1]).any(0)


def _has_black(e: Evidence) -> bool:
    return bool((~e.transferred.isnan()).any() or (~e.decision.isnan()).any())


CHECKS: dict[str, CheckEntry] = {
    "repeats itself": CheckEntry(
        measure=lambda e: _share(e.changing),
        warn=0,
        fail=0,
        unit="of images get different logits when evaluated twice",
        meaning="The model is random, so a single gradient or a single success says little.",
        advice="Fix the randomness, or attack the expectation over it (average the logits of many draws).",
        source="Carlini et al. 2019",
    ),
    "eval mode": CheckEntry(
        measure=_training,
        warn=0,
        fail=math.inf,
        unit="modules in training mode (1: some)",
        meaning="geomrob switches it off; other tools do not and would evaluate dropout and batch statistics.",
        advice="Call model.eval() before you hand the model to anybody.",
        source="Carlini et al. 2019",
    ),
    "one image at a time": CheckEntry(
        measure=lambda e: _share(e.neighbours & ~e.changing),
        warn=0,
        fail=0,
        unit="of images get other logits among other images",
        meaning="The logits of an image depend on its batch, so a batched attack attacks another function.",
        advice="Use the running statistics of batch normalisation (model.eval()), not those of the batch.",
        source="Carlini et al. 2019",
    ),
    "gradients": CheckEntry(
        measure=lambda e: _share(e.vanishing_gap),
        warn=0,
        fail=0.05,
        unit="of images have a zero or non-finite gradient of the logits",
        meaning="Gradient-based attacks have no direction: that they fail says nothing about the model.",
        advice="Replace what has no gradient (rounding, thresholds, detach) by a surrogate in the backward pass.",
        source="Pintor et al. 2022, unavailable gradients; Athalye et al. 2018",
    ),
    "loss gradients": CheckEntry(
        measure=lambda e: _share(e.vanishing_loss & ~e.vanishing_gap),
        warn=0,
        fail=0.05,
        unit="of images have a zero cross-entropy gradient though the logits have one",
        meaning="The softmax is saturated: attacks on the cross-entropy stand still, those on the logits do not.",
        advice="Attack the difference of two logits, or divide the logits by a temperature first.",
        source="Carlini and Wagner 2017; Pintor et al. 2022, unavailable gradients",
    ),
    "correct gradients": CheckEntry(
        measure=_untrue,
        warn=0.1,
        fail=0.3,
        unit="of images change differently from what their gradient predicts (by a factor over 2)",
        meaning="The gradient is not that of the model's output: it is shattered, or a surrogate.",
        advice="Leave the layer in question out of the backward pass (BPDA; for HaH blocks `--gradients surrogate` of "
        "margin and robust), or average gradients over nearby points (`--gradients smoothed`).",
        source="Athalye et al. 2018, shattered gradients",
        runs=lambda e: e.differentiable,
    ),
    "small changes": CheckEntry(
        measure=lambda e: _share(e.unchanged & ~e.changing),
        warn=0,
        fail=0.05,
        unit="of images get exactly the same logits after a change of length 0.001",
        meaning="Small changes have no effect: something rounds the image, and no gradient passes a step.",
        advice="Attack with the rounding left out of the backward pass (straight through), or by queries.",
        source="Athalye et al. 2018, shattered gradients",
    ),
    "smooth": CheckEntry(
        measure=_rough,
        warn=ROUGH[0],
        fail=ROUGH[1],
        unit="roughness of the logits along a line (0 smooth, 2 stairs or noise)",
        meaning="On the way to the boundary the logits jump or oscillate: local gradients say little about it.",
        advice="Look for rounding, thresholds or fast oscillations; follow gradients of surrogates (for HaH blocks "
        "`--gradients surrogate`), and believe the smallest distance that any attack finds.",
        source="Carlini et al. 2019; Athalye et al. 2018",
    ),
    "white-box attack": CheckEntry(
        measure=lambda e: _share(torch.isinf(e.white)),
        warn=0,
        fail=0.02,
        unit="of images have no boundary that the gradient-based attack finds",
        meaning="Every image can be changed into another class: where an attack fails, it is the attack that failed.",
        advice="Count these images as not attacked, not as robust.",
        source="Carlini et al. 2019",
    ),
    "black-box attack": CheckEntry(
        measure=lambda e: _share(e.black < CLOSER * e.white),
        warn=0,
        fail=0.05,
        unit="of images have a closer adversarial example, found without this model's gradients",
        meaning="A black-box attack should not do better: the gradients of this model are masked.",
        advice="Do not report the white-box figure; report the least of all attacks, and find what masks the gradient.",
        source="Carlini et al. 2019; Pintor et al. 2022, transfer failure",
        runs=_has_black,
    ),
    "more steps": CheckEntry(
        measure=_more_steps,
        warn=0.03,
        fail=0.1,
        unit="of images resist PGD with more steps and not with fewer (net)",
        meaning="A longer attack should find at least as much.",
        advice="Check the step size and random starts; keep the best point of all steps, not the last.",
        source="Carlini et al. 2019; Pintor et al. 2022, silent success",
        runs=lambda e: e.differentiable,
    ),
    "larger epsilon": CheckEntry(
        measure=_larger_epsilon,
        warn=0.03,
        fail=0.1,
        unit="of images resist PGD with a larger epsilon and not with a smaller one (net)",
        meaning="What is allowed in a small ball is allowed in a larger one.",
        advice="Let the step size follow epsilon; look at the loss along the way.",
        source="Carlini et al. 2019",
        runs=lambda e: e.differentiable,
    ),
    "whole box": CheckEntry(
        measure=lambda e: _share(e.unbounded),
        warn=0,
        fail=0.02,
        unit="of images resist though the attack may change everything",
        meaning="With any image allowed the attack must succeed: it does not follow the gradient to the boundary.",
        advice="Treat every result of this attack on this model as an upper bound that the attack's failure makes.",
        source="Carlini et al. 2019; Pintor et al. 2022, unconstrained attack fails",
        runs=lambda e: e.differentiable,
    ),
    "one step": CheckEntry(
        measure=_one_step,
        warn=0.02,
        fail=0.1,
        unit="of images are fooled by one step and resist many",
        meaning="Many steps include the first: the later ones lose what it reached.",
        advice="Smaller steps, more starts, a loss that is not saturated.",
        source="Athalye et al. 2018",
        runs=lambda e: e.differentiable,
    ),
    "8 bits": CheckEntry(
        measure=lambda e: _share(~e.survived) if len(e.survived) else (0.0, torch.zeros_like(e.changing)),
        warn=0.1,
        fail=0.5,
        unit="of adversarial images (5 % beyond the boundary) stop fooling when stored with 8 bits",
        meaning="The perturbation exists between the levels of an image file only.",
        advice="Report distances after rounding, or go a little further beyond the boundary.",
        source="Carlini et al. 2019",
        runs=lambda e: bool(torch.isfinite(torch.minimum(e.white, e.decision.nan_to_num(math.inf))).any()),
    ),
}


def judge(evidence: Evidence, indices: Labels) -> tuple[Check, ...]:
    """Return every check of the table on the evidence, in its order; images are named by their `indices`."""
    checks: list[Check] = []
    for name, entry in CHECKS.items():
        ran = entry.runs(evidence)
        value, images = entry.measure(evidence) if ran else (math.nan, torch.zeros_like(evidence.changing))
        verdict = "skipped" if not ran else _verdict(value, entry)
        checks.append(
            Check(
                name=name,
                verdict=verdict,
                value=value,
                warn=entry.warn,
                fail=entry.fail,
                unit=entry.unit,
                images=indices[images.to(indices.device)],
                meaning=entry.meaning,
                advice=entry.advice,
            )
        )
    return tuple(checks)


def _verdict(value: float, entry: CheckEntry) -> str:
    if value > entry.fail:
        return "failed"
    return "warned" if value > entry.warn else "passed"


def causes(evidence: Evidence, checks: tuple[Check, ...]) -> tuple[str, ...]:
    """Return what masks the gradients of the model, as far as the checks show: the most basic cause alone."""
    failed = {check.name for check in checks if check.verdict == "failed"}
    if "repeats itself" in failed:
        return ("randomness: equal calls give different logits",)
    if not evidence.differentiable:
        return ("detached gradient: no gradient reaches the image at all",)
    reasons: list[str] = []
    if "one image at a time" in failed:
        reasons.append("batch statistics: the logits depend on the other images of the batch")
    if "small changes" in failed:
        reasons.append("quantisation: the logits are piecewise constant, with a zero or surrogate gradient")
    elif "gradients" in failed:
        reasons.append("detached gradient: it is zero although the logits change")
    elif "correct gradients" in failed:
        reasons.append("shattered gradients: the gradient does not predict how the logits change")
    if "loss gradients" in failed:
        reasons.append("saturated outputs: the cross-entropy has no gradient, the logits have")
    if not reasons and "black-box attack" in failed:
        reasons.append("masked gradients: black-box attacks come closer, for an unknown reason")
    return tuple(reasons)
