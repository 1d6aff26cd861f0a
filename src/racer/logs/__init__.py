"""Logs of the simulator, of the community's tools and of racer itself, as one trace table."""

from racer.logs.log import Job, Log, Source
from racer.logs.metrics import read_metrics
from racer.logs.reader import LogStream, read_log, stream_log
from racer.logs.schema import TRACE_COLUMNS
from racer.logs.writer import write_csv, write_log

__all__ = [
    "TRACE_COLUMNS",
    "Job",
    "Log",
    "LogStream",
    "Source",
    "read_log",
    "read_metrics",
    "stream_log",
    "write_csv",
    "write_log",
]
