"""The interactive figures of a report: the track with the laps that race on it, and their speeds
over distance.

They are made empty: `page.js` fills the sources of the chosen laps from the steps that travel with
the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    GlyphRenderer,
    Range1d,
    ScaleBar,
    Span,
)
from bokeh.plotting import figure

from racer import geometry
from racer.plotting import PALETTE, border_points, corner_spans, start_line
from racer.report.figures import (
    LAP_LINE_COLORS,
    LAP_LINE_DASHES,
    add_hover,
    plain_figure,
    table_source,
)
from racer.report.looks import LOOKS, dress
from racer.track import Track, find_corners

STEP_FIELDS = (
    "X",
    "Y",
    "X1",
    "Y1",
    "speed",
    "throttle",
    "steer",
    "reward",
    "progress",
    "time",
    "waypoint",
    "action",
    "status",
    "step",
    "color",
    "lap",
)
"""Columns of the source of all steps on show; X1 and Y1 are where the next one starts."""

DISTANCE_FIELDS = ("place", "speed", "steer", "delta", "lap")
"""Columns of the source of one lap on show, over distance."""

CAR_FIELDS = (
    "X",
    "Y",
    "left",
    "right",
    "place",
    "speed",
    "delta",
    "color",
    "label",
    "words",
    "dx",
    "dy",
)
"""Columns of the source of the cars at the moment on show; `words` are what is written beside each
on the map, `dx` and `dy` how far from it, px.
"""

_EXIT_MARKS = {
    "off_track": "x",
    "crashed": "square_cross",
    "immobilized": "diamond_cross",
    "reversed": "inverted_triangle",
}
_STEP_TOOLTIPS = [
    ("lap", "@lap"),
    ("step", "@step, @time{0.00} s"),
    ("driven", "@speed{0.00} m/s"),
    ("commanded", "@throttle{0.00} m/s, @steer{0.0}°"),
    ("reward", "@reward{0.000}"),
    ("progress", "@progress{0.0} %"),
    ("waypoint", "@waypoint"),
    ("action", "@action"),
    ("status", "@status"),
]
_EXIT_TOOLTIPS = [
    ("ended", "@status"),
    ("episode", "@episode"),
    ("covered", "@completion{0.0} %"),
]
_AXIS_ROOM_PX = 78  # left of each plot of the telemetry, so that their distances stand in line
_DART_RAD = 0.42  # half of the angle at the point of a dart
_NAME_GAP_M = 0.25  # from the road to a corner's name


@dataclass(frozen=True, eq=False)
class LapView:
    """The map and the plots over distance, and the models that the page's script moves.

    `shape` is the height of the map by its width.
    """

    road: figure
    telemetry: dict[str, figure]
    shown: ColumnDataSource
    laps: tuple[ColumnDataSource, ...]
    cars: ColumnDataSource
    exits: GlyphRenderer
    shape: float


def build_lap_view(track: Track | None, area: np.ndarray, exits: pd.DataFrame) -> LapView:
    """Track and telemetry without a lap. `area` (N, 2) m is what the map has to show where there is
    no track; `exits` as of `exit_points`.
    """
    shown = _empty_source("shown", STEP_FIELDS)
    cars = _empty_source("cars", CAR_FIELDS)
    laps = tuple(_empty_source(f"line {k}", DISTANCE_FIELDS) for k in range(len(LAP_LINE_COLORS)))
    road = _map_figure(track, area)
    exit_marks = _draw_exits(road, exits)
    add_hover(road, _STEP_TOOLTIPS, [_draw_steps(road, shown)]).limit = 1
    add_hover(road, _EXIT_TOOLTIPS, [exit_marks])
    _draw_cars(road, cars)
    telemetry = _telemetry_figures(track, laps, cars)
    shape = (road.y_range.end - road.y_range.start) / (road.x_range.end - road.x_range.start)
    return LapView(road, telemetry, shown, laps, cars, exit_marks, shape)


def exit_points(trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Where laps ended that were not completed: X, Y (m), status, episode, completion (%) and the
    mark for it.
    """
    ended = table[~table["complete"]]
    rows = trace.iloc[ended["last_row"].to_numpy()]
    points = ended[["status", "episode", "completion"]].reset_index(drop=True)
    points.insert(0, "X", rows["X"].to_numpy())
    points.insert(1, "Y", rows["Y"].to_numpy())
    points["mark"] = [_EXIT_MARKS.get(str(status), "asterisk") for status in ended["status"]]
    return points


