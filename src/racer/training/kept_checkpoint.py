"""Which checkpoint of a training the service would keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COMPLETION_DECIMALS = 6
"""Completions, %, are compared so finely."""


def service_pick(evaluations: Sequence[Mapping[Any, Any]]) -> dict[Any, Any] | None:
    """The one of the rows of evaluations.csv whose checkpoint the service would keep: the newest of
    those that got furthest, whatever their lap times (docs/simulator.md 7.4). None of no row.

    Examples
    --------
    >>> rows = [{"completion": 100.0, "best_lap": 7.0}, {"completion": 100.0, "best_lap": 9.0}]
    >>> service_pick(rows)["best_lap"]
    9.0
    """
    kept: Mapping[Any, Any] | None = None
    furthest = -math.inf
    for row in evaluations:
        completion = round(float(row["completion"]), COMPLETION_DECIMALS)
        if completion >= furthest:
            furthest = completion
            kept = row
    return None if kept is None else dict(kept)
