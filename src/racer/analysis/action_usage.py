"""How much each action of a policy was used, and which never."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from racer.logs.schema import CONTINUOUS_ACTION
from racer.vehicle.action_space import ActionSpace

STEERING_CELLS, SPEED_CELLS = 5, 3  # cells that a continuous action space is looked at in
_WAITS = ("prepare", "pause", "park")  # statuses of rows whose action does nothing

ACTION_USE_COLUMNS = ("action", "steer", "throttle", "count", "share")


def action_use(trace: pd.DataFrame, space: ActionSpace | None = None) -> pd.DataFrame:
    """One row an action: `action` (index), `steer` (degrees), `throttle` (m/s), `count` of steps
    and `share` (0 to 1).

    Actions of `space` that were never used have count 0; without it, so have the indices that are
    missing below the largest one, with nan commands. Of a continuous space the rows are `STEERS` by
    `SPEEDS` equal cells between its limits (without `space`, between the extremes that were used),
    named by their middles, index -1. Steps in which the car was held do not count.
    """
    rows = trace[~trace["episode_status"].isin(_WAITS)]
    is_continuous = (
        space.is_continuous if space else bool((rows["action"] == CONTINUOUS_ACTION).any())
    )
    table = _cells(rows, space) if is_continuous else _indices(rows, space)
    total = max(int(table["count"].sum()), 1)
    return table.assign(share=table["count"] / total)[list(ACTION_USE_COLUMNS)]


def unused_actions(use: pd.DataFrame) -> list[str]:
    """The actions of `action_use` that were never used, in words."""
    none = use[use["count"] == 0]
    return [
        action_label(*row)
        for row in zip(none["action"], none["steer"], none["throttle"], strict=True)
    ]


def action_label(action: int, steer: float, throttle: float) -> str:
    """An action as `3 (+15°, 1 m/s)`; a cell of a continuous space as `around +12°, 1.5 m/s`."""
    command = f"{steer:+g}°, {throttle:g} m/s"
    if action == CONTINUOUS_ACTION:
        return f"around {command}"
    return f"{action}" + ("" if np.isnan(steer) else f" ({command})")


def _indices(rows: pd.DataFrame, space: ActionSpace | None) -> pd.DataFrame:
    index = rows["action"].to_numpy()
    index = index[index >= 0]
    size = max(space.size if space else 0, int(index.max(initial=-1)) + 1)
    seen = (
        rows[rows["action"] >= 0]
        .groupby("action")[["steer", "throttle"]]
        .median()
        .reindex(range(size))
    )
    if space:
        seen.iloc[: space.size] = np.column_stack([space.steering_deg, space.speed])
    count = np.bincount(index, minlength=size)
    table = {
        "action": np.arange(size),
        "steer": seen["steer"].to_numpy(),
        "throttle": seen["throttle"].to_numpy(),
    }
    return pd.DataFrame(table | {"count": count})


def _cells(rows: pd.DataFrame, space: ActionSpace | None) -> pd.DataFrame:
    values = {"steer": rows["steer"].to_numpy(float), "throttle": rows["throttle"].to_numpy(float)}
    limits = {"steer": space.steering_deg, "throttle": space.speed} if space else values
    edges = [
        _edges(limits[name], parts)
        for name, parts in (("steer", STEERING_CELLS), ("throttle", SPEED_CELLS))
    ]
    inside = [
        np.clip(values[name], edge[0], edge[-1]) for name, edge in zip(values, edges, strict=True)
    ]
    count = np.histogram2d(inside[0], inside[1], bins=(edges[0], edges[1]))[0]
    middles = [np.round((edge[1:] + edge[:-1]) / 2, 2) for edge in edges]
    steer, throttle = (axis.ravel() for axis in np.meshgrid(*middles, indexing="ij"))
    table = {"action": np.full(len(steer), CONTINUOUS_ACTION), "steer": steer, "throttle": throttle}
    return pd.DataFrame(table | {"count": count.ravel().astype(int)})


def _edges(values: ArrayLike, parts: int) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=float)
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1.0, parts + 1)
