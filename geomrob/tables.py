"""Records and how they are shown: flat rows of plain values, columns, tables, names of files. Imports nothing heavy."""

import csv
import hashlib
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None
Record: TypeAlias = dict[str, Value]

HTML_ROWS = 40

KNOWN_DIGITS = 7
"""Significant digits of a float32, in which most of what is measured is computed."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: What stands above it.
        keys: Which values of a record a cell shows.
        form: Format of those values together, one `{}` each; `{:.3g}` is one format for the whole column of a table,
            with so many digits or, of small numbers next to large ones, a few more or an exponent.
        alone: Format of the first value where another one is unknown (None or NaN); otherwise such a cell is `-`.
        words: Whether it holds words, which are aligned left and may wrap; numbers never do.

    Example:
        >>> Column("accuracy", ("mean", "error"), "{:.1%} +- {:.1%}", "{:.1%}").cell({"mean": 0.5, "error": math.nan})
        '50.0%'
    """

    heading: str
    keys: tuple[str, ...]
    form: str = "{}"
    alone: str = ""
    words: bool = False

    def cell(self, record: Record) -> str:
        """Return what the column shows of a record."""
        values = [record[key] for key in self.keys]
        known = [not is_unknown(value) for value in values]
        if all(known):
            return self.form.format(*map(plain, values))
        return self.alone.format(plain(values[0])) if self.alone and known[0] else "-"


@dataclass(frozen=True)
class Table:
    """What a person reads of a result: lines that say what is shown, columns, and the records they show.

    `shows` are the keys of the records of the result that stand in a table of another shape, such as a matrix, under
    another name.
    """

    title: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Sequence[Record]
    shows: tuple[str, ...] = ()

    def cells(self) -> list[list[str]]:
        """Return the cells, a list a record."""
        columns = [replace(column, form=one_form(column, self.rows)) for column in self.columns]
        return [[column.cell(row) for column in columns] for row in self.rows]

    @property
    def shown(self) -> set[str]:
        """The keys of records whose values a reader of the table sees."""
        return {key for column in self.columns for key in column.keys}.union(self.shows)


def one_form(column: Column, rows: Sequence[Record]) -> str:
    """Return the format of a column, that of its numbers together where it only says how many digits are known.

    Example:
        >>> one_form(Column("share", ("share",), "{:.3g}"), [{"share": 0.0131}, {"share": 0.149}])
        '{:.4f}'
        >>> one_form(Column("share", ("share",), "{:.3g}"), [{"share": 2.97e-06}, {"share": 0.149}])
        '{:.2e}'
    """
    general = re.fullmatch(r"\{:\.(\d)g\}", column.form)
    if general is None:
        return column.form
    digits = int(general[1])
    sizes = [abs(value) for row in rows if isinstance(value := row[column.keys[0]], (int, float))]
    exponents = [math.floor(math.log10(size)) for size in sizes if 0 < size < math.inf]
    if not exponents:
        return column.form
    largest, smallest = max(exponents), min(exponents)
    if largest < KNOWN_DIGITS and all(math.isinf(size) or size == int(size) for size in sizes if not math.isnan(size)):
        return "{:.0f}"
    if largest >= KNOWN_DIGITS or smallest < min(largest, 0) - digits:
        return f"{{:.{digits - 1}e}}"
    places = max(digits - 1 - largest, 0)
    # Of the smallest number two digits are seen, of all others at most one more than are known.
    places = max(places + (smallest < largest and places > 0), 1 - smallest if smallest < min(largest, 0) else 0)
    return f"{{:.{places}f}}"


def to_html(table: Table) -> str:
    """Return a table as HTML, of long ones the first rows and a line that says how many there are."""
    head = "".join(f"<th>{html.escape(one_line(column.heading))}</th>" for column in table.columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>" for cells in table.cells()[:HTML_ROWS]
    )
    left = len(table.rows) - HTML_ROWS
    more = f"<p>and {left} more rows: see <code>.records()</code></p>" if left > 0 else ""
    title = "".join(f"<p>{html.escape(line)}</p>" for line in table.title)
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def to_csv(rows: Sequence[Record]) -> str:
    r"""Return rows under their names: unknown numbers empty, infinite ones inf, fractions to the digits that are known.

    Example:
        >>> to_csv([{"band": "0-7", "median": 0.08700000000000001, "found": 1.0, "seed": 12345678901}])
        'band,median,found,seed\n0-7,0.087,1.0,12345678901\n'
    """
    page = io.StringIO(newline="")
    writer = csv.DictWriter(page, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if is_unknown(value) else rounded(value) for key, value in row.items()} for row in rows)
    return page.getvalue()


