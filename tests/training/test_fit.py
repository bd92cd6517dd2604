import copy
import dataclasses
import json
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from geomrob.data import joined, load_data
from geomrob.data.entry import Samples, transformed
from geomrob.errors import UsageError
from geomrob.models import build
from geomrob.training import Adversarial, Options, accuracy, fit, loop

FEW = Options(epochs=3, batch=16, held_out=20, max_rate=0.05, crop=1, flip=True)


@pytest.fixture(scope="module")
def clothes():
    return load_data("fashion-mnist-1k", samples=100)


def dropping() -> nn.Module:
    """A model that draws from the global generator while it trains, with batch statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layers = [nn.Flatten(), nn.Linear(784, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 10)]
        return nn.Sequential(*layers)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def killed_after(epochs: int, of: int = 3):
    """Progress that ends a training in the second step after so many of its epochs, as a signal does."""

    def progress(done, steps):
        if done == epochs * steps // of + 2:
            raise KeyboardInterrupt

    return progress


def test_a_separable_problem_is_learnt():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    images = 0.2 * torch.rand(120, 1, 3, 3, generator=generator)
    images[torch.arange(120), 0, labels, labels] += 0.8
    samples = Samples(images, labels, ("a", "b", "c"), torch.arange(120), "made")
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    fitted = fit(model, samples, Options(epochs=10, batch=20, max_rate=1.0))
    assert accuracy(fitted.model, samples) == 1.0
    assert fitted.history[-1].loss < fitted.history[0].loss / 2


def test_one_step_is_that_of_sgd_by_hand(clothes):
    """Momentum starts as the clipped gradient plus weight decay; one batch of one epoch is one step."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    weight = model[1].weight.detach().double().requires_grad_(True)
    bias = model[1].bias.detach().double().requires_grad_(True)
    images, labels = clothes.images.double().flatten(1), clothes.labels
    loss = nn.functional.cross_entropy(images @ weight.T + bias, labels)
    gradients = torch.autograd.grad(loss, [weight, bias])
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
    options = Options(epochs=1, batch=100, max_rate=0.2, schedule="constant", clip=0.1, weight_decay=0.01)
    fit(model, clothes, options)
    for before, gradient, after in zip((weight, bias), gradients, model.parameters(), strict=True):
        wanted = before - 0.2 * (gradient * 0.1 / norm + 0.01 * before)
        torch.testing.assert_close(after.double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [dropping, lambda: build("fmnist-resnet8", seed=0)], ids=["dropout", "resnet8"])
def test_resuming_equals_an_uninterrupted_training(tmp_path, clothes, make):
    options = Options(epochs=3, batch=40, held_out=20, max_rate=0.05, crop=1, flip=True, channels_last=True)
    straight = fit(make(), clothes, options, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), clothes, options, seed=5, out=tmp_path, progress=killed_after(1))
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    resumed = fit(make(), clothes, options, seed=5, out=tmp_path)
    for key, value in straight.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[key], value, rtol=0, atol=1e-6)
    assert resumed.best_epoch == straight.best_epoch
    assert [epoch.loss for epoch in resumed.history] == pytest.approx([epoch.loss for epoch in straight.history])


@pytest.mark.parametrize(
    "options",
    [
        Options(optimizer="adam", max_rate=1e-3, schedule="step", milestones=(1,), epochs=3, batch=30, ema=0.9),
        Options(adversarial=Adversarial(epsilon=0.5, steps=2), epochs=3, batch=40, nesterov=True, decay="weights"),
    ],
    ids=["adam-ema", "adversarial"],
)
def test_resuming_other_trainings_too(tmp_path, clothes, options):
    straight = fit(dropping(), clothes, options, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), clothes, options, seed=5, out=tmp_path, progress=killed_after(1))
    resumed = fit(dropping(), clothes, options, seed=5, out=tmp_path)
    assert same(resumed.model, straight.model)
    assert [epoch.loss for epoch in resumed.history] == [epoch.loss for epoch in straight.history]


