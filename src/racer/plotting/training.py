"""Pictures of how training went: by iteration, update by update of the policy, and over the steps of
several runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from racer.analysis import lap_iterations, laps_by_iteration
from racer.plotting import style

HIGH_KL = 0.05
"""KL divergence of an update from which a policy is usually said to change too fast for PPO."""

METRIC_LABELS = {"completion": "completion (%)", "lap_time": "mean lap time (s)"}
"""What learning curves show, by column."""

_YELLOW = "#F0E442"  # too faint for a line on white
_CURVE_COLORS = tuple(color for color in style.PALETTE if color != _YELLOW)
_CURVE_DASHES = ("-", "--", ":")  # where there are more lines than colors


def training_figure(laps: pd.DataFrame) -> Figure:
    """A figure of a training: completion, reward and lap times by iteration, one above the other."""
    iterations = laps_by_iteration(laps)
    with style.style_context():
        figure = Figure(figsize=(8.0, 7.0))
        top, middle, bottom = figure.subplots(3, 1, sharex=True)
        draw_completion_by_iteration(iterations, top).set_title("Training by iteration")
        draw_rewards_by_iteration(iterations, middle)
        draw_times_by_iteration(laps, bottom).set_xlabel("iteration")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw_completion_by_iteration(iterations: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with how much of the track a lap covered on average, and how many laps were completed,
    %, by iteration.

    `iterations` as of `racer.analysis.laps_by_iteration`.
    """
    x = iterations["iteration"]
    completed = 100.0 * iterations["complete"] / iterations["episodes"]
    ax.plot(
        x,
        iterations["completion"],
        "o-",
        markersize=3,
        color=style.PALETTE[0],
        label="covered, mean",
    )
    ax.plot(x, completed, "s--", markersize=3, color=style.PALETTE[5], label="laps completed")
    ax.set_ylim(-3.0, 103.0)
    ax.set_ylabel("completion (%)")
    return style.add_legend_above(ax)


