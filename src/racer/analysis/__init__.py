"""From a trace to laps: times, incidents, speeds, smoothness, sectors, and what actions were used."""

from racer.analysis.action_usage import action_label, action_use, unused_actions
from racer.analysis.comparison import compare
from racer.analysis.lap_table import (
    INCIDENT_STATUSES,
    NEAR_LIMIT_FRACTION,
    beyond_logs_fraction,
    endings_by_waypoint,
    fastest_laps,
    lap_iterations,
    lap_phases,
    laps,
    laps_by_iteration,
)
from racer.analysis.motion import (
    count_reversals,
    driven_motion,
    lap_bounds,
    line_deviation,
    rows_of_laps,
    step_times,
)
from racer.analysis.sectors import corner_labels, endings_by_corner, lap_sectors
from racer.analysis.telemetry import lap_start, lap_telemetry, time_delta
from racer.logs.schema import EPISODES_PER_ITERATION

__all__ = [
    "EPISODES_PER_ITERATION",
    "INCIDENT_STATUSES",
    "NEAR_LIMIT_FRACTION",
    "action_label",
    "action_use",
    "beyond_logs_fraction",
    "compare",
    "corner_labels",
    "count_reversals",
    "driven_motion",
    "endings_by_corner",
    "endings_by_waypoint",
    "fastest_laps",
    "lap_bounds",
    "lap_iterations",
    "lap_phases",
    "lap_sectors",
    "lap_start",
    "lap_telemetry",
    "laps",
    "laps_by_iteration",
    "line_deviation",
    "rows_of_laps",
    "step_times",
    "time_delta",
    "unused_actions",
]
