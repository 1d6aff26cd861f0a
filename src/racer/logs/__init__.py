"""Logs of the simulator, of the community's tools and of racer itself, as one trace table."""

from racer.logs.reader import open
from racer.logs.schema import COLUMNS, Job, Log, Source
from racer.logs.streaming import stream
from racer.logs.writer import (
    write,
    write_csv,  # the module; the name `write` is the function
)

__all__ = ["COLUMNS", "Job", "Log", "Source", "open", "stream", "write", "write_csv"]
