"""Run all bad calls: `python -m tests.reliability` prints those that are not handled; with --write, docs/reliability.md."""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.reliability.runner import problem
from tests.reliability.spoiled import CANARY, make
from tests.reliability.table import calls


def main(words: list[str]) -> int:
    """Return how many calls were not handled."""
    every = [call for call in calls() if not words or any(word in (call.kind, call.words[0]) for word in words)]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        sandbox = make(Path(folder) / "sandbox")
        for call in every:
            start = time.perf_counter()
            said = problem(call, sandbox)
            seconds = time.perf_counter() - start
            if said or seconds > 5:
                wrong += bool(said)
                shown = " ".join(word if len(word) < 60 else f"{word[:20]}..." for word in call.words)
                print(f"{call.kind} | {shown!r} | {said[:400]} ({seconds:.1f} s)", flush=True)
        if (sandbox / CANARY).exists():
            print("A CANARY WAS EXECUTED")
            wrong += 1
    print(f"{len(every) - wrong} of {len(every)} handled", dict(Counter(call.kind for call in every)))
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
