"""The interactive figures of a report: the track with the laps that race on it, and their speeds
over distance.

They are made empty: `page.js` fills the sources of the chosen laps from the steps that travel with
the page.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from bokeh.layouts import gridplot
from bokeh.models import (
    BoxZoomTool,
    ColorBar,
    ColumnDataSource,
    GlyphRenderer,
    LayoutDOM,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from racer import geometry
from racer.plotting import style
from racer.report.figures import (
    LAP_LINE_COLORS,
    LAP_LINE_DASHES,
    add_hover,
    plain_figure,
    table_source,
)
from racer.track.corners import find_corners
from racer.track.track import Track

STEP_FIELDS = (
    "X", "Y", "X1", "Y1", "speed", "throttle", "steer", "reward", "progress", "time", "waypoint", "action", "status",
    "step", "color", "lap",
)  # fmt: skip
"""Columns of the source of all steps on show; X1 and Y1 are where the next one starts."""

DISTANCE_FIELDS = ("place", "speed", "steer", "delta", "lap")
"""Columns of the source of one lap on show, over distance."""

CAR_FIELDS = ("X", "Y", "left", "right", "place", "speed", "delta", "color", "label")
_MARKS = {
    "off_track": "x", "crashed": "square_cross", "immobilized": "diamond_cross", "reversed": "inverted_triangle",
}  # fmt: skip
_TIPS = [
    ("lap", "@lap"), ("step", "@step, @time{0.00} s"), ("driven", "@speed{0.00} m/s"),
    ("commanded", "@throttle{0.00} m/s, @steer{0.0}°"), ("reward", "@reward{0.000}"), ("progress", "@progress{0.0} %"),
    ("waypoint", "@waypoint"), ("action", "@action"), ("status", "@status"),
]  # fmt: skip
_HEIGHT = (300, 620)  # of the map, pixels, for wide and for high tracks
_WIDTH = 800
_DART = 0.42  # rad, half of the angle at the point of a dart
_BESIDE = 0.25  # m from the road to a corner's name


@dataclass(frozen=True, eq=False)
class LapView:
    """The two figures, and the models that the page's script moves."""

    road: figure
    telemetry: LayoutDOM
    shown: ColumnDataSource
    laps: tuple[ColumnDataSource, ...]
    cars: ColumnDataSource
    mapper: LinearColorMapper
    bar: ColorBar
    exits: GlyphRenderer


def build_lap_view(track: Track | None, area: np.ndarray, exits: pd.DataFrame) -> LapView:
    """Track and telemetry without a lap. `area` (N, 2) m is what the map has to show where there is
    no track.
    """
    shown, cars = _empty("shown", STEP_FIELDS), _empty("cars", CAR_FIELDS)
    laps = tuple(_empty(f"line {k}", DISTANCE_FIELDS) for k in range(len(LAP_LINE_COLORS)))
    mapper = LinearColorMapper(palette=Viridis256, low=0.0, high=1.0)
    bar = ColorBar(
        color_mapper=mapper, width=12, padding=4, title="m/s", title_text_font_style="normal"
    )
    road = _map(track, area)
    left = _exits(road, exits)
    add_hover(road, _TIPS, [_way(road, shown)]).limit = 1
    add_hover(
        road,
        [("ended", "@status"), ("episode", "@episode"), ("covered", "@completion{0.0} %")],
        [left],
    )
    _drive(road, cars)
    road.add_layout(bar, "right")
    return LapView(road, _telemetry(track, laps, cars), shown, laps, cars, mapper, bar, left)


