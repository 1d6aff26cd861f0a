"""Pictures of how training went, and of the policy that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from racer.analysis import lap_iterations, laps_by_iteration
from racer.diagnostics import PolicyLap, input_weights, weight_fractions
from racer.plotting import style
from racer.plotting.track import draw_direction, draw_track

HIGH_KL = 0.05
"""KL divergence of an update from which a policy is usually said to change too fast for PPO."""

METRIC_LABELS = {"completion": "completion (%)", "lap_time": "mean lap time (s)"}
"""What learning curves show, by column."""

_YELLOW = "#F0E442"  # too faint for a line on white
_CURVE_COLORS = tuple(color for color in style.PALETTE if color != _YELLOW)
_CURVE_DASHES = ("-", "--", ":")  # where there are more lines than colors

Array = NDArray[np.float64]

MAX_PARTS = 12  # of the input, that are drawn
MAX_NAME_CHARS = 44  # of a part

GLOW_CMAP = LinearSegmentedColormap.from_list(
    "glow", [(0.0, "#E69F0000"), (0.35, "#E69F0066"), (1.0, "#F0E442e6")]
)
"""From nothing over orange to yellow: what the network looks at, over a gray picture."""

_VIEWS_IN_A_ROW = 4
_PLACES_WITHOUT_VIEWS = 8  # marks on the map
_COMMAND_LABELS = ("steering (°, left up)", "speed (m/s)")
_COMMAND_COLORS = (style.PALETTE[0], style.PALETTE[5])
_DISTANCE_LABEL = "distance along the center line (m)"


def training_figure(laps: pd.DataFrame) -> Figure:
    """A figure of a training: completion, reward and lap times by iteration, one above the other."""
    iterations = laps_by_iteration(laps)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(8.0, 7.0))
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
    record = float(best.iloc[-1])
    holder = best.index[int(np.argmin(best.to_numpy()))]
    is_late = holder > (best.index[0] + best.index[-1]) / 2
    ax.annotate(
        f"{record:.2f} s",
        (holder, record),
        (0, -11),
        textcoords="offset points",
        ha="right" if is_late else "left",
        fontsize=8,
    )
    ax.margins(y=0.16)
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
        figure = style.NotebookFigure(figsize=(4.2 * len(by_track) + 3.4, 5.6))
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


def policy_figure(lap: PolicyLap, title: str) -> Figure:
    """A figure: what the policy looks at above, what it would do and the track below."""
    input_height = 3.4 if lap.views is None else 3.7
    answer_height = float(np.clip(0.9 + 0.22 * len(lap.actions), 3.2, 6.5))
    with style.style_context():
        figure = style.NotebookFigure(figsize=(11.0, input_height + answer_height + 0.4))
        _add_title(figure, title, lap)
        parts: Any = figure.subfigures(2, 1, height_ratios=[input_height, answer_height])
        top, bottom = parts
        if lap.views is None:
            draw_input_parts(lap, top.subplots())
        else:
            _draw_views(lap, top)
        left, right = bottom.subfigures(1, 2, width_ratios=[2.1, 1.0])
        _draw_answers(lap, left)
        draw_numbered_places(lap, right.subplots())
    return figure


def draw_input_parts(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the parts of the input that count most, a row each, darker where more of the answer
    hangs on it.
    """
    weights = input_weights(lap)[:MAX_PARTS]
    columns = [lap.parts.index(weight.name) for weight in weights]
    mesh = ax.pcolormesh(
        _step_edges(lap.distance),
        np.arange(len(weights) + 1),
        weight_fractions(lap)[:, columns].T,
        cmap=style.HEAT_CMAP,
        vmin=0.0,
    )
    labels = [f"{weight.name[:MAX_NAME_CHARS]}  {weight.fraction:.0%}" for weight in weights]
    ax.set_yticks(np.arange(len(weights)) + 0.5, labels)
    ax.invert_yaxis()
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_xlabel(_DISTANCE_LABEL)
    ax.set_title("What the action depends on: share of each number, over the lap and on average")
    _write_place_numbers(lap, ax, 0.0)
    style.add_color_bar(mesh, ax, pad=0.01)
    return ax


