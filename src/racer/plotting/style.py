"""What all pictures of racer look like: one palette that color-blind readers can tell apart, one
set of defaults, and the legends, color bars and colored lines that pictures share.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.files import write_file

Array = NDArray[np.float64]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's eight colors, in the order in which lines take them."""

SPEED_CMAP = "viridis"
"""Color map for speed and other amounts."""

HEAT_CMAP = "YlOrBr"
"""Color map for counts, from few (light) to many (dark), which a gray print keeps in order."""

SIDES_CMAP = "cividis_r"
"""Color map from right (yellow, light) over straight (gray) to left (blue, dark), in order in a gray print too."""

INK = "#333333"
FAINT = "#8c8c8c"
BACKGROUND_COLOR = "#ffffff"
ROAD_COLOR = "#e4e4e2"
BORDER_COLOR = "#5c5c5c"
CENTER_COLOR = "#d08a00"
START_COLOR = "#000000"
LEFT_COLOR = PALETTE[0]
RIGHT_COLOR = PALETTE[5]
BOX_COLOR = "#b08b6c"
BOT_COLOR = PALETTE[3]

DEFAULTS: dict[Any, Any] = {
    "figure.facecolor": BACKGROUND_COLOR,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "savefig.facecolor": BACKGROUND_COLOR,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "font.size": 9,
    "text.color": INK,
}


NOTEBOOK_DPI = 100

_LABEL_FONT_SIZE = 7.5
_LABEL_REACHES = np.arange(0.3, 8.0, 0.3)  # from what it is about to a label, in its heights
_LABEL_TURNS_DEG = (0.0, 25.0, -25.0, 50.0, -50.0, 75.0, -75.0)


@contextmanager
def style_context() -> Iterator[None]:
    """Give figures that are made inside the context, and what is drawn on them, racer's looks.

    Nothing stays changed after it.

    >>> from matplotlib.figure import Figure
    >>> with style_context():
    ...     ax = Figure().add_subplot()
    >>> ax.spines["top"].get_visible()
    False
    """
    with mpl.rc_context(DEFAULTS):
        yield


def format_map_axes(ax: Axes) -> Axes:
    """`ax`, made a map: meters to scale, labeled."""
    ax.set_aspect("equal", adjustable="datalim")
    ax.grid(False)
    ax.set_xlabel("x (m)")
    ax.set_ylabel("y (m)")
    return ax


def hide_frame(ax: Axes) -> Axes:
    """`ax` to scale without frame, ticks and grid: for small pictures side by side."""
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def add_legend_above(ax: Axes, columns: int = 2, *, height: float = 1.0, pad: float = 0.2) -> Axes:
    """`ax` with its legend above its right end, opposite to the title.

    `height` is where the legend's foot is, in heights of the axes; `pad` its distance from there,
    in font sizes. There is no legend where nothing is labeled.
    """
    labels = ax.get_legend_handles_labels()[1]
    if labels:
        ax.legend(ncols=columns, loc="lower right", bbox_to_anchor=(1.0, height), borderaxespad=pad)
    return ax


def add_legend_below(ax: Axes, columns: int, **options: Any) -> Axes:
    """`ax` with its legend below its x label; none where nothing is labeled.

    `options` go to `Axes.legend`.
    """
    labels = ax.get_legend_handles_labels()[1]
    if labels:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns, **options)
    return ax


