"""Pictures of a policy's lap: where it looks, and what it would do, beside the track."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from racer.diagnostics.policy import PolicyLap, input_weights, weight_fractions
from racer.plotting import style
from racer.plotting.track import draw_direction, draw_track

Array = NDArray[np.float64]

MAX_PARTS = 12  # parts that are drawn
MAX_NAME_CHARS = 44  # characters of a part's name
GLOW_CMAP = LinearSegmentedColormap.from_list(
    "glow", [(0.0, "#E69F0000"), (0.35, "#E69F0066"), (1.0, "#F0E442e6")]
)
"""From nothing over orange to yellow: what the network looks at, over a gray picture."""

_ACROSS = 4  # pictures in a row
_PLACES = 8  # marks on the map


def policy_figure(lap: PolicyLap, title: str) -> Figure:
    """A figure: what the policy looks at above, what it would do and the track below."""
    with style.style_context():
        high = 3.7 if lap.views is not None else 3.4
        figure = Figure(figsize=(11.0, high + _answer_height(lap) + 0.4))
        lines = 2 if lap.views is not None else 1
        figure.suptitle(
            title + "\n" * (lines - 1), x=0.012, ha="left", fontweight="bold", fontsize=11
        )
        if lap.views is not None:
            words = "orange to yellow: where a little more or less light changes its answer most"
            figure.text(
                0.012,
                1.0 - 0.38 / figure.get_figheight(),
                words,
                color=style.INK,
                fontsize=8.5,
                va="top",
            )
        parted: Any = figure.subfigures(2, 1, height_ratios=[high, _answer_height(lap)])
        top, bottom = parted
        if lap.views is not None:
            _draw_views(lap, top)
        else:
            draw_input_parts(lap, top.subplots())
        left, right = bottom.subfigures(1, 2, width_ratios=[2.1, 1.0])
        _draw_answers(lap, left)
        draw_numbered_places(lap, right.subplots())
    return figure


def draw_input_parts(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the parts that count most, a row each, darker where more of the answer hangs on it."""
    chosen = [part.name for part in input_weights(lap)[:MAX_PARTS]]
    table = weight_fractions(lap)[:, [lap.parts.index(name) for name in chosen]]
    edges = _edges(lap.distance)
    mesh = ax.pcolormesh(edges, np.arange(len(chosen) + 1), table.T, cmap=style.HEAT_CMAP, vmin=0.0)
    labels = [
        f"{name[:MAX_NAME_CHARS]}  {part.fraction:.0%}"
        for name, part in zip(chosen, input_weights(lap), strict=False)
    ]
    ax.set_yticks(np.arange(len(chosen)) + 0.5, labels)
    ax.invert_yaxis()
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_xlabel("distance along the center line (m)")
    ax.set_title("What the answer hangs on: share of each number, over the lap and on average")
    _mark(lap, ax, 0.0)
    style.add_color_bar(mesh, ax, pad=0.01)
    return ax


