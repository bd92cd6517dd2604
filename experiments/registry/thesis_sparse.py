"""Modas, "Robustness and invariance properties of image classifiers" (EPFL 2022), chapters 1 and 3."""

from experiments.registry.criteria import every, holds, near
from experiments.registry.entry import Entry, Page
from experiments.registry.numbers import equation, sparse

IMAGENET = (
    "needs ImageNet and its networks; `geomrob sparsefool --model torchvision:NAME --data FOLDER` runs on a user's"
)
FALL = "sparsefool_table"
LAM_3 = "SparseFool, lam 3"


def _lam(page: Page) -> tuple[bool, str]:
    good, parts = True, []
    for model in dict.fromkeys(point["model"] for point in page["points"]):
        own = [point for point in page["points"] if (point["model"], point["parameter"]) == (model, "lam")]
        good &= own[-1]["pixels"][1] > own[0]["pixels"][1] and own[-1]["steps"] < own[0]["steps"]
        parts.append(f"{model} {own[0]['pixels'][1]:g} to {own[-1]['pixels'][1]:g} pixels")
    return good, ", ".join(parts)


def _radius(page: Page) -> tuple[bool, str]:
    good, parts = True, []
    for model in dict.fromkeys(point["model"] for point in page["points"]):
        at = {
            point["value"]: point
            for point in page["points"]
            if (point["model"], point["parameter"]) == (model, "radius")
        }
        few, most = at[25]["pixels"][1], at[255]["pixels"][1]
        good &= at[10]["fooling_rate"] > 0.99 and few <= 1.2 * most
        parts.append(f"{model} {at[10]['fooling_rate']:.0%} fooled at 10/255, {few:g} against {most:g} pixels")
    return good, ", ".join(parts)


def _clipping(page: Page) -> tuple[bool, str]:
    pairs = [
        (m["l1-DeepFool"]["fooling_rate"], m["l1-DeepFool, clipped"]["fooling_rate"]) for m in page["table"].values()
    ]
    good = all(free > 0.99 and clipped < 0.5 for free, clipped in pairs)
    return good, ", ".join(f"{free:.0%} to {clipped:.1%}" for free, clipped in pairs)


def _targeted(page: Page) -> tuple[bool, str]:
    rates = {model: methods["targeted, lam 3"]["fooling_rate"] for model, methods in page["table"].items()}
    return min(rates.values()) > 0.95, ", ".join(f"{model} {rate:.0%}" for model, rate in rates.items())


def _random(page: Page) -> tuple[bool, str]:
    rates = [100 * methods[LAM_3]["random"] for methods in page["table"].values()]
    return max(rates) < 20, f"{min(rates):.1f} to {max(rates):.1f} %"


def _transfer(page: Page) -> tuple[bool, str]:
    rates = next(row["rates"] for row in page["rows"] if row["attack"] == "SparseFool" and row["factor"] == 1)
    off = sorted([100 * rates[0][1], 100 * rates[1][0]])
    return off[0] >= 5 and off[1] <= 35, f"{off[0]:.1f} and {off[1]:.1f} %"


def _overlap(page: Page) -> tuple[bool, str]:
    overlap = page["sparsefool_overlap"]
    shared, anywhere = (float(getattr(overlap, name).nanmean()) for name in ("smaller", "expected"))
    return anywhere < shared < 0.5, f"{shared:.1%} shared, {anywhere:.1%} if pixels lay anywhere"


