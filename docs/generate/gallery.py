"""The gallery: every picture of `figures/`, what it shows, the command that makes it, the page that explains it."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


LOOKS = '{ loading=lazy style="max-height: 22rem" }'
"""How a picture is set in the page, in the words of attr_list."""


PIPE = "\\|"
"""A bar inside a table."""


class Origin(NamedTuple):
    """What a picture shows, the command that makes it, and the page of the docs that explains it."""

    claim: str
    command: str
    page: str


def origin(picture: str) -> Origin:
    """Return where a picture comes from: the experiment that draws it, otherwise the page that shows it.

    Args:
        picture: Name of the file in `figures/`, without its ending.

    Raises:
        LookupError: Neither an experiment nor a page names it.
    """
    page = _page(rf"!\[[^\]]+\]\(\.\./figures/{picture}\.png") or _page(rf"figures/{picture}\.")
    for name in (picture, picture.split("-", maxsplit=1)[0], _drawn_by(picture)):
        file = ROOT / "experiments" / f"{name}.py"
        if file.exists():
            text = ast.get_docstring(ast.parse(file.read_text())) or ""
            claim = re.sub(r"^Claims?(?: of [\w/.]+ on \w+ \w+)?: ", "", " ".join(text.split("\n\n")[0].split()))
            command = re.search(rf"^ {{4}}(python -m experiments\.{name}\b.*(?:\n {{20,}}.*)*)", text, re.MULTILINE)
            if command is not None:
                page = page or _page(rf"experiments[./]{name}\b")
                return Origin(claim[0].upper() + claim[1:], " ".join(command[1].split()), page)
    if page:
        return Origin(*_shown(picture, page), page)
    raise LookupError(f"figures/{picture}.png must be named by an experiment or a page of the docs")


def _drawn_by(picture: str) -> str:
    """Return the experiment whose docstring says that it also draws this picture."""
    for file in ROOT.glob("experiments/*.py"):
        for prefix, ends in re.findall(r"figures/(\w+?)(?:\{([\w,]+)\}|\b)", file.read_text()):
            if picture in {prefix + end for end in (ends or "").split(",")}:
                return file.stem
    return ""


def _page(pattern: str) -> str:
    """Return the first page of the docs that has a match of a pattern."""
    pages = sorted(ROOT.glob("docs/*.md"))
    return next((page.name for page in pages if re.search(pattern, page.read_text())), "")


def _shown(picture: str, page: str) -> tuple[str, str]:
    """Return what a page calls a picture, and the command on the page that is nearest to it."""
    text = (ROOT / "docs" / page).read_text()
    link = re.search(rf"\[([^\]]+)\]\(\.\./figures/{picture}\.png\)", text)
    if link is None:
        raise LookupError(f"{page} must link to figures/{picture}.png")
    commands = list(re.finditer(r"(?:^ {4}|`)(geomrob \w+ --[^`\n]+|geomrob \w+ [\w-]+ [^`\n]+)", text, re.MULTILINE))
    own = [found for found in commands if f"figures/{picture}.png" in found[1]]
    nearest = min(own or commands, key=lambda found: abs(found.start() - link.start()))
    return link[1][0].upper() + link[1][1:], nearest[1].split(" # ")[0].strip()


def _alternative(picture: str, claim: str) -> str:
    """Return what the docs call a picture where they show it, otherwise what it claims."""
    pages = "\n".join(page.read_text() for page in sorted(ROOT.glob("docs/*.md")))
    shown = re.search(rf"!\[([^\]]+)\]\(\.\./figures/{picture}\.png\)", pages)
    return shown[1] if shown else claim.rstrip(".")


def experiments_page() -> str:
    """Return the page of the experiments: what each claims, how it is run, where its numbers are reported."""
    rows = []
    for file in sorted(ROOT.glob("experiments/*.py")):
        if re.match(r'"""Claim', file.read_text()):
            claim, command, page = origin(file.stem)
            report = f"[{page.removesuffix('.md')}]({page})" if page else ""
            rows.append(f"| {claim} | `{command.replace('|', PIPE)}` | {report} |")
    head = """# Experiments

Each claim is tested by one file of `experiments/`. Run from a clone, it writes its numbers to `figures/NAME.json`,
draws the picture from them alone, compares with the published numbers and says where it differs. `--scale smoke` takes
about a minute, `--draw-only` measures nothing.

| claim | command | reported in |
|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


def gallery_page() -> str:
    """Return the page: each picture once, those of one page of the docs together."""
    origins = {picture.stem: origin(picture.stem) for picture in sorted(ROOT.glob("figures/*.png"))}
    sections: dict[str, list[str]] = {}
    for picture, (claim, command, page) in origins.items():
        image = f"![{_alternative(picture, claim)}](figures/{picture}.png){LOOKS}"
        entry = f"[{image}](figures/{picture}.png)\n\n{claim}\n\n    {command}\n"
        sections.setdefault(page, []).append(entry)
    head = "# Gallery\n\nEvery picture of `figures/`: what it shows or claims, and the command that makes it.\n"
    ordered = sorted(sections.items(), key=lambda item: (not item[0], item[0]))
    body = [f"## {_heading(page)}\n\n" + "\n".join(entries) for page, entries in ordered]
    return "\n".join([head, *body])


def _heading(page: str) -> str:
    """Return the title of a page as a link to it."""
    if not page:
        return "Experiments"
    title = (ROOT / "docs" / page).read_text().split("\n", 1)[0].removeprefix("# ")
    return f"[{title}]({page})"
