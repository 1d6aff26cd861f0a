"""A training that was set up elsewhere, as an experiment that `racer train` runs."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.errors import UsageError
from racer.files import write_file, write_folder
from racer.sim.obstacle_layout import read_obstacle_layout
from racer.track import library, route
from racer.training.config import TrainConfig, parse_config
from racer.training.interop import bundle, drfc, drfc_obstacles, hyperparameters
from racer.training.interop.bundle import Bundle
from racer.training.interop.drfc import TranslatedJob
from racer.training.sweep.experiment import experiment_toml, read_experiment
from racer.vehicle.action_space import Metadata, read_metadata
from racer.vehicle.action_space import parse_metadata as parse_metadata

DIRECTION_SUFFIX = re.compile(r"_(c?cw)$")
EVALUATION_OPTIONS = {
    "EVAL_NUMBER_OF_TRIALS": "--laps",
    "EVAL_MAX_RESETS": "--resets",
    "EVAL_OFF_TRACK_PENALTY": "--penalty",
    "COLLISION_PENALTY": "--crash-penalty",
    "EVAL_IS_CONTINUOUS": "",
}
"""What `run.env` says of evaluations, and the options of `racer evaluate` for it."""

_FASTER = (
    'without the line observation = "sensors" it trains on numbers about car and road, in a minute'
)

REWARD, ACTIONS, HYPERPARAMETERS = drfc.CUSTOM_FILES


@dataclass(frozen=True)
class ImportedExperiment:
    """What was written: the experiment in `folder / experiment.toml`, what to say of it, and keys
    nobody read.
    """

    folder: Path
    config: TrainConfig
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    # options of `racer evaluate` that do what the settings say of evaluations
    evaluation: tuple[str, ...]


def import_bundle(path: str | Path, out: Path, home: Path | None = None) -> ImportedExperiment:
    """Write the training in a folder or archive to the new folder `out`, which appears whole.

    UsageError with a sentence for what is wrong, also when `out` is there already; then nothing is
    written.
    """
    if out.exists():
        raise UsageError(f"{out} is there already: name another folder with -o")
    found = bundle.read_bundle(path)
    settings, names, notes = _settings(found)
    reading = drfc.config_from_settings(settings)
    before = _before(found)
    files: dict[str, bytes] = {REWARD: _reward(found)}
    config: dict[str, Any] = before | reading.config | {"reward": REWARD}
    told = [*found.notes, *notes, *reading.notes]
    config["objects"] = drfc_obstacles.obstacles_for_experiment(
        read_obstacle_layout(reading.objects or None)
    )
    if before.get("look", "none") != "none" and reading.config["look"] != "none":
        config["look"] = before["look"]  # a stronger one of racer's own
    files |= _other_tracks(found, config)
    told += _take_track(reading, found, config, files, home)
    metadata = _metadata(found)
    told += _take_actions(metadata, found, config, files)
    told += _take_hyperparameters(
        found, config, files, metadata.training_algorithm if metadata else ""
    )
    made = parse_config(config, str(path))
    comments = (f"Imported by racer from {Path(path).name}: racer train experiment.toml",)
    files["experiment.toml"] = experiment_toml(
        made, f"{Path(path).name}, imported by racer", comments
    ).encode()
    write_folder(out, lambda beside: _fill(beside, files))
    left = [
        name
        for name, word in names.items()
        if word not in reading.used | {*EVALUATION_OPTIONS, *drfc.FILE_KEYS}
    ]
    return ImportedExperiment(
        out, made, tuple(dict.fromkeys(told)), tuple(sorted(left)), _evaluation(settings)
    )


def _settings(found: Bundle) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """The simulator's words, every key that stands anywhere with the word that it means, and
    remarks.
    """
    notes: list[str] = []
    env: dict[str, str] = {}
    names: dict[str, str] = {}
    files = sorted(found.files.get("env", ()), key=lambda one: not one[0].endswith("system.env"))
    workers = [one for one in files if "worker-" in one[0]]
    for name, data in files:
        some = drfc.parse_env(bundle.decode_text(name, data))
        names |= {key: drfc.ENV_KEYS.get(key, key.removeprefix("DR_")) for key in some}
        if (name, data) not in workers:
            env |= {
                key: value for key, value in some.items() if key not in env or "run.env" in name
            }
    settings: dict[str, Any] = drfc.parse_job_yaml(found.text("yaml"))
    names |= {key: key for key in settings}
    told = drfc.settings_from_env(env)
    for word in sorted(set(told) & set(settings)):
        if str(told[word]).lower() != str(settings[word]).lower():
            notes.append(
                f"{word} is {told[word]} in run.env and {settings[word]} in the YAML file: run.env counts"
            )
    if workers and env.get("DR_TRAIN_MULTI_CONFIG", "").lower() == "true":
        notes.append(
            f"{', '.join(name for name, _ in workers)}: a run of racer trains as the first worker does"
        )
    others = {
        key.removeprefix("DR_"): value for key, value in env.items() if key not in drfc.ENV_KEYS
    }
    return others | settings | told, names, notes


def _before(found: Bundle) -> dict[str, Any]:
    """What racer alone knows of a training that it exported itself, in the shape of a
    `TrainConfig`.
    """
    named = found.first("experiment")
    if named is None:
        return {}
    try:
        table = tomllib.loads(bundle.decode_text(*named))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{named[0]} is not TOML: {error}") from None
    return {key: value for key, value in table.items() if key not in ("title", "question")}


def _reward(found: Bundle) -> bytes:
    name, data = found.first("reward") or ("", b"")
    bundle.decode_text(name, data)
    return data


def _take_track(
    reading: TranslatedJob,
    found: Bundle,
    config: dict[str, Any],
    files: dict[str, bytes],
    home: Path | None,
) -> list[str]:
    """Put the track of a world into `config`, with its file if it came along; sentences about it."""
    world, before = reading.world, str(config.get("track", ""))
    if not world:
        return (
            []
            if before
            else [f"no file says which track: {TrainConfig.model_fields['track'].default} is taken"]
        )
    lines = {
        Path(name).name.removesuffix(".npy"): data for name, data in found.files.get("route", ())
    }
    name = re.sub(r".*/|\.(npy|toml)$", "", before)
    is_same = (drfc.world_of_track(name) or name) == world  # as when it was exported
    if is_same and name == before:
        return []
    if (mine := name if is_same else world) in lines:
        config["track"] = f"routes/{mine}.npy"
        files[config["track"]] = lines[mine]
        return []
    config["track"], turned, note = resolve_world(world, home)
    config["reverse"] = bool(config.get("reverse")) != turned
    return [note] if note else []


def _other_tracks(found: Bundle, config: dict[str, Any]) -> dict[str, bytes]:
    """The lines of the other tracks of a teacher that came along, by the names that `config` has
    for them.
    """
    lines = {f"routes/{Path(name).name}": data for name, data in found.files.get("route", ())}
    more = config.get("also_tracks", [])
    return {name: lines[name] for name in more if name in lines} if isinstance(more, list) else {}


def resolve_world(world: str, home: Path | None = None) -> tuple[str, bool, str]:
    """A track for one of the simulator's, whether it is to be driven the other way, and a sentence
    if it is another.

    `reinvent_base_cw` is `reinvent_base`, turned, where the former is not to be had.
    """
    if world in library.available_tracks(home=home):
        return world, False, ""
    made = {other: entry.name for other, entry in library.world_reconstructions().items()}
    get = (
        f"(racer tracks fetch {world} gets the real one)" if world in library.world_names() else ""
    )
    if world in made:
        return (
            made[world],
            False,
            f"{world} is not here: {made[world]}, a reconstruction of it, is taken {get}".strip(),
        )
    turn = DIRECTION_SUFFIX.search(world)
    plain = DIRECTION_SUFFIX.sub("", world)
    name = plain if plain in library.available_tracks(home=home) else made.get(plain, "")
    if turn and name:
        is_turned = library.open_entry(library.find_track(name, home=home)).is_ccw != (
            turn[1] == "ccw"
        )
        way = "the other way" if is_turned else "as it is"
        return name, is_turned, f"{world} is not here: {name}, driven {way}, is taken {get}".strip()
    if world in library.world_names():
        return (
            world,
            False,
            f"{world} is not here yet: before you train, racer tracks fetch {world}",
        )
    return (
        world,
        False,
        f"racer knows no track {world}: before you train, racer tracks import its route (.npy)",
    )


def _metadata(found: Bundle) -> Metadata | None:
    named = found.first("metadata")
    if named is None:
        return None
    try:
        return parse_metadata(json.loads(bundle.decode_text(*named)), named[0])
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{named[0]} is not JSON: {error}") from None


def _take_actions(
    metadata: Metadata | None, found: Bundle, config: dict[str, Any], files: dict[str, bytes]
) -> list[str]:
    """Put actions and sensors into `config`; sentences about them."""
    named = found.first("metadata")
    if metadata is None or named is None:
        config.pop("action_space", None)
        return [f"there is no {ACTIONS}: racer's usual continuous actions are taken"]
    files[ACTIONS], config["action_space"] = named[1], ACTIONS
    if found.first("experiment"):
        return list(metadata.notes)
    config["observation"] = "sensors"
    return [*metadata.notes, f"it trains on {' and '.join(metadata.sensor)}, as there: {_FASTER}"]


def _take_hyperparameters(
    found: Bundle, config: dict[str, Any], files: dict[str, bytes], algorithm: str
) -> list[str]:
    """Put hyperparameters into `config`: as the file they came in, or as the settings that racer
    made it of.
    """
    named = found.first("hyperparameters")
    was_given = bool(config.pop("hyperparameters", None))
    if named is None:
        return [f"there is no {HYPERPARAMETERS}: racer's usual settings are taken"]
    text = bundle.decode_text(*named)
    if found.first("experiment") and not was_given:
        made = parse_config(config, "experiment.toml")
        if _is_same(text, hyperparameters.hyperparameters_table(made.settings, algorithm)):
            return []
    files[HYPERPARAMETERS], config["hyperparameters"] = named[1], HYPERPARAMETERS
    return []


def _is_same(text: str, words: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(text) == words)
    except (json.JSONDecodeError, RecursionError):
        return False


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files, and read them back as `racer train` would. UsageError for what it would
    refuse.
    """
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_file(folder / name, data)
    try:
        [config] = read_experiment(folder / "experiment.toml").runs.values()
        metadata = read_metadata(config.action_space) if config.action_space else None
        if config.hyperparameters is not None:
            algorithm = metadata.training_algorithm if metadata else ""
            hyperparameters.read_hyperparameters(config.hyperparameters, config.settings, algorithm)
        for name in (config.track, *config.also_tracks):
            if name.endswith(".npy"):
                route.load_route(Path(name))
    except UsageError as error:
        raise UsageError(
            str(error).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
        ) from None


def _evaluation(settings: dict[str, Any]) -> tuple[str, ...]:
    """Options of `racer evaluate` for the settings of `run.env` about evaluations, if there are
    any.
    """
    known = {word: option for word, option in EVALUATION_OPTIONS.items() if settings.get(word)}
    words = [f"{option} {settings[word]}" for word, option in known.items() if option]
    return (
        *words,
        *(["--trials"] if str(settings.get("EVAL_IS_CONTINUOUS")).lower() == "false" else []),
    )
