"""A training in the settings of DeepRacer for Cloud's `run.env` and of the simulator's YAML
(docs/simulator.md 6.6).

A setting is one of the simulator's keys, such as `REVERSE_DIR`, with its value as text or as a list
of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from racer.errors import UsageError
from racer.files import parse_yaml
from racer.sim import OBSTACLE_LAYOUTS, ObstacleLayout
from racer.track import world_of_direction
from racer.training.config import TrainConfig
from racer.training.interop.worlds import run_env_text

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

BOT_CAR_DEFAULTS = {"BOT_CAR_SPEED": "0.2"}
BOX_DEFAULTS = {"NUMBER_OF_OBSTACLES": "6", "RANDOMIZE_OBSTACLE_LOCATIONS": "True"}
"""With BOT_CAR_DEFAULTS, what DeepRacer for Cloud's scripts set where `run.env` does not."""

CUSTOM_FILES_FOLDER = "custom_files"
CUSTOM_FILES = ("reward_function.py", "model_metadata.json", "hyperparameters.json")

ENV_KEYS = {
    "DR_WORLD_NAME": "WORLD_NAME",
    "DR_RACE_TYPE": "RACE_TYPE",
    **OBSTACLE_KEYS,
    "DR_TRAIN_CHANGE_START_POSITION": "CHANGE_START_POSITION",
    "DR_CHANGE_START_POSITION": "CHANGE_START_POSITION",  # in older files
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": "ROUND_ROBIN_ADVANCE_DIST",
    "DR_TRAIN_START_POSITION_OFFSET": "START_POSITION_OFFSET",
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",  # in older files
    "DR_TRAIN_REVERSE_DIRECTION": "REVERSE_DIR",
    "DR_ENABLE_DOMAIN_RANDOMIZATION": "ENABLE_DOMAIN_RANDOMIZATION",
}
"""Variables of `run.env` that say how the car trains, and the simulator's key for each."""

READ_KEYS = {*ENV_KEYS.values(), "TRACK_DIRECTION_CLOCKWISE"}
"""The simulator's keys that `config_from_settings` reads."""

FILE_KEYS = (
    "LOCAL_S3_CUSTOM_FILES_PREFIX",
    "LOCAL_S3_HYPERPARAMETERS_KEY",
    "LOCAL_S3_MODEL_METADATA_KEY",
    "LOCAL_S3_REWARD_KEY",
)
"""Variables, without `DR_`, that name files which are read anyway."""

DEFAULT_ADVANCE = 0.05
"""Fraction of the lap by which the simulator's start moves on, where nothing else is said
(docs/simulator.md 6.6)."""

TIME_TRIAL = "TIME_TRIAL"

_TRUE_WORDS = ("true", "1", "yes", "on")
_FALSE_WORDS = ("false", "0", "no", "off")


def settings_from_obstacles(layout: ObstacleLayout | None) -> dict[str, str]:
    """The settings of a layout, with its race type first; of none, those of a time trial."""
    if layout is None:
        return {"RACE_TYPE": "TIME_TRIAL"}
    race = BOT_CAR_RACE if layout.number_of_bot_cars else BOX_RACE
    settings = {"RACE_TYPE": race}
    for key in KEYS_OF_RACE[race].values():
        value = getattr(layout, key.lower())
        if value in (None, ()):
            continue
        settings[key] = _obstacle_text(value)
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


def _obstacle_text(value: Any) -> str:
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


@dataclass(frozen=True)
class TranslatedJob:
    """What a job's settings mean here.

    `world` is the simulator's name of the track, `config` has keys of a `TrainConfig`, `obstacles`
    the keys of an obstacle layout, and `notes` are for the user.
    """

    world: str
    config: dict[str, Any]
    obstacles: dict[str, Any]
    notes: tuple[str, ...] = ()


def settings_from_config(
    config: TrainConfig, world: str, layout: ObstacleLayout | None = None
) -> dict[str, str]:
    """The settings of how the cars and obstacles of a training are placed, on a track that the
    simulator calls `world`.
    """
    return {
        "WORLD_NAME": world,
        **settings_from_obstacles(layout),
        "CHANGE_START_POSITION": str(config.start_advance > 0.0),
        # is not read where the start stays
        "ROUND_ROBIN_ADVANCE_DIST": repr(config.start_advance or DEFAULT_ADVANCE),
        "START_POSITION_OFFSET": repr(config.start_offset),
        "ALTERNATE_DRIVING_DIRECTION": str(config.alternate_direction),
        "REVERSE_DIR": str(config.reverse),
        "ENABLE_DOMAIN_RANDOMIZATION": str(config.look != "none"),
    }


