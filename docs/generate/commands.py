"""The pages of the commands: options, defaults and types from the parser, and the output of a short run."""

import contextlib
import inspect
import io
import os
import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple

from cyclopts.help import HelpEntry, create_parameter_help_panel

from geomrob.cli import COMMANDS, EXITS, application, main

EXAMPLES = {
    "margin": "--samples 3 --attack deepfool",
    "sparsefool": "--samples 8",
    "spectrum": "--samples 8",
    "kernels": "--model fmnist-pushpull-avg3",
    "curve": "--attack gaussian --model fmnist-lenet --model fmnist-resnet8 --samples 50 --repeats 2",
    "robust": "--samples 10 --norm linf --epsilon 2/255,8/255",
    "boundary": "--samples 4 --budget 200",
    "transfer": "--model fmnist-lenet --model fmnist-resnet8 --samples 8",
    "audit": "--samples 3 --budget 50",
    "models": "--data mnist",
    "data": "",
    "corrupt": "fashion-mnist-1k OUT --corruptions fog --corruptions jpeg_compression --samples 4",
    "corruptions": "--model fmnist-standard --samples 10 --corruptions fog --corruptions gaussian_noise",
    "layers": "--samples 20",
    "geometry": "--samples 4",
    "augment": "--show color --draws 4",
    "compare": "fmnist-lenet fmnist-resnet8 --samples 20 --of sparsefool",
    "report": "--from margins --from sparse --out report.html",
    "train": "smoke",
    "reproduce": "pushpull-fig-5 pushpull-fig-3 --scale smoke",
    "merge": "shard-1 shard-2 --out merged",
}
"""Arguments of a run of each command that takes about a second."""
BEFORE = {
    "report": ["margin --samples 3 --attack deepfool --out margins", "sparsefool --samples 3 --out sparse"],
    "merge": [f"margin --samples 20 --attack deepfool --shard {number}/2 --out shard-{number}" for number in (1, 2)],
}
"""What runs before that, in the same folder."""
PLAIN = "plaintext"
"""How the help is written."""
WIDTH = "100"
"""Columns of the terminal of these runs."""
COMMAND_NAV = [f"commands/{name}.md" for name in COMMANDS]


class Run(NamedTuple):
    """One run of a command."""

    line: str
    status: int
    output: str
    written: list[str]
    picture: bytes | None


def run(name: str) -> Run:
    """Return what a command prints and writes, started in this process in an empty folder."""
    arguments, before = EXAMPLES[name], Path.cwd()
    output = io.StringIO()
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        columns = os.environ.get("COLUMNS")
        stack.callback(lambda: os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns))
        stack.callback(os.chdir, before)
        os.environ["COLUMNS"] = WIDTH
        os.chdir(scratch)
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        for line in BEFORE.get(name, ()):
            main(shlex.split(line))
        output.seek(0), output.truncate()
        status = main([name, *shlex.split(arguments)])
        files = sorted(path for path in Path().rglob("*") if path.is_file() and not {"parts", ".lock"} & {*path.parts})
        pictures = sorted((path for path in files if path.suffix == ".png"), key=lambda path: (path.stem != name, path))
        picture = pictures[0].read_bytes() if pictures else None
    text = "\n".join(line.rstrip() for line in output.getvalue().splitlines() if not line.startswith("written: "))
    return Run(f"geomrob {name} {arguments}", status, text.strip(), [str(path) for path in files], picture)


def options(name: str) -> str:
    """Return the table of the options of a command, by the groups of its help."""
    arguments = application()[name].assemble_argument_collection(parse_docstring=True).filter_by(show=True)
    panels = [create_parameter_help_panel(group, arguments.filter_by(group=group), PLAIN) for group in arguments.groups]
    listed = [entry for panel in panels for entry in panel.entries]
    rows = [f"| {_cell(_usage(entry))} | {_cell(_text(entry))} | {_cell(_default(entry))} |" for entry in listed]
    return "| option | | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _usage(entry: HelpEntry) -> str:
    """Return an option with the kind of its value."""
    return f"`{entry.positional_label or ' '.join(filter(None, (*entry.positive_names, entry.metavar)))}`"


def _text(entry: HelpEntry) -> str:
    """Return the description of an option, with its choices."""
    text = getattr(entry.description, "primary_renderable", entry.description)
    choices = f" One of {', '.join(f'`{choice}`' for choice in entry.choices)}." if entry.choices else ""
    return f"{' '.join(str(text).split())}{choices}"


def _default(entry: HelpEntry) -> str:
    """Return the default of an option as it is typed, or that there is none."""
    if entry.required:
        return "required"
    return f"`{entry.default}`" if entry.default else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(name: str) -> tuple[str, bytes | None]:
    """Return the page of a command, and the picture of its run."""
    command = application()[name].default_command
    text = (inspect.getdoc(command) or "").split("\n\nArgs:")[0]
    example = run(name)
    picture = f"![The picture that this run writes]({name}.png)\n\n" if example.picture else ""
    written = "\n".join(f"    {path}" for path in example.written)
    return (
        f"---\nhide: [toc]\n---\n\n# geomrob {name}\n\n{text}\n\n## Options\n\n{options(name)}\n{EXITS}\n\n## A run\n\n"
        f"```\n$ {example.line}\n{example.output}\n```\n\n{picture}"
        + (f"Files that it wrote (exit status {example.status}):\n\n{written}\n" if written else ""),
        example.picture,
    )


def command_pages() -> dict[str, str | bytes]:
    """Return the pages of all commands with their pictures, and the page that lists them."""
    pages: dict[str, str | bytes] = {}
    rows = []
    for name in COMMANDS:
        text, picture = page(name)
        pages[f"commands/{name}.md"] = text
        if picture is not None:
            pages[f"commands/{name}.png"] = picture
        rows.append(f"| [`geomrob {name}`]({name}.md) | {text.split(chr(10))[6]} |")
    pages["commands/index.md"] = "# Commands\n\n| command | |\n|---|---|\n" + "\n".join(rows) + f"\n\n{EXITS}\n"
    return pages
