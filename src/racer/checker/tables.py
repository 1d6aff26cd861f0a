"""Tables of numbers in a reward file, such as a racing line, and the tracks that they were made
for.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from racer import geometry
from racer.reward import RewardFunction
from racer.track.track import Track

MIN_TABLE_ROWS = 16  # rows that make a table
MIN_FRACTION_ON_TRACK = (
    0.9  # share of its points that lie on the road of a track that it was made for
)


@dataclass(frozen=True, eq=False)
class NumberTable:
    """A literal with many rows. `places` (N, 2) m, where the rows begin with two numbers that may
    be x and y.
    """

    line: int
    name: str
    rows: int
    places: np.ndarray | None


def literal_tables(reward: RewardFunction) -> list[NumberTable]:
    """The literal tables of a file, the longest first; those inside others are left out."""
    found: list[NumberTable] = []
    _collect(reward.syntax.tree, "", found)
    return sorted(found, key=lambda table: -table.rows)


def tracks_of_tables(found: Sequence[NumberTable], tracks: Sequence[Track]) -> list[Track] | None:
    """The tracks on whose road the coordinates of these tables lie; None when no table holds
    coordinates.
    """
    lines = [table.places for table in found if table.places is not None]
    return (
        [track for track in tracks if any(_lies_on(line, track) for line in lines)]
        if lines
        else None
    )


def _lies_on(places: np.ndarray, track: Track) -> bool:
    foot = geometry.nearest_point(track.center, places)
    away = np.hypot(*(places - foot).T)
    long = float(np.ptp(places, axis=0).max()) > 0.4 * float(np.ptp(track.center, axis=0).max())
    return long and bool(np.mean(away < 0.6 * float(track.width.max())) > MIN_FRACTION_ON_TRACK)


def _collect(node: ast.AST, name: str, found: list[NumberTable]) -> None:
    for child in ast.iter_child_nodes(node):
        called = name
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            called = child.targets[0].id
        if isinstance(child, ast.List | ast.Tuple | ast.Dict | ast.Set):
            rows = child.values if isinstance(child, ast.Dict) else child.elts
            if len(rows) >= MIN_TABLE_ROWS:
                found.append(NumberTable(child.lineno, called, len(rows), _places(rows)))
                continue
        _collect(child, called, found)


def _places(rows: Sequence[ast.expr]) -> np.ndarray | None:
    pairs = [
        row.elts[:2] for row in rows if isinstance(row, ast.List | ast.Tuple) and len(row.elts) >= 2
    ]
    if len(pairs) < len(rows):
        return None
    try:
        return np.array([[float(ast.literal_eval(value)) for value in pair] for pair in pairs])
    except (ValueError, TypeError, SyntaxError):
        return None
