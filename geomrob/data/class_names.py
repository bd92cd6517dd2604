"""Names of classes: the order a user gives them, and the tables that map them to the outputs of a model."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import torch

from geomrob.data.cifar import CLASSES10, CLASSES100
from geomrob.data.entry import Samples
from geomrob.errors import UsageError, note
from geomrob.files import read_text, user_path

# For each class of a table, in the order of the outputs, the names it goes by; the first is the one that is shown.
Table: TypeAlias = tuple[tuple[str, ...], ...]

CLASSES_FILE = "classes.txt"
IMAGENET = Path(__file__).resolve().parent.parent / "assets" / "imagenet_classes" / "classes.tsv"
CLOTHES: Table = (
    ("T-shirt/top", "T-shirt", "top"),
    ("Trouser", "Trousers"),
    ("Pullover",),
    ("Dress",),
    ("Coat",),
    ("Sandal", "Sandals"),
    ("Shirt",),
    ("Sneaker", "Sneakers"),
    ("Bag",),
    ("Ankle boot", "Ankle boots", "boot"),
)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS: Table = tuple((str(digit), word) for digit, word in enumerate(WORDS))
SYNONYMS10 = {"airplane": ("aeroplane", "plane"), "automobile": ("car", "auto"), "ship": ("boat",)}
OBJECTS: Table = tuple((name, *SYNONYMS10.get(name, ())) for name in CLASSES10)
# Names that a sentence lists before it says how many more there are.
LISTED = 5


def tables(outputs: int) -> dict[str, Table]:
    """Return the tables of known classes for models of so many outputs, by the name of their data set.

    Example:
        >>> list(tables(10)), tables(1000)["ImageNet"][0][:2]
        (['CIFAR-10', 'MNIST', 'Fashion-MNIST'], ('tench', 'n01440764'))
    """
    if outputs in {1000, 1001}:
        # TensorFlow's models have a class for the background before the others.
        return {"ImageNet": ((("background",),) if outputs == 1001 else ()) + imagenet()}
    known = {
        10: {"CIFAR-10": OBJECTS, "MNIST": DIGITS, "Fashion-MNIST": CLOTHES},
        100: {"CIFAR-100": tuple((name,) for name in CLASSES100)},
    }
    return known.get(outputs, {})


@cache
def imagenet() -> Table:
    """Return the 1,000 classes of ImageNet: name, WordNet id, further names of WordNet."""
    lines = (line.split("\t") for line in IMAGENET.read_text(encoding="utf-8").splitlines())
    return tuple((name, wordnet, *filter(None, others.split(", "))) for wordnet, name, others in lines)


def mapped(samples: Samples, outputs: int) -> Samples:
    """Return samples whose labels are the outputs of a model: by a table of known classes, or by the numbers they are.

    A table is used where every name of the classes is in it: WordNet ids and names of ImageNet (1,000 outputs), names
    of CIFAR-10, MNIST and Fashion-MNIST (10) and CIFAR-100 (100), in any spelling. Names that are whole numbers are
    the outputs themselves. Where the caller has named as many classes as there are outputs, nothing is mapped.

    Args:
        samples: With the names of their classes.
        outputs: How many the model has.

    Returns:
        Samples that name all classes of the model, with a note if labels have moved or are taken as numbers, or if the
        model has more outputs than the data has classes.

    Raises:
        UsageError: The model has fewer outputs than the data has classes.

    Example:
        >>> names = ("n01440764", "n02102040")
        >>> two = Samples(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), names, torch.arange(2), "mine")
        >>> mapped(two, 1000).labels.tolist()
        [0, 217]
    """
    names, data = samples.classes, samples.name
    if len(names) > outputs:
        raise UsageError(
            f"model must have an output for each class; got {outputs} for the {len(names)} of {data} "
            f"({listed(names)}): choose another model, or leave classes out"
        )
    if samples.ordered and len(names) == outputs:
        return samples
    numbers = [int(name) for name in names if re.fullmatch("[0-9]+", name)]
    if len(numbers) == len(names) < outputs and max(numbers) < outputs:
        return _relabelled(samples, numbers, tuple(map(str, range(outputs))), "by the numbers that they are")
    for source, table in tables(outputs).items():
        found = _find(names, table)
        if found is not None:
            return _relabelled(samples, found, tuple(row[0] for row in table), f"by the names of {source}")
    if len(names) == outputs:
        return samples
    text = (
        f"the model has {outputs} outputs and {data} {len(names)} classes ({listed(names)}), whose labels are taken as "
        f"its outputs 0 to {len(names) - 1}: if not, pass all {outputs} names in its order (classes, --classes)"
    )
    return replace(samples, notes=(*samples.notes, text))


def _relabelled(samples: Samples, found: Sequence[int], classes: tuple[str, ...], how: str) -> Samples:
    """Return samples with the labels at `found` of the classes, said in a note if anything changes."""
    if list(found) == list(range(len(classes))):
        return samples
    moved = [f"{name} is {label}" for name, label in zip(samples.classes, found, strict=True)]
    text = f"labels of {samples.name} are mapped to the {len(classes)} outputs of the model {how}: {listed(moved)}"
    labels = torch.tensor(found)[samples.labels]
    return replace(samples, labels=labels, classes=classes, notes=(*samples.notes, text))


def _find(names: Sequence[str], table: Table) -> list[int] | None:
    """Return the row of each name, None unless all are in the table, each in a row of its own."""
    exact = {name: row for row, forms in enumerate(table) for name in reversed(forms[:2])}
    first = _unique([(_plain(forms[0]), row) for row, forms in enumerate(table)])
    every = _unique([(plain, row) for row, forms in enumerate(table) for plain in set(map(_plain, forms))])
    found: list[int] = []
    for name in names:
        plain = _plain(name)
        row = exact.get(name, first.get(plain, every.get(plain)))
        if row is None:
            return None
        found.append(row)
    return found if len(set(found)) == len(found) else None


def _plain(name: str) -> str:
    """Return a name without case, spaces and signs."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _unique(pairs: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return the pairs as a dictionary, without the keys that stand twice."""
    count = Counter(key for key, _ in pairs)
    return {key: row for key, row in pairs if count[key] == 1}


