"""The report that the tests of this folder share: two small models, one of them with a name that is markup."""

import pytest
import torch
from torch import nn

from geomrob import report
from geomrob.analysis import preparation
from geomrob.data import load_data
from geomrob.inference import prepared
from tests.reports.browser import PROGRAM, Browser

MARKUP = "<script>alert('x')</script>"


class NoGradient(nn.Module):
    """A linear classifier whose gradient is not known: gradient attacks do not apply to it."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(784, 10))

    def forward(self, images):
        return (images.flatten(1) @ self.weights).detach()


def small():
    """Return an untrained network of few operations."""
    return nn.Sequential(nn.Conv2d(1, 4, 7, 4), nn.Softplus(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 10))


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Return the report, and the folder that it was made in."""
    folder = tmp_path_factory.mktemp("report")
    torch.manual_seed(0)
    models = {"plain": small(), MARKUP: small()}
    with pytest.MonkeyPatch.context() as patch:
        for module in (prepared, preparation):
            patch.setattr(module, "CPU_BLOCK", 8)
        made = report(models, load_data("fashion-mnist-1k", samples=3), budget="quick", folder=folder / "run")
    made.save(folder / "report.html")
    return made, folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a browser for all tests of this folder."""
    if PROGRAM is None:
        pytest.skip("there is no Chromium on this machine; .ci/run installs it")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
