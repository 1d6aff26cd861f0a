"""Pictures of what a reward asks for: the best paid driving beside the fastest lap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.diagnostics import Foresight
from racer.drivers import Drive
from racer.plotting import style
from racer.plotting.animation import animate_laps
from racer.plotting.track import border_points, draw_direction, draw_obstacles, draw_track
from racer.track import Track

PANEL_WIDTH_IN = 4.6


def foresight_figure(foresight: Foresight) -> Figure:
    """A figure with the best paid driving and, beside it, the fastest lap, both colored by speed on
    one scale, on maps to scale.

    Examples
    --------
    >>> from racer.diagnostics import foresee
    >>> figure = foresight_figure(foresee("center_line", "oval", seconds=0.2))
    >>> len(figure.axes)  # two maps and the bar of their colors
    3
    """
    drives = [("best paid", foresight.best, foresight.pay)]
    if foresight.fastest is not None and foresight.fastest is not foresight.best:
        drives.append(("fastest lap", foresight.fastest, foresight.fastest_pay or 0.0))
    top = max(float(np.hypot(drive.rows["vx"], drive.rows["vy"]).max()) for _, drive, _ in drives)
    norm = Normalize(0.0, max(top, 0.1))
    area = border_points(foresight.track)
    height = style.map_height(area, PANEL_WIDTH_IN, 2.2, 6.5) + 0.9
    with style.style_context():
        figure = style.NotebookFigure(figsize=(PANEL_WIDTH_IN * len(drives) + 0.9, height))
        panels = np.atleast_1d(figure.subplots(1, len(drives)))
        for ax, (name, drive, pay) in zip(panels, drives, strict=True):
            lines = draw_drive(drive, foresight.track, ax, norm)
            ax.set_title(f"{name}: {_describe(drive)}, pay {pay:.3g}")
        bar = figure.colorbar(lines, ax=list(panels), label="speed (m/s)")
        bar.outline.set_visible(False)
        track = foresight.track.title
        figure.suptitle(
            f"{foresight.reward_name} asks for: {foresight.kind}  ·  {track}  ·  gamma {foresight.gamma:g}",
            x=0.01,
            ha="left",
            fontsize=11,
        )
    return figure


def draw_drive(drive: Drive, track: Track, ax: Axes, norm: Normalize) -> LineCollection:
    """The line of a drive on the road, colored by speed; what is returned is for a color bar."""
    draw_track(track, ax)
    draw_direction(track, ax)
    draw_obstacles(drive.objects, ax)
    rows = drive.rows
    xy = np.column_stack([rows["front_x"], rows["front_y"]])
    speed = np.hypot(rows["vx"], rows["vy"])[1:]
    lines = style.add_colored_lines(
        ax, style.line_segments(xy), speed, width=2.0, casing_width=3.0, capstyle="round"
    )
    lines.set_norm(norm)
    ax.plot(*xy[-1], "X", color=style.PALETTE[5], markersize=8, zorder=7)
    style.format_map_axes(ax)
    return lines


def animate_foresight(foresight: Foresight, path: Path) -> Path:
    """`path`, after writing an animation there: the best paid driving and the fastest lap, ghost
    against ghost. GIF or MP4 by its ending.

    Raises UsageError for another ending, and where the extra `video` is missing.
    """
    drives = [foresight.best]
    names = [f"best paid: {_describe(foresight.best)}"]
    if foresight.fastest is not None and foresight.fastest is not foresight.best:
        drives.append(foresight.fastest)
        names.append(f"fastest lap: {_describe(foresight.fastest)}")
    traces = []
    for number, drive in enumerate(drives):
        traces.append(drive.trace.assign(episode=number))
    trace = pd.concat(traces, ignore_index=True)
    return animate_laps(
        trace,
        laps(trace),
        path,
        foresight.track,
        names=names,
        obstacles=foresight.best.objects if len(foresight.best.objects) else None,
    )


def _describe(drive: Drive) -> str:
    if np.isnan(drive.lap_time):
        return f"no lap ({drive.completion:.0f} %)"
    return f"{drive.lap_time:.2f} s"
