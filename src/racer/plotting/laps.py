"""Pictures of laps: on the track, their times, and how training went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from racer import analysis as lap_table
from racer.errors import UsageError, did_you_mean
from racer.plotting import style
from racer.plotting.track import draw_direction, draw_obstacles, draw_track
from racer.sim.obstacles import Obstacles
from racer.track.track import Track

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LapColoring:
    """What the laps on a map can be colored by: the words at the color bar, its color map, the
    column of the trace.
    """

    label: str
    colors: str = style.SPEED_CMAP
    column: str = ""
    is_sided: bool = False  # whether the scale reaches equally far to both sides of 0
    least: float = 1.0  # between the ends of the scale


LAP_COLORINGS = {
    "speed": LapColoring("driven speed (m/s)"),
    "reward": LapColoring("reward of a step", column="reward", least=1e-6),
    "throttle": LapColoring("commanded speed (m/s)", column="throttle"),
    "steering": LapColoring(
        "right  ·  commanded steering (°)  ·  left", style.SIDES_CMAP, "steer", is_sided=True
    ),
    "time": LapColoring("time since the lap began (s)"),
}

GHOST_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 4))
GHOST_DASHES = ("-", (0, (6, 1.5)), (0, (3, 1)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
COMPLETE_COLOR, INCOMPLETE_COLOR = style.PALETTE[0], style.PALETTE[5]
_CASED = 6  # laps up to which each has a dark border
_FEW = 5  # laps for which there is room at least
_MANY = 45  # laps from which bars become dots


def draw_laps(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    ax: Axes,
    track: Track | None = None,
    *,
    color: str = "speed",
    top: float | None = None,
) -> Axes:
    """`ax` with the given laps colored by one of `TINTS`, with a color bar; on the road where
    `track` is known.

    `laps` are rows of `racer.analysis.laps(trace)`. Penalties and the jumps of a reset are left
    out. `top` is the value at the upper end of the colors; the greatest here when not given. Raises
    UsageError for an unknown `color`.
    """
    tint = find_lap_coloring(color)
    segments, values = lap_lines(trace, laps, color)
    if track is not None:
        draw_direction(track, draw_track(track, ax, center=False))
    style.format_map_axes(ax)
    lines = LineCollection(list(segments), cmap=tint.colors, linewidths=1.7, zorder=3)
    lines.set_array(values)
    lines.set_clim(*_ends(values, tint, top))
    lines.set_capstyle("round")
    ax.add_collection(lines)
    if len(laps) <= _CASED:  # so that light colors are seen on the light road
        dark = LineCollection(
            list(segments), colors=style.INK, linewidths=2.6, zorder=2.9, capstyle="round"
        )
        ax.add_collection(dark)
    ax.autoscale_view()
    style.add_color_bar(lines, ax, tint.label, shrink=0.8, pad=0.02)
    ax.set_title(f"{track.title}  ·  {_title(laps)}" if track is not None else _title(laps))
    return ax


def draw_ghosts(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    ax: Axes,
    track: Track | None = None,
    *,
    names: Sequence[str] = (),
) -> Axes:
    """`ax` with the lines of the given laps, each in a color of its own, and a dot for every second
    since it began.
    """
    if track is not None:
        draw_direction(track, draw_track(track, ax, center=False))
    labels = names or [f"{time:.2f} s" for time in laps["time"]]
    for k, (label, (_, lap)) in enumerate(zip(labels, laps.iterrows(), strict=True)):
        line, dots = _line_and_seconds(trace, lap)
        look: dict[str, Any] = {
            "color": GHOST_COLORS[k % len(GHOST_COLORS)],
            "linestyle": GHOST_DASHES[k % len(GHOST_DASHES)],
            "linewidth": 1.3,
        }
        ax.plot(*line.T, zorder=3, **look)
        mark: dict[str, Any] = {
            "marker": "osDv^*"[k % 6],
            "markersize": 5,
            "markeredgecolor": style.BACKGROUND_COLOR,
            "markeredgewidth": 0.5,
        }
        ax.plot(*dots.T, zorder=4, **look | {"linestyle": "none"}, **mark)
        ax.plot([], [], label=label, **look, **mark)
    style.format_map_axes(ax).autoscale_view()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, handlelength=3.5)
    ax.set_title(f"{track.title}  ·  a dot a second" if track is not None else "a dot a second")
    return ax


def find_lap_coloring(color: str) -> LapColoring:
    """The one of `TINTS` with that name. Raises UsageError with the names there are."""
    if color not in LAP_COLORINGS:
        raise UsageError(
            f"laps have no color {color!r}{did_you_mean(color, list(LAP_COLORINGS))} ({', '.join(LAP_COLORINGS)})"
        )
    return LAP_COLORINGS[color]


def draw_lap_times(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the time of every lap, s: bars for a race, dots for many laps; those not completed
    are marked.
    """
    number, time = np.arange(1, len(laps) + 1), laps["time"].to_numpy()
    whole = laps["complete"].to_numpy(bool)
    for mine, color, word in (
        (whole, COMPLETE_COLOR, "complete"),
        (~whole, INCOMPLETE_COLOR, "not completed"),
    ):
        if mine.any() and len(laps) <= _MANY:
            ax.bar(
                number[mine],
                time[mine],
                color=color,
                width=0.7,
                label=word,
                hatch="" if mine is whole else "///",
            )
        elif mine.any():
            ax.plot(
                number[mine],
                time[mine],
                "o" if mine is whole else "x",
                color=color,
                markersize=3.5,
                label=word,
            )
    if len(laps) <= _MANY:
        _write_times(laps, ax)
        ax.set_xlim(0.4, max(len(laps), _FEW) + 0.6)  # a single bar is no wall
    ax.set_xlabel("lap")
    ax.set_ylabel("lap time (s)")
    ax.set_ylim(bottom=0.0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(False, axis="x")
    if len(laps):
        ax.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    ax.set_title("Lap times")
    return ax


def draw_completion_by_iteration(iterations: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the mean share of the track that was covered, and of laps completed, %, by
    iteration.

    `iterations` as in `racer.analysis.laps_by_iteration`.
    """
    x = iterations["iteration"]
    ax.plot(
        x,
        iterations["completion"],
        "o-",
        markersize=3,
        color=style.PALETTE[0],
        label="covered, mean",
    )
    share = 100.0 * iterations["complete"] / iterations["episodes"]
    ax.plot(x, share, "s--", markersize=3, color=style.PALETTE[5], label="laps completed")
    ax.set_ylim(-3.0, 103.0)
    ax.set_ylabel("completion (%)")
    ax.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return ax


def draw_rewards_by_iteration(iterations: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the mean reward of an episode by iteration."""
    ax.plot(
        iterations["iteration"], iterations["reward"], "o-", markersize=3, color=style.PALETTE[2]
    )
    ax.set_ylabel("reward of an episode")
    return ax


def draw_times_by_iteration(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with every complete lap's time, s, by iteration, and the best so far."""
    whole = laps[laps["complete"]]
    number = lap_table.lap_iterations(whole)
    ax.plot(
        number,
        whole["time"],
        "o",
        markersize=3,
        alpha=0.5,
        color=style.PALETTE[0],
        label="complete lap",
    )
    if len(whole):
        best = whole["time"].groupby(number).min().cummin()
        ax.step(best.index, best, where="post", color=style.PALETTE[5], label="best so far")
        ax.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    else:
        ax.text(
            0.5,
            0.5,
            "no complete lap",
            transform=ax.transAxes,
            ha="center",
            va="center",
            color=style.FAINT,
        )
    ax.set_ylabel("lap time (s)")
    return ax


def training_figure(laps: pd.DataFrame) -> Figure:
    """A figure of a training: completion, reward and lap times by iteration, one above the other."""
    rows = lap_table.laps_by_iteration(laps)
    with style.style_context():
        figure = Figure(figsize=(8.0, 7.0))
        top, middle, bottom = figure.subplots(3, 1, sharex=True)
        draw_completion_by_iteration(rows, top).set_title("Training by iteration")
        draw_rewards_by_iteration(rows, middle)
        draw_times_by_iteration(laps, bottom).set_xlabel("iteration")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def race_figure(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    chosen: pd.DataFrame,
    track: Track | None = None,
    obstacles: Obstacles | None = None,
) -> Figure:
    """A figure of a race: the `chosen` laps on the track among its `objects` (K,), and the times of
    all `laps`.
    """
    with style.style_context():
        wide, high = np.maximum(np.ptp(_extent(trace, chosen, track), axis=0), 0.1)
        figure = Figure(figsize=(9.0, float(np.clip(7.4 * high / wide, 2.8, 8.0)) + 2.8))
        road, times = figure.subplots(2, 1, height_ratios=[figure.get_figheight() - 2.4, 2.0])
        draw_laps(trace, chosen, road, track)
        if obstacles is not None:
            draw_obstacles(obstacles, road)
        draw_lap_times(laps, times)
    return figure


def lap_lines(trace: pd.DataFrame, laps: pd.DataFrame, color: str = "speed") -> tuple[Array, Array]:
    """Segments (S, 2, 2) m that the car drove in the given laps, and what each is colored by (S,),
    one of `TINTS`.
    """
    speed = lap_table.driven_motion(trace)["speed"].to_numpy()
    xy = trace[["X", "Y"]].to_numpy(float)
    spans = list(zip(laps["first_row"].tolist(), laps["last_row"].tolist(), strict=True))
    rows = np.concatenate(
        [np.empty(0, np.int64), *(np.arange(first, last) for first, last in spans)]
    )
    if color == "time":
        begins = np.repeat(laps["start"].to_numpy(float), [last - first for first, last in spans])
        values = trace["tstamp"].to_numpy(float)[rows] - begins
    else:
        values = (
            speed[rows]
            if color == "speed"
            else trace[find_lap_coloring(color).column].to_numpy(float)[rows]
        )
    moved = np.isfinite(speed[rows])
    return np.stack([xy[rows], xy[rows + 1]], axis=1)[moved], values[moved]


def row_numbers(laps: pd.DataFrame) -> NDArray[np.int64]:
    """(R,) positions in the trace of the rows of the given laps, lap after lap."""
    spans = zip(laps["first_row"].tolist(), laps["last_row"].tolist(), strict=True)
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(first, last + 1) for first, last in spans)]
    )


