"""Pictures of a reward over a track: the surface with its scale, and slices along and across the road."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from racer import geometry
from racer.plot import style
from racer.surface import Surface
from racer.track.record import Track

DIVERGING = "PuOr"
FAR = 0.5  # % of the places at either end that the color scale leaves out
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # so that cuts that are alike are all seen
ARROWS = 260  # at most, where headings are shown


def surface_map(
    found: Surface, track: Track, title: str, *, is_difference: bool = False, arrows: bool = False
) -> Figure:
    """A figure of the surface on the track with a color bar, and of the slices below it."""
    unit = "difference of rewards" if is_difference else "reward"
    with style.style():
        wide, high = np.ptp(np.vstack([track.inner, track.outer]), axis=0)
        tall = float(np.clip(7.6 * high / max(wide, 1e-9), 2.6, 8.0))
        figure = Figure(figsize=(9.6, tall + 3.0))
        parts: Any = figure.subfigures(2, 1, height_ratios=[tall + 0.4, 2.6])
        top, bottom = parts
        ax = top.subplots()
        style.map_axes(ax)
        image: Any = draw_surface(found, track, ax, is_difference=is_difference).collections[0]
        if arrows:
            draw_headings(found, ax)
        ax.set_title(title)
        top.colorbar(image, ax=ax, label=unit, shrink=0.85, extend=_extend(found, image.norm))
        along, across = bottom.subplots(1, 2, width_ratios=[1.7, 1.0], sharey=True)
        draw_along(found, along, unit)
        draw_across(found, across)
    return figure


def draw_surface(found: Surface, track: Track, ax: Axes, *, is_difference: bool = False) -> Axes:
    """`ax` with the prices (its first collection, a `QuadMesh`), the borders of the road and its start line; m."""
    norm = scale(found, is_difference)
    colors = DIVERGING if is_difference else style.SPEED
    image = ax.pcolormesh(found.x, found.y, found.price, norm=norm, cmap=colors, shading="nearest", zorder=1)
    image.set_rasterized(True)
    for line in (track.inner, track.outer):
        ax.plot(*line.T, color="white", linewidth=2.2, zorder=2)
        ax.plot(*line.T, color=style.INK, linewidth=1.0, zorder=3)
    ends = np.concatenate([geometry.nearest_point(line, track.center[:1]) for line in (track.inner, track.outer)])
    ax.plot(*ends.T, color=style.START, linewidth=2.4, zorder=4)
    ax.grid(False)
    return ax


def draw_headings(found: Surface, ax: Axes) -> Axes:
    """`ax` with arrows where the car looks for the prices shown, at some of the places on the road."""
    rows, columns = np.nonzero(found.on_road)
    step = max(1, int(np.ceil(np.sqrt(len(rows) / ARROWS))))
    some = (rows % step == 0) & (columns % step == 0)
    yaw = found.yaw[rows[some], columns[some]]
    ax.quiver(
        found.x[columns[some]], found.y[rows[some]], np.cos(yaw), np.sin(yaw),
        color="white", edgecolor=style.INK, linewidth=0.4, scale=46, width=0.0032, pivot="mid", zorder=5,
    )  # fmt: skip
    return ax


def draw_along(found: Surface, ax: Axes, unit: str) -> Axes:
    """`ax` with the prices along the center line, over the distance from the start line, m."""
    ax.plot(found.along.at, found.along.price, color=style.INK)
    ax.set_title("along the center line")
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel(unit)
    ax.set_xlim(0.0, found.along.at[-1])
    return ax


def draw_across(found: Surface, ax: Axes) -> Axes:
    """`ax` with the prices across the road at the chosen waypoints, over the offset from the center line, m."""
    for one, dashes in zip(found.across, cycle(DASHES)):
        ax.plot(-one.at, one.price, label=one.name, linestyle=dashes)
    ax.set_title("across the road")
    ax.set_xlabel("left  ·  offset from the center line (m)  ·  right")
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    if found.across:
        ax.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")
    return ax


def scale(found: Surface, is_difference: bool) -> Normalize:
    """The color scale: nearly all prices, and for a difference the same to both sides of 0."""
    known = found.price[np.isfinite(found.price)]
    low, high = np.percentile(known, [FAR, 100.0 - FAR]) if len(known) else (0.0, 1.0)
    if is_difference:
        reach = float(max(abs(low), abs(high))) or 1.0
        return TwoSlopeNorm(0.0, -reach, reach)
    return Normalize(float(low), float(high) if high > low else float(low) + 1.0)


def _extend(found: Surface, norm: Normalize) -> str:
    """At which ends of the color bar there are prices beyond it."""
    below = bool(np.nanmin(found.price) < (norm.vmin or 0.0))
    above = bool(np.nanmax(found.price) > (norm.vmax or 0.0))
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
