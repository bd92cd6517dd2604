import math
import re
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.data import load_data
from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet
from geomrob.training import Options, Similarity, fit
from geomrob.training.losses.pair_sampler import PairTargets
from geomrob.training.losses.pixel_similarity import EDGE, SimilarityTerm, cosine, default_layers, similarity_loss


def small(seed=0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return resnet(shape=(1, 8, 8), mean=[0.5], std=[0.5], widths=(3, 4), depths=(1, 1)).train()


def some(count=12, seed=0):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def term(**options) -> SimilarityTerm:
    return SimilarityTerm(some(), ("bn", "stages.0", "stages.1"), **{"pairs": 5, "threshold": 0.1} | options)


S = torch.tensor([0.3, -0.9, 0.0, 0.99], dtype=torch.float64)
T = torch.tensor([1.0, -1.0, 0.0, -0.2], dtype=torch.float64)


def test_the_papers_loss_is_that_of_a_loop_over_pairs():
    total = 0.0
    for similarity, target in zip(S.tolist(), T.tolist(), strict=True):
        inside = min(max(target, -(1 - EDGE)), 1 - EDGE)
        total += (math.atanh(similarity) - math.atanh(inside)) ** 2
    assert similarity_loss(S, T).item() == pytest.approx(total, rel=1e-4)


def test_the_released_loss_is_that_of_a_loop_over_pairs():
    def long(t):
        return math.log(1 + t + 1e-5) - math.log(1 - t + 1e-5)

    total = sum((long(a) - long(b)) ** 2 for a, b in zip(S.tolist(), T.tolist(), strict=True))
    assert similarity_loss(S, T, scale="released").item() == pytest.approx(total / 4, rel=1e-4)


def test_the_released_loss_is_four_times_the_mean_of_the_papers():
    paper = similarity_loss(S, T / 2).item()
    assert similarity_loss(S, T / 2, scale="released").item() == pytest.approx(4 * paper / len(S), rel=1e-2)
    spike = similarity_loss(torch.zeros(1), torch.ones(1), scale="released").item()
    assert spike == pytest.approx(149, rel=1e-3)


@pytest.mark.parametrize("scale", ["paper", "released"])
def test_the_loss_and_its_gradient_are_finite_at_both_ends(scale):
    ends = torch.tensor([1.0, -1.0, 1 + 1e-6, -1 - 1e-6], requires_grad=True)
    loss = similarity_loss(ends, torch.tensor([-1.0, 1.0, 0.0, 1.0]), scale=scale)
    loss.backward()
    assert math.isfinite(loss.item())
    assert bool(ends.grad.isfinite().all())


@pytest.mark.parametrize("scale", ["paper", "released"])
def test_the_gradient_of_the_loss_is_that_of_differences(scale):
    values = torch.tensor([0.3, -0.6, 0.1], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: similarity_loss(s, targets, scale=scale), (values,))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_cosine_is_that_of_torch(layout):
    halves = [some(6, seed).double().to(memory_format=layout).requires_grad_() for seed in (1, 2)]
    expected = F.cosine_similarity(*(half.flatten(1) for half in halves))
    assert torch.allclose(cosine(*halves), expected)
    wanted = torch.autograd.grad(expected.sum(), halves)
    found = torch.autograd.grad(cosine(*halves).sum(), halves)
    assert all(torch.allclose(one, other) for one, other in zip(found, wanted, strict=True))


def test_features_that_are_zero_have_no_angle():
    zero = torch.zeros(2, 3, 4, 4, requires_grad=True)
    found = cosine(zero, torch.ones(2, 3, 4, 4))
    found.sum().backward()
    assert found.tolist() == [0, 0]
    assert bool(zero.grad.isfinite().all())


def features(model, images):
    """The rectified stem and stages, straight from the formula of the network."""
    stem = F.relu(model.bn(model.stem(model.norm(images))))
    first = model.stages[0](stem)
    return [stem, first, model.stages[1](first)]


@pytest.mark.parametrize("forwards", ["joint", "separate"])
def test_the_term_is_that_of_a_loop_over_pairs_and_layers(forwards):
    """Two steps by hand: features, running means, cosines, weights, loss."""
    model, twin, built = small(), small(), term(forwards=forwards)
    with torch.no_grad():
        built.logits.copy_(torch.tensor([0.5, -1.0, 0.2]))
    gamma = built.logits.detach().softmax(0).tolist()
    means = [torch.zeros(3), torch.zeros(3), torch.zeros(4)]
    for seed in (1, 2):
        found = built(model, drawn(seed))
        first, second, targets = PairTargets(some(), threshold=0.1).draw(5, drawn(seed))
        if forwards == "joint":
            both = features(twin, torch.cat([some()[first], some()[second]]))
            halves = [both_ones[:5] for both_ones in both], [both_ones[5:] for both_ones in both]
        else:
            halves = features(twin, some()[first]), features(twin, some()[second])
        total = 0.0
        for half in halves:
            for layer in range(3):
                means[layer] = 0.9 * means[layer] + 0.1 * half[layer].detach().mean((0, 2, 3))
        for index in range(5):
            similarity = 0.0
            for layer in range(3):
                one, other = (half[layer][index].detach() - means[layer][:, None, None] for half in halves)
                similarity += gamma[layer] * float((one * other).sum() / (one.norm() * other.norm()))
            inside = min(max(float(targets[index]), -1 + EDGE), 1 - EDGE)
            total += (math.atanh(similarity) - math.atanh(inside)) ** 2
        assert found.item() == pytest.approx(total, rel=1e-3)
    for layer, mean in enumerate(means):
        assert torch.allclose(getattr(built, f"mean{layer}"), mean, atol=1e-6)


def test_gamma_is_a_mean_and_is_trained():
    model, built = small(), term()
    loss = built(model, drawn())
    loss.backward()
    assert built.gamma.tolist() == pytest.approx([1 / 3] * 3)
    assert bool((built.logits.grad != 0).any())
    assert built.logits.grad.sum().item() == pytest.approx(0, abs=1e-4 * built.logits.grad.abs().max().item())
    torch.optim.SGD(built.parameters(), lr=0.1).step()
    assert built.gamma.sum().item() == pytest.approx(1)
    assert len({*built.gamma.tolist()}) == 3
    assert all(p.grad is not None for name, p in model.named_parameters() if not name.startswith("fc"))


def test_separate_forwards_have_batches_of_one_half():
    for forwards, sizes in (("joint", [10]), ("separate", [5, 5])):
        model, seen = small(), []
        model.bn.register_forward_hook(lambda *given, seen=seen: seen.append(len(given[2])))
        term(forwards=forwards)(model, drawn())
        assert seen == sizes


def test_means_rest_while_the_term_is_evaluated():
    built = term()
    built(small(), drawn())
    before = {key: value.clone() for key, value in built.state_dict().items()}
    built.eval()(small(), drawn(1))
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())
    built.train()(small(), drawn(1))
    assert not torch.equal(built.mean0, before["mean0"])