def _empty_source(name: str, columns: tuple[str, ...]) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _map_figure(track: Track | None, area: np.ndarray) -> figure:
    """The road, or nothing. The script widens one of the two ranges so that a meter is as long in
    both directions. A bar says how long that is: axes would take another width with each label, and
    the map would move.
    """
    points = area if track is None else border_points(track)
    if not len(points):
        points = np.zeros((1, 2))
    low = points.min(axis=0)
    high = points.max(axis=0)
    pad = 0.03 * float((high - low).max()) + _NAME_GAP_M + 0.1
    plot = plain_figure(
        "",
        "",
        sizing_mode="stretch_both",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        x_range=Range1d(float(low[0] - pad), float(high[0] + pad)),
        y_range=Range1d(float(low[1] - pad), float(high[1] + pad)),
    )
    plot.select_one(BoxZoomTool).match_aspect = True
    plot.toolbar_inner = True
    plot.min_border = 0
    for part in (*plot.axis, *plot.grid):
        part.visible = False
    plot.add_layout(_length_bar())
    plot.name = "road"
    if track is not None:
        _draw_road(plot, track)
        _name_corners(plot, track)
    return plot


def _length_bar() -> ScaleBar:
    """A bar that says how long a meter is on the map."""
    bar = ScaleBar(
        unit="m",
        location="bottom_right",
        bar_length=0.16,
        bar_length_units="percent",
        margin=6,
        padding=4,
        border_line_color=None,
        label_text_font_size="11px",
    )
    dress(bar, bar_line_color="faint", label_text_color="ink", background_fill_color="field")
    return bar


def _draw_road(plot: figure, track: Track) -> None:
    """The road, its borders, its start line and an arrow of three marks in driving direction."""
    outer_x, outer_y = track.outer.T
    inner_x, inner_y = track.inner.T
    if track.is_loop:
        road = plot.multi_polygons(
            xs=[[[outer_x, inner_x]]], ys=[[[outer_y, inner_y]]], line_color=None
        )
    else:
        road = plot.patch(
            np.append(outer_x, inner_x[::-1]), np.append(outer_y, inner_y[::-1]), line_color=None
        )
    dress(road.glyph, fill_color="road")
    for border in (track.outer, track.inner):
        dress(plot.line(*border.T, line_width=1.2).glyph, line_color="border")
    dress(plot.line(*start_line(track).T, line_width=3.5).glyph, line_color="start")
    distances = 0.05 * track.length + np.array([0.0, 0.2, 0.4])
    spots = geometry.point_at(track.center, distances)
    dx, dy = (geometry.point_at(track.center, distances + 0.02) - spots).T
    back = np.arctan2(dy, dx) + np.pi
    darts = plot.wedge(
        *spots.T,
        radius=10,
        radius_units="screen",
        line_color=None,
        start_angle=back - _DART_RAD,
        end_angle=back + _DART_RAD,
    )
    dress(darts.glyph, fill_color="ink")


def _name_corners(plot: figure, track: Track) -> None:
    """T1, T2, ... outside of each corner."""
    corners = find_corners(track)
    apexes = np.array([corner.apex for corner in corners])
    side = np.sign([corner.angle for corner in corners])[:, None]  # 1 where it turns left
    middles = geometry.point_at(track.center, apexes)
    dx, dy = (geometry.point_at(track.center, apexes + 0.02) - middles).T
    outward = side * np.column_stack([dy, -dx])
    outward /= np.hypot(*outward.T)[:, None]
    half_width = 0.5 * np.interp(apexes, track.s, track.width)[:, None]
    names = plot.text(
        *(middles + outward * (half_width + _NAME_GAP_M)).T,
        [corner.name for corner in corners],
        text_align="center",
        text_baseline="middle",
        text_font_size="13px",
    )
    dress(names.glyph, text_color="ink")


def _shade_corners(plot: figure, track: Track, *, named: bool) -> None:
    """Gray where a corner is, with its name at the foot if `named`; one that spans the start line
    has two bands.
    """
    corners = find_corners(track)
    left = []
    right = []
    for corner in corners:
        for start, end in corner_spans(corner, track):
            left.append(start)
            right.append(end)
    bands = plot.vstrip(left, right, fill_alpha=0.5, line_color=None, level="underlay")
    dress(bands.glyph, fill_color="road")
    if named:
        names = plot.text(
            [corner.apex for corner in corners],
            0.0,
            [corner.name for corner in corners],
            text_align="center",
            text_font_size="12px",
            y_offset=-2,
        )
        dress(names.glyph, text_color="ink")


