"""A track drawn by dimensions: straights and arcs, closed exactly and sampled into a `Track`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from racer.errors import UsageError, did_you_mean
from racer.files import read_toml
from racer.track.track import Track

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

WAYPOINT_SPACING_M = 0.15
"""Distance of waypoints along the lap, as in most of the simulator's first routes."""

CLOSURE_M = 0.05
"""How far from its start a lap may end before it counts as open. Sizes written to the centimeter and angles to a tenth
of a degree leave 2 to 4 cm on a lap of 20 segments; spread over 20 m, 5 cm bends the track by 0.15 degrees."""

LEAST_INDEPENDENCE = 1e-3
"""Least displacement per size, m per m, that open segments must give in every direction: below it, their directions are
so alike (0.1 degrees) that sizes of whole kilometers would close a lap of meters."""

LONGEST_LAP_M = 1000.0
"""Longest lap: more than ten times the longest of the simulator's, and short enough to rule out a slipped digit."""

OPEN_SIZE = "?"
"""Written in place of a length or radius that racer is to find."""


@dataclass(frozen=True)
class Segment:
    """A straight (`turn` 0, `size` its length, m) or an arc (`turn` rad, left positive, `size` its
    radius, m).

    A `size` of nan is left open, for `close_layout` to find.
    """

    size: float
    turn: float = 0.0


@dataclass(frozen=True)
class TrackLayout:
    """A track of one width, m, from a start pose `(x, y, heading)`, m and rad, along `segments`.

    `route` names the simulator's world that this reconstructs, if any; `teaches` is a line on what
    one learns there.
    """

    name: str
    title: str
    width: float
    start: tuple[float, float, float]
    segments: tuple[Segment, ...]
    route: str = ""
    teaches: str = ""

    @cached_property
    def sizes(self) -> Array:
        """(K,) length or radius of every segment, m; nan where left open."""
        return np.array([segment.size for segment in self.segments])

    @cached_property
    def turns(self) -> Array:
        """(K,) turning of every segment, rad, left positive."""
        return np.array([segment.turn for segment in self.segments])

    @cached_property
    def lengths_per_size(self) -> Array:
        """(K,) length of every segment along the center line over its size: 1 for a straight, the
        angle of an arc.
        """
        return np.where(self.turns == 0, 1.0, np.abs(self.turns))

    @cached_property
    def lengths(self) -> Array:
        """(K,) length of every segment along the center line, m."""
        return self.sizes * self.lengths_per_size

    @cached_property
    def headings(self) -> Array:
        """(K,) heading at the beginning of every segment, rad."""
        return np.asarray(self.start[2] + np.append(0.0, np.cumsum(self.turns)[:-1]))

    @cached_property
    def displacements_per_size(self) -> Complex:
        """(K,) displacement from beginning to end of every segment, x + iy, over its size."""
        return np.asarray(_chord(self.headings, self.turns) * self.lengths_per_size)


def build_track(layout: TrackLayout) -> Track:
    """The track of a layout: closed exactly, waypoints equidistant, borders half the width to
    either side.

    Raises UsageError with a sentence when it does not close, folds, or crosses itself.

    >>> half = (Segment(2.0), Segment(1.5, np.pi), Segment(2.0))
    >>> track = build_track(TrackLayout("stadium", "Stadium", 0.8, (0.0, 0.0, 0.0), half * 2))
    >>> round(track.length, 2) == round(8.0 + 3.0 * np.pi, 2)
    True
    """
    closed = close_layout(layout)
    s, center, heading = sample_layout(closed)
    left = center + 0.5j * layout.width * np.exp(1j * heading)
    right = 2 * center - left
    _check_borders(closed, s, left, right)
    is_ccw = closed.turns.sum() > 0
    return Track(
        layout.name,
        layout.title,
        center=_as_points(center),
        inner=_as_points(left if is_ccw else right),
        outer=_as_points(right if is_ccw else left),
    )


