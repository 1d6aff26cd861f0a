"""Boxes and bot cars in the settings of DeepRacer for Cloud and the simulator, and back
(docs/simulator.md 6.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from racer.errors import UsageError
from racer.sim import OBSTACLE_LAYOUTS, ObstacleLayout

BOX_RACE = "OBJECT_AVOIDANCE"
BOT_CAR_RACE = "HEAD_TO_BOT"

BOX_KEYS = {
    "DR_OA_NUMBER_OF_OBSTACLES": "NUMBER_OF_OBSTACLES",
    "DR_OA_MIN_DISTANCE_BETWEEN_OBSTACLES": "MIN_DISTANCE_BETWEEN_OBSTACLES",
    "DR_OA_RANDOMIZE_OBSTACLE_LOCATIONS": "RANDOMIZE_OBSTACLE_LOCATIONS",
    "DR_OA_IS_OBSTACLE_BOT_CAR": "IS_OBSTACLE_BOT_CAR",
    "DR_OA_OBJECT_POSITIONS": "OBJECT_POSITIONS",
}
BOT_CAR_KEYS = {
    "DR_H2B_NUMBER_OF_BOT_CARS": "NUMBER_OF_BOT_CARS",
    "DR_H2B_MIN_DISTANCE_BETWEEN_BOT_CARS": "MIN_DISTANCE_BETWEEN_BOT_CARS",
    "DR_H2B_RANDOMIZE_BOT_CAR_LOCATIONS": "RANDOMIZE_BOT_CAR_LOCATIONS",
    "DR_H2B_BOT_CAR_SPEED": "BOT_CAR_SPEED",
    "DR_H2B_IS_LANE_CHANGE": "IS_LANE_CHANGE",
    "DR_H2B_LOWER_LANE_CHANGE_TIME": "LOWER_LANE_CHANGE_TIME",
    "DR_H2B_UPPER_LANE_CHANGE_TIME": "UPPER_LANE_CHANGE_TIME",
    "DR_H2B_LANE_CHANGE_DISTANCE": "LANE_CHANGE_DISTANCE",
    "DR_H2B_BOT_CAR_PENALTY": "PENALTY_SECONDS",
}
OBSTACLE_KEYS = BOX_KEYS | BOT_CAR_KEYS
"""Variables of `run.env` about obstacles, and the simulator's key for each."""

KEYS_OF_RACE = {BOX_RACE: BOX_KEYS, BOT_CAR_RACE: BOT_CAR_KEYS}
COUNT_OF_RACE = {BOX_RACE: "number_of_obstacles", BOT_CAR_RACE: "number_of_bot_cars"}

BOX_DEFAULTS = {"NUMBER_OF_OBSTACLES": "6", "RANDOMIZE_OBSTACLE_LOCATIONS": "True"}
"""What DeepRacer for Cloud's scripts set for boxes where `run.env` does not."""


def settings_from_obstacles(layout: ObstacleLayout | None) -> dict[str, str]:
    """The settings of a layout, with its race type first; of none, those of a time trial."""
    if layout is None:
        return {"RACE_TYPE": "TIME_TRIAL"}
    race = BOT_CAR_RACE if layout.number_of_bot_cars else BOX_RACE
    settings = {"RACE_TYPE": race}
    for key in KEYS_OF_RACE[race].values():
        value = getattr(layout, key.lower())
        if key == "OBJECT_POSITIONS" and not value:
            continue
        settings[key] = _as_text(value)
    return settings


def obstacle_notes(layout: ObstacleLayout | None) -> list[str]:
    """A sentence where a race with both kinds of obstacles cannot be had there."""
    if layout is None or not (layout.standing_count and layout.number_of_bot_cars):
        return []
    return [
        f"boxes and bot cars at once are no race type there: {BOT_CAR_RACE} leaves the boxes out"
    ]


def obstacles_for_experiment(layout: ObstacleLayout | None) -> str | dict[str, Any] | None:
    """A layout as an experiment file holds it: by its name, or by its keys that are not as usual."""
    if layout is None:
        return None
    for name, known in OBSTACLE_LAYOUTS.items():
        if known == layout:
            return name
    defaults = asdict(ObstacleLayout())
    return {key: value for key, value in asdict(layout).items() if value != defaults[key]}


def obstacles_from_settings(settings: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """The keys of a layout in the settings; none for a race without obstacles.

    Raises UsageError for a value that makes no sense.
    """
    race = str(settings.get("RACE_TYPE") or "").upper()
    if race not in KEYS_OF_RACE:
        return {}
    layout: dict[str, Any] = {}
    for key in KEYS_OF_RACE[race].values():
        value = settings.get(key)
        if value:
            name = key.lower()
            layout[name] = value if name == "object_positions" else _parsed_value(key, value)
    if layout.get("object_positions"):
        layout.pop("number_of_obstacles", None)  # the positions say how many
    elif not layout.get(COUNT_OF_RACE[race]):
        return {}
    return layout


def _as_text(value: Any) -> str:
    """`True`, `2.0`, or positions as `"0.23,-1;0.46,1"`."""
    if not isinstance(value, tuple):
        return str(value)
    positions = ";".join(f"{fraction!r},{lane}" for fraction, lane in value)
    return f'"{positions}"'


def _parsed_value(key: str, value: Any) -> bool | int | float:
    """A flag, a whole number, or a number, from its text."""
    text = str(value).strip().lower()
    if text in ("true", "false"):
        return text == "true"
    try:
        if text.isdecimal() and key.startswith("NUMBER"):
            return int(text)
        return float(text)
    except ValueError:
        raise UsageError(f"{key} is {value!r}, not a number, True or False") from None
