"""Pictures of actions: how a policy uses its action space, and what a space is good for on a track."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from racer.action_design import (
    CELL_LENGTH_M,
    ActionUsage,
    CommandedDrive,
    Design,
    Review,
    flying_commands,
    signed_angle,
)
from racer.plotting import style
from racer.plotting.selection import driving_rows
from racer.plotting.track import draw_track, mark_corners
from racer.track import Track
from racer.vehicle import ActionSpace

Array = NDArray[np.float64]

USED_COLOR = style.PALETTE[0]
UNUSED_COLOR = style.PALETTE[5]
FREE_DRIVE_COLOR = style.PALETTE[1]
SPEEDS_CMAP = "Blues"  # of actions: the faster, the darker

_FRACTION_FONT_SIZE = 7.5

_MAX_LABELED_BARS = 18  # actions up to which each has its command below its bar
_MAX_NUMBERED_BARS = 40  # up to which each has its number there
_MAX_NUMBERED_ACTIONS = 30  # up to which each has its number among the commands, or its row a name
_COMMAND_BINS = (31, 21)  # of steering and speed, for continuous actions
_LOGARITHMIC_FROM = 50.0  # steps in the fullest bin


def draw_action_bars(usage: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with how often each discrete action was taken, % of the steps, darker the faster it is,
    never-used ones marked; `usage` as of `discrete_action_usage`.
    """
    is_unused = usage["count"] == 0
    unused_count = int(is_unused.sum())
    ax.bar(usage["action"], usage["share"], color=_speed_colors(usage), width=0.75)
    if unused_count:
        ax.plot(
            usage["action"][is_unused],
            np.zeros(unused_count),
            "x",
            color=UNUSED_COLOR,
            markersize=7,
            mew=2,
            clip_on=False,
        )
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    ax.set_ylabel("share of steps")
    if len(usage) <= _MAX_LABELED_BARS:
        ax.set_xticks(usage["action"], [_bar_label(row) for row in usage.to_dict("records")])
        ax.set_xlabel("action: index, steering (°), speed (m/s)")
    else:
        if len(usage) <= _MAX_NUMBERED_BARS:
            ax.set_xticks(usage["action"])
        ax.set_xlabel("index of the action")
    ax.grid(False, axis="x")
    if unused_count:
        ax.set_title(f"Actions taken: {unused_count} of {len(usage)} never  ·  darker is faster")
    else:
        ax.set_title(f"Actions taken: all {len(usage)}  ·  darker is faster")
    return ax


