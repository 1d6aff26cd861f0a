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

from racer import analysis as about
from racer.analysis import action_label
from racer.plotting import style
from racer.report.subject import ReportSubject
from racer.report.summary import action_usage_on_track, step_positions

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
LAP_LINE_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot", "dashed")
_MOST_TIPS = 6  # boxes beside the pointer
LAP_LINE_COLORS = style.PALETTE[:6]
"""Colors of laps that are shown together; with `DASHES` they can be told apart without color."""


def plain_figure(
    x_label: str,
    y_label: str,
    *,
    height: int = 240,
    tools: str = "xpan,xbox_zoom,reset,save",
    **more: Any,
) -> figure:
    """A figure as wide as the page, with labeled axes and few, quiet tools."""
    plot = figure(
        height=height, sizing_mode="stretch_width", tools=tools, toolbar_location="right", **more
    )
    plot.xaxis.axis_label, plot.yaxis.axis_label = x_label, y_label
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.min_border_right = 12
    plot.outline_line_color = None
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = style.FAINT
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = style.INK
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
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
        limit=_MOST_TIPS,
    )
    plot.add_tools(tool)
    return tool


def move_legend_above(plot: figure) -> None:
    """Moves the legend of `plot`, which must have one, out of the way of its lines."""
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    legend.orientation = "horizontal"
    legend.border_line_color = None
    legend.label_text_font, legend.label_text_font_size = FONT, "12px"
    legend.padding = legend.margin = 2


_BLUE, _ORANGE, _GREEN = style.PALETTE[0], style.PALETTE[5], style.PALETTE[2]
_MANY = 60  # laps from which bars become dots
_MOST_ACTIONS = 40  # bars
_CELLS = (30, 20)  # of steering and speed, for continuous actions
_SIZE = 6


def training_plots(table: pd.DataFrame) -> LayoutDOM:
    """Completion, reward and lap times by iteration, one above the other, moved and zoomed
    together.
    """
    rows = table_source(
        about.laps_by_iteration(table).assign(
            share=lambda all: 100.0 * all["complete"] / all["episodes"]
        )
    )
    top = _completion(rows)
    middle = _rewards(rows, top)
    bottom = _times(table, top)
    for plot in (top, middle, bottom):
        plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)
    return column(top, middle, bottom, sizing_mode="stretch_width")


def lap_time_plot(table: pd.DataFrame) -> LayoutDOM:
    """The time of each lap of a race: bars, or dots for many; those not completed are hatched or
    crosses.
    """
    rows = table.assign(
        number=np.arange(1, len(table) + 1),
        color=np.where(table["complete"], _BLUE, _ORANGE),
        hatch=np.where(table["complete"], " ", "/"),
        label=np.where(
            table["complete"],
            [f"{t:.2f}" for t in table["time"]],
            [f"{c:.0f} %" for c in table["completion"]],
        ),
        word=np.where(table["complete"], "complete", "not completed"),
    )[["number", "time", "completion", "color", "hatch", "label", "word", "status", "speed"]]
    plot = plain_figure("lap", "time (s)", height=260)
    marks = _bars(plot, rows) if len(rows) <= _MANY else _dots(plot, rows)
    add_hover(
        plot,
        [
            ("lap", "@number"),
            ("time", "@time{0.00} s"),
            ("covered", "@completion{0.0} %"),
            ("status", "@status"),
        ],
        marks,
    )
    move_legend_above(plot)
    plot.y_range.start, plot.y_range.end = 0, 1.15 * float(table["time"].max()) or 1.0
    plot.xgrid.grid_line_color = None
    plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)
    return plot


def action_plot(subject: ReportSubject) -> LayoutDOM:
    """How often each action was chosen; of continuous actions, which steering and speed, as a map."""
    use = (
        action_usage_on_track(subject)
        .nlargest(_MOST_ACTIONS, "count", keep="first")
        .sort_values("action")
    )
    return (
        _discrete(use)
        if len(use)
        else _continuous(
            subject.log.trace.iloc[step_positions(subject.here)].dropna(
                subset=["steer", "throttle"]
            )
        )
    )


def learning_plots(ppo: pd.DataFrame) -> LayoutDOM:
    """Entropy and KL divergence of the policy over its training epochs."""
    rows = table_source(ppo.assign(number=np.arange(1, len(ppo) + 1)))
    top = plain_figure("", "entropy", height=180)
    bottom = plain_figure(
        "epoch of policy training", "KL divergence", height=190, x_range=top.x_range
    )
    for plot, name, color in ((top, "entropy", _BLUE), (bottom, "kl", _ORANGE)):
        line = plot.line("number", name, source=rows, color=color, line_width=1.5)
        add_hover(
            plot,
            [("epoch", "@number"), ("iteration", "@iteration"), (name, f"@{name}{{0.0000}}")],
            [line],
            "vline",
        )
    return column(top, bottom, sizing_mode="stretch_width")


def _completion(rows: ColumnDataSource) -> figure:
    plot = plain_figure("", "completion (%)", height=210, y_range=(-3, 103))
    mean = plot.line(
        "iteration",
        "completion",
        source=rows,
        color=_BLUE,
        line_width=2,
        legend_label="covered, mean",
    )
    plot.scatter(
        "iteration",
        "completion",
        source=rows,
        color=_BLUE,
        size=_SIZE,
        legend_label="covered, mean",
    )
    done = {"color": _ORANGE, "legend_label": "laps completed"}
    plot.line("iteration", "share", source=rows, line_width=2, line_dash="dashed", **done)
    plot.scatter("iteration", "share", source=rows, marker="square", size=_SIZE, **done)
    tips = [
        ("iteration", "@iteration"),
        ("episodes", "@episodes"),
        ("covered, mean", "@completion{0.0} %"),
        ("completed", "@complete"),
    ]
    add_hover(plot, tips, [mean], "vline")
    move_legend_above(plot)
    return plot


