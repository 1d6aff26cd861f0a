"""What an attribution says, in sentences: the term that dominates, what works against it, and where
on the lap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from racer.diagnostics.attribution.attribution import (
    AttributedDrive,
    Attribution,
    TermPay,
    pay_by_term,
)

LAP_PARTS = 24  # of a lap, in each of which one term dominates
SMALL_FRACTION = 0.01  # of all amounts: a term that moves less goes without saying


@dataclass(frozen=True)
class TermStretch:
    """Where one term moves the reward most: from and to, m from where the run began along the
    center line.
    """

    start: float
    end: float
    group: TermPay


def describe_dominant_term(attribution: Attribution, run: AttributedDrive) -> str:
    """Which term pays most in a run, and which take most away, in a sentence."""
    found = pay_by_term(attribution, [run])
    total = float(run.reward.sum())
    paying = [group for group in found if group.amounts.sum() > 0.0]
    if not paying:
        return f"{run.name}: nothing is paid in {len(run.reward):,} steps ({total:.4g} in all)"
    first = max(paying, key=lambda group: float(group.amounts.sum()))
    sentence = f"{run.name}: {_named(first)} {_does(first, total)}"
    others = [
        g for g in found if g is not first and abs(g.amounts.sum()) > SMALL_FRACTION * _moved(found)
    ]
    if others:
        sentence += "; " + ", ".join(
            f"{_named(group)} {_does(group, total)}" for group in others[:3]
        )
    return sentence


def find_stretches(attribution: Attribution, run: AttributedDrive) -> list[TermStretch]:
    """Where on the way which term moves the reward most, in order; pieces of a 24th of the way,
    joined.
    """
    found = pay_by_term(attribution, [run])
    if not len(run.reward):
        return []
    edges = np.linspace(run.distance.min(), run.distance.max(), LAP_PARTS + 1)
    part = np.clip(np.searchsorted(edges, run.distance, side="right") - 1, 0, LAP_PARTS - 1)
    moved = np.array(
        [np.bincount(part, np.abs(group.amounts), minlength=LAP_PARTS) for group in found]
    )
    best = np.where(np.bincount(part, minlength=LAP_PARTS) > 0, np.argmax(moved, axis=0), -1)
    kept = [k for k in range(LAP_PARTS) if best[k] >= 0]
    runs = [list(some) for _, some in groupby(kept, key=lambda k: int(best[k]))]
    return [
        TermStretch(float(edges[some[0]]), float(edges[some[-1] + 1]), found[best[some[0]]])
        for some in runs
    ]


def describe_stretches(attribution: Attribution, run: AttributedDrive) -> str:
    """The stretches in a sentence; empty where one term dominates all the way."""
    found = find_stretches(attribution, run)
    if len(found) < 2:
        return ""
    by_name: dict[int, list[TermStretch]] = {}
    for stretch in found:
        by_name.setdefault(id(stretch.group), []).append(stretch)
    texts = [f"{_named(some[0].group)} from {_spans(some)}" for some in by_name.values()]
    return f"most of the reward is moved by {', by '.join(texts)}"


def format_lines(group: TermPay) -> str:
    """`line 3`, `lines 3, 5`, `lines 3 to 9`."""
    some = group.lines
    if len(some) == 1:
        return f"line {some[0]}"
    return (
        f"lines {', '.join(map(str, some))}" if len(some) < 4 else f"lines {some[0]} to {some[-1]}"
    )


def _named(group: TermPay) -> str:
    return f"`{group.name}` ({format_lines(group)})"


def _does(group: TermPay, total: float) -> str:
    paid = float(group.amounts.sum())
    verb = "pays" if paid >= 0.0 else "takes"
    share = (
        f"{abs(paid / total):.0%}"
        if abs(total) > 1e-9 * float(np.abs(group.amounts).sum())
        else f"{abs(paid):.4g}"
    )
    return f"{verb} {share}"


def _moved(found: Sequence[TermPay]) -> float:
    return float(sum(np.abs(group.amounts).sum() for group in found))


def _spans(some: Sequence[TermStretch]) -> str:
    texts = [f"{stretch.start:.1f} to {stretch.end:.1f} m" for stretch in some[:2]]
    return ", ".join(texts) + (", and elsewhere" if len(some) > 2 else "")