def draw_action_probabilities(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the probability of every discrete action over the distance, from far right to far
    left.
    """
    right_first = np.lexsort((lap.actions[:, 1], lap.actions[:, 0]))
    mesh = ax.pcolormesh(
        _step_edges(lap.distance),
        np.arange(len(right_first) + 1),
        lap.probabilities[:, right_first].T,
        cmap=style.HEAT_CMAP,
        vmin=0,
        vmax=1,
    )
    labels = [_action_label(lap.actions[k], int(k)) for k in right_first]
    ax.set_yticks(np.arange(len(right_first)) + 0.5, labels)
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_title("Probability of each action (steering, speed)")
    ax.set_xlabel(_DISTANCE_LABEL)
    _write_place_numbers(lap, ax, float(len(right_first)))
    style.add_color_bar(mesh, ax, pad=0.01)
    return ax


def draw_mean_command(lap: PolicyLap, ax: Axes, k: int) -> Axes:
    """`ax` with the mean and the deviation of steering (k = 0) or speed (k = 1) over the distance."""
    color = _COMMAND_COLORS[k]
    mean = lap.mean[:, k]
    deviation = lap.deviation[:, k]
    ax.fill_between(
        lap.distance, mean - deviation, mean + deviation, color=color, alpha=0.18, linewidth=0
    )
    ax.plot(lap.distance, mean, color=color)
    ax.set_ylabel(_COMMAND_LABELS[k])
    ax.set_xlim(lap.distance[0], lap.distance[-1])
    return ax


def draw_numbered_places(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the track, the path of the car, and the numbered places of the pictures."""
    draw_direction(lap.track, draw_track(lap.track, style.hide_frame(ax), center=False))
    ax.plot(*lap.xy.T, color=style.PALETTE[0], linewidth=1.3, zorder=3)
    for number, k in enumerate(_numbered_steps(lap), 1):
        x, y = lap.xy[k]
        ax.text(x, y, str(number), zorder=6, **_number_font())
    return ax


def _add_title(figure: Figure, title: str, lap: PolicyLap) -> None:
    """The title, and below it what the colors of views mean."""
    font: dict[str, Any] = {"x": 0.012, "ha": "left", "fontweight": "bold", "fontsize": 11}
    if lap.views is None:
        figure.suptitle(title, **font)
        return
    figure.suptitle(title + "\n", **font)
    figure.text(
        0.012,
        1.0 - 0.38 / figure.get_figheight(),
        "orange to yellow: where a little more or less light changes its answer most",
        color=style.INK,
        fontsize=8.5,
        va="top",
    )


def _draw_views(lap: PolicyLap, figure: SubFigure) -> None:
    """The pictures at the places, with what counts in them shining."""
    assert lap.views is not None
    count = len(lap.views.index)
    axes = np.atleast_1d(figure.subplots(-(-count // _VIEWS_IN_A_ROW), _VIEWS_IN_A_ROW)).ravel()
    for ax in axes:
        ax.set_axis_off()
    views = zip(axes, lap.views.index, lap.views.pictures, lap.views.heat, strict=False)
    for number, (ax, k, picture, heat) in enumerate(views, 1):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.imshow(heat, cmap=GLOW_CMAP, vmin=0.0, vmax=1.0, interpolation="bilinear")
        ax.text(
            0.02,
            0.97,
            str(number),
            transform=ax.transAxes,
            **_number_font(va="top", ha="left"),
        )
        steering, speed = lap.mean[k]
        ax.set_title(
            f"{lap.distance[k]:.1f} m   {steering:+.0f}°  {speed:.1f} m/s",
            fontsize=8,
            fontweight="normal",
            loc="center",
            pad=3,
        )


def _draw_answers(lap: PolicyLap, figure: SubFigure) -> None:
    if lap.is_discrete:
        draw_action_probabilities(lap, figure.subplots())
        return
    steering, speed = figure.subplots(2, 1, sharex=True)
    draw_mean_command(lap, steering, 0)
    steering.set_title("What it does, and the deviation of what it would try in training")
    draw_mean_command(lap, speed, 1)
    speed.set_xlabel(_DISTANCE_LABEL)
    _write_place_numbers(lap, steering, float(steering.get_ylim()[1]))


def _numbered_steps(lap: PolicyLap) -> NDArray[np.int64]:
    """(F,) steps with a number on the map: those of the pictures, else some at equal distances."""
    if lap.views is not None:
        return lap.views.index
    steps = np.linspace(0, len(lap.xy), _PLACES_WITHOUT_VIEWS, endpoint=False)
    return steps.astype(np.int64)


def _write_place_numbers(lap: PolicyLap, ax: Axes, y: float) -> None:
    """Write the numbers of the places just inside an edge of `ax`."""
    font = _number_font(fontsize=7)
    for number, k in enumerate(_numbered_steps(lap), 1):
        ax.text(lap.distance[k], y, str(number), zorder=6, clip_on=False, **font)


def _number_font(**changes: Any) -> dict[str, Any]:
    """How the number of a place is written: bold on a white rim."""
    font = {
        "fontsize": 9,
        "fontweight": "bold",
        "color": style.INK,
        "ha": "center",
        "va": "center",
        "path_effects": [withStroke(linewidth=2.5, foreground="white")],
    }
    return font | changes


def _step_edges(distance: Array) -> Array:
    """(T + 1,) m between steps; they never stand still, for colors need some width."""
    middles = 0.5 * (distance[1:] + distance[:-1])
    edges = np.concatenate([distance[:1], middles, distance[-1:]])
    return np.maximum.accumulate(edges + 1e-9 * np.arange(len(edges)))


def _action_label(command: Array, index: int) -> str:
    steering = f"{command[0]:+g}" if command[0] else "0"
    return f"{steering}°  {command[1]:g} m/s   {index}"
