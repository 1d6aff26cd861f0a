"""What a project says about checks in its pyproject.toml: `[tool.racer]`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from racer.errors import UsageError, did_you_mean
from racer.files import read_toml

MAX_TIMEOUT_S = 1e6


@dataclass(frozen=True)
class ProjectSettings:
    """The table's keys. Tables within it belong to other commands and are left alone."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    track: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    timeout: float | None = None


def read_project_settings(start: Path) -> ProjectSettings:
    """The settings that hold for a file or folder: of the nearest pyproject.toml with
    `[tool.racer]`, from it upwards.

    Raises UsageError with the file and the key where it is not what it should be.
    """
    start = start.absolute()
    for folder in [start, *start.parents]:
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        table = read_toml(path).get("tool", {}).get("racer")
        if table is not None:
            return _parse_settings(table, path)
    return ProjectSettings()


def _parse_settings(table: Any, path: Path) -> ProjectSettings:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.racer must be a table")
    known = [field.name for field in fields(ProjectSettings)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            continue
        if key not in known:
            suggestion = did_you_mean(key, known) or f": there are {', '.join(known)}"
            raise UsageError(f"{path}: [tool.racer] has no {key!r}{suggestion}")
        if key == "timeout":
            values[key] = _parse_timeout(value, path)
        else:
            values[key] = _parse_words(key, value, path)
    return ProjectSettings(**values)


def _parse_timeout(value: Any, path: Path) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0.0 < value < MAX_TIMEOUT_S:
        raise UsageError(f"{path}: timeout in [tool.racer] is a number of seconds, not {value!r}")
    return float(value)


def _parse_words(key: str, value: Any, path: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{path}: {key} in [tool.racer] is a list of words, not {value!r}")
    return tuple(value)
