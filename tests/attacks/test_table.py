"""A toy attack, one file and one row, is found wherever attacks are named; the docs have the table of today."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import geomrob
import geomrob.attacks
from geomrob.attacks.table import ATTACKS, AttackEntry, markdown, names, variants
from tests.attacks import test_contract, test_truth
from tests.attacks.rows import attack, rows
from tests.attacks.zoo import images, net

TOY = '''
from dataclasses import replace
from functools import partial

import torch

from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult


def toy(model, inputs, labels=None, *, targets=None, subspace=None, bounds=None, steps=20, memory=None):
    """Step to the nearest linearized boundary, further each time."""
    search = partial(toy_search, steps=steps)
    return run_linearized(
        model, inputs, labels, search, 10, targets=targets, subspace=subspace, bounds=bounds, memory=memory
    )


def far(model, inputs, labels=None, *, bounds=None):
    """Go much further than the boundary."""
    result = toy(model, inputs, labels, bounds=bounds)
    return replace(result, perturbed=result.inputs + 3 * result.perturbation)


def toy_search(search, linear, *, steps=20):
    direction, reach = linear.nearest(0)
    status, taken, c = linear.status.clone(), torch.zeros_like(linear.status), search.zeros()
    for step in range(steps):
        live = (status == 1).nonzero().squeeze(1)
        if not len(live):
            break
        c[live] = search.fit(1.02 * 1.2**step * reach[live, None, None, None] * direction[live], live)
        status[live[search.is_adversarial(c[live], live)]] = 0
        taken[live] += 1
    return SearchResult(c, status, taken)
'''
ROW = AttackEntry("toy_attack:toy", "minimal", (2,), "a toy", search_name="toy_search")

HELP = """
from geomrob.attacks.table import ATTACKS, AttackEntry
ATTACKS["toy"] = AttackEntry("toy_attack:toy", "minimal", (2,), "a toy", search_name="toy_search")
from geomrob.cli import main
import sys
status = main(sys.argv[1:])
assert "torch" not in sys.modules or "--help" not in sys.argv
sys.exit(status)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The file and the row of an attack that geomrob does not have."""
    (tmp_path / "toy_attack.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(ATTACKS, "toy", ROW)
    yield tmp_path
    sys.modules.pop("toy_attack", None)


def test_a_row_is_found_by_contract_docs_package_analyses_and_foolbox(toy):
    import foolbox

    from geomrob.interop.foolbox_export import as_foolbox, exported

    assert "toy" in rows()
    assert "toy" in rows("minimal", takes=("subspace", "bounds", "targets"))
    assert ATTACKS["toy"].options == {"steps": 20}
    assert "| `toy` | minimal | l2 | yes | yes | `steps` | a toy |" in markdown()
    assert geomrob.attacks.toy.__name__ == "toy"
    model, inputs = net(), images()
    result = attack("toy", model, inputs)
    assert result.success_rate == 1
    bands = geomrob.bands("blocks", geomrob.basis("dct", (8, 8)), size=4, step=4)
    curve = geomrob.margin_curve(model, inputs, subspaces=bands, attack="toy", steps=30)
    assert bool(curve.reached.any())
    assert exported()["toy"].norm == 2
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    raw, *_ = as_foolbox("toy")(wrapped, inputs.clamp(0, 1), model(inputs).argmax(1), epsilons=None)
    assert torch.equal(model(raw).argmax(1) != result.labels, result.success)


def test_contract_and_truth_hold_for_a_row_and_notice_what_breaks_them(toy, monkeypatch):
    test_contract.test_inside_the_subspace_and_the_box("toy")
    test_contract.test_every_evaluation_is_counted("toy")
    test_truth.test_the_distance_to_a_plane_is_the_truth_and_never_less("toy")
    monkeypatch.setitem(ATTACKS, "toy", replace(ROW, home="toy_attack:far"))
    with pytest.raises(AssertionError):
        test_truth.test_the_distance_to_a_plane_is_the_truth_and_never_less("toy")


@pytest.mark.parametrize("command", ["margin", "geometry", "transfer", "spectrum"])
def test_a_row_is_a_choice_of_the_commands_and_in_their_help(toy, command):
    told = subprocess.run(
        [sys.executable, "-c", HELP, command, "--help"],
        capture_output=True, text=True, check=True, cwd=Path(geomrob.__file__).parents[1],
    ).stdout  # fmt: skip
    assert "toy" in told


def test_a_command_measures_with_it(toy):
    told = subprocess.run(
        [sys.executable, "-c", HELP, "margin", "--attack", "toy", "--samples", "2", "--size", "28", "--step", "28",
         "--json", "--out", str(toy / "out")],
        capture_output=True, text=True, check=False, cwd=Path(geomrob.__file__).parents[1],
        env={"PYTHONPATH": str(toy), "PATH": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert '"toy"' in told.stdout


def test_rows_say_what_the_functions_are():
    for name, row in ATTACKS.items():
        assert row.attack.__name__ == name
        assert getattr(geomrob.attacks, name) is row.attack
        assert row.summary
        assert row.norm in row.norms
        assert row.takes("epsilon") == (row.kind in ("budget", "noise"))
        assert set(row.quick) <= set(row.options)
        assert not row.search_name or row.takes("subspace")
    for row, how in variants().values():
        assert set(how.options) <= set(row.options)
        assert how.norm is None or how.norm in row.norms
        assert list(how.strengths) == sorted(how.strengths)


def test_names_by_kind():
    # At least: a new row changes no test.
    assert {"deepfool", "superdeepfool", "ddn", "tight"} <= set(names("minimal", search=True))
    assert not {"sparsefool", "noise", "pgd", "boundary"} & set(names("minimal", search=True))
    assert "sparsefool" in names("minimal")
    assert {"noise", "boundary"} <= set(names("decision", "noise"))
    assert not {"deepfool", "fgsm", "pgd"} & set(names("decision", "noise"))
    assert {"gaussian", "uniform", "salt-pepper", "fgsm", "fgsm-transfer", "pgd", "pgd-l2"} <= set(variants())
    assert not {"noise", *names("minimal", "decision")} & set(variants())
    assert names() == tuple(ATTACKS)
    with pytest.raises(AttributeError, match="has no attribute 'deepfoll'"):
        geomrob.attacks.deepfoll  # noqa: B018


def test_the_docs_have_the_table_of_today():
    page = Path(geomrob.__file__).parents[1] / "docs" / "attacks.md"
    assert markdown() in page.read_text()
