"""What a project says about checks in its pyproject.toml: `[tool.racer]`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.errors import UsageError, did_you_mean


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
        if path.is_file() and (table := _table(path)) is not None:
            return _settings(table, path)
    return ProjectSettings()


def _table(path: Path) -> dict[str, Any] | None:
    try:
        found = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("racer")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    if found is not None and not isinstance(found, dict):
        raise UsageError(f"{path}: tool.racer must be a table")
    return found


def _settings(table: dict[str, Any], path: Path) -> ProjectSettings:
    known = list(ProjectSettings.__annotations__)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            continue
        if key not in known:
            near = did_you_mean(key, known) or f": there are {', '.join(known)}"
            raise UsageError(f"{path}: [tool.racer] has no {key!r}{near}")
        values[key] = _number(value, path) if key == "timeout" else _words(key, value, path)
    return ProjectSettings(**values)


def _number(value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 1e6:
        raise UsageError(f"{path}: timeout in [tool.racer] is a number of seconds, not {value!r}")
    return float(value)


def _words(key: str, value: Any, path: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{path}: {key} in [tool.racer] is a list of words, not {value!r}")
    return tuple(value)
