"""Pictures of tracks and of the racing lines on them.

Pictures of racing lines: on the road by speed, with corners and braking points, and the speed
along the lap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from racer import geometry
from racer.plotting import style
from racer.raceline import Passage, RacingLine
from racer.sim import BOT, VISIBLE_SIZE_M, Obstacles, State
from racer.track import Corner, Track, driving_direction, find_corners, track_curvature

Array = NDArray[np.float64]

BOX_OUTLINE = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
"""Corners of a rectangle of length and width 1 around the origin."""

BOT_OUTLINE = np.array([[-0.5, -0.5], [0.3, -0.5], [0.5, 0.0], [0.3, 0.5], [-0.5, 0.5]])
"""A rectangle with a nose, which shows where a bot car drives."""

_MIN_CURVATURE_SHOWN = 0.02  # 1/m: a track that never bends more to a side has no label for it
_POINTS_OF_SECTION = 6  # of each border

BRAKE_COLOR = style.PALETTE[5]

_LINE_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.PALETTE[0]},
    {"color": style.FAINT, "linestyle": (0, (5, 2))},
    {"color": style.FAINT, "linestyle": ":"},
)
"""Of the line that the figure is about, and of those beside it."""


def draw_track(track: Track, ax: Axes, *, center: bool = True) -> Axes:
    """`ax` with the road in light gray: borders, start line and, if `center`, the dashed center
    line. x and y in m.

    >>> from matplotlib.figure import Figure
    >>> from racer.track import load_track
    >>> ax = draw_track(load_track("oval"), Figure().add_subplot())
    >>> len(ax.lines)  # two borders, the center line and the start line
    4
    """
    ax.add_patch(
        PathPatch(_road_outline(track), facecolor=style.ROAD_COLOR, edgecolor="none", zorder=1)
    )
    for border in (track.inner, track.outer):
        ax.plot(*border.T, color=style.BORDER_COLOR, linewidth=0.9, zorder=2)
    if center:
        ax.plot(*track.center.T, color=style.CENTER_COLOR, linewidth=0.8, dashes=(4, 4), zorder=2)
    ax.plot(
        *start_line(track).T,
        color=style.START_COLOR,
        linewidth=2.2,
        solid_capstyle="butt",
        zorder=4,
    )
    points = border_points(track)
    pad = 2.5 * _number_gap(track)
    ax.update_datalim([points.min(axis=0) - pad, points.max(axis=0) + pad])
    ax.margins(0.0)
    ax.autoscale_view()
    return ax


def draw_obstacles(obstacles: Obstacles, ax: Axes) -> Axes:
    """`ax` with boxes and bot cars (K,) as they stand, as large as they are; bot cars point where
    they drive.
    """
    for obstacle in obstacles:
        is_bot = obstacle["kind"] == BOT
        length, width, _ = VISIBLE_SIZE_M[obstacle["kind"]]
        outline = (BOT_OUTLINE if is_bot else BOX_OUTLINE) * (length, width)
        ax.add_patch(
            Polygon(
                place_outline(outline, obstacle["x"], obstacle["y"], obstacle["yaw"]),
                closed=True,
                facecolor=style.BOT_COLOR if is_bot else style.BOX_COLOR,
                edgecolor=style.INK,
                linewidth=0.8,
                zorder=6,
            )
        )
    return ax


def draw_direction(track: Track, ax: Axes) -> Axes:
    """`ax` with an arrow from the start line in driving direction."""
    reach = 0.11 * float(np.ptp(track.center, axis=0).max()) + 0.1
    tail, tip = geometry.point_at(track.center, np.array([0.12 * reach, reach]))
    arrow = {
        "arrowstyle": "-|>,head_width=0.3,head_length=0.6",
        "color": style.START_COLOR,
        "lw": 1.8,
    }
    ax.annotate("", tip, tail, zorder=5, arrowprops=arrow)
    return ax


def draw_waypoints(track: Track, ax: Axes, *, every: int = 0) -> Axes:
    """`ax` with a dot at every waypoint and numbers outside the road at each `every`-th; 0 chooses
    about 20 of them.

    On a loop the number of a waypoint just before the start line is left out, for it would lie on
    the 0.
    """
    every = every or _round_step(len(track.center) / 25)
    end = len(track.center)
    if track.is_loop:
        end -= every // 2 + 1
    numbered = np.arange(0, end, every)
    ax.plot(*track.center.T, ".", color=style.CENTER_COLOR, markersize=1.6, zorder=3)
    ax.plot(*track.center[numbered].T, "o", color=style.CENTER_COLOR, markersize=3.2, zorder=3)
    border = geometry.nearest_point(track.outer, track.center[numbered])
    outward = border - track.center[numbered]
    spots = border + _number_gap(track) * outward / np.hypot(*outward.T)[:, None]
    for number, (x, y) in zip(numbered, spots, strict=True):
        ax.text(
            x,
            y,
            str(number),
            fontsize=6.5,
            color=style.INK,
            ha="center",
            va="center",
            zorder=4,
            clip_on=True,
        )
    return ax


def draw_curvature(track: Track, ax: Axes) -> Axes:
    """`ax` with the curvature of the center line, 1/m, over the distance from the start line, m."""
    kappa = track_curvature(track)
    for side, sign, color in (("left", 1, style.LEFT_COLOR), ("right", -1, style.RIGHT_COLOR)):
        if (sign * kappa > _MIN_CURVATURE_SHOWN).any():
            bend = np.where(sign * kappa > 0, kappa, 0.0)
            ax.fill_between(
                track.s, 0.0, bend, color=color, alpha=0.75, linewidth=0, label=f"{side} turn"
            )
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_xlim(0.0, track.length)
    ax.set_ylim(min(-0.5, 1.1 * kappa.min()), max(0.5, 1.1 * kappa.max()))
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel("curvature (1/m)")
    return style.add_legend_above(ax, height=1.15, pad=0.0)


def mark_corners(
    track: Track, ax: Axes, *, named: bool = True, alpha: float = 0.7, **font: Any
) -> Axes:
    """`ax`, whose x is m along the track, with the corners shaded and, if `named`, named above.

    `alpha` is that of the shade; `font` goes to the text.
    """
    font = {"y": 1.01, "fontsize": 7.5} | font
    for corner in find_corners(track):
        for start, end in corner_spans(corner, track):
            ax.axvspan(start, end, color=style.ROAD_COLOR, alpha=alpha, linewidth=0, zorder=0)
        if named:
            ax.text(
                x=corner.apex,
                s=corner.name,
                transform=ax.get_xaxis_transform(),
                ha="center",
                **font,
            )
    return ax


def name_corners(track: Track, ax: Axes) -> Axes:
    """`ax`, a map, with the name of each corner on its outside."""
    for corner in find_corners(track):
        _write_outside(track, corner, corner.name, ax)
    return ax


def track_figure(track: Track) -> Figure:
    """A figure about one track: a map with start, direction and waypoint numbers, and the curvature
    along the lap.
    """
    with style.style_context():
        height = style.map_height(track.outer, 7.6, 2.6, 9.0)
        figure = style.NotebookFigure(figsize=(9.0, height + 2.6))
        map_ax, curvature_ax = figure.subplots(2, 1, height_ratios=[4, 1])
        style.format_map_axes(draw_track(track, map_ax, center=False))
        draw_waypoints(track, draw_direction(track, map_ax))
        map_ax.set_title(f"{track.title}  ·  {track.length:.1f} m  ·  {driving_direction(track)}")
        draw_curvature(track, curvature_ax)
        _add_waypoint_axis(track, curvature_ax)
    return figure


def track_gallery_figure(tracks: Sequence[Track], *, columns: int = 4) -> Figure:
    """A figure of many tracks side by side, each in its own scale, with name and length."""
    with style.style_context():
        rows = -(-len(tracks) // columns)
        figure = style.NotebookFigure(figsize=(2.9 * columns, 2.6 * rows))
        for ax in np.atleast_1d(figure.subplots(rows, columns)).flat:
            style.hide_frame(ax)
        for ax, track in zip(figure.axes, tracks, strict=False):
            draw_direction(track, draw_track(track, ax, center=False))
            ax.set_title(f"{track.name}\n", loc="center", fontsize=10)
            ax.text(
                0.5,
                1.02,
                f"{track.length:.1f} m",
                transform=ax.transAxes,
                ha="center",
                fontsize=8.5,
                color=style.FAINT,
            )
    return figure


def border_points(track: Track) -> Array:
    """(N, 2) m points of both borders: what a map of the track has to show."""
    return np.vstack([track.inner, track.outer])


def start_line(track: Track) -> Array:
    """(2, 2) m ends of the start line: the nearest points of both borders to waypoint 0."""
    first = track.center[:1]
    return np.vstack(
        [geometry.nearest_point(track.inner, first), geometry.nearest_point(track.outer, first)]
    )


def corner_spans(corner: Corner, track: Track) -> list[tuple[float, float]]:
    """Where a corner starts and ends, m along the track: two spans where it holds the start line."""
    if corner.start <= corner.end:
        return [(corner.start, corner.end)]
    return [(corner.start, track.length), (0.0, corner.end)]


def place_outline(outline: Array, x: float, y: float, yaw: float) -> Array:
    """(K, 2) m points of an `outline` (K, 2) m around the origin, turned by `yaw` rad and moved to
    `x`, `y`.
    """
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-forward[1], forward[0]])
    return np.asarray(outline @ np.array([forward, left]) + (x, y))


def section_outlines(track: Track, count: int) -> list[Array]:
    """Outlines (K, 2) m of `count` pieces of road, equally long on the center line, from the start
    line on.
    """
    s = np.linspace(0.0, track.length, count * _POINTS_OF_SECTION + 1)
    spots = geometry.point_at(track.center, s)
    inner = geometry.nearest_point(track.inner, spots)
    outer = geometry.nearest_point(track.outer, spots)
    outlines = []
    for first in range(0, count * _POINTS_OF_SECTION, _POINTS_OF_SECTION):
        span = slice(first, first + _POINTS_OF_SECTION + 1)
        outlines.append(np.vstack([inner[span], outer[span][::-1]]))
    return outlines


def _road_outline(track: Track) -> Outline:
    """The road as an outline that can be filled. The hole of a loop has to run against the rim,
    whichever way the track is driven.
    """
    if not track.is_loop:
        ring = np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])
        return Outline(ring, closed=True)
    same_sense = geometry.signed_area(track.outer) * geometry.signed_area(track.inner) > 0
    hole = track.inner[::-1] if same_sense else track.inner
    return Outline.make_compound_path(Outline(track.outer, closed=True), Outline(hole, closed=True))


def _number_gap(track: Track) -> float:
    """Distance of a waypoint's number from the road, m."""
    return 0.018 * float(np.ptp(track.outer, axis=0).max()) + 0.06


