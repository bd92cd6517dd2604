import pytest

from geomrob.data import DATASETS
from geomrob.errors import UsageError
from geomrob.models import MODELS
from geomrob.spectral.frequency_filters import transform
from geomrob.training import Adversarial, Hebbian, Similarity
from geomrob.training.recipe import Options
from geomrob.training.recipe_files import FOLDER, read_recipe

HEAD = 'model = "fmnist-lenet"\ndata = "mnist"\n'


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.toml")))
def test_every_recipe_names_a_model_and_a_data_set(name):
    recipe = read_recipe(name)
    assert recipe.model in MODELS
    if recipe.transform:
        transform(recipe.transform)
    assert recipe.split in DATASETS[recipe.data].splits
    assert MODELS[recipe.model].shape == DATASETS[recipe.data].shape


def test_the_recipes_of_the_embedded_models_never_train_on_the_test_set():
    for entry in MODELS.values():
        recipe = read_recipe(entry.command.split()[2])
        assert recipe.split == "train"
        assert recipe.options.held_out > 0 or not entry.weights


def test_a_file_of_the_user(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + "epochs = 2\nclip = 1\nflip = true\n")
    recipe = read_recipe(path)
    assert recipe.options == Options(epochs=2, clip=1, flip=True)
    assert (recipe.model, recipe.data, recipe.split, recipe.samples) == ("fmnist-lenet", "mnist", "train", 0)


def test_a_byte_order_mark_is_read_over(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + "epochs = 2\n").replace("\n", "\r\n").encode())
    assert read_recipe(path).options == Options(epochs=2)
    path.write_bytes((HEAD + "epochs = 2\n").encode("utf-16"))
    with pytest.raises(UsageError, match="must be a readable TOML file"):
        read_recipe(path)


def test_tables_become_parts(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + "[adversarial]\nepsilon = 2\n[hebbian]\nweights = [0.1, 1]\n[similarity]\nlayers = ['bn']\n")
    options = read_recipe(path).options
    assert options.adversarial == Adversarial(epsilon=2)
    assert options.hebbian == Hebbian(weights=(0.1, 1))
    assert options.similarity == Similarity(layers=("bn",))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("epoch = 2", "did you mean epochs"),
        ("epochs = 2.5", "epochs of a recipe must be of type int; got 2.5"),
        ("flip = 1", "must be of type bool; got 1"),
        ("batch = true", "must be of type int; got True"),
        ("samples = -1", "samples of a recipe must be at least 0"),
        ("batch = 0", "batch of a recipe must be at least 1; got 0"),
        ("clip = nan", "clip of a recipe must be a finite number"),
        ("peak = 1.0", r"peak must lie in \(0, 1\)"),
        ("max_rate = inf", "max_rate of a recipe must be a finite number"),
        ('schedule = "onecycle"', "did you mean one-cycle"),
        ("epochs = ", "readable TOML file"),
        ('optimizer = "sdg"', "did you mean sgd"),
        ('schedule = "step"', "milestones of a step schedule must be rising epochs"),
        ('schedule = "step"\nmilestones = [3, 2]', "must be rising epochs"),
        ("milestones = [2.5]", "milestones of a recipe must be of type"),
        ("milestones = 3", "milestones of a recipe must be of type"),
        ("ema = 1.0", r"ema must lie in \[0, 1\)"),
        ("adversarial = 1", r"write \[adversarial\] above its entries"),
        ("[adversarial]\nepsilonn = 1", "did you mean epsilon"),
        ('[adversarial]\nepsilon = "big"', r"epsilon of \[adversarial\] must be of type float"),
        ("[hebbian]\nshare = 1.0", r"share in \(0, 1\)"),
        ("[hebbian]\nweights = []", r"of \[hebbian\] must be at least 0"),
        ("[similarity]\nthreshold = 1.0", "second < threshold < 1"),
        ("[similarity]\npairs = 0", "pairs of .* at least 1"),
        ('[similarity]\nscale = "papers"', "did you mean paper"),
    ],
)
def test_bad_recipes_are_refused_in_one_sentence(tmp_path, lines, words):
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + lines)
    with pytest.raises(UsageError, match=words):
        read_recipe(path)


def test_adversarial_training_keeps_to_images_of_the_box(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + 'transform = "gray+flip"\n[adversarial]\nepsilon = 1\n')
    with pytest.raises(UsageError, match="put the edit into the model"):
        read_recipe(path)
    path.write_text(HEAD + 'transform = "gray"\n[adversarial]\nepsilon = 1\n')
    assert read_recipe(path).transform == "gray"


def test_unknown_and_incomplete_recipes(tmp_path):
    with pytest.raises(UsageError, match="did you mean fmnist-lenet"):
        read_recipe("fmnist-lennet")
    with pytest.raises(UsageError, match="readable TOML file"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "half.toml").write_text('model = "fmnist-lenet"')
    with pytest.raises(UsageError, match="must name its data"):
        read_recipe(tmp_path / "half.toml")
