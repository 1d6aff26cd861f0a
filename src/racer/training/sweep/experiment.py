"""An experiment: a TOML file with the configuration of `racer train`, which may list several values to
compare.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from racer.errors import UsageError, did_you_mean
from racer.files import read_toml
from racer.training.config import (
    ConfigErrors,
    LearnerSettings,
    TrainConfig,
    parse_config,
    parse_model,
)

AXES = (
    "reward",
    "track",
    "car",
    "action_space",
    "hyperparameters",
    "observation",
    "network",
    "from_run",
    "from_checkpoint",
    "noise",
    "objects",
    "seed",
)
"""Keys that may list several values, in the order in which run names have them; those of the settings may too."""

FILE_ENDINGS = {
    "reward": (".py",),
    "track": (".toml", ".npy"),
    "action_space": (".json",),
    "hyperparameters": (".json",),
    "objects": (".toml",),
}
"""Keys whose values may be files, and how the names of these end."""

LIST_KEYS = ("settings.net_arch", "also_tracks")
"""Keys whose values are lists by themselves."""

FILE_KEYS = {"from": "from_run"}
"""Keys of the file that are no names in Python, and what they are called here."""

MAX_RUNS = 2000

FINISHED_FILE = "finished.json"
"""In the folder of a run that came to its end."""

ALWAYS_WRITTEN = ("reward", "track", "action_space", "hyperparameters", "steps")
"""Keys that an experiment file has even where they are as usual."""

Value = Any
"""What TOML holds."""

Point = dict[str, Value]
"""One combination of values by their keys, such as `track` and `settings.gamma`."""


class ExperimentText(BaseModel):
    """What an experiment says to its readers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    question: str = ""


