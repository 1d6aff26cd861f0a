"""A track drawn by dimensions: straights and arcs, closed exactly and sampled into a `Track`."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from racer.errors import UsageError, did_you_mean
from racer.track import layout
from racer.track.track import Track

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

WAYPOINT_SPACING_M = 0.15
"""Distance of waypoints along the lap, m, as in most of the simulator's first routes."""

CLOSURE_M = 0.05
"""How far from its start a lap may end, m, before it counts as open. Sizes written to the centimeter and angles to a
tenth of a degree leave 2 to 4 cm on a lap of 20 segments; spread over 20 m, 5 cm bends the road by 0.15 degrees."""

LEAST_INDEPENDENCE = 1e-3
"""Least displacement per size, m per m, that open segments must give in every direction: below it, their directions are
so alike (0.1 degrees) that sizes of whole kilometers would close a lap of meters."""

LONGEST_LAP_M = 1000.0
"""Longest lap, m: more than ten times the longest of the simulator's, and short enough to rule out a slipped digit."""


@dataclass(frozen=True)
class Segment:
    """A straight (`turn` 0, `size` its length, m) or an arc (`turn` rad, left positive, `size` its
    radius, m).

    A `size` of nan is left open, for `close` to find.
    """

    size: float
    turn: float = 0.0

    @property
    def what(self) -> str:
        """`straight` or `radius`: what `size` is."""
        return "radius" if self.turn else "straight"