def exit_points(trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Where laps ended that were not completed: X, Y (m), status, episode, completion (%) and the
    mark for it.
    """
    ended = table[~table["complete"]]
    rows = trace.iloc[ended["last_row"].to_numpy()]
    return pd.DataFrame({
        "X": rows["X"].to_numpy(), "Y": rows["Y"].to_numpy(), "status": ended["status"].to_numpy(),
        "episode": ended["episode"].to_numpy(), "completion": ended["completion"].to_numpy(),
        "mark": [_MARKS.get(str(word), "asterisk") for word in ended["status"]],
    })  # fmt: skip


def _empty(name: str, names: tuple[str, ...]) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in names}, name=name)


def _map(track: Track | None, area: np.ndarray) -> figure:
    """The road, or nothing. The script widens one of the two ranges so that a meter is as long in
    both directions.
    """
    corners = np.vstack([track.inner, track.outer]) if track is not None else area
    corners = corners if len(corners) else np.zeros((1, 2))
    low, high = corners.min(axis=0), corners.max(axis=0)
    pad = 0.03 * float((high - low).max()) + _BESIDE + 0.1
    wide, tall = high - low + 2.0 * pad
    ranges = {
        f"{axis}_range": Range1d(float(a - pad), float(b + pad))
        for axis, a, b in zip("xy", low, high, strict=True)
    }
    tools = "pan,wheel_zoom,box_zoom,reset,save"
    height = int(np.clip(_WIDTH * tall / wide, *_HEIGHT))
    plot = plain_figure(
        "x (m)", "y (m)", height=height, tools=tools, active_scroll="wheel_zoom", **ranges
    )
    plot.select_one(BoxZoomTool).match_aspect = True
    plot.grid.visible, plot.name = False, "road"
    if track is not None:
        _road(plot, track)
        _corner_names(plot, track)
    return plot


def _road(plot: figure, track: Track) -> None:
    """The road, its borders, its start line and an arrow of three marks in driving direction."""
    (ox, oy), (ix, iy) = track.outer.T, track.inner.T
    if track.is_loop:
        plot.multi_polygons(
            xs=[[[ox, ix]]], ys=[[[oy, iy]]], fill_color=style.ROAD_COLOR, line_color=None
        )
    else:
        plot.patch(
            np.append(ox, ix[::-1]),
            np.append(oy, iy[::-1]),
            fill_color=style.ROAD_COLOR,
            line_color=None,
        )
    for x, y in ((ox, oy), (ix, iy)):
        plot.line(x, y, color=style.BORDER_COLOR, line_width=1.2)
    start = np.vstack(
        [geometry.nearest_point(line, track.center[:1]) for line in (track.inner, track.outer)]
    )
    plot.line(*start.T, color=style.START_COLOR, line_width=3.5)
    at = 0.05 * track.length + np.array([0.0, 0.2, 0.4])
    spots, ahead = (geometry.point_at(track.center, at + shift) for shift in (0.0, 0.02))
    heading = np.arctan2(*(ahead - spots).T[::-1])
    ends = {"start_angle": heading + np.pi - _DART, "end_angle": heading + np.pi + _DART}
    plot.wedge(
        *spots.T, radius=10, radius_units="screen", fill_color=style.INK, line_color=None, **ends
    )


def _corner_names(plot: figure, track: Track) -> None:
    """T1, T2, ... outside of each corner."""
    found = find_corners(track)
    apex = np.array([corner.apex for corner in found])
    middle = geometry.point_at(track.center, apex)
    ahead = geometry.point_at(track.center, apex + 0.02) - middle
    aside = np.sign([corner.angle for corner in found])[:, None] * np.column_stack(
        [ahead[:, 1], -ahead[:, 0]]
    )
    width = np.interp(apex, track.s, track.width)
    spots = middle + aside / np.hypot(*aside.T)[:, None] * (0.5 * width[:, None] + _BESIDE)
    names = [corner.name for corner in found]
    plot.text(
        *spots.T, names, text_align="center", text_baseline="middle", text_font_size="13px", text_color=style.INK,
        background_fill_color="white", background_fill_alpha=0.7,
    )  # fmt: skip


def _corner_bands(plot: figure, track: Track, *, named: bool) -> None:
    """Gray where a corner is, with its name at the foot if `named`; one that spans the start line
    has two bands.
    """
    found = find_corners(track)
    over = [corner for corner in found if corner.end < corner.start]
    left = [corner.start for corner in found] + [0.0 for _ in over]
    right = [track.length if corner in over else corner.end for corner in found] + [
        corner.end for corner in over
    ]
    plot.vstrip(
        left, right, fill_color=style.ROAD_COLOR, fill_alpha=0.5, line_color=None, level="underlay"
    )
    if named:
        apex, names = [corner.apex for corner in found], [corner.name for corner in found]
        plot.text(
            apex,
            0.0,
            names,
            text_align="center",
            text_font_size="12px",
            text_color=style.INK,
            y_offset=-2,
        )


def _way(plot: figure, shown: ColumnDataSource) -> GlyphRenderer:
    """The laps as colored lines, with dots on its steps that the pointer can find."""
    plot.segment(
        "X", "Y", "X1", "Y1", source=shown, line_color="color", line_width=3, line_cap="round"
    )
    return plot.scatter(
        "X",
        "Y",
        source=shown,
        size=6,
        color="color",
        line_color=None,
        hover_fill_color=style.START_COLOR,
    )


def _exits(plot: figure, exits: pd.DataFrame) -> GlyphRenderer:
    marks = plot.scatter(
        "X",
        "Y",
        marker="mark",
        source=table_source(exits),
        size=9,
        line_color=style.PALETTE[5],
        fill_color=None,
        line_width=1.5,
    )
    marks.visible, marks.name = False, "exits"
    return marks


def _drive(plot: figure, cars: ColumnDataSource) -> None:
    """The cars at the moment that the slider shows: darts whose point is the car's front, each with
    its number.
    """
    plot.wedge(
        "X", "Y", start_angle="left", end_angle="right", radius=24, radius_units="screen", source=cars,
        fill_color="color", line_color="white", line_width=1.5,
    )  # fmt: skip
    _numbers(plot, cars, "X", "Y")


def _numbers(plot: figure, cars: ColumnDataSource, x: str, y: str) -> None:
    plot.text(
        x, y, "label", source=cars, text_font_size="12px", text_font_style="bold", text_color=style.START_COLOR,
        x_offset=9, y_offset=-7, background_fill_color="white", background_fill_alpha=0.8, padding=2, border_radius=3,
    )  # fmt: skip


def _telemetry(
    track: Track | None, laps: tuple[ColumnDataSource, ...], cars: ColumnDataSource
) -> LayoutDOM:
    where = (
        "distance from the start line (m)"
        if track is not None
        else "distance from where the lap began (m)"
    )
    tools = "xpan,xwheel_zoom,xbox_zoom,reset"
    speed = plain_figure("", "driven speed (m/s)", height=230, tools=tools)
    steer = plain_figure("", "steering (°)", height=170, tools=tools, x_range=speed.x_range)
    delta = plain_figure(where, "behind lap 1 (s)", height=170, tools=tools, x_range=speed.x_range)
    for plot, name, unit in (
        (speed, "speed", "{0.00} m/s"),
        (steer, "steer", "{0.0}°"),
        (delta, "delta", "{+0.00} s"),
    ):
        lines = [
            plot.line("place", name, source=lap, color=color, line_width=2, line_dash=dash)
            for lap, color, dash in zip(laps, LAP_LINE_COLORS, LAP_LINE_DASHES, strict=True)
        ]
        add_hover(
            plot,
            [("lap", "@lap"), ("at", "@place{0.0} m"), (name, f"@{name}{unit}")],
            lines,
            "vline",
        )
    speed.y_range.start, speed.y_range.range_padding = 0, 0.3
    if track is not None:
        for plot in (speed, steer, delta):
            _corner_bands(plot, track, named=plot is speed)
    for plot in (steer, delta):
        plot.add_layout(Span(location=0.0, dimension="width", line_color=style.FAINT, line_width=1))
    for plot, name in ((speed, "speed"), (delta, "delta")):
        plot.scatter("place", name, source=cars, size=9, fill_color="color", line_color="white")
        _numbers(plot, cars, "place", name)
    return gridplot(
        [[speed], [steer], [delta]],
        merge_tools=True,
        toolbar_location="above",
        sizing_mode="stretch_width",
        toolbar_options={"logo": None},
    )
