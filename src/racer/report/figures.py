"""The figures of a report that show a whole log: how training went, the times of laps, the use of
actions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    DataRange1d,
    GlyphRenderer,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from racer.analysis import action_label, lap_iterations, laps_by_iteration
from racer.plotting import PALETTE, row_numbers
from racer.report.looks import dress
from racer.report.subject import ReportSubject

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
LAP_LINE_COLORS = PALETTE[:6]
LAP_LINE_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot", "dashed")
"""Of laps that are shown together, which can be told apart without color too."""

_BLUE = PALETTE[0]
_ORANGE = PALETTE[5]
_GREEN = PALETTE[2]
_MAX_TOOLTIPS = 6  # boxes beside the pointer
_MAX_BARS = 60  # laps from which bars become dots
_MAX_LABELED_BARS = 24
_LEAST_BARS = 5  # laps for which there is room at least: a single bar is no wall
_MIN_BAR_ROOM_S = 0.5
_MAX_ACTIONS = 40  # bars
_COMMAND_BINS = (30, 20)  # of steering and speed, for continuous actions
_MARK_SIZE = 6


def plain_figure(
    x_label: str,
    y_label: str,
    *,
    height: int = 240,
    tools: str = "xpan,xbox_zoom,reset,save",
    sizing_mode: str = "stretch_width",
    **options: Any,
) -> figure:
    """A figure as wide as its place on the page, with labeled axes and few, quiet tools. `height`
    is in pixels; `options` go to `bokeh.plotting.figure`.
    """
    plot = figure(
        height=height, sizing_mode=sizing_mode, tools=tools, toolbar_location="right", **options
    )
    plot.xaxis.axis_label = x_label
    plot.yaxis.axis_label = y_label
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.min_border_right = 12
    plot.outline_line_color = None
    dress(plot, background_fill_color="field", border_fill_color="field")
    for axis in plot.axis:
        dress(axis, axis_line_color="faint", major_tick_line_color="faint")
        dress(axis, major_label_text_color="ink", axis_label_text_color="ink")
        axis.minor_tick_line_color = None
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
    for grid in plot.grid:
        dress(grid, grid_line_color="grid")
    return plot


def table_source(table: pd.DataFrame) -> ColumnDataSource:
    """The columns of a table for glyphs to read."""
    return ColumnDataSource({str(name): table[name].to_numpy() for name in table.columns})


def add_hover(
    plot: figure, tooltips: list[tuple[str, str]], renderers: list[Any], mode: str = "mouse"
) -> HoverTool:
    """The tool that shows numbers beside the pointer, added to `plot`."""
    tool = HoverTool(
        tooltips=tooltips,
        renderers=renderers,
        mode=mode,
        point_policy="snap_to_data",
        limit=_MAX_TOOLTIPS,
    )
    plot.add_tools(tool)
    return tool


def move_legend_above(plot: figure) -> None:
    """Moves the legend of `plot`, which must have one, out of the way of its lines."""
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    legend.orientation = "horizontal"
    legend.border_line_color = None
    dress(legend, label_text_color="ink", background_fill_color="field")
    legend.label_text_font = FONT
    legend.label_text_font_size = "12px"
    legend.padding = 2
    legend.margin = 2


def training_plots(laps: pd.DataFrame) -> LayoutDOM:
    """Completion, reward and lap times by iteration, one above the other, moved and zoomed
    together.
    """
    iterations = laps_by_iteration(laps)
    completed = 100.0 * iterations["complete"] / iterations["episodes"]
    rows = table_source(iterations.assign(completed=completed))
    top = _completion_plot(rows)
    middle = _reward_plot(rows, top)
    bottom = _time_plot(laps, top)
    for plot in (top, middle, bottom):
        _tick_whole_numbers(plot)
    return column(top, middle, bottom, sizing_mode="stretch_width")


def lap_time_plot(laps: pd.DataFrame) -> LayoutDOM:
    """How far each lap of a race is behind the best one: bars, or for many laps their times as
    dots; those not completed are crosses.
    """
    rows = _race_rows(laps)
    if len(rows) <= _MAX_BARS:
        plot = plain_figure("lap", "behind the best lap (s)", height=260)
        marks = _draw_bars(plot, rows)
        plot.y_range.start = -0.08 * _bar_room(rows)
        plot.y_range.end = 1.2 * _bar_room(rows)
    else:
        plot = plain_figure("lap", "lap time (s)", height=260)
        marks = _draw_dots(plot, rows)
    tooltips = [
        ("lap", "@number"),
        ("time", "@time{0.00} s"),
        ("covered", "@completion{0.0} %"),
        ("status", "@status"),
    ]
    add_hover(plot, tooltips, marks)
    move_legend_above(plot)
    for grid in plot.xgrid:
        grid.visible = False
    _tick_whole_numbers(plot)
    return plot


def action_plot(subject: ReportSubject) -> LayoutDOM:
    """How often each action was chosen; of continuous actions, which steering and speed, as a map."""
    usage = subject.action_usage
    if len(usage):
        most_used = usage.nlargest(_MAX_ACTIONS, "count", keep="first")
        return _discrete_plot(most_used.sort_values("action"))
    rows = subject.log.trace.iloc[row_numbers(subject.track_laps)]
    return _continuous_plot(rows.dropna(subset=["steer", "throttle"]))


def learning_plots(ppo: pd.DataFrame) -> LayoutDOM:
    """Entropy and KL divergence of the policy over its training epochs."""
    rows = table_source(ppo.assign(number=np.arange(1, len(ppo) + 1)))
    top = plain_figure("", "entropy", height=180)
    bottom = plain_figure(
        "epoch of policy training", "KL divergence", height=190, x_range=top.x_range
    )
    for plot, name, color in ((top, "entropy", _BLUE), (bottom, "kl", _ORANGE)):
        line = plot.line("number", name, source=rows, color=color, line_width=1.5)
        tooltips = [
            ("epoch", "@number"),
            ("iteration", "@iteration"),
            (name, f"@{name}{{0.0000}}"),
        ]
        add_hover(plot, tooltips, [line], "vline")
    return column(top, bottom, sizing_mode="stretch_width")


def share_ranges(figures_of_jobs: list[LayoutDOM]) -> None:
    """Give figures of several jobs that show the same the same axes, so that they can be compared
    by eye. They must be drawn in one document.
    """
    first, *others = [_plots_in(root) for root in figures_of_jobs]
    for plots in others:
        for plot, like in zip(plots, first, strict=True):
            if isinstance(plot.x_range, DataRange1d) and isinstance(like.x_range, DataRange1d):
                plot.x_range = like.x_range
            if isinstance(plot.y_range, DataRange1d) and isinstance(like.y_range, DataRange1d):
                _share_height(plot, like)


def _share_height(plot: figure, like: figure) -> None:
    """One vertical range for two plots: it reaches as far as either was told to."""
    ends = [plot.y_range.end, like.y_range.end]
    starts = [plot.y_range.start, like.y_range.start]
    if all(end is not None and np.isfinite(end) for end in ends):
        like.y_range.start = min(starts)
        like.y_range.end = max(ends)
    plot.y_range = like.y_range


def _plots_in(root: LayoutDOM) -> list[figure]:
    """The plots of a figure, from top to bottom."""
    children = getattr(root, "children", [root])
    return [child for child in children if isinstance(child, figure)]


def _tick_whole_numbers(plot: figure) -> None:
    plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)


def _completion_plot(rows: ColumnDataSource) -> figure:
    plot = plain_figure("", "completion (%)", height=210, y_range=(-3, 103))
    covered = {"color": _BLUE, "legend_label": "covered, mean"}
    mean = plot.line("iteration", "completion", source=rows, line_width=2, **covered)
    plot.scatter("iteration", "completion", source=rows, size=_MARK_SIZE, **covered)
    completed = {"color": _ORANGE, "legend_label": "laps completed"}
    plot.line("iteration", "completed", source=rows, line_width=2, line_dash="dashed", **completed)
    plot.scatter(
        "iteration", "completed", source=rows, marker="square", size=_MARK_SIZE, **completed
    )
    tooltips = [
        ("iteration", "@iteration"),
        ("episodes", "@episodes"),
        ("covered, mean", "@completion{0.0} %"),
        ("completed", "@complete"),
    ]
    add_hover(plot, tooltips, [mean], "vline")
    move_legend_above(plot)
    return plot


def _reward_plot(rows: ColumnDataSource, above: figure) -> figure:
    plot = plain_figure("", "reward of an episode", height=180, x_range=above.x_range)
    line = plot.line("iteration", "reward", source=rows, color=_GREEN, line_width=2)
    plot.scatter(
        "iteration", "reward", source=rows, color=_GREEN, marker="diamond", size=_MARK_SIZE + 2
    )
    tooltips = [("iteration", "@iteration"), ("reward, mean", "@reward{0.00}")]
    add_hover(plot, tooltips, [line], "vline")
    return plot


def _time_plot(laps: pd.DataFrame, above: figure) -> figure:
    plot = plain_figure("iteration", "lap time (s)", height=230, x_range=above.x_range)
    complete = laps[laps["complete"]]
    complete = complete.assign(iteration=lap_iterations(complete))
    if not len(complete):
        plot.y_range = Range1d(0, 1)
        note = plot.text([0.0], [0.5], ["  no complete lap"], text_baseline="middle")
        dress(note.glyph, text_color="ink")
        return plot
    dots = plot.scatter(
        "iteration",
        "time",
        source=table_source(complete[["iteration", "time", "episode", "speed"]]),
        color=_BLUE,
        alpha=0.5,
        size=_MARK_SIZE,
        legend_label="complete lap",
    )
    best = complete.groupby("iteration")["time"].min().cummin()
    plot.step(
        best.index.to_numpy(),
        best.to_numpy(),
        mode="after",
        color=_ORANGE,
        line_width=2,
        legend_label="best so far",
    )
    tooltips = [("episode", "@episode"), ("time", "@time{0.00} s"), ("driven", "@speed{0.00} m/s")]
    add_hover(plot, tooltips, [dots])
    move_legend_above(plot)
    return plot


def _race_rows(laps: pd.DataFrame) -> pd.DataFrame:
    """The laps of a race with what is drawn of each: number, s behind the best one, and what is
    written above it and in the legend.
    """
    is_complete = laps["complete"]
    times = [f"{time:.2f}" for time in laps["time"]]
    completions = [f"{completion:.0f} %" for completion in laps["completion"]]
    best = laps.loc[is_complete, "time"].min()
    rows = laps[["time", "completion", "status", "speed"]]
    is_best = is_complete & (laps["time"] == best)
    return rows.assign(
        number=np.arange(1, len(laps) + 1),
        behind=np.where(is_complete, laps["time"] - best, 0.0),
        label=np.where(is_complete, times, completions),
        kind=np.select([is_best, is_complete], ["best lap", "complete"], "not completed"),
    )


def _bar_room(rows: pd.DataFrame) -> float:
    """Height of the bars, s: small differences look small."""
    return max(float(rows["behind"].max()), _MIN_BAR_ROOM_S)


def _draw_bars(plot: figure, rows: pd.DataFrame) -> list[object]:
    """Bars of what laps are behind the best one, which is a diamond at their foot."""
    marks: list[object] = []
    for kind, group in rows.groupby("kind", sort=True):
        source = table_source(group)
        if kind == "complete":
            marks.append(
                plot.vbar(
                    x="number",
                    top="behind",
                    width=0.7,
                    source=source,
                    fill_color=_BLUE,
                    line_color=None,
                    legend_label=str(kind),
                )
            )
        else:
            marks.append(_draw_marks(plot, source, "behind", str(kind)))
        if len(rows) <= _MAX_LABELED_BARS:
            text = plot.text(
                "number",
                "behind",
                "label",
                source=source,
                text_align="center",
                text_font_size="12px",
                y_offset=-4 if kind == "complete" else -8,
            )
            dress(text.glyph, text_color="ink")
    if len(rows) < _LEAST_BARS:
        plot.x_range = Range1d(0.4, _LEAST_BARS + 0.6)
    return marks


def _draw_marks(plot: figure, source: ColumnDataSource, height: str, kind: str) -> GlyphRenderer:
    """A mark of its own for the best lap, and for laps that were not completed."""
    looks: dict[str, dict[str, Any]] = {
        "best lap": {"marker": "diamond", "size": 14},
        "complete": {"marker": "circle", "size": _MARK_SIZE, "color": _BLUE},
        "not completed": {"marker": "x", "size": 9, "color": _ORANGE, "line_width": 2},
    }
    marks = plot.scatter("number", height, source=source, legend_label=kind, **looks[kind])
    if kind == "best lap":
        dress(marks.glyph, fill_color="best", line_color="best")
    return marks


def _draw_dots(plot: figure, rows: pd.DataFrame) -> list[object]:
    """Times of laps as dots; laps that were not completed have none, and stand at the foot."""
    is_complete = rows["kind"] != "not completed"
    times = rows.loc[is_complete, "time"]
    foot = 0.0
    if len(times):
        foot = float(times.min() - 0.1 * max(times.max() - times.min(), 0.1 * times.min()))
    rows = rows.assign(height=rows["time"].where(is_complete, foot))
    return [
        _draw_marks(plot, table_source(group), "height", str(kind))
        for kind, group in rows.groupby("kind", sort=True)
    ]


def _discrete_plot(usage: pd.DataFrame) -> LayoutDOM:
    commands = zip(usage["action"], usage["steer"], usage["throttle"], strict=True)
    labels = [action_label(*command) for command in commands]
    rows = usage.assign(
        label=labels,
        percent=100.0 * usage["share"],
        words=[_format_fraction(fraction) for fraction in usage["share"]],
    )
    plot = plain_figure(
        "share of steps (%)", "", height=60 + 22 * len(rows), y_range=labels[::-1], tools="save"
    )
    source = table_source(rows)
    bars = plot.hbar(y="label", right="percent", height=0.7, source=source, color=_BLUE)
    fractions = plot.text(
        "percent",
        "label",
        "words",
        source=source,
        text_baseline="middle",
        x_offset=4,
        text_font_size="12px",
    )
    dress(fractions.glyph, text_color="ink")
    plot.x_range.start = 0
    plot.x_range.end = 112.0 * float(usage["share"].max()) or 1.0
    tooltips = [("action", "@label"), ("steps", "@count{0,0}"), ("share", "@percent{0.0} %")]
    add_hover(plot, tooltips, [bars])
    plot.ygrid.grid_line_color = None
    return plot


def _continuous_plot(steps: pd.DataFrame) -> LayoutDOM:
    cells = _command_cells(steps)
    highest = float(cells["percent"].to_numpy().max(initial=0.01))
    mapper = LinearColorMapper(palette=Viridis256[::-1], low=0.0, high=highest)
    plot = plain_figure(
        "steering (°, positive to the left)", "speed (m/s)", height=330, tools="save"
    )
    quads = plot.quad(
        "left",
        "right",
        "bottom",
        "top",
        source=table_source(cells),
        fill_color={"field": "percent", "transform": mapper},
        line_color=None,
    )
    bar = ColorBar(color_mapper=mapper, title="% of steps", width=12, padding=6)
    dress(bar, title_text_color="ink", major_label_text_color="ink", background_fill_color="field")
    plot.add_layout(bar, "right")
    tooltips = [
        ("steering", "@left{0.0} to @right{0.0}"),
        ("speed", "@bottom{0.00} to @top{0.00}"),
        ("share", "@percent{0.00} %"),
    ]
    add_hover(plot, tooltips, [quads])
    return plot


def _command_cells(steps: pd.DataFrame) -> pd.DataFrame:
    """The cells of steering and speed that were commanded: left, right, bottom, top and percent of
    the steps.
    """
    counts, steer, speed = np.histogram2d(steps["steer"], steps["throttle"], bins=_COMMAND_BINS)
    left, bottom = np.meshgrid(steer[:-1], speed[:-1], indexing="ij")
    right, top = np.meshgrid(steer[1:], speed[1:], indexing="ij")
    cells = pd.DataFrame(
        {
            "left": left.ravel(),
            "right": right.ravel(),
            "bottom": bottom.ravel(),
            "top": top.ravel(),
            "percent": 100.0 * counts.ravel() / max(counts.sum(), 1.0),
        }
    )
    commanded: pd.DataFrame = cells[counts.ravel() > 0]
    return commanded


def _format_fraction(fraction: float) -> str:
    if fraction == 0:
        return "never"
    if fraction < 0.001:
        return "< 0.1 %"
    return f"{100.0 * fraction:.1f} %"
