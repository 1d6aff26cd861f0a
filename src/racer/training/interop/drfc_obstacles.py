"""Boxes and bot cars of a race in DeepRacer for Cloud's words, and back (SIMULATOR.md 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from racer.errors import UsageError
from racer.sim.obstacle_layout import OBSTACLE_LAYOUTS, ObstacleLayout

BOXES, BOTS = "OBJECT_AVOIDANCE", "HEAD_TO_BOT"

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
"""Keys of `run.env` about objects, and the simulator's own word for each."""

BOX_DEFAULTS = {"NUMBER_OF_OBSTACLES": "6", "RANDOMIZE_OBSTACLE_LOCATIONS": "True"}
"""What DeepRacer for Cloud's scripts set for boxes where `run.env` does not."""

_FLAGS = ("true", "false")


def settings_from_obstacles(objects: ObstacleLayout | None) -> dict[str, str]:
    """The simulator's words for the objects of a run, its race type first; of no objects, a time
    trial.
    """
    if objects is None:
        return {"RACE_TYPE": "TIME_TRIAL"}
    race = BOTS if objects.number_of_bot_cars else BOXES
    told = asdict(objects)
    names = (BOT_CAR_KEYS if race == BOTS else BOX_KEYS).values()
    found = {word: _text(told[word.lower()]) for word in names}
    if not objects.object_positions:
        found.pop("OBJECT_POSITIONS", None)
    return {"RACE_TYPE": race} | found


def obstacle_notes(objects: ObstacleLayout | None) -> list[str]:
    """A sentence where a race of both kinds of objects cannot be had there."""
    if objects is None or not (objects.obstacles and objects.number_of_bot_cars):
        return []
    return [f"boxes and bot cars at once are no race type there: {BOTS} leaves the boxes out"]


def obstacles_for_experiment(objects: ObstacleLayout | None) -> str | dict[str, Any] | None:
    """Objects as an experiment file tells them: the name of their course, or those of its words
    that are not usual.
    """
    if objects is None:
        return None
    usual = asdict(ObstacleLayout())
    some = {word: value for word, value in asdict(objects).items() if value != usual[word]}
    return next((name for name, known in OBSTACLE_LAYOUTS.items() if known == objects), some)


def obstacles_from_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The words of a course in the simulator's settings; empty for a race without objects.
    UsageError.
    """
    race = str(settings.get("RACE_TYPE") or "").upper()
    names = {BOXES: BOX_KEYS, BOTS: BOT_CAR_KEYS}.get(race, {})
    given = {word.lower(): settings[word] for word in names.values() if settings.get(word)}
    found = {
        word: value if word == "object_positions" else _value(word, value)
        for word, value in given.items()
    }
    count = "number_of_obstacles" if race == BOXES else "number_of_bot_cars"
    if not names or not (found.get(count) or found.get("object_positions")):
        return {}
    if found.get("object_positions"):
        found.pop("number_of_obstacles", None)  # the positions tell
    return found


def _text(value: Any) -> str:
    """`True`, `2.0`, or positions as `"0.23,-1;0.46,1"`."""
    if isinstance(value, tuple):
        return '"' + ";".join(f"{share!r},{lane}" for share, lane in value) + '"'
    return str(value)


def _value(word: str, value: Any) -> Any:
    """A flag, a whole number, or a number, from its text."""
    text = str(value).strip().lower()
    if text in _FLAGS:
        return text == "true"
    try:
        return int(text) if text.isdecimal() and word.startswith("number") else float(text)
    except ValueError:
        raise UsageError(f"{word.upper()} is {value!r}, not a number, True or False") from None
