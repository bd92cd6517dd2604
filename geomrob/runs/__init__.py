"""Run folders: computations in parts that are kept, resumed, sharded and merged; and the clock of a computation."""

from geomrob.errors import ShardDone
from geomrob.runs.clock import Clock, device_name, versions
from geomrob.runs.fingerprint import identity
from geomrob.runs.folder import Run, writable
from geomrob.runs.parallel import ranges, work
from geomrob.runs.progress import Meter
from geomrob.runs.shards import merge

__all__ = [
    "Clock",
    "Meter",
    "Run",
    "ShardDone",
    "device_name",
    "identity",
    "merge",
    "ranges",
    "versions",
    "work",
    "writable",
]
