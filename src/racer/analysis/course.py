"""A training's course beside that of others of its kind: what was foretold of it, and how far it lies
outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from racer.analysis.lap_table import lap_iterations, lap_phases
from racer.analysis.learning_curves import (
    action_shares,
    curve_band,
    exit_shares,
    learning_curve,
    outside_band,
    total_variation,
)
from racer.errors import UsageError
from racer.records import MISSING, Record, RecordTable, format_number, format_percent

LAST_ITERATIONS = 5
"""Over which the use of actions is compared."""
LEAST_EXITS = 10
"""Below which where they were tells nothing."""


@dataclass(frozen=True, eq=False)
class Training:
    """A training that takes part: its name, its trace (N rows), its laps, and its learning curve."""

    name: str
    trace: pd.DataFrame
    laps: pd.DataFrame
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(
        cls,
        name: str,
        trace: pd.DataFrame,
        laps: pd.DataFrame,
        evaluations: pd.DataFrame | None = None,
    ) -> Training:
        """A training with the curve of its log. `evaluations`, as a run keeps them, are put into it."""
        curve = learning_curve(trace, laps)
        if evaluations is not None and len(curve):
            curve = curve.set_index("iteration")
            known = evaluations.reindex(curve.index)
            curve["evaluated_completion"] = known["completion"]
            curve["evaluated_time"] = known["median_lap"].astype(float)
            curve = curve.reset_index()
        return cls(name, trace, laps[lap_phases(laps) == "training"], curve)

    def last_laps(self) -> pd.DataFrame:
        """The laps of its last iterations."""
        iterations = lap_iterations(self.laps)
        is_late = np.asarray(iterations > iterations.max() - LAST_ITERATIONS)
        return self.laps[is_late]


@dataclass(frozen=True, eq=False)
class CourseComparison(Record):
    """A training's course beside that of others.

    Attributes
    ----------
    name
        Of the training.
    others
        The names of the others.
    rows
        One row an iteration that both know: `iteration`, `completion` (%, of the training),
        `foretold`, `low`, `high` (mean and band of the others) and `outside` (points); `complete`,
        `time` and `evaluated_time` of both, the others' with `foretold_` before.
    inside
        The fraction of the iterations within the band; nan where one training is no band.
    points
        Mean distance from the band, points; where there is no band, from the one training.
    actions
        The share of the steps, of the last iterations, with other actions: 0 to 1.
    exits
        Spearman's rank correlation of where cars left the road; nan for too few exits.
    """

    name: str
    others: tuple[str, ...]
    rows: pd.DataFrame
    inside: float
    points: float
    actions: float
    exits: float

    def blocks(self) -> list[str | RecordTable]:
        """A table of the iterations, and what it comes to."""
        heads = (
            *("iteration", "covered %", "foretold %", "band", "outside"),
            *("complete %", "foretold", "lap s", "foretold s"),
        )
        table = RecordTable(heads)
        for row in self.rows.to_dict("records"):
            table.add_row(
                f"{row['iteration']}",
                format_number(row["completion"], 1),
                format_number(row["foretold"], 1),
                _band(row),
                f"{row['outside']:+.1f}" if row["outside"] else MISSING,
                format_percent(row["complete"]).removesuffix("%"),
                format_percent(row["foretold_complete"]).removesuffix("%"),
                format_number(row["time"]),
                format_number(row["foretold_time"]),
            )
        return [table, *self.sentences()]

    def sentences(self) -> list[str]:
        """What the comparison comes to."""
        count = len(self.rows)
        if np.isnan(self.inside):
            lines = [
                f"{self.name} covers {abs(self.points):.1f} points {'more' if self.points > 0.0 else 'less'} than "
                f"{self.others[0]} in the mean of {count} iterations; several seeds would say how much is chance"
            ]
        else:
            lines = [
                f"{self.name} lies within the band of {len(self.others)} trainings in "
                f"{round(self.inside * count)} of {count} iterations, {self.points:+.1f} points outside on average"
            ]
        where = format_number(self.exits)
        lines.append(
            f"other actions in {format_percent(self.actions)} of the steps of the last {LAST_ITERATIONS} "
            f"iterations; rank correlation of where cars left the road {where}"
        )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "name": self.name,
            "others": list(self.others),
            "iterations": [
                {key: None if value != value else value for key, value in row.items()}
                for row in self.rows.to_dict("records")
            ],
            "inside": None if np.isnan(self.inside) else self.inside,
            "points": self.points,
            "actions": self.actions,
            "exits": None if np.isnan(self.exits) else self.exits,
        }


def compare_courses(training: Training, others: Sequence[Training]) -> CourseComparison:
    """How the course of a training lies to that of others of its kind, which foretell it.

    Parameters
    ----------
    training
        The one that is judged, say a job of the service.
    others
        One or more, say trainings here of several seeds. Two or more make a band, in which one more of
        them would lie in 95 of 100 cases.

    Raises UsageError where they have no iteration in common.

    Examples
    --------
    >>> import racer
    >>> from racer.analysis import Training, compare_courses, laps
    >>> trainings = []
    >>> for seed in (0, 1):
    ...     run = racer.train("center_line", "oval", 8_000, seed=seed, evaluate_every=4_096)
    ...     log = racer.read_log(run.folder)
    ...     trainings.append(Training.of(f"seed {seed}", log.trace, laps(log.trace)))
    >>> compare_courses(trainings[0], trainings[1:]).rows.iteration.tolist()
    [0, 1]
    """
    curves = [other.curve for other in others]
    band = curve_band(curves, "completion").rename(columns={"mean": "foretold"})
    rows = training.curve.merge(band, on="iteration").dropna(subset=["completion", "foretold"])
    if rows.empty:
        raise UsageError(f"{training.name} and {others[0].name} have no iteration in common")
    for column in ("complete", "time", "evaluated_time"):
        mean = curve_band(curves, column).set_index("iteration")["mean"]
        rows[f"foretold_{column}"] = rows["iteration"].map(mean)
    if len(others) > 1:
        beyond = outside_band(training.curve, curve_band(curves, "completion"), "completion")
        rows["outside"] = rows["iteration"].map(beyond.set_index("iteration")["outside"])
        inside = float((rows["outside"] == 0.0).mean())
    else:
        rows["outside"] = rows["completion"] - rows["foretold"]
        inside = float("nan")
    return CourseComparison(
        name=training.name,
        others=tuple(other.name for other in others),
        rows=rows.drop(columns=["episodes", "best_time", "evaluated_completion", "action_entropy"]),
        inside=inside,
        points=float(rows["outside"].mean()),
        actions=float(np.mean([_action_difference(training, other) for other in others])),
        exits=_mean_known([_exit_correlation(training, other) for other in others]),
    )


def _band(row: dict[Any, Any]) -> str:
    if row["low"] != row["low"]:
        return MISSING
    return f"{max(row['low'], 0.0):.0f} to {min(row['high'], 100.0):.0f}"


def _action_difference(training: Training, other: Training) -> float:
    return total_variation(
        action_shares(training.trace, training.last_laps()),
        action_shares(other.trace, other.last_laps()),
    )


def _exit_correlation(training: Training, other: Training) -> float:
    """nan for few exits, or all in one place."""
    sides = (training, other)
    if min((~side.laps["complete"]).sum() for side in sides) < LEAST_EXITS:
        return float("nan")
    waypoints = max(int(side.trace["closest_waypoint"].max()) for side in sides) + 1
    ours, theirs = (exit_shares(side.trace, side.laps, waypoints) for side in sides)
    if np.ptp(ours) == 0.0 or np.ptp(theirs) == 0.0:
        return float("nan")
    return float(spearmanr(ours, theirs).statistic)


def _mean_known(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
