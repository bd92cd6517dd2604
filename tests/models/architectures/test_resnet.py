import pytest
import torch

from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet

GREY = {"shape": (1, 28, 28), "mean": [0.286], "std": [0.353]}


def test_each_stage_after_the_first_halves_the_image():
    model = resnet(widths=(4, 6, 8), depths=(1, 2, 1), **GREY).eval()
    seen = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:])))
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert seen == [(4, 28, 28), (6, 14, 14), (8, 7, 7)]


@pytest.mark.parametrize(
    ("widths", "depths", "layers"), [((16, 32, 64), (1, 1, 1), 8), ((4, 4, 4), (3, 3, 3), 20), ((4,) * 4, (2,) * 4, 18)]
)
def test_the_name_counts_the_layers(widths, depths, layers):
    model = resnet(widths=widths, depths=depths)
    main = [key for key, value in model.named_parameters() if value.ndim > 1 and "shortcut" not in key]
    assert len(main) == layers == 2 + 2 * sum(depths)


def test_the_default_is_the_resnet18_of_the_cifar_papers():
    assert sum(parameter.numel() for parameter in resnet().parameters()) == 11_173_962


def test_a_block_that_adds_nothing_is_the_identity_after_relu():
    block = resnet(widths=(3,), depths=(1,), **GREY).eval().stages[0][0]
    torch.nn.init.zeros_(block.bn2.weight)
    features = torch.rand(2, 3, 5, 5)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize(("widths", "depths"), [((), ()), ((4, 8), (1,)), ((4, 0), (1, 1)), ((4,), (0,))])
def test_unfit_stages_are_refused(widths, depths):
    with pytest.raises(UsageError, match="pass one pair a stage"):
        resnet(widths=widths, depths=depths)
