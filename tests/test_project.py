"""The files around the code: links, names and commands in the docs hold, and the tools run what they say they run."""

import ast
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import geomrob
from geomrob.analysis.audit.checks import CHECKS
from geomrob.cli import COMMANDS
from geomrob.data import DATASETS
from geomrob.data.corruptions import CORRUPTIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md")])
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages about the present: the changelog names what was."""
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
every_current_page = pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)


def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def words(pattern: str, text: str) -> list[str]:
    """Return the matches of a pattern without repetition, in order."""
    return list(dict.fromkeys(re.findall(pattern, text, re.MULTILINE)))


def shell_lines(page: Path) -> list[str]:
    """Return the lines of the page's indented blocks, without comments and pipes."""
    lines = words(r"^    (?:\.venv/bin/)?((?:make|python|pytest|\.ci/run)\b.*)$", prose(page))
    return [line.split(" | ")[0].split(" # ")[0].strip() for line in lines]


def resolves(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


@every_page
def test_relative_links_and_anchors_resolve(page):
    for target in words(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_link_test_finds_a_broken_anchor(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One *two*, three\n\n[link](#one-two-three) and [link](#four)\n\n```\n# not a heading\n```\n")
    assert anchors(page) == {"one-two-three"}
    with pytest.raises(AssertionError, match="#four"):
        test_relative_links_and_anchors_resolve(page)


def without_diffs(page: Path) -> str:
    """Return the page without its diffs, which name what is to be added."""
    return re.sub(r"^```diff\n.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@every_current_page
def test_paths_in_the_text_exist(page):
    for path in words(r"\b((?:geomrob|tests|experiments|docs|figures)/[\w./-]*\w)", without_diffs(page)):
        if not re.search(r"NAME|KIND|mine|out", path):
            assert (ROOT / path).exists(), path


@every_current_page
def test_dotted_names_in_the_text_resolve(page):
    for name in words(r"\b(geomrob(?:\.\w+)+)", page.read_text()):
        if name != "geomrob.mine":
            assert resolves(name), name


@every_current_page
def test_python_blocks_parse_and_their_imports_resolve(page):
    for language, code in FENCE.findall(page.read_text()):
        for node in ast.walk(ast.parse(code)) if language == "python" else ():
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("geomrob"):
                for alias in node.names:
                    assert resolves(f"{node.module}.{alias.name}"), f"{node.module}.{alias.name}"


@every_current_page
def test_targets_and_files_of_commands_exist(page):
    for line in shell_lines(page):
        head, *rest = shlex.split(line.split(" && ")[0])
        if head == "make":
            assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        elif head == "python" and rest[0].startswith("experiments"):
            assert (ROOT / rest[0]).exists(), line
        elif head == "pytest":
            assert all((ROOT / word).exists() for word in rest if word.startswith("tests/")), line


@every_current_page
def test_commands_named_in_the_text_exist(page):
    for command in words(r"`geomrob ([a-z]+)", without_diffs(page)):
        assert command in COMMANDS, command


def test_every_command_has_a_row_in_the_readme():
    named = words(r"`geomrob ([a-z]+)[^`]*` \|", (ROOT / "README.md").read_text())
    assert set(named) == set(COMMANDS)


def first_column(page: str, heading: str) -> list[str]:
    """Return the first cells of the first table below a heading of a page of the docs."""
    below = (ROOT / "docs" / page).read_text().split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\|[^\n]*\n\|[-|]+\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert table
    return [line.split("|")[1].strip() for line in table[1].splitlines()]


def test_the_audit_page_lists_every_check():
    assert first_column("audit.md", "## The checks") == list(CHECKS)


def test_the_data_page_lists_every_data_set():
    assert words(r"`([\w-]+)`", "\n".join(first_column("models-and-data.md", "## Data"))) == list(DATASETS)


def test_the_corruptions_page_lists_every_corruption():
    table = re.search(r"^\| category .*\n((?:\|.*\n)+)", (ROOT / "docs" / "corruptions.md").read_text(), re.MULTILINE)
    assert table
    assert set(words(r"`(\w+)`", table[1])) == set(CORRUPTIONS)


def test_contributing_names_the_five_commands():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    targets = words(r"^([a-z]+):[^#\n]* ##", (ROOT / "Makefile").read_text())
    assert targets == ["help", "setup", "test", "lint", "figures", "docs"]
    assert words(r"^    make (\w+)", text) == targets[1:]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize("target", ["setup", "test", "lint", "figures", "docs"])
def test_make_can_run_every_target(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ".venv" in done.stdout


def test_make_lint_runs_the_checks_of_the_hosted_workflow():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    checks = [line.removeprefix("\t$(BIN)/") for line in recipe[1].splitlines()]
    assert f"\n{chr(10).join(checks)}\n" in (ROOT / ".ci" / "run").read_text()


def test_the_hosted_workflow_runs_the_script_on_the_oldest_python():
    workflow = (ROOT / ".github" / "workflows" / "checks.yml").read_text()
    assert words(r"^ +run: (.+)$", workflow) == [".ci/run"]
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert oldest in words(r'"(3\.\d+)"', workflow)


def test_hooks_download_nothing_and_run_what_the_extras_install():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert words(r"^ +- repo: (.+)$", hooks) == ["local"]
    assert words(r"^ +language: (.+)$", hooks) == ["system"]
    assert hooks.count("language: system") == hooks.count("- id: ") == hooks.count("entry: .venv/bin/")
    extras = PYPROJECT["project"]["optional-dependencies"]
    installed = {re.split(r"[>=]", name)[0] for name in extras["dev"] + extras["test"]}
    provider = {"lint-imports": "import-linter"}
    for tool in words(r"entry: \.venv/bin/([\w-]+)", hooks):
        assert provider.get(tool, tool) in installed, tool


def test_the_pinned_tools_are_in_the_constraints():
    pinned = words(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text())
    for requirement in PYPROJECT["project"]["optional-dependencies"]["dev"]:
        assert re.split(r"[>=]", requirement)[0] in pinned, requirement


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    facts = dict(re.findall(r"^([a-z-]+): *(.*)$", citation, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= facts.keys()
    assert facts["version"] == geomrob.__version__
    assert facts["license"] == PYPROJECT["project"]["license"]


def test_the_package_index_shows_no_relative_link_or_picture():
    hook = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert [fragment["path"] for fragment in hook["fragments"]] == ["README.md"]
    text = (ROOT / "README.md").read_text()
    for change in hook["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    assert "decision boundary" in text
    assert words(r"\]\((?!https?:).*", text) == []


def test_every_page_is_in_the_navigation_of_the_site():
    listed = words(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text())
    assert {page.name for page in ROOT.glob("docs/*.md")} <= set(listed)


def test_project_urls_lead_somewhere():
    for label, url in PYPROJECT["project"]["urls"].items():
        assert url.startswith("https://") or (ROOT / url).exists(), label


@pytest.mark.parametrize("template", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda t: t.name)
def test_issue_templates_are_forms(template):
    text = template.read_text()
    if template.name != "config.yml":
        assert {"name", "description", "body"} <= set(words(r"^(\w+):", text))
        assert words(r"^  - type: (.+)$", text) == ["textarea"]
