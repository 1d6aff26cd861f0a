"""What the files of a training that was set up elsewhere say about it, gathered from all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.errors import UsageError
from racer.files import parse_json, parse_toml
from racer.logs import find_log_track, read_job, read_log
from racer.sim import read_obstacle_layout
from racer.training.config import TrainConfig, parse_config
from racer.training.interop.bundle import Bundle, BundleFile
from racer.training.interop.drfc import (
    CUSTOM_FILES,
    ENV_KEYS,
    TranslatedJob,
    config_from_settings,
    obstacles_for_experiment,
    settings_from_env,
    settings_from_yaml,
)
from racer.training.interop.hyperparameters import hyperparameters_table
from racer.training.interop.worlds import parse_env, resolve_world, world_of_track
from racer.vehicle import Metadata, parse_metadata

Setting = str | list[str]

DEFAULT_REWARD = "center_line"
"""What an archive without a reward function is trained with."""

REWARD_FILE, ACTIONS_FILE, HYPERPARAMETERS_FILE = CUSTOM_FILES

_SENSORS_NOTE = (
    'without the line observation = "sensors" it trains on numbers about car and road, in a minute'
)


@dataclass(frozen=True)
class JobSettings:
    """The simulator's settings of a job.

    `settings` are by the simulator's keys, `keys_of_names` has the simulator's key of every name that
    stands in a file, and `notes` are for the user.
    """

    settings: dict[str, Setting]
    keys_of_names: dict[str, str]
    notes: tuple[str, ...]

    def unread_names(self, read_keys: set[str]) -> tuple[str, ...]:
        """Names that stand in a file and whose key is none of `read_keys`."""
        names = [name for name, key in self.keys_of_names.items() if key not in read_keys]
        return tuple(sorted(names))


def gather_settings(bundle: Bundle) -> JobSettings:
    """The settings in the files of a bundle.

    What `run.env` says counts for more than the YAML file, and more than `system.env`. A file of
    another worker counts for nothing.
    """
    keys_of_names: dict[str, str] = {}
    variables: dict[str, str] = {}
    workers = []
    for file in _system_file_first(bundle.all_files("env")):
        file_variables = parse_env(file.text)
        for name in file_variables:
            keys_of_names[name] = ENV_KEYS.get(name, name.removeprefix("DR_"))
        if "worker-" in file.name:
            workers.append(file.name)
        elif "run.env" in file.name:
            variables |= file_variables
        else:
            variables = file_variables | variables
    yaml_settings = _yaml_settings(bundle)
    keys_of_names |= {key: key for key in yaml_settings}
    env_settings = settings_from_env(variables)
    other_variables = {
        name.removeprefix("DR_"): value for name, value in variables.items() if name not in ENV_KEYS
    }
    notes = _contradiction_notes(env_settings, yaml_settings)
    if workers and variables.get("DR_TRAIN_MULTI_CONFIG", "").lower() == "true":
        notes.append(f"{', '.join(workers)}: a run of racer trains as the first worker does")
    settings = {**other_variables, **yaml_settings, **env_settings}
    return JobSettings(settings, keys_of_names, tuple(notes))


def _system_file_first(files: Sequence[BundleFile]) -> list[BundleFile]:
    return sorted(files, key=lambda file: not file.name.endswith("system.env"))


def _yaml_settings(bundle: Bundle) -> dict[str, Setting]:
    file = bundle.likeliest_file("yaml")
    if file is None:
        return {}
    return settings_from_yaml(file.text, file.name)


def _contradiction_notes(
    env_settings: Mapping[str, str], yaml_settings: Mapping[str, Setting]
) -> list[str]:
    """A sentence for each key that has another value in each of the two files."""
    notes = []
    for key in sorted(set(env_settings) & set(yaml_settings)):
        env_value = env_settings[key]
        yaml_value = yaml_settings[key]
        if env_value.lower() != str(yaml_value).lower():
            notes.append(
                f"{key} is {env_value} in run.env and {yaml_value} in the YAML file: run.env counts"
            )
    return notes


@dataclass
class ExperimentDraft:
    """An experiment in the making.

    `job_settings` are those in its files, `exported` is what racer alone knows of a training that it
    exported itself, `config` has the keys of a `TrainConfig` so far, and `files` what will be
    written, by names.
    """

    bundle: Bundle
    job_settings: JobSettings
    exported: dict[str, Any]
    config: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def draft_experiment(
    bundle: Bundle, home: Path | None, *, has_weights: bool = False
) -> ExperimentDraft:
    """What the files of a bundle say about a training, which is over where they have weights.

    Raises UsageError.
    """
    job_settings = gather_settings(bundle)
    job = config_from_settings(job_settings.settings)
    exported = _exported_config(bundle)
    draft = ExperimentDraft(bundle, job_settings, exported, config=exported | job.config)
    draft.notes += [*bundle.notes, *job_settings.notes, *job.notes]
    _add_reward(draft)
    _add_scene(draft, job)
    _add_other_tracks(draft)
    _add_track(draft, job.world, home)
    metadata = _parse_bundle_metadata(bundle)
    _add_actions(draft, metadata)
    if metadata is not None and not has_weights and bundle.likeliest_file("experiment") is None:
        sensors = " and ".join(metadata.sensor)
        draft.notes.append(f"it trains on {sensors}, as there: {_SENSORS_NOTE}")
    _add_hyperparameters(draft, metadata.training_algorithm if metadata else "")
    return draft


def _exported_config(bundle: Bundle) -> dict[str, Any]:
    """What racer's own experiment.toml says, in the shape of a `TrainConfig`."""
    file = bundle.likeliest_file("experiment")
    if file is None:
        return {}
    table = parse_toml(file.text, file.name)
    return {key: value for key, value in table.items() if key not in ("title", "question")}


