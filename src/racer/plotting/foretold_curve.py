"""Pictures of the learning curve of a real training beside those of several here."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from racer.analysis import curve_band
from racer.plotting import style

_OTHERS_COLOR = style.PALETTE[0]
_OWN_COLOR = style.PALETTE[5]


def foretold_curve_figure(
    curve: pd.DataFrame, foretold: Sequence[pd.DataFrame], name: str = "job"
) -> Figure:
    """A figure of a training's course beside that of others: how much of the lap was covered, and the
    times of complete laps, by iteration.

    Parameters
    ----------
    curve
        The training's, as `racer.analysis.learning_curve` gives it.
    foretold
        Those of one or more others. The band is where one more of them would lie in 95 of 100 cases;
        a single one has none.
    name
        What the training is called.

    Examples
    --------
    >>> import pandas as pd
    >>> from racer.plotting import foretold_curve_figure
    >>> columns = {"iteration": [0, 1], "completion": [9.0, 30.0], "time": [None, 15.1]}
    >>> curve = pd.DataFrame(columns | {"evaluated_time": [None, 16.0]}).astype(float)
    >>> foretold_curve_figure(curve, [curve, curve]).axes[0].get_ylabel()
    'covered (%)'
    """
    seeds = "another training" if len(foretold) == 1 else f"{len(foretold)} others"
    with style.style_context():
        figure = style.NotebookFigure(figsize=(8.0, 6.0))
        top, bottom = figure.subplots(2, 1, sharex=True)
        top.set_title(f"{name} and {seeds}, by iteration")
        _draw_completion(top, curve, foretold, name)
        top.set_ylabel("covered (%)")
        top.set_ylim(-3.0, 103.0)
        style.add_legend_above(top)
        _draw_times(bottom, curve, foretold, name)
        bottom.set_ylabel("median lap time (s)")
        bottom.set_xlabel("iteration")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_completion(
    ax: Axes, curve: pd.DataFrame, foretold: Sequence[pd.DataFrame], name: str
) -> None:
    """The band and the mean of the others, and the training itself."""
    band = curve_band(foretold, "completion")
    if len(foretold) > 1:
        ax.fill_between(
            band["iteration"],
            band["low"].clip(lower=0.0),
            band["high"].clip(upper=100.0),
            color=_OTHERS_COLOR,
            alpha=0.2,
            linewidth=0,
            label="where one more would lie, 95 of 100",
        )
    label = "others, mean" if len(foretold) > 1 else "other"
    ax.plot(band["iteration"], band["mean"], "-", color=_OTHERS_COLOR, label=label)
    ax.plot(
        curve["iteration"], curve["completion"], "o-", markersize=3.5, color=_OWN_COLOR, label=name
    )


def _draw_times(ax: Axes, curve: pd.DataFrame, foretold: Sequence[pd.DataFrame], name: str) -> None:
    """Median lap times: driven with chance, in training, and by the likeliest action, in evaluations."""
    kinds = (("time", "o", "training"), ("evaluated_time", "x", "evaluation"))
    has_any = False
    for column, marker, kind in kinds:
        label = f"others, {kind}"
        for other in foretold:
            known = other[["iteration", column]].dropna()
            ax.plot(
                known["iteration"],
                known[column],
                marker,
                color=_OTHERS_COLOR,
                alpha=0.45,
                label=label,
            )
            label = ""
        known = curve[["iteration", column]].dropna()
        has_any |= len(known) > 0
        ax.plot(
            known["iteration"], known[column], marker, color=_OWN_COLOR, label=f"{name}, {kind}"
        )
    if not has_any:
        style.write_note(ax, "no complete lap")
    style.add_legend_above(ax)
