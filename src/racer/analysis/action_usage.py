"""How much each action of a policy was used, and which never."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from racer.analysis.motion import rows_of_laps
from racer.logs import CONTINUOUS_ACTION
from racer.sim import HELD_STATUSES
from racer.vehicle import ActionSpace

STEERING_CELLS = 5
SPEED_CELLS = 3
"""With STEERING_CELLS, cells that a continuous action space is looked at in."""

ACTION_USE_COLUMNS = ("action", "steer", "throttle", "count", "share")

Array = NDArray[np.float64]


def action_use(trace: pd.DataFrame, space: ActionSpace | None = None) -> pd.DataFrame:
    """One row an action: `action` (index), `steer` (degrees), `throttle` (m/s), `count` of steps
    and `share` of all steps (0 to 1).

    Actions of `space` that were never used have count 0; without it, so have the indices that are
    missing below the largest one, with nan commands. Of a continuous space the rows are
    STEERING_CELLS by SPEED_CELLS equal cells between its limits (without `space`, between the
    extremes that were used), named by their middles, index -1. Steps in which the car was held do
    not count.
    """
    rows = trace[~trace["episode_status"].isin(HELD_STATUSES)]
    if _is_continuous(rows, space):
        table = _cell_counts(rows, space)
    else:
        table = _index_counts(rows, space)
    table["share"] = table["count"] / max(int(table["count"].sum()), 1)
    return table[list(ACTION_USE_COLUMNS)]


def discrete_action_usage(
    trace: pd.DataFrame, laps: pd.DataFrame, space: ActionSpace | None = None
) -> pd.DataFrame:
    """The table of `action_use` over the steps of the given laps; no row when actions
    are continuous.

    Without its `space` a log does not say what an action never taken would command: steer and
    throttle are nan there, and actions beyond the highest one taken are not known of.
    """
    rows = rows_of_laps(trace, laps)
    if space is not None and space.is_continuous:
        space = None
    return action_use(rows[rows["action"] >= 0], space)


def unused_actions(use: pd.DataFrame) -> list[str]:
    """Labels of the actions of `action_use` that were never used."""
    unused = use.loc[use["count"] == 0, ["action", "steer", "throttle"]]
    return [action_label(*row) for row in unused.itertuples(index=False)]


def action_label(action: int, steer: float, throttle: float) -> str:
    """An action as `3 (+15°, 1 m/s)`; a cell of a continuous space as `around +12°, 1.5 m/s`."""
    command = f"{steer:+g}°, {throttle:g} m/s"
    if action == CONTINUOUS_ACTION:
        return f"around {command}"
    if np.isnan(steer):
        return f"{action}"
    return f"{action} ({command})"


def _is_continuous(rows: pd.DataFrame, space: ActionSpace | None) -> bool:
    if space is not None:
        return space.is_continuous
    return bool((rows["action"] == CONTINUOUS_ACTION).any())


def _index_counts(rows: pd.DataFrame, space: ActionSpace | None) -> pd.DataFrame:
    rows = rows[rows["action"] >= 0]
    action = rows["action"].to_numpy()
    size = int(action.max(initial=-1)) + 1
    if space:
        size = max(size, space.size)
    commands = rows.groupby("action")[["steer", "throttle"]].median().reindex(range(size))
    if space:
        commands.iloc[: space.size] = np.column_stack([space.steering_deg, space.speed])
    table = {
        "action": np.arange(size),
        "steer": commands["steer"].to_numpy(),
        "throttle": commands["throttle"].to_numpy(),
        "count": np.bincount(action, minlength=size),
    }
    return pd.DataFrame(table)


def _cell_counts(rows: pd.DataFrame, space: ActionSpace | None) -> pd.DataFrame:
    steer = rows["steer"].to_numpy(float)
    speed = rows["throttle"].to_numpy(float)
    steer_edges = _cell_edges(space.steering_deg if space else steer, STEERING_CELLS)
    speed_edges = _cell_edges(space.speed if space else speed, SPEED_CELLS)
    count, _, _ = np.histogram2d(
        np.clip(steer, steer_edges[0], steer_edges[-1]),
        np.clip(speed, speed_edges[0], speed_edges[-1]),
        bins=(steer_edges, speed_edges),
    )
    steer_grid, speed_grid = np.meshgrid(
        _cell_middles(steer_edges), _cell_middles(speed_edges), indexing="ij"
    )
    table = {
        "action": np.full(count.size, CONTINUOUS_ACTION),
        "steer": steer_grid.ravel(),
        "throttle": speed_grid.ravel(),
        "count": count.ravel().astype(int),
    }
    return pd.DataFrame(table)


def _cell_edges(values: ArrayLike, parts: int) -> Array:
    numbers = np.asarray(values, dtype=float)
    low = 0.0
    high = 1.0
    if len(numbers):
        low = float(numbers.min())
        high = float(numbers.max())
    if high <= low:
        high = low + 1.0
    return np.linspace(low, high, parts + 1)


def _cell_middles(edges: Array) -> Array:
    return np.round((edges[1:] + edges[:-1]) / 2, 2)