def test_a_state_goes_on_where_it_was():
    one, other = term(), term()
    model = small()
    one(model, drawn(0))
    with torch.no_grad():
        one.logits.add_(torch.tensor([1.0, 0.0, -1.0]))
    other.load_state_dict(one.state_dict())
    twin = small()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(one(model, drawn(1)), other(twin, drawn(1)))
    with pytest.raises(RuntimeError, match="mean2"):
        other.load_state_dict({key: value for key, value in one.state_dict().items() if key != "mean2"})


def test_the_draw_is_the_generators():
    losses = [term()(small(), drawn(seed)).item() for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


class Failing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.Identity()

    def forward(self, inputs):
        self.bn(inputs)
        raise KeyboardInterrupt


def test_no_hook_is_left_whatever_happens():
    model = small()
    term()(model, drawn())
    assert not any(module._forward_hooks for module in model.modules())
    failing = Failing()
    with pytest.raises(KeyboardInterrupt):
        SimilarityTerm(some(), ("bn",))(failing, drawn())
    assert not failing.bn._forward_hooks
    with pytest.raises(UsageError):
        SimilarityTerm(some(), ("bn", "nowhere"))(failing, drawn())
    assert not failing.bn._forward_hooks


def test_layers_that_do_not_fit_are_refused():
    model = small()
    for name, words in (
        ("stage.0", "got 'stage.0': did you mean stages.0"),
        ("stages.3", "did you mean stages.1"),
    ):
        with pytest.raises(UsageError, match=re.escape(words)):
            SimilarityTerm(some(), (name,))(model, drawn())
    model.spare, model.number = nn.ReLU(), nn.Identity()
    with pytest.raises(UsageError, match="must be passed by the images; got \\['spare'\\]"):
        SimilarityTerm(some(), ("bn", "spare"))(model, drawn())
    summed = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.Flatten(0))
    with pytest.raises(UsageError, match="must give features"):
        SimilarityTerm(some(), ("2",))(summed, drawn())
    with pytest.raises(UsageError, match="must be named for a model that is no ResNet of ours; got Sequential"):
        default_layers(summed)