@dataclass(frozen=True)
class Experiment:
    """Configurations of runs by their names, which have what differs in them."""

    path: Path
    title: str
    question: str
    runs: dict[str, TrainConfig]

    @property
    def is_single(self) -> bool:
        """Whether there is nothing to compare."""
        return len(self.runs) == 1


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file. Raises UsageError with a sentence for each mistake in it."""
    table = _read_table(path)
    text_table = {key: table.pop(key) for key in ExperimentText.model_fields if key in table}
    text = parse_model(text_table, str(path), ExperimentText)
    runs = expand_grid(table, str(path), path.resolve().parent)
    title = text.title or path.stem.replace("_", " ")
    return Experiment(path, title, text.question, runs)


def expand_grid(table: dict[str, Any], source: str, folder: Path) -> dict[str, TrainConfig]:
    """Every combination of the values in `table`, under a name such as `center_line-oval-seed0`.

    Paths are relative to `folder`; the name of a shipped reward or track counts where no such file
    is. Raises UsageError, whose text begins with `source`, with a sentence for each mistake.

    Examples
    --------
    >>> table = {"reward": "center_line", "seed": [0, 1], "settings": {"gamma": 0.9}}
    >>> list(expand_grid(table, "my experiment", Path.cwd()))
    ['seed0', 'seed1']
    """
    points = []
    for point in _combinations(_flatten(table, source), source):
        points.append({key: _resolve_path(key, value, folder) for key, value in point.items()})
    configs: list[TrainConfig] = []
    sentences: dict[str, None] = {}
    for point in points:
        try:
            configs.append(parse_config(_with_inherited(_nest(point)), source))
        except ConfigErrors as error:
            sentences |= dict.fromkeys(error.sentences)
    if sentences:
        raise ConfigErrors(source, list(sentences))
    return dict(zip(_run_names(points), configs, strict=True))


def value_labels(key: str, values: Sequence[Value]) -> list[str]:
    """A short word for each value of `key`.

    A file is called by its name without ending, with its folder where two have the same name.
    """
    if key not in (*FILE_ENDINGS, "from_run"):
        return list(map(_label, values))
    paths = [Path("nothing" if value is None else value) for value in values]
    namesakes = Counter(path.stem for path in set(paths))
    labels = []
    for path in paths:
        if namesakes[path.stem] > 1:
            labels.append(f"{path.parent.name}-{path.stem}")
        else:
            labels.append(path.stem)
    return labels


def sorted_keys(keys: set[str]) -> list[str]:
    """Keys of configurations in the order in which names and tables have them, the seed last."""
    axes = [key for key in AXES if key != "seed"]
    order = [*axes, *sorted(keys - set(AXES)), "seed"]
    return [key for key in order if key in keys]


def experiment_toml(config: TrainConfig, title: str, comments: tuple[str, ...] = ()) -> str:
    """The text of an experiment file with one run: what is not as usual, and what one looks for
    first.
    """
    table = config.model_dump()
    settings = table.pop("settings")
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()}
    top = {
        key: value
        for key, value in table.items()
        if key in ALWAYS_WRITTEN or value != defaults[key]
    }
    # the usual settings are those of this configuration: pictures have others than features
    default_settings = TrainConfig.model_validate(table).settings.model_dump()
    changed = {key: value for key, value in settings.items() if value != default_settings[key]}
    lines = [f"# {comment}" for comment in comments]
    lines += [f"title = {_toml_value(title)}", "", *_toml_lines(top)]
    if changed:
        lines += ["", "[settings]", *_toml_lines(changed)]
    return "\n".join([*lines, ""])


def _read_table(path: Path) -> dict[str, Any]:
    if not path.exists():
        hint = ""
        if path.parent.is_dir():
            hint = did_you_mean(path.name, [file.name for file in path.parent.glob("*.toml")])
        raise UsageError(f"there is no experiment {path}{hint}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the experiment's .toml file in it")
    return read_toml(path)


def _flatten(table: dict[str, Any], source: str) -> Point:
    """`table` with the settings as `settings.gamma`, after a look at every key."""
    table = {FILE_KEYS.get(key, key): value for key, value in table.items()}
    settings = table.get("settings", {})
    if not isinstance(settings, dict):
        raise UsageError(
            f"{source}: 'settings' must be a table: [settings] on a line, then gamma = 0.99 and the like"
        )
    top_keys = [*TrainConfig.model_fields, *ExperimentText.model_fields]
    setting_keys = list(LearnerSettings.model_fields)
    sentences = [_unknown_key(key, key, top_keys) for key in table if key not in top_keys]
    sentences += [
        _unknown_key(f"settings.{key}", key, setting_keys)
        for key in settings
        if key not in setting_keys
    ]
    if sentences:
        raise ConfigErrors(source, sentences)
    flat = {key: value for key, value in table.items() if key != "settings"}
    return flat | {f"settings.{key}": value for key, value in settings.items()}


def _unknown_key(full_key: str, key: str, known: list[str]) -> str:
    if key in LearnerSettings.model_fields:
        return f"{full_key!r} belongs under [settings]"
    return f"unknown key {full_key!r}{did_you_mean(key, known)}"


def _combinations(values: Point, source: str) -> list[Point]:
    """Every combination of the values that are listed."""
    sentences = []
    for key, value in values.items():
        sentence = _list_mistake(key, value)
        if sentence:
            sentences.append(sentence)
    if sentences:
        raise ConfigErrors(source, sentences)
    lists = {key: value if _is_list(key, value) else [value] for key, value in values.items()}
    count = prod(map(len, lists.values()))
    if count > MAX_RUNS:
        raise UsageError(f"{source}: these lists make {count:,} runs; {MAX_RUNS:,} are the most")
    keys = sorted_keys(set(lists))
    combinations = product(*(lists[key] for key in keys))
    return [dict(zip(keys, combination, strict=True)) for combination in combinations]


def _is_list(key: str, value: Value) -> bool:
    """Whether several values are listed; of LIST_KEYS that is a list of lists."""
    if not isinstance(value, list):
        return False
    if key in LIST_KEYS:
        return bool(value) and all(isinstance(element, list) for element in value)
    return True


def _list_mistake(key: str, value: Value) -> str:
    """A sentence where a key lists what it must not; empty where all is well."""
    if not _is_list(key, value):
        return ""
    if key not in AXES and not key.startswith("settings."):
        return f"{key!r} cannot list several values; {', '.join(AXES)} and the keys under [settings] can"
    if not value:
        return f"{key!r} lists nothing"
    texts = list(map(repr, value))
    for text in texts:
        if texts.count(text) > 1:
            return f"{key!r} lists {text} twice"
    return ""


def _resolve_path(key: str, value: Value, folder: Path) -> Value:
    """A path made absolute; other values as they are.

    What does not look like a path may be the name of a shipped thing.
    """
    if key == "from_run" and isinstance(value, str):
        return _resolve_run(value, folder)
    if key == "also_tracks" and isinstance(value, list):
        return [_resolve_path("track", track, folder) for track in value]
    if key not in FILE_ENDINGS or not isinstance(value, str) or not value.strip():
        return value
    path = folder / Path(value).expanduser()
    has_folder = "/" in value or "\\" in value
    if has_folder or Path(value).suffix.lower() in FILE_ENDINGS[key] or path.is_file():
        return str(path)
    return value


def _resolve_run(value: str, folder: Path) -> str | None:
    """The folder of a run, made absolute; None for "none"."""
    if value == "none":
        return None
    return str(folder / Path(value).expanduser())


def _with_inherited(table: dict[str, Any]) -> dict[str, Any]:
    """A configuration with what it leaves out from the run that it starts from."""
    if table.get("from_run") is None:
        return table
    from racer.training.continuation import inherit_config  # needs PyTorch, which imports do not

    return inherit_config(table)


def _nest(point: Point) -> dict[str, Any]:
    """`point` in the shape of a `TrainConfig`."""
    table: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for key, value in point.items():
        top, _, setting = key.partition(".")
        if setting:
            settings[setting] = value
        else:
            table[top] = value
    if settings:
        table["settings"] = settings
    return table


def _run_names(points: list[Point]) -> list[str]:
    """A name for each point: what differs between them, made fit for a folder."""
    parts: list[list[str]] = [[] for _ in points]
    for key in points[0]:
        values = [point[key] for point in points]
        if len(set(map(repr, values))) > 1:
            prefix = _name_prefix(key)
            for part, label in zip(parts, value_labels(key, values), strict=True):
                part.append(f"{prefix}{label}")
    names = [re.sub(r"[^\w.+=-]+", "_", "-".join(part) or "run") for part in parts]
    count = Counter(names)
    return [
        name if count[name] == 1 else f"{name}-{number}"
        for number, name in enumerate(names, start=1)
    ]


def _name_prefix(key: str) -> str:
    """What stands before a value in a run's name: `gamma` and `seed`, but not `reward`."""
    if key == "from_run":
        return "from_"
    if key == "seed" or key.startswith("settings."):
        return key.removeprefix("settings.")
    return ""


def _label(value: Value) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _toml_lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml_value(value)}" for key, value in table.items() if value is not None]


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_toml_lines(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)
