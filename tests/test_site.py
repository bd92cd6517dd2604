"""What the site makes from the code has a page, a line and a command for everything."""

import shlex
from pathlib import Path

import pytest

import geomrob
from docs.generate import commands, gallery, reference, tutorial
from geomrob.cli import COMMANDS, application

ROOT = Path(__file__).resolve().parent.parent


def test_the_reference_lists_every_public_name_once_with_its_first_line():
    listed = [name for names in reference.homes().values() for name, _ in names]
    assert sorted(listed) == sorted(set(geomrob.__all__) - {"__version__"})
    assert all(reference.first_line(home) for names in reference.homes().values() for _, home in names)


def test_every_picture_has_a_claim_and_a_command():
    for picture in sorted(ROOT.glob("figures/*.png")):
        claim, command, _ = gallery.origin(picture.stem)
        assert claim, picture
        assert command.startswith(("geomrob ", "python -m experiments.")), picture
    with pytest.raises(LookupError, match="nowhere"):
        gallery.origin("nowhere")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_its_options_and_a_run_that_parses(name):
    application().parse_args([name, *shlex.split(commands.EXAMPLES[name])], exit_on_error=False, print_error=False)
    table = commands.options(name)
    for argument in application()[name].assemble_argument_collection().filter_by(show=True):
        assert f"`{argument.name}" in table or argument.field_info.is_positional, argument.name
    assert "|  |  |  |" not in table


def test_no_example_is_left_over():
    assert set(commands.EXAMPLES) == set(COMMANDS)


def test_the_run_of_a_command_is_what_it_prints_and_writes():
    run = commands.run("layers")
    assert run.status == 0
    assert "conv1" in run.output
    assert run.picture is not None
    assert "geomrob-layers/layers.json" in run.written
    assert str(Path.cwd()) not in run.output


def test_the_notebook_is_the_tutorial():
    assert tutorial.NOTEBOOK.read_text() == tutorial.notebook()
    assert len([kind for kind, _ in tutorial.cells() if kind == "code"]) >= 7
