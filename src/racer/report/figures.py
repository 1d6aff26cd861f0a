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
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from racer.analysis import action_label, lap_iterations, laps_by_iteration
from racer.plotting import FAINT, INK, PALETTE, row_numbers
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
_MAX_ACTIONS = 40  # bars
_COMMAND_BINS = (30, 20)  # of steering and speed, for continuous actions
_MARK_SIZE = 6


def plain_figure(
    x_label: str,
    y_label: str,
    *,
    height: int = 240,
    tools: str = "xpan,xbox_zoom,reset,save",
    **options: Any,
) -> figure:
    """A figure as wide as the page, with labeled axes and few, quiet tools. `height` is in pixels;
    `options` go to `bokeh.plotting.figure`.
    """
    plot = figure(
        height=height, sizing_mode="stretch_width", tools=tools, toolbar_location="right", **options
    )
    plot.xaxis.axis_label = x_label
    plot.yaxis.axis_label = y_label
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.min_border_right = 12
    plot.outline_line_color = None
    for axis in plot.axis:
        axis.axis_line_color = FAINT
        axis.major_tick_line_color = FAINT
        axis.minor_tick_line_color = None
        axis.major_label_text_color = INK
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_color = INK
        axis.axis_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
    plot.grid.grid_line_color = "#ececec"
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
    """The time of each lap of a race: bars, or dots for many; those not completed are hatched or
    crosses.
    """
    rows = _race_rows(laps)
    plot = plain_figure("lap", "time (s)", height=260)
    marks = _draw_bars(plot, rows) if len(rows) <= _MAX_BARS else _draw_dots(plot, rows)
    tooltips = [
        ("lap", "@number"),
        ("time", "@time{0.00} s"),
        ("covered", "@completion{0.0} %"),
        ("status", "@status"),
    ]
    add_hover(plot, tooltips, marks)
    move_legend_above(plot)
    plot.y_range.start = 0
    plot.y_range.end = 1.15 * float(laps["time"].max()) or 1.0
    plot.xgrid.grid_line_color = None
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
        plot.y_range.start = 0
        plot.y_range.end = 1
        plot.text([0.0], [0.5], ["  no complete lap"], text_color=INK, text_baseline="middle")
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
    """The laps of a race with what is drawn of each: number, color, hatch, and what is written
    above it and in the legend.
    """
    is_complete = laps["complete"]
    times = [f"{time:.2f}" for time in laps["time"]]
    completions = [f"{completion:.0f} %" for completion in laps["completion"]]
    rows = laps[["time", "completion", "status", "speed"]]
    return rows.assign(
        number=np.arange(1, len(laps) + 1),
        color=np.where(is_complete, _BLUE, _ORANGE),
        hatch=np.where(is_complete, " ", "/"),
        label=np.where(is_complete, times, completions),
        word=np.where(is_complete, "complete", "not completed"),
    )


def _draw_bars(plot: figure, rows: pd.DataFrame) -> list[object]:
    bars: list[object] = []
    for word, group in rows.groupby("word", sort=True):
        laps = table_source(group)
        bars.append(
            plot.vbar(
                x="number",
                top="time",
                width=0.7,
                source=laps,
                fill_color="color",
                line_color=None,
                hatch_color="white",
                hatch_pattern="hatch",
                legend_label=str(word),
            )
        )
        if len(rows) <= _MAX_LABELED_BARS:
            plot.text(
                "number",
                "time",
                "label",
                source=laps,
                text_align="center",
                text_font_size="12px",
                y_offset=-3,
            )
    return bars


def _draw_dots(plot: figure, rows: pd.DataFrame) -> list[object]:
    dots: list[object] = []
    for word, group in rows.groupby("word", sort=True):
        dots.append(
            plot.scatter(
                "number",
                "time",
                source=table_source(group),
                marker="circle" if word == "complete" else "x",
                color=group["color"].iloc[0],
                size=_MARK_SIZE,
                legend_label=str(word),
            )
        )
    return dots


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
    plot.text(
        "percent",
        "label",
        "words",
        source=source,
        text_baseline="middle",
        x_offset=4,
        text_font_size="12px",
    )
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
    plot.add_layout(ColorBar(color_mapper=mapper, title="% of steps", width=12, padding=6), "right")
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