def _rewards(rows: ColumnDataSource, above: figure) -> figure:
    plot = plain_figure("", "reward of an episode", height=180, x_range=above.x_range)
    line = plot.line("iteration", "reward", source=rows, color=_GREEN, line_width=2)
    plot.scatter("iteration", "reward", source=rows, color=_GREEN, marker="diamond", size=_SIZE + 2)
    add_hover(
        plot, [("iteration", "@iteration"), ("reward, mean", "@reward{0.00}")], [line], "vline"
    )
    return plot


def _times(table: pd.DataFrame, above: figure) -> figure:
    plot = plain_figure("iteration", "lap time (s)", height=230, x_range=above.x_range)
    whole = table[table["complete"]].assign(
        iteration=about.lap_iterations(table[table["complete"]])
    )
    if not len(whole):
        plot.y_range.start, plot.y_range.end = 0, 1
        plot.text([0.0], [0.5], ["  no complete lap"], text_color=style.INK, text_baseline="middle")
        return plot
    rows = table_source(whole[["iteration", "time", "episode", "speed"]])
    dots = plot.scatter(
        "iteration",
        "time",
        source=rows,
        color=_BLUE,
        alpha=0.5,
        size=_SIZE,
        legend_label="complete lap",
    )
    best = whole.groupby("iteration")["time"].min().cummin()
    plot.step(
        best.index.to_numpy(),
        best.to_numpy(),
        mode="after",
        color=_ORANGE,
        line_width=2,
        legend_label="best so far",
    )
    add_hover(
        plot,
        [("episode", "@episode"), ("time", "@time{0.00} s"), ("driven", "@speed{0.00} m/s")],
        [dots],
    )
    move_legend_above(plot)
    return plot


def _bars(plot: figure, rows: pd.DataFrame) -> list[object]:
    marks: list[object] = []
    for _, group in rows.groupby("word", sort=True):
        laps = table_source(group)
        marks.append(plot.vbar(
            x="number", top="time", width=0.7, source=laps, fill_color="color", line_color=None, hatch_color="white",
            hatch_pattern="hatch", legend_label=str(group["word"].iloc[0]),
        ))  # fmt: skip
        if len(rows) <= 24:
            plot.text(
                "number",
                "time",
                "label",
                source=laps,
                text_align="center",
                text_font_size="12px",
                y_offset=-3,
            )
    return marks


def _dots(plot: figure, rows: pd.DataFrame) -> list[object]:
    marks: list[object] = []
    for word, group in rows.groupby("word", sort=True):
        shape = "circle" if word == "complete" else "x"
        style_of = {
            "marker": shape,
            "color": group["color"].iloc[0],
            "size": _SIZE,
            "legend_label": str(word),
        }
        marks.append(plot.scatter("number", "time", source=table_source(group), **style_of))
    return marks


def _discrete(use: pd.DataFrame) -> LayoutDOM:
    labels = [
        action_label(*row) for row in zip(use["action"], use["steer"], use["throttle"], strict=True)
    ]
    words = [_percent(share) for share in use["share"]]
    rows = table_source(use.assign(label=labels, percent=100.0 * use["share"], words=words))
    plot = plain_figure(
        "share of steps (%)", "", height=60 + 22 * len(use), y_range=labels[::-1], tools="save"
    )
    bars = plot.hbar(y="label", right="percent", height=0.7, source=rows, color=_BLUE)
    plot.text(
        "percent",
        "label",
        "words",
        source=rows,
        text_baseline="middle",
        x_offset=4,
        text_font_size="12px",
    )
    plot.x_range.start, plot.x_range.end = 0, 112.0 * float(use["share"].max()) or 1.0
    add_hover(
        plot, [("action", "@label"), ("steps", "@count{0,0}"), ("share", "@percent{0.0} %")], [bars]
    )
    plot.ygrid.grid_line_color = None
    return plot


def _continuous(here: pd.DataFrame) -> LayoutDOM:
    counts, steer, speed = np.histogram2d(here["steer"], here["throttle"], bins=_CELLS)
    left, bottom = np.meshgrid(steer[:-1], speed[:-1], indexing="ij")
    right, top = np.meshgrid(steer[1:], speed[1:], indexing="ij")
    cells = pd.DataFrame(
        {
            name: grid.ravel()
            for name, grid in (("left", left), ("right", right), ("bottom", bottom), ("top", top))
        }
    )
    rows = table_source(
        cells.assign(percent=100.0 * counts.ravel() / max(counts.sum(), 1.0))[counts.ravel() > 0]
    )
    plot = plain_figure(
        "steering (°, positive to the left)", "speed (m/s)", height=330, tools="save"
    )
    mapper = LinearColorMapper(
        palette=Viridis256[::-1], low=0.0, high=float(np.max(rows.data["percent"], initial=0.01))
    )
    marks = plot.quad(
        "left",
        "right",
        "bottom",
        "top",
        source=rows,
        fill_color={"field": "percent", "transform": mapper},
        line_color=None,
    )
    plot.add_layout(ColorBar(color_mapper=mapper, title="% of steps", width=12, padding=6), "right")
    add_hover(
        plot,
        [
            ("steering", "@left{0.0} to @right{0.0}"),
            ("speed", "@bottom{0.00} to @top{0.00}"),
            ("share", "@percent{0.00} %"),
        ],
        [marks],
    )
    return plot


def _percent(share: float) -> str:
    return "never" if share == 0 else "< 0.1 %" if share < 0.001 else f"{100.0 * share:.1f} %"
