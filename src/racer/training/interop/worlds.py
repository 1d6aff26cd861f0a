"""The simulator's worlds and the tracks that stand for them; and the files of variables, `run.env`
and its like, that name them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from racer.errors import UsageError
from racer.track import available_tracks, find_track, open_entry, world_names, world_reconstructions

DIRECTION_SUFFIX = re.compile(r"_(c?cw)$")

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_COMMENT = re.compile(r"(?:^|\s)#")
# DeepRacer for Cloud's scripts split at spaces and evaluate the rest
_SAFE_VALUE = re.compile(r"[\w.+-]+|\"[\w.,;+-]+\"")

_TEMPLATE = """\
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
DR_LOCAL_S3_PRETRAINED={is_pretrained}
DR_LOCAL_S3_PRETRAINED_PREFIX={pretrained}
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


class ResolvedWorld(NamedTuple):
    """The track for a world, whether it is to be driven in the other direction, and a sentence where
    it is not the world itself.
    """

    track: str
    is_turned: bool
    note: str = ""


def world_of_track(track: str) -> str:
    """The simulator's name of a track, empty where it has none.

    A shipped track that was built after the dimensions of one of the simulator's has that one's
    name.
    """
    if track in world_names():
        return track
    for world, entry in world_reconstructions().items():
        if entry.name == track:
            return world
    return ""


def resolve_world(world: str, home: Path | None = None) -> ResolvedWorld:
    """The track for one of the simulator's worlds.

    `reinvent_base_cw` is `reinvent_base`, turned, where the former is not here.
    """
    available = available_tracks(home=home)
    if world in available:
        return ResolvedWorld(world, False)
    is_known = world in world_names()
    hint = f" (racer tracks fetch {world} gets the real one)" if is_known else ""
    reconstructions = {name: entry.name for name, entry in world_reconstructions().items()}
    if world in reconstructions:
        track = reconstructions[world]
        note = f"{world} is not here: {track}, a reconstruction of it, is taken{hint}"
        return ResolvedWorld(track, False, note)
    direction = DIRECTION_SUFFIX.search(world)
    if direction:
        plain_world = DIRECTION_SUFFIX.sub("", world)
        track = plain_world if plain_world in available else reconstructions.get(plain_world, "")
        if track:
            return _turned_track(world, track, is_ccw=direction[1] == "ccw", home=home, hint=hint)
    if is_known:
        note = f"{world} is not here yet: before you train, racer tracks fetch {world}"
    else:
        note = (
            f"racer knows no track {world}: before you train, racer tracks import its route (.npy)"
        )
    return ResolvedWorld(world, False, note)


def _turned_track(
    world: str, track: str, is_ccw: bool, home: Path | None, hint: str
) -> ResolvedWorld:
    """A track in the direction of a world, turned if need be."""
    entry = find_track(track, home=home)
    is_turned = open_entry(entry).is_ccw != is_ccw
    direction = "the other way" if is_turned else "as it is"
    note = f"{world} is not here: {track}, driven {direction}, is taken{hint}"
    return ResolvedWorld(track, is_turned, note)


def parse_env(text: str) -> dict[str, str]:
    """The variables that a file such as `run.env` or `system.env` sets, those it names expanded.

    Lines may begin with `export`, values may stand in quotes, `#` begins a comment where a shell
    takes it for one.

    Examples
    --------
    >>> parse_env("export DR_CAR_NAME='racer'  # mine\\nDR_DISPLAY_NAME=$DR_CAR_NAME")
    {'DR_CAR_NAME': 'racer', 'DR_DISPLAY_NAME': 'racer'}
    """
    variables: dict[str, str] = {}
    for line in text.splitlines():
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            name, value = assignment.groups()
            variables[name] = _expand(_unquote(value), variables)
    return variables


def run_env_text(
    variables: Mapping[str, str], prefix: str, reverse_evaluation: str, pretrained: str = ""
) -> str:
    """The text of a `run.env` with these variables and DeepRacer for Cloud's usual ones.

    Its model is kept under `prefix` in the bucket, and goes on from the one under `pretrained` where
    that is named; `reverse_evaluation` is True or False. Raises UsageError for a value that its
    scripts cannot read.
    """
    lines = []
    for name, value in variables.items():
        line = f"{name}={value}"
        if not _SAFE_VALUE.fullmatch(value):
            raise UsageError(
                f"run.env cannot hold {line!r}: use letters, digits, '_', '-' and '.' in the track's name"
            )
        lines.append(line)
    return _TEMPLATE.format(
        settings="\n".join(lines),
        prefix=_bucket_name(prefix),
        is_pretrained=bool(pretrained),
        pretrained=_bucket_name(pretrained) or "rl-sagemaker-pretrained",
        reverse=reverse_evaluation,
    )


def _bucket_name(name: str) -> str:
    """A name as a folder of a bucket may have it."""
    return re.sub(r"[^\w.-]+", "-", name)


def _unquote(text: str) -> str:
    """A value as a shell reads it: without its quotes, and without a comment behind it."""
    text = text.strip()
    quote = text[:1]
    if quote not in ("'", '"'):
        return _COMMENT.split(text)[0].strip()
    end = text.find(quote, 1)
    if end < 0:
        return text[1:]
    return text[1:end]


def _expand(value: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda name: variables.get(name[1], ""), value)
