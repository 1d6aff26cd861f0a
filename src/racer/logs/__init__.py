"""Logs of the simulator, of the community's tools and of racer itself, as one trace table."""

from racer.logs.episodes import stream
from racer.logs.files import open
from racer.logs.folder import write
from racer.logs.job import Job
from racer.logs.trace import COLUMNS, Log, Source
from racer.logs.write import write_csv  # the module; the name `write` is the function

__all__ = ["COLUMNS", "Job", "Log", "Source", "open", "stream", "write", "write_csv"]
