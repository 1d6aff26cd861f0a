"""What stands and drives on the track in a race: how many boxes and bot cars, where, and what the
rules about them are.

The words are those of the simulator's YAML, in lower case (docs/simulator.md 6.6), and so are the
rules of placing (8.1, 8.2), with their quirks: the least distance between boxes is a percentage of
the lap and is applied to itself at every reset; boxes of a fixed layout stand from close behind the
start line to 1 m before it, on the inner and the outer lane in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from math import isfinite
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.files import read_toml
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
from racer.track import Track

Array = NDArray[np.float64]
LanePositions = tuple[tuple[float, int], ...]

BEFORE_THE_LINE_M = 1.0  # that the last place of a layout is before the start line

_SIX_BOXES = tuple(
    (0.15 * number, INNER_LANE if number % 2 else OUTER_LANE) for number in range(1, 7)
)


@dataclass(frozen=True)
class ObstacleLayout:
    """The obstacles of a race, with the simulator's defaults. Distances in m, times in s, speeds in
    m/s.
    """

    number_of_obstacles: int = 0
    # percent of the lap, whatever the name; of itself at every reset
    min_distance_between_obstacles: float = 2.0
    randomize_obstacle_locations: bool = False
    # (fraction of the lap, lane), lane -1 outer, 1 inner; these are the obstacles then
    object_positions: LanePositions = ()
    is_obstacle_bot_car: bool = False  # obstacles have the size of a car
    number_of_bot_cars: int = 0
    min_distance_between_bot_cars: float = 2.0
    randomize_bot_car_locations: bool = False
    # None drives BOT_SPEED_MPS, and params report 0
    bot_car_speed: float | None = None
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
    def standing_count(self) -> int:
        """How many obstacles stand."""
        return len(self.object_positions) or self.number_of_obstacles

    @property
    def driven_bot_speed(self) -> float:
        """m/s that bot cars drive."""
        return BOT_SPEED_MPS if self.bot_car_speed is None else self.bot_car_speed

    @property
    def count(self) -> int:
        """How many obstacles there are, those that stand and bot cars."""
        return self.standing_count + self.number_of_bot_cars


OBSTACLE_LAYOUTS = {
    "boxes": ObstacleLayout(object_positions=_SIX_BOXES),
    "random_boxes": ObstacleLayout(number_of_obstacles=6, randomize_obstacle_locations=True),
    "bots": ObstacleLayout(number_of_bot_cars=3, bot_car_speed=BOT_SPEED_MPS),
}
"""Six boxes where DeepRacer on AWS places them, and what DeepRacer for Cloud sets up: boxes at random, and bot cars.