@dataclass(frozen=True)
class TrackLayout:
    """A road of one width, m, from a start pose `(x, y, heading)`, m and rad, along `segments`.

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
        return np.array([piece.size for piece in self.segments])

    @cached_property
    def turns(self) -> Array:
        """(K,) turning of every segment, rad, left positive."""
        return np.array([piece.turn for piece in self.segments])

    @cached_property
    def lengths(self) -> Array:
        """(K,) length of every segment along the center line, m."""
        return self.sizes * np.where(self.turns == 0, 1.0, np.abs(self.turns))

    @cached_property
    def headings(self) -> Array:
        """(K,) heading at the beginning of every segment, rad."""
        return np.asarray(self.start[2] + np.append(0.0, np.cumsum(self.turns)[:-1]))


def build_track(layout: TrackLayout) -> Track:
    """The track of a layout: closed exactly, waypoints equidistant, borders half the width to
    either side.

    Raises UsageError with a sentence when it does not close, folds, or crosses itself.
    """
    closed = close_layout(layout)
    s, center, heading = sample_layout(closed)
    left = center + 0.5j * layout.width * np.exp(1j * heading)
    right = 2 * center - left
    _check_apart(closed, s, left, right)
    inner, outer = (left, right) if closed.turns.sum() > 0 else (right, left)
    return Track(layout.name, layout.title, _points(center), _points(inner), _points(outer))


def close_layout(layout: TrackLayout) -> TrackLayout:
    """The layout with its open sizes found, so that the lap ends where it begins.

    With the angles given, the end of the lap is linear in lengths and radii: at most two of them
    can be left open. Raises UsageError when the lap does not close within `CLOSURE`, or only with a
    size that makes no road.
    """
    _check_turning(layout)
    unknown = np.isnan(layout.sizes)
    sizes = np.where(unknown, 0.0, layout.sizes)
    reach = _reach(layout)
    if unknown.any():
        sizes[unknown] = _solved(layout, reach[unknown], -complex(reach @ sizes))
    closed = replace(layout, segments=tuple(map(Segment, sizes.tolist(), layout.turns.tolist())))
    _check_sizes(closed, unknown)
    _check_gap(closed, complex(reach @ sizes))
    return closed


def sample_layout(
    layout: TrackLayout, spacing: float = WAYPOINT_SPACING_M
) -> tuple[Array, Complex, Array]:
    """Arc length (W,) m, position (W,) m as x + iy, and heading (W,) rad along a closed layout,
    about every `spacing`.

    The last row repeats the first. What is left of the closure error is spread evenly over the lap.
    """
    ends = np.cumsum(layout.lengths)
    s = np.linspace(0.0, ends[-1], max(round(ends[-1] / spacing), 12) + 1)
    piece = np.minimum(np.searchsorted(ends, s, side="right"), len(ends) - 1)
    along = s - (ends - layout.lengths)[piece]
    turned = along * (layout.turns / layout.lengths)[piece]
    steps = _reach(layout) * layout.sizes
    z = (
        complex(*layout.start[:2])
        + (np.cumsum(steps) - steps)[piece]
        + along * _chord(layout.headings[piece], turned)
    )
    z -= steps.sum() * s / s[-1]
    heading = layout.headings[piece] + turned
    z[-1], heading[-1] = z[0], heading[0]
    return s, z, heading


def segment_at(layout: TrackLayout, s: float) -> int:
    """Number, from 1, of the segment at arc length `s`, m."""
    before = int(np.sum(np.cumsum(layout.lengths) <= s))
    return min(before + 1, len(layout.segments))


def _chord(heading: Array, turn: Array) -> Complex:
    """Displacement per length of a piece of road that begins at `heading` and turns by `turn`, both
    rad.
    """
    return np.asarray(np.exp(1j * (heading + turn / 2)) * np.sinc(turn / (2 * np.pi)))


def _reach(layout: TrackLayout) -> Complex:
    """(K,) displacement per size of every segment: its length for a straight, its radius for an
    arc.
    """
    return np.asarray(
        _chord(layout.headings, layout.turns)
        * np.where(layout.turns == 0, 1.0, np.abs(layout.turns))
    )


def _solved(layout: TrackLayout, reach: Complex, missing: complex) -> Array:
    """(U,) sizes that the open segments need to bridge `missing`, m, best in the mean square when
    there is only one.
    """
    numbers = [str(k + 1) for k in np.flatnonzero(np.isnan(layout.sizes))]
    if len(numbers) > 2:
        raise UsageError(
            f"segments {', '.join(numbers)} are left open: at most two can be found, give the others a size"
        )
    matrix = np.array([reach.real, reach.imag])
    if np.linalg.svd(matrix, compute_uv=False)[-1] < LEAST_INDEPENDENCE:
        raise UsageError(
            f"the open segments ({', '.join(numbers)}) cannot steer the end of the lap to its start, so their sizes "
            "cannot be found: leave open two that point in clearly different directions"
        )
    return np.asarray(np.linalg.lstsq(matrix, np.array([missing.real, missing.imag]))[0])


def _check_turning(layout: TrackLayout) -> None:
    total = float(np.degrees(layout.turns.sum()))
    off = abs(total) - 360.0
    if abs(off) > 1e-6:
        side = "left" if total >= 0 else "right"
        mend = f"{abs(off):.6g} deg too {'much' if off > 0 else 'little'}"
        raise UsageError(
            f"the segments turn {abs(total):.6g} deg to the {side} in all, a loop turns 360 deg: {mend}"
        )


def _check_sizes(layout: TrackLayout, solved: NDArray[np.bool_]) -> None:
    for number, (piece, found) in enumerate(zip(layout.segments, solved, strict=True), start=1):
        least = layout.width / 2 if piece.turn else 0.0
        if piece.size > least:
            continue
        value = f"segment {number}: {piece.what} {'would have to be' if found else 'is'} {piece.size:.4g} m"
        if piece.turn:
            reason = f"not above half the width ({least:.4g} m), so the inside border would fold"
            raise UsageError(f"{value}, {reason}: widen the turn or narrow the road")
        raise UsageError(
            f"{value} to close the lap: change another segment, or leave another one open"
        )
    if layout.lengths.sum() > LONGEST_LAP_M:
        raise UsageError(
            f"the lap is {layout.lengths.sum():.0f} m long, more than {LONGEST_LAP_M:.0f} m: sizes are in meters"
        )


def _check_gap(layout: TrackLayout, gap: complex) -> None:
    if abs(gap) > CLOSURE_M:
        raise UsageError(
            f"the lap ends {abs(gap):.3f} m from its start ({gap.real:+.3f} m in x, {gap.imag:+.3f} m in y): "
            'write "?" for one straight and one radius, and racer finds the sizes that close it'
        )


def _check_apart(layout: TrackLayout, s: Array, left: Complex, right: Complex) -> None:
    """Refuse borders that touch themselves or each other."""
    import shapely

    count = len(s) - 1
    rows = np.concatenate([_points(left)[:-1], _points(right)[:-1]])
    ends = np.concatenate([_points(left)[1:], _points(right)[1:]])
    strokes = np.asarray(shapely.linestrings(np.stack([rows, ends], axis=1)))
    first, second = shapely.STRtree(strokes).query(strokes, predicate="intersects")
    apart = (second - first) % count
    hit = (first < second) & ~(
        (first // count == second // count) & np.isin(apart, (0, 1, count - 1))
    )
    if hit.any():
        one, two = min(zip(first[hit].tolist(), second[hit].tolist(), strict=True))
        numbers = sorted(segment_at(layout, float(s[k % count])) for k in (one, two))
        raise UsageError(
            f"the road runs into itself near x = {rows[one][0]:.2f}, y = {rows[one][1]:.2f} m, where segments "
            f"{numbers[0]} and {numbers[1]} meet: move them apart or narrow the road"
        )


def _points(z: Complex) -> Array:
    return np.column_stack([z.real, z.imag])


OPEN_SIZE = "?"
"""Written in place of a length or radius that racer is to find."""


def load_layout_track(path: Path) -> Track:
    """The track in a TOML file. Raises UsageError with the file, the key or segment, and what to
    do.
    """
    try:
        return layout.build_track(read_layout(path))
    except UsageError as error:
        raise (
            error if str(error).startswith(str(path)) else UsageError(f"{path}: {error}")
        ) from None


def read_layout(path: Path) -> TrackLayout:
    """The layout in a TOML file, open sizes still open. Raises UsageError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise UsageError(
            f"{path}: this is not a text file in UTF-8, so not a track in TOML"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: this is not TOML: {error}") from None
    return layout_from_table(table, str(path), path.stem)


def layout_from_table(table: dict[str, Any], where: str, name: str) -> TrackLayout:
    """The layout in a parsed TOML table; `where` begins every sentence, `name` is used when the
    table has none.
    """
    try:
        return _File.model_validate(table).layout(name)
    except ValidationError as error:
        told = [_sentence(dict(each)) for each in error.errors(include_url=False)]
        raise UsageError(
            "\n".join(f"{where}: {sentence}" for sentence in dict.fromkeys(told))
        ) from None
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


Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[float, BeforeValidator(_positive)]
Size = Annotated[float, BeforeValidator(_size)]
Angle = Annotated[float, BeforeValidator(_angle)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Start(_Table):
    x: Number = 0.0
    y: Number = 0.0
    heading_deg: Number = 0.0


class _Segment(_Table):
    straight: Size | None = None
    left: Size | None = None
    right: Size | None = None
    angle: Angle | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> _Segment:
        kinds = [key for key in ("straight", "left", "right") if getattr(self, key) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"must be one of straight, left or right, not {' and '.join(kinds) or 'none of them'}"
            )
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
        turn = math.radians(self.angle or 0.0)
        return (
            Segment(self.left, turn)
            if self.left is not None
            else Segment(self.right or math.nan, -turn)
        )


class _File(_Table):
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = Field(min_length=1)
    teaches: str = ""
    route: str = ""
    width: Positive
    start: _Start = _Start()
    direction: Literal["counterclockwise", "clockwise"]
    segments: list[_Segment] = Field(min_length=1)

    def layout(self, name: str) -> TrackLayout:
        pieces = tuple(row.segment() for row in self.segments)
        turning = sum(piece.turn for piece in pieces)
        if (turning < 0) != (self.direction == "clockwise"):
            side = "right, which is clockwise" if turning < 0 else "left, which is counterclockwise"
            raise UsageError(
                f"direction is {self.direction!r} but the segments turn {side}: change one of them"
            )
        start = (self.start.x, self.start.y, math.radians(self.start.heading_deg))
        return TrackLayout(
            self.name or name, self.title, self.width, start, pieces, self.route, self.teaches
        )


_KEYS: dict[str, type[BaseModel]] = {"start": _Start, "segments": _Segment}


def _sentence(error: dict[str, Any]) -> str:
    """One of pydantic's findings in the words of someone who writes tracks."""
    place, key = _place(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            known = (
                list(_KEYS.get(str(error["loc"][0]), _File).model_fields)
                if len(error["loc"]) > 1
                else None
            )
            return f"{place}unknown key {key!r}{did_you_mean(str(key), known or list(_File.model_fields))}"
        case "missing":
            return f"{place}the key {key!r} is missing"
        case "value_error":
            return f"{place}{f'{key} ' if key else ''}{error['ctx']['error']}"
        case "literal_error":
            return f"{place}{key} must be {error['ctx']['expected']}, not {error['input']!r}"
        case "string_pattern_mismatch":
            return (
                f"{place}{key} must be of letters, digits, '_', '-' and '.', not {error['input']!r}"
            )
        case "too_short" | "string_too_short":
            return f"{place}{key} is empty"
    wanted = {"list_type": "a list, one { ... } a segment", "string_type": "a text in quotes"}
    subject = f"{place}{key} " if key else place
    return (
        f"{subject}must be {wanted.get(error['type'], 'a table { ... }')}, not {error['input']!r}"
    )


def _place(loc: tuple[str | int, ...]) -> tuple[str, str | None]:
    """How the sentence begins, and the key it is about (None when it is about a whole segment)."""
    if loc[0] == "segments" and len(loc) > 1:
        return f"segment {int(loc[1]) + 1}: ", str(loc[2]) if len(loc) > 2 else None
    if len(loc) > 1:
        return f"{loc[0]}: ", str(loc[1])
    return "", str(loc[0]) if loc else None
