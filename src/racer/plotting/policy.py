"""Pictures of a policy's lap: where it looks, and what it would do, beside the track."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from racer.diagnostics.policy import PolicyLap, input_weights, weight_fractions
from racer.plotting import style
from racer.plotting.track import draw_direction, draw_track

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


def policy_figure(lap: PolicyLap, title: str) -> Figure:
    """A figure: what the policy looks at above, what it would do and the track below."""
    input_height = 3.4 if lap.views is None else 3.7
    answer_height = float(np.clip(0.9 + 0.22 * len(lap.actions), 3.2, 6.5))
    with style.style_context():
        figure = Figure(figsize=(11.0, input_height + answer_height + 0.4))
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
    ax.set_title("What the answer hangs on: share of each number, over the lap and on average")
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
