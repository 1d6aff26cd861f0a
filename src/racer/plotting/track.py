"""Pictures of tracks: the road as a background for other plots, a sheet about one track, many
tracks side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from racer import geometry
from racer.plotting import style
from racer.sim.obstacles import BOT, VISIBLE_SIZE_M, Obstacles
from racer.track.corners import driving_direction, track_curvature
from racer.track.track import Track

Array = NDArray[np.float64]


def draw_track(track: Track, ax: Axes, *, center: bool = True) -> Axes:
    """`ax` with the road in light gray: borders, start line and, if `center`, the dashed center
    line. x and y in m.
    """
    ax.add_patch(PathPatch(_outline(track), facecolor=style.ROAD_COLOR, edgecolor="none", zorder=1))
    for border in (track.inner, track.outer):
        ax.plot(*border.T, color=style.BORDER_COLOR, linewidth=0.9, zorder=2)
    if center:
        ax.plot(*track.center.T, color=style.CENTER_COLOR, linewidth=0.8, dashes=(4, 4), zorder=2)
    _draw_start(track, ax)
    low, high = (
        function(np.vstack([track.inner, track.outer]), axis=0) for function in (np.min, np.max)
    )
    pad = 2.5 * _gap(track)
    ax.update_datalim([low - pad, high + pad])
    ax.margins(0.0)
    ax.autoscale_view()
    return ax


def draw_obstacles(obstacles: Obstacles, ax: Axes) -> Axes:
    """`ax` with boxes and bot cars (K,) as they stand, as large as they are; bot cars point where
    they drive.
    """
    for body in obstacles:
        length, width, _ = VISIBLE_SIZE_M[body["kind"]]
        nose = [[0.5, 0.0]] if body["kind"] == BOT else []
        outline = np.array(
            [
                [-0.5, -0.5],
                [0.3 if nose else 0.5, -0.5],
                *nose,
                [0.3 if nose else 0.5, 0.5],
                [-0.5, 0.5],
            ]
        )
        c, s = np.cos(body["yaw"]), np.sin(body["yaw"])
        corners = outline * (length, width) @ np.array([[c, s], [-s, c]]) + (body["x"], body["y"])
        color = style.BOT_COLOR if nose else style.BOX_COLOR
        ax.add_patch(
            Polygon(
                corners, closed=True, facecolor=color, edgecolor=style.INK, linewidth=0.8, zorder=6
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
    last = len(track.center) - (every // 2 + 1 if track.is_loop else 0)
    numbered = np.arange(0, last, every)
    ax.plot(*track.center.T, ".", color=style.CENTER_COLOR, markersize=1.6, zorder=3)
    ax.plot(*track.center[numbered].T, "o", color=style.CENTER_COLOR, markersize=3.2, zorder=3)
    foot = geometry.nearest_point(track.outer, track.center[numbered])
    away = foot - track.center[numbered]
    gap = _gap(track)
    for number, (x, y) in zip(
        numbered, foot + gap * away / np.hypot(*away.T)[:, None], strict=True
    ):
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
        if (sign * kappa > 0.02).any():
            bend = np.where(sign * kappa > 0, kappa, 0.0)
            ax.fill_between(
                track.s, 0.0, bend, color=color, alpha=0.75, linewidth=0, label=f"{side} turn"
            )
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_xlim(0.0, track.length)
    ax.set_ylim(min(-0.5, 1.1 * kappa.min()), max(0.5, 1.1 * kappa.max()))
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel("curvature (1/m)")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.15), borderaxespad=0.0)
    return ax


def track_figure(track: Track) -> Figure:
    """A figure about one track: a map with start, direction and waypoint numbers, and the curvature
    along the lap.
    """
    with style.style_context():
        figure = Figure(figsize=_sheet_size(track))
        road, bend = figure.subplots(2, 1, height_ratios=[4, 1])
        style.format_map_axes(draw_track(track, road, center=False))
        draw_waypoints(track, draw_direction(track, road))
        road.set_title(f"{track.title}  ·  {track.length:.1f} m  ·  {driving_direction(track)}")
        draw_curvature(track, bend)
        _waypoint_axis(track, bend)
    return figure


def track_gallery_figure(tracks: Sequence[Track], *, columns: int = 4) -> Figure:
    """A figure of many tracks side by side, each in its own scale, with name and length."""
    with style.style_context():
        rows = -(-len(tracks) // columns)
        figure = Figure(figsize=(2.9 * columns, 2.6 * rows))
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


def section_outlines(track: Track, count: int) -> list[Array]:
    """Outlines (K, 2) m of `count` pieces of road, equally long on the center line, from the start
    line on.
    """
    fine = 6  # points of each border in a piece
    s = np.linspace(0.0, track.length, count * fine + 1)
    spots = geometry.point_at(track.center, s)
    sides = [geometry.nearest_point(line, spots) for line in (track.inner, track.outer)]
    spans = [slice(k * fine, (k + 1) * fine + 1) for k in range(count)]
    return [np.vstack([sides[0][span], sides[1][span][::-1]]) for span in spans]


def _outline(track: Track) -> Outline:
    """The road as a fillable outline. The hole has to run against the rim, whichever way the track
    is driven.
    """
    if not track.is_loop:
        return Outline(
            np.concatenate([track.outer, track.inner[::-1], track.outer[:1]]), closed=True
        )
    with_rim = geometry.signed_area(track.outer) * geometry.signed_area(track.inner) > 0
    hole = track.inner[::-1] if with_rim else track.inner
    return Outline.make_compound_path(Outline(track.outer, closed=True), Outline(hole, closed=True))


def _draw_start(track: Track, ax: Axes) -> None:
    ends = np.concatenate(
        [geometry.nearest_point(line, track.center[:1]) for line in (track.inner, track.outer)]
    )
    ax.plot(*ends.T, color=style.START_COLOR, linewidth=2.2, solid_capstyle="butt", zorder=4)


def _gap(track: Track) -> float:
    """Distance of a waypoint's number from the road, m."""
    return 0.018 * float(np.ptp(track.outer, axis=0).max()) + 0.06


def _waypoint_axis(track: Track, ax: Axes) -> None:
    """Waypoint numbers along the top, for reward functions count in them."""
    every = _round_step(len(track.center) / 12)
    numbers = np.arange(0, len(track.center), every)
    top = ax.secondary_xaxis("top")
    top.set_xticks(track.s[numbers], [str(number) for number in numbers])
    top.tick_params(labelsize=6.5, length=2)
    top.set_xlabel("waypoint", fontsize=7.5, loc="left")


def _round_step(step: float) -> int:
    """The first of 1, 2, 5, 10, 20, ... that is at least `step`."""
    return next(
        base * ten for ten in (1, 10, 100, 1000, 10000) for base in (1, 2, 5) if base * ten >= step
    )


def _sheet_size(track: Track) -> tuple[float, float]:
    """Width and height of a sheet, inches, so that the map leaves little empty."""
    wide, high = np.ptp(track.outer, axis=0)
    return 9.0, float(np.clip(7.6 * high / max(wide, 1e-9), 2.6, 9.0)) + 2.6