def test_default_layers_are_the_stem_and_the_stages():
    assert default_layers(small()) == ("bn", "stages.0", "stages.1")
    assert len(default_layers(resnet())) == 5  # the candidates of the paper: convolutions 1, 5, 9, 13 and 17


def test_the_term_makes_features_alike_that_were_not():
    """All targets 0: after some steps the features of different images stand nearly at right angles."""
    model = small()
    images = some()
    built = SimilarityTerm(images, ("bn", "stages.0"), target="low", threshold=0.99, pairs=8)
    optimizer = torch.optim.Adam([*model.parameters(), *built.parameters()], lr=0.01)
    generator = drawn()
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = built(model, generator)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_a_training_with_the_term_resumes_as_it_was(tmp_path):
    data = load_data("fashion-mnist-1k", samples=48)
    how = Options(epochs=3, batch=16, max_rate=0.02, similarity=Similarity(pairs=4, images=30, threshold=0.3))

    def model():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return resnet(shape=(1, 28, 28), mean=[0.3], std=[0.3], widths=(2, 3), depths=(1, 1), stem_stride=2)

    def killed(done, _steps):
        if done == 8:
            raise KeyboardInterrupt

    whole = fit(model(), data, how, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(model(), data, how, out=tmp_path / "parts", progress=killed)
    parts = fit(model(), data, how, out=tmp_path / "parts")
    pairs = zip(whole.model.state_dict().items(), parts.model.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
    files = [(tmp_path / name / "objective.safetensors").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]


def seconds(step):
    clock = time.process_time()
    step()
    return time.process_time() - clock


@pytest.mark.benchmark
@pytest.mark.parametrize(("widths", "batch"), [((12, 24, 48, 96), 128), ((64, 128, 256, 512), 64)])
def test_a_step_costs_at_most_1_6_times_the_standard_one(widths, batch):
    torch.set_num_threads(1)
    model = resnet(widths=widths, depths=(2, 2, 2, 2)).train()
    images = torch.rand(500, 3, 32, 32)
    built = SimilarityTerm(images, default_layers(model), pairs=16, forwards="joint")
    labels, generator = torch.arange(batch) % 10, drawn()

    def step(regularised):
        model.zero_grad()
        loss = F.cross_entropy(model(images[:batch]), labels)
        if regularised:
            loss = loss + 10 * built(model, generator)
        loss.backward()

    step(True)
    # In turns, so that what else the machine does weighs on both.
    taken = [(seconds(lambda: step(False)), seconds(lambda: step(True))) for _ in range(4)]
    plain, whole = (min(times) for times in zip(*taken, strict=True))
    print(f"widths {widths}, batch {batch}: {plain:.3f} s a step, with similarity {whole / plain:.2f} x")
    assert whole <= 1.6 * plain
