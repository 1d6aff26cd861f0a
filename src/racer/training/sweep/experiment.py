"""An experiment: a TOML file that says what `racer train` would be told, and may list several
values to compare.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from racer.errors import UsageError, did_you_mean
from racer.training.config import (
    ConfigErrors,
    LearnerSettings,
    TrainConfig,
    parse_config,
    parse_model,
)

AXES = (
    "reward", "track", "car", "action_space", "hyperparameters", "observation", "network", "noise", "objects", "seed",
)  # fmt: skip
"""What may list several values, in the order in which run names tell of them; PPO's settings may too."""

FILE_ENDINGS = {
    "reward": ".py",
    "track": ".toml .npy",
    "action_space": ".json",
    "hyperparameters": ".json",
    "objects": ".toml",
}
LIST_KEYS = ("settings.net_arch", "also_tracks")
MAX_RUNS = 2000

Value = Any  # what TOML holds
Point = dict[str, Value]  # `settings.gamma` and the like to a value


class ExperimentText(BaseModel):
    """What an experiment says to its readers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    question: str = ""


@dataclass(frozen=True)
class Experiment:
    """Runs by their names, which tell what differs."""

    path: Path
    title: str
    question: str
    runs: dict[str, TrainConfig]

    @property
    def is_single(self) -> bool:
        """Whether there is nothing to compare."""
        return len(self.runs) == 1


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file. UsageError with a sentence for each thing that is wrong in it."""
    table = _table(path)
    said = {key: table.pop(key) for key in ExperimentText.model_fields if key in table}
    words = parse_model(said, str(path), ExperimentText)
    runs = expand_grid(table, str(path), path.resolve().parent)
    return Experiment(path, words.title or path.stem.replace("_", " "), words.question, runs)


def expand_grid(table: dict[str, Any], source: str, folder: Path) -> dict[str, TrainConfig]:
    """Every combination of the values in `table`, under a name such as `center_line-oval-seed0`.

    Paths are relative to `home`; the name of a shipped reward or track counts where no such file
    is. Raises UsageError with a sentence for each thing that is wrong in `where`.
    """
    points = _points(_flat(table, source), source)
    points = [
        {key: _placed(key, value, folder) for key, value in point.items()} for point in points
    ]
    configs: list[TrainConfig] = []
    complaints: dict[str, None] = {}
    for point in points:
        try:
            configs.append(parse_config(_nested(point), source))
        except ConfigErrors as error:
            complaints |= dict.fromkeys(error.sentences)
    if complaints:
        raise ConfigErrors(source, list(complaints))
    return dict(zip(_names(points), configs, strict=True))


def value_labels(key: str, values: list[Value]) -> list[str]:
    """A short word for each value of `key`: a file's name without its ending, with its folder where
    names are equal.
    """
    if key not in FILE_ENDINGS:
        return [_text(value) for value in values]
    paths = [Path(str(value)) for value in values]
    stems = [path.stem for path in paths]
    several = {
        stem
        for stem in stems
        if len({p for p, s in zip(paths, stems, strict=True) if s == stem}) > 1
    }
    return [
        f"{p.parent.name}-{s}" if s in several else s for p, s in zip(paths, stems, strict=True)
    ]