def _add_waypoint_axis(track: Track, ax: Axes) -> None:
    """Waypoint numbers along the top, for reward functions count in them."""
    every = _round_step(len(track.center) / 12)
    numbers = np.arange(0, len(track.center), every)
    top = ax.secondary_xaxis("top")
    top.set_xticks(track.s[numbers], [str(number) for number in numbers])
    top.tick_params(labelsize=6.5, length=2)
    top.set_xlabel("waypoint", fontsize=7.5, loc="left")


def _round_step(step: float) -> int:
    """The first of 1, 2, 5, 10, 20, ... that is at least `step`."""
    power = 1
    while True:
        for base in (1, 2, 5):
            if base * power >= step:
                return base * power
        power *= 10


def draw_racing_line(track: Track, line: RacingLine, passages: list[Passage], ax: Axes) -> Axes:
    """`ax` with a line on its road, colored by speed, its corners named and a mark where braking
    begins.
    """
    draw_direction(track, draw_track(track, ax, center=False))
    xy = np.vstack([line.xy, line.xy[:1]]) if line.is_loop else line.xy
    segments = style.line_segments(xy)
    lines = style.add_colored_lines(
        ax,
        segments,
        line.speed[: len(segments)],
        width=2.4,
        casing_width=3.4,
        capstyle="round",
    )
    _mark_braking(line, passages, ax)
    _name_passages(track, passages, ax)
    style.format_map_axes(ax)
    style.add_color_bar(lines, ax, "speed (m/s)", shrink=0.8, pad=0.02)
    return ax


