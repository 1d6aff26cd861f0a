"""Pictures of logs beside each other: lap times with their intervals, speed along the track, and
the time won on it.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.analysis.comparison import LogComparison
from racer.plotting import style
from racer.track.corners import find_corners
from racer.track.track import Track

_MOST_DOTS = 400  # laps of a side that are drawn one by one
_LOW, _HIGH = -0.22, 0.22  # how far dots stray from their line, lest they hide each other


def draw_side_times(found: LogComparison, ax: Axes) -> Axes:
    """`ax` with every complete lap's time, s, one line a side, and the median with its 95 %
    interval.
    """
    for k, (side, row) in enumerate(zip(found.sides, found.table.to_dict("records"), strict=True)):
        color = style.PALETTE[k % len(style.PALETTE)]
        times = side.times[:: max(1, -(-len(side.times) // _MOST_DOTS))]
        stray = np.linspace(_LOW, _HIGH, 7)[np.arange(len(times)) * 3 % 7]
        ax.plot(times, k + stray, "o", color=color, markersize=3.5, alpha=0.45, markeredgewidth=0)
        ax.plot(
            [row["median_low"], row["median_high"]],
            [k, k],
            color=style.INK,
            linewidth=3,
            solid_capstyle="butt",
        )
        ax.plot([row["median"]], [k], "D", color=color, markeredgecolor=style.INK, markersize=7)
        if not len(times):
            ax.text(
                0.5,
                k,
                "no complete lap",
                transform=ax.get_yaxis_transform(),
                ha="center",
                color=style.FAINT,
            )
    counts = [
        f"{row['name']}\n{row['complete']} of {row['laps']} laps"
        for row in found.table.to_dict("records")
    ]
    ax.set_yticks(range(len(counts)), counts)
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.set_xlabel("lap time (s); diamond and bar: median and its 95 % interval")
    ax.set_title("Complete laps")
    return ax


def draw_median_speeds(found: LogComparison, ax: Axes) -> Axes:
    """`ax` with the speed, m/s, of each side's median lap along the track."""
    for k, (name, profile) in enumerate(found.profiles.items()):
        ax.plot(
            profile["distance"],
            profile["speed"],
            color=style.PALETTE[k % len(style.PALETTE)],
            label=name,
        )
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("speed (m/s)")
    ax.legend(ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.06), borderaxespad=0.2)
    ax.set_title("Median lap: speed along the center line", pad=16)
    return ax


def draw_median_deltas(found: LogComparison, ax: Axes) -> Axes:
    """`ax` with how far each side's median lap is behind the first one's, s, along the track: below
    0 it is ahead.
    """
    first = next(iter(found.profiles), "the first")
    ax.axhline(0.0, color=style.PALETTE[0], linewidth=1.4)
    for k, (_, profile) in enumerate(found.profiles.items()):
        if k:
            ax.plot(
                profile["distance"], profile["delta"], color=style.PALETTE[k % len(style.PALETTE)]
            )
    ax.set_ylabel(f"behind {first} (s)" if len(first) < 24 else "behind the first (s)")
    ax.set_xlabel("distance from the start line (m)")
    return ax


def mark_corners(track: Track, ax: Axes, *, names: bool = True) -> Axes:
    """`ax`, whose x is m along the track, with the corners shaded and, if `names`, named above."""
    for corner in find_corners(track):
        spans = [(corner.start, corner.end)]
        if corner.end < corner.start:
            spans = [(corner.start, track.length), (0.0, corner.end)]
        for start, end in spans:
            ax.axvspan(start, end, color=style.ROAD_COLOR, alpha=0.7, linewidth=0, zorder=0)
        if names:
            ax.text(
                corner.apex,
                1.01,
                corner.name,
                transform=ax.get_xaxis_transform(),
                ha="center",
                fontsize=7.5,
            )
    return ax


def comparison_figure(found: LogComparison) -> Figure:
    """A figure of a comparison: lap times, and where the track allows it, median speed and delta
    along the lap.
    """
    with style.style_context():
        high = 1.2 + 0.55 * len(found.sides)
        if not found.profiles:
            figure = Figure(figsize=(9.0, high + 0.3))
            draw_side_times(found, figure.subplots())
            return figure
        figure = Figure(figsize=(9.0, high + 5.2))
        times, speed, delta = figure.subplots(3, 1, height_ratios=[high, 2.8, 2.2])
        draw_side_times(found, times)
        draw_median_speeds(found, speed)
        draw_median_deltas(found, delta)
        track = found.sides[0].track
        end = max(float(profile["distance"].iloc[-1]) for profile in found.profiles.values())
        for ax in (speed, delta):
            ax.set_xlim(0.0, end)
            if track is not None:
                mark_corners(track, ax, names=ax is speed)
    return figure
