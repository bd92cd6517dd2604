"""Results: saved and loaded exactly, quantiles that count failures, misuse in one sentence."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomrob.errors import UsageError
from geomrob.results import AttackResult, MarginCurve, Provenance, Status, equal, load, save
from tests.results.examples import decisions, plane, sparsity, strengths, transfer
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
    with pytest.raises(UsageError, match="must have schema 3; got 99"):
        load(edited(path, schema=99))
    with pytest.raises(UsageError, match="got 'Nothing'"):
        load(edited(path, schema=2, content={"$class": "Nothing"}))
    with pytest.raises(UsageError, match=r"got 'Provenance' with colour"):
        load(edited(path, content={"$class": "Provenance", "colour": "red"}))
    for damage in ("{", "[]", "null", '{"schema": 2}', "\x00"):
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


def test_sparsity_derives_from_the_attack():
    found = sparsity()
    assert found.result.changed.flatten(1).sum(1).tolist() == [1, 3, 2, 20]
    assert found.values("pixels").tolist() == [1, 3, 2, math.inf]
    assert found.values("elements").tolist() == [1, 4, 2, math.inf]
    assert found.values("percent").tolist() == [5, 15, 10, math.inf]
    assert found.values("l1").tolist() == [0.5, 1.25, 1.5, math.inf]
    assert found.values("l2").tolist() == pytest.approx([0.5, math.sqrt(7 / 16), math.sqrt(5 / 4), math.inf])
    assert found.values("linf").tolist() == [0.5, 0.5, 1, math.inf]
    assert found.fooling_rate == 0.75
    assert found.accuracy == 0.75
    with pytest.raises(UsageError, match="of must be one of pixels, elements, percent, l1, l2, linf; got 'pixel'"):
        found.quantiles(0.5, of="pixel")


def test_a_failure_is_infinitely_many_pixels_in_every_quantile():
    found = sparsity()
    assert found.quantiles(0.0, 1 / 3, 0.5, 2 / 3, 0.7, 1.0).tolist() == pytest.approx([1, 2, 2.5, 3, *[math.inf] * 2])
    assert found.quantiles(0.5, of="percent").tolist() == [12.5]
    assert found.quantiles(1 / 6, of="elements").tolist() == [1.5]


def test_a_transfer_matrix_counts_the_fooled_images():
    torch.testing.assert_close(transfer().rates, torch.tensor([[2 / 3, 1 / 3], [0, 1]], dtype=torch.float64))


def test_rows_of_a_sparsity_are_its_images():
    rows, told = sparsity().records(), sparsity().summary()
    assert [row["pixels"] for row in rows] == [1, 3, 2, math.inf]
    assert [(row["class_before"], row["class_after"]) for row in rows] == [
        ("cat", "dog"), ("dog", "cat"), ("dog", "bird"), ("bird", ""),
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["found"] * 3 + ["infeasible"]
    assert [row["survives_8_bits"] for row in rows] == [1, 0, 1, 0]
    assert (told["pixels_median"], told["survive_8_bits"], told["failures"]) == (2.5, 0.5, "1 infeasible")
    assert sparsity().caveats() == [
        "net: 95 % intervals over the 4 images: fooled 75.0% [30.1%, 95.4%]",
        "net: 1 of the fooled images are not adversarial any more as 8 bits; they have no PNG",
        f"net: not fooled, counted as infinite: 1 infeasible: {Status.INFEASIBLE.sentence}",
    ]
    rounded = sparsity().exported()
    assert (rounded.fooling_rate, rounded.eight_bit) == (0.5, True)
    assert [row["class_after"] for row in rounded.records()] == ["dog", "", "bird", ""]


def test_the_matrix_of_a_transfer_is_a_table():
    (table,) = transfer().tables()
    assert table.cells() == [["net", "2 of 3", "66.7%", "33.3%"], ["other", "3 of 3", "0.0%", "100.0%"]]
    assert [row["fooled_target"] for row in transfer().records()] == [2, 1, 0, 3]
    assert transfer().caveats() == [
        "clean accuracy, with 95 % intervals over the 3 images: net 90.0% [35.8%, 99.3%], other -"
    ]
    assert transfer().summary()["rate_others"] == pytest.approx(1 / 6)


def test_a_curve_without_repeats_has_no_error():
    (table,) = strengths().tables()
    assert table.cells() == [["0", "100.0%"], ["0.1", "50.0%"]]
    assert math.isnan(strengths().records()[0]["standard_error"])
    assert "one run, no standard error" in table.title[0]


def test_what_neither_model_gets_right_has_no_ratio():
    (table,) = plane().tables()
    assert [cells[2] for cells in table.cells()] == ["1.000", "inf", "-"]
    assert [cells[3] for cells in table.cells()] == ["no", "yes", "no"]


def test_decision_distances_count_failures_as_infinite_over_all_repeats():
    result = decisions()
    told, rows = result.summary(), result.records()
    assert (told["found"], told["l2_25"], told["l2_50"], told["score"]) == (0.5, 2, math.inf, math.inf)
    assert (told["converged"], told["failures"]) == (0.5, "2 step limit")
    assert [(row["seed"], row["index"]) for row in rows] == [(3, 7), (3, 8), (4, 7), (4, 8)]
    assert [row["converged"] for row in rows] == [False, True, None, None]
    assert result.caveats()[1:] == ["net: not fooled, counted as infinite: 2 step limit"]
