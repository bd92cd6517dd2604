"""`geomrob spectrum` from words to files: each kind, its exit statuses, misuse in one sentence."""

import csv
import json

import numpy as np
import pytest
import torch

from geomrob.data import load_data
from geomrob.data.corruptions.generate import write_corrupted
from geomrob.results import BandEnergy, HeatMap, Spectrum, load
from tests.cli import results_in


@pytest.fixture
def run(run):
    """Return a function that runs the command on few images."""

    def call(*words):
        return run("spectrum", *([] if "--samples" in words else ["--samples", "4"]), *words)

    return call


def names(folder):
    return results_in(folder / "out")


def pairs(*stems):
    return {f"{stem}.{kind}" for stem in stems for kind in ("json", "npz")}


def test_default_shows_perturbations_and_writes_everything(run, tmp_path):
    status, out, err = run()
    assert (status, err) == (0, "")
    pictures = {"spectrum.png", "radial.png", "energy.png", "spectrum.csv", "energy.csv"}
    assert names(tmp_path) == pairs("spectrum", "energy") | pictures
    found = load(tmp_path / "out" / "spectrum.json", Spectrum)
    assert (found.of, found.kind, found.norm, len(found.rings)) == ("perturbations", "power", "ortho", 4)
    assert f"{float(found.radial[3]):.7f}" in out
    assert load(tmp_path / "out" / "energy.json", BandEnergy).shares.shape == (21, 4)
    lines = list(csv.DictReader((tmp_path / "out" / "spectrum.csv").open()))
    assert [float(line["mean"]) for line in lines] == pytest.approx(found.radial.tolist(), rel=1e-6)


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run("--json", "--attack", "sparsefool", "--unit-norm")
    told = json.loads(out)
    assert (status, err) == (0, "")
    spectrum, energy = told["results"]
    assert (spectrum["kind"], spectrum["facts"]["method"]) == ("Spectrum", "sparsefool")
    assert sum(ring["mean"] * ring["bins"] for ring in spectrum["rows"]) == pytest.approx(1)
    assert (energy["facts"]["attack"], len(energy["rows"])) == ("sparsefool", 21)


def test_spectrum_and_energy_carry_the_one_cost_of_the_attack(run, tmp_path):
    status, out, _ = run("--samples", "2", "--seed", "3")
    spectrum, energy = (load(tmp_path / "out" / f"{name}.json") for name in ("spectrum", "energy"))
    assert (status, spectrum.provenance.seed) == (0, 3)
    assert spectrum.provenance == energy.provenance
    assert spectrum.provenance.backwards > 0
    assert out.count(spectrum.provenance.headline()) == 1


def test_spectra_of_several_models_share_tables(run, tmp_path):
    two, folder = ["fmnist-lenet", "mnist-lenet"], tmp_path / "out"
    assert run("--samples", "2", *(word for name in two for word in ("--model", name)))[0] == 0

    def models(file, column):
        return list(dict.fromkeys(line[column] for line in csv.DictReader((folder / file).open())))

    assert models("spectrum.csv", "name") == models("energy.csv", "model") == two
    assert {f"{kind}-{name}.npz" for kind in ("spectrum", "energy") for name in two} <= names(tmp_path)


def test_a_model_that_cannot_be_fooled_on_every_image_ends_with_status_3(run, tmp_path):
    (tmp_path / "half.py").write_text(
        "import torch\n\n\nclass Half(torch.nn.Module):\n    def forward(self, x):\n"
        "        light = (x.mean((1, 2, 3)) > 0.3).to(x)\n        score = 0.5 - x[:, 0, 0, 0]\n"
        "        two = torch.stack((score * (1 - light) + light, torch.zeros_like(score)), 1)\n"
        "        return torch.nn.functional.pad(two, (0, 8), value=-9.0)\n"
    )
    status, out, _ = run("--model", "half:Half", "--samples", "30")
    assert status == 3
    assert "images left out: no perturbation was found" in out


def test_heat_map_of_a_model(run, tmp_path):
    status, out, _ = run("--of", "model", "--epsilon", "1", "--samples", "2")
    assert status == 0
    assert names(tmp_path) == pairs("spectrum") | {"spectrum.csv", "spectrum.png"}
    assert load(tmp_path / "out" / "spectrum.json", HeatMap).epsilon == 1
    assert "right without a step" in out


def test_kernels_of_the_first_convolution(run, tmp_path):
    status, out, _ = run("--of", "kernels", "--alpha", "-0.5", "--alpha", "0.5", "--box", "3")
    assert status == 0
    assert names(tmp_path) == pairs("spectrum-fmnist-lenet-1", "spectrum-fmnist-lenet-2") | {
        "spectrum.csv", "spectrum.png", "radial.png",
    }  # fmt: skip
    found = load(tmp_path / "out" / "spectrum-fmnist-lenet-1.json", Spectrum)
    assert (found.kind, found.norm, found.channels, len(found.rings)) == ("amplitude", "backward", "0", 6)
    assert "push-pull, alpha -0.5, average 3 x 3" in out


