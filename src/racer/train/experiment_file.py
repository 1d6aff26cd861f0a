"""A training as an experiment file: the TOML that `racer train` takes, relative to the folder that it lies in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from racer.train.config import TrainConfig


def toml(config: TrainConfig, title: str, comments: tuple[str, ...] = ()) -> str:
    """The text of an experiment file with one run: every key that is not as usual, and what one looks for first."""
    table = config.model_dump()
    settings = table.pop("settings")
    usual = {name: field.default for name, field in TrainConfig.model_fields.items()}
    told = ("reward", "track", "action_space", "hyperparameters", "steps")
    top = {key: value for key, value in table.items() if key in told or value != usual[key]}
    plain = TrainConfig.model_validate(table).settings.model_dump()  # pictures want others than features do
    changed = {key: value for key, value in settings.items() if value != plain[key]}
    lines = [f"# {comment}" for comment in comments]
    lines += [f"title = {_value(title)}", "", *_lines(top)]
    return "\n".join([*lines, *(["", "[settings]", *_lines(changed)] if changed else []), ""])


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