def add_color_bar(
    colored: ScalarMappable, ax: Axes, label: str = "", **options: Any
) -> Colorbar | None:
    """Say beside `ax` what the colors of `colored` mean, in a bar without a frame.

    `options` go to `Figure.colorbar`. An `ax` without a figure gets no bar.
    """
    if ax.figure is None:
        return None
    bar = ax.figure.colorbar(colored, ax=ax, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def usual_range(values: Array, low_percent: float, high_percent: float) -> tuple[float, float]:
    """The percentiles of those `values` (any shape) that are known; 0 and 1 where none is."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.percentile(known, [low_percent, high_percent])
    return float(low), float(high)


def beyond_ends(values: Array, low: float, high: float) -> str:
    """At which ends of a color scale from `low` to `high` there are values beyond it, in the words
    of a color bar's `extend`.
    """
    is_below = bool((values < low).any())
    is_above = bool((values > high).any())
    if is_below and is_above:
        return "both"
    if is_below:
        return "min"
    return "max" if is_above else "neither"


@dataclass(frozen=True, eq=False)
class LeaderLabel:
    """A text that stands beside a map, with a line to what it is about: at `foot` (2,) m, and
    preferably to the side of `outward` (2,).
    """

    text: str
    foot: Array
    outward: Array

    def free_box(self, size: Array, marks: Array, taken: list[Array]) -> Array:
        """(2, 2) m the lower left and the upper right corner of the nearest place for a text of
        this `size` (2,) m where none of the `marks` (N, 2) m is, and no box that is `taken`; of the
        farthest where there is none.
        """
        outward = self.outward / max(float(np.hypot(*self.outward)), 1e-9)
        box = np.vstack([self.foot, self.foot])
        for reach in _LABEL_REACHES:
            for turn in np.radians(_LABEL_TURNS_DEG):
                rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
                direction = rotation @ outward
                middle = self.foot + direction * (reach * size[1] + 0.5 * size)
                box = np.vstack([middle - 0.5 * size, middle + 0.5 * size])
                is_marked = ((marks >= box[0]) & (marks <= box[1])).all(axis=1).any()
                if not is_marked and not any(_boxes_meet(box, other) for other in taken):
                    return box
        return box


def draw_leader_labels(labels: Sequence[LeaderLabel], marks: Array, ax: Axes) -> Axes:
    """`ax`, a map, with labels where they hide neither `marks` (N, 2) m, nor what is written there,
    nor each other.
    """
    marks = np.vstack([marks, _written_points(ax)])
    boxes: list[Array] = []
    for _ in range(2):  # room for the labels makes the map smaller, and so the labels larger
        boxes = []
        for label in labels:
            boxes.append(label.free_box(_text_size(label.text, ax), marks, boxes))
            ax.update_datalim(boxes[-1])
        ax.autoscale_view()
    for label, box in zip(labels, boxes, strict=True):
        ax.annotate(
            label.text,
            tuple(label.foot.tolist()),
            tuple(box.mean(axis=0).tolist()),
            textcoords="data",
            fontsize=_LABEL_FONT_SIZE,
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=2.0, foreground=BACKGROUND_COLOR)],
            arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
            zorder=6,
        )
    return ax


def _written_points(ax: Axes) -> Array:
    """(N, 2) m: middle and corners of what is written on a map."""
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()
    to_data = ax.transData.inverted()
    points = [np.empty((0, 2))]
    for text in ax.texts:
        if text.get_text():
            box = text.get_window_extent()
            middle = np.mean([box.min, box.max], axis=0)
            points.append(to_data.transform(np.vstack([box.corners(), middle])))
    return np.vstack(points)


def _boxes_meet(box: Array, other: Array) -> bool:
    return bool((box[0] <= other[1]).all() and (other[0] <= box[1]).all())


def _text_size(text: str, ax: Axes) -> Array:
    """(2,) about how wide and high a label is on `ax`, in its data's units, as the figure is laid
    out now.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        return np.zeros(2)
    figure.draw_without_rendering()
    lines = text.split("\n")
    points = np.array([0.62 * max(map(len, lines)), 1.5 * len(lines)]) * _LABEL_FONT_SIZE
    corner = ax.transData.inverted().transform(np.zeros(2))
    other = ax.transData.inverted().transform(points * figure.dpi / 72.0)
    size: Array = np.abs(np.asarray(other - corner))
    return size


def count_norm(top: float, logarithmic_from: float) -> Normalize:
    """The color scale of counts up to `top`: logarithmic above `logarithmic_from`."""
    if top > logarithmic_from:
        return LogNorm(1.0, top)
    return Normalize(0.0, top)


def line_segments(xy: Array) -> Array:
    """(N - 1, 2, 2) the pieces between the points `xy` (N, 2)."""
    return np.stack([xy[:-1], xy[1:]], axis=1)


def add_colored_lines(
    ax: Axes,
    segments: Array,
    values: Array,
    *,
    width: float,
    casing_width: float = 0.0,
    cmap: str = SPEED_CMAP,
    capstyle: Literal["butt", "projecting", "round"] | None = None,
) -> LineCollection:
    """Draw segments (S, 2, 2) in the colors of `values` (S,), and return them for a color bar.

    Widths are in points. A dark casing is drawn below where `casing_width` is given, so that light
    colors are seen on the light road.
    """
    lines = LineCollection(list(segments), cmap=cmap, linewidths=width, zorder=3, capstyle=capstyle)
    lines.set_array(values)
    ax.add_collection(lines)
    if casing_width:
        ax.add_collection(
            LineCollection(
                list(segments),
                colors=INK,
                linewidths=casing_width,
                zorder=2.9,
                capstyle=capstyle,
            )
        )
    return lines


def write_note(ax: Axes, text: str) -> Axes:
    """`ax` with a faint sentence in its middle, where there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=FAINT)
    return ax


def map_height(area: Array, width: float, lowest: float, highest: float) -> float:
    """Height, inches, of a map of the points `area` (N, 2) m that is `width` inches wide, kept
    between two limits.
    """
    if not len(area):
        area = np.zeros((1, 2))
    across, along = np.maximum(np.ptp(area, axis=0), 0.1)
    return float(np.clip(width * along / across, lowest, highest))


def map_figure_size(area: Array, width: float = 7.5, margin: float = 1.0) -> tuple[float, float]:
    """Width and height, inches, of a figure with one map of the points `area` (N, 2) m that leaves
    little empty.

    `margin` inches of the width are for a color bar and labels.
    """
    return width, map_height(area, width - margin, 2.2, 8.5) + 0.8


class NotebookFigure(Figure):
    """A figure that shows itself in a notebook, with or without matplotlib's own set-up there."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=NOTEBOOK_DPI)
        return buffer.getvalue()


def save_figure(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """`path`, after writing the figure there in the format of its ending (png, svg, pdf, ...).

    Raises UsageError for an ending that is no picture format, and where the file cannot be written.
    """
    ending = path.suffix.lower().removeprefix(".")
    formats = sorted(figure.canvas.get_supported_filetypes())
    if ending not in formats:
        guess = did_you_mean(ending, formats)
        raise UsageError(
            f"{path}: no picture format has the ending {path.suffix!r}{guess} "
            "(png, svg and pdf are usual)"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=dpi)
    return write_file(path, buffer.getvalue())
