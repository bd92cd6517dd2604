"""What models return and take, kind by kind: each gives the distances of its twin, or is noted, marked or refused."""

import inspect
import warnings
from collections import namedtuple
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import geomrob
from geomrob.analysis.margins import margin_curve
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.table import ATTACKS, entry, names
from geomrob.errors import Note, UsageError
from geomrob.inference import Prepared, accuracy, evaluate, predicted_classes
from geomrob.models import load_model
from geomrob.results import Status
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.attacks.zoo import images, net

Named = namedtuple("Named", "logits hidden")


class As(nn.Module):
    """A model whose forward is a function of a network and the images."""

    def __init__(self, forward, model=None):
        super().__init__()
        self.model, self.function = net() if model is None else model, forward

    def forward(self, inputs):
        return self.function(self.model, inputs)


def notes_of(model, inputs=None, **options):
    """Return the notes of a model's clean logits, which are reported as warnings too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ready = Prepared(model, images() if inputs is None else inputs, **options)
        _ = ready.clean
    said = [str(one.message) for one in caught if issubclass(one.category, Note)]
    assert sorted(said) == sorted(ready.notes)
    return ready.notes


def distances(model, inputs=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        return deepfool(model, images() if inputs is None else inputs, **options).distances()


def test_precisions_of_probabilities_are_no_reason_to_take_them_for_logits():
    told = distances(As(lambda m, x: m(x).softmax(1).bfloat16().float()))
    torch.testing.assert_close(told, distances(net()), rtol=0.05, atol=0)
    assert "logarithm" in notes_of(As(lambda m, x: m(x).softmax(1).bfloat16()))[0]


def test_a_choice_among_several_tensors_is_noted_once():
    model = As(lambda m, x: (m(x), x.flatten(1)))
    assert notes_of(model) == ("the model returns 2 tensors, of 4, 64 columns: the first is taken for its logits",)
    torch.testing.assert_close(distances(model), distances(net()))


def test_a_list_with_a_vector_an_image_is_no_score_of_each_image():
    """With as many classes as images the vectors have the length of a score of each image."""
    few = images()[:4]
    torch.testing.assert_close(distances(As(lambda m, x: list(m(x))), few), distances(net(), few))


def test_classes_that_are_ruled_out_are_noted_and_never_reached():
    masked = As(lambda m, x: m(x).index_fill(1, torch.tensor([3]), -torch.inf))
    finite = As(lambda m, x: m(x).index_fill(1, torch.tensor([3]), -1e6))
    assert notes_of(masked) == ("the model returns -infinity for 1 of its classes: they are taken for -1e+06",)
    assert bool(distances(masked).isfinite().all())
    torch.testing.assert_close(distances(masked), distances(finite))


def test_percentages_and_saturated_probabilities_are_noted():
    assert any("sum to 100" in text for text in notes_of(As(lambda m, x: 100 * m(x).softmax(1))))
    assert any("gradients are lost" in text for text in notes_of(As(lambda m, x: (1e4 * m(x)).softmax(1))))


def test_a_function_without_a_backward_is_one_sentence():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

    with pytest.raises(UsageError, match="give its function a backward"):
        distances(As(lambda m, x: m(Once.apply(x))))


def test_what_a_model_prints_goes_to_stderr(capsys):
    distances(As(lambda m, x: (print("hello"), m(x))[1]))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "hello" in shown.err


def two(model, inputs):
    """Return the difference of two logits."""
    return model(inputs)[:, :1] - model(inputs)[:, 1:2]


SAME = {
    "an object": lambda m, x: SimpleNamespace(logits=m(x), loss=None),
    "a named tuple": lambda m, x: Named(m(x), x),
    "a mapping": lambda m, x: {"hidden": x, "logits": m(x)},
    "a mapping of one": lambda m, x: {"out": m(x)},
    "a tuple": lambda m, x: (m(x), x),
    "a tuple that begins with a loss": lambda m, x: (m(x).sum(), m(x)),
    "a list": lambda m, x: [m(x)],
    "spatial axes": lambda m, x: m(x)[:, :, None, None],
    "double logits": lambda m, x: m(x).double(),
    "a model that writes into its images": lambda m, x: m(x.add_(0.5).sub_(0.5)),
    "log-softmax": lambda m, x: m(x).log_softmax(1),
    "softmax": lambda m, x: m(x).softmax(1),
    "double softmax": lambda m, x: m(x).double().softmax(1),
}


@pytest.mark.parametrize("kind", SAME)
def test_outputs_of_every_kind_give_the_distances_of_plain_logits(kind):
    inputs = images()
    before = inputs.clone()
    torch.testing.assert_close(distances(As(SAME[kind]), inputs), distances(net(), inputs), rtol=1e-4, atol=0)
    assert torch.equal(inputs, before), "the caller's images are as they were"


@pytest.mark.parametrize("kind", ["an object", "a tuple", "double logits", "log-softmax", "spatial axes"])
def test_what_changes_no_number_is_not_noted(kind):
    assert notes_of(As(SAME[kind])) == ()


@pytest.mark.parametrize("model", ["fmnist-lenet", pytest.param("fmnist-resnet8", marks=pytest.mark.slow)])
@pytest.mark.parametrize("attack", names("minimal"))
def test_probabilities_give_the_margins_of_the_logits(model, attack):
    """The first demand on probabilities: margins within 1e-3 of those of the logits, for every minimal attack."""
    network = load_model(model)
    inputs = geomrob.load_data("fashion-mnist-1k", samples=2, seed=0).images
    p, options = entry(attack).norms[0], {"steps": 100} if attack == "ddn" else {}
    with pytest.warns(Note, match="probabilities"):
        told = entry(attack).attack(As(lambda m, x: m(x).softmax(1), network), inputs, **options)
    expected = entry(attack).attack(network, inputs, **options)
    assert torch.equal(told.success, expected.success)
    torch.testing.assert_close(told.distances(p), expected.distances(p), rtol=1e-3, atol=1e-3)


def test_margins_of_probabilities_are_those_of_the_logits_and_the_provenance_says_so():
    bands = blocks(basis("dct", (8, 8)), 4, 4)
    with pytest.warns(Note, match="probabilities"):
        told = margin_curve(As(SAME["softmax"]), images(), subspaces=bands)
    expected = margin_curve(net(), images(), subspaces=bands)
    torch.testing.assert_close(told.distances, expected.distances, rtol=1e-3, atol=0)
    assert told.provenance.notes == ("the model returns probabilities (rows that sum to 1); their logarithm is taken",)
    assert expected.provenance.notes == ()


def test_saturated_probabilities_give_finite_logits_and_gradients():
    sharp = As(lambda m, x: (1000 * m(x)).softmax(1))
    inputs = images().requires_grad_()
    with pytest.warns(Note, match="probabilities"):
        logits = Prepared(sharp, images())(inputs)
    (gradient,) = torch.autograd.grad(logits.sum(), inputs)
    assert bool((sharp(inputs) == 0).any())
    assert bool(torch.isfinite(logits).all())
    assert bool(torch.isfinite(gradient).all())


def test_a_caller_decides_what_the_outputs_are():
    soft = As(SAME["softmax"])
    told = notes_of(soft, outputs="logits")
    assert "as asked" in told[0]
    ready = Prepared(soft, images(), outputs="logits")
    assert torch.equal(ready.clean, Prepared(soft, images(), outputs="logits").logits(images()))
    assert float(ready.clean.sum(1).sub(1).abs().max()) < 1e-5
    soft.output_kind = "logits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        assert torch.equal(Prepared(soft, images()).clean, ready.clean)
    with pytest.raises(UsageError, match="model must return probabilities, as outputs says; got -"):
        _ = Prepared(net(), images(), outputs="probabilities").clean
    with pytest.raises(UsageError, match="outputs must be one of auto, logits, probabilities; got 'logit'"):
        Prepared(net(), images(), outputs="logit")


def test_a_sigmoid_for_each_class_is_noted_and_read_when_it_is_said():
    several = As(lambda m, x: m(x).sigmoid())
    assert "do not sum to 1: they are taken for logits" in notes_of(several)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        ready = Prepared(several, images(), outputs="probabilities")
        told = deepfool(ready, images()).distances()
    torch.testing.assert_close(told, distances(net()), rtol=1e-3, atol=0)


ONE = {
    "a column": two,
    "a vector": lambda m, x: two(m, x)[:, 0],
    "a probability": lambda m, x: two(m, x).sigmoid(),
    "a vector of probabilities": lambda m, x: two(m, x)[:, 0].sigmoid(),
}


@pytest.mark.parametrize("kind", ONE)
def test_one_output_becomes_two_classes(kind):
    twin = As(lambda m, x: m(x)[:, :2].flip(1))
    torch.testing.assert_close(distances(As(ONE[kind])), distances(twin), rtol=1e-3, atol=0)
    told = notes_of(As(ONE[kind]))
    assert any("one output: read as two classes" in text for text in told)
    assert any("one probability an image" in text for text in told) == ("probabilit" in kind)


def test_values_that_stop_being_probabilities_are_refused():
    half = As(lambda m, x: m(x).softmax(1) if float(x.max()) <= 1 else m(x))
    with pytest.warns(Note), pytest.raises(UsageError, match="must return probabilities as for the clean images"):
        Prepared(half, images()).logits(3 * images())


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ({"scores": torch.zeros(9, 3), "more": torch.zeros(9, 3)}, "got the keys scores, more"),
        ("text", "model must return a tensor of float logits; got str"),
        (torch.zeros(9, 3, 2), r"got \(9, 3, 2\) for 9 images"),
        (torch.zeros(4, 3), r"got \(4, 3\) for 9 images"),
        (torch.zeros(9, 3, dtype=torch.int64), "got torch.int64"),
    ],
)
def test_outputs_without_logits_are_one_sentence(output, sentence):
    with pytest.raises(UsageError, match=sentence):
        evaluate(lambda _: output, images())


# Numbers


PRECISIONS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("of_model", PRECISIONS)
@pytest.mark.parametrize("of_images", PRECISIONS)
def test_images_and_weights_of_any_precision_fit(of_model, of_images):
    # The search that is most particular about types, where both are the same; the cheapest one elsewhere.
    attack = "tight" if of_model == of_images else "deepfool"
    inputs = images(4).to(of_images)
    exact = entry(attack).attack(net(), inputs.float()).distances()
    half = of_images in (torch.bfloat16, torch.float16)
    with pytest.warns(Note, match="searched in torch.float32") if half else nullcontext():
        result = entry(attack).attack(net().to(of_model), inputs)
    assert result.perturbed.dtype == (torch.float64 if of_images == torch.float64 else torch.float32)
    coarse = of_model in (torch.bfloat16, torch.float16)
    assert int(result.success.sum()) >= (3 if coarse else 4)
    near = (result.distances() / exact - 1).abs()[result.success].median()
    assert float(near) < (0.2 if coarse else 1e-3)


def test_a_model_under_autocast_is_searched_in_the_precision_of_the_images():
    inside = As(lambda m, x: m(x))
    inside.forward = torch.autocast("cpu", dtype=torch.bfloat16)(inside.forward)
    expected = distances(net())
    torch.testing.assert_close(distances(inside), expected, rtol=0.1, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        told = distances(net())
    assert told.dtype == torch.float32
    assert not torch.equal(told, expected), "the model itself runs under autocast"
    torch.testing.assert_close(told, expected, rtol=0.1, atol=0)


def test_a_function_of_double_weights_is_refused_in_one_sentence():
    model = net().double()
    with pytest.raises(UsageError, match=r"model must take torch.float32 images; got .*: cast them inside it"):
        deepfool(model.forward, images())


def alone(model, inputs):
    if len(inputs) != 1:
        raise ValueError("batch must be 1")
    return model(inputs)


@pytest.mark.parametrize(
    ("attack", "forward"),
    [
        ("deepfool", alone),
        ("deepfool", lambda m, x: m(x[:1])),
        ("deepfool", lambda m, x: alone(m, x)[0]),
        ("boundary", alone),
    ],
)
def test_a_model_that_takes_one_image_is_called_for_each(attack, forward):
    with pytest.warns(Note, match="takes one image at a time"):
        result = run(attack, As(forward), images(3))
    expected = run(attack, net(), images(3))
    torch.testing.assert_close(result.distances(), expected.distances(), rtol=1e-3, atol=0)


def test_layers_refuse_a_model_that_takes_one_image():
    with pytest.raises(UsageError, match="must take several images at once here; got 'batch must be 1'"):
        geomrob.layers(As(alone), images(3))


# Models without a number


class Turns(As):
    """Returns other logits from a call on."""

    def __init__(self, call):
        super().__init__(None)
        self.call, self.calls = call, 0

    def forward(self, inputs):
        self.calls += 1
        return self.model(inputs).roll(int(self.calls > self.call), 1)


@pytest.mark.parametrize(
    ("attack", "call"), [*((name, 3) for name in sorted(ATTACKS)), *((name, 6) for name in names("minimal"))]
)
def test_a_state_that_changes_on_the_way_is_refused(attack, call):
    with pytest.raises(UsageError, match=r"model must (be deterministic|return the same logits)"):
        run(attack, Turns(call))


def run(attack, model, inputs=None, labels=None):
    """Return the result of a short run of an attack."""
    attack = entry(attack).attack
    known = inspect.signature(attack).parameters
    short = {"epsilon": 0.3, "steps": 10, "budget": 60 if "spherical_step" in known else 20}
    options = {name: value for name, value in short.items() if name in known}
    return attack(model, images() if inputs is None else inputs, labels, **options)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: nn.functional.dropout(m(x), 0.1, training=True),
        lambda m, x: m(x - x.mean(0, keepdim=True) / 2),
        lambda m, x: nn.functional.batch_norm(m(x), None, None, training=True) if len(x) > 1 else m(x),
    ],
)
def test_every_attack_asks_for_determinism_and_independence_of_the_batch(attack, forward):
    with pytest.raises(UsageError, match=r"model must (be deterministic|return the same logits for an image)"):
        run(attack, As(forward))


def nan_for(m, x):
    return m(x).masked_fill(x.flatten(1).mean(1, keepdim=True) < nan_for.mean, torch.nan)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_images_with_nan_are_marked_and_no_success(attack):
    inputs = images()
    nan_for.mean = float(inputs.flatten(1).mean(1).median())
    bad = inputs.flatten(1).mean(1) < nan_for.mean
    with pytest.warns(Note, match=rf"NaN or infinity for {int(bad.sum())} of 9 images"):
        result = run(attack, As(nan_for))
    assert result.status[bad].tolist() == [Status.NON_FINITE] * int(bad.sum())
    assert not bool(result.success[bad].any())


def test_an_image_with_nan_has_no_class_and_is_not_right_by_accident():
    inputs = images()
    nan_for.mean = float(inputs.flatten(1).mean(1).median())
    bad = inputs.flatten(1).mean(1) < nan_for.mean
    truth = net()(inputs).argmax(1).masked_fill(bad, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        assert predicted_classes(As(nan_for)(inputs))[bad].tolist() == [-1] * int(bad.sum())
        assert accuracy(As(nan_for), inputs, truth) == pytest.approx(float((~bad).double().mean()))
        curve = margin_curve(As(nan_for), inputs, subspaces=blocks(basis("dct", (8, 8)), 4, 4), labels=truth)
    assert curve.accuracy == pytest.approx(float((~bad).double().mean()))
    assert curve.predictions[bad].tolist() == [-1] * int(bad.sum())
    assert bool(torch.isinf(curve.distances[:, bad]).all())
    assert "NaN" in curve.provenance.notes[0]


def test_a_constant_model_is_noted():
    assert "the same logits for every image" in notes_of(As(lambda m, x: 0 * m(x) + 2))[0]


def test_nan_for_every_image_is_refused():
    with pytest.raises(UsageError, match="got NaN or infinity for every image: check its weights"):
        deepfool(As(lambda m, x: m(x) * torch.nan), images())


def test_no_search_of_a_constant_model_succeeds():
    with pytest.warns(Note, match="the same logits for every image"):
        result = deepfool(As(lambda m, x: 0 * m(x) + torch.arange(4.0)), images(3))
    assert result.status.tolist() == [Status.INVARIANT] * 3
    assert not bool(result.success.any())


def test_a_model_that_takes_no_single_image_is_one_sentence():
    several = As(lambda m, x: nn.functional.batch_norm(m(x), None, None, training=True))
    with pytest.raises(UsageError, match=r"model must take a single image too; got .*Expected more than 1 value"):
        deepfool(several, images())


# Images and labels


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_arrays_and_lists_are_taken_as_tensors_are(attack):
    inputs = images()
    labels = net()(inputs).argmax(1)
    expected = run(attack, net(), inputs, labels)
    for given, classes in ((inputs.numpy(), labels.tolist()), (list(inputs.numpy()), labels.numpy().astype("uint8"))):
        result = run(attack, net(), given, classes)
        assert torch.equal(result.perturbed, expected.perturbed)
        assert torch.equal(result.labels, labels)


@pytest.mark.parametrize(
    "analysis",
    [
        lambda x, y: geomrob.margin_curve(net(), x, labels=y, subspaces=blocks(basis("dct", (8, 8)), 4, 4)),
        lambda x, y: geomrob.sparsity(net(), x, labels=y),
        lambda x, y: geomrob.geometry(net(), x, y, directions=1, others=0, power=0),
        lambda x, y: geomrob.layers(net(), x, y),
        lambda x, y: geomrob.heat_map(net(), x, y, epsilon=0.1),
        lambda x, y: geomrob.strength_curve({"a": net()}, x, y, attack="fgsm", strengths=[0.1]),
        lambda x, y: geomrob.transfer_matrix({"a": net(), "b": net(seed=1)}, x, labels=y),
        lambda x, y: geomrob.minimum_norms({"a": net()}, x, y),
        lambda x, y: geomrob.decision_distances(net(), x, labels=y, budget=60),
    ],
)
def test_analyses_take_arrays_and_lists(analysis):
    inputs = images(3)
    labels = net()(inputs).argmax(1)
    given, expected = analysis(inputs.numpy(), labels.tolist()), analysis(inputs, labels)
    assert given.records() == expected.records() or str(given.records()) == str(expected.records())


def test_corruptions_take_arrays_and_lists():
    inputs, model = images(3, (1, 16, 16)), net((1, 16, 16))
    labels = model(inputs).argmax(1)
    how = {"corruptions": ["gaussian_noise"], "severities": [1]}
    given = geomrob.corruption_errors({"a": model}, inputs.numpy(), labels.tolist(), **how)
    assert torch.equal(given.errors, geomrob.corruption_errors({"a": model}, inputs, labels, **how).errors)


def test_8_bit_images_are_scaled_and_said():
    raw = (255 * images()).round().to(torch.uint8)
    with pytest.warns(Note, match="inputs are 8-bit images: divided by 255"):
        told = deepfool(net(), raw.numpy())
    assert torch.equal(told.perturbed, deepfool(net(), raw.float() / 255).perturbed)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (images() * 255, r"got \[0.*, 25.*\]: divide 8-bit values by 255"),
        (images() * 65535, "divide 16-bit values by 65535"),
        ((images() - 0.5) / 0.2, "pass images before normalisation, which belongs into the model"),
        (np.zeros((2, 8, 8), np.float32), "add the missing axes"),
        ([["a"]], "must be a tensor, an array or a list of equal shapes; got list"),
    ],
)
def test_the_advice_fits_the_images(given, advice):
    with pytest.raises(UsageError, match=advice):
        deepfool(net(), given)


@pytest.mark.parametrize("labels", [[0.7] * 9, np.zeros(9), [True] * 9, ["a"] * 9])
def test_labels_that_are_no_whole_numbers_are_refused(labels):
    with pytest.raises(UsageError, match="labels must be"):
        deepfool(net(), images(), labels)
