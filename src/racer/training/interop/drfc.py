"""A training in the words of DeepRacer for Cloud's `run.env` and of the simulator's YAML
(SIMULATOR.md 6.6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from racer.errors import UsageError
from racer.sim.obstacle_layout import ObstacleLayout
from racer.track import library
from racer.training.config import TrainConfig
from racer.training.interop import drfc_obstacles

CUSTOM_FILES_FOLDER = "custom_files"
CUSTOM_FILES = ("reward_function.py", "model_metadata.json", "hyperparameters.json")

ENV_KEYS = {
    "DR_WORLD_NAME": "WORLD_NAME",
    "DR_RACE_TYPE": "RACE_TYPE",
    **drfc_obstacles.OBSTACLE_KEYS,
    "DR_TRAIN_CHANGE_START_POSITION": "CHANGE_START_POSITION",
    "DR_CHANGE_START_POSITION": "CHANGE_START_POSITION",  # in run.env of old
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": "ROUND_ROBIN_ADVANCE_DIST",
    "DR_TRAIN_START_POSITION_OFFSET": "START_POSITION_OFFSET",
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_TRAIN_REVERSE_DIRECTION": "REVERSE_DIR",
    "DR_ENABLE_DOMAIN_RANDOMIZATION": "ENABLE_DOMAIN_RANDOMIZATION",
}
"""Keys of `run.env` that say how the car trains, and the simulator's own word for each."""

FILE_KEYS = (
    "LOCAL_S3_CUSTOM_FILES_PREFIX",
    "LOCAL_S3_HYPERPARAMETERS_KEY",
    "LOCAL_S3_MODEL_METADATA_KEY",
    "LOCAL_S3_REWARD_KEY",
)
"""Keys, without `DR_`, that name the files which are read anyway."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# DeepRacer for Cloud's scripts split at spaces and evaluate the rest
_SAFE = re.compile(r"[\w.+-]+|\"[\w.,;+-]+\"")


@dataclass
class TranslatedJob:
    """What a job's settings say to racer: the world, keys of a `TrainConfig`, which settings were
    used, and remarks.
    """

    world: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def settings_from_config(
    config: TrainConfig, world: str, objects: ObstacleLayout | None = None
) -> dict[str, str]:
    """The simulator's words for how cars and `objects` of a training are placed, on the track that
    it calls `world`.
    """
    return {
        "WORLD_NAME": world,
        **drfc_obstacles.settings_from_obstacles(objects),
        "CHANGE_START_POSITION": str(config.start_advance > 0.0),
        # is not read where the start stays
        "ROUND_ROBIN_ADVANCE_DIST": repr(config.start_advance or 0.05),
        "START_POSITION_OFFSET": repr(config.start_offset),
        "ALTERNATE_DRIVING_DIRECTION": str(config.alternate_direction),
        "REVERSE_DIR": str(config.reverse),
        "ENABLE_DOMAIN_RANDOMIZATION": str(config.look != "none"),
    }


def run_env_text(settings: Mapping[str, str], prefix: str) -> str:
    """The text of a `run.env` with the simulator's words `settings`; its model is kept under
    `prefix` in the bucket.
    """
    names = {word: key for key, word in reversed(ENV_KEYS.items())}
    lines = [f"{names[word]}={value}" for word, value in settings.items()]
    unsafe = [line for line in lines if not _SAFE.fullmatch(line.partition("=")[2])]
    if unsafe:
        raise UsageError(
            f"run.env cannot hold {unsafe[0]!r}: use letters, digits, '_', '-' and '.' in the track's name"
        )
    fields = {"settings": "\n".join(lines), "prefix": re.sub(r"[^\w.-]+", "-", prefix)}
    return _RUN_ENV.format(**fields, reverse=settings["REVERSE_DIR"])


def parse_env(text: str) -> dict[str, str]:
    """The variables that a file such as `run.env` or `system.env` sets, those it names expanded.

    Lines may begin with `export`, values may stand in quotes, `#` begins a comment where a shell
    takes it for one.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)", line)
        if match:
            found[match[1]] = _expanded(_unquoted(match[2]), found)
    return found


def parse_job_yaml(text: str) -> dict[str, Any]:
    """The keys of a YAML file without nesting, as the simulator's parameters are: texts, and lists
    of texts.
    """
    found: dict[str, Any] = {}
    key = ""
    for line in text.splitlines():
        pair = re.match(r"""(['"]?)([A-Za-z_]\w*)\1\s*:(?:\s+(.*))?$""", line)
        item = re.match(r"\s*-\s+(.*)", line)
        if pair:
            key, value = pair[2], _unquoted(pair[3] or "")
            short = re.fullmatch(r"\[(.*)\]", (pair[3] or "").strip())
            found[key] = [_unquoted(part) for part in _parts(short[1])] if short else value
        elif item and key:
            found[key] = (
                [*(found[key] or []), _unquoted(item[1])]
                if isinstance(found[key] or [], list)
                else found[key]
            )
    return found


def settings_from_env(env: Mapping[str, str]) -> dict[str, str]:
    """The simulator's words in a `run.env`, and those that DeepRacer for Cloud's scripts add to it.

    Of a key of old and its newer name, the newer one counts.
    """
    told = {ENV_KEYS[key]: env[key] for key in reversed(ENV_KEYS) if env.get(key)}
    return (
        drfc_obstacles.BOX_DEFAULTS if told.get("RACE_TYPE") == drfc_obstacles.BOXES else {}
    ) | told


