"""What stands and drives on the road in a race: how many boxes and bot cars, where, and what the
rules about them are.

The words are those of the simulator's YAML, in lower case (SIMULATOR.md 6.6), and so are the rules
of placing (8.1, 8.2), with their quirks: the least distance between boxes is a percentage of the
lap and is applied to itself at every reset; boxes of a fixed layout stand from close behind the
start line to 1 m before it, on the inner and the outer lane in turn.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.sim.obstacles import (
    BOT,
    BOT_SPEED_MPS,
    BOX,
    INNER_LANE,
    OBSTACLE_DTYPE,
    OUTER_LANE,
    Obstacles,
    obstacles_beside,
)
from racer.track.track import Track

Array = NDArray[np.float64]
LanePositions = tuple[tuple[float, int], ...]

BEFORE_THE_LINE_M = 1.0  # m that the last place of a layout is before the start line


@dataclass(frozen=True)
class ObstacleLayout:
    """The objects of a race, with the simulator's defaults. Distances in m, times in s, speeds in
    m/s.
    """

    number_of_obstacles: int = 0
    # percent of the lap, whatever the name; of itself at every reset
    min_distance_between_obstacles: float = 2.0
    randomize_obstacle_locations: bool = False
    # (share of the lap, lane), lane -1 outer, 1 inner; these are the obstacles then
    object_positions: LanePositions = ()
    is_obstacle_bot_car: bool = False  # obstacles have the size of a car
    number_of_bot_cars: int = 0
    min_distance_between_bot_cars: float = 2.0
    randomize_bot_car_locations: bool = False
    bot_car_speed: float = BOT_SPEED_MPS
    is_lane_change: bool = False
    lower_lane_change_time: float = 3.0
    upper_lane_change_time: float = 5.0
    lane_change_distance: float = 1.0
    # that the bot cars are held after one has run into the car from behind
    penalty_seconds: float = 2.0
    reset_behind_dist: float = 1.0
    reset_ahead_dist: float = 1.0
    enable_mercy_reset: bool = False
    max_resets_after_crash: int = 3

    @property
    def obstacles(self) -> int:
        """How many obstacles there are."""
        return len(self.object_positions) or self.number_of_obstacles

    @property
    def size(self) -> int:
        """How many objects there are."""
        return self.obstacles + self.number_of_bot_cars


OBSTACLE_LAYOUTS = {
    "boxes": ObstacleLayout(
        object_positions=tuple(
            (0.15 * (k + 1), INNER_LANE if k % 2 == 0 else OUTER_LANE) for k in range(6)
        )
    ),
    "random_boxes": ObstacleLayout(number_of_obstacles=6, randomize_obstacle_locations=True),
    "bots": ObstacleLayout(number_of_bot_cars=3),
}
"""Six boxes where DeepRacer on AWS places them, and what DeepRacer for Cloud sets up: boxes at random, and bot cars.