def _add_reward(draft: ExperimentDraft) -> None:
    file = draft.bundle.likeliest_file("reward")
    if file is None:
        draft.config["reward"] = DEFAULT_REWARD
        draft.notes.append(f"there is no {REWARD_FILE}: the shipped {DEFAULT_REWARD} is taken")
        return
    _ = file.text  # which raises where it is none
    draft.files[REWARD_FILE] = file.content
    draft.config["reward"] = REWARD_FILE


def _add_scene(draft: ExperimentDraft, job: TranslatedJob) -> None:
    """Put obstacles and visual randomization into the configuration."""
    layout = read_obstacle_layout(job.obstacles or None)
    draft.config["objects"] = obstacles_for_experiment(layout)
    look = draft.exported.get("look", "none")
    if look != "none" and job.config["look"] != "none":
        draft.config["look"] = look  # a stronger one of racer's own


def _add_other_tracks(draft: ExperimentDraft) -> None:
    """Take along the routes of a teacher's other tracks that the configuration names."""
    routes = {f"routes/{file.file_name}": file for file in draft.bundle.all_files("route")}
    names = draft.config.get("also_tracks", [])
    if isinstance(names, list):
        for name in names:
            if name in routes:
                draft.files[name] = routes[name].content


def _add_track(draft: ExperimentDraft, world: str, home: Path | None) -> None:
    """Put the track of a world into the configuration, with its route if that came along."""
    exported_track = str(draft.config.get("track", ""))
    if not world and not exported_track:
        world = _world_of_logs(draft)
        if not world:
            default = TrainConfig.model_fields["track"].default
            draft.notes.append(f"no file says which track: {default} is taken")
    if not world:
        return
    name = re.sub(r".*/|\.(npy|toml)$", "", exported_track)
    is_as_exported = (world_of_track(name) or name) == world
    if is_as_exported and name == exported_track:
        return
    route = _route_named(draft.bundle, name if is_as_exported else world)
    if route is not None:
        draft.config["track"] = f"routes/{route.file_name}"
        draft.files[f"routes/{route.file_name}"] = route.content
        return
    resolved = resolve_world(world, home)
    draft.config["track"] = resolved.track
    draft.config["reverse"] = bool(draft.config.get("reverse")) != resolved.is_turned
    if resolved.note:
        draft.notes.append(resolved.note)


def _world_of_logs(draft: ExperimentDraft) -> str:
    """The world that the job's other files and its logs name, or that the steps in them fit; empty
    where none does.
    """
    if not draft.bundle.root:  # weights by themselves
        return ""
    world = read_job(draft.bundle.root).world
    if world:
        return world
    try:
        trace = read_log(draft.bundle.root).trace
    except UsageError:  # there is no step
        return ""
    track = find_log_track(trace).track
    if track is None:
        return ""
    draft.config["reverse"] = track.is_reversed
    draft.notes.append(f"the track is told from the steps of its log: {track.name}")
    return track.name


def _route_named(bundle: Bundle, name: str) -> BundleFile | None:
    for file in bundle.all_files("route"):
        if file.file_name == f"{name}.npy":
            return file
    return None


def _parse_bundle_metadata(bundle: Bundle) -> Metadata | None:
    file = bundle.likeliest_file("metadata")
    if file is None:
        return None
    return parse_metadata(parse_json(file.content, file.name), file.name)


def _add_actions(draft: ExperimentDraft, metadata: Metadata | None) -> None:
    """Put actions and sensors into the configuration."""
    file = draft.bundle.likeliest_file("metadata")
    if metadata is None or file is None:
        draft.config.pop("action_space", None)
        draft.notes.append(
            f"there is no {ACTIONS_FILE}: racer's usual continuous actions are taken"
        )
        return
    draft.files[ACTIONS_FILE] = file.content
    draft.config["action_space"] = ACTIONS_FILE
    draft.notes += metadata.notes
    if draft.bundle.likeliest_file("experiment") is None:
        draft.config["observation"] = "sensors"


def _add_hyperparameters(draft: ExperimentDraft, algorithm: str) -> None:
    """Put hyperparameters into the configuration: as the file they came in, unless that only repeats
    racer's own settings.
    """
    file = draft.bundle.likeliest_file("hyperparameters")
    was_given = bool(draft.config.pop("hyperparameters", None))
    if file is None:
        draft.notes.append(f"there is no {HYPERPARAMETERS_FILE}: racer's usual settings are taken")
        return
    is_export = draft.bundle.likeliest_file("experiment") is not None
    if is_export and not was_given:
        settings = parse_config(draft.config, "experiment.toml").settings
        if _holds_json(file, hyperparameters_table(settings, algorithm)):
            return
    draft.files[HYPERPARAMETERS_FILE] = file.content
    draft.config["hyperparameters"] = HYPERPARAMETERS_FILE


def _holds_json(file: BundleFile, table: Mapping[str, Any]) -> bool:
    """Whether a file holds this very table; False too where it is no JSON."""
    try:
        return bool(parse_json(file.content, file.name) == table)
    except UsageError:
        return False