class InDoublePrecision(nn.Module):
    def forward(self, images):
        return images.double().flatten(1)


def test_adam_is_the_one_of_torch(clothes):
    # Adam divides by the size of the gradient: where that is near zero, the order of a float32 sum would decide.
    model = nn.Sequential(InDoublePrecision(), nn.Linear(784, 10).double())
    twin = copy.deepcopy(model)
    options = Options(epochs=2, batch=100, optimizer="adam", max_rate=0.01, schedule="constant", clip=0, weight_decay=0)
    fit(model, clothes, options)
    adam = torch.optim.Adam(twin.parameters(), lr=0.01)
    for _ in range(2):
        adam.zero_grad()
        nn.functional.cross_entropy(twin(clothes.images), clothes.labels).backward()
        adam.step()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_the_running_mean_of_the_weights_is_what_is_kept(tmp_path, clothes):
    options = {"epochs": 2, "batch": 20, "max_rate": 0.1}
    plain = fit(dropping(), clothes, Options(**options), seed=1).model
    mean = fit(dropping(), clothes, Options(**options, ema=0.99), seed=1, out=tmp_path).model
    assert not same(plain, mean)
    assert float((plain[1].weight - mean[1].weight).detach().abs().max()) < 0.1


def test_adversarial_training_trains_on_other_images(clothes):
    options = Options(epochs=1, batch=50, max_rate=0.05)
    plain = fit(dropping(), clothes, options)
    robust = fit(dropping(), clothes, dataclasses.replace(options, adversarial=Adversarial(epsilon=2, steps=3)))
    assert robust.history[0].loss > plain.history[0].loss


def test_the_seed_decides_everything(clothes):
    one, two, other = (fit(dropping(), clothes, FEW, seed=seed).model for seed in (1, 1, 2))
    assert same(one, two)
    assert not same(one, other)


def test_it_leaves_the_global_generator_and_frozen_parameters_alone(clothes):
    model = dropping()
    model[1].requires_grad_(False)
    before = torch.get_rng_state()
    seen = model[1].weight.clone()
    fit(model, clothes, Options(epochs=1, batch=50))
    assert torch.equal(before, torch.get_rng_state())
    assert not model[1].weight.requires_grad
    assert torch.equal(seen, model[1].weight)
    assert model[5].weight.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(KeyboardInterrupt):
        fit(model, clothes, Options(epochs=1, batch=20), progress=killed_after(0, of=1))
    assert torch.equal(before, torch.get_rng_state())
    assert not model.training


def test_the_epoch_is_chosen_on_held_out_images_that_are_never_trained_on(clothes):
    fitted = fit(build("fmnist-lenet", seed=0), clothes, FEW)
    shares = [epoch.held_out for epoch in fitted.history]
    assert fitted.best_epoch == max(range(3), key=lambda i: (shares[i], i)) + 1
    seen: list[torch.Tensor] = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]) if module.training else None)
    fit(model, clothes, Options(epochs=1, batch=30, held_out=20))
    trained = {tuple(image.flatten().tolist()) for batch in seen for image in batch}
    assert len(trained) == 80


def test_without_held_out_images_the_last_epoch_is_kept(clothes):
    fitted = fit(build("fmnist-lenet", seed=0), clothes, Options(epochs=2, batch=50))
    assert fitted.best_epoch == 2
    assert math.isnan(fitted.history[0].held_out)


def test_the_folder_holds_weights_state_and_log(tmp_path, clothes):
    out = tmp_path / "deep" / "run"
    fitted = fit(build("fmnist-lenet", seed=0), clothes, FEW, out=out)
    names = sorted(file.name for file in out.iterdir())
    assert names == ["last.safetensors", "log.jsonl", "model.safetensors", "state.safetensors"]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    epochs = []
    again = fit(build("fmnist-lenet", seed=9), clothes, FEW, out=out, on_epoch=epochs.append)
    assert same(again.model, fitted.model)
    assert epochs == []