def draw_speed_profiles(
    track: Track,
    lines: dict[str, RacingLine],
    passages: list[Passage],
    ax: Axes,
    rows: State | None = None,
) -> Axes:
    """`ax` with the speed of up to three lines, m/s, over the distance from the start line, m; and
    that of the last lap in the `rows` of a drive.
    """
    for look, (name, line) in zip(_LINE_LOOKS, lines.items(), strict=False):
        order = np.argsort(line.s_center, kind="stable")
        label = f"{name}, {line.lap_time:.2f} s"
        ax.plot(line.s_center[order], line.speed[order], label=label, **look)
    if rows is not None:
        _draw_driven_speed(rows, ax)
    for passage in passages:
        ax.axvline(passage.corner.apex, color=style.FAINT, linewidth=0.6, zorder=0)
        ax.text(
            passage.corner.apex,
            1.0,
            passage.name,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7,
        )
    ax.set_xlim(0.0, track.length)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel("speed (m/s)")
    ax.legend(ncols=4, loc="upper left", bbox_to_anchor=(0.0, -0.3), borderaxespad=0.0)
    return ax


def racing_line_figure(
    track: Track,
    title: str,
    lines: dict[str, RacingLine],
    passages: list[Passage],
    rows: State | None = None,
) -> Figure:
    """A figure about the first of `lines`: the map, and the speeds of all along the lap, and of a
    drive's `rows`.
    """
    line = next(iter(lines.values()))
    width, height = style.map_figure_size(border_points(track), 9.0, 1.6)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(width, height + 2.4))
        map_ax, speed_ax = figure.subplots(2, 1, height_ratios=[height, 1.9])
        draw_racing_line(track, line, passages, map_ax).set_title(title)
        draw_speed_profiles(track, lines, passages, speed_ax, rows)
    return figure


