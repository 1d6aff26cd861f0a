"""Logs of the simulator, of the community's tools and of racer itself, as one trace table."""

from racer.logs.reader import read_log
from racer.logs.schema import TRACE_COLUMNS, Job, Log, Source
from racer.logs.streaming import stream_log
from racer.logs.writer import (
    write_csv,  # the module; the name `write` is the function
    write_log,
)

__all__ = [
    "TRACE_COLUMNS",
    "Job",
    "Log",
    "Source",
    "read_log",
    "stream_log",
    "write_csv",
    "write_log",
]