@pytest.mark.parametrize("images", [33, 17, 3])
def test_a_last_batch_of_one_is_joined_to_the_one_before(tmp_path, clothes, images):
    sizes, options = [], Options(epochs=2, batch=2 if images == 3 else 16, ema=0.9)
    model = dropping()
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    some, steps = clothes.subset(torch.arange(images)), []
    whole = fit(model, some, options, progress=lambda done, of: steps.append((done, of)))
    assert sizes[: len(sizes) // 2] == {33: [16, 17], 17: [17], 3: [3]}[images]
    assert steps[-1] == (len(sizes), len(sizes))
    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), some, options, out=tmp_path, on_epoch=_interrupt)
    assert same(fit(dropping(), some, options, out=tmp_path).model, whole.model)


def _interrupt(epoch):
    raise KeyboardInterrupt


def test_batches_of_one_image_with_batch_normalisation_are_one_sentence(clothes):
    for images, batch in ((1, 16), (4, 1)):
        with pytest.raises(UsageError, match="2 images or more, for batch statistics; got 1: raise batch"):
            fit(dropping(), clothes.subset(torch.arange(images)), Options(epochs=1, batch=batch))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert len(fit(plain, clothes.subset(torch.arange(1)), Options(epochs=1, batch=16)).history) == 1


def test_progress_counts_steps_and_epochs_are_reported_as_they_end(tmp_path, clothes):
    steps, epochs = [], []
    options = Options(epochs=3, batch=40, max_rate=0.05)
    how = {"progress": lambda *numbers: steps.append(numbers), "on_epoch": epochs.append}
    fitted = fit(dropping(), clothes, options, **how)
    assert steps == [(done, 9) for done in range(1, 10)]
    assert tuple(epochs) == fitted.history
    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), clothes, options, out=tmp_path, progress=killed_after(1))
    steps.clear()
    fit(dropping(), clothes, options, out=tmp_path, progress=how["progress"])
    assert steps[0] == (4, 9)


def test_another_training_in_the_folder_is_not_gone_on_with(tmp_path, clothes):
    fit(build("fmnist-lenet", seed=0), clothes, FEW, out=tmp_path)
    with pytest.raises(UsageError, match="got another one in"):
        fit(build("fmnist-lenet", seed=0), clothes, FEW, seed=1, out=tmp_path)
    with pytest.raises(UsageError, match="a training of this model"):
        fit(dropping(), clothes, FEW, out=tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="sound training state"):
        fit(build("fmnist-lenet", seed=0), clothes, FEW, out=tmp_path)
    assert len(fit(build("fmnist-lenet", seed=0), clothes, FEW, out=tmp_path, resume=False).history) == 3


def test_misuse_is_one_sentence(tmp_path, clothes):
    with pytest.raises(UsageError, match="more images than held_out; got 100 and 100"):
        fit(dropping(), clothes, Options(held_out=100))
    with pytest.raises(UsageError, match=r"call model.requires_grad_\(True\)"):
        fit(dropping().requires_grad_(False), clothes)
    with pytest.raises(UsageError, match="loss must stay finite"):
        fit(dropping(), clothes, Options(epochs=5, batch=10, max_rate=1e30, clip=0))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="folder to write to"):
        fit(dropping(), clothes, FEW, out=tmp_path / "file")


NARROW = """
from dataclasses import replace
import torch
from geomrob.data import load_data
from geomrob.models.architectures.resnet import resnet
from geomrob.training import Options, fit

grey = load_data("fashion-mnist-1k", samples=80)
clothes = replace(grey, images=grey.images.repeat(1, 3, 1, 1))
photos = replace(clothes, images=clothes.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))
for data, given in ((clothes, False), (clothes, True), (photos, False)):
    model = resnet(shape=(3, 28, 28), mean=[0.3] * 3, std=[0.3] * 3, widths=(4, 8), depths=(1, 1), stem_pool=2)
    if given:
        model.to(memory_format=torch.channels_last)
    options = Options(epochs=3, batch=20, max_rate=0.01, channels_last=data is clothes and not given)
    print(fit(model, data, options).notes)
"""
"""The gradient of the weights of the 1 x 1 convolution of this network corrupts the heap if channels are last: by the
option, because the model came so, or because the images did."""