def close_layout(layout: TrackLayout) -> TrackLayout:
    """The layout with its open sizes found, so that the lap ends where it begins.

    With the angles given, the end of the lap is linear in lengths and radii: at most two of them
    can be left open. Raises UsageError when the lap does not close within `CLOSURE_M`, or only with
    a size that makes no track.
    """
    _check_turning(layout)
    is_open = np.isnan(layout.sizes)
    sizes = np.where(is_open, 0.0, layout.sizes)
    displacement = layout.displacements_per_size
    if is_open.any():
        sizes[is_open] = _solve_sizes(layout, is_open, -complex(displacement @ sizes))
    segments = map(Segment, sizes.tolist(), layout.turns.tolist())
    closed = replace(layout, segments=tuple(segments))
    _check_sizes(closed, is_open)
    _check_gap(complex(displacement @ sizes))
    return closed


def sample_layout(
    layout: TrackLayout, spacing: float = WAYPOINT_SPACING_M
) -> tuple[Array, Complex, Array]:
    """Arc length (W,) m, position (W,) m as x + iy, and heading (W,) rad along a closed layout,
    about every `spacing` m.

    The last row repeats the first. What is left of the closure error is spread evenly over the lap.
    """
    ends = np.cumsum(layout.lengths)
    count = max(round(ends[-1] / spacing), 12) + 1
    s = np.linspace(0.0, ends[-1], count)
    k = np.minimum(np.searchsorted(ends, s, side="right"), len(ends) - 1)  # segment of each row
    along = s - (ends - layout.lengths)[k]
    turned = along * (layout.turns / layout.lengths)[k]
    steps = layout.displacements_per_size * layout.sizes
    segment_starts = complex(*layout.start[:2]) + (np.cumsum(steps) - steps)
    position = segment_starts[k] + along * _chord(layout.headings[k], turned)
    position -= steps.sum() * s / s[-1]
    heading = layout.headings[k] + turned
    position[-1] = position[0]
    heading[-1] = heading[0]
    return s, position, heading


def segment_at(layout: TrackLayout, s: float) -> int:
    """Number, from 1, of the segment at arc length `s`, m."""
    before = int(np.sum(np.cumsum(layout.lengths) <= s))
    return min(before + 1, len(layout.segments))


def _chord(heading: Array, turn: Array) -> Complex:
    """Displacement per length of a piece of track that begins at `heading` and turns by `turn`, both
    rad.
    """
    return np.asarray(np.exp(1j * (heading + turn / 2)) * np.sinc(turn / (2 * np.pi)))


def _solve_sizes(layout: TrackLayout, is_open: NDArray[np.bool_], missing: complex) -> Array:
    """(U,) sizes that the open segments need to bridge `missing`, m; where only one is open, the
    best in the mean square.
    """
    numbers = [str(k + 1) for k in np.flatnonzero(is_open)]
    if len(numbers) > 2:
        raise UsageError(
            f"segments {', '.join(numbers)} are left open: "
            "at most two can be found, give the others a size"
        )
    displacement = layout.displacements_per_size[is_open]
    matrix = np.array([displacement.real, displacement.imag])
    if np.linalg.svd(matrix, compute_uv=False)[-1] < LEAST_INDEPENDENCE:
        raise UsageError(
            f"the open segments ({', '.join(numbers)}) cannot steer the end of the lap to its start, "
            "so their sizes cannot be found: leave open two that point in clearly different directions"
        )
    return np.asarray(np.linalg.lstsq(matrix, np.array([missing.real, missing.imag]))[0])


def _check_turning(layout: TrackLayout) -> None:
    total = float(np.degrees(layout.turns.sum()))
    excess = abs(total) - 360.0
    if abs(excess) > 1e-6:
        side = "left" if total >= 0 else "right"
        amount = "too much" if excess > 0 else "too little"
        raise UsageError(
            f"the segments turn {abs(total):.6g} deg to the {side} in all, a loop turns 360 deg: "
            f"{abs(excess):.6g} deg {amount}"
        )


