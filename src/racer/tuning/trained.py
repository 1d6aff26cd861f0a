"""The best settings beside the file as it is, trained with several seeds each: what is gained, and
how sure that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.errors import RacerError, UsageError
from racer.files import write_file
from racer.records import Record, RecordTable, format_number, known_number
from racer.stats import Interval, median_difference
from racer.training import Run
from racer.training.sweep import (
    Experiment,
    RunStatus,
    StatusCallback,
    read_experiment,
    run_grid,
)
from racer.tuning.record import NO_LAP_RATIO, Setting, Tuning

EXPERIMENT_FILE = "trained.toml"
RUNS_FOLDER = "trained"
DEFAULT_COMPARED = 3
DEFAULT_SEEDS = 5  # an interval of fewer than four values tells nothing
DEFAULT_STEPS = 150_000


@dataclass(frozen=True)
class TrainedSetting:
    """What the trainings of one setting came to.

    `laps_s` has, for each seed and track, the median lap of the best checkpoint, s; a training
    without a lap counts as four times the fastest lap known. `gain` is the median of the file's own
    laps less that of these, in laps of the fastest driver: what is above zero is faster.
    """

    name: str
    setting: Setting
    laps_s: tuple[float, ...]
    without_lap: int
    gain: Interval

    @property
    def is_faster(self) -> bool:
        """Whether its trainings are faster for sure."""
        return self.gain.is_known and self.gain.low > 0.0


@dataclass(frozen=True, eq=False)
class TrainedComparison(Record):
    """Settings beside the file as it is, the first of them, each trained with several seeds."""

    settings: tuple[TrainedSetting, ...]
    seeds: int
    steps: int

    @property
    def best(self) -> TrainedSetting:
        """The setting with the greatest gain: the file itself where none gains anything."""
        return max(self.settings, key=lambda entry: np.nan_to_num(entry.gain.value))

    def blocks(self) -> Sequence[str | RecordTable]:
        """A row a setting, and the verdict."""
        table = RecordTable(
            ("setting", "foreseen s", "trained s", "without a lap", "gain", "95 % interval"),
            text_heads=frozenset({"setting", "95 % interval"}),
        )
        for entry in self.settings:
            is_original = entry is self.settings[0]
            gain = "" if is_original else f"{100 * entry.gain.value:+.1f} %"
            interval = "" if is_original else "-"
            if entry.gain.is_known and not is_original:
                interval = f"{100 * entry.gain.low:+.1f} to {100 * entry.gain.high:+.1f} %"
            table.add_row(
                entry.name,
                format_number(entry.setting.lap_times_s[0]),
                format_number(float(np.median(entry.laps_s))),
                f"{entry.without_lap} of {len(entry.laps_s)}",
                gain,
                interval,
            )
        title = (
            f"trained for {self.steps:,} steps with {self.seeds} seeds each: median laps of the best "
            "checkpoints,"
        )
        return [title, "gains in % of the fastest driver's lap", table, self.verdict]

    @property
    def verdict(self) -> str:
        """Which setting trains to faster laps, in a sentence."""
        best = self.best
        if best is self.settings[0]:
            return "no setting trains to faster laps than the file as it is"
        if best.is_faster:
            return f"{best.name} trains to faster laps than the file as it is"
        return f"{best.name} has the fastest laps, but its interval holds zero: more --seeds would tell"

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is missing is None."""
        settings = []
        for entry in self.settings:
            settings.append(
                {
                    "name": entry.name,
                    "values": dict(entry.setting.values),
                    "laps": list(entry.laps_s),
                    "without_lap": entry.without_lap,
                    "gain": entry.gain.value,
                    "low": known_number(entry.gain.low),
                    "high": known_number(entry.gain.high),
                    "is_faster": entry.is_faster,
                }
            )
        return {
            "steps": self.steps,
            "seeds": self.seeds,
            "settings": settings,
            "verdict": self.verdict,
        }


