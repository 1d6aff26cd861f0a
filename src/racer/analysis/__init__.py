"""From a trace to laps: times, incidents, speeds, smoothness, sectors, and what actions were used."""

from racer.analysis.action_usage import action_label, action_use, unused_actions
from racer.analysis.exits import corner_labels, endings_by_corner
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
    STEP_S,
    count_reversals,
    driven_motion,
    lap_bounds,
    line_deviation,
    rows_of_laps,
    step_times,
)
from racer.analysis.sectors import lap_sectors
from racer.logs.schema import EPISODES_PER_ITERATION

__all__ = [
    "EPISODES_PER_ITERATION",
    "INCIDENT_STATUSES",
    "NEAR_LIMIT_FRACTION",
    "STEP_S",
    "action_label",
    "action_use",
    "beyond_logs_fraction",
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
    "laps",
    "laps_by_iteration",
    "line_deviation",
    "rows_of_laps",
    "step_times",
    "unused_actions",
]  # fmt: skip
