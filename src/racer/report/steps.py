"""The steps that travel inside the page: few bytes each, and the laps that they make up.

A column is stored as uint16 levels between its least and greatest value (X and Y of a 30 m track to
half a millimeter), reward and time as float32. Bokeh packs them as gzip in base64: some 15 bytes a
step altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis import driven_motion, fastest_laps
from racer.track.track import Track

MAX_STEPS = 60_000  # steps in a page
WHEELS_LABELS = ("off the track", "on the track")
_FASTEST = 60  # complete laps that are kept before others
_LEVELS = 65_534  # and one more for nan
_GOLDEN = 0.618_033_988_75
_CHUNK = 512  # rows projected at a time
_ABSURD = 1e12  # no value of a step is that far from 0: it counts as unknown


@dataclass(frozen=True, eq=False)
class StepColumn:
    """A column of steps as it travels: `levels * scale + offset` is the value; level 65535 of a
    uint16 is nan.
    """

    name: str
    label: str
    unit: str
    digits: int
    levels: NDArray[Any]
    scale: float = 1.0
    offset: float = 0.0
    words: tuple[str, ...] = ()  # of a column that holds classes: what each number means

    @property
    def facts(self) -> dict[str, Any]:
        """What the page must know to read the levels."""
        names = ("name", "label", "unit", "digits", "scale", "offset", "words")
        return {name: getattr(self, name) for name in names} | {
            "packed": self.levels.dtype == np.uint16
        }


def laps_that_fit(table: pd.DataFrame, most: int = MAX_STEPS) -> pd.DataFrame:
    """The laps that fit into `most` steps: races first, then the fastest laps, then others, spread
    over the log.
    """
    order = np.mod(np.arange(len(table)) * _GOLDEN, 1.0)
    fast = table.index.isin(fastest_laps(table, _FASTEST).index)
    rank = np.where(table["phase"] == "evaluation", -2.0, np.where(fast, -1.0, order))
    by_rank = np.argsort(rank, kind="stable")
    fits = np.cumsum(table["steps"].to_numpy()[by_rank]) <= most
    fits[:1] = True
    return table.iloc[np.sort(by_rank[fits])]


def step_columns(trace: pd.DataFrame, table: pd.DataFrame, track: Track | None) -> list[StepColumn]:
    """The columns of the steps of the given laps, lap after lap."""
    spans = zip(table["first_row"].tolist(), table["last_row"].tolist(), strict=True)
    rows = np.concatenate([np.arange(first, last + 1) for first, last in spans])
    here = trace.iloc[rows]
    clock = here["tstamp"].to_numpy() - np.repeat(table["start"].to_numpy(), table["steps"])
    status = here["episode_status"].astype("category")
    words = tuple(map(str, status.cat.categories))
    number = here["action"].to_numpy()
    found = [
        _packed("X", "X", "m", 3, here["X"]),
        _packed("Y", "Y", "m", 3, here["Y"]),
        _packed("speed", "Driven speed", "m/s", 2, driven_motion(trace)["speed"].iloc[rows]),
        _packed("throttle", "Commanded speed", "m/s", 2, here["throttle"]),
        _packed("steer", "Steering", "°", 1, here["steer"]),
        StepColumn("reward", "Reward", "", 3, _single(here["reward"])),
        _packed("progress", "Progress", "%", 1, here["progress"]),
        StepColumn("time", "Time in the lap", "s", 2, _single(clock)),
        _packed("yaw", "Heading", "°", 0, here["yaw"]),
        _packed("waypoint", "Closest waypoint", "", 0, here["closest_waypoint"]),
        _packed("action", "Action", "", 0, pd.Series(number).where(number >= 0)),
        StepColumn("status", "Status", "", 0, status.cat.codes.to_numpy(np.int8), words=words),
        StepColumn("wheels", "Wheels", "", 0, here["all_wheels_on_track"].to_numpy(np.uint8), words=WHEELS_LABELS),
        _packed("place", "Place on the track", "m", 2, distances_along_track(here, track)),
    ]  # fmt: skip
    return [column for column in found if _says_something(column)]


def distances_along_track(rows: pd.DataFrame, track: Track | None) -> NDArray[np.float64]:
    """(N,) m along the track from its start line; on an unknown track, from where the lap began."""
    if track is None:
        return (rows["progress"] * rows["track_len"] / 100.0).to_numpy(np.float64)
    xy = rows[["X", "Y"]].to_numpy(np.float64)
    parts = [
        geometry.project_points(track.center, xy[i : i + _CHUNK])[0]
        for i in range(0, len(xy), _CHUNK)
    ]
    return np.concatenate([np.empty(0), *parts])


def _packed(
    name: str, label: str, unit: str, digits: int, values: pd.Series | NDArray[np.float64]
) -> StepColumn:
    """A column as uint16 levels; whole numbers in a small range stay exact."""
    numbers = np.asarray(values, np.float64)
    known = np.abs(numbers) < _ABSURD
    low, high = (
        (float(numbers[known].min()), float(numbers[known].max())) if known.any() else (0.0, 0.0)
    )
    whole = high - low <= _LEVELS and bool(np.all(np.mod(numbers[known], 1.0) == 0.0))
    scale = 1.0 if whole or high == low else (high - low) / _LEVELS
    levels = np.full(len(numbers), _LEVELS + 1, np.uint16)
    levels[known] = np.round((numbers[known] - low) / scale).astype(np.uint16)
    return StepColumn(name, label, unit, digits, levels, scale, low)


def _single(values: pd.Series | NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32; what it cannot hold becomes nan."""
    numbers = np.asarray(values, np.float64)
    bound = float(np.finfo(np.float32).max)
    return np.where(np.abs(numbers) <= bound, numbers, np.nan).astype(np.float32)


def _says_something(column: StepColumn) -> bool:
    """Whether any step has a value: continuous actions have no index."""
    return column.levels.dtype != np.uint16 or bool((column.levels <= _LEVELS).any())
