"""VGG: plans, parameter counts, blocks."""

import pytest
import torch
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.architectures.plans import SMALL, VGG11, VGG16, VGG19
from geomrob.models.architectures.vgg import VGGBlock, vgg
from geomrob.models.layers.hah import HaHBlock, WeightNormConv2d


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def small(**options) -> nn.Module:
    return vgg(shape=(1, 28, 28), mean=[0.286], std=[0.353], plan=SMALL, **options)


def test_the_parameters_of_the_hah_vgg_16_are_as_many_as_released():
    assert count(vgg(hah=6)) == 14_722_250


@pytest.mark.parametrize(("plan", "published"), [(VGG11, 9_231_114), (VGG16, 14_728_266), (VGG19, 20_040_522)])
def test_the_parameters_of_the_plain_plans_are_as_many_as_published(plan, published):
    assert count(vgg(plan=plan)) == published


@pytest.mark.parametrize("hah", range(7))
def test_the_first_convolutions_are_hah_blocks_and_all_of_them_weight_normalised(hah):
    model = small(hah=hah, weight_norm=True)
    blocks = [block for block in model.features if isinstance(block, HaHBlock | VGGBlock)]
    assert [isinstance(block, HaHBlock) for block in blocks] == [index < hah for index in range(6)]
    assert all(isinstance(block.conv, WeightNormConv2d) for block in blocks)
    logits = model(torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_plain_blocks_normalise_before_the_relu_and_weight_normalised_ones_behind_it():
    assert not any(block.relu_first for block in small().features if isinstance(block, VGGBlock))
    assert all(block.relu_first for block in small(hah=1).features if isinstance(block, VGGBlock))
    assert all(not isinstance(block.conv, WeightNormConv2d) for block in small().features if hasattr(block, "conv"))
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    behind, before = small(relu_first=True).features[0], small().features[0]
    assert behind(images).min() < 0 == before(images).min()


def test_images_smaller_than_the_poolings_are_refused():
    with pytest.raises(UsageError, match="at least 32x32"):
        vgg(shape=(3, 28, 28))


@pytest.mark.parametrize("plan", [(), ("M",), (16, "P"), (0, 16)])
def test_a_plan_without_sense_is_refused(plan):
    with pytest.raises(UsageError, match="plan must"):
        vgg(plan=plan)


@pytest.mark.parametrize("hah", [-1, 7])
def test_more_hah_blocks_than_convolutions_are_refused(hah):
    with pytest.raises(UsageError, match="hah must"):
        small(hah=hah)