The layout that is neither given nor random is not among them: its first box stands on the start line.
"""

ObstacleSource = ObstacleLayout | Mapping[str, Any] | str | PathLike[str] | None


def read_obstacle_layout(source: ObstacleSource) -> ObstacleLayout | None:
    """The layout of that name, or made from a mapping of its words or a .toml file of them; None for
    None and "none".

    Raises UsageError with a sentence for what is wrong.

    >>> read_obstacle_layout("random_boxes").number_of_obstacles
    6
    >>> read_obstacle_layout({"NUMBER_OF_BOT_CARS": 2}).count
    2
    """
    if source is None or isinstance(source, ObstacleLayout):
        return source
    if isinstance(source, Mapping):
        return _layout_from_words(source, "objects")
    name = str(source)
    if name == "none":
        return None
    if name.endswith(".toml"):
        return _layout_from_words(read_toml(name), name)
    if name not in OBSTACLE_LAYOUTS:
        guess = did_you_mean(name, list(OBSTACLE_LAYOUTS))
        raise UsageError(
            f"unknown objects {name!r}{guess} (there are none, {', '.join(OBSTACLE_LAYOUTS)}, "
            "and .toml files that say number_of_obstacles or number_of_bot_cars)"
        )
    return OBSTACLE_LAYOUTS[name]


def lay_out_obstacles(
    layout: ObstacleLayout,
    tracks: Sequence[Track],
    track: NDArray[np.int32],
    episode: NDArray[np.int64],
    generators: Sequence[np.random.Generator],
) -> Obstacles:
    """(N, K) the obstacles of an `episode` (N,) of each car, on the `track` (N,) of `tracks` that it
    drives; of episode -1, what is there before any began.

    `s` is where the rules of placing want them; they are not located yet.
    """
    obstacles = np.zeros((len(track), layout.count), OBSTACLE_DTYPE)
    for number, driven in enumerate(tracks):
        rows = np.flatnonzero(track == number).tolist()
        if not rows:
            continue
        s = np.zeros((len(rows), layout.count))
        lanes = np.zeros((len(rows), layout.count))
        for k, row in enumerate(rows):
            s[k], lanes[k] = _places(layout, driven.length, int(episode[row]), generators[row])
        placed = obstacles_beside(driven, s.ravel(), lanes.ravel())
        obstacles[rows] = placed.reshape(len(rows), -1)
    is_bot = np.arange(layout.count) >= layout.standing_count
    obstacles["moves"] = is_bot
    obstacles["speed"] = np.where(is_bot, layout.bot_car_speed or 0.0, 0.0)
    obstacles["kind"] = np.where(is_bot | layout.is_obstacle_bot_car, BOT, BOX)
    return obstacles


def _places(
    layout: ObstacleLayout, length: float, episode: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """m of center line from waypoint 0, and lanes, of the obstacles that stand and then of the bot
    cars.
    """
    if layout.object_positions:
        fraction, lane = np.array(layout.object_positions, dtype=np.float64).T
        s = fraction * length
    else:
        s, lane = _spread(
            layout.number_of_obstacles,
            layout.min_distance_between_obstacles * (length / 100.0) ** (episode + 2),
            length,
            generator if layout.randomize_obstacle_locations else None,
        )
    bot_s, bot_lane = _spread(
        layout.number_of_bot_cars,
        layout.min_distance_between_bot_cars,
        length,
        generator if layout.randomize_bot_car_locations else None,
    )
    return np.append(s, bot_s), np.append(lane, bot_lane)


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
    is_outer = generator.integers(0, 2, count) == 1
    return s, np.where(is_outer, OUTER_LANE, INNER_LANE).astype(np.float64)


# ---- words of a mapping


def _layout_from_words(words: Mapping[str, Any], where: str) -> ObstacleLayout:
    known = {field.name: field for field in fields(ObstacleLayout)}
    settings: dict[str, Any] = {}
    for word, value in words.items():
        name = word.lower()
        if name not in known:
            raise UsageError(f"{where}: unknown key {word!r}{did_you_mean(name, list(known))}")
        if name == "object_positions":
            settings[name] = _read_positions(value, where)
        else:
            settings[name] = _read_setting(known[name], value, where)
    layout = ObstacleLayout(**settings)
    _check(layout, where)
    return layout


def _read_setting(field: Field[Any], value: Any, where: str) -> Any:
    """`value` as the type that a field of `ObstacleLayout` has."""
    is_flag = isinstance(value, bool)
    match field.type:
        case "bool":
            fits = is_flag
            expected = "true or false"
        case "int":
            fits = isinstance(value, int) and not is_flag and value >= 0
            expected = "a whole number, 0 or more"
        case "float | None" if value is None:
            return None
        case _:
            is_number = isinstance(value, int | float) and not is_flag
            fits = is_number and isfinite(value) and value >= 0
            expected = "a number, 0 or more"
    if not fits:
        raise UsageError(f"{where}: {field.name} is {expected}, not {value!r}")
    return value if field.type in ("bool", "int") else float(value)


def _read_positions(value: Any, where: str) -> LanePositions:
    """(fraction of the lap, lane) of pairs, of texts as "0.23,-1", or of a text of such, separated by
    semicolons.
    """
    pairs = value
    if isinstance(value, str):
        pairs = [pair for pair in value.split(";") if pair.strip()]
    try:
        positions = tuple(_read_position(pair) for pair in pairs)
    except (TypeError, ValueError):
        raise UsageError(
            f"{where}: object_positions are pairs of share of the lap and lane, "
            f"as [[0.23, -1]], not {value!r}"
        ) from None
    if not all(0.0 <= fraction <= 1.0 for fraction, _ in positions):
        raise UsageError(
            f"{where}: object_positions are shares of the lap, from 0 to 1, not {value!r}"
        )
    return positions


def _read_position(pair: Any) -> tuple[float, int]:
    fraction, lane = pair.split(",") if isinstance(pair, str) else pair
    return float(fraction), int(lane)


def _check(layout: ObstacleLayout, where: str) -> None:
    """UsageError for numbers that do not go together."""
    if layout.count == 0:
        raise UsageError(
            f"{where}: no objects: give number_of_obstacles, object_positions or number_of_bot_cars"
        )
    if layout.number_of_bot_cars and layout.bot_car_speed == 0.0 and layout.is_lane_change:
        raise UsageError(f"{where}: bot cars change lanes by driving: give a bot_car_speed above 0")
    if layout.lower_lane_change_time > layout.upper_lane_change_time:
        raise UsageError(f"{where}: lower_lane_change_time is above upper_lane_change_time")
