"""Pictures of laps over distance, as racing engineers read them: speed, steering, and the time
between two laps; and of whole logs beside each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from racer.analysis import LogComparison, lap_start, lap_telemetry, time_delta
from racer.errors import UsageError
from racer.plotting import style
from racer.plotting.track import mark_corners
from racer.track import Track, find_corners

Array = NDArray[np.float64]

CORNER_COLOR = "#efefed"  # of the band behind a corner
STEERING_MEAN_M = 0.5  # over which steering is averaged: about a quarter of a second
SAME_PLACE_M = 0.5  # between the starts of two laps that can be laid over each other as they are

_LAP_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 7))
_LAP_DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
_WHOLE_LAP = 0.999  # of the track's length, that a lap must cover to be cut at the start line
_LEVEL_S = 0.005  # two laps that end within this are level
_MAX_DOTS = 400  # laps of a log that are drawn one by one
_MAX_JITTER = 0.22  # how far dots stray from their line, lest they hide each other

LapsOverDistance = Mapping[str, pd.DataFrame]
"""Laps by their names: tables of `racer.analysis.telemetry.lap_telemetry`, all from one place on the
track."""


@dataclass(frozen=True, eq=False)
class AlignedLaps:
    """Laps over distance from one place: `start` m of arc length past the start line, nan where it
    is not known.
    """

    telemetry: LapsOverDistance
    start: float


def align_laps(
    laps: Sequence[pd.DataFrame], names: Sequence[str], track: Track | None
) -> AlignedLaps:
    """The laps (tables of `lap_telemetry`), laid over each other. Complete laps that begin at
    different places are cut at the start line.

    Raises UsageError where that cannot be: a lap is not complete or the track unknown; or where a
    lap has no distance.
    """
    for lap, name in zip(laps, names, strict=True):
        if lap["distance"].iloc[-1] <= 0.0:
            raise UsageError(
                f"{name}: the car gets nowhere, so there is nothing to draw over distance"
            )
    if _begin_together(laps):
        start = float("nan") if track is None else lap_start(laps[0], track)
        return AlignedLaps(dict(zip(names, laps, strict=True)), start)
    cut = _cut_all(laps, track)
    return AlignedLaps(dict(zip(names, cut, strict=True)), 0.0)


def cut_at_start_line(lap: pd.DataFrame, start: float, length: float) -> pd.DataFrame:
    """A complete lap that began `start` m past the start line of a track, as if it had begun at the
    line.

    What was driven before the line comes last, as in the lap after; distance and time count from
    the line.
    """
    distance = lap["distance"].to_numpy()
    lap_time = float(lap["time"].iloc[-1])
    line = length - start  # m from the lap's start to the line
    if not 0.0 < line < length:
        return lap
    time_at_line = float(np.interp(line, distance, lap["time"].to_numpy()))
    is_after = distance >= line
    after = lap[is_after].copy()
    after["distance"] -= line
    after["time"] -= time_at_line
    before = lap[~is_after].copy()
    before["distance"] += start
    before["time"] = before["time"] + lap_time - time_at_line
    if not len(after):
        return before.reset_index(drop=True)
    first = after.iloc[:1].assign(distance=0.0, time=0.0)
    return pd.concat([first, after, before.iloc[1:]], ignore_index=True)


def laps_over_distance(
    trace: pd.DataFrame, laps: pd.DataFrame, step: float = 0.1
) -> list[pd.DataFrame]:
    """The given laps over distance, a table each with a row every `step` m."""
    return [lap_telemetry(trace, lap, step) for _, lap in laps.iterrows()]


def draw_lap_speeds(telemetry: LapsOverDistance, ax: Axes, *, command: bool = False) -> Axes:
    """`ax` with the driven speed over distance, m/s, a line a lap; with the commanded one in thin
    dots if `command`.
    """
    commanded: dict[str, Any] = {"linestyle": ":", "color": style.INK, "linewidth": 0.9}
    for name, lap, color, dashes in _lap_lines(telemetry):
        if command:
            ax.step(lap["distance"], lap["throttle"], where="post", **commanded)
        ax.plot(lap["distance"], lap["speed"], color=color, linestyle=dashes, label=name)
    if command:
        ax.plot([], [], label="commanded", **commanded)
    low, high = ax.get_ylim()
    ax.set_ylim(0.0 if low < 0.4 * high else min(low, high - 0.8), high)
    ax.set_ylabel("speed (m/s)")
    ax.set_title("Speed")
    style.add_legend_above(ax, 4)
    return _format_distance_axis(ax, telemetry)


def draw_lap_steering(telemetry: LapsOverDistance, ax: Axes) -> Axes:
    """`ax` with the commanded steering over distance, °, left upward: a line a lap, the mean over
    `STEERING_MEAN_M`.

    Of a single lap the commands themselves are there too, in faint steps: policies with few actions
    switch to and fro.
    """
    for name, lap, color, dashes in _lap_lines(telemetry):
        distance = lap["distance"]
        if len(telemetry) == 1:
            ax.step(distance, lap["steer"], where="post", color=color, linewidth=0.7, alpha=0.35)
        mean = _moving_mean(lap["steer"], distance, STEERING_MEAN_M)
        ax.plot(distance, mean, color=color, linestyle=dashes, label=name)
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_ylabel("right  ·  left (°)")
    ax.set_title(f"Commanded steering, mean over {STEERING_MEAN_M:g} m")
    return _format_distance_axis(ax, telemetry)


def draw_lap_delta(
    reference: pd.DataFrame, lap: pd.DataFrame, ax: Axes, names: Sequence[str] = ("A", "B")
) -> Axes:
    """`ax` with how far a lap is behind the `reference`, s, over distance; below zero it is ahead.

    Both are tables of `racer.analysis.telemetry.lap_telemetry` that begin at the same place;
    `names` are those of the reference and of the lap.
    """
    table = time_delta(reference, lap)
    distance = table["distance"]
    delta = table["delta"]
    for side, color in ((delta >= 0.0, _LAP_COLORS[0]), (delta <= 0.0, _LAP_COLORS[1])):
        ax.fill_between(
            distance, 0.0, delta, where=side, interpolate=True, color=color, alpha=0.3, linewidth=0
        )
    ax.plot(distance, delta, color=style.INK)
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_ylabel("ahead  ·  behind (s)")
    end = float(distance.iloc[-1])
    longest = max(float(reference["distance"].iloc[-1]), float(lap["distance"].iloc[-1]))
    place = f"after {end:.1f} m" if end < 0.995 * longest else "at the end"
    ax.set_title(f"{names[1]} is {_gap_text(float(delta.iloc[-1]))} {names[0]} {place}")
    return _format_distance_axis(ax, {names[0]: reference})


def draw_corner_gains(
    track: Track, reference: pd.DataFrame, lap: pd.DataFrame, ax: Axes, start: float = 0.0
) -> Axes:
    """`ax`, that of `draw_lap_delta`, with what the lap loses (+) or gains against the `reference`
    in each corner, s; `start` as of `draw_corners`.
    """
    table = time_delta(reference, lap)
    distance = table["distance"].to_numpy(float)
    delta = table["delta"].to_numpy(float)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top + 0.2 * (top - bottom))
    transform = blended_transform_factory(ax.transData, ax.transAxes)
    for corner in find_corners(track):
        length = (corner.end - corner.start) % track.length
        entry = (corner.start - start) % track.length
        exit_ = entry + length
        if exit_ > distance[-1]:
            continue
        gain = float(np.interp(exit_, distance, delta) - np.interp(entry, distance, delta))
        text = f"{gain:+.2f}".replace("-", "\N{MINUS SIGN}")
        look: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 7, "color": style.INK}
        ax.text(entry + length / 2.0, 0.98, text, transform=transform, **look)
    return ax


def draw_corners(track: Track, ax: Axes, start: float = 0.0, *, named: bool = True) -> Axes:
    """`ax`, whose x is distance in m from `start` m past the start line, with the corners as bands,
    and their names.
    """
    low, high = ax.get_xlim()
    period = track.length if track.is_loop else np.inf
    last_high_name = -np.inf
    for corner in sorted(find_corners(track), key=lambda corner: (corner.start - start) % period):
        entry = (corner.start - start) % period
        length = (corner.end - corner.start) % period
        for begin in (entry, entry - period):
            end = begin + length
            if begin < high and end > low:
                ax.axvspan(
                    max(begin, low), min(end, high), color=CORNER_COLOR, zorder=0, linewidth=0
                )
        middle = (entry + length / 2.0) % period
        if named and low <= middle <= high:
            if middle - last_high_name < 0.035 * (high - low):
                _name_corner(ax, corner.name, middle, 0.90)
                last_high_name = -np.inf
            else:
                _name_corner(ax, corner.name, middle, 0.98)
                last_high_name = middle
    if named:
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom, top + 0.2 * (top - bottom))
    ax.set_xlim(low, high)
    return ax


def draw_times_by_log(comparison: LogComparison, ax: Axes) -> Axes:
    """`ax` with every complete lap's time, s, one line a log, and the median with its 95 %
    interval.
    """
    rows = comparison.table.to_dict("records")
    for k, (log, row) in enumerate(zip(comparison.logs, rows, strict=True)):
        if len(log.times):
            _draw_log_times(log.times, row, k, ax)
        else:
            ax.text(
                0.5,
                k,
                "no complete lap",
                transform=ax.get_yaxis_transform(),
                ha="center",
                color=style.FAINT,
            )
    counts = [f"{row['name']}\n{row['complete']} of {row['laps']} laps" for row in rows]
    ax.set_yticks(range(len(counts)), counts)
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.set_xlabel("lap time (s); diamond and bar: median and its 95 % interval")
    ax.set_title("Complete laps")
    return ax


def draw_median_speeds(comparison: LogComparison, ax: Axes) -> Axes:
    """`ax` with the speed, m/s, of each log's median lap along the track."""
    for k, (name, profile) in enumerate(comparison.profiles.items()):
        ax.plot(profile["distance"], profile["speed"], color=_log_color(k), label=name)
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("speed (m/s)")
    ax.set_title("Median lap: speed along the center line", pad=16)
    return style.add_legend_above(ax, 3, height=1.06)


