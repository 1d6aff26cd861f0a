"""Pictures of an attribution: what each term pays along the lap, beside the track in the color of
the strongest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from racer.track import Track

Array = NDArray[np.float64]

TERM_COLORS = style.PALETTE[:6]  # one a term, and gray for the rest
REST_COLOR = "#b5b5b5"
MAX_BINS = 120  # of the distance, over which steps are averaged
MAX_NAME_CHARS = 46  # of a term in the legend
JUMP_M = 1.0  # between two steps: the car was set down elsewhere


@dataclass(frozen=True, eq=False)
class _Bins:
    """Bins of distance: edges (B + 1,) m, number of steps in each (B,), nan for none, and the bin of
    each step (T,).
    """

    edges: Array
    steps: Array
    bin_of_step: NDArray[np.int64]

    def mean(self, amounts: Array) -> Array:
        """(B,) the mean of amounts (T,) over the steps of each bin."""
        total = np.bincount(self.bin_of_step, amounts, minlength=len(self.steps))
        return np.asarray(total / self.steps)


def attribution_figure(
    attribution: Attribution, track: Track, runs: Sequence[AttributedDrive] | None = None
) -> Figure:
    """A figure with two pictures a run: amounts over distance, and the track."""
    if runs is None:
        runs = attribution.drives
    terms = pay_by_term(attribution, runs)
    names = [term.name for term in terms[: len(TERM_COLORS)]]
    with style.style_context():
        figure = style.Picture(figsize=(11.0, 0.9 + 3.0 * len(runs)))
        rows = np.atleast_2d(figure.subplots(len(runs), 2, width_ratios=[2.1, 1.0]))
        for (left, right), run in zip(rows, runs, strict=True):
            draw_terms(attribution, run, left, names)
            draw_strongest_term(attribution, run, right, track, names)
        _add_term_legend(figure, terms)
    return figure


def draw_terms(
    attribution: Attribution, run: AttributedDrive, ax: Axes, names: Sequence[str]
) -> Axes:
    """`ax` with the amounts of the terms `names` stacked over the distance (m), gains up and losses
    down, per step.
    """
    bins = _distance_bins(run)
    gains = np.zeros(len(bins.steps))
    losses = np.zeros(len(bins.steps))
    colors = [*TERM_COLORS[: len(names)], REST_COLOR]
    for amounts, color in zip(_amounts_by_term(attribution, run, names), colors, strict=True):
        mean = np.nan_to_num(bins.mean(amounts))
        above = gains + np.clip(mean, 0.0, None)
        below = losses + np.clip(mean, None, 0.0)
        ax.stairs(above, bins.edges, baseline=gains, fill=True, color=color, linewidth=0)
        ax.stairs(below, bins.edges, baseline=losses, fill=True, color=color, linewidth=0)
        gains = above
        losses = below
    total = bins.mean(run.reward)
    ax.stairs(total, bins.edges, baseline=None, color=style.INK, linewidth=1.1)
    ax.axhline(0.0, color=style.FAINT, linewidth=0.8)
    ax.set_xlim(bins.edges[0], bins.edges[-1])
    ax.set_title(f"{run.name}: {run.reward.sum():,.5g} in {len(run.reward):,} steps")
    ax.set_xlabel("distance along the center line (m)")
    ax.set_ylabel("reward a step")
    return ax


def draw_strongest_term(
    attribution: Attribution,
    run: AttributedDrive,
    ax: Axes,
    track: Track,
    names: Sequence[str],
) -> Axes:
    """`ax` with the track, and the path of the car in the color of the term that moves the reward
    most there.
    """
    draw_track(track, style.hide_frame(ax), center=False)
    strongest = np.argmax(np.abs(_amounts_by_term(attribution, run, names)), axis=0)
    colors = np.array([*TERM_COLORS[: len(names)], REST_COLOR])[strongest]
    distance = np.hypot(*np.diff(run.xy, axis=0).T)
    steps = np.flatnonzero(distance < JUMP_M)
    segments = style.line_segments(run.xy)[steps]
    ax.add_collection(
        LineCollection(list(segments), colors=colors[steps].tolist(), linewidths=3.0, zorder=3)
    )
    return ax


def _amounts_by_term(attribution: Attribution, run: AttributedDrive, names: Sequence[str]) -> Array:
    """(len(names) + 1, T) amounts of the terms by name in a run, and of the rest."""
    table = np.zeros((len(names) + 1, len(run.reward)))
    for term in pay_by_term(attribution, [run]):
        row = names.index(term.name) if term.name in names else len(names)
        table[row] += term.amounts
    return table


def _distance_bins(run: AttributedDrive) -> _Bins:
    """Equal bins of the distance of a run, never finer than its steps."""
    low = float(run.distance.min())
    high = float(run.distance.max())
    if high <= low:
        high = low + 1.0
    bin_count = int(np.clip(len(run.reward) // 2, 1, MAX_BINS))
    edges = np.linspace(low, high, bin_count + 1)
    bin_of_step = np.searchsorted(edges, run.distance, side="right") - 1
    bin_of_step = np.clip(bin_of_step, 0, bin_count - 1)
    steps = np.bincount(bin_of_step, minlength=bin_count).astype(np.float64)
    return _Bins(edges, np.where(steps > 0, steps, np.nan), bin_of_step)


def _add_term_legend(figure: Figure, terms: Sequence[TermPay]) -> None:
    """The terms that have a color, with their lines, and how many have none."""
    handles = []
    for term, color in zip(terms, TERM_COLORS, strict=False):
        label = f"{_shorten(term.name)}  ({format_lines(term.lines)})"
        handles.append(Patch(color=color, label=label))
    rest_count = len(terms) - len(handles)
    if rest_count:
        handles.append(Patch(color=REST_COLOR, label=f"{rest_count} more"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=8)


def _shorten(name: str) -> str:
    if len(name) <= MAX_NAME_CHARS:
        return name
    return name[: MAX_NAME_CHARS - 3] + "..."