def train_settings(
    tuning: Tuning,
    folder: Path,
    *,
    compared: int = DEFAULT_COMPARED,
    seeds: int = DEFAULT_SEEDS,
    steps: int = DEFAULT_STEPS,
    tracks: Sequence[str] | None = None,
    action_space: Path | None = None,
    jobs: int | None = None,
    home: Path | None = None,
    on_status: StatusCallback | None = None,
) -> TrainedComparison:
    """The `compared` best settings and the file as it is, trained in `folder` with `seeds` each.

    `tracks` are the names or files of those that were searched on, where their own names do not
    find them. What is trained there is not trained again. Raises KeyboardInterrupt after Ctrl-C, UsageError
    for a file that imports others beside it, and RacerError when a training failed.
    """
    chosen = _chosen(tuning, compared)
    words = [_track_word(track) for track in tracks or tuning.settings.tracks]
    experiment = _write_experiment(tuning, chosen, folder, words, seeds, steps, action_space)
    runs = run_grid(experiment, folder / RUNS_FOLDER, jobs, home, on_status)
    _check_finished(runs)
    names = dict(zip(words, tuning.settings.tracks, strict=True))
    table = pd.DataFrame([_result_of(run, names) for run in runs])
    return _as_comparison(tuning, chosen, table, seeds, steps)


def _chosen(tuning: Tuning, compared: int) -> dict[str, Setting]:
    """The settings to be trained by the names of their files, the original first."""
    chosen = {tuning.reward.path.stem: tuning.original}
    for entry in tuning.ranking:
        if len(chosen) <= compared and entry is not tuning.original:
            chosen[f"setting_{entry.number}"] = entry
    if len(chosen) == 1:
        raise UsageError("there is no setting to train beside the file as it is: try more --trials")
    return chosen


def _track_word(track: str) -> str:
    """A track as an experiment in another folder names it."""
    path = Path(track).expanduser()
    return str(path.resolve()) if path.is_file() else track


def _write_experiment(
    tuning: Tuning,
    chosen: dict[str, Setting],
    folder: Path,
    tracks: Sequence[str],
    seeds: int,
    steps: int,
    action_space: Path | None,
) -> Experiment:
    """The experiment file with a reward file for each setting beside it."""
    import json

    if tuning.reward.siblings:
        raise UsageError(
            f"{tuning.reward.filename} imports files beside it, and its settings are trained from "
            "another folder: put everything into one file for --train"
        )
    for name, entry in chosen.items():
        write_file(folder / f"{name}.py", tuning.source(entry))
    settings = tuning.settings
    table: dict[str, Any] = {
        "title": f"{tuning.reward.name} as it is and with other constants",
        "reward": [f"{name}.py" for name in chosen],
        "track": list(tracks),
        "car": settings.car,
        "objects": settings.objects,
        "seed": list(range(seeds)),
        "steps": steps,
    }
    if action_space is not None:
        table["action_space"] = str(action_space.resolve())
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    lines += ["", "[settings]", f"gamma = {settings.gamma}", ""]
    path = write_file(folder / EXPERIMENT_FILE, "\n".join(lines))
    return read_experiment(path)


def _check_finished(runs: Sequence[RunStatus]) -> None:
    failed = [run for run in runs if run.state == "failed"]
    if failed:
        raise RacerError(f"{failed[0].folder} failed: {failed[0].message}")
    if any(run.state != "finished" for run in runs):
        raise KeyboardInterrupt


def _result_of(run: RunStatus, names: dict[str, str]) -> dict[str, Any]:
    """Which reward was trained on which track, and the median lap of the best checkpoint, s."""
    best = Run.open(run.folder).best() or {}
    lap_s = best.get("median_lap")
    return {
        "reward": Path(run.config.reward).stem,
        "track": names[run.config.track],
        "median_lap": np.nan if lap_s is None else lap_s,
    }


def _as_comparison(
    tuning: Tuning, chosen: dict[str, Setting], runs: pd.DataFrame, seeds: int, steps: int
) -> TrainedComparison:
    references = runs["track"].map(tuning.references_s).to_numpy(np.float64)
    laps = runs["median_lap"].to_numpy(np.float64)
    has_no_lap = np.isnan(laps)
    laps = np.where(has_no_lap, NO_LAP_RATIO * references, laps)
    ratios = laps / references
    names = runs["reward"].to_numpy()
    original = next(iter(chosen))
    entries = []
    for name, setting in chosen.items():
        is_its = names == name
        gain = median_difference(ratios[is_its], ratios[names == original])
        entries.append(
            TrainedSetting(
                name=name,
                setting=setting,
                laps_s=tuple(laps[is_its].tolist()),
                without_lap=int(has_no_lap[is_its].sum()),
                gain=gain,
            )
        )
    return TrainedComparison(tuple(entries), seeds, steps)
