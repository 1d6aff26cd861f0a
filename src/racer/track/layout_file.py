"""The TOML file in which a track is written down by dimensions. docs/tracks.md describes it for users."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from racer.errors import UsageError, did_you_mean
from racer.track import layout
from racer.track.layout import Layout, Segment
from racer.track.record import Track

OPEN = "?"
"""Written in place of a length or radius that racer is to find."""


def load(path: Path) -> Track:
    """The track in a TOML file. Raises UsageError with the file, the key or segment, and what to do."""
    try:
        return layout.build(read(path))
    except UsageError as error:
        raise error if str(error).startswith(str(path)) else UsageError(f"{path}: {error}") from None


def read(path: Path) -> Layout:
    """The layout in a TOML file, open sizes still open. Raises UsageError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: this is not a text file in UTF-8, so not a track in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: this is not TOML: {error}") from None
    return from_table(table, str(path), path.stem)


def from_table(table: dict[str, Any], where: str, name: str) -> Layout:
    """The layout in a parsed TOML table; `where` begins every sentence, `name` is used when the table has none."""
    try:
        return _File.model_validate(table).layout(name)
    except ValidationError as error:
        told = [_sentence(dict(each)) for each in error.errors(include_url=False)]
        raise UsageError("\n".join(f"{where}: {sentence}" for sentence in dict.fromkeys(told))) from None
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
    if value == OPEN:
        return math.nan
    if isinstance(value, str):
        raise ValueError(f'must be a number of meters, or "{OPEN}" to have it found, not {value!r}')
    return _positive(value)


def _angle(value: object) -> float:
    if value == OPEN:
        raise ValueError(f'cannot be left open: only lengths and radii can be "{OPEN}"')
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
            raise ValueError(f"must be one of straight, left or right, not {' and '.join(kinds) or 'none of them'}")
        if kinds == ["straight"] and self.angle is not None:
            raise ValueError("a straight has no angle: leave the angle out, or write left or right for a turn")
        if kinds != ["straight"] and self.angle is None:
            raise ValueError(f"a turn needs its angle in degrees, e.g. {{ {kinds[0]} = 1.2, angle = 90 }}")
        return self

    def segment(self) -> Segment:
        if self.straight is not None:
            return Segment(self.straight)
        turn = math.radians(self.angle or 0.0)
        return Segment(self.left, turn) if self.left is not None else Segment(self.right or math.nan, -turn)


class _File(_Table):
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = Field(min_length=1)
    teaches: str = ""
    route: str = ""
    width: Positive
    start: _Start = _Start()
    direction: Literal["counterclockwise", "clockwise"]
    segments: list[_Segment] = Field(min_length=1)

    def layout(self, name: str) -> Layout:
        pieces = tuple(row.segment() for row in self.segments)
        turning = sum(piece.turn for piece in pieces)
        if (turning < 0) != (self.direction == "clockwise"):
            side = "right, which is clockwise" if turning < 0 else "left, which is counterclockwise"
            raise UsageError(f"direction is {self.direction!r} but the segments turn {side}: change one of them")
        start = (self.start.x, self.start.y, math.radians(self.start.heading_deg))
        return Layout(self.name or name, self.title, self.width, start, pieces, self.route, self.teaches)


_KEYS: dict[str, type[BaseModel]] = {"start": _Start, "segments": _Segment}


def _sentence(error: dict[str, Any]) -> str:
    """One of pydantic's findings in the words of someone who writes tracks."""
    place, key = _place(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            known = list(_KEYS.get(str(error["loc"][0]), _File).model_fields) if len(error["loc"]) > 1 else None
            return f"{place}unknown key {key!r}{did_you_mean(str(key), known or list(_File.model_fields))}"
        case "missing":
            return f"{place}the key {key!r} is missing"
        case "value_error":
            return f"{place}{f'{key} ' if key else ''}{error['ctx']['error']}"
        case "literal_error":
            return f"{place}{key} must be {error['ctx']['expected']}, not {error['input']!r}"
        case "string_pattern_mismatch":
            return f"{place}{key} must be of letters, digits, '_', '-' and '.', not {error['input']!r}"
        case "too_short" | "string_too_short":
            return f"{place}{key} is empty"
    wanted = {"list_type": "a list, one { ... } a segment", "string_type": "a text in quotes"}
    subject = f"{place}{key} " if key else place
    return f"{subject}must be {wanted.get(error['type'], 'a table { ... }')}, not {error['input']!r}"


def _place(loc: tuple[str | int, ...]) -> tuple[str, str | None]:
    """How the sentence begins, and the key it is about (None when it is about a whole segment)."""
    if loc[0] == "segments" and len(loc) > 1:
        return f"segment {int(loc[1]) + 1}: ", str(loc[2]) if len(loc) > 2 else None
    if len(loc) > 1:
        return f"{loc[0]}: ", str(loc[1])
    return "", str(loc[0]) if loc else None
