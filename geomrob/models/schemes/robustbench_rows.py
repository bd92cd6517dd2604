"""The networks behind the names of robustbench that are known here: `ROWS`, by dataset/threat and name.

Facts of robustbench 1.1.1 (depths, widths, activations, normalisations), checked against its modules on random weights.
"""

from typing import NamedTuple

Numbers = tuple[float, ...]

NONE = ((0.0,) * 3, (1.0,) * 3)
HALF = ((0.5,) * 3, (0.5,) * 3)
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))
CIFAR10_SHORT = ((0.491, 0.482, 0.447), (0.247, 0.243, 0.262))
CIFAR10_WIDE = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR10_EXACT = (
    (0.4913997551666284, 0.48215855929893703, 0.4465309133731618),
    (0.24703225141799082, 0.24348516474564, 0.26158783926049628),
)
CIFAR100 = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
CIFAR100_OTHER = ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
CIFAR100_EXACT = (
    (0.5070751592371323, 0.48654887331495095, 0.4409178433670343),
    (0.2673342858792401, 0.2564384629170883, 0.27615047132568404),
)


class Row(NamedTuple):
    """One network.

    Attributes:
        family: wide (Wide ResNets after TRADES), silu (those after DeepMind), resnet (for CIFAR), torchvision.
        size: Depth and widening of a Wide ResNet, blocks of each stage of a ResNet.
        normalisation: Mean and std of each channel; buffers of the checkpoint replace them.
        name: Of torchvision's function, where that builds it.
    """

    family: str
    size: tuple[int, ...] = ()
    normalisation: tuple[Numbers, Numbers] = NONE
    name: str = ""


WRN28, WRN34, WRN34_20 = (Row("wide", size) for size in ((28, 10), (34, 10), (34, 20)))
RESNET18 = Row("resnet", (2, 2, 2, 2))


def silu(depth: int, widen: int, normalisation: tuple[Numbers, Numbers] = CIFAR10) -> Row:
    """Return a Wide ResNet as DeepMind builds it: SiLU, padding after the last row and column."""
    return Row("silu", (depth, widen), normalisation)


def imagenet(name: str) -> Row:
    """Return a network of torchvision, normalised as usual on ImageNet."""
    return Row("torchvision", (), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), name)


