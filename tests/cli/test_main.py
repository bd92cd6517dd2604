"""The command line: help, one line for every misuse, exit statuses."""

import pytest

from geomrob import __version__, cli
from geomrob.cli import main
from geomrob.errors import UsageError


@pytest.fixture
def command(monkeypatch):
    """Return a function that makes `geomrob margin` do something else."""

    def install(outcome):
        def margin(*, number: int = 1) -> int:
            """Do what the test wants."""
            return outcome(number)

        monkeypatch.setattr("geomrob.cli.commands.measure.margin.margin", margin)

    return install


def test_no_word_at_all_shows_the_help(capsys):
    assert main([]) == 0
    assert "Usage: geomrob COMMAND" in capsys.readouterr().out


def test_a_word_without_an_option_is_told_apart_from_a_model(capsys):
    assert main(["margin", "net.py:small"]) == 2
    assert "got 'net.py:small': write --model net.py:small" in capsys.readouterr().err


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert name in told
    assert "Exit status" in told


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_own_help(name, capsys):
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: geomrob " + name in told
    assert all(option in told for option in ("--config", "--format", "--json", "--quiet"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["margn"], 'Did you mean "margin"?'),
        (["margin", "--sampels", "3"], "Did you mean --samples?"),
        (["margin", "--samples", "many"], 'unable to convert "many" into int'),
        (["margin", "--samples"], "requires an argument"),
        (["margin", "--bands", "squares"], "blocks"),
        (["margin", "stray"], "stray"),
    ],
)
def test_bad_words_are_one_line_and_status_2(words, hint, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert hint in err


def test_misuse_is_one_line_and_status_2(command, capsys):
    def misuse(_number):
        raise UsageError("size must fit;\n got 99: choose less")

    command(misuse)
    assert main(["margin"]) == 2
    assert capsys.readouterr().err == "error: size must fit; got 99: choose less\n"


def test_a_defect_of_ours_is_not_hidden(command):
    command(lambda _number: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["margin"])


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_of_the_command_is_honoured(command, status):
    command(lambda number: number)
    assert main(["margin", "--number", str(status)]) == status


def test_interruption_is_quiet(command, capsys):
    def interrupt(_number):
        raise KeyboardInterrupt

    command(interrupt)
    assert main(["margin"]) == 130
    assert capsys.readouterr().err == "interrupted; run it again with: geomrob margin\n"