def draw_median_deltas(comparison: LogComparison, ax: Axes) -> Axes:
    """`ax` with how far each log's median lap is behind the first one's, s, along the track: below
    0 it is ahead.
    """
    first = next(iter(comparison.profiles), "the first")
    ax.axhline(0.0, color=style.PALETTE[0], linewidth=1.4)
    for k, profile in enumerate(comparison.profiles.values()):
        if k > 0:
            ax.plot(profile["distance"], profile["delta"], color=_log_color(k))
    ax.set_ylabel(f"behind {first} (s)" if len(first) < 24 else "behind the first (s)")
    ax.set_xlabel("distance from the start line (m)")
    return ax


def comparison_figure(comparison: LogComparison) -> Figure:
    """A figure of a comparison: lap times, and where the track allows it, median speed and delta
    along the lap.
    """
    with style.style_context():
        times_height = 1.2 + 0.55 * len(comparison.logs)
        if not comparison.profiles:
            figure = style.NotebookFigure(figsize=(9.0, times_height + 0.3))
            draw_times_by_log(comparison, figure.subplots())
            return figure
        figure = style.NotebookFigure(figsize=(9.0, times_height + 5.2))
        times, speed, delta = figure.subplots(3, 1, height_ratios=[times_height, 2.8, 2.2])
        draw_times_by_log(comparison, times)
        draw_median_speeds(comparison, speed)
        draw_median_deltas(comparison, delta)
        ends = [profile["distance"].iloc[-1] for profile in comparison.profiles.values()]
        track = comparison.logs[0].track
        for ax in (speed, delta):
            ax.set_xlim(0.0, float(max(ends)))
            if track is not None:
                mark_corners(track, ax, named=ax is speed)
    return figure