ROWS: dict[str, dict[str, Row]] = {
    "cifar10/Linf": {
        "Standard": WRN28,
        "Carmon2019Unlabeled": WRN28,
        "Sehwag2020Hydra": WRN28,
        "Wang2020Improving": WRN28,
        "Hendrycks2019Using": Row("wide", (28, 10), HALF),
        "Rice2020Overfitting": Row("wide", (34, 20), CIFAR10),
        "Zhang2019Theoretically": WRN34,
        "Engstrom2019Robustness": Row("resnet", (3, 4, 6, 3), CIFAR10_WIDE),
        "Huang2020Self": WRN34,
        "Zhang2019You": WRN34,
        "Zhang2020Attacks": WRN34,
        "Wu2020Adversarial_extra": WRN28,
        "Wu2020Adversarial": WRN34,
        "Gowal2020Uncovering_70_16": silu(70, 16),
        "Gowal2020Uncovering_70_16_extra": silu(70, 16),
        "Gowal2020Uncovering_34_20": silu(34, 20),
        "Gowal2020Uncovering_28_10_extra": silu(28, 10),
        "Sehwag2021Proxy": WRN34,
        "Sehwag2021Proxy_R18": RESNET18,
        "Sitawarin2020Improving": WRN34,
        "Chen2020Efficient": Row("wide", (34, 10), CIFAR10),
        "Cui2020Learnable_34_20": WRN34_20,
        "Cui2020Learnable_34_10": WRN34,
        "Zhang2020Geometry": WRN28,
        "Rebuffi2021Fixing_28_10_cutmix_ddpm": silu(28, 10),
        "Rebuffi2021Fixing_106_16_cutmix_ddpm": silu(106, 16),
        "Rebuffi2021Fixing_70_16_cutmix_ddpm": silu(70, 16),
        "Rebuffi2021Fixing_70_16_cutmix_extra": silu(70, 16),
        "Sridhar2021Robust": WRN28,
        "Sridhar2021Robust_34_15": Row("wide", (34, 15)),
        "Rade2021Helper_extra": silu(34, 10),
        "Rade2021Helper_ddpm": silu(28, 10),
        "Addepalli2021Towards_RN18": RESNET18,
        "Addepalli2021Towards_WRN34": WRN34,
        "Gowal2021Improving_70_16_ddpm_100m": silu(70, 16),
        "Gowal2021Improving_28_10_ddpm_100m": silu(28, 10),
        "Chen2021LTD_WRN34_10": WRN34,
        "Chen2021LTD_WRN34_20": WRN34_20,
        "Jia2022LAS-AT_34_10": WRN34,
        "Jia2022LAS-AT_70_16": Row("wide", (70, 16)),
        "Pang2022Robustness_WRN28_10": silu(28, 10),
        "Pang2022Robustness_WRN70_16": silu(70, 16),
        "Addepalli2022Efficient_RN18": RESNET18,
        "Addepalli2022Efficient_WRN_34_10": WRN34,
        "Wang2023Better_WRN-28-10": silu(28, 10),
        "Wang2023Better_WRN-70-16": silu(70, 16),
        "Xu2023Exploring_WRN-28-10": silu(28, 10),
        "Cui2023Decoupled_WRN-28-10": silu(28, 10),
        "Cui2023Decoupled_WRN-34-10": WRN34,
        "Chen2024Data_WRN_34_10": WRN34,
        "Chen2024Data_WRN_34_20": WRN34_20,
        "Bartoldson2024Adversarial_WRN-94-16": silu(94, 16),
        "Bartoldson2024Adversarial_WRN-82-8": silu(82, 8),
    },
    "cifar10/L2": {
        "Standard": WRN28,
        "Augustin2020Adversarial": Row("resnet", (3, 4, 6, 3), CIFAR10_EXACT),
        "Augustin2020Adversarial_34_10": Row("wide", (34, 10), CIFAR10_EXACT),
        "Augustin2020Adversarial_34_10_extra": Row("wide", (34, 10), CIFAR10_EXACT),
        "Engstrom2019Robustness": Row("resnet", (3, 4, 6, 3), CIFAR10_WIDE),
        "Rony2019Decoupling": Row("wide", (28, 10), CIFAR10_SHORT),
        "Wu2020Adversarial": WRN34,
        "Gowal2020Uncovering": silu(70, 16),
        "Gowal2020Uncovering_extra": silu(70, 16),
        "Sehwag2021Proxy": WRN34,
        "Sehwag2021Proxy_R18": RESNET18,
        "Rebuffi2021Fixing_70_16_cutmix_ddpm": silu(70, 16),
        "Rebuffi2021Fixing_28_10_cutmix_ddpm": silu(28, 10),
        "Rebuffi2021Fixing_70_16_cutmix_extra": silu(70, 16),
        "Wang2023Better_WRN-28-10": silu(28, 10),
        "Wang2023Better_WRN-70-16": silu(70, 16),
    },
    "cifar10/corruptions": {
        "Standard": WRN28,
        "Rebuffi2021Fixing_70_16_cutmix_extra_Linf": silu(70, 16),
        "Rebuffi2021Fixing_70_16_cutmix_extra_L2": silu(70, 16),
        "Hendrycks2020AugMix_WRN": Row("wide", (40, 2), HALF),
        "Addepalli2021Towards_WRN34": WRN34,
        "Modas2021PRIMEResNet18": Row("resnet", (2, 2, 2, 2), HALF),
        "Addepalli2022Efficient_WRN_34_10": WRN34,
    },
    "cifar100/Linf": {
        "Gowal2020Uncovering": silu(70, 16, CIFAR100),
        "Gowal2020Uncovering_extra": silu(70, 16, CIFAR100),
        "Cui2020Learnable_34_20_LBGAT6": WRN34_20,
        "Cui2020Learnable_34_10_LBGAT0": WRN34,
        "Cui2020Learnable_34_10_LBGAT6": WRN34,
        "Cui2020Learnable_34_10_LBGAT9_eps_8_255": WRN34,
        "Chen2020Efficient": Row("wide", (34, 10), CIFAR100_OTHER),
        "Wu2020Adversarial": Row("wide", (34, 10), CIFAR100_EXACT),
        "Sehwag2021Proxy": WRN34,
        "Sitawarin2020Improving": WRN34,
        "Hendrycks2019Using": Row("wide", (28, 10), HALF),
        "Rebuffi2021Fixing_70_16_cutmix_ddpm": silu(70, 16, CIFAR100),
        "Rebuffi2021Fixing_28_10_cutmix_ddpm": silu(28, 10, CIFAR100),
        "Addepalli2021Towards_WRN34": WRN34,
        "Chen2021LTD_WRN34_10": WRN34,
        "Pang2022Robustness_WRN28_10": silu(28, 10, CIFAR100),
        "Pang2022Robustness_WRN70_16": silu(70, 16, CIFAR100),
        "Jia2022LAS-AT_34_10": WRN34,
        "Jia2022LAS-AT_34_20": WRN34_20,
        "Addepalli2022Efficient_RN18": RESNET18,
        "Addepalli2022Efficient_WRN_34_10": WRN34,
        "Wang2023Better_WRN-28-10": silu(28, 10, CIFAR100),
        "Wang2023Better_WRN-70-16": silu(70, 16, CIFAR100),
        "Cui2023Decoupled_WRN-28-10": silu(28, 10, CIFAR100),
        "Cui2023Decoupled_WRN-34-10": WRN34,
        "Cui2023Decoupled_WRN-34-10_autoaug": WRN34,
        "Chen2024Data_WRN_34_10": WRN34,
    },
    "cifar100/corruptions": {
        "Gowal2020Uncovering_Linf": silu(70, 16, CIFAR100),
        "Gowal2020Uncovering_extra_Linf": silu(70, 16, CIFAR100),
        "Hendrycks2020AugMix_WRN": Row("wide", (40, 2), HALF),
        "Addepalli2021Towards_WRN34": WRN34,
        "Modas2021PRIMEResNet18": Row("resnet", (2, 2, 2, 2), HALF),
        "Addepalli2022Efficient_WRN_34_10": WRN34,
    },
    "imagenet/Linf": {
        "Engstrom2019Robustness": imagenet("resnet50"),
        "Salman2020Do_R50": imagenet("resnet50"),
        "Salman2020Do_R18": imagenet("resnet18"),
        "Salman2020Do_50_2": imagenet("wide_resnet50_2"),
    },
    "imagenet/corruptions": {
        "Erichson2022NoisyMix": imagenet("resnet50"),
        "Erichson2022NoisyMix_new": imagenet("resnet50"),
        "Geirhos2018_SIN": imagenet("resnet50"),
        "Geirhos2018_SIN_IN": imagenet("resnet50"),
        "Geirhos2018_SIN_IN_IN": imagenet("resnet50"),
        "Hendrycks2020Many": imagenet("resnet50"),
        "Hendrycks2020AugMix": imagenet("resnet50"),
        "Salman2020Do_50_2_Linf": imagenet("wide_resnet50_2"),
    },
}
CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}
