"""The learning curve of a training, iteration by iteration; the band of several, and how far another
one lies outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from racer.analysis.lap_table import lap_iterations, lap_phases
from racer.analysis.motion import rows_of_laps
from racer.logs import CONTINUOUS_ACTION

CURVE_COLUMNS = (
    "iteration",
    "episodes",
    "completion",
    "complete",
    "time",
    "best_time",
    "evaluated_completion",
    "evaluated_time",
    "action_entropy",
)
BAND_CONFIDENCE = 0.95
"""In how many of a hundred cases one more training lies within a band."""
EXIT_SECTIONS = 20
"""Parts of a lap, of equal length, in which exits are counted."""

CELL_DEG = 10.0
"""With CELL_MPS, how finely continuous actions are told apart."""
CELL_MPS = 0.5

Array = NDArray[np.float64]


def learning_curve(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """What each iteration of a training did, one row each.

    Parameters
    ----------
    trace
        The rows of a log (`Log.trace`).
    laps
        Its laps (`racer.analysis.laps`).

    Returns
    -------
    pandas.DataFrame
        `iteration`; `episodes` of training; of these `completion` (mean, %) and `complete` (the
        fraction); `time` and `best_time` (median and least of complete laps, s); of the evaluation's
        laps `evaluated_completion` (mean, %) and `evaluated_time` (median of complete laps, s);
        `action_entropy` (nats) of how often each action was taken. nan where there is nothing.

    Examples
    --------
    >>> import racer
    >>> from racer.analysis import laps, learning_curve
    >>> run = racer.train("center_line", "oval", 8_000, evaluate_every=4_096)
    >>> log = racer.read_log(run.folder)
    >>> learning_curve(log.trace, laps(log.trace)).iteration.tolist()
    [0, 1]
    """
    iterations = lap_iterations(laps)
    is_training = lap_phases(laps) == "training"
    rows = []
    for iteration in sorted(iterations[is_training].unique()):
        of_iteration = iterations == iteration
        driven = laps[of_iteration & is_training]
        evaluated = laps[of_iteration & ~is_training & (laps["iteration"] >= 0)]
        rows.append(
            {
                "iteration": int(iteration),
                "episodes": len(driven),
                "completion": driven["completion"].mean(),
                "complete": driven["complete"].mean(),
                "time": driven.loc[driven["complete"], "time"].median(),
                "best_time": driven.loc[driven["complete"], "time"].min(),
                "evaluated_completion": evaluated["completion"].mean(),
                "evaluated_time": evaluated.loc[evaluated["complete"], "time"].median(),
                "action_entropy": _entropy(action_shares(trace, driven)),
            }
        )
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def curve_of_metrics(tables: Sequence[pd.DataFrame], episodes: int) -> pd.DataFrame:
    """The learning curve as far as metrics tell it, those of each worker (`racer.logs.read_metrics`):
    they hold all iterations, where a log may hold some.

    `episodes` is how many a worker drives in an iteration. Columns as of `learning_curve`;
    `action_entropy` is nan. Raises KeyError for tables without the entries of a training.
    """
    parts = []
    for table in tables:
        is_training = table["phase"] == "training"
        # an evaluation is numbered by the latest episode of training before it
        number = (table["episode"] - 1) // episodes
        parts.append(table.assign(iteration=number, is_training=is_training))
    rows = []
    entries_of_all = pd.concat(parts)
    for iteration in sorted(entries_of_all["iteration"].unique()):
        entries = entries_of_all[entries_of_all["iteration"] == iteration]
        driven = entries[entries["is_training"]]
        evaluated = entries[~entries["is_training"]]
        times = _times(driven)
        rows.append(
            {
                "iteration": int(iteration),
                "episodes": len(driven),
                "completion": driven["completion_percentage"].mean(),
                "complete": _is_complete(driven).mean(),
                "time": times.median(),
                "best_time": times.min(),
                "evaluated_completion": evaluated["completion_percentage"].mean(),
                "evaluated_time": _times(evaluated).median(),
                "action_entropy": np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def _is_complete(entries: pd.DataFrame) -> pd.Series:
    return entries["completion_percentage"] >= 100


def _times(entries: pd.DataFrame) -> pd.Series:
    """s, of complete laps."""
    complete = entries[_is_complete(entries)]
    return complete["elapsed_time_in_milliseconds"] / 1000.0


def curve_band(curves: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Where one more training of the same kind would lie in 95 of 100 cases.

    Parameters
    ----------
    curves
        Two or more of `learning_curve`, of several seeds.
    column
        Which of their columns.

    Returns
    -------
    pandas.DataFrame
        One row an iteration that two or more of them know: `iteration`, `mean`, `low` and `high`,
        the interval of prediction by Student's t. nan where fewer do.

    Examples
    --------
    >>> import pandas as pd
    >>> from racer.analysis import curve_band
    >>> curves = [pd.DataFrame({"iteration": [0], "completion": [value]}) for value in (8, 10, 12)]
    >>> curve_band(curves, "completion").round(1).to_dict("records")
    [{'iteration': 0, 'mean': 10.0, 'low': 0.1, 'high': 19.9}]
    """
    values = pd.concat([curve.set_index("iteration")[column] for curve in curves], axis=1)
    count = values.notna().sum(axis=1)
    spread = values.std(axis=1, ddof=1) * np.sqrt(1.0 + 1.0 / count)
    freedom = (count - 1).clip(lower=1)
    reach = spread * student.ppf(0.5 + BAND_CONFIDENCE / 2.0, freedom)
    mean = values.mean(axis=1)
    band = pd.DataFrame({"mean": mean, "low": mean - reach, "high": mean + reach})
    return band.sort_index().reset_index()


