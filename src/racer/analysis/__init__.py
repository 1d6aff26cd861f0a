"""From a trace to laps: times, incidents, speeds, smoothness, sectors, and what actions were used."""

from racer.analysis.action_usage import action_use, in_words, unused
from racer.analysis.exits import exits, places
from racer.analysis.lap_table import (
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
from racer.analysis.motion import (
    STEP,
    bounds,
    count_reversals,
    driven,
    line_deviation,
    rows_of,
    step_times,
)
from racer.analysis.sectors import sectors

__all__ = [
    "EPISODES", "INCIDENTS", "NEAR", "STEP", "action_use", "best", "beyond_logs", "bounds", "by_iteration",
    "count_reversals", "driven", "endings", "exits", "in_words", "iterations", "laps", "line_deviation", "phases",
    "places", "rows_of", "sectors", "step_times", "unused",
]  # fmt: skip
