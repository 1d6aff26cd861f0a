"""Pictures of a reward's score: how drivers rank by the clock and by what they are paid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.diagnostics import RewardScore
from racer.drivers import Drive
from racer.plotting import style

TOO_WELL_COLOR = style.PALETTE[5]
TOO_LITTLE_COLOR = style.PALETTE[0]
ABOUT_RIGHT_COLOR = style.FAINT

CLEAR_RANKS = 3.0  # by which pay must differ from the clock for a line to stand out


def rank_figure(scores: Sequence[RewardScore], track: str = "") -> Figure:
    """A figure with a line a driver from its rank by the clock to its ranks by pay.

    One reward is shown at all its discount factors, several at the one of the verdict.
    """
    first = scores[0]
    columns: list[tuple[str, np.ndarray]] = []
    if len(scores) == 1:
        about = Path(first.reward).stem
        for gamma in first.gammas:
            columns.append((f"at gamma {gamma:g}", first.pay_ranks(gamma)))
    else:
        about = f"pay at gamma {first.gamma:g}"
        for score in scores:
            columns.append((Path(score.reward).stem, score.pay_ranks()))
    with style.style_context():
        figure = style.Picture(figsize=(3.4 + 1.5 * len(columns), 0.8 + 0.34 * len(first.drives)))
        ax = draw_ranks(first, columns, figure.subplots())
        ax.set_title(f"Clock and pay: {about}{', ' if track else ''}{track}")
    return figure


def draw_ranks(score: RewardScore, columns: Sequence[tuple[str, np.ndarray]], ax: Axes) -> Axes:
    """`ax` with the drivers of a score, best on top: by the clock on the left, then by each of
    `columns`, a heading and ranks (D,).

    A line stands out where a driver is paid better than it is, by three ranks or more, or worse.
    """
    for k, drive in enumerate(score.drives):
        ranks = [rank[k] for _, rank in columns]
        _draw_driver(drive, score.clock_ranks[k], ranks, ax)
    for color, label in (
        (TOO_WELL_COLOR, "paid too well"),
        (TOO_LITTLE_COLOR, "paid too little"),
        (ABOUT_RIGHT_COLOR, "about right"),
    ):
        ax.plot([], [], color=color, linewidth=2.2, label=label)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=3, handlelength=1.4)
    ax.set_xticks(
        np.arange(len(columns) + 1), ["by the clock", *(heading for heading, _ in columns)]
    )
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlim(-0.15, len(columns) + 0.15)
    ax.set_ylim(len(score.drives) + 0.6, 0.4)
    ax.grid(axis="y", visible=False)
    ax.spines[:].set_visible(False)
    return ax


def _draw_driver(drive: Drive, clock_rank: float, pay_ranks: list[float], ax: Axes) -> None:
    """A driver's line from its rank by the clock to its ranks by pay, with its name and time."""
    previous = clock_rank
    for column, rank in enumerate(pay_ranks, 1):
        color = _gain_color(clock_rank - rank)
        width = 1.2 if color == ABOUT_RIGHT_COLOR else 2.2
        ax.plot(
            [column - 1, column], [previous, rank], color=color, linewidth=width, zorder=1 + width
        )
        ax.plot(column, rank, "o", color=color, markersize=5, zorder=5)
        previous = rank
    ax.plot(0, clock_rank, "o", color=style.INK, markersize=4, zorder=5)
    if np.isnan(drive.lap_time):
        result = f"{drive.completion:.0f} %"
    else:
        result = f"{drive.lap_time:.1f} s"
    ax.annotate(
        f"{drive.name}  {result}",
        (0.0, clock_rank),
        (-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )


def _gain_color(gain: float) -> str:
    """The color of a driver that is paid `gain` ranks better than it drives."""
    if gain >= CLEAR_RANKS:
        return TOO_WELL_COLOR
    if gain <= -CLEAR_RANKS:
        return TOO_LITTLE_COLOR
    return ABOUT_RIGHT_COLOR