@pytest.mark.parametrize("order", ["mean-of-modulus", "modulus-of-mean"])
def test_images(run, tmp_path, order):
    status, _, _ = run("--of", "images", "--order", order, "--window", "hann", "--channels", "0")
    assert status == 0
    found = load(tmp_path / "out" / "spectrum.json", Spectrum)
    assert (found.order, found.window, found.channels) == (order, "hann", "0")


@pytest.mark.parametrize("noise", ["gaussian", "uniform", "salt-pepper"])
def test_noise_as_corruption(run, tmp_path, noise):
    status, _, _ = run("--of", "corruption", "--corruption", noise, "--strength", "0.05", "--seed", "7")
    assert status == 0
    spectrum = load(tmp_path / "out" / "spectrum.json", Spectrum)
    assert (spectrum.name, spectrum.provenance.seed) == (f"{noise} 0.05", 7)


def test_a_pair_of_files_as_corruption(run, tmp_path):
    images = np.random.default_rng(0).random((5, 1, 8, 8)).astype(np.float32)
    labels = np.zeros(5, dtype=np.int64)
    np.savez(tmp_path / "clean.npz", x=images, y=labels)
    np.savez(tmp_path / "fog.npz", x=images / 2 + 0.5, y=labels)
    status, _, _ = run("--of", "corruption", "--data", "clean.npz", "--corruption", "fog.npz", "--samples", "5")
    assert status == 0
    found = load(tmp_path / "out" / "spectrum.json", Spectrum)
    difference = torch.from_numpy(0.5 - images / 2).double().mean((1, 2, 3)).abs().mean() * 8
    assert float(found.values[4, 4]) == pytest.approx(float(difference), rel=1e-5)


def test_what_geomrob_corrupt_wrote_is_compared_with_its_originals(run, tmp_path):
    images = (np.random.default_rng(0).random((9, 16, 16, 1)) * 255).astype(np.uint8)
    labels = np.arange(9) % 3
    np.savez(tmp_path / "clean.npz", x=images, y=labels)
    write_corrupted(tmp_path / "clean.npz", tmp_path / "set", names=["brightness"], samples=6, seed=4)
    status, _, err = run("--of", "corruption", "--data", str(tmp_path / "clean.npz"), "--corruption",
                         str(tmp_path / "set" / "brightness.npy@2"), "--samples", "5")  # fmt: skip
    assert status == 0, err
    found = load(tmp_path / "out" / "spectrum.json", Spectrum)
    drawn = load_data(tmp_path / "clean.npz", samples=6, seed=4)
    changed = torch.from_numpy(np.load(tmp_path / "set" / "brightness.npy")[6:12, ..., 0]).double() / 255
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))[:5]
    difference = (changed - drawn.images[:, 0].double())[order].mean((1, 2)).abs().mean() * 16
    assert float(found.values[8, 8]) == pytest.approx(float(difference), rel=1e-5)
    status, _, err = run("--of", "corruption", "--data", str(tmp_path / "clean.npz"), "--corruption",
                         str(tmp_path / "set" / "brightness.npy"), "--samples", "5")  # fmt: skip
    assert status == 0, err
    assert "five times, severity after severity" not in err
    assert len(load(tmp_path / "out" / "spectrum.json", Spectrum).values) == 16
    np.savez(tmp_path / "other.npz", x=images[..., 0], y=(labels + 1) % 3)
    status, _, err = run("--of", "corruption", "--data", str(tmp_path / "clean.npz"), "--corruption",
                         str(tmp_path / "other.npz"), "--samples", "5")  # fmt: skip
    assert (status, "in the same order; got other numbers or labels" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--channels", "gray"], "did you mean grey"),
        (["--channels", "1"], "channels must be below 1"),
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--of", "kernels", "--box", "3"], "box must go with alpha"),
        (["--of", "kernels", "--alpha", "1", "--box", "2"], "odd side"),
        (["--of", "model", "--epsilon", "-1"], "epsilon must be"),
        (["--of", "corruption", "--strength", "-1"], "must be at least 0 and below 1e+06; got -1"),
        (["--of", "corruption", "--corruption", "salt-pepper", "--strength", "2"], "strength must be a probability"),
        (["--of", "corruption", "--corruption", "fog.npz"], "which is neither: check the path"),
        (["--attack", "deepfol"], "deepfool"),
        (["--figure", "planes.txt"], "figure must end in"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_misuse_is_one_sentence_and_status_2(run, words, hint):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert hint in err


def test_proposals_of_the_boundary_attack_are_white_unless_a_smoothness_is_given(run, tmp_path):
    words = ["--model", "fmnist-lenet", "--samples", "2", "--attack", "boundary", "--budget", "100"]
    levels = []
    for more in ([], ["--smoothness", "0"], ["--smoothness", "1"]):
        status, _, err = run(*words, *more)
        assert (status, err) == (0, "")
        levels.append(load(tmp_path / "out" / "spectrum.json", Spectrum).values)
        energy = load(tmp_path / "out" / "energy.json", BandEnergy)
        assert energy.attack == f"boundary (smoothness {int('1' in more)})"
    assert torch.equal(levels[0], levels[1])
    assert not torch.equal(levels[0], levels[2])
    status, _, err = run("--attack", "deepfool", "--budget", "100")
    assert (status, "budget must go with --attack boundary" in err) == (2, True)
