"""Pictures of action spaces: over the commands of the fastest drive, on the track, and by place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from racer.action_design.beam_search import CommandedDrive
from racer.action_design.design import Design
from racer.action_design.review import Review, flying_commands, signed_angle
from racer.action_design.usage import CELL_LENGTH_M, ActionUsage
from racer.plotting import style
from racer.plotting.track import draw_track
from racer.track.track import Track

Array = NDArray[np.float64]

TAKEN_COLOR, IDLE_COLOR, FREE_DRIVE_COLOR = style.PALETTE[0], style.PALETTE[5], style.PALETTE[1]
_NUMBERED = 30  # actions up to which each has its number


def review_figure(seen: Review, use: ActionUsage | None = None) -> Figure:
    """A figure about a space on a track: its actions over the free drive's commands, its fastest
    lap, use by place.

    `use` of a run by cells of the lap takes the place of the use in the fastest lap.
    """
    rows = 2 if seen.found is not None or use is not None else 1
    figure = Figure(figsize=(11.0, 4.6 + (0.9 + 0.17 * min(len(seen.commands), 36)) * (rows - 1)))
    grid = figure.add_gridspec(
        rows, 2, height_ratios=[4.2, 0.9 + 0.17 * min(len(seen.commands), 36)][:rows]
    )
    plane = draw_command_plane(seen.commands, seen.use, seen.free, figure.add_subplot(grid[0, 0]))
    plane.set_title(f"Actions on {seen.track.title}, car {seen.car.name}")
    road = figure.add_subplot(grid[0, 1])
    if seen.found is not None:
        draw_fastest_lap(seen.found, road).set_title(
            f"The fastest lap found with them: {seen.found.lap_time:.2f} s"
        )
    else:
        draw_track(seen.track, style.hide_frame(road), center=False).set_title(
            "No lap was found with them"
        )
    if use is not None:
        ax = draw_usage_by_place(use, seen.track, seen.commands, figure.add_subplot(grid[1, :]))
        ax.set_title("What the run takes where, in shares of a place", pad=16)
    elif seen.found is not None:
        ax = draw_usage_by_place(
            usage_by_lap_cell(seen.found), seen.track, seen.commands, figure.add_subplot(grid[1, :])
        )
        ax.set_title("What that lap takes where", pad=16)
    return figure


def design_figure(found: Design) -> Figure:
    """A figure about a designed space: its actions over the fastest drives' commands, and the lap
    on each track.
    """
    count = 1 + len(found.courses)
    figure = Figure(figsize=(5.5 * min(count, 3), 4.6 * -(-count // 3)))
    axes = list(np.atleast_1d(figure.subplots(-(-count // 3), min(count, 3))).flat)
    commands = np.column_stack([found.space.steering_deg, found.space.speed])
    use = sum((lap.use for lap in found.after if lap), np.zeros(len(commands), dtype=np.int64))
    draw_command_plane(commands, use, [course.free for course in found.courses], axes[0])
    axes[0].set_title(f"{len(commands)} actions, and what the fastest drive commands")
    for ax, course, lap in zip(axes[1:], found.courses, found.after, strict=False):
        if lap is None:
            draw_track(course.track, style.hide_frame(ax), center=False).set_title(
                f"{course.track.title}: no lap"
            )
        else:
            draw_fastest_lap(lap, ax).set_title(f"{course.track.title}: {lap.lap_time:.2f} s")
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure


def draw_command_plane(
    commands: Array,
    use: NDArray[np.int64],
    free: CommandedDrive | Sequence[CommandedDrive] | None,
    ax: Axes,
) -> Axes:
    """`ax` with commands (A, 2) by steering and speed, larger the more they are used; behind them
    those of `free`.
    """
    drives = [] if free is None else [free] if isinstance(free, CommandedDrive) else list(free)
    if drives:
        kinds, count = np.unique(
            np.concatenate([flying_commands(drive) for drive in drives]), axis=0, return_counts=True
        )
        size = 25.0 + 2400.0 * count / count.sum()
        ax.scatter(
            kinds[:, 0],
            kinds[:, 1],
            size,
            FREE_DRIVE_COLOR,
            alpha=0.35,
            linewidths=0,
            zorder=2,
            label="commands of the fastest drive",
        )
    taken = use > 0
    for mine, color, words in (
        (taken, TAKEN_COLOR, "taken in its fastest lap"),
        (~taken, IDLE_COLOR, "not taken"),
    ):
        if mine.any():
            ax.scatter(
                commands[mine, 0],
                commands[mine, 1],
                130.0,
                "white",
                edgecolors=color,
                linewidths=1.6,
                zorder=3,
                label=words,
            )
    if len(commands) <= _NUMBERED:
        for k, (x, y) in enumerate(commands):
            ax.text(
                x,
                y,
                str(k),
                fontsize=7,
                ha="center",
                va="center",
                zorder=4,
                color=TAKEN_COLOR if taken[k] else IDLE_COLOR,
            )
    ax.invert_xaxis()
    ax.margins(0.08, 0.14)
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.set_xlabel("left  ·  steering (°)  ·  right")
    ax.set_ylabel("commanded speed (m/s)")
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, markerscale=0.8, handletextpad=0.2
    )
    return ax


def draw_fastest_lap(found: CommandedDrive, ax: Axes) -> Axes:
    """`ax` with the track and the last lap of a drive on it, colored by how fast the car drives."""
    draw_track(found.track, style.hide_frame(ax), center=False)
    rows = found.rows[found.flying_lap]
    xy = np.column_stack([rows["front_x"], rows["front_y"]])
    pieces = LineCollection(
        list(np.stack([xy[:-1], xy[1:]], axis=1)), cmap=style.SPEED_CMAP, linewidths=2.6, zorder=3
    )
    pieces.set_array(np.hypot(rows["vx"], rows["vy"])[:-1])
    ax.add_collection(pieces)
    style.add_color_bar(pieces, ax, "speed (m/s)", shrink=0.7, pad=0.02)
    return ax


def usage_by_lap_cell(found: CommandedDrive) -> ActionUsage:
    """Use of each command by equal cells of the lap, in the last lap of a drive."""
    rows, length = found.rows[found.flying_lap], found.track.length
    count = max(round(length / CELL_LENGTH_M), 1)
    place = np.clip((rows["s"] / length * count).astype(int), 0, count - 1)
    flat = np.bincount(
        found.chosen[found.flying_lap] * count + place, minlength=len(found.commands) * count
    )
    names = tuple(f"{(k + 0.5) * length / count:.2f}" for k in range(count))
    return ActionUsage(flat.reshape(len(found.commands), count), names)


def draw_usage_by_place(use: ActionUsage, track: Track, commands: Array, ax: Axes) -> Axes:
    """`ax` with the share of each action (a row) at each cell of the lap (a column), and the
    corners above.
    """
    from racer.track.corners import find_corners

    total = np.maximum(use.counts.sum(axis=0), 1)
    order = np.lexsort((commands[:, 1], commands[:, 0]))  # left on top
    share = (use.counts / total)[order]
    edges = np.linspace(0.0, track.length, use.counts.shape[1] + 1)
    ax.pcolormesh(
        edges,
        np.arange(len(order) + 1),
        np.where(share > 0.0, share, np.nan),
        cmap="Blues",
        vmin=-0.25,
        vmax=1.0,
    )
    for corner in find_corners(track):
        spans = (
            [(corner.start, corner.end)]
            if corner.start <= corner.end
            else [(corner.start, track.length), (0.0, corner.end)]
        )
        for start, end in spans:
            ax.axvspan(start, end, color=style.ROAD_COLOR, alpha=0.6, zorder=0, linewidth=0)
        ax.text(
            corner.apex,
            len(order),
            corner.name,
            ha="center",
            va="bottom",
            fontsize=8,
            color=style.FAINT,
        )
    if len(order) <= _NUMBERED:
        names = [f"{k}: {signed_angle(commands[k, 0])}°, {commands[k, 1]:g} m/s" for k in order]
        ax.set_yticks(np.arange(len(order)) + 0.5, names, fontsize=7)
    else:
        ax.set_yticks([0.5, len(order) - 0.5], ["right", "left"])
    ax.grid(False, axis="y")
    ax.set_xlim(0.0, track.length)
    ax.set_xlabel("distance from the start line (m)")
    return ax
