"""Run folders: parts are whole or absent, nothing foreign is taken, results are written together."""

import json
import os
from functools import partial

import pytest
import torch
from torch import nn

from geomrob.analysis.margins import margin_curve
from geomrob.errors import Note, ShardDone, UsageError
from geomrob.results import equal
from geomrob.runs import Run, ranges, work, writable
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.oracles import LinearModel

IMAGES = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
BANDS = blocks(basis("dct", (8, 8)), 2, 1)


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 3))


def curve(folder=None, **changes):
    given = {"model": net(), "inputs": IMAGES, "subspaces": BANDS, "attack": "deepfool", **changes}
    run = None if folder is None else folder if isinstance(folder, Run) else Run(folder)
    return margin_curve(given.pop("model"), given.pop("inputs"), run=run, **given)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Three images a part: three parts."""
    monkeypatch.setattr("geomrob.analysis.margins.PAIRS", 3 * len(BANDS))
    monkeypatch.setattr("geomrob.inference.prepared.CPU_BLOCK", 16)


def differing(one, other):
    """Return in what two curves differ, their birth certificates apart."""
    names = ("distances", "status", "targets", "forwards", "backwards", "predictions", "interval")
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in names)
    return {name: (left, right) for name, left, right in pairs if not torch.equal(left, right)}


def same(one, other):
    """Return whether two curves agree."""
    return not differing(one, other)


def parts(folder):
    return sorted((folder / "parts").rglob("*.npz"))


def counted(rows, *, base, calls):
    calls.append(rows)
    return {"power": base ** torch.arange(rows.start, rows.stop)}


def double(rows, *, base=2.0):
    return {"power": base ** torch.arange(rows.start, rows.stop)}


# Each misuse of a folder that holds a run of the curve, and the key that its sentence names.
OTHERS = {
    "other weights": ({"model": net(1)}, "other model"),
    "another architecture": ({"model": nn.Sequential(net(), nn.Identity())}, "other model"),
    "other images": ({"inputs": 1 - IMAGES}, "other images"),
    "reversed images": ({"inputs": IMAGES.flip(0)}, "other images"),
    "fewer images": ({"inputs": IMAGES[:6]}, "other images"),
    "double images": ({"inputs": IMAGES.double(), "model": net().double()}, "other images"),
    "another method": ({"attack": "ddn"}, '"deepfool" there, "ddn" here'),
    "another norm": ({"norm": 1}, "norm: 2 there, 1 here"),
    "another tolerance": ({"tolerance": 1e-3}, "tolerance: 1e-05 there, 0.001 here"),
    "another option": ({"steps": 7}, 'options: {} there, {"steps": 7} here'),
    "fewer bands": ({"subspaces": BANDS[:4]}, "other bands"),
    "bands in another order": ({"subspaces": BANDS[::-1]}, "other bands"),
    "bands of another basis": ({"subspaces": blocks(basis("haar", (8, 8)), 2, 1)}, "other bands"),
    "more examples": ({"examples": 2}, "examples: 0 there, 2 here"),
    "a smaller block": ({"memory": 60_000}, "block: "),
}


@pytest.mark.parametrize("misuse", OTHERS)
def test_a_run_that_depends_on_something_else_is_refused_and_named(tmp_path, misuse):
    curve(tmp_path)
    before = {path: path.read_bytes() for path in parts(tmp_path)}
    changes, told = OTHERS[misuse]
    with pytest.raises(UsageError, match="out must hold a run of the same settings") as error:
        curve(tmp_path, **changes)
    assert told in str(error.value)
    assert before == {path: path.read_bytes() for path in parts(tmp_path)}


def zeroed(path, _others):
    path.write_bytes(bytes(path.stat().st_size))


def cut(path, _others):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path, _others):
    path.write_bytes(b"")


def exchanged(path, others):
    content = path.read_bytes()
    path.write_bytes(others[0].read_bytes())
    others[0].write_bytes(content)


def copied(path, others):
    path.write_bytes(others[1].read_bytes())


def rewritten(change):
    def damage(path, _others):
        import numpy as np

        with np.load(path) as arrays:
            changed = {name: change(arrays[name]) for name in arrays.files}
        np.savez(path, **changed)

    return damage


def longer(path, _others):
    path.write_bytes(path.read_bytes() + b"0")


def a_folder(path, _others):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "zeroed": zeroed,
    "cut": cut,
    "emptied": emptied,
    "exchanged": exchanged,
    "copied": copied,
    "zeros in it": rewritten(lambda values: values * 0),
    "NaN in it": rewritten(lambda values: values + float("nan")),
    "of another shape": rewritten(lambda values: values[..., :1]),
    "the same numbers, not sealed": rewritten(lambda values: values),
    "longer": longer,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_part_that_is_not_what_was_kept_is_computed_again_with_a_note(tmp_path, damage):
    plain = curve(tmp_path)
    first, *others = parts(tmp_path)
    DAMAGES[damage](first, others)
    with pytest.warns(Note, match="cut, altered or of another computation, and are computed again"):
        assert differing(curve(tmp_path), plain) == {}
    assert differing(curve(tmp_path), plain) == {}


def test_every_flipped_bit_is_noticed(tmp_path):
    run = Run(tmp_path)
    work(run, "powers", partial(double), ranges(2, 2))
    (path,) = parts(tmp_path)
    content = path.read_bytes()
    from geomrob.runs.parts import read_part

    belongs = run._belongs("powers", "images-0-2")
    assert read_part(path, belongs)["power"].tolist() == [1, 2]
    for bit in range(0, 8 * len(content), 7):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert read_part(path, belongs) is None


def test_parts_of_another_run_are_not_taken(tmp_path):
    plain, other = curve(tmp_path / "a"), curve(tmp_path / "b", model=net(1))
    for own, foreign in zip(parts(tmp_path / "a"), parts(tmp_path / "b"), strict=True):
        own.write_bytes(foreign.read_bytes())
    assert not same(plain, other)
    with pytest.warns(Note, match="3 of the parts of margins of model in"):
        assert same(curve(tmp_path / "a"), plain)


@pytest.mark.parametrize("stop", range(4))
def test_a_run_that_is_stopped_between_any_two_parts_resumes_to_the_same_bits(tmp_path, monkeypatch, stop):
    plain, kept = curve(), Run.keep

    def keep(run, name, key, part):
        if len(parts(tmp_path)) == stop:
            raise KeyboardInterrupt
        kept(run, name, key, part)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "keep", keep)
        if stop < 3:
            with pytest.raises(KeyboardInterrupt):
                curve(tmp_path)
    assert len(parts(tmp_path)) == min(stop, 3) * (stop < 3)
    told = []
    assert same(curve(Run(tmp_path, report=told.append)), plain)
    assert told == ([f"resumed: {stop} of 3 parts of margins of model were there"] if 0 < stop < 3 else [])


def test_only_what_is_missing_is_computed(tmp_path):
    items = ranges(6, 2)

    class Ignored(list):
        def run_identity(self):
            return {}

    compute = partial(counted, base=torch.tensor(2.0), calls=Ignored())
    calls = compute.keywords["calls"]
    whole = work(Run(tmp_path), "powers", compute, items)
    assert len(calls) == 3
    parts(tmp_path)[1].unlink()
    again = work(Run(tmp_path), "powers", compute, items)
    assert len(calls) == 4
    assert [part["power"].tolist() for part in again] == [part["power"].tolist() for part in whole]


def test_overwriting_starts_again_and_leaves_files_of_others(tmp_path):
    curve(tmp_path)
    mine = parts(tmp_path)[0].parent / "notes.txt"
    mine.write_text("mine")
    other = curve(Run(tmp_path, overwrite=True), model=net(1))
    assert same(other, curve(model=net(1)))
    assert mine.read_text() == "mine"
    assert same(curve(tmp_path, model=net(1)), other)


def test_several_computations_of_one_run_are_apart(tmp_path):
    run = Run(tmp_path)
    one, two = curve(run, name="a/b"), curve(run, name="a b", model=net(1))
    assert same(curve(tmp_path, name="a/b"), one)
    assert same(curve(tmp_path, name="a b", model=net(1)), two)
    with pytest.raises(UsageError, match="other model"):
        curve(run, name="a/b", model=net(1))


@pytest.mark.parametrize("page", ["", "{", "[]", "null", "{}", '{"digest": 1}', "[" * 5000, "\x00"])
def test_a_page_that_is_damaged_is_refused_or_overwritten(tmp_path, page):
    curve(tmp_path)
    (tmp_path / "run.json").write_text(page)
    with pytest.raises(UsageError, match=r"run.json must be as geomrob wrote it"):
        curve(tmp_path)
    curve(Run(tmp_path, overwrite=True))
    curve(tmp_path)


def test_an_edited_page_is_refused(tmp_path):
    curve(tmp_path)
    page = json.loads((tmp_path / "run.json").read_text())
    page["computations"]["margins of model"]["settings"]["norm"] = 1
    (tmp_path / "run.json").write_text(json.dumps(page))
    with pytest.raises(UsageError, match="edited"):
        curve(tmp_path)


def test_scratch_files_of_killed_runs_go_at_the_next_start(tmp_path):
    curve(tmp_path)
    folder = parts(tmp_path)[0].parent
    for scratch in (tmp_path / ".run.json.abcd1234.part", folder / ".images-0-3.npz.zyxw9876.part"):
        scratch.write_bytes(b"half")
    (tmp_path / ".mine.part").write_text("mine")
    curve(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.part")] == [".mine.part"]


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_key_that_is_no_name_is_refused(tmp_path, key):
    with pytest.raises(UsageError, match="key must be letters"):
        work(Run(tmp_path), "powers", partial(double), {key: slice(0, 2)})


def test_without_a_run_nothing_is_written():
    assert [part["power"].tolist() for part in work(None, "powers", partial(double), ranges(3, 2))] == [[1, 2], [4]]


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_shards_end_with_a_sentence_and_share_the_parts(tmp_path, shards):
    for number in range(1, shards + 1):
        with pytest.raises(ShardDone, match=f"shard {number} of {shards} is done"):
            curve(Run(tmp_path / str(number), shard=(number, shards)))
    names = (
        sorted(path.name for path in parts(tmp_path / "1"))
        if shards == 1
        else sorted(path.name for number in range(1, shards + 1) for path in parts(tmp_path / str(number)))
    )
    assert names == ["images-0-3.npz", "images-3-6.npz", "images-6-9.npz"]


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (-1, 2)])
def test_a_shard_that_is_none_is_refused(tmp_path, shard):
    with pytest.raises(UsageError, match="shard must be i/n"):
        Run(tmp_path, shard=shard)


def test_the_result_does_not_depend_on_the_engine_or_its_order(tmp_path):
    def backwards(compute, items, begin):
        for key in reversed(items):
            begin(key)
            yield key, compute(items[key])

    assert same(curve(Run(tmp_path, engine=backwards)), curve())


def test_a_folder_that_cannot_be_made_is_known_up_front(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="out must be a folder to write to"):
            Run(folder)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_known_up_front(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="to write to"):
        writable(tmp_path)


def test_progress_moves_inside_a_part_and_ends_at_all(tmp_path):
    told = []
    curve(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert len(told) > 3 * len(parts(tmp_path))
    assert told[-1] == (9 * len(BANDS), 9 * len(BANDS))
    told.clear()
    curve(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9 * len(BANDS), 9 * len(BANDS))


def test_a_plain_callable_is_known_by_its_name_and_what_it_holds(tmp_path):
    def closing_over(model):
        return lambda images: 2 * model(images)

    one = margin_curve(closing_over(net()), IMAGES, subspaces=BANDS, attack="deepfool", run=Run(tmp_path))
    assert same(one, margin_curve(closing_over(net()), IMAGES, subspaces=BANDS, attack="deepfool", run=Run(tmp_path)))
    for other in (closing_over(net(1)), LinearModel((1, 8, 8), 3, seed=0).float()):
        with pytest.raises(UsageError, match="other model"):
            margin_curve(other, IMAGES, subspaces=BANDS, attack="deepfool", run=Run(tmp_path))


def test_equal_results_without_a_run(tmp_path):
    from dataclasses import replace

    one, two = curve(), curve(tmp_path)
    assert equal(replace(two, provenance=one.provenance), one)