def sorted_keys(keys: set[str]) -> list[str]:
    """Keys of configurations in the order in which they are told."""
    first = [key for key in AXES if key != "seed"]
    rank = {key: number for number, key in enumerate([*first, *sorted(keys - {*AXES}), "seed"])}
    return sorted(keys, key=rank.__getitem__)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        folder = path.parent
        near = (
            did_you_mean(path.name, [p.name for p in folder.glob("*.toml")])
            if folder.is_dir()
            else ""
        )
        raise UsageError(f"there is no experiment {path}{near}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder: name the experiment's .toml file in it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None


def _flat(table: dict[str, Any], where: str) -> dict[str, Value]:
    """`table` with the settings as `settings.gamma`, after a look at every key."""
    settings = table.get("settings", {})
    if not isinstance(settings, dict):
        raise UsageError(
            f"{where}: 'settings' must be a table: [settings] on a line, then gamma = 0.99 and the like"
        )
    known = [*TrainConfig.model_fields, *ExperimentText.model_fields]
    wrong = [_unknown(key, key, known) for key in table if key not in known]
    wrong += [
        _unknown(f"settings.{key}", key, [*LearnerSettings.model_fields])
        for key in settings
        if _is_unknown(key)
    ]
    if wrong:
        raise UsageError(f"{where}: {'; '.join(wrong)}")
    top = {key: value for key, value in table.items() if key != "settings"}
    return top | {f"settings.{key}": value for key, value in settings.items()}


def _is_unknown(key: str) -> bool:
    return key not in LearnerSettings.model_fields


def _unknown(place: str, key: str, known: list[str]) -> str:
    if key in LearnerSettings.model_fields:
        return f"{place!r} belongs under [settings]"
    return f"unknown key {place!r}{did_you_mean(key, known)}"


def _points(flat: dict[str, Value], where: str) -> list[Point]:
    """Every combination of the values that are listed."""
    wrong = [sentence for key, value in flat.items() if (sentence := _wrong_list(key, value))]
    if wrong:
        raise UsageError(f"{where}: {'; '.join(wrong)}")
    axes = {key: value if _is_list(key, value) else [value] for key, value in flat.items()}
    count = prod(map(len, axes.values()))
    if count > MAX_RUNS:
        raise UsageError(f"{where}: these lists make {count:,} runs; {MAX_RUNS:,} are the most")
    keys = [key for key in sorted_keys(set(axes)) if key in axes]
    return [
        dict(zip(keys, values, strict=True)) for values in product(*(axes[key] for key in keys))
    ]


def _is_list(key: str, value: Value) -> bool:
    """Whether several values are listed; `net_arch` and `also_tracks` are lists by themselves."""
    if key in LIST_KEYS:
        return (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(item, list) for item in value)
        )
    return isinstance(value, list)


def _wrong_list(key: str, value: Value) -> str:
    if not _is_list(key, value):
        return ""
    if key not in AXES and not key.startswith("settings."):
        return f"{key!r} cannot list several values; {', '.join(AXES)} and the keys under [settings] can"
    if not value:
        return f"{key!r} lists nothing"
    texts = [repr(item) for item in value]
    twice = next((text for text in texts if texts.count(text) > 1), "")
    return f"{key!r} lists {twice} twice" if twice else ""


def _placed(key: str, value: Value, home: Path) -> Value:
    """A path made absolute; other values as they are. What looks like no path may be the name of a
    shipped thing.
    """
    if key == "also_tracks" and isinstance(value, list):
        return [_placed("track", one, home) for one in value]
    if key not in FILE_ENDINGS or not isinstance(value, str) or not value.strip():
        return value
    path = home / Path(value).expanduser()
    looks = "/" in value or "\\" in value or Path(value).suffix.lower() in FILE_ENDINGS[key].split()
    return str(path) if looks or path.is_file() else value


def _nested(point: Point) -> dict[str, Any]:
    """`point` in the shape of a `TrainConfig`."""
    table: dict[str, Any] = {key: value for key, value in point.items() if "." not in key}
    settings = {key.partition(".")[2]: value for key, value in point.items() if "." in key}
    return table | ({"settings": settings} if settings else {})


def _names(points: list[Point]) -> list[str]:
    """A name for each point: what differs between them, made fit for a folder."""
    differing = [key for key in points[0] if len({repr(point[key]) for point in points}) > 1]
    words = [["run"] * len(points)] if not differing else []
    for key in differing:
        short = value_labels(key, [point[key] for point in points])
        before = (
            key.removeprefix("settings.") if key == "seed" or key.startswith("settings.") else ""
        )
        words.append([f"{before}{word}" for word in short])
    names = [re.sub(r"[^\w.+=-]+", "_", "-".join(parts)) for parts in zip(*words, strict=True)]
    return [
        name if names.count(name) == 1 else f"{name}-{k}" for k, name in enumerate(names, start=1)
    ]


def _text(value: Value) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return (
        f"{value:g}"
        if isinstance(value, float)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


def experiment_toml(config: TrainConfig, title: str, comments: tuple[str, ...] = ()) -> str:
    """The text of an experiment file with one run: every key that is not as usual, and what one
    looks for first.
    """
    table = config.model_dump()
    settings = table.pop("settings")
    usual = {name: field.default for name, field in TrainConfig.model_fields.items()}
    told = ("reward", "track", "action_space", "hyperparameters", "steps")
    top = {key: value for key, value in table.items() if key in told or value != usual[key]}
    # pictures want others than features do
    plain = TrainConfig.model_validate(table).settings.model_dump()
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