def _begin_together(laps: Sequence[pd.DataFrame]) -> bool:
    starts = np.array([lap[["X", "Y"]].iloc[0] for lap in laps], dtype=float)
    return bool((np.hypot(*(starts - starts[0]).T) <= SAME_PLACE_M).all())


def _cut_all(laps: Sequence[pd.DataFrame], track: Track | None) -> list[pd.DataFrame]:
    """Laps that began at different places, each from the start line on. Raises UsageError where
    they cannot be cut there.
    """
    refused = "these laps begin at different places, and {}: choose others with --laps"
    if track is None:
        raise UsageError(refused.format("the track is unknown"))
    shortest = min(lap["distance"].iloc[-1] for lap in laps)
    if not track.is_loop or shortest < _WHOLE_LAP * track.length:
        raise UsageError(refused.format("not all are complete"))
    return [cut_at_start_line(lap, lap_start(lap, track), track.length) for lap in laps]


def _lap_lines(telemetry: LapsOverDistance) -> Iterator[tuple[str, pd.DataFrame, str, object]]:
    """Name, table, color and dashes of every lap."""
    for k, (name, lap) in enumerate(telemetry.items()):
        yield name, lap, _LAP_COLORS[k % len(_LAP_COLORS)], _LAP_DASHES[k % len(_LAP_DASHES)]


