"""The metrics files of training and evaluation jobs, written from laps and read back.

docs/simulator.md 6.3 says what the simulator writes. Times in them are whole milliseconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import read_json, write_file
from racer.logs.schema import EPISODES_PER_ITERATION

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
