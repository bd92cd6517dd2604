"""Pages of the documentation: their python blocks run in order."""

import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    if "```python\n" in page.read_text(encoding="utf-8")
)
SLOW = {
    "audit",
    "black-box",
    "corruption-scores",
    "sparsity",
    "subspaces",
    "layers",
    "spectra",
    "README",
    "margins",
    "synthetic",
    "tutorial",
    "comparison",
}
# Pages whose numbers of samples belong to other numbers on them.
WHOLE = {"models-and-data", "corruption-scores", "tutorial"}


def blocks(page):
    """The python blocks of a page; one that needs files of the reader's has {no-run} behind its language."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def small(code, page):
    """The code with few images and steps."""
    if Path(page).stem not in WHOLE:
        code = re.sub(r"samples=(\d+)", lambda match: f"samples={min(int(match[1]), 4)}", code)
    return code.replace("samples=500", "samples=60").replace("steps=1000", "steps=30")


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if Path(page).stem in SLOW else page for page in PAGES]
)
def test_the_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for code in blocks(page):
            exec(compile(small(code, page), page, "exec"), names)


def test_a_block_that_is_not_run_says_so():
    for page in PAGES:
        fences = re.findall(r"^```python(.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert set(fences) <= {"", " {no-run}"}, page
