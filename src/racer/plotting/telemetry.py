"""Pictures of laps over distance, as racing engineers read them: speed, steering, and the time
between two laps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from racer.analysis.telemetry import lap_start, lap_telemetry, time_delta
from racer.errors import UsageError
from racer.plotting import style
from racer.track.corners import find_corners
from racer.track.track import Track

Array = NDArray[np.float64]

LAP_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 7))
LAP_DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
CORNER_COLOR = "#efefed"  # behind a corner
STEERING_MEAN_M = 0.5  # m over which steering is averaged: about a quarter of a second
SAME_PLACE_M = 0.5  # m between the starts of two laps that can be laid over each other as they are

LapsOverDistance = Mapping[str, pd.DataFrame]
"""Laps over distance by their names: tables of `racer.analysis.telemetry.lap_telemetry`, all from one
place on the track."""


@dataclass(frozen=True, eq=False)
class AlignedLaps:
    """Laps over distance from one place: `start` m of arc length past the start line, nan when
    nobody knows it.
    """

    trips: LapsOverDistance
    start: float


def align_laps(
    trips: Sequence[pd.DataFrame], names: Sequence[str], track: Track | None
) -> AlignedLaps:
    """The laps, laid over each other. Complete laps that begin at different places are cut at the
    start line.

    Raises UsageError where that cannot be: a lap is not complete or the track unknown; or where a
    lap has no distance.
    """
    for trip, name in zip(trips, names, strict=True):
        if trip["distance"].iloc[-1] <= 0.0:
            raise UsageError(
                f"{name}: the car gets nowhere, so there is nothing to draw over distance"
            )
    if _begin_together(trips):
        start = lap_start(trips[0], track) if track is not None else float("nan")
        return AlignedLaps(dict(zip(names, trips, strict=True)), start)
    whole = track is not None and all(
        trip["distance"].iloc[-1] >= 0.999 * track.length for trip in trips
    )
    if track is None or not track.is_loop or not whole:
        why = "not all are complete" if track is not None else "the track is unknown"
        raise UsageError(
            f"these laps begin at different places, and {why}: choose others with --laps"
        )
    starts = [lap_start(trip, track) for trip in trips]
    cut = [
        cut_at_start_line(trip, start, track.length)
        for trip, start in zip(trips, starts, strict=True)
    ]
    return AlignedLaps(dict(zip(names, cut, strict=True)), 0.0)


def _begin_together(trips: Sequence[pd.DataFrame]) -> bool:
    spots = np.array([trip[["X", "Y"]].iloc[0] for trip in trips], dtype=float)
    return bool((np.hypot(*(spots - spots[0]).T) <= SAME_PLACE_M).all())


def cut_at_start_line(trip: pd.DataFrame, start: float, length: float) -> pd.DataFrame:
    """A whole lap that began `start` m past the start line of a track, as if it had begun at the
    line.

    What was driven before the line comes last, as in the lap after; distance and time count from
    the line.
    """
    way, total = trip["distance"].to_numpy(), float(trip["time"].iloc[-1])
    line = length - start  # m from the lap's start to the line
    if not 0.0 < line < length:
        return trip
    at_line = float(np.interp(line, way, trip["time"].to_numpy()))
    after = trip[way >= line].assign(
        distance=way[way >= line] - line, time=lambda rows: rows["time"] - at_line
    )
    before = trip[way < line].assign(
        distance=way[way < line] + start, time=lambda rows: rows["time"] + total - at_line
    )
    edge = after.iloc[:1].assign(distance=0.0, time=0.0) if len(after) else before.iloc[:0]
    return pd.concat([edge, after, before.iloc[1:] if len(after) else before], ignore_index=True)


def laps_over_distance(
    trace: pd.DataFrame, laps: pd.DataFrame, step: float = 0.1
) -> list[pd.DataFrame]:
    """The given laps over distance, one table each."""
    return [lap_telemetry(trace, lap, step) for _, lap in laps.iterrows()]


def draw_lap_speeds(trips: LapsOverDistance, ax: Axes, *, command: bool = False) -> Axes:
    """`ax` with the driven speed over distance, m/s, a line a lap; with the commanded one in thin
    dots if `command`.
    """
    for name, trip, color, dashes in _lines(trips):
        if command:
            ax.step(
                trip["distance"],
                trip["throttle"],
                ":",
                where="post",
                color=style.INK,
                linewidth=0.9,
            )
        ax.plot(trip["distance"], trip["speed"], color=color, linestyle=dashes, label=name)
    if command:
        ax.plot([], [], ":", color=style.INK, linewidth=0.9, label="commanded")
    low, high = ax.get_ylim()
    ax.set_ylim(0.0 if low < 0.4 * high else min(low, high - 0.8), high)
    ax.set_ylabel("speed (m/s)")
    ax.set_title("Speed")
    return _distance_axis(style.legend_above(ax, 4), trips)


def draw_lap_steering(trips: LapsOverDistance, ax: Axes) -> Axes:
    """`ax` with the commanded steering over distance, °, left upward: a line a lap, the mean over
    `OVER` m.

    Of a single lap the commands themselves are there too, in faint steps: policies with few actions
    switch to and fro.
    """
    for name, trip, color, dashes in _lines(trips):
        if len(trips) == 1:
            ax.step(
                trip["distance"],
                trip["steer"],
                where="post",
                color=color,
                linewidth=0.7,
                alpha=0.35,
            )
        ax.plot(
            trip["distance"],
            _mean_over(trip, "steer", STEERING_MEAN_M),
            color=color,
            linestyle=dashes,
            label=name,
        )
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_ylabel("right  ·  left (°)")
    ax.set_title(f"Commanded steering, mean over {STEERING_MEAN_M:g} m")
    return _distance_axis(ax, trips)


def draw_lap_delta(
    one: pd.DataFrame, other: pd.DataFrame, ax: Axes, names: Sequence[str] = ("A", "B")
) -> Axes:
    """`ax` with how far lap `other` is behind lap `one`, s, over distance; below zero it is ahead.

    Both are tables of `racer.analysis.telemetry.lap_telemetry` that begin at the same place.
    """
    found = time_delta(one, other)
    x, gap = found["distance"], found["delta"]
    for mine, color in ((gap >= 0.0, LAP_COLORS[0]), (gap <= 0.0, LAP_COLORS[1])):
        ax.fill_between(
            x, 0.0, gap, where=mine, interpolate=True, color=color, alpha=0.3, linewidth=0
        )
    ax.plot(x, gap, color=style.INK)
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    last = float(gap.iloc[-1])
    ax.set_ylabel("ahead  ·  behind (s)")
    so = (
        f"{abs(last):.2f} s {'behind' if last > 0.0 else 'ahead of'}"
        if abs(last) >= 0.005
        else "level with"
    )
    far = max(float(lap["distance"].iloc[-1]) for lap in (one, other))
    place = f" after {x.iloc[-1]:.1f} m" if x.iloc[-1] < 0.995 * far else ""
    ax.set_title(f"{names[1]} is {so} {names[0]}{place or ' at the end'}")
    return _distance_axis(ax, {names[0]: one})


def draw_corners(track: Track, ax: Axes, start: float = 0.0, *, named: bool = True) -> Axes:
    """`ax`, whose x is distance in m from `start` m past the start line, with the corners as bands,
    and their names.
    """
    low, high = ax.get_xlim()
    around = track.length if track.is_loop else np.inf
    before = -np.inf
    for corner in sorted(find_corners(track), key=lambda one: (one.start - start) % around):
        entry, span = (corner.start - start) % around, (corner.end - corner.start) % around
        for begin in (entry, entry - around):
            if begin < high and begin + span > low:
                ax.axvspan(
                    max(begin, low),
                    min(begin + span, high),
                    color=CORNER_COLOR,
                    zorder=0,
                    linewidth=0,
                )
        middle = (entry + span / 2.0) % around
        if named and low <= middle <= high:
            lower = middle - before < 0.035 * (high - low)
            _name_corner(ax, corner.name, middle, lower)
            before = -np.inf if lower else middle
    if named:
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom, top + 0.2 * (top - bottom))
    ax.set_xlim(low, high)
    return ax


def _name_corner(ax: Axes, name: str, at: float, lower: bool) -> None:
    place = blended_transform_factory(ax.transData, ax.transAxes)
    height = 0.90 if lower else 0.98
    ax.text(at, height, name, transform=place, ha="center", va="top", fontsize=7, color=style.INK)


def _mean_over(trip: pd.DataFrame, column: str, reach: float) -> Array:
    """(S,) running mean of a column over `reach` m of the way around each row."""
    step = float(np.median(np.diff(trip["distance"]))) if len(trip) > 1 else reach
    count = max(round(reach / max(step, 1e-6)), 1)
    return trip[column].rolling(count, center=True, min_periods=1).mean().to_numpy(float)


def _lines(trips: LapsOverDistance) -> list[tuple[str, pd.DataFrame, str, object]]:
    """Name, table, color and dashes of every lap."""
    return [
        (name, trip, LAP_COLORS[k % len(LAP_COLORS)], LAP_DASHES[k % len(LAP_DASHES)])
        for k, (name, trip) in enumerate(trips.items())
    ]


def _distance_axis(ax: Axes, trips: LapsOverDistance) -> Axes:
    far = max((float(trip["distance"].iloc[-1]) for trip in trips.values()), default=1.0)
    ax.set_xlim(0.0, max(far, 0.1))
    ax.set_xlabel("distance (m)")
    return ax