def _check_sizes(layout: TrackLayout, is_solved: NDArray[np.bool_]) -> None:
    """Refuse segments that make no track, and laps that are too long."""
    for number, segment in enumerate(layout.segments, start=1):
        kind = "radius" if segment.turn else "straight"
        verb = "would have to be" if is_solved[number - 1] else "is"
        size = f"segment {number}: {kind} {verb} {segment.size:.4g} m"
        least_radius = layout.width / 2
        if segment.turn and segment.size <= least_radius:
            raise UsageError(
                f"{size}, not above half the width ({least_radius:.4g} m), "
                "so the inside border would fold: widen the turn or narrow the road"
            )
        if segment.size <= 0.0:
            raise UsageError(
                f"{size} to close the lap: change another segment, or leave another one open"
            )
    length = layout.lengths.sum()
    if length > LONGEST_LAP_M:
        raise UsageError(
            f"the lap is {length:.0f} m long, more than {LONGEST_LAP_M:.0f} m: sizes are in meters"
        )


def _check_gap(gap: complex) -> None:
    if abs(gap) > CLOSURE_M:
        raise UsageError(
            f"the lap ends {abs(gap):.3f} m from its start ({gap.real:+.3f} m in x, {gap.imag:+.3f} m in y): "
            'write "?" for one straight and one radius, and racer finds the sizes that close it'
        )


def _check_borders(layout: TrackLayout, s: Array, left: Complex, right: Complex) -> None:
    """Refuse borders that touch themselves or each other."""
    import shapely

    count = len(s) - 1
    starts = np.concatenate([_as_points(left)[:-1], _as_points(right)[:-1]])
    ends = np.concatenate([_as_points(left)[1:], _as_points(right)[1:]])
    edges = np.asarray(shapely.linestrings(np.stack([starts, ends], axis=1)))
    first, second = shapely.STRtree(edges).query(edges, predicate="intersects")
    is_same_border = first // count == second // count
    is_neighbor = is_same_border & np.isin((second - first) % count, (0, 1, count - 1))
    is_touching = (first < second) & ~is_neighbor
    if is_touching.any():
        touching = np.column_stack([first, second])[is_touching]
        one, other = min(touching.tolist())
        low, high = sorted(segment_at(layout, float(s[k % count])) for k in (one, other))
        x, y = starts[one]
        raise UsageError(
            f"the road runs into itself near x = {x:.2f}, y = {y:.2f} m, where segments "
            f"{low} and {high} meet: move them apart or narrow the road"
        )


def _as_points(position: Complex) -> Array:
    """(W, 2) x and y of positions (W,)."""
    return np.column_stack([position.real, position.imag])


# ---- the file


def load_layout_track(path: Path) -> Track:
    """The track in a TOML file. Raises UsageError with the file, the key or segment, and what to
    do.
    """
    layout = read_layout(path)
    try:
        return build_track(layout)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def read_layout(path: Path) -> TrackLayout:
    """The layout in a TOML file, open sizes still open. Raises UsageError."""
    return layout_from_table(read_toml(path), str(path), path.stem)


def layout_from_table(table: dict[str, Any], where: str, name: str) -> TrackLayout:
    """The layout in a parsed TOML table; `where` begins every sentence, `name` is used when the
    table has none.
    """
    try:
        return _LayoutTable.model_validate(table).layout(name)
    except ValidationError as error:
        sentences = [_sentence(dict(detail)) for detail in error.errors(include_url=False)]
        lines = [f"{where}: {sentence}" for sentence in dict.fromkeys(sentences)]
        raise UsageError("\n".join(lines)) from None
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value}")
    return float(value)


def _positive(value: object) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"must be more than 0, not {value}")
    return number


def _size(value: object) -> float:
    if value == OPEN_SIZE:
        return math.nan
    if isinstance(value, str):
        raise ValueError(
            f'must be a number of meters, or "{OPEN_SIZE}" to have it found, not {value!r}'
        )
    return _positive(value)


def _angle(value: object) -> float:
    if value == OPEN_SIZE:
        raise ValueError(f'cannot be left open: only lengths and radii can be "{OPEN_SIZE}"')
    number = _positive(value)
    if number > 360:
        raise ValueError(f"must be at most 360 degrees, not {value}")
    return number