def test_a_training_survives_channels_last_on_a_cpu():
    done = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    noted, *silent = done.stdout.splitlines()
    assert "channels_last is off: on a CPU it is unsafe for" in noted
    assert "(1 x 1, stride 2, 4 input channels)" in noted
    assert silent == ["()", "()"]


def test_channels_stay_last_where_that_is_safe(clothes):
    layouts = []
    model = build("fmnist-resnet8", seed=0)
    model.stages[0].register_forward_pre_hook(
        lambda _module, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    assert fit(model, clothes, Options(epochs=1, batch=50, channels_last=True)).notes == ()
    assert layouts == [True, True]


def test_frozen_modules_stay_as_they_were_and_are_free_again_afterwards(clothes):
    model = dropping()
    before = copy.deepcopy(model)
    fit(model, clothes, dataclasses.replace(FEW, frozen=("1", "2")))
    for name in ("1", "2"):
        assert same(model.get_submodule(name), before.get_submodule(name)), name
    assert not same(model[5], before[5])
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(UsageError, match="frozen module must be one of"):
        fit(model, clothes, Options(frozen=("seven",)))


def test_no_version_of_an_image_that_is_held_out_is_trained_on(clothes):
    both = joined(clothes, transformed(clothes, "lowpass:14"))
    trained, held_out = loop._hold_out(both, 60, seed=1)
    assert len(held_out) == 60
    assert len(trained) == 140
    assert not set(trained.indices.tolist()) & set(held_out.indices.tolist())
    with pytest.raises(UsageError, match="held_out must leave images with all of their versions"):
        loop._hold_out(both, 1, seed=1)


def test_a_network_with_other_outputs_in_train_mode_is_refused(clothes):
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = dropping()

        def forward(self, images):
            logits = self.inner(images)
            return (logits, logits) if self.training else logits

    with pytest.raises(UsageError, match="must return a tensor of logits in train mode; got tuple"):
        fit(Auxiliary(), clothes, Options(epochs=1, batch=16))


def test_a_balanced_epoch_draws_each_class_equally_often(clothes, monkeypatch):
    """A loss that counts what it is given; half of the images have class 3."""
    skewed = dataclasses.replace(clothes, labels=torch.where(torch.arange(100) < 50, 3, clothes.labels))
    seen = []

    class Counts(nn.Module):
        def forward(self, model, images, labels, generator):
            seen.extend(labels.tolist())
            return nn.functional.cross_entropy(model(images), labels)

    fit(dropping(), skewed, Options(epochs=2, batch=16, balanced=True), objective=Counts())
    counts = torch.bincount(torch.tensor(seen[:100]), minlength=10)
    assert len(seen) == 200
    assert int(counts.max() - counts.min()) <= 1
    assert seen[:100] != seen[100:]


class Centred(nn.Module):
    """A linear model of images less their running mean, which is kept in a buffer."""

    def __init__(self, *, persistent: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.register_buffer("mean", torch.zeros(784), persistent=persistent)

    def forward(self, images):
        images = images.flatten(1)
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * images.mean(0))
        return self.layer(images - self.mean)


@pytest.mark.parametrize("persistent", [True, False])
def test_what_the_training_changes_and_no_weights_hold_is_told(clothes, persistent):
    told = fit(Centred(persistent=persistent), clothes, Options(epochs=1)).notes
    assert bool(told) != persistent
    assert all(note.startswith("mean: changed by the training but not in model.state_dict()") for note in told)


def test_a_model_with_an_extra_state_is_refused(clothes):
    class Counting(Centred):
        def get_extra_state(self):
            return {"steps": 1}

    with pytest.raises(UsageError, match="state_dict of tensors alone; got _extra_state"):
        fit(Counting(persistent=True), clothes, Options(epochs=1))
