"""What the tests of commands share."""

from pathlib import Path


def results_in(folder: Path) -> set[str]:
    """Return the names of what a command wrote for its user, without what its run keeps."""
    return {path.name for path in folder.iterdir()} - {"run.json", "run.toml", "log.txt", "parts", ".geomrob"}