def _line_and_seconds(trace: pd.DataFrame, lap: pd.Series) -> tuple[Array, Array]:
    """The way of a lap (N, 2) m, with nan where the car was set down, and its places (K, 2) m after
    whole seconds.
    """
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    xy, moved = (
        rows[["X", "Y"]].to_numpy(float),
        np.isfinite(lap_table.driven_motion(rows)["speed"].to_numpy()),
    )
    seconds = np.floor(rows["tstamp"].to_numpy(float) - float(lap["start"]))
    gaps = np.flatnonzero(~moved[:-1]) + 1
    return np.insert(xy, gaps, np.nan, axis=0), xy[
        np.flatnonzero(np.diff(seconds, prepend=0.0) > 0)
    ]


def _ends(values: Array, tint: LapColoring, top: float | None) -> tuple[float, float]:
    """The values at both ends of the color scale: where nearly all values lie, and not less than
    `tint.least` apart.
    """
    known = values[np.isfinite(values)]
    if tint.is_sided:
        reach = top or float(np.abs(known).max(initial=0.1))
        return -reach, reach
    low, high = np.percentile(known, [1.0, 99.5]) if len(known) else (0.0, 1.0)
    high = float(top or max(high, tint.least))
    return max(0.0, min(float(low), high - tint.least)) if low >= 0.0 else float(low), high


def _extent(trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None) -> Array:
    if track is not None:
        return np.vstack([track.inner, track.outer])
    return lap_lines(trace, laps)[0].reshape(-1, 2) if len(laps) else np.zeros((1, 2))


def _write_times(laps: pd.DataFrame, ax: Axes) -> None:
    for number, (time, share, whole) in enumerate(
        zip(laps["time"], laps["completion"], laps["complete"], strict=True), 1
    ):
        text = f"{time:.2f}" if whole else f"{share:.0f} %"
        small = 8 if len(laps) <= 15 else 6
        ax.annotate(
            text, (number, time), (0, 2), textcoords="offset points", ha="center", fontsize=small
        )


def _title(laps: pd.DataFrame) -> str:
    if len(laps) != 1:
        return f"{len(laps)} laps" if len(laps) else "no lap"
    lap = laps.iloc[0]
    ended = "" if lap["complete"] else f" to {lap['completion']:.0f} % ({lap['status']})"
    return f"lap of {lap['time']:.2f} s{ended}"
