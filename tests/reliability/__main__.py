"""Run all bad calls: `python -m tests.reliability [KIND or COMMAND ...]`; --write writes docs/reliability.md."""

import sys
import tempfile
import time
from pathlib import Path

from geomrob.cli import COMMANDS
from tests.reliability.runner import problem
from tests.reliability.spoiled import CANARY, make
from tests.reliability.table import calls
from tests.runs.test_folder import DAMAGES, OTHERS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

HEAD = """# Reliability

What geomrob does with input that is wrong. Each of the calls below is made by the tests in one process, with a limit
of time and of memory, and must end with the right exit status and one sentence on stderr (`error: ...`: the argument,
what was expected, what came, what to do), without a traceback, without a file outside its folder, and without a
half-written file in it. The slow test makes all of them and fails for any that is not handled so; a sample runs in
CI.
The last run of the whole table was before `robust`, `report` and their calls came in: 3,026 of 3,027 calls were
handled, and the other is mended.
The calls are `tests/reliability/table.py`, the damaged files `tests/reliability/spoiled.py`.

    python -m tests.reliability            # makes all of these calls and prints those that are not handled
    python -m tests.reliability --write    # writes this page; a test compares it with the table
    pytest -m slow tests/reliability       # all of them, and every reader on files with damaged bytes

## Exit status

| status | meaning |
|---|---|
| 0 | done |
| 1 | failed: the disk is full, a folder cannot be written to, memory ran out |
| 2 | bad use: one line says what to change; nothing was measured and nothing written |
| 3 | done, but not all was found (a search failed for some image), or a check of the audit failed |
| 130 | interrupted |

## Bad calls

"""

MISUSE = """
## Misuse of a run folder

What is done to a folder that holds a run of `margin_curve`, and what the next run there does. Nothing of it is
silent: a run of something else is refused, and the folder stays as it was; a part that is not what was kept is computed
again, with a note, to the same bits. The rows are those of `tests/runs/test_folder.py`, the last ones those of the
tests named there.

| misuse | what happens |
|---|---|
"""

REST = {
    "a flipped bit of a part": "computed again: `test_every_flipped_bit_is_noticed`",
    "all parts those of another model": "computed again, with a note: `test_parts_of_another_run_are_not_taken`",
    "run.json damaged or edited": "refused: `test_a_page_that_is_damaged_is_refused_or_overwritten`",
    "a number of a result edited": "refused when opened: `test_an_edited_number_is_refused` (`test_publish.py`)",
    "merge with a shard missing or double": "refused: `test_shards_merge_to_the_same_bits` (`test_kills.py`)",
    "merge of missing, double, cut or foreign parts": "refused: "
    "`test_parts_that_are_missing_double_or_foreign_are_not_merged` (`test_kills.py`)",
    "a second process in the folder": "refused: `test_a_second_process_in_one_folder_is_refused` (`test_kills.py`)",
    "the process killed": "resumed to the same bits: [how often](scale.md#what-was-shown)",
}

TAIL = """
## What is evaluated again

A model that writes into its images gets a copy of them. One whose logits change between two calls, or with the other
images of a call, is refused before the search (some images, in other places of a call) and after it (every claimed
success, among other images; of margins a sample in each tile). `Prepared(model, images, checked=False)` switches that
off.

## Damaged files

Every kind of file that is read (`.npz`, `.npy`, `.pt`, `.safetensors`, IDX, gzip, CIFAR batches, tars, images, recipes,
lists of classes, bases, similarity matrices, notes of corrupted sets, results) is cut and damaged at random in
`tests/reliability/test_damaged_files.py`: it is refused in one sentence or read, never another exception. No pickle is
executed: a canary in each kind of file would leave a file. Names in archives are never used as paths.
"""


def page() -> str:
    """Return the page with the table of kinds."""
    rows: dict[str, list[str]] = {}
    for call in calls():
        rows.setdefault(call.kind, []).append(call.words[0])
    lines = ["| kind | commands | calls |", "|---|---|---|"]
    for kind, commands in rows.items():
        known = [name for name in COMMANDS if name in commands]
        named = ", ".join(known) if len(known) < 8 else f"{len(known)} of {len(COMMANDS)}"
        lines.append(f"| {kind} | {named} | {len(commands)} |")
    total = sum(map(len, rows.values()))
    return HEAD + "\n".join([*lines, f"| together | all | {total:,} |"]) + "\n" + MISUSE + misuse() + TAIL


def misuse() -> str:
    """Return the rows of what is done to a run folder and what happens then."""
    told = {misuse: f"refused, with the key that differs ({said.strip(': ')})" for misuse, (_, said) in OTHERS.items()}
    told |= {f"a part: {damage}": "computed again, with a note" for damage in DAMAGES}
    return "".join(f"| {misuse} | {said} |\n" for misuse, said in (told | REST).items())


def main(words: list[str]) -> int:
    """Return how many calls were not handled."""
    if words == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    every = [call for call in calls() if not words or any(word in (call.kind, call.words[0]) for word in words)]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        sandbox = make(Path(folder) / "sandbox")
        for call in every:
            start = time.perf_counter()
            said = problem(call, sandbox)
            if said:
                wrong += 1
                shown = " ".join(word if len(word) < 60 else f"{word[:20]}..." for word in call.words)
                seconds = time.perf_counter() - start
                print(f"{call.kind} | {shown!r} | {said[:400]} ({seconds:.1f} s)", flush=True)
        if (sandbox / CANARY).exists():
            print("code in a pickle ran")
            wrong += 1
    print(f"{len(every) - wrong:,} of {len(every):,} handled")
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