def draw_rewards_by_iteration(iterations: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the mean reward of an episode by iteration."""
    ax.plot(
        iterations["iteration"], iterations["reward"], "o-", markersize=3, color=style.PALETTE[2]
    )
    ax.set_ylabel("reward of an episode")
    return ax


def draw_times_by_iteration(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with every complete lap's time, s, by iteration, and the best so far."""
    complete = laps[laps["complete"]]
    iteration = lap_iterations(complete)
    ax.plot(
        iteration,
        complete["time"],
        "o",
        markersize=3,
        alpha=0.5,
        color=style.PALETTE[0],
        label="complete lap",
    )
    ax.set_ylabel("lap time (s)")
    if not len(complete):
        return style.write_note(ax, "no complete lap")
    best = complete["time"].groupby(iteration).min().cummin()
    ax.step(best.index, best, where="post", color=style.PALETTE[5], label="best so far")
    return style.add_legend_above(ax)


def draw_entropy(ppo: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the policy's entropy by iteration, at the end of its epochs; `ppo` as in
    `racer.logs.Job.ppo`.

    It falls while the policy makes up its mind: where that happens long before the laps are good,
    the policy has done so too early.
    """
    entropy = ppo[ppo["entropy"].notna()].groupby("iteration")["entropy"].last()
    ax.plot(entropy.index, entropy, "o-", markersize=3, color=style.PALETTE[0])
    title = "Entropy of the policy"
    if len(entropy) > 1:
        title += f": from {entropy.iloc[0]:.2f} to {entropy.iloc[-1]:.2f}"
    ax.set_title(title)
    ax.set_ylabel("entropy")
    return _format_update_axis(ax)


def draw_kl(ppo: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the KL divergence of the policy's updates by iteration: after the last epoch, and
    the band of all.
    """
    kl = ppo[ppo["kl"].notna()].groupby("iteration")["kl"]
    last = kl.last()
    most = kl.max()
    ax.fill_between(last.index, kl.min(), most, color=style.PALETTE[2], alpha=0.2, linewidth=0)
    ax.plot(
        last.index, last, "o-", markersize=3, color=style.PALETTE[2], label="after the last epoch"
    )
    if len(last) and float(most.max()) > HIGH_KL / 3.0:
        ax.axhline(
            HIGH_KL,
            color=style.FAINT,
            linestyle="--",
            linewidth=1.0,
            label=f"{HIGH_KL:g}: a fast change",
        )
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("KL divergence")
    ax.set_title("How far each update moved it")
    return _format_update_axis(style.add_legend_above(ax))


def learning_curve_figure(
    curves: pd.DataFrame, differing: Sequence[str], title: str = ""
) -> Figure:
    """Completion and lap time over steps; a column of panels for each track, where tracks differ.

    `curves` has a row for each evaluation of each run: the columns `differing` and `evaluation`
    (its number), `steps`, `completion` (%), `lap_time` (s, nan when no lap was complete). A line is
    the mean over runs, its band reaches from the least to the greatest.
    """
    by_track = {"": curves}
    line_keys = list(differing)
    if "track" in differing and len(differing) > 1:
        by_track = {str(track): rows for track, rows in curves.groupby("track", sort=False)}
        line_keys.remove("track")
    names = _line_names(curves, line_keys)
    with style.style_context():
        figure = Figure(figsize=(4.2 * len(by_track) + 3.4, 5.6))
        panels = figure.subplots(2, len(by_track), squeeze=False, sharex="col")
        for column, (track, rows) in enumerate(by_track.items()):
            for row, metric in enumerate(METRIC_LABELS):
                draw_learning_curves(rows, names, metric, panels[row, column])
            panels[0, column].set_title(track)
            panels[1, column].set_xlabel("steps of all cars")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        _add_curve_legend(figure, panels[0, 0], line_keys)
    return figure


def draw_learning_curves(
    curves: pd.DataFrame, names: pd.Series[str], metric: str, ax: Axes
) -> Axes:
    """`ax` with the column `metric` of `curves` over steps: a line for each of `names` (one a row of
    `curves`).
    """
    order = list(dict.fromkeys(names))
    for name, rows in curves.groupby(names.loc[curves.index], sort=False):
        k = order.index(str(name))
        color = _CURVE_COLORS[k % len(_CURVE_COLORS)]
        dashes = _CURVE_DASHES[k // len(_CURVE_COLORS) % len(_CURVE_DASHES)]
        by_evaluation = rows.groupby("evaluation")
        steps = by_evaluation["steps"].mean()
        values = by_evaluation[metric]
        ax.fill_between(steps, values.min(), values.max(), color=color, alpha=0.13, linewidth=0)
        ax.plot(
            steps, values.mean(), dashes, color=color, label=str(name), marker=".", markersize=3
        )
    ax.set_ylabel(METRIC_LABELS[metric])
    if metric == "completion":
        ax.set_ylim(-2.0, 103.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(_thousands))
    return ax


def _format_update_axis(ax: Axes) -> Axes:
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("update of the policy")
    return ax


def _line_names(curves: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    """The name of the line that each row of `curves` belongs to."""
    if not keys:
        return pd.Series("all runs", index=curves.index)
    return curves[keys].astype(str).agg(", ".join, axis=1)


def _add_curve_legend(figure: Figure, ax: Axes, keys: list[str]) -> None:
    """The lines of `ax` beside the figure, under what they differ in; none for a single line."""
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) < 2:
        return
    heading = ", ".join(key.removeprefix("settings.").replace("_", " ") for key in keys)
    figure.legend(
        handles,
        labels,
        loc="outside right center",
        title=heading or None,
        alignment="left",
        handlelength=2.8,
    )


def _thousands(steps: float, _: object) -> str:
    return f"{steps / 1000:,.0f}k" if steps else "0"
