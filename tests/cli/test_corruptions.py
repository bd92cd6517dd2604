"""`geomrob corruptions` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.analysis.corruptions.summary import corruption_scores, score_table
from geomrob.cli.answer import Answer
from geomrob.data import DATASETS, load_data
from geomrob.data.corruptions import CORRUPTIONS
from geomrob.results import CorruptionTable, load
from geomrob.results.accuracy.corruptions import SHORT
from tests.cli import results_in
from tests.synthetic import corruption_table

NETS = """
import torch
from torch import nn


def net(seed, channels=1, side=28):
    torch.manual_seed(seed)
    head = nn.Linear(2 * (side // 4) ** 2, 10)
    return nn.Sequential(nn.Conv2d(channels, 2, 3, 4, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), head).eval()


def one():
    return net(1)


def two():
    return net(2)


def coloured():
    return net(3, 3, 32)


class Grey(nn.Module):
    # Calls clothes on black a bag, all else a T-shirt, as the first image that is drawn is.
    def forward(self, images):
        dark = (images == 0).flatten(1).double().mean(1) > 0.2
        return nn.functional.one_hot(8 * dark.long(), 10).float()


def grey():
    return Grey()


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""

QUICK = [
    "--samples",
    "12",
    "--corruptions",
    "fog",
    "--corruptions",
    "contrast",
    "--severities",
    "2",
    "--severities",
    "5",
]
PAIR = ["--model", "few_nets:one", "--model", "few_nets:two"]
FILES = {
    "corruptions.json",
    "corruptions.npz",
    "corruptions.csv",
    "corruption-table.csv",
    "corruption-scores.json",
    "corruption-scores.npz",
    "corruption-scores.csv",
    "corruptions.png",
}


@pytest.fixture(autouse=True)
def nets(tmp_path):
    """The folder has a module of nets."""
    (tmp_path / "few_nets.py").write_text(NETS)


def lines(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_what_is_written_is_what_is_measured(run, tmp_path):
    status, out, err = run("corruptions", *PAIR, *QUICK)
    folder = tmp_path / "out"
    assert status == 0
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert results_in(folder) == {*FILES, "corruptions-trade-off.png"}
    found = load(folder / "corruptions.json", CorruptionTable)
    import few_nets

    clothes = load_data("fashion-mnist-1k", samples=12, seed=0)
    wanted = corruption_errors(
        {"few_nets:one": few_nets.one(), "few_nets:two": few_nets.two()},
        clothes.images,
        clothes.labels,
        corruptions=("fog", "contrast"),
        severities=(2, 5),
        indices=clothes.indices,
    )
    assert torch.equal(found.errors, wanted.errors)
    assert torch.equal(found.clean, wanted.clean)
    assert (found.models, found.data, found.source) == (("few_nets:one", "few_nets:two"), "fashion-mnist-1k", "made")
    table = lines(folder / "corruptions.csv")
    assert [row["severity"] for row in table[:5]] == ["0", "2", "5", "2", "5"]
    assert [float(row["error"]) for row in table[1:5]] == pytest.approx(found.errors[0].flatten().tolist(), rel=5e-7)
    assert {row["source"] for row in table[1:5]} == {"made"}
    wide = lines(folder / "corruption-table.csv")
    assert [float(row["contrast"]) for row in wide] == pytest.approx(
        found.corruption_errors[:, 0, 1].tolist(), abs=1e-7
    )
    scores = corruption_scores(found, baseline="few_nets:one", names=("fog", "contrast"))
    told = {(row["model"], row["score"]): row["mean"] for row in lines(folder / "corruption-scores.csv")}
    assert float(told["few_nets:two", "mrCE"]) == scores["mrCE"][1].item()
    assert "relative to few_nets:one" in out
    assert "no mCE: that is over the 15" in out
    assert f"{100 * found.clean[1].item():.1f}" in out


def test_one_model_has_no_baseline_and_json_is_one_object(run, tmp_path):
    status, out, err = run("corruptions", "--model", "few_nets:one", *QUICK, "--adapt", "full", "--json")
    told = json.loads(out)
    assert status == 0
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert results_in(tmp_path / "out") == FILES
    table, scores = told["results"]
    assert (scores["facts"]["baseline"], table["facts"]["source"], table["facts"]["over"]) == (
        "",
        "made",
        "fog contrast",
    )
    assert [row["score"] for row in scores["rows"]] == ["clean", "mean CE", "severity 2", "severity 5"]
    assert scores["rows"][0]["standard_error"] is None
    assert (table["facts"]["adapt"], load(tmp_path / "out" / "corruptions.json", CorruptionTable).adapt) == (
        "full",
        "full",
    )


def test_accuracies_are_what_is_left_and_adaptation_is_told(run, tmp_path):
    status, out, _ = run("corruptions", "--model", "few_nets:one", *QUICK, "--accuracy", "--adapt", "single")
    assert status == 0
    found = load(tmp_path / "out" / "corruptions.json", CorruptionTable)
    row = next(line for line in out.splitlines() if line.lstrip().startswith("few_nets:one")).split()
    wanted = [found.clean.item(), *found.errors.mean((0, 1, 3)).tolist()]
    assert [float(row[at]) for at in (1, 3, 4)] == pytest.approx([100 * (1 - value) for value in wanted], abs=0.051)
    assert "accuracy in per cent" in out
    assert "statistics fitted to the images (single)" in out
    assert found.adapt == "single"


def test_several_weights_are_networks_of_one_model_with_a_standard_error(run, tmp_path):
    import few_nets

    words = []
    for seed in (5, 6, 7):
        save_file(few_nets.net(seed).state_dict(), tmp_path / f"{seed}.safetensors")
        words += ["--weights", f"{seed}.safetensors"]
    status, out, _ = run("corruptions", "--model", "few_nets:one", *words, *QUICK, "--adapt", "partial")
    found = load(tmp_path / "out" / "corruptions.json", CorruptionTable)
    assert status == 0
    assert found.adapt == "partial"
    assert found.errors.shape == (1, 3, 2, 2)
    row = lines(tmp_path / "out" / "corruption-scores.csv")[1]
    values = found.errors.mean((0, 2, 3))
    assert float(row["mean"]) == pytest.approx(values.mean().item())
    assert float(row["standard_error"]) == pytest.approx(values.std().item() / 3**0.5)
    assert f"{100 * values.mean():.1f} ± {100 * values.std() / 3**0.5:.1f}" in out


def test_a_baseline_that_errs_on_clean_images_alone_has_no_map_of_the_trade_off(run, tmp_path):
    words = ["--samples", "1", *QUICK[2:], "--baseline", "few_nets:grey"]
    status, _, err = run("corruptions", "--model", "few_nets:one", "--model", "few_nets:grey", *words)
    found = load(tmp_path / "out" / "corruptions.json", CorruptionTable)
    assert (found.clean[1].item(), found.errors[1].sum().item()) == (1, 0)
    assert status == 0
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert results_in(tmp_path / "out") == FILES


@pytest.fixture
def distributed(tmp_path, monkeypatch):
    """Return a data folder with CIFAR-10 of 20 grey images, and its CIFAR-10-C with black fog alone."""
    known = DATASETS["cifar10"]
    grey = torch.full((20, 3, 32, 32), 0.5)

    def read(*_args, **_options):
        raise AssertionError("the reader of the table is not called")

    monkeypatch.setitem(DATASETS, "cifar10", replace(known, splits={"test": 20}, reader=read))
    labels = torch.arange(20) % 10
    from geomrob.data.entry import Samples, sample_positions

    def drawn(options, _transform=None, **_):
        chosen = sample_positions(20, options.samples, options.seed)
        return Samples(grey[chosen], labels[chosen], known.classes, chosen, "cifar10")

    monkeypatch.setattr("geomrob.cli.session.load_samples", drawn)
    root = tmp_path / "data" / "CIFAR-10-C"
    root.mkdir(parents=True)
    np.save(root / "fog.npy", np.zeros((100, 32, 32, 3), np.uint8))
    np.save(root / "labels.npy", np.tile(labels.numpy(), 5).astype(np.uint8))
    return ["--model", "few_nets:coloured", "--data", "cifar10", "--data-dir", "data", "--samples", "8"]


def test_a_distributed_set_is_read_and_told(run, tmp_path, distributed):
    status, out, err = run("corruptions", *distributed, "--corruptions", "fog")
    found = load(tmp_path / "out" / "corruptions.json", CorruptionTable)
    assert (status, err) == (0, "")
    assert found.source == "ready-made"
    assert "read from the distributed set" in out
    assert {row["source"] for row in lines(tmp_path / "out" / "corruption-scores.csv")} == {"ready-made"}


def test_what_a_distributed_set_lacks_is_named(run, tmp_path, distributed):
    status, _, err = run("corruptions", *distributed, "--corruptions", "fog", "--corruptions", "snow")
    assert status == 2
    assert "must hold snow.npy or snow/1; got fog: add it" in err
    assert err.count("\n") == 1
    np.save(tmp_path / "data" / "CIFAR-10-C" / "labels.npy", np.zeros(20, np.uint8))
    status, _, err = run("corruptions", *distributed, "--corruptions", "fog")
    assert (status, err.count("\n")) == (2, 1)
    assert "labels.npy must hold 100 labels, those of the 20 test images five times; got (20,)" in err


def test_alexnet_is_refused_off_imagenet_c(run, distributed):
    status, _, err = run("corruptions", *distributed, "--corruptions", "fog", "--baseline", "alexnet")
    assert (status, err.count("\n")) == (2, 1)
    assert "got a distributed set on cifar10: measure a standard model as the baseline" in err


def test_alexnet_is_for_folders_of_images_read_from_a_distributed_set(run, tmp_path):
    from PIL import Image

    for at in ("val/cat", *(f"data/ImageNet-C/fog/{level}/cat" for level in range(1, 6))):
        (tmp_path / at).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((28, 28), 40 * i, np.uint8)).save(tmp_path / at / f"{i}.png")
    words = ["--model", "few_nets:one", "--data", "val", "--data-dir", "data", "--samples", "2", "--corruptions", "fog"]
    status, out, err = run("corruptions", *words, "--baseline", "alexnet")
    assert status == 0
    assert "by the names of CIFAR-10: cat is 3" in err
    assert "AlexNet's errors are of 1000 classes, those of val 10\n" in out
    found = load(tmp_path / "out" / "corruptions.json", CorruptionTable)
    assert f"{found.errors.mean().item() / 0.819324:.3f}" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--corruptions", "fogg"], "did you mean fog"),
        (["--severities", "6"], "severities must rise within 1 ... 5; got [6]"),
        (["--severities", "0"], "severities must rise within 1 ... 5"),
        (["--adapt", "half"], "half"),
        (["--model", "few_nets:linear", "--adapt", "full"], "must have batch normalisation to adapt"),
        (["--baseline", "three"], "baseline"),
        (["--baseline", "alexnet"], "severities must be 1 ... 5 for AlexNet"),
        (
            ["--baseline", "alexnet", *(word for i in "1345" for word in ("--severities", i))],
            "made by geomrob on fashion",
        ),
        (
            ["--baseline", "alexnet", "--corruptions", "saturate"],
            "corruptions must be of the 15 for AlexNet; got saturate",
        ),
        (["--beta", "2"], "beta must go with a model as the baseline; got none"),
        (["--beta", "-1"], "beta must be a finite number of at least 0"),
        ([*PAIR, "--weights", "a.pt", "--weights", "b.pt"], "weights must go with one model; got 3 models"),
        (["--weights", "none.pt"], "none.pt"),
        (["--model", "cifar10-resnet20"], "data must hold images of 3x32x32"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--table", "tiny"], "tiny"),
        (["--figure", "x.txt"], "must end in"),
        (["--threads", "0"], "threads must be at least 1"),
    ],
    ids=" ".join,
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    quick = ["--samples", "2", "--corruptions", "fog", "--severities", "2"]
    given = [*([] if "--samples" in words else quick[:2]), *quick[2:4]]
    given += [] if words[:2] in (["--severities", "6"], ["--severities", "0"]) else quick[4:]
    status, out, err = run("corruptions", "--model", "few_nets:one", *given, *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not list(tmp_path.glob("out/*"))


def shown(table, baseline, capsys, folder):
    scores = score_table(table, baseline=baseline)
    Answer("corruptions", folder, [table, scores]).finish()
    return scores.scores, capsys.readouterr().out


def test_defaults_are_the_fifteen_at_all_severities():
    assert corruption_table(corruptions=("snow", "fog")).over == ("snow", "fog")
    others = (*BENCHMARK[:-1], "spatter")
    named = [corruption_table(corruptions=names).mean_name for names in (BENCHMARK, others)]
    assert named == ["mCE", "mean CE"]
    assert corruption_table(corruptions=(*BENCHMARK, "saturate")).over == BENCHMARK
    assert tuple(SHORT) == tuple(CORRUPTIONS)
    assert tuple(name for name, entry in CORRUPTIONS.items() if entry.benchmark) == BENCHMARK
    papers = ["Ga", "Sh", "Im", "De", "Gl", "Mo", "Zo", "Sn", "Fr", "Fo", "Br", "Co", "El", "Pi", "Jp"]
    assert [SHORT[name] for name in BENCHMARK] == papers


def test_columns_of_a_mixed_table_are_marked(capsys, tmp_path):
    table = corruption_table(sources=("ready-made", "made"))
    _, out = shown(table, "", capsys, tmp_path)
    assert "columns with * (and in part their means) from a distributed set" in out
    head = next(line for line in out.splitlines() if "clean" in line).split()
    assert head == ["model", "clean", "mean*", "Fo*", "Sn"]
    assert [row["source"] for row in table.records()[:5]] == ["", "ready-made", "ready-made", "made", "made"]


def test_groups_and_ratios_of_all_fifteen_are_shown(capsys, tmp_path):
    errors = torch.rand(2, 3, 15, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    facts = {"corruptions": BENCHMARK, "severities": (1, 2, 3, 4, 5), "sources": ("made",) * 15}
    scores, out = shown(corruption_table(errors=errors, clean=errors[:, :, 0, 0], **facts), "base", capsys, tmp_path)
    mid = scores["push_pull:mid"][1]
    cell = f"{100 * mid.mean():.1f} ± {100 * mid.std() / 3**0.5:.1f}"
    assert any("mid frequencies (PushPull)" in line and cell in line for line in out.splitlines())
    low = scores["mrCE pixel_similarity:low"][1]
    cell = f"{low.mean():.3f} ± {low.std() / 3**0.5:.3f}"
    assert any("mrCE, low frequencies (pixel sim.)" in line and cell in line for line in out.splitlines())