The layout that is neither given nor random is not among them: its first box stands on the start line.
"""

ObstacleSource = ObstacleLayout | Mapping[str, Any] | str | PathLike[str] | None


def read_obstacle_layout(source: ObstacleSource) -> ObstacleLayout | None:
    """The course that is named, or made from a mapping of its words or a .toml file of them; None
    for None and "none".

    Raises UsageError with a sentence for what is wrong.
    """
    if source is None or isinstance(source, ObstacleLayout):
        return source
    if source == "none":
        return None
    if isinstance(source, Mapping):
        return _made(source, "objects")
    name = str(source)
    if name.endswith(".toml"):
        return _made(_table(Path(name)), name)
    if name not in OBSTACLE_LAYOUTS:
        raise UsageError(
            f"unknown objects {name!r}{did_you_mean(name, list(OBSTACLE_LAYOUTS))} (there are none, {', '.join(OBSTACLE_LAYOUTS)}, and "
            ".toml files that say number_of_obstacles or number_of_bot_cars)"
        )
    return OBSTACLE_LAYOUTS[name]


def lay_out_obstacles(
    layout: ObstacleLayout,
    tracks: Sequence[Track],
    road: NDArray[np.int32],
    episode: NDArray[np.int64],
    generators: Sequence[np.random.Generator],
) -> Obstacles:
    """(N, K) the objects of an `episode` (N,) of each car; of episode -1, what is there before any
    began.

    `s` is where the rules of placing want them; they are not `locate`d yet.
    """
    laid = np.zeros((len(road), layout.size), OBSTACLE_DTYPE)
    for way, track in enumerate(tracks):
        mine = np.flatnonzero(road == way)
        places = [
            _places_of(layout, track.length, int(episode[k]), generators[k]) for k in mine.tolist()
        ]
        if places:
            s, lanes = (np.concatenate(column) for column in zip(*places, strict=True))
            laid[mine] = obstacles_beside(track, s, lanes).reshape(len(mine), -1)
    bots = np.arange(layout.size) >= layout.obstacles
    laid["moves"], laid["speed"] = bots, np.where(bots, layout.bot_car_speed, 0.0)
    laid["kind"] = np.where(bots | layout.is_obstacle_bot_car, BOT, BOX)
    return laid


def _places_of(
    what: ObstacleLayout, length: float, episode: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """m of center line from waypoint 0, and lanes, of the obstacles and then of the bot cars."""
    if what.object_positions:
        share, lane = np.array(what.object_positions, dtype=np.float64).T
        s = share * length
    else:
        gap = what.min_distance_between_obstacles * (length / 100.0) ** (episode + 2)
        random = generator if what.randomize_obstacle_locations else None
        s, lane = _spread(what.number_of_obstacles, gap, length, random)
    random = generator if what.randomize_bot_car_locations else None
    bots = _spread(what.number_of_bot_cars, what.min_distance_between_bot_cars, length, random)
    return np.append(s, bots[0]), np.append(lane, bots[1])


def _spread(
    count: int, gap: float, length: float, generator: np.random.Generator | None
) -> tuple[Array, Array]:
    """Equal distances and lanes in turn; with a generator, each place moves between its neighbors,
    in random order.
    """
    end = length - BEFORE_THE_LINE_M
    s = np.linspace(gap, end, count)
    if generator is None or count == 0:
        return s, np.resize([float(INNER_LANE), float(OUTER_LANE)], count)
    for i in generator.permutation(count).tolist():
        low = gap if i == 0 else s[i - 1] + gap
        high = end if i == count - 1 else s[i + 1] - gap
        if low < high:
            s[i] = generator.uniform(low, high)
    return s, np.where(generator.integers(0, 2, count) == 1, OUTER_LANE, INNER_LANE).astype(
        np.float64
    )


# ---- words of a mapping
# ----------------------------------------------------------------------------------------------


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None


def _made(words: Mapping[str, Any], where: str) -> ObstacleLayout:
    known = {field.name: field for field in fields(ObstacleLayout)}
    told: dict[str, Any] = {}
    for word, value in words.items():
        name = word.lower()
        if name not in known:
            raise UsageError(f"{where}: unknown key {word!r}{did_you_mean(name, list(known))}")
        told[name] = (
            _places(value, where)
            if name == "object_positions"
            else _value(known[name], value, where)
        )
    made = ObstacleLayout(**told)
    _check(made, where)
    return made


def _value(field: Any, value: Any, where: str) -> Any:
    """`value` as the type that a field of `Course` has."""
    if field.type == "bool":
        fits = isinstance(value, bool)
    else:
        fits = isinstance(value, int if field.type == "int" else int | float) and not isinstance(
            value, bool
        )
        fits = fits and isfinite(value) and value >= 0
    if not fits:
        kind = {"bool": "true or false", "int": "a whole number, 0 or more"}.get(
            field.type, "a number, 0 or more"
        )
        raise UsageError(f"{where}: {field.name} is {kind}, not {value!r}")
    return float(value) if field.type == "float" else value


def _places(value: Any, where: str) -> LanePositions:
    """(share of the lap, lane) of pairs, of texts as "0.23,-1", or of a text of such, separated by
    semicolons.
    """
    items: Sequence[Any] = (
        [v for v in value.split(";") if v.strip()] if isinstance(value, str) else value
    )
    try:
        pairs = [tuple(item.split(",")) if isinstance(item, str) else tuple(item) for item in items]
        found = tuple((float(share), int(lane)) for share, lane in pairs)
    except (TypeError, ValueError):
        raise UsageError(
            f"{where}: object_positions are pairs of share of the lap and lane, as [[0.23, -1]], not {value!r}"
        ) from None
    if not all(0.0 <= share <= 1.0 for share, _ in found):
        raise UsageError(
            f"{where}: object_positions are shares of the lap, from 0 to 1, not {value!r}"
        )
    return found


def _check(made: ObstacleLayout, where: str) -> None:
    """UsageError for numbers that do not go together."""
    if made.size == 0:
        raise UsageError(
            f"{where}: no objects: give number_of_obstacles, object_positions or number_of_bot_cars"
        )
    if made.number_of_bot_cars and made.bot_car_speed == 0.0 and made.is_lane_change:
        raise UsageError(f"{where}: bot cars change lanes by driving: give a bot_car_speed above 0")
    if made.lower_lane_change_time > made.upper_lane_change_time:
        raise UsageError(f"{where}: lower_lane_change_time is above upper_lane_change_time")
