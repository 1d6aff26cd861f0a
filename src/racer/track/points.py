"""The tables of points that people have of tracks: .csv, .json, arrays of other columns, and the
waypoints that a log printed. They become the rows of a route.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.files import parse_json, read_text
from racer.track.route import (
    BORDER_GAP_M,
    SEAM_M,
    RouteError,
    check_row_count,
    ends_at_its_start,
    read_array,
)

Array = NDArray[np.float64]

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".log")

Columns = dict[str, Array]
"""Columns of numbers (N,) by the names of `_BY_COUNT`, m; `width` where a road has one."""

_BY_COUNT = {
    2: ("x", "y"),
    4: ("x", "y", "right", "left"),
    6: ("x", "y", "inner_x", "inner_y", "outer_x", "outer_y"),
}
"""What columns without names are, by their count: center line, widths to both sides, borders."""

_COLUMNS_SENTENCE = (
    "a table of a track has 2 columns (center x y), 4 (center x y, width to the right, width to "
    "the left) or 6 (center x y, inner x y, outer x y), or a line of such names above"
)

_LINES = {
    "": ("center", "centre", "centerline", "center_line", "waypoint", "waypoints", "middle"),
    "inner_": ("inner", "inside", "inner_border", "inner_line", "in"),
    "outer_": ("outer", "outside", "outer_border", "outer_line", "out"),
}
_WIDTHS = {
    "right": ("right", "w_tr_right", "width_right", "right_width", "w_right"),
    "left": ("left", "w_tr_left", "width_left", "left_width", "w_left"),
    "width": ("width", "track_width", "road_width"),
}
_FOLDED = 0.999  # of its distance, at which a border point is nearer to another part of the road
_NUMBER = r"(?:np\.float\d+\()?([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\)?"
_PAIR = re.compile(rf"[\[(]\s*{_NUMBER}[\s,]\s*{_NUMBER}\s*[\])]")
_BETWEEN_PAIRS = re.compile(r"[\s,]{0,40}")
_PRINTED_WIDTH = re.compile(rf"track_width['\"]?\s*[:=]\s*{_NUMBER}")


def read_points(path: Path) -> Columns:
    """The columns of a `.csv` or `.json` table, of a `.npy` array, or the waypoints that were
    printed into a log. Raises UsageError.
    """
    try:
        suffix = path.suffix.lower()
        if suffix == ".npy":
            return _name_columns(np.asarray(read_array(path)))
        text = read_text(path)
        if suffix == ".json":
            return _json_columns(parse_json(text, str(path)))
        columns = {} if suffix in (".csv", ".tsv") else _printed_columns(text)
        return columns or _text_columns(text)
    except RouteError as error:
        raise RouteError(error.problem, path) from None


def rows_from_points(
    columns: Mapping[str, Array], *, scale: float = 1.0, width: float | None = None
) -> tuple[Array, list[str]]:
    """Rows (N, 6) m of a road, and what was done to get them.

    All columns are multiplied by `scale`; `width`, m, is that of the finished road where the columns
    tell none. A lap that lacks its last row is closed. Raises RouteError.
    """
    table = {name: column * scale for name, column in columns.items()}
    check_row_count(len(table["x"]))
    has_borders = {"inner_x", "inner_y", "outer_x", "outer_y"} <= set(table)
    has_widths = {"right", "left"} <= set(table) or "width" in table
    if width is not None and (has_borders or has_widths):
        raise RouteError("says itself how wide the road is: leave --width out")
    if has_borders:
        names: Sequence[str] = _BY_COUNT[6]
    else:
        names = _BY_COUNT[4]
        table = _with_widths(table, width)
    points = np.column_stack([table[name] for name in names])
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise RouteError(f"row {bad[0]}, counted from 0, holds a number that is not finite")
    points, notes = _close_lap(points[np.append(True, _gaps(points[:, :2]) > SEAM_M)])
    if not has_borders:
        points = _with_borders(points)
    return points, notes


def _with_widths(table: Columns, width: float | None) -> Columns:
    """`table` with widths to the right and to the left. Raises RouteError where there are none."""
    if {"right", "left"} <= set(table):
        sides = np.column_stack([table["right"], table["left"]])
        bad = np.flatnonzero((sides <= 0.0).any(axis=1))
        if len(bad):
            raise RouteError(
                f"row {bad[0]}, counted from 0: the road is {sides[bad[0], 0]:.4g} m wide to the "
                f"right and {sides[bad[0], 1]:.4g} m to the left; is the order of the columns x, y, "
                "right, left?"
            )
        return table
    if "width" not in table and width is None:
        raise RouteError(
            "holds a center line only: say how wide the road is, in m (--width 1.07 is usual)"
        )
    whole = table.get("width", np.full(len(table["x"]), width))
    if not (whole > 0.0).all():
        raise RouteError(f"the road must be wider than {whole.min():.4g} m (--width)")
    return table | {"right": whole / 2.0, "left": whole / 2.0}


def _gaps(center: Array) -> Array:
    return np.asarray(np.hypot(*np.diff(center, axis=0).T))


def _close_lap(points: Array) -> tuple[Array, list[str]]:
    """`points` (N, k), x y first, with the first one at the end where they are a lap; and a note."""
    center = points[:, :2]
    if len(points) < 3 or np.array_equal(center[0], center[-1]):
        return points, []
    gap = float(np.hypot(*(center[0] - center[-1])))
    if not ends_at_its_start(center):
        return points, [f"the road is open: it ends {gap:.3g} m from its start"]
    is_nearly_closed = gap < min(BORDER_GAP_M, 0.5 * float(np.median(_gaps(center))))
    kept = points[:-1] if is_nearly_closed else points
    return np.vstack([kept, points[:1]]), [f"the lap ended {gap:.3g} m from its start: closed"]


def _with_borders(points: Array) -> Array:
    """Rows (N, 6) m from x, y, width to the right and width to the left (N, 4), driving order."""
    center = points[:, :2]
    is_loop = np.array_equal(center[0], center[-1])
    steps = np.diff(center, axis=0) / _gaps(center)[:, None]  # unit vectors
    before = np.vstack([steps[-1:] if is_loop else steps[:1], steps])
    after = np.vstack([steps, steps[:1] if is_loop else steps[-1:]])
    ahead = before + after
    size = np.maximum(np.hypot(*ahead.T), SEAM_M)
    to_left = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / size[:, None]
    right = center - to_left * points[:, 2:3]
    left = center + to_left * points[:, 3:4]
    cosine = size / 2.0  # of half the angle that the line turns by
    right = _unfold(right, center, points[:, 2] * cosine)
    left = _unfold(left, center, points[:, 3] * cosine)
    is_left_inside = not is_loop or geometry.signed_area(center) > 0.0
    return np.hstack([center, left, right] if is_left_inside else [center, right, left])


def _unfold(border: Array, center: Array, distance: Array) -> Array:
    """`border` (N, 2) with the points that would fold in a tight turn moved between the others.

    They are nearer to the center line than the `distance` (N,), m, that they were put at.
    """
    to_center = np.hypot(*(geometry.nearest_point(center, border) - border).T)
    is_kept = to_center > _FOLDED * distance
    if is_kept.all() or is_kept.mean() < 0.5:
        return border
    rows = np.arange(len(border))
    period = len(border) - 1 if np.array_equal(center[0], center[-1]) else None
    unfolded = [np.interp(rows, rows[is_kept], axis[is_kept], period=period) for axis in border.T]
    return np.column_stack(unfolded)


def _name_columns(rows: NDArray[np.generic], names: Sequence[str] = ()) -> Columns:
    """Columns (N, k) by their names, or by their count where the names tell nothing."""
    if rows.ndim != 2 or not len(rows):
        raise RouteError(f"holds no rows of numbers; {_COLUMNS_SENTENCE}")
    if rows.dtype.kind not in "fiu":
        raise RouteError(f"a track holds real numbers, this array holds {rows.dtype}")
    known = list(map(_canonical_name, names))
    if {"x", "y"} <= set(known) and len(known) == rows.shape[1]:
        return {name: rows[:, k].astype(float) for k, name in enumerate(known) if name}
    if rows.shape[1] - 1 in _BY_COUNT and np.array_equal(
        np.diff(rows[:, 0]), np.ones(len(rows) - 1)
    ):
        rows = rows[:, 1:]  # a column that counts the rows
    if rows.shape[1] not in _BY_COUNT:
        raise RouteError(f"has {rows.shape[1]} columns; {_COLUMNS_SENTENCE}")
    return {name: rows[:, k].astype(float) for k, name in enumerate(_BY_COUNT[rows.shape[1]])}


def _canonical_name(name: str) -> str:
    """`x`, `inner_y`, `right` and so on for the name of a column; empty for any other."""
    words = re.sub(r"[(\[].*", "", name.lower()).strip(" \"'#")
    words = re.sub(r"[^a-z0-9]+", "_", words).strip("_").removesuffix("_m")
    for canonical, names in _WIDTHS.items():
        if words in names:
            return canonical
    for axis in ("x", "y"):
        if words == axis:
            return axis
        for prefix, lines in _LINES.items():
            if words in {f"{line}_{axis}" for line in lines} | {f"{axis}_{line}" for line in lines}:
                return f"{prefix}{axis}"
    return ""


def _text_columns(text: str) -> Columns:
    """The columns of lines of numbers, with or without names above them."""
    names: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = _split_line(line.lstrip("#%/ "))
        values = _numbers_or_none(cells)
        if values is None and rows:
            raise RouteError(f"line {number} is no row of numbers: {line.strip()[:60]!r}")
        if values is None or cells == [str(k) for k in range(len(cells))]:
            names = cells or names  # numpy and pandas count columns that have no name
        elif values:
            if rows and len(values) != len(rows[0]):
                raise RouteError(f"line {number} has {len(values)} numbers, not {len(rows[0])}")
            rows.append(values)
            check_row_count(len(rows))
    return _name_columns(np.array(rows), names)


def _split_line(line: str) -> list[str]:
    """The cells of a line, be they parted by semicolons, tabs, commas or spaces."""
    if ";" in line:
        cells = line.replace(",", ".").split(";")
    elif "\t" in line:
        cells = line.split("\t")
    elif "," in line:
        cells = line.split(",")
    else:
        cells = line.split()
    stripped = [cell.strip() for cell in cells]
    return stripped[:-1] if stripped and not stripped[-1] else stripped


def _numbers_or_none(cells: list[str]) -> list[float] | None:
    try:
        return list(map(float, cells))
    except ValueError:
        return None


def _printed_columns(text: str) -> Columns:
    """The longest list of points that was printed into a text; empty without one."""
    longest: list[tuple[str, str]] = []
    run: list[tuple[str, str]] = []
    end = -1
    for pair in _PAIR.finditer(text):
        if not (run and _BETWEEN_PAIRS.fullmatch(text, end, pair.start())):
            run = []
        run.append((pair[1], pair[2]))
        end = pair.end()
        if len(run) > len(longest):
            longest = run
        check_row_count(len(run))
    if len(longest) < 3:
        return {}
    columns = _name_columns(np.array(longest, dtype=float))
    width = _PRINTED_WIDTH.search(text)
    if width:
        columns["width"] = np.full(len(longest), float(width[1]))
    return columns


def _json_columns(value: Any) -> Columns:
    """The columns of rows, of tables with names, or of lines by their names."""
    while isinstance(value, dict) and len(value) == 1:
        [value] = value.values()
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        value = {name: [row.get(name) for row in value] for name in value[0]}
    if not isinstance(value, dict):
        return _name_columns(_number_array(value))
    columns: Columns = {}
    for key, content in value.items():
        if _is_line(key) and isinstance(content, list):
            line = _name_columns(_number_array(content))
            prefix = next(prefix for prefix, names in _LINES.items() if key.lower() in names)
            columns |= {f"{prefix}{name}": column for name, column in line.items()}
        elif _canonical_name(key):
            columns[_canonical_name(key)] = _number_array(content)
    return _check_columns(columns)


def _check_columns(columns: Columns) -> Columns:
    """Columns of one length, a single number repeated. Raises RouteError."""
    if not {"x", "y"} <= set(columns) or columns["x"].ndim != 1:
        raise RouteError(f"names no center line; {_COLUMNS_SENTENCE}")
    count = len(columns["x"])
    spread = {name: np.full(count, c) if c.ndim == 0 else c for name, c in columns.items()}
    for name, column in spread.items():
        if column.shape != (count,):
            raise RouteError(f"has {count:,} points of x and {len(column):,} of {name}")
    return spread


def _is_line(key: str) -> bool:
    return any(key.lower() in names for names in _LINES.values())


def _number_array(value: object) -> Array:
    try:
        return np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise RouteError(f"holds something that is no number; {_COLUMNS_SENTENCE}") from None
