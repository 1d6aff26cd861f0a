"""DeepRacer for Cloud's `run.env` and its like: files of variables that a shell reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from racer.errors import UsageError

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_COMMENT = re.compile(r"(?:^|\s)#")
# DeepRacer for Cloud's scripts split at spaces and evaluate the rest
_SAFE_VALUE = re.compile(r"[\w.+-]+|\"[\w.,;+-]+\"")


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


def run_env_text(variables: Mapping[str, str], prefix: str, reverse_evaluation: str) -> str:
    """The text of a `run.env` with these variables and DeepRacer for Cloud's usual ones.

    Its model is kept under `prefix` in the bucket; `reverse_evaluation` is True or False. Raises
    UsageError for a value that its scripts cannot read.
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
        prefix=re.sub(r"[^\w.-]+", "-", prefix),
        reverse=reverse_evaluation,
    )


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
