import pytest
import torch

from geomrob.errors import UsageError
from geomrob.models.architectures.lenet import lenet


def test_the_layers_have_the_names_and_sizes_of_the_margin_measurements():
    sizes = {key: tuple(value.shape) for key, value in lenet().state_dict().items() if key.endswith("weight")}
    assert sizes == {
        "conv1.weight": (6, 1, 5, 5),
        "conv2.weight": (16, 6, 5, 5),
        "fc1.weight": (120, 400),
        "fc2.weight": (84, 120),
        "fc3.weight": (10, 84),
    }
    assert sum(parameter.numel() for parameter in lenet().parameters()) == 61_706


@pytest.mark.parametrize(("shape", "classes"), [((1, 28, 28), 10), ((3, 32, 32), 100), ((2, 12, 17), 2)])
def test_any_shape_and_number_of_classes(shape, classes):
    model = lenet(shape=shape, classes=classes, mean=[0.5] * shape[0], std=[0.5] * shape[0])
    assert model(torch.rand(3, *shape)).shape == (3, classes)


def test_small_images_are_refused():
    with pytest.raises(UsageError, match="at least 12x12 for a LeNet; got 11x28"):
        lenet(shape=(1, 11, 28))
