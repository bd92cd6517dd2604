"""What mkdocs runs while it builds the site: pages made from the code, and links that lead out of `docs/`."""

import re
from pathlib import Path
from typing import Any

from commands import COMMAND_NAV, command_pages
from gallery import experiments_page, gallery_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from reference import REFERENCE_NAV, reference_pages

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"README.md": "index.md"} | {name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff")}
"""Pages outside `docs/`, and where they lie in the site."""
EXPANDED = {"commands/index.md": COMMAND_NAV, "reference/index.md": REFERENCE_NAV}
"""Sections of the navigation whose pages are made here."""


def on_config(config: MkDocsConfig) -> None:
    """Put the generated pages into the navigation."""
    config.nav = [_expanded(item) for item in config.nav or ()]


def _expanded(item: Any) -> Any:
    """Return an entry of the navigation with the pages below it, if they are made here."""
    ((title, target),) = item.items()
    return {title: [target, *EXPANDED[target]]} if isinstance(target, str) and target in EXPANDED else item


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that do not lie in `docs/`."""
    for name, target in OUTSIDE.items():
        files.append(File.generated(config, target, content=(ROOT / name).read_text()))
    for figure in sorted([*ROOT.glob("figures/*.png"), *ROOT.glob("figures/*.jsonl")]):
        files.append(File.generated(config, f"figures/{figure.name}", abs_src_path=str(figure)))
    generated = {
        "gallery.md": gallery_page(),
        "experiments.md": experiments_page(),
        **reference_pages(),
        **command_pages(),
    }
    for target, content in generated.items():
        files.append(File.generated(config, target, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return a page whose links lead to the places that files have in the site, not in the repository."""
    if page.file.src_uri in OUTSIDE.values():
        markdown = re.sub(r"\]\(docs/", "](", markdown)
        return re.sub(r"\| (`geomrob (\w+)[^`]*`) \|", r"| [\1](commands/\2.md) |", markdown)
    return re.sub(r"\]\(\.\./(figures/|[A-Z]+\.md)", r"](\1", markdown)
