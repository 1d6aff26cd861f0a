"""What the figures of a report look like: racer's palette and fonts on Bokeh figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from racer.plot import style

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot", "dashed")
_MOST_TIPS = 6  # boxes beside the pointer
LAPS = style.PALETTE[:6]
"""Colors of laps that are shown together; with `DASHES` they can be told apart without color."""


def plain(
    x_label: str, y_label: str, *, height: int = 240, tools: str = "xpan,xbox_zoom,reset,save", **more: Any
) -> figure:
    """A figure as wide as the page, with labeled axes and few, quiet tools."""
    plot = figure(height=height, sizing_mode="stretch_width", tools=tools, toolbar_location="right", **more)
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


def source(table: pd.DataFrame) -> ColumnDataSource:
    """The columns of a table for glyphs to read."""
    return ColumnDataSource({str(name): table[name].to_numpy() for name in table.columns})


def hover(plot: figure, tooltips: list[tuple[str, str]], renderers: list[Any], mode: str = "mouse") -> HoverTool:
    """The tool that shows numbers beside the pointer, added to `plot`."""
    tool = HoverTool(tooltips=tooltips, renderers=renderers, mode=mode, point_policy="snap_to_data", limit=_MOST_TIPS)
    plot.add_tools(tool)
    return tool


def legend_above(plot: figure) -> None:
    """Moves the legend of `plot`, which must have one, out of the way of its lines."""
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    legend.orientation = "horizontal"
    legend.border_line_color = None
    legend.label_text_font, legend.label_text_font_size = FONT, "12px"
    legend.padding = legend.margin = 2