def config_from_settings(settings: Mapping[str, Any]) -> TranslatedJob:
    """What the simulator's words say about the cars. UsageError for a value that makes no sense."""
    one = {
        word: value[0] if isinstance(value, list) and value else value
        for word, value in settings.items()
    }
    found = TranslatedJob()
    if one.get("WORLD_NAME"):
        found.world = str(one["WORLD_NAME"])
    if one.get("TRACK_DIRECTION_CLOCKWISE"):
        found.world += "_cw" if _flag(one, "TRACK_DIRECTION_CLOCKWISE", False, found) else "_ccw"
    found.used.add("WORLD_NAME")
    advance = _number(one, "ROUND_ROBIN_ADVANCE_DIST", 0.05, found) % 1.0
    found.config = {
        "reverse": _flag(one, "REVERSE_DIR", False, found),
        "start_advance": advance if _flag(one, "CHANGE_START_POSITION", True, found) else 0.0,
        "start_offset": _number(one, "START_POSITION_OFFSET", 0.0, found) % 1.0,
        "look": "simulator" if _flag(one, "ENABLE_DOMAIN_RANDOMIZATION", False, found) else "none",
        "alternate_direction": _flag(one, "ALTERNATE_DRIVING_DIRECTION", False, found),
    }
    _race(settings, found)
    return found


def world_of_track(track: str) -> str:
    """The simulator's name of a track, empty where it has none such.

    A shipped track that was built after one of the simulator's by its dimensions has that one's
    name.
    """
    if track in library.world_names():
        return track
    made = {entry.name: world for world, entry in library.world_reconstructions().items()}
    return made.get(track, "")


def _race(settings: Mapping[str, Any], found: TranslatedJob) -> None:
    """Put the objects of a race into `found`."""
    race = str(settings.get("RACE_TYPE") or "TIME_TRIAL").upper()
    # those of another race type are not read there either
    found.used |= {"RACE_TYPE", *drfc_obstacles.OBSTACLE_KEYS.values()}
    found.objects = drfc_obstacles.obstacles_from_settings(settings)
    if race not in ("TIME_TRIAL", drfc_obstacles.BOXES, drfc_obstacles.BOTS):
        found.notes.append(
            f"RACE_TYPE {race} is a race against other models: the car trains alone here"
        )


def _flag(settings: Mapping[str, Any], word: str, usual: bool, found: TranslatedJob) -> bool:
    found.used.add(word)
    text = str(settings.get(word) or "").strip().lower()
    if text and text not in (*_TRUE, *_FALSE):
        raise UsageError(f"{word} is {settings[word]!r}, not True or False")
    return text in _TRUE if text else usual


def _number(settings: Mapping[str, Any], word: str, usual: float, found: TranslatedJob) -> float:
    found.used.add(word)
    text = str(settings.get(word) or "").strip()
    try:
        number = float(text) if text else usual
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise UsageError(f"{word} is {settings[word]!r}, not a number")
    return number


def _unquoted(text: str) -> str:
    """A value as a shell, or YAML, reads it: without its quotes, and without a comment behind it."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text[1:]
    return re.split(r"(?:^|\s)#", text)[0].strip()


def _expanded(value: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?([A-Za-z_]\w*)\}?", lambda name: known.get(name[1], ""), value)


def _parts(text: str) -> list[str]:
    """Items of a YAML list in one line; a comma inside quotes divides nothing."""
    return re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]+)""", text)


_RUN_ENV = """\
# Written by racer export. DeepRacer for Cloud wants plain KEY=value lines.
DR_RUN_ID=0
{settings}
DR_CAR_NAME=racer
DR_CAR_BODY_SHELL_TYPE=deepracer
DR_CAR_COLOR=Red
DR_DISPLAY_NAME=$DR_CAR_NAME
DR_RACER_NAME=$DR_CAR_NAME
DR_TRAIN_MULTI_CONFIG=False
DR_TRAIN_MIN_EVAL_TRIALS=5
DR_TRAIN_BEST_MODEL_METRIC=progress
DR_EVAL_NUMBER_OF_TRIALS=5
DR_EVAL_IS_CONTINUOUS=True
DR_EVAL_MAX_RESETS=100
DR_EVAL_OFF_TRACK_PENALTY=2.0
DR_COLLISION_PENALTY=5.0
DR_EVAL_SAVE_MP4=False
DR_EVAL_CHECKPOINT=best
DR_EVAL_REVERSE_DIRECTION={reverse}
DR_EVAL_RESET_BEHIND_DIST=1.0
DR_LOCAL_S3_PRETRAINED=False
DR_LOCAL_S3_PRETRAINED_PREFIX=rl-sagemaker-pretrained
DR_LOCAL_S3_PRETRAINED_CHECKPOINT=best
DR_LOCAL_S3_MODEL_PREFIX={prefix}
DR_LOCAL_S3_CUSTOM_FILES_PREFIX=custom_files
DR_LOCAL_S3_TRAINING_PARAMS_FILE=training_params.yaml
DR_LOCAL_S3_EVAL_PARAMS_FILE=evaluation_params.yaml
DR_LOCAL_S3_MODEL_METADATA_KEY=$DR_LOCAL_S3_CUSTOM_FILES_PREFIX/model_metadata.json
DR_LOCAL_S3_HYPERPARAMETERS_KEY=$DR_LOCAL_S3_CUSTOM_FILES_PREFIX/hyperparameters.json
DR_LOCAL_S3_REWARD_KEY=$DR_LOCAL_S3_CUSTOM_FILES_PREFIX/reward_function.py
DR_LOCAL_S3_METRICS_PREFIX=$DR_LOCAL_S3_MODEL_PREFIX/metrics
DR_UPLOAD_S3_PREFIX=upload
"""