def rounded(value: Value) -> Value:
    """Return a fraction without the digits that say nothing; what is whole, such as a count, stays exact.

    Example:
        >>> rounded(0.38265305757522583), rounded(1 / 3), rounded(123456789.0), rounded(123456789)
        (0.3826531, 0.3333333, 123456789.0, 123456789)
    """
    fraction = isinstance(value, float) and math.isfinite(value) and not value.is_integer()
    return float(f"{value:.{KNOWN_DIGITS}g}") if fraction else value


def to_markdown(table: Table) -> str:
    r"""Return a table as markdown under its title, words aligned left, numbers right.

    Example:
        >>> columns = Column("attack", ("attack",), words=True), Column("median", ("median",))
        >>> print(to_markdown(Table(("of a net",), columns, [{"attack": "a|b", "median": 0.25}])))
        of a net
        <BLANKLINE>
        | attack | median |
        | :--- | ---: |
        | a\|b | 0.25 |
    """
    lines = [[one_line(column.heading) for column in table.columns], *table.cells()]
    head, *body = [f"| {' | '.join(_markdown(text) for text in line)} |" for line in lines]
    rule = f"| {' | '.join(':---' if left else '---:' for left in _left(table))} |"
    return "\n\n".join([*table.title, "\n".join([head, rule, *body])])


def _markdown(text: str) -> str:
    """Return a text in one line, with what would end a cell or begin markup escaped."""
    return re.sub(r"([\\\\|<`])", r"\\\1", one_line(text))


def to_latex(table: Table) -> str:
    r"""Return a table as a LaTeX `tabular` with the rules of booktabs, its title as comments above.

    Example:
        >>> columns = Column("attack", ("attack",), words=True), Column("found", ("found",), "{:.0%}")
        >>> print(to_latex(Table((), columns, [{"attack": "fgsm_2", "found": 0.5}])))
        \begin{tabular}{lr}
        \toprule
        attack & found \\
        \midrule
        fgsm\_2 & 50\% \\
        \bottomrule
        \end{tabular}
    """
    lines = [[one_line(column.heading) for column in table.columns], *table.cells()]
    rows = [" & ".join(map(_latex, line)) for line in lines]
    # A bracket at the start of a line would be read as an argument of the line break before it.
    head, *body = [f"{'{}' if row.startswith(('[', '*')) else ''}{row} {chr(92) * 2}" for row in rows]
    form = "".join("l" if left else "r" for left in _left(table))
    parts = [rf"\begin{{tabular}}{{{form}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*(f"% {line}" for title in table.title for line in title.splitlines()), *parts])


def _left(table: Table) -> list[bool]:
    """Return which columns are aligned left: the first one and words."""
    return [index == 0 or column.words for index, column in enumerate(table.columns)]


_LATEX = {
    **{mark: rf"\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def _latex(text: str) -> str:
    """Return a text with what LaTeX takes for commands escaped."""
    return "".join(_LATEX.get(mark, mark) for mark in one_line(text))


def one_line(heading: str) -> str:
    r"""Return a heading without its line breaks, hyphenated words joined.

    Example:
        >>> one_line("dimen-\nsion of\nthe band")
        'dimension of the band'
    """
    return " ".join(heading.replace("-\n", "").replace("/\n", "/").split())


def slug(name: str, *, otherwise: str = "model") -> str:
    """Return `name` as a part of a file name; `otherwise` if nothing of it can be one.

    Example:
        >>> slug("my_models.nets:small")
        'my_models.nets-small'
    """
    part = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or otherwise
    # File systems take 255 bytes, endings included; what is cut off is told apart by its digest.
    digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]
    return part if len(part) <= 120 else f"{part[:100]}-{digest}"


def is_unknown(value: object) -> bool:
    """Return whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def plain(value: Value) -> str | int | float | None:
    """Return a value as it is printed: yes or no for a truth value."""
    return ("no", "yes")[value] if isinstance(value, bool) else value
