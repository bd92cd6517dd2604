"""Results: saved and loaded exactly, quantiles that count failures, misuse in one sentence."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomrob.arrays import UsageError
from geomrob.results import AttackResult, MarginCurve, Provenance, Status, equal, load, save
from tests.synthetic import attack_result, margin_curve, provenance

FLOATS = st.floats(width=32)
quiet = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


FACTS = st.fixed_dictionaries(
    {
        "model": st.text(),
        "bands": st.lists(st.text(), min_size=2, max_size=2).map(tuple),
        "norm": st.sampled_from([1.0, 2.0, math.inf]),
    }
)
BIRTH = st.fixed_dictionaries(
    {
        "seconds": st.floats(),
        "seed": st.integers(0, 2**70),
        "versions": st.dictionaries(st.text(alphabet=st.characters(exclude_characters="$")), st.text()),
    }
)


@given(facts=FACTS, birth=BIRTH, values=st.lists(FLOATS, min_size=6, max_size=6), double=st.booleans())
@quiet
def test_load_gives_back_what_was_saved(facts, birth, values, double, tmp_path):
    distances = torch.tensor(values, dtype=torch.float64 if double else torch.float32).reshape(2, 3)
    birth = dataclasses.replace(provenance(), **birth)
    curve = dataclasses.replace(margin_curve(bands=2, images=3), distances=distances, provenance=birth, **facts)
    assert equal(load(save(curve, tmp_path / "curve")), curve)


@pytest.mark.parametrize("result", [attack_result(), margin_curve(), provenance()], ids=lambda r: type(r).__name__)
def test_every_result_round_trips(result, tmp_path):
    assert equal(load(save(result, tmp_path / "x"), type(result)), result)


@pytest.mark.parametrize("name", ["lenet-0.5", "lenet-0.5.json", "lenet-0.5.npz"])
def test_names_keep_their_dots(name, tmp_path):
    assert save(margin_curve(), tmp_path / name) == tmp_path / "lenet-0.5.json"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lenet-0.5.json", "lenet-0.5.npz"]
    load(tmp_path / name)


def test_json_is_strict(tmp_path):
    curve = dataclasses.replace(margin_curve(), norm=math.inf)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    page = json.loads(save(curve, tmp_path / "x").read_text(), parse_constant=refuse)
    assert page["content"]["norm"] == {"$float": "inf"}


def test_saving_twice_gives_the_same_bytes(tmp_path):
    one, two = save(margin_curve(), tmp_path / "a"), save(margin_curve(), tmp_path / "b")
    assert one.read_bytes() == two.read_bytes()


def test_equal_is_exact():
    curve = margin_curve()
    assert equal(curve, margin_curve())
    assert not equal(curve, dataclasses.replace(curve, model="other"))
    assert not equal(curve, dataclasses.replace(curve, norm=2))
    assert not equal(curve, dataclasses.replace(curve, distances=curve.distances.float()))
    assert not equal(curve, dataclasses.replace(curve, distances=curve.distances + 1e-12))
    assert not equal(curve, dataclasses.replace(curve, provenance=dataclasses.replace(curve.provenance, seed=1)))
    assert not equal(curve, attack_result())
    assert not equal(("a", "b"), ("a",))
    assert equal(math.nan, math.nan)


def edited(path: Path, **changes) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_misuse_is_one_sentence(tmp_path):
    path = save(margin_curve(), tmp_path / "x")
    with pytest.raises(UsageError, match="must hold a AttackResult; got a MarginCurve"):
        load(path, AttackResult)
    with pytest.raises(UsageError, match=r"must name a saved result.*No such file"):
        load(tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"result must be one of .*; got dict"):
        save({}, path)
    with pytest.raises(UsageError, match="must have schema 1; got 99"):
        load(edited(path, schema=99))
    with pytest.raises(UsageError, match="got 'Nothing'"):
        load(edited(path, schema=1, content={"$class": "Nothing"}))
    with pytest.raises(UsageError, match=r"got 'Provenance' with colour"):
        load(edited(path, content={"$class": "Provenance", "colour": "red"}))
    for damage in ("{", "[]", "null", '{"schema": 1}', "\x00"):
        path.write_text(damage)
        with pytest.raises(UsageError, match="damaged"):
            load(path)


def test_arrays_of_another_result_are_noticed(tmp_path):
    path = save(margin_curve(), tmp_path / "x")
    other = save(margin_curve(images=3), tmp_path / "y")
    other.with_suffix(".npz").replace(path.with_suffix(".npz"))
    with pytest.raises(UsageError, match="another or a damaged"):
        load(path)


def test_quantiles_count_failures_as_infinity():
    curve = margin_curve(bands=1, images=4)
    curve = dataclasses.replace(curve, distances=torch.tensor([[3.0, torch.inf, 1.0, 2.0]], dtype=torch.float64))
    assert curve.quantiles(0.05, 0.25, 0.5, 0.75, 0.95, 1.0).tolist() == [[1.15, 1.75, 2.5, *[math.inf] * 3]]
    assert curve.reached.tolist() == [0.75]


def test_attack_result_derives_from_what_it_returns():
    result = attack_result()
    assert result.distances().tolist() == [2.0, math.inf]
    assert result.distances(math.inf).tolist() == [0.5, math.inf]
    assert result.success_rate == 0.5


def test_provenance_and_status_are_plain():
    assert dataclasses.is_dataclass(Provenance)
    assert dataclasses.is_dataclass(MarginCurve)
    assert Status.FOUND == 0
