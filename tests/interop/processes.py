"""What the system says of processes (Linux): those below another one, their titles, the CPU time that they took."""

import os
from pathlib import Path


def below(ancestor):
    """Return all processes that a process has started, and theirs."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (stat := text(folder / "stat")):
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    chosen = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in chosen} - chosen:
        chosen |= more
    return chosen - {ancestor}


def title(pid):
    """Return the command line of a process, empty of one that is gone."""
    return text(Path(f"/proc/{pid}/cmdline"))


def text(path):
    """Return the text of a file, empty where there is none any more."""
    try:
        return path.read_text()
    except OSError:
        return ""


def cpu_seconds(pid):
    """Return the CPU seconds that a process has taken."""
    ticks = text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
