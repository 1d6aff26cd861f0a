"""Pictures of how a policy uses its action space, with the actions that it never takes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import MaxNLocator, PercentFormatter

from racer.plotting import style
from racer.plotting.laps import row_numbers
from racer.vehicle.action_space import ActionSpace

USED_COLOR, NEVER_COLOR = style.PALETTE[0], style.PALETTE[5]
_NAMED, _NUMBERED = 18, 40  # actions up to which each has its command, or its number, below its bar
_STILL = ("prepare", "pause", "park")  # rows in which the car does not act


def discrete_action_usage(
    trace: pd.DataFrame, laps: pd.DataFrame, space: ActionSpace | None = None
) -> pd.DataFrame:
    """One row a discrete action: action (its index), steer (°), speed (m/s), count and share (0 to
    1) of the steps.

    Over the steps of the given laps. Without its `space` a log does not say what an action never
    taken would command: steer and speed are nan there, and actions beyond the highest one taken are
    not known of. No row when continuous.
    """
    rows = acting_rows(trace, laps)
    taken = rows[rows["action"] >= 0]
    known = space.size if space is not None and not space.is_continuous else 0
    if not len(taken) and not known:
        return pd.DataFrame({"action": [], "steer": [], "speed": [], "count": [], "share": []})
    size = max(known, int(taken["action"].max()) + 1 if len(taken) else 0)
    means = taken.groupby("action")[["steer", "throttle"]].median().reindex(range(size))
    if known and space is not None:
        means.iloc[:known] = np.column_stack([space.steering_deg, space.speed])
    count = np.bincount(taken["action"].to_numpy(), minlength=size)
    columns = {
        "action": np.arange(size),
        "steer": means["steer"].to_numpy(),
        "speed": means["throttle"].to_numpy(),
    }
    return pd.DataFrame(columns | {"count": count, "share": count / max(len(taken), 1)})


def draw_action_bars(use: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the share of steps of each discrete action, never-used ones marked; `use` as of
    `action_use`.
    """
    never = use["count"] == 0
    ax.bar(use["action"], use["share"], color=USED_COLOR, width=0.75)
    if never.any():
        ax.plot(
            use["action"][never],
            np.zeros(int(never.sum())),
            "x",
            color=NEVER_COLOR,
            markersize=7,
            mew=2,
            clip_on=False,
        )
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    ax.set_ylabel("share of steps")
    if len(use) <= _NAMED:
        ax.set_xticks(use["action"], [_name(row) for row in use.to_dict("records")])
    elif len(use) <= _NUMBERED:
        ax.set_xticks(use["action"])
    ax.set_xlabel(
        "action: index, steering (°), speed (m/s)" if len(use) <= _NAMED else "index of the action"
    )
    ax.grid(False, axis="x")
    words = f"{int(never.sum())} of {len(use)} never" if never.any() else f"all {len(use)}"
    ax.set_title(f"Actions taken: {words}")
    return ax


def draw_action_grid(use: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with each discrete action where it steers and how fast, as large as it is often;
    never-used ones crossed.

    Left is left. Actions that the log does not explain (nan) are left out.
    """
    use = use[use["steer"].notna()]
    share = use["share"] / max(float(use["share"].max()), 1e-9)
    never = use["count"] == 0
    ax.scatter(
        use["steer"],
        use["speed"],
        20.0 + 900.0 * share,
        USED_COLOR,
        alpha=0.65,
        linewidths=0,
        zorder=3,
    )
    ax.plot(
        use["steer"][never],
        use["speed"][never],
        "x",
        color=NEVER_COLOR,
        markersize=9,
        mew=2.2,
        zorder=4,
    )
    radius = np.sqrt(20.0 + 900.0 * share) / 2.0
    for row, away in zip(use.to_dict("records"), radius + 2.0, strict=True):
        words = f"{100.0 * row['share']:.0f} %" if row["count"] else "never"
        at = (row["steer"], row["speed"])
        ax.annotate(
            words, at, (0, away), textcoords="offset points", ha="center", fontsize=7.5, zorder=5
        )
    _command_axes(ax)
    ax.margins(0.16, 0.22)
    ax.set_title("By steering and speed")
    return ax


def draw_commands(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, space: ActionSpace | None = None
) -> Axes:
    """`ax` with how often each steering (°) and speed (m/s) was commanded: a 2-D histogram for
    continuous actions.

    The range of the action space is framed where it is known; otherwise the bins reach as far as
    the commands do.
    """
    rows = acting_rows(trace, laps)
    steer, speed = rows["steer"].to_numpy(float), rows["throttle"].to_numpy(float)
    sides = (
        [space.steering_deg, space.speed]
        if space is not None and space.is_continuous
        else [steer, speed]
    )
    reach = [
        (float(np.min(side, initial=np.inf)), float(np.max(side, initial=-np.inf)))
        for side in sides
    ]
    spans = [
        (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)
        for low, high in reach
        if low <= high
    ]
    if spans and len(rows):
        count, x, y = np.histogram2d(steer, speed, bins=[31, 21], range=spans)
        top = float(count.max(initial=1.0))
        norm = LogNorm(1.0, top) if top > 50.0 else Normalize(0.0, max(top, 1.0))
        image = ax.pcolormesh(
            x, y, np.where(count > 0, count, np.nan).T, norm=norm, cmap=style.HEAT_CMAP
        )
        image.set_rasterized(True)
        if ax.figure is not None:
            bar = ax.figure.colorbar(image, ax=ax, pad=0.02, format="{x:,g}")
            bar.minorticks_off()
            bar.set_label("steps")
            bar.outline.set_visible(False)
    _command_axes(ax)
    ax.set_title(f"Commands: {len(rows):,} steps")
    return ax


def acting_rows(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The rows of the given laps in which the policy's action counts: not while the car is held."""
    rows = trace.iloc[row_numbers(laps)]
    return rows[~rows["episode_status"].isin(_STILL)]


def _command_axes(ax: Axes) -> None:
    ax.invert_xaxis()
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.set_xlabel("left  ·  steering (°)  ·  right")
    ax.set_ylabel("commanded speed (m/s)")


def _name(row: dict[Hashable, Any]) -> str:
    known = row["steer"] == row["steer"]
    command = f"{row['steer']:+.3g}\n{row['speed']:.3g}".replace("+0\n", "0\n") if known else "?\n?"
    return f"{row['action']:.0f}\n{command}"
