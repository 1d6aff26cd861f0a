"""What all pictures of racer look like: one palette that color-blind readers can tell apart, one
set of defaults.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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

INK, FAINT = "#333333", "#8c8c8c"
ROAD_COLOR, BORDER_COLOR, CENTER_COLOR, BACKGROUND_COLOR = (
    "#e4e4e2",
    "#5c5c5c",
    "#d08a00",
    "#ffffff",
)
BOX_COLOR, BOT_COLOR = "#b08b6c", PALETTE[3]
LEFT_COLOR, RIGHT_COLOR, START_COLOR = PALETTE[0], PALETTE[5], "#000000"

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


@contextmanager
def style_context() -> Iterator[None]:
    """A context in which new figures and what is drawn on them have racer's looks; nothing stays
    changed after it.
    """
    with mpl.rc_context(DEFAULTS):
        yield


def format_map_axes(ax: Axes) -> Axes:
    """`ax`, made a map: meters to scale, labeled."""
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel("x (m)")
    ax.set_ylabel("y (m)")
    return ax


def legend_above(ax: Axes, columns: int = 2) -> Axes:
    """`ax` with its legend in one line above its right end, opposite to the title; none where
    nothing is labeled.
    """
    if ax.get_legend_handles_labels()[1]:
        ax.legend(ncols=columns, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return ax


def add_color_bar(colored: Any, ax: Axes, label: str = "", **how: Any) -> None:
    """Say beside `ax` what the colors of `colored` mean, in a bar without a frame; an `ax` of no
    figure gets none.
    """
    if ax.figure is not None:
        bar = ax.figure.colorbar(colored, ax=ax, **how)
        bar.set_label(label)
        bar.outline.set_visible(False)


def write_note(ax: Axes, text: str) -> Axes:
    """`ax` with a faint sentence in its middle, where there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=FAINT)
    return ax


def map_figure_size(area: Array, width: float = 7.5, margin: float = 1.0) -> tuple[float, float]:
    """Width and height, inches, of a figure with one map of the points `area` (N, 2) m, that leaves
    little empty.

    `beside` inches of the width are for a color bar and labels.
    """
    across, high = np.maximum(np.ptp(area, axis=0) if len(area) else np.ones(2), 0.1)
    return width, float(np.clip((width - margin) * high / across, 2.2, 8.5)) + 0.8


def hide_frame(ax: Axes) -> Axes:
    """`ax` to scale without frame, ticks and grid: for small pictures side by side."""
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def save_figure(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """`path`, after writing the figure there in the format of its ending (png, svg, pdf, ...).
    Raises UsageError.
    """
    ending = path.suffix.lower().removeprefix(".")
    known = sorted(figure.canvas.get_supported_filetypes())
    if ending not in known:
        guess = did_you_mean(ending, known) if ending else ""
        raise UsageError(
            f"{path}: no picture format has the ending {path.suffix!r}{guess} (png, svg and pdf are usual)"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=dpi)
    return write_file(path, buffer.getvalue())