def _robust(page: Page) -> tuple[bool, str]:
    rows = {row["model"]: sorted(row["pixels"]) for row in page["rows"]}
    ends = [rows[model][len(rows[model]) // 2] for model in ("fmnist-standard", "fmnist-linf-adversarial")]
    return ends[1] > ends[0], f"{ends[0]:g} -> {ends[1]:g} pixels (pruned)"


def _time(page: Page) -> tuple[bool, str]:
    methods = page["peers"]["methods"]
    ours = methods["sparsefool, lam 1"]
    names = [name for name in methods if "JSMA" in name or "OnePixel" in name]
    parts = [f"SparseFool {ours['pixels']:g} pixels, {ours['success']:.0%}"]
    parts += [f"{name} {methods[name]['pixels']:g}, {methods[name]['success']:.0%}" for name in names]
    fewer = all(
        ours["success"] > methods[name]["success"] or ours["pixels"] < methods[name]["pixels"] for name in names
    )
    return bool(names) and fewer, "; ".join(parts)


def _norms(page: Page) -> tuple[bool, str]:
    own = {name: row[name] for name, row in page["norms"].items()}
    good = all(value <= 1.001 * min(row[name] for row in page["norms"].values()) for name, value in own.items())
    return good, ", ".join(f"{name} {value:.3g}" for name, value in own.items())


def _radii(page: Page) -> tuple[bool, str]:
    pixels = [page["pixels"][radius] for radius in ("255", "100", "50", "25")]
    return pixels == sorted(pixels), " -> ".join(f"{count:g}" for count in pixels) + " pixels"


def _percent(page: Page) -> tuple[bool, str]:
    used = {"mnist-lenet": "SparseFool, lam 1", "cifar10-resnet20": LAM_3}
    shares = {model: page["table"][model][method]["percent"] for model, method in used.items()}
    return max(shares.values()) <= 3, ", ".join(f"{model} {share:.2f} %" for model, share in shares.items())


def _own(page: Page) -> tuple[bool, str]:
    overlap = page["sparsefool_overlap"]
    shared, other = (float(getattr(overlap, name).nanmean()) for name in ("smaller", "elsewhere"))
    return shared > other, f"{shared:.1%} against {other:.1%}"


SPARSE = (
    equation(
        "thesis-eq-1.1-1.2",
        "eqs 1.1, 1.2",
        "Perturbations are bounded in a norm, or the smallest that change the class.",
        "attacks:tight",
        "attacks/test_truth.py::test_margins_in_three_norms_where_pixels_are_the_basis",
        "attacks/test_truth.py::test_an_attack_of_given_radius_succeeds_beyond_the_margin_and_fails_before_it",
    ),
    Entry(
        id="thesis-fig-1.1",
        where="Fig 1.1",
        claim="One image, and its smallest perturbations in several norms.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; DeepFool in each of l1, l2, linf is the nearest in its norm", _norms),
    ),
    equation(
        "thesis-sec-3.2.1-deepfool",
        "3.2.1 DeepFool lp",
        "DeepFool's step in l1, l2 and linf is the projection onto the linearised boundary in that norm.",
        "attacks:deepfool",
        "attacks/test_truth.py::test_deepfool_is_exact_in_three_norms",
    ),
    Entry(
        id="thesis-sec-3.2.1-clipping",
        where="3.2.1 clipping",
        claim="l1-DeepFool fools with very few pixels, but not after clipping to the range of an image.",
        published={"fooled, %": (100, 13), "pixels, %": 0.037},
        run=FALL,
        criterion=holds("above 99 % fooled free, below half clipped, on every model", _clipping),
        stand_in="LeNet, ResNet-8 and ResNet-20 on small images for VGG-16 on ImageNet",
    ),
    equation(
        "thesis-eq-3.2-3.5",
        "eqs 3.2-3.5, Alg 1",
        "The projection in l1 onto a hyperplane inside a box moves one coordinate after the other.",
        "attacks.engine.sparse_projection:to_hyperplane",
        "attacks/test_sparse_projection.py::test_it_equals_the_sequential_solver_on_a_thousand_problems",
    ),
    equation(
        "thesis-eq-3.6",
        "eq 3.6, Alg 2",
        "SparseFool linearises at a DeepFool point, lambda times as far, and projects in l1 inside the box.",
        "attacks.minimal.sparsefool:sparsefool",
        "attacks/test_sparsefool.py::test_it_equals_the_twin",
    ),
    Entry(
        id="thesis-sec-3.2.3",
        where="3.2.3 targeted",
        claim="SparseFool is easily made targeted.",
        published={},
        run=FALL,
        criterion=holds("more than 95 % reach their target on every model", _targeted),
    ),
    equation(
        "thesis-eq-3.7",
        "eq 3.7",
        "The fooling rate is the share of images whose predicted class changes.",
        "analysis.sparsity:sparsity",
        "analysis/test_sparsity.py::test_counts_are_those_of_a_plain_loop",
    ),
    Entry(
        id="thesis-fig-3.3",
        where="Fig 3.3",
        claim="A larger lambda needs fewer iterations and changes more pixels.",
        published={},
        run="sparsefool_sweeps",
        criterion=holds("more pixels and fewer steps at the largest lambda, on every model", _lam),
        stand_in="small networks and images for Inception-v3 on ImageNet",
    ),
    Entry(
        id="thesis-tab-3.1-sparsefool",
        where="Tab 3.1 SF",
        claim="SparseFool fools nearly all images of MNIST and CIFAR-10 with one to two per cent of the pixels.",
        published={"LeNet rate, pixels %": (99.93, 1.66), "VGG-19": (100, 1.07), "ResNet-18": (100, 1.27)},
        run=FALL,
        criterion=every(
            near("mnist-lenet fooled, %", sparse("mnist-lenet", "SparseFool, lam 1", "fooling_rate", 100), 99.93, 0.01),
            near("mnist-lenet pixels, %", sparse("mnist-lenet", "SparseFool, lam 1", "percent"), 1.66, 0.2),
            near("cifar10-resnet20 fooled, %", sparse("cifar10-resnet20", LAM_3, "fooling_rate", 100), 100, 0.01),
            near("cifar10-resnet20 pixels, %", sparse("cifar10-resnet20", LAM_3, "percent"), 1.27, 0.2),
        ),
        stand_in="ResNet-20 for ResNet-18 on CIFAR-10, 200 images; lambda grows after 25 steps",
    ),
    Entry(
        id="thesis-tab-3.1-peers",
        where="Tab 3.1 JSMA, 1-PA",
        claim="JSMA and the one-pixel attack change more pixels and take longer.",
        published={"JSMA, %": (4.85, 2.25, 3.91), "1-PA, %": (9.43, 0.15, 0.20), "SparseFool faster": (2.9, 4.7, 15.5)},
        run="sparsefool_benchmarks",
        criterion=holds("each fools fewer images or changes more pixels than SparseFool at lam 1", _time),
        stand_in="LeNet on Fashion-MNIST; one pixel only, JSMA of torchattacks",
    ),
    Entry(
        id="thesis-tab-3.2",
        where="Tab 3.2",
        claim="On ImageNet a fraction of a per cent of the pixels suffices.",
        published={"%": (0.18, 0.23, 0.29, 0.14)},
        why_not=IMAGENET,
    ),
    Entry(
        id="thesis-sec-3.3.1-random",
        where="3.3.1 random",
        claim="As many random pixels fool few images.",
        published={"%": (18.2, 13.2, 14.5, 9.6)},
        run=FALL,
        criterion=holds("below 20 % of images, on every model", _random),
        stand_in="small networks and images for four ImageNet networks",
    ),
    Entry(
        id="thesis-fig-3.4",
        where="Fig 3.4",
        claim="Perturbations of MNIST and CIFAR-10 images are few pixels that are hard to see.",
        published={},
        run=FALL,
        criterion=holds("drawn, with at most 3 % of the pixels on MNIST and CIFAR-10", _percent),
        stand_in="ResNet-20 for VGG-19 and ResNet-18 on CIFAR-10",
    ),
    Entry(
        id="thesis-fig-3.5",
        where="Fig 3.5",
        claim="The same on ImageNet.",
        published={},
        why_not=IMAGENET,
    ),
    Entry(
        id="thesis-fig-3.6",
        where="Fig 3.6",
        claim="Above a radius of 25/255 sparsity hardly changes, and all images are fooled whatever the radius.",
        published={"radius": 25, "fooled, %": 100},
        run="sparsefool_sweeps",
        criterion=holds("above 99 % at 10/255, and at 25/255 at most 1.2 times the pixels of 255/255", _radius),
        stand_in="small networks and images for ResNet-101 on ImageNet",
    ),
    Entry(
        id="thesis-fig-3.7",
        where="Fig 3.7",
        claim="One image perturbed within several radii.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; the median of pixels rises as the radius falls from 255 over 100 and 50 to 25", _radii),
        stand_in="LeNet on Fashion-MNIST for ImageNet",
    ),
    Entry(
        id="thesis-tab-3.3",
        where="Tab 3.3",
        claim="Sparse perturbations transfer between networks to some extent.",
        published={"off the diagonal, %": (8.2, 28.2)},
        run="sparsefool_transfer",
        criterion=holds("5 to 35 % both ways", _transfer),
        stand_in="LeNet and ResNet-8 on Fashion-MNIST, 300 images",
    ),
    Entry(
        id="thesis-fig-3.8",
        where="Fig 3.8",
        claim="For every network the perturbation lies on the object, but not on the same pixels.",
        published={},
        run="sparsefool_locations",
        criterion=holds("more shared than at random, less than half", _overlap),
        stand_in="LeNet and ResNet-8 on Fashion-MNIST",
    ),
    Entry(
        id="thesis-fig-3.9",
        where="Fig 3.9",
        claim="Perturbations of a class lie on common places.",
        published={},
        run="sparsefool_locations",
        criterion=holds("more shared than with the other model's perturbation of another image", _own),
        stand_in="LeNet and ResNet-8 on Fashion-MNIST, by true class",
    ),
    Entry(
        id="thesis-sec-3.4.2",
        where="3.4.2",
        claim="An adversarially trained network needs about twice the pixels, and is still fooled throughout.",
        published={"pixels, %": (1.27, 2.44), "fooled, %": 100, "seconds": (0.69, 0.30)},
        run="zoo_margins",
        criterion=holds("more pixels after adversarial training", _robust),
        stand_in="ResNet-8 on Fashion-MNIST, SparseFool with pruning",
    ),
)