def run_env_from_settings(settings: Mapping[str, str], prefix: str, pretrained: str = "") -> str:
    """The text of a `run.env` with these settings, whose model is kept under `prefix`, and goes on
    from the one under `pretrained` where that is named.
    """
    names = {key: name for name, key in reversed(ENV_KEYS.items())}  # the newer name of a key
    variables = {names[key]: value for key, value in settings.items()}
    return run_env_text(variables, prefix, settings["REVERSE_DIR"], pretrained)


def settings_from_env(variables: Mapping[str, str]) -> dict[str, str]:
    """The settings in a `run.env`, and those that DeepRacer for Cloud's scripts add to them.

    Where a variable stands by its old and its newer name, the newer one counts.
    """
    settings = {
        ENV_KEYS[name]: variables[name] for name in reversed(ENV_KEYS) if variables.get(name)
    }
    if settings.get("RACE_TYPE") == BOX_RACE:
        return BOX_DEFAULTS | settings
    if settings.get("RACE_TYPE") == BOT_CAR_RACE:
        return BOT_CAR_DEFAULTS | settings
    return settings


def settings_from_yaml(text: str, source: str) -> dict[str, str | list[str]]:
    """The settings in the simulator's YAML: texts, and lists of texts. Raises UsageError."""
    table = parse_yaml(text, source)
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise UsageError(f"{source}: must hold the simulator's keys, each with its value")
    return {str(key): _as_text(value) for key, value in table.items()}


def config_from_settings(settings: Mapping[str, str | list[str]]) -> TranslatedJob:
    """What the settings say about the cars. Raises UsageError for a value that makes no sense.

    Of a list, the value of the first worker counts.
    """
    first = {key: _first_value(value) for key, value in settings.items()}
    world = first.get("WORLD_NAME", "")
    if first.get("TRACK_DIRECTION_CLOCKWISE"):
        world = world_of_direction(world, _flag(first, "TRACK_DIRECTION_CLOCKWISE", False))
    advance = 0.0
    if _flag(first, "CHANGE_START_POSITION", True):
        advance = _number(first, "ROUND_ROBIN_ADVANCE_DIST", DEFAULT_ADVANCE) % 1.0
    is_randomized = _flag(first, "ENABLE_DOMAIN_RANDOMIZATION", False)
    config = {
        "reverse": _flag(first, "REVERSE_DIR", False),
        "start_advance": advance,
        "start_offset": _number(first, "START_POSITION_OFFSET", 0.0) % 1.0,
        "look": "simulator" if is_randomized else "none",
        "alternate_direction": _flag(first, "ALTERNATE_DRIVING_DIRECTION", False),
    }
    race = str(settings.get("RACE_TYPE") or TIME_TRIAL).upper()
    notes = []
    if race not in (TIME_TRIAL, BOX_RACE, BOT_CAR_RACE):
        notes.append(f"RACE_TYPE {race} is a race against other models: the car trains alone here")
    return TranslatedJob(world, config, obstacles_from_settings(settings), tuple(notes))


def _as_text(value: Any) -> str | list[str]:
    """A value of YAML as it would stand in `run.env`."""
    if isinstance(value, list):
        return list(map(str, value))
    if value is None:
        return ""
    return str(value)


def _first_value(value: str | list[str]) -> str:
    if isinstance(value, str):
        return value
    if not value:
        return ""
    return value[0]


def _flag(settings: Mapping[str, str], key: str, default: bool) -> bool:
    text = settings.get(key, "").strip().lower()
    if not text:
        return default
    if text not in (*_TRUE_WORDS, *_FALSE_WORDS):
        raise UsageError(f"{key} is {settings[key]!r}, not True or False")
    return text in _TRUE_WORDS


def _number(settings: Mapping[str, str], key: str, default: float) -> float:
    text = settings.get(key, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise UsageError(f"{key} is {settings[key]!r}, not a number")
    return number
