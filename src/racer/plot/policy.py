"""Pictures of what a trainer says about its policy: entropy and KL divergence by iteration."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from racer.plot import style

HIGH_KL = 0.05
"""KL divergence of an update from which a policy is usually said to change too fast for PPO."""


def draw_entropy(ppo: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the policy's entropy by iteration, at the end of its epochs; `ppo` as in `racer.logs.Job.ppo`.

    It falls while the policy makes up its mind: long before the laps are good, it has done so too early.
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
    """`ax` with the KL divergence of the policy's updates by iteration: after the last epoch, and the band of all."""
    groups = ppo[ppo["kl"].notna()].groupby("iteration")["kl"]
    last, most = groups.last(), groups.max()
    ax.fill_between(last.index, groups.min(), most, color=style.PALETTE[2], alpha=0.2, linewidth=0)
    ax.plot(last.index, last, "o-", markersize=3, color=style.PALETTE[2], label="after the last epoch")
    if len(last) and float(most.max()) > HIGH_KL / 3.0:
        ax.axhline(HIGH_KL, color=style.FAINT, linestyle="--", linewidth=1.0, label=f"{HIGH_KL:g}: a fast change")
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("KL divergence")
    ax.set_title("How far each update moved it")
    return _iteration_axis(style.legend_above(ax))


def _iteration_axis(ax: Axes) -> Axes:
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("update of the policy")
    return ax
