"""`geomrob merge`: join the shards of a run, and finish it."""

import shlex
import sys
from pathlib import Path

from geomrob.cli.options import Shown


def merge(*folders: Path, out: Path, overwrite: bool = False, options: Shown = Shown()) -> int:
    """Join the parts of the shards of a run in one folder; then run their command there, which finds all parts.

    A shard is made by a command with --shard i/n. The result is that of the command without --shard, bit by bit. The
    command is read from run.json of the first folder: merge only folders that you trust as you trust that command.

    Args:
        folders: Of all shards of one run.
        out: Another folder for the run.
        overwrite: Give up a run that is there.
    """
    from geomrob.cli import main
    from geomrob.files import user_path
    from geomrob.runs import merge as join

    out = user_path(out, "out")
    words = join([user_path(folder, "folders") for folder in folders], out, overwrite=overwrite)
    if not words:
        sys.stdout.write(f"merged {len(folders)} shards of no command: call the analysis with Run({str(out)!r})\n")
        return 0
    sys.stderr.write(f"merged {len(folders)} shards; running: {shlex.join(['geomrob', *words])}\n")
    form = "json" if options.json else options.format
    words += [] if form == "table" else ["--format", form]
    return main([*words, *(["--quiet"] if options.quiet else []), "--out", str(out)])