def class_order(source: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Return names of classes in the order of their numbers, from a list or from a file that holds it.

    A file has one name a line; where every line has a number before the name, or behind it after a comma or a tab (a
    heading such as `id,name` apart), these are the numbers of the classes. Or it is JSON: a list of names,
    {number: name}, {number: [id, name]} as `imagenet_class_index.json`, or {name: number} as the `class_to_idx` of
    torchvision, where a number without a name gets one.

    Raises:
        UsageError: Not such a file, no name, a name or a number that stands twice.

    Example:
        >>> class_order(["cat", "dog"])
        ('cat', 'dog')
    """
    if not isinstance(source, str | Path):
        return _checked(list(source), "classes")
    path = user_path(source, "classes")
    text = read_text(path, "classes", "file with one name a line, or JSON")
    try:
        # A file of one name a line may be called anything; a file of JSON starts with a bracket.
        content: Any = json.loads(text) if text.lstrip()[:1] in {"{", "["} else text.splitlines()
    except (ValueError, RecursionError):
        raise UsageError(
            f"classes must be a file with one name a line, or JSON such as {{index: name}}; got something else in "
            f"{path}: check what is in it"
        ) from None
    if isinstance(content, list) and text.lstrip()[:1] not in {"{", "["}:
        content = _from_lines([line.strip() for line in content], path)
    names = _from_numbers(content, path) if isinstance(content, dict) else content
    return _checked([name.strip() if isinstance(name, str) else name for name in names], str(path))


# A number before the name, and one behind it.
NUMBERED = (r"(?P<number>[0-9]+)[\s,;:]+\S.*", r"(?P<name>.+?)\s*[,;\t]\s*(?P<number>[0-9]+)")


def _from_lines(lines: list[str], path: Path) -> Any:
    """Return the lines of a file; {line: number}, or {name: number} where it follows the name, if each has one.

    Lines that are empty at the end, and a heading of columns, are none. Numbers from 1 are taken less 1, with a note.

    Raises:
        UsageError: Numbers with gaps, or two of one name.
    """
    while lines and not lines[-1]:
        lines.pop()
    for pattern in NUMBERED:
        matches = [re.fullmatch(pattern, line) for line in lines]
        heading = len(lines) > 2 and matches[0] is None and re.search("[,;\t]", lines[0]) is not None
        body = [match for match in matches[heading:] if match is not None]
        numbers = sorted(int(match["number"]) for match in body)
        if not body or len(body) + heading < len(lines) or len(set(numbers)) < len(numbers):
            continue
        named = {match.groupdict().get("name", match[0]): int(match["number"]) for match in body}
        first = numbers[0]
        if first > 1 or numbers != list(range(first, first + len(named))):
            raise UsageError(
                f"classes must be numbered 0 to {len(body) - 1} or not at all; got {numbers[0]} to {numbers[-1]} in "
                f"{path}: store numbers with gaps as JSON {{number: name}}, names that begin or end so as a JSON list"
            )
        if first:
            note(f"classes of {path} are counted from 1: taken as 0 to {len(body) - 1}")
        return {name: number - first for name, number in named.items()}
    return lines


def _from_numbers(content: dict[str, Any], path: Path) -> list[Any]:
    """Return the names of {number: name} or {name: number} in the order of the numbers."""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in content.values()):
        pairs = [(number, name) for name, number in content.items()]
    elif all(re.fullmatch("[0-9]{1,9}", key) for key in content):
        pairs = [(int(key), name[0] if isinstance(name, list) and name else name) for key, name in content.items()]
    else:
        raise UsageError(
            f"classes must map numbers to names, or names to numbers; got other keys in {path}: correct it"
        )
    numbers = [number for number, _ in pairs]
    if not pairs or min(numbers) < 0 or max(numbers) > 100_000 or len(set(numbers)) < len(numbers):
        raise UsageError(f"classes must have a number from 0 on each; got others in {path}: number them from 0")
    known = dict(pairs)
    return [known.get(number, f"class {number}") for number in range(max(numbers) + 1)]


def _checked(names: list[Any], source: str) -> tuple[str, ...]:
    """Return names if each is text and stands once; empty lines at the end do not count."""
    while names and names[-1] == "":
        names.pop()
    wrong = [name for name in names if not isinstance(name, str) or not name]
    if not names or wrong:
        given = repr(wrong[0])[:80] if wrong else "none"
        raise UsageError(f"classes must be names, one a class; got {given} in {source}: name each class")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"classes must name each class once; got {twice[0]!r} twice in {source}: leave one out")
    return tuple(names)


def listed(names: Sequence[str]) -> str:
    """Return names joined by commas, the first few of many.

    Example:
        >>> listed(["cat", "dog"]), listed("abcdefg")
        ('cat, dog', 'a, b, c, d, e and 2 more')
    """
    more = len(names) - LISTED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:LISTED])} and {more} more"
