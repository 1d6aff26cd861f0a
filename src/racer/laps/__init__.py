"""From a trace to laps: times, incidents, speeds, smoothness, sectors, and what actions were used."""

from racer.laps.bounds import bounds, rows_of
from racer.laps.exits import exits, places
from racer.laps.motion import STEP, driven, step_times
from racer.laps.smoothness import count_reversals, line_deviation
from racer.laps.splits import sectors
from racer.laps.table import (
    EPISODES,
    INCIDENTS,
    NEAR,
    best,
    beyond_logs,
    by_iteration,
    endings,
    iterations,
    laps,
    phases,
)
from racer.laps.use import action_use, in_words, unused

__all__ = [
    "EPISODES", "INCIDENTS", "NEAR", "STEP", "action_use", "best", "beyond_logs", "bounds", "by_iteration",
    "count_reversals", "driven", "endings", "exits", "in_words", "iterations", "laps", "line_deviation", "phases",
    "places", "rows_of", "sectors", "step_times", "unused",
]  # fmt: skip
