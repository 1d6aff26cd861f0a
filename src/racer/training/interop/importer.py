"""A training that was set up elsewhere, as an experiment that `racer train` runs.

Its settings are gathered from all files that have some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from racer.errors import UsageError
from racer.files import write_file, write_folder
from racer.track import load_route
from racer.training.config import TrainConfig, parse_config
from racer.training.interop.bundle import read_bundle
from racer.training.interop.drfc import FILE_KEYS, READ_KEYS
from racer.training.interop.experiment_draft import Setting, draft_experiment
from racer.training.interop.hyperparameters import read_hyperparameters
from racer.training.sweep import experiment_toml, read_experiment
from racer.vehicle import read_metadata

EVALUATION_OPTIONS = {
    "EVAL_NUMBER_OF_TRIALS": "--laps",
    "EVAL_MAX_RESETS": "--resets",
    "EVAL_OFF_TRACK_PENALTY": "--penalty",
    "COLLISION_PENALTY": "--crash-penalty",
    "EVAL_IS_CONTINUOUS": "",
}
"""What `run.env` says about evaluations, and the options of `racer evaluate` for it."""


@dataclass(frozen=True)
class ImportedExperiment:
    """What was written: the experiment in `folder / experiment.toml`, and what to say about it.

    `left_out` are names that stand in the files and were not read, `evaluation` options of
    `racer evaluate` that do what the settings say about evaluations.
    """

    folder: Path
    config: TrainConfig
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    evaluation: tuple[str, ...]


def import_bundle(path: str | Path, out: Path, home: Path | None = None) -> ImportedExperiment:
    """Write the training in a folder or archive to the new folder `out`, which appears whole.

    `home` is racer's data folder, where tracks are looked for. Raises UsageError with a sentence for
    what is wrong, also when `out` is there already; then nothing is written.
    """
    if out.exists():
        raise UsageError(f"{out} is there already: name another folder with -o")
    draft = draft_experiment(read_bundle(path), home)
    config = parse_config(draft.config, str(path))
    name = Path(path).name
    text = experiment_toml(
        config,
        title=f"{name}, imported by racer",
        comments=(f"Imported by racer from {name}: racer train experiment.toml",),
    )
    draft.files["experiment.toml"] = text.encode()
    write_folder(out, lambda folder: _write_and_check(folder, draft.files))
    return ImportedExperiment(
        folder=out,
        config=config,
        notes=tuple(dict.fromkeys(draft.notes)),
        left_out=draft.job_settings.unread_names({*READ_KEYS, *EVALUATION_OPTIONS, *FILE_KEYS}),
        evaluation=_evaluation_options(draft.job_settings.settings),
    )


def _write_and_check(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, and read them back as `racer train` would. Raises UsageError for what it would
    refuse.
    """
    for name, content in files.items():
        write_file(folder / name, content)
    try:
        _check_experiment(folder / "experiment.toml")
    except UsageError as error:
        # the folder has its final name later
        sentence = str(error).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
        raise UsageError(sentence) from None


def _check_experiment(file: Path) -> None:
    """Raise UsageError for what `racer train` would refuse in an experiment of one run."""
    [config] = read_experiment(file).runs.values()
    algorithm = ""
    if config.action_space:
        algorithm = read_metadata(config.action_space).training_algorithm
    if config.hyperparameters is not None:
        read_hyperparameters(config.hyperparameters, config.settings, algorithm)
    for track in (config.track, *config.also_tracks):
        if track.endswith(".npy"):
            load_route(Path(track))


def _evaluation_options(settings: Mapping[str, Setting]) -> tuple[str, ...]:
    """Options of `racer evaluate` for what the settings say about evaluations."""
    options = []
    for key, option in EVALUATION_OPTIONS.items():
        if option and settings.get(key):
            options.append(f"{option} {settings[key]}")
    if str(settings.get("EVAL_IS_CONTINUOUS")).lower() == "false":
        options.append("--trials")
    return tuple(options)