def _draw_steps(plot: figure, shown: ColumnDataSource) -> GlyphRenderer:
    """The laps as colored lines, with dots on its steps that the pointer can find."""
    plot.segment(
        "X", "Y", "X1", "Y1", source=shown, line_color="color", line_width=3, line_cap="round"
    )
    dots = plot.scatter(
        "X",
        "Y",
        source=shown,
        size=6,
        color="color",
        line_color=None,
        hover_fill_color=LOOKS["light"]["start"],
    )
    dress(dots.hover_glyph, fill_color="start")
    return dots


def _draw_exits(plot: figure, exits: pd.DataFrame) -> GlyphRenderer:
    """The marks where laps ended early, hidden at first."""
    marks = plot.scatter(
        "X",
        "Y",
        marker="mark",
        source=table_source(exits),
        size=9,
        line_color=PALETTE[5],
        fill_color=None,
        line_width=1.5,
    )
    marks.visible = False
    marks.name = "exits"
    return marks


def _draw_cars(plot: figure, cars: ColumnDataSource) -> None:
    """The cars at the moment that the slider shows: darts whose point is the car's front, each with
    its number, its lap, its speed and its gap.
    """
    plot.wedge(
        "X",
        "Y",
        start_angle="left",
        end_angle="right",
        radius=24,
        radius_units="screen",
        source=cars,
        fill_color="color",
        line_color="white",
        line_width=1.5,
    )
    _write_beside(plot, cars, ("X", "Y"), text="words", x_offset="dx", y_offset="dy")


def _number_cars(plot: figure, cars: ColumnDataSource, y: str) -> None:
    _write_beside(plot, cars, ("place", y), text="label", x_offset=9, y_offset=-7)


def _write_beside(
    plot: figure, cars: ColumnDataSource, place: tuple[str, str], **options: Any
) -> None:
    """Text beside each car; `place` names its columns of x and y, `options` go to `figure.text`."""
    texts = plot.text(
        *place,
        source=cars,
        text_font_size="12px",
        text_font_style="bold",
        background_fill_alpha=0.8,
        padding=2,
        border_radius=3,
        **options,
    )
    dress(texts.glyph, text_color="start", background_fill_color="field")


def _telemetry_figures(
    track: Track | None, laps: tuple[ColumnDataSource, ...], cars: ColumnDataSource
) -> dict[str, figure]:
    """Speed, steering and gap over distance, one above the other, moved together."""
    origin = "where the lap began" if track is None else "the start line"
    options: dict[str, Any] = {
        "tools": "xpan,xwheel_zoom,xbox_zoom,reset",
        "sizing_mode": "stretch_both",
    }
    speed = plain_figure("", "driven speed (m/s)", **options)
    steer = plain_figure("", "steering (°)", **options, x_range=speed.x_range)
    label = f"distance from {origin} (m)"
    delta = plain_figure(label, "behind lap 1 (s)", **options, x_range=speed.x_range)
    _draw_lap_lines(speed, "speed", "{0.00} m/s", laps)
    _draw_lap_lines(steer, "steer", "{0.0}°", laps)
    _draw_lap_lines(delta, "delta", "{+0.00} s", laps)
    speed.y_range.start = 0
    speed.y_range.range_padding = 0.3
    if track is not None:
        for plot in (speed, steer, delta):
            _shade_corners(plot, track, named=plot is speed)
    for plot in (steer, delta):
        zero = Span(location=0.0, dimension="width", line_width=1)
        dress(zero, line_color="faint")
        plot.add_layout(zero)
    for plot, name in ((speed, "speed"), (delta, "delta")):
        plot.scatter("place", name, source=cars, size=9, fill_color="color", line_color="white")
        _number_cars(plot, cars, name)
    for plot in (speed, steer, delta):
        plot.min_border_left = _AXIS_ROOM_PX
        plot.min_border_top = 4
        plot.toolbar_inner = True
        plot.xaxis.visible = plot is delta
    return {"speed": speed, "steering": steer, "gap": delta}


def _draw_lap_lines(
    plot: figure, name: str, number_format: str, laps: tuple[ColumnDataSource, ...]
) -> None:
    """A line for each lap on show, with its numbers beside the pointer."""
    lines = []
    for lap, color, dash in zip(laps, LAP_LINE_COLORS, LAP_LINE_DASHES, strict=True):
        lines.append(
            plot.line("place", name, source=lap, color=color, line_width=2, line_dash=dash)
        )
    tooltips = [("lap", "@lap"), ("at", "@place{0.0} m"), (name, f"@{name}{number_format}")]
    add_hover(plot, tooltips, lines, "vline")
