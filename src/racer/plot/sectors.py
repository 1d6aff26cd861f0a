"""The sector table of a log as a picture: purple where nobody was faster, green where nobody had been until then."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from racer.laps import sectors
from racer.plot import style
from racer.plot.selection import lap_number
from racer.track.record import Track

BEST, BETTER, PLAIN = "#5b2a86", "#a6dcc0", "#f5f5f3"
"""Fills: dark, middle and light also in a gray print. Purple and green as in Formula 1, told apart by lightness too."""

PARTS = 3  # sectors of a lap where no corners are known


def sector_times(trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None) -> pd.DataFrame:
    """Sector times, s, a row for each given lap (with its label) and a column for each sector, in order."""
    found = sectors(trace, laps, track, parts=PARTS)
    table = found.pivot(index="lap", columns="sector", values="time")
    return table.loc[laps.index, list(dict.fromkeys(found["sector"]))]


def draw_sectors(times: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with a table of sector times, s: a row a lap, the sum last, and below them the best of every sector.

    `times` (laps, sectors) as of `sector_times`; laps that come first in the log have the smaller labels. Purple is the
    best of all laps shown, green the best until then.
    """
    total, columns = times.sum(axis=1, skipna=False), [str(name) for name in times.columns]
    fills, order = _fills(times), np.argsort(total.to_numpy(), kind="stable")
    for row, k in enumerate(order, 1):
        _write(ax, row, -1, f"lap {lap_number(times.index[k])}")
        for column, value in enumerate(times.iloc[k]):
            _cell(ax, row, column, _seconds(value), fills[k, column])
        _write(ax, row, len(columns), _seconds(total.iloc[k]), weight="bold" if row == 1 else "normal")
    for column, name in enumerate([*columns, "sum"]):
        _write(ax, 0, column, name, weight="bold")
    last = len(times) + 1
    _write(ax, last, -1, "best")
    ideal = times.min(axis=0)
    for column, value in enumerate([*ideal, ideal.sum()]):
        _write(ax, last, column, _seconds(value), style="italic")
    ax.plot([-1.5, len(columns) + 0.5], [last - 0.5, last - 0.5], color=style.FAINT, linewidth=0.8)
    return _bare(ax, len(columns), last)


def _bare(ax: Axes, columns: int, rows: int) -> Axes:
    ax.set_xlim(-1.6, columns + 0.6)
    ax.set_ylim(rows + 0.6, -0.6)
    ax.set_axis_off()
    ax.set_title("Sector times (s)")
    patches = [Patch(color=BEST, label="best of all"), Patch(color=BETTER, label="best until then")]
    ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=2, borderaxespad=0.0)
    return ax


def _fills(times: pd.DataFrame) -> np.ndarray:
    """(laps, sectors) the fill of every cell."""
    in_order = times.sort_index()
    so_far = in_order.le(in_order.cummin(), axis=0)
    best = in_order.eq(in_order.min(), axis=1)
    fills = np.select([best, so_far], [BEST, BETTER], PLAIN)
    return fills[in_order.index.get_indexer(times.index)]


def _cell(ax: Axes, row: int, column: int, words: str, fill: str) -> None:
    ax.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, facecolor=fill, edgecolor="none"))
    ink, weight = (style.FIELD, "bold") if fill == BEST else (style.INK, "normal")
    _write(ax, row, column, words, color=ink, weight=weight)


def _write(ax: Axes, row: int, column: int, words: str, **font: str) -> None:
    ax.text(column, row, words, ha="center", va="center", fontsize=8.5, **font)  # type: ignore[arg-type]


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value == value else "-"