def _draw_driven_speed(rows: State, ax: Axes) -> None:
    lap = rows[rows["episode_laps"] == rows["episode_laps"].max()]
    order = np.argsort(lap["s"], kind="stable")
    ax.plot(
        lap["s"][order],
        np.hypot(lap["vx"], lap["vy"])[order],
        ".",
        color=style.PALETTE[1],
        markersize=3.5,
        label="driven, a dot a step",
    )


def _mark_braking(line: RacingLine, passages: list[Passage], ax: Axes) -> None:
    """A mark at the point of the line that is nearest to where braking begins, for each passage
    that needs it.
    """
    points = []
    for passage in passages:
        if np.isfinite(passage.brake):
            points.append(int(np.argmin(np.abs(line.s_center - passage.brake))))
    if not points:
        return
    ax.plot(
        *line.xy[points].T,
        marker="D",
        color=BRAKE_COLOR,
        zorder=5,
        label="braking begins",
        markersize=6.5,
        markeredgecolor=style.BACKGROUND_COLOR,
        markeredgewidth=0.8,
        linestyle="none",
    )
    style.add_legend_above(ax)


def _name_passages(track: Track, passages: list[Passage], ax: Axes) -> None:
    """The names of passages, on the outside of the corner of each."""
    for passage in passages:
        _write_outside(track, passage.corner, passage.name, ax)


def _write_outside(track: Track, corner: Corner, name: str, ax: Axes) -> None:
    """A name on the outside of a corner."""
    gap = 0.75 * float(np.median(track.width)) + 0.012 * float(np.ptp(track.outer, axis=0).max())
    around = corner.apex + np.array([0.0, 0.1, -0.1])
    apex, ahead, behind = geometry.point_at(track.center, np.clip(around, 0.0, track.length))
    forward = (ahead - behind) / max(float(np.hypot(*(ahead - behind))), 1e-9)
    left = np.array([-forward[1], forward[0]])
    x, y = apex - np.sign(corner.angle) * gap * left
    ax.text(
        x,
        y,
        name,
        fontsize=8,
        fontweight="bold",
        ha="center",
        va="center",
        zorder=6,
        path_effects=[withStroke(linewidth=2.0, foreground=style.BACKGROUND_COLOR)],
    )
