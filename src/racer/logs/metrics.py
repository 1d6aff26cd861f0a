"""The metrics files of training and evaluation jobs, written from laps and read back.

docs/simulator.md 6.3 says what the simulator writes. Times in them are whole milliseconds.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import read_json, write_file
from racer.logs.schema import EPISODES_PER_ITERATION
from racer.records import Record, RecordTable, format_number
from racer.vehicle import ActionSpace

STATUS_LABELS = {
    "prepare": "Prepare",
    "in_progress": "In progress",
    "lap_complete": "Lap complete",
    "crashed": "Crashed",
    "off_track": "Off track",
    "immobilized": "Immobilized",
    "reversed": "Reversed",
    "time_up": "Time Up",
    "pause": "Pause",
    "park": "Park",
}
"""What the metrics files call the statuses of a trace."""

_LAP_COLUMN_OF_COUNT = {
    "crash_count": "crashes",
    "immobilized_count": "immobilized",
    "off_track_count": "off_tracks",
    "reversed_count": "reversed",
}

TRAINER_FILE = re.compile(r"(^|/)worker_\d+\.[\w.]*agent_\d+\.csv$")
"""The statistics that the trainer keeps in a model archive, one row an episode."""
MODEL_SENTENCE = (
    "a model archive as the console and the student league give it (policy, action space and the "
    "trainer's statistics); the steps are in the logs: Download logs"
)

_TRAINER_COLUMNS = {
    "episode #": "episode",
    "episode length": "steps",
    "training reward": "reward",
    "evaluation reward": "evaluation reward",
    "wall-clock time": "wall-clock s",
    "loss/mean": "loss",
    "surrogate loss/mean": "loss",
    "policy loss/mean": "loss",
    "loss": "loss",
    "entropy/mean": "entropy",
    "entropy": "entropy",
    "kl divergence/mean": "KL",
    "kullback-leibler divergence/mean": "KL",
    "kl/mean": "KL",
    "kl": "KL",
}
_MAX_SHOWN_STAGES = 15


def training_metrics(
    laps: pd.DataFrame,
    best_model_metric: str = "progress",
    episodes: int = EPISODES_PER_ITERATION,
) -> dict[str, Any]:
    """The content of a training job's `TrainingMetrics.json`, from its laps in driving order.

    Laps of phase `evaluation` are the evaluations between iterations: they repeat the number of the
    last training episode. `episodes` is the length of an iteration, for laps whose `iteration` is
    -1.
    """
    is_training = (laps["phase"].astype(str) != "evaluation").to_numpy()
    episode = np.cumsum(is_training)
    trial = _trials(laps, is_training, episodes)
    entries = []
    for k, lap in enumerate(_records(laps)):
        entry = {
            "reward_score": round(lap["reward"]),
            **_times_ms(lap),
            "episode": int(episode[k]),
            "trial": int(trial[k]),
            "phase": "training" if is_training[k] else "evaluation",
            **_outcome(lap),
        }
        entries.append(entry)
    return {"metrics": entries, "version": 2.0, "best_model_metric": best_model_metric}


def evaluation_metrics(laps: pd.DataFrame, is_race: bool | None = None) -> dict[str, Any]:
    """The content of an evaluation job's metrics file: one entry a lap.

    Of a continuous race (`is_race`; by default an episode with several laps) completed laps only
    have an entry. `reset_count` counts all incidents, the one that ended the lap too
    (docs/simulator.md 9.5).
    """
    entries = []
    for trial, lap in enumerate(_records(_listed_laps(laps, is_race)), 1):
        outcome = _outcome(lap)
        entry: dict[str, Any] = {
            "completion_percentage": outcome["completion_percentage"],
            **_times_ms(lap),
            "episode_status": outcome["episode_status"],
        }
        for name, column in _LAP_COLUMN_OF_COUNT.items():
            entry[name] = int(lap[column])
        entry["reset_count"] = sum(int(lap[column]) for column in _LAP_COLUMN_OF_COUNT.values())
        entry["trial"] = trial
        entries.append(entry)
    return {"metrics": entries}


def _listed_laps(laps: pd.DataFrame, is_race: bool | None) -> pd.DataFrame:
    """The laps that the metrics of an evaluation list."""
    if is_race is None:
        of_race = laps.groupby(["source", "episode_id", "episode"])["lap"].transform("max") > 1
    else:
        of_race = pd.Series(is_race, index=laps.index)
    return laps[laps["complete"] | ~of_race]


def write_metrics(metrics: dict[str, Any], path: Path) -> None:
    """Write metrics as the simulator does: JSON in one line, whole or not at all."""
    write_file(path, json.dumps(metrics))


def read_metrics(path: Path) -> pd.DataFrame:
    """The entries of a metrics file, one row each, under its own names.

    Raises UsageError for a file that is none.
    """
    return parse_metrics(read_json(path), str(path))


def parse_metrics(content: Any, where: str) -> pd.DataFrame:
    """The entries in the JSON of a metrics file, as `read_metrics` gives them.

    `where` names the file. Raises UsageError for JSON that is none of a metrics file.
    """
    entries = content.get("metrics") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{where} is not a metrics file: it has no list of objects in `metrics`")
    if not entries:
        return pd.DataFrame(columns=["trial"])
    try:
        return pd.DataFrame(entries)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{where} is not a metrics file: {error}") from None


def _trials(laps: pd.DataFrame, is_training: NDArray[np.bool_], episodes: int) -> NDArray[np.int64]:
    """(L,) number of the latest training episode in its iteration, from 1."""
    count = pd.Series(is_training, index=laps.index)
    within_named_iteration = count.groupby(laps["iteration"]).cumsum()
    within_counted_iteration = (np.cumsum(is_training) - 1) % episodes + 1
    is_named = laps["iteration"] >= 0
    return np.where(is_named, within_named_iteration, within_counted_iteration)


def _records(laps: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in lap.items()} for lap in laps.to_dict("records")]


def _times_ms(lap: dict[str, Any]) -> dict[str, int]:
    start = round(lap["start"] * 1000)
    end = round(lap["end"] * 1000)
    return {"metric_time": end, "start_time": start, "elapsed_time_in_milliseconds": end - start}


def _outcome(lap: dict[str, Any]) -> dict[str, Any]:
    return {
        "completion_percentage": int(lap["completion"]),
        "episode_status": STATUS_LABELS.get(lap["status"], str(lap["status"])),
    }


def parse_trainer_table(content: bytes) -> pd.DataFrame:
    """The trainer's statistics: of its columns those that tell the course of a training, one row an
    episode. No row where the file is none.
    """
    try:
        table = pd.read_csv(io.BytesIO(content), encoding_errors="replace", low_memory=False)
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError):
        return pd.DataFrame()
    columns: dict[str, pd.Series] = {}
    table.columns = table.columns.astype(str).str.strip().str.lower()
    for head, name in _TRAINER_COLUMNS.items():
        if (table.columns == head).sum() == 1 and name not in columns:
            values = pd.to_numeric(table[head], errors="coerce").astype(float)
            if values.notna().any():
                columns[name] = values
    if "episode" not in columns:
        return pd.DataFrame()
    trainer = pd.DataFrame(columns)
    has_number: pd.Series = np.isfinite(trainer["episode"])
    return trainer.loc[has_number].reset_index(drop=True)


@dataclass(frozen=True, eq=False, repr=False)
class ModelArchive(Record):
    """A model archive, which holds no step: its action space and the course of its training.

    `trainer` has a row an episode, with `episode` and those of steps, reward, loss, entropy, KL and
    wall-clock time that the file has.
    """

    path: str
    action_space: ActionSpace | None
    trainer: pd.DataFrame

    def blocks(self) -> list[str | RecordTable]:
        """What it is, its actions, and the means of its episodes in up to 15 stages."""
        blocks: list[str | RecordTable] = [f"{self.path}: {MODEL_SENTENCE}"]
        if self.action_space is not None:
            blocks.append(_describe_actions(self.action_space))
        if len(self.trainer):
            blocks.append(f"the trainer's own statistics of {len(self.trainer)} episodes (means)")
            blocks.append(self._stages())
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """Its path, what it is, and the trainer's statistics."""
        rows = self.trainer.astype(object).where(self.trainer.notna(), None)
        return {
            "log": self.path,
            "is": MODEL_SENTENCE,
            "actions": None if self.action_space is None else _describe_actions(self.action_space),
            "trainer": rows.to_dict("records"),
        }

    def _stages(self) -> RecordTable:
        measures = [str(name) for name in self.trainer if name not in ("episode", "wall-clock s")]
        ends = [str(name) for name in self.trainer if name == "wall-clock s"]
        table = RecordTable(("episodes", *measures, *ends), text_heads=frozenset({"episodes"}))
        for part in np.array_split(np.arange(len(self.trainer)), _MAX_SHOWN_STAGES):
            if not len(part):
                continue
            rows = self.trainer.iloc[part]
            first, last = rows["episode"].iloc[[0, -1]]
            means = [format_number(float(rows[name].mean())) for name in measures]
            last_values = [format_number(float(rows[name].iloc[-1]), 0) for name in ends]
            label = f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}"
            table.add_row(label, *means, *last_values)
        return table


def _describe_actions(space: ActionSpace) -> str:
    if space.is_continuous:
        steering = f"steering {min(space.steering_deg):g} to {max(space.steering_deg):g} degrees"
        return f"continuous actions: {steering}, speed {min(space.speed):g} to {max(space.speed):g} m/s"
    commands = zip(space.steering_deg, space.speed, strict=True)
    actions = [f"{steering:g} at {speed:g}" for steering, speed in commands]
    return f"{space.size} actions, degrees at m/s: {', '.join(actions)}"