def outside_band(curve: pd.DataFrame, band: pd.DataFrame, column: str) -> pd.DataFrame:
    """How far a curve lies outside a band: one row an iteration that both know, with `iteration`,
    `value` and `outside` (0 within, negative below, positive above; in the column's own unit).
    """
    both = curve[["iteration", column]].merge(band, on="iteration").dropna()
    above = (both[column] - both["high"]).clip(lower=0.0)
    below = (both["low"] - both[column]).clip(lower=0.0)
    return pd.DataFrame(
        {"iteration": both["iteration"], "value": both[column], "outside": above - below}
    )


def action_shares(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.Series:
    """The share of each command, (steering, speed), in the steps of some laps; they add up to 1.

    Continuous commands are counted in cells of CELL_DEG degrees and CELL_MPS m/s.
    """
    rows = rows_of_laps(trace, laps)
    rows = rows[rows["episode_status"] != "prepare"]
    commands = rows[["steer", "throttle"]].round(2)
    if (rows["action"] == CONTINUOUS_ACTION).any():
        commands = (commands / [CELL_DEG, CELL_MPS]).round() * [CELL_DEG, CELL_MPS]
    return commands.value_counts(normalize=True).sort_index()


def total_variation(shares: pd.Series, others: pd.Series) -> float:
    """The share of steps in which two uses of actions differ, from 0 to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from racer.analysis import total_variation
    >>> total_variation(pd.Series({"left": 0.75, "right": 0.25}), pd.Series({"left": 1.0}))
    0.25
    """
    ours, theirs = shares.align(others, fill_value=0.0)
    return float(0.5 * (ours - theirs).abs().sum())


def exit_shares(
    trace: pd.DataFrame, laps: pd.DataFrame, waypoints: int, sections: int = EXIT_SECTIONS
) -> Array:
    """(S,) the share of the exits of some laps in each section of the road, by the closest of its
    `waypoints`; zeros where there was none.
    """
    ended = laps[~laps["complete"]]
    waypoint = trace["closest_waypoint"].to_numpy()[ended["last_row"].to_numpy(dtype=np.int64)]
    section = np.minimum(waypoint * sections // waypoints, sections - 1)
    counts = np.bincount(section, minlength=sections).astype(np.float64)
    total = max(float(counts.sum()), 1.0)
    return counts / total


def _entropy(shares: pd.Series) -> float:
    """nats; nan where there are none."""
    if shares.empty:
        return float("nan")
    return float(-(shares * np.log(shares)).sum())