def draw_action_probabilities(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the probability of every discrete action over the distance, from far right to far
    left.
    """
    order = np.lexsort((lap.actions[:, 1], lap.actions[:, 0]))
    mesh = ax.pcolormesh(
        _edges(lap.distance),
        np.arange(len(order) + 1),
        lap.probabilities[:, order].T,
        cmap=style.HEAT_CMAP,
        vmin=0,
        vmax=1,
    )
    ax.set_yticks(np.arange(len(order)) + 0.5, [_action(lap.actions[k], int(k)) for k in order])
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_title("Probability of each action (steering, speed)")
    ax.set_xlabel("distance along the center line (m)")
    _mark(lap, ax, float(len(order)))
    style.add_color_bar(mesh, ax, pad=0.01)
    return ax


def draw_mean_command(lap: PolicyLap, ax: Axes, k: int) -> Axes:
    """`ax` with the mean and the deviation of steering (k = 0) or speed (k = 1) over the distance."""
    words, unit, color = (
        ("steering", "°, left up", style.PALETTE[0]),
        ("speed", "m/s", style.PALETTE[5]),
    )[k]
    mean, spread = lap.mean[:, k], lap.deviation[:, k]
    ax.fill_between(
        lap.distance, mean - spread, mean + spread, color=color, alpha=0.18, linewidth=0
    )
    ax.plot(lap.distance, mean, color=color)
    ax.set_ylabel(f"{words} ({unit})")
    ax.set_xlim(lap.distance[0], lap.distance[-1])
    return ax


def draw_numbered_places(lap: PolicyLap, ax: Axes) -> Axes:
    """`ax` with the track, the way of the car, and the numbered places of the pictures."""
    draw_direction(lap.track, draw_track(lap.track, style.hide_frame(ax), center=False))
    ax.plot(*lap.xy.T, color=style.PALETTE[0], linewidth=1.3, zorder=3)
    for number, k in enumerate(_places(lap), 1):
        x, y = lap.xy[k]
        ax.text(x, y, str(number), **_stamp(), zorder=6)
    return ax


def _draw_views(lap: PolicyLap, figure: SubFigure) -> None:
    """The pictures at the places, with what counts in them shining."""
    assert lap.views is not None
    count = len(lap.views.index)
    grid = np.atleast_1d(figure.subplots(-(-count // _ACROSS), _ACROSS)).ravel()
    for number, (ax, k) in enumerate(zip(grid, lap.views.index, strict=False), 1):
        picture, heat = lap.views.pictures[number - 1], lap.views.heat[number - 1]
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.imshow(heat, cmap=GLOW_CMAP, vmin=0.0, vmax=1.0, interpolation="bilinear")
        ax.set_axis_off()
        ax.text(
            0.02,
            0.97,
            str(number),
            transform=ax.transAxes,
            **_stamp() | {"va": "top", "ha": "left"},
        )
        words = f"{lap.distance[k]:.1f} m   {lap.mean[k, 0]:+.0f}°  {lap.mean[k, 1]:.1f} m/s"
        ax.set_title(words, fontsize=8, fontweight="normal", loc="center", pad=3)
    for ax in grid[count:]:
        ax.set_axis_off()


def _draw_answers(lap: PolicyLap, figure: SubFigure) -> None:
    if lap.is_discrete:
        draw_action_probabilities(lap, figure.subplots())
        return
    above, below = figure.subplots(2, 1, sharex=True)
    draw_mean_command(lap, above, 0).set_title(
        "What it does, and the deviation of what it would try in training"
    )
    draw_mean_command(lap, below, 1).set_xlabel("distance along the center line (m)")
    _mark(lap, above, float(above.get_ylim()[1]))


def _answer_height(lap: PolicyLap) -> float:
    return float(np.clip(0.9 + 0.22 * len(lap.actions), 3.2, 6.5))


def _places(lap: PolicyLap) -> NDArray[np.int64]:
    """(F,) steps with a number on the map: those of the pictures, else some at equal distances."""
    if lap.views is not None:
        return lap.views.index
    return np.linspace(0, len(lap.xy), _PLACES, endpoint=False).astype(np.int64)


def _mark(lap: PolicyLap, ax: Axes, y: float) -> None:
    """Write the numbers of the places just inside an edge of `ax`."""
    for number, k in enumerate(_places(lap), 1):
        ax.text(
            lap.distance[k],
            y,
            str(number),
            **_stamp() | {"fontsize": 7, "va": "center"},
            zorder=6,
            clip_on=False,
        )


def _stamp() -> dict[str, Any]:
    effects = [withStroke(linewidth=2.5, foreground="white")]
    return {
        "fontsize": 9, "fontweight": "bold", "color": style.INK, "ha": "center", "va": "center",
        "path_effects": effects,
    }  # fmt: skip


def _edges(distance: Array) -> Array:
    """(T + 1,) m between steps; they never stand still, for colors need some width."""
    middle = 0.5 * (distance[1:] + distance[:-1])
    edges = np.concatenate([distance[:1], middle, distance[-1:]])
    return np.maximum.accumulate(edges + 1e-9 * np.arange(len(edges)))


def _action(command: Array, index: int) -> str:
    side = f"{command[0]:+g}°" if command[0] else "0°"
    return f"{side}  {command[1]:g} m/s   {index}"


HIGH_KL = 0.05
"""KL divergence of an update from which a policy is usually said to change too fast for PPO."""


def draw_entropy(ppo: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the policy's entropy by iteration, at the end of its epochs; `ppo` as in
    `racer.logs.Job.ppo`.

    It falls while the policy makes up its mind: long before the laps are good, it has done so too
    early.
    """
    last = ppo[ppo["entropy"].notna()].groupby("iteration")["entropy"].last()
    ax.plot(last.index, last, "o-", markersize=3, color=style.PALETTE[0])
    if len(last) > 1:
        ends = f"{last.iloc[0]:.2f} to {last.iloc[-1]:.2f}"
        ax.set_title(f"Entropy of the policy: from {ends}")
    else:
        ax.set_title("Entropy of the policy")
    ax.set_ylabel("entropy")
    return _iteration_axis(ax)


def draw_kl(ppo: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the KL divergence of the policy's updates by iteration: after the last epoch, and
    the band of all.
    """
    groups = ppo[ppo["kl"].notna()].groupby("iteration")["kl"]
    last, most = groups.last(), groups.max()
    ax.fill_between(last.index, groups.min(), most, color=style.PALETTE[2], alpha=0.2, linewidth=0)
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
    return _iteration_axis(style.legend_above(ax))


def _iteration_axis(ax: Axes) -> Axes:
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("update of the policy")
    return ax
