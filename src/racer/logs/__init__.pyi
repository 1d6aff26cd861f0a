from .archive import FileEntry as FileEntry
from .log import HasTrace as HasTrace
from .log import Job as Job
from .log import Log as Log
from .log import Source as Source
from .log_track import KnownTracks as KnownTracks
from .log_track import LogTrack as LogTrack
from .log_track import TrackSource as TrackSource
from .log_track import find_log_track as find_log_track
from .metrics import evaluation_metrics as evaluation_metrics
from .metrics import read_metrics as read_metrics
from .metrics import training_metrics as training_metrics
from .metrics import write_metrics as write_metrics
from .reader import LogStream as LogStream
from .reader import as_log as as_log
from .reader import read_log as read_log
from .reader import stream_log as stream_log
from .schema import CONTINUOUS_ACTION as CONTINUOUS_ACTION
from .schema import EPISODES_PER_ITERATION as EPISODES_PER_ITERATION
from .schema import MIN_COLUMNS as MIN_COLUMNS
from .schema import TRACE_COLUMNS as TRACE_COLUMNS
from .schema import episode_ids as episode_ids
from .schema import has_unix_time as has_unix_time
from .schema import row_episode_ids as row_episode_ids
from .schema import to_status_category as to_status_category
from .sources import locate_logs as locate_logs
from .sources import visit_files as visit_files
from .to_state import episode_begins as episode_begins
from .to_state import state_rows as state_rows
from .unpacking import TruncatedFileError as TruncatedFileError
from .writer import write_csv as write_csv
from .writer import write_log as write_log

__all__ = [
    "CONTINUOUS_ACTION",
    "EPISODES_PER_ITERATION",
    "MIN_COLUMNS",
    "TRACE_COLUMNS",
    "FileEntry",
    "HasTrace",
    "Job",
    "KnownTracks",
    "Log",
    "LogStream",
    "LogTrack",
    "Source",
    "TrackSource",
    "TruncatedFileError",
    "as_log",
    "episode_begins",
    "episode_ids",
    "evaluation_metrics",
    "find_log_track",
    "has_unix_time",
    "locate_logs",
    "read_log",
    "read_metrics",
    "row_episode_ids",
    "state_rows",
    "stream_log",
    "to_status_category",
    "training_metrics",
    "visit_files",
    "write_csv",
    "write_log",
    "write_metrics",
]