_Number = Annotated[float, BeforeValidator(_number)]
_Positive = Annotated[float, BeforeValidator(_positive)]
_Size = Annotated[float, BeforeValidator(_size)]
_Angle = Annotated[float, BeforeValidator(_angle)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _StartTable(_Table):
    x: _Number = 0.0
    y: _Number = 0.0
    heading_deg: _Number = 0.0


class _SegmentTable(_Table):
    straight: _Size | None = None
    left: _Size | None = None
    right: _Size | None = None
    angle: _Angle | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> _SegmentTable:
        kinds = [key for key in ("straight", "left", "right") if getattr(self, key) is not None]
        if len(kinds) != 1:
            given = " and ".join(kinds) or "none of them"
            raise ValueError(f"must be one of straight, left or right, not {given}")
        if kinds == ["straight"] and self.angle is not None:
            raise ValueError(
                "a straight has no angle: leave the angle out, or write left or right for a turn"
            )
        if kinds != ["straight"] and self.angle is None:
            raise ValueError(
                f"a turn needs its angle in degrees, e.g. {{ {kinds[0]} = 1.2, angle = 90 }}"
            )
        return self

    def segment(self) -> Segment:
        if self.straight is not None:
            return Segment(self.straight)
        angle = math.radians(self.angle or 0.0)
        if self.left is not None:
            return Segment(self.left, angle)
        return Segment(self.right or math.nan, -angle)


class _LayoutTable(_Table):
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = Field(min_length=1)
    teaches: str = ""
    route: str = ""
    width: _Positive
    start: _StartTable = _StartTable()
    direction: Literal["counterclockwise", "clockwise"]
    segments: list[_SegmentTable] = Field(min_length=1)

    def layout(self, name: str) -> TrackLayout:
        segments = tuple(table.segment() for table in self.segments)
        turning = sum(segment.turn for segment in segments)
        if (turning < 0) != (self.direction == "clockwise"):
            side = "right, which is clockwise" if turning < 0 else "left, which is counterclockwise"
            raise UsageError(
                f"direction is {self.direction!r} but the segments turn {side}: change one of them"
            )
        return TrackLayout(
            name=self.name or name,
            title=self.title,
            width=self.width,
            start=(self.start.x, self.start.y, math.radians(self.start.heading_deg)),
            segments=segments,
            route=self.route,
            teaches=self.teaches,
        )


_TABLES: dict[str, type[BaseModel]] = {"start": _StartTable, "segments": _SegmentTable}


def _sentence(error: dict[str, Any]) -> str:
    """One of pydantic's errors in the words of someone who writes tracks."""
    place, key = _place(error["loc"])
    subject = f"{place}{key} " if key else place
    match error["type"]:
        case "extra_forbidden":
            known = list(_table_of(error["loc"]).model_fields)
            return f"{place}unknown key {key!r}{did_you_mean(str(key), known)}"
        case "missing":
            return f"{place}the key {key!r} is missing"
        case "value_error":
            return f"{subject}{error['ctx']['error']}"
        case "literal_error":
            return f"{subject}must be {error['ctx']['expected']}, not {error['input']!r}"
        case "string_pattern_mismatch":
            return f"{subject}must be of letters, digits, '_', '-' and '.', not {error['input']!r}"
        case "too_short" | "string_too_short":
            return f"{subject}is empty"
        case "list_type":
            return f"{subject}must be a list, one {{ ... }} a segment, not {error['input']!r}"
        case "string_type":
            return f"{subject}must be a text in quotes, not {error['input']!r}"
    return f"{subject}must be a table {{ ... }}, not {error['input']!r}"


def _table_of(loc: tuple[str | int, ...]) -> type[BaseModel]:
    """The table that the last key of pydantic's path is a key of."""
    if len(loc) > 1:
        return _TABLES.get(str(loc[0]), _LayoutTable)
    return _LayoutTable


def _place(loc: tuple[str | int, ...]) -> tuple[str, str | None]:
    """How the sentence begins, and the key it is about (None when it is about a whole segment)."""
    if not loc:
        return "", None
    if len(loc) == 1:
        return "", str(loc[0])
    if loc[0] != "segments":
        return f"{loc[0]}: ", str(loc[1])
    key = str(loc[2]) if len(loc) > 2 else None
    return f"segment {int(loc[1]) + 1}: ", key
