"""Pictures of an attribution: what each term pays along the lap, beside the track in the color of
the strongest one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from racer.diagnostics.attribution import (
    AttributedDrive,
    Attribution,
    TermPay,
    format_lines,
    pay_by_term,
)
from racer.plotting import style
from racer.plotting.track import draw_track
from racer.track.track import Track

Array = NDArray[np.float64]

TERM_COLORS = (*style.PALETTE[:6],)  # one a term, and gray for the rest
REST_COLOR = "#b5b5b5"
MAX_BINS = 120  # of the way, over which steps are averaged
MAX_NAME_CHARS = 46  # characters of a term's name in the legend


def attribution_figure(
    attribution: Attribution, track: Track, runs: Sequence[AttributedDrive] | None = None
) -> Figure:
    """A figure with two pictures a run: amounts over distance, and the track."""
    runs = attribution.drives if runs is None else runs
    names = [group.name for group in pay_by_term(attribution, runs)][: len(TERM_COLORS)]
    with style.style_context():
        figure = Figure(figsize=(11.0, 0.9 + 3.0 * len(runs)))
        rows = np.atleast_2d(figure.subplots(len(runs), 2, width_ratios=[2.1, 1.0]))
        for (left, right), run in zip(rows, runs, strict=True):
            draw_terms(attribution, run, left, names)
            draw_strongest_term(attribution, run, right, track, names)
        _legend(figure, pay_by_term(attribution, runs), names)
    return figure


def draw_terms(
    attribution: Attribution, run: AttributedDrive, ax: Axes, names: Sequence[str]
) -> Axes:
    """`ax` with the amounts of the terms `names` stacked over the distance (m), gains up and losses
    down, per step.
    """
    edges, count, part = _bins(run)
    table = [
        np.bincount(part, amounts, minlength=len(edges) - 1) / count
        for amounts in _named(attribution, run, names)
    ]
    up = down = np.zeros(len(edges) - 1)
    for amounts, color in zip(table, [*TERM_COLORS[: len(names)], REST_COLOR], strict=True):
        gain, loss = (
            np.clip(np.nan_to_num(amounts), 0.0, None),
            np.clip(np.nan_to_num(amounts), None, 0.0),
        )
        ax.stairs(up + gain, edges, baseline=up, fill=True, color=color, linewidth=0)
        ax.stairs(down + loss, edges, baseline=down, fill=True, color=color, linewidth=0)
        up, down = up + gain, down + loss
    total = np.bincount(part, run.reward, minlength=len(edges) - 1) / count
    ax.stairs(total, edges, baseline=None, color=style.INK, linewidth=1.1)
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_title(f"{run.name}: {run.reward.sum():,.5g} in {len(run.reward):,} steps")
    ax.set_xlabel("distance along the center line (m)")
    ax.set_ylabel("reward a step")
    return ax


def draw_strongest_term(
    attribution: Attribution, run: AttributedDrive, ax: Axes, track: Track, names: Sequence[str]
) -> Axes:
    """`ax` with the track, and the way of the car in the color of the term that moves the reward
    most there.
    """
    draw_track(track, style.hide_frame(ax), center=False)
    amounts = np.abs(_named(attribution, run, names))
    best = np.argmax(amounts, axis=0)
    colors = np.array([*TERM_COLORS[: len(names)], REST_COLOR])
    gap = np.hypot(*np.diff(run.xy, axis=0).T) if len(run.xy) > 1 else np.empty(0)
    joined = np.flatnonzero(gap < 1.0)  # a car that was set down elsewhere drew no line
    pieces = np.stack([run.xy[joined], run.xy[joined + 1]], axis=1)
    ax.add_collection(
        LineCollection(list(pieces), colors=colors[best[joined]].tolist(), linewidths=3.0, zorder=3)
    )
    return ax


def _named(attribution: Attribution, run: AttributedDrive, names: Sequence[str]) -> Array:
    """(len(names) + 1, T) amounts of the terms by name in a run, and of the rest."""
    table = np.zeros((len(names) + 1, len(run.reward)))
    for group in pay_by_term(attribution, [run]):
        table[names.index(group.name) if group.name in names else -1] += group.amounts
    return table


def _bins(run: AttributedDrive) -> tuple[Array, Array, NDArray[np.int64]]:
    """Edges (B + 1,) m, steps in each bin (nan for none), and the bin of each step; never finer
    than the steps.
    """
    low, high = float(run.distance.min()), float(run.distance.max())
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, int(np.clip(len(run.reward) // 2, 1, MAX_BINS)) + 1)
    part = np.clip(np.searchsorted(edges, run.distance, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(part, minlength=len(edges) - 1).astype(np.float64)
    return edges, np.where(count > 0, count, np.nan), part


def _legend(figure: Figure, found: Sequence[TermPay], names: Sequence[str]) -> None:
    texts = [
        f"{_short(group.name)}  ({format_lines(group.lines)})" for group in found[: len(names)]
    ]
    handles = [
        Patch(color=color, label=text) for color, text in zip(TERM_COLORS, texts, strict=False)
    ]
    if len(found) > len(names):
        handles.append(Patch(color=REST_COLOR, label=f"{len(found) - len(names)} more"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=8)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 3] + "..."