def _log_color(k: int) -> str:
    return style.PALETTE[k % len(style.PALETTE)]


def _draw_log_times(times: Array, row: Mapping[Hashable, Any], k: int, ax: Axes) -> None:
    """The lap times (T,) s of a log as dots in its line `k`, with the median and its interval."""
    color = _log_color(k)
    times = times[:: max(1, -(-len(times) // _MAX_DOTS))]
    jitter = np.linspace(-_MAX_JITTER, _MAX_JITTER, 7)[np.arange(len(times)) * 3 % 7]
    ax.plot(times, k + jitter, "o", color=color, markersize=3.5, alpha=0.45, markeredgewidth=0)
    ax.plot(
        [row["median_low"], row["median_high"]],
        [k, k],
        color=style.INK,
        linewidth=3,
        solid_capstyle="butt",
    )
    ax.plot([row["median"]], [k], "D", color=color, markeredgecolor=style.INK, markersize=7)


def _moving_mean(values: pd.Series, distance: pd.Series, reach: float) -> Array:
    """(S,) mean of the values over `reach` m of distance around each row."""
    spacing = float(np.median(np.diff(distance))) if len(distance) > 1 else reach
    count = max(round(reach / max(spacing, 1e-6)), 1)
    return values.rolling(count, center=True, min_periods=1).mean().to_numpy(float)


def _gap_text(seconds: float) -> str:
    """`0.42 s behind`, and so on, of a lap that is so far behind another."""
    if abs(seconds) < _LEVEL_S:
        return "level with"
    direction = "behind" if seconds > 0.0 else "ahead of"
    return f"{abs(seconds):.2f} s {direction}"


def _name_corner(ax: Axes, name: str, x: float, height: float) -> None:
    transform = blended_transform_factory(ax.transData, ax.transAxes)
    ax.text(
        x, height, name, transform=transform, ha="center", va="top", fontsize=7, color=style.INK
    )


def _format_distance_axis(ax: Axes, telemetry: LapsOverDistance) -> Axes:
    ends = [float(lap["distance"].iloc[-1]) for lap in telemetry.values()]
    ax.set_xlim(0.0, max(max(ends, default=1.0), 0.1))
    ax.set_xlabel("distance (m)")
    return ax