def draw_action_grid(usage: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with each discrete action where it steers and how fast, as large as it is often;
    never-used ones crossed.

    Left is left. Actions that the log does not explain (nan) are left out.
    """
    usage = usage[usage["steer"].notna()]
    size = 20.0 + 900.0 * usage["share"] / max(float(usage["share"].max()), 1e-9)
    unused = usage[usage["count"] == 0]
    ax.scatter(
        usage["steer"], usage["throttle"], size, _speed_colors(usage), linewidths=0, zorder=3
    )
    ax.plot(
        unused["steer"],
        unused["throttle"],
        "x",
        color=UNUSED_COLOR,
        markersize=9,
        mew=2.2,
        zorder=4,
    )
    _format_command_axes(ax)
    ax.margins(0.1, 0.24)
    ax.set_title("By steering and speed")
    _write_fractions(usage, size, ax)
    return ax


def _speed_colors(usage: pd.DataFrame) -> Any:
    """(A, 4) a color for the commanded speed of each action, light where it is slow; one color
    where no speed is known.
    """
    speed = usage["throttle"].to_numpy(float)
    known = speed[np.isfinite(speed)]
    if not len(known) or np.ptp(known) <= 0.0:
        return USED_COLOR
    part = (np.where(np.isfinite(speed), speed, known.min()) - known.min()) / np.ptp(known)
    return colormaps[SPEEDS_CMAP](0.35 + 0.6 * part)


def _write_fractions(usage: pd.DataFrame, size: pd.Series, ax: Axes) -> None:
    """The percentage of each action above its disk, the most taken first; those that would lie on
    another are left out.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    points = (
        ax.transData.transform(usage[["steer", "throttle"]].to_numpy(float)) * 72.0 / figure.dpi
    )
    radius = np.sqrt(size.to_numpy(float)) / 2.0
    taken: list[Array] = []
    for k in np.argsort(-usage["count"].to_numpy(), kind="stable").tolist():
        row = usage.iloc[k]
        text = f"{100.0 * row['share']:.0f} %" if row["count"] else "never"
        middle = points[k] + (0.0, radius[k] + 2.0 + 0.5 * _FRACTION_FONT_SIZE)
        half = 0.5 * _FRACTION_FONT_SIZE * np.array([0.6 * len(text), 1.1])
        box = np.vstack([middle - half, middle + half])
        if any((box[0] < other[1]).all() and (other[0] < box[1]).all() for other in taken):
            continue
        taken.append(box)
        ax.annotate(
            text,
            (row["steer"], row["throttle"]),
            (0, radius[k] + 2.0),
            textcoords="offset points",
            ha="center",
            fontsize=_FRACTION_FONT_SIZE,
            zorder=5,
        )


def draw_commands(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, space: ActionSpace | None = None
) -> Axes:
    """`ax` with how often each steering (°) and speed (m/s) was commanded: a 2-D histogram for
    continuous actions.

    The range of the action space is framed where it is known; otherwise the bins reach as far as
    the commands do.
    """
    rows = driving_rows(trace, laps)
    known = rows[["steer", "throttle"]].dropna()
    if len(known):
        steer = known["steer"].to_numpy(float)
        speed = known["throttle"].to_numpy(float)
        limits = [_span(steer), _span(speed)]
        if space is not None and space.is_continuous:
            limits = [_span(np.asarray(space.steering_deg)), _span(np.asarray(space.speed))]
        counts, x, y = np.histogram2d(steer, speed, bins=_COMMAND_BINS, range=limits)
        norm = style.count_norm(max(float(counts.max()), 1.0), _LOGARITHMIC_FROM)
        counts = np.where(counts > 0, counts, np.nan)
        image = ax.pcolormesh(x, y, counts.T, norm=norm, cmap=style.HEAT_CMAP)
        image.set_rasterized(True)
        bar = style.add_color_bar(image, ax, "steps", pad=0.02, format="{x:,g}")
        if bar is not None:
            bar.minorticks_off()
    _format_command_axes(ax)
    ax.set_title(f"Commands: {len(rows):,} steps")
    return ax


def review_figure(review: Review, usage: ActionUsage | None = None) -> Figure:
    """A figure about a space on a track: its actions over the free drive's commands, its fastest
    lap, usage by place.

    `usage` of a run by cells of the lap takes the place of the usage in the fastest lap.
    """
    usage_title = "What the run takes where, in shares of a place"
    if usage is None and review.best is not None:
        usage = _usage_in_last_lap(review.best)
        usage_title = "What that lap takes where"
    heights = [4.2]
    if usage is not None:
        heights.append(0.9 + 0.17 * min(len(review.commands), 36))
    with style.style_context():
        figure = style.NotebookFigure(figsize=(11.0, 4.6 + sum(heights[1:])))
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        plane = figure.add_subplot(grid[0, 0])
        draw_command_plane(review.commands, review.use, review.free, plane)
        plane.set_title(f"Actions on {review.track.title}, car {review.car.name}")
        lap_ax = figure.add_subplot(grid[0, 1])
        if review.best is None:
            draw_track(review.track, style.hide_frame(lap_ax), center=False)
            lap_ax.set_title("No lap was found with them")
        else:
            draw_fastest_lap(review.best, lap_ax)
            lap_ax.set_title(f"The fastest lap found with them: {review.best.lap_time:.2f} s")
        if usage is not None:
            usage_ax = figure.add_subplot(grid[1, :])
            draw_usage_by_place(usage, review.track, review.commands, usage_ax)
            usage_ax.set_title(usage_title, pad=16)
    return figure


def design_figure(design: Design) -> Figure:
    """A figure about a designed space: its actions over the fastest drives' commands, and the lap
    on each track.
    """
    commands = np.column_stack([design.space.steering_deg, design.space.speed])
    use = np.zeros(len(commands), dtype=np.int64)
    for lap in design.after:
        if lap is not None:
            use += lap.use
    count = 1 + len(design.tracks)
    rows = -(-count // 3)
    columns = min(count, 3)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(5.5 * columns, 4.6 * rows))
        axes = list(np.atleast_1d(figure.subplots(rows, columns)).flat)
        draw_command_plane(commands, use, [course.free for course in design.tracks], axes[0])
        axes[0].set_title(f"{len(commands)} actions, and what the fastest drive commands")
        for ax, course, lap in zip(axes[1:], design.tracks, design.after, strict=False):
            title = course.track.title
            if lap is None:
                draw_track(course.track, style.hide_frame(ax), center=False)
                ax.set_title(f"{title}: no lap")
            else:
                draw_fastest_lap(lap, ax).set_title(f"{title}: {lap.lap_time:.2f} s")
        for ax in axes[count:]:
            ax.set_axis_off()
    return figure


def draw_command_plane(
    commands: Array,
    use: NDArray[np.int64],
    free: CommandedDrive | Sequence[CommandedDrive] | None,
    ax: Axes,
) -> Axes:
    """`ax` with commands (A, 2) by steering (°) and speed (m/s), those taken (`use` (A,) steps)
    apart from the others; behind them the commands of `free` drives, larger the more they are used.
    """
    if isinstance(free, CommandedDrive):
        free = [free]
    if free:
        _draw_free_commands(free, ax)
    is_taken = use > 0
    looks = (
        (is_taken, USED_COLOR, "taken in its fastest lap"),
        (~is_taken, UNUSED_COLOR, "not taken"),
    )
    for chosen, color, label in looks:
        if chosen.any():
            ax.scatter(
                commands[chosen, 0],
                commands[chosen, 1],
                130.0,
                "white",
                edgecolors=color,
                linewidths=1.6,
                zorder=3,
                label=label,
            )
    if len(commands) <= _MAX_NUMBERED_ACTIONS:
        for k, (x, y) in enumerate(commands):
            color = USED_COLOR if is_taken[k] else UNUSED_COLOR
            ax.text(x, y, str(k), fontsize=7, ha="center", va="center", zorder=4, color=color)
    ax.margins(0.08, 0.14)
    _format_command_axes(ax)
    return style.add_legend_below(ax, 3, markerscale=0.8, handletextpad=0.2)


def draw_fastest_lap(drive: CommandedDrive, ax: Axes) -> Axes:
    """`ax` with the track and the last lap of a drive on it, colored by how fast the car drives."""
    draw_track(drive.track, style.hide_frame(ax), center=False)
    rows = drive.rows[drive.flying_lap]
    xy = np.column_stack([rows["front_x"], rows["front_y"]])
    speed = np.hypot(rows["vx"], rows["vy"])
    lines = style.add_colored_lines(ax, style.line_segments(xy), speed[:-1], width=2.6)
    style.add_color_bar(lines, ax, "speed (m/s)", shrink=0.7, pad=0.02)
    return ax


def draw_usage_by_place(usage: ActionUsage, track: Track, commands: Array, ax: Axes) -> Axes:
    """`ax` with how much of the steps at each cell of the lap (a column) each action takes (a row),
    and the corners above. `commands` (A, 2) are steering (°) and speed (m/s).
    """
    left_on_top = np.lexsort((commands[:, 1], commands[:, 0]))
    fraction = (usage.counts / np.maximum(usage.counts.sum(axis=0), 1))[left_on_top]
    ax.pcolormesh(
        np.linspace(0.0, track.length, usage.counts.shape[1] + 1),
        np.arange(len(commands) + 1),
        np.where(fraction > 0.0, fraction, np.nan),
        cmap="Blues",
        vmin=-0.25,
        vmax=1.0,
    )
    mark_corners(track, ax, alpha=0.6, y=1.0, va="bottom", fontsize=8, color=style.FAINT)
    if len(commands) <= _MAX_NUMBERED_ACTIONS:
        names = [_row_label(int(k), commands[k]) for k in left_on_top]
        ax.set_yticks(np.arange(len(commands)) + 0.5, names, fontsize=7)
    else:
        ax.set_yticks([0.5, len(commands) - 0.5], ["right", "left"])
    ax.grid(False, axis="y")
    ax.set_xlim(0.0, track.length)
    ax.set_xlabel("distance from the start line (m)")
    return ax


def _format_command_axes(ax: Axes) -> None:
    ax.invert_xaxis()
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.set_xlabel("left  ·  steering (°)  ·  right")
    ax.set_ylabel("commanded speed (m/s)")


def _bar_label(row: dict[Hashable, Any]) -> str:
    """Index, steering and speed of an action, one below the other."""
    if np.isnan(row["steer"]):
        return f"{row['action']:.0f}\n?\n?"
    steer = f"{row['steer']:+.3g}"
    if steer == "+0":
        steer = "0"
    return f"{row['action']:.0f}\n{steer}\n{row['throttle']:.3g}"


def _row_label(k: int, command: Array) -> str:
    return f"{k}: {signed_angle(command[0])}°, {command[1]:g} m/s"


def _span(values: Array) -> tuple[float, float]:
    """From the least to the greatest of the values; some room where they are all alike."""
    low = float(values.min())
    high = float(values.max())
    if high - low > 1e-6:
        return low, high
    return low - 0.5, high + 0.5


def _draw_free_commands(drives: Sequence[CommandedDrive], ax: Axes) -> None:
    """The commands of drives that no action space restricts, larger the more they are used."""
    commands = np.concatenate([flying_commands(drive) for drive in drives])
    kinds, count = np.unique(commands, axis=0, return_counts=True)
    ax.scatter(
        kinds[:, 0],
        kinds[:, 1],
        25.0 + 2400.0 * count / count.sum(),
        FREE_DRIVE_COLOR,
        alpha=0.35,
        linewidths=0,
        zorder=2,
        label="commands of the fastest drive",
    )


def _usage_in_last_lap(drive: CommandedDrive) -> ActionUsage:
    """How often each command is taken in equal cells of the lap, in the last lap of a drive."""
    s = drive.rows[drive.flying_lap]["s"]
    length = drive.track.length
    cell_count = max(round(length / CELL_LENGTH_M), 1)
    cell = np.clip((s / length * cell_count).astype(int), 0, cell_count - 1)
    command_count = len(drive.commands)
    both = drive.chosen[drive.flying_lap] * cell_count + cell
    counts = np.bincount(both, minlength=command_count * cell_count)
    middles = (np.arange(cell_count) + 0.5) * length / cell_count
    names = tuple(f"{middle:.2f}" for middle in middles)
    return ActionUsage(counts.reshape(command_count, cell_count), names)
