"""The metrics files of training and evaluation jobs (SIMULATOR.md 6.3), written from laps and read
back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.files import write_file

STATUS_LABELS = {
    "prepare": "Prepare", "in_progress": "In progress", "lap_complete": "Lap complete", "crashed": "Crashed",
    "off_track": "Off track", "immobilized": "Immobilized", "reversed": "Reversed", "time_up": "Time Up",
    "pause": "Pause", "park": "Park",
}  # fmt: skip
_COUNTS = {
    "crash_count": "crashes", "immobilized_count": "immobilized", "off_track_count": "off_tracks",
    "reversed_count": "reversed", "reset_count": "resets",
}  # fmt: skip


def training_metrics(
    laps: pd.DataFrame, best_model_metric: str = "progress", episodes: int = 20
) -> dict[str, Any]:
    """What a training job writes as `TrainingMetrics.json`, from its laps in the order they were
    driven.

    Laps of phase `evaluation` are the evaluations between iterations: they repeat the count of
    training episodes. `episodes` is the length of an iteration, for laps whose `iteration` is -1.
    """
    training = (laps["phase"].astype(str) != "evaluation").to_numpy()
    count = np.cumsum(training)
    trial = np.where(
        laps["iteration"] >= 0, _within_iteration(laps, training), (count - 1) % episodes + 1
    )
    entries = []
    for lap, number, part, trains in zip(
        _records(laps), count.tolist(), trial.tolist(), training, strict=True
    ):
        entry = {
            "reward_score": round(lap["reward"]),
            **_times(lap),
            "episode": number,
            "trial": part,
        }
        entry |= {"phase": "training" if trains else "evaluation", **_outcome(lap)}
        entries.append(entry)
    return {"metrics": entries, "version": 2.0, "best_model_metric": best_model_metric}


def evaluation_metrics(laps: pd.DataFrame) -> dict[str, Any]:
    """What an evaluation job writes as its metrics file: one entry a lap."""
    entries = []
    for trial, lap in enumerate(_records(laps), 1):
        outcome = _outcome(lap)
        counts = {name: int(lap[column]) for name, column in _COUNTS.items()}
        times = {"completion_percentage": outcome["completion_percentage"], **_times(lap)}
        entries.append(
            {**times, "episode_status": outcome["episode_status"], **counts, "trial": trial}
        )
    return {"metrics": entries}


def write_metrics(metrics: dict[str, Any], path: Path) -> None:
    """Writes metrics as the simulator does: JSON in one line, whole or not at all."""
    write_file(path, json.dumps(metrics))


def read_metrics(path: Path) -> pd.DataFrame:
    """The entries of a metrics file, one row each, with its own names and ms; UsageError when it is
    none.
    """
    try:
        return parse_metrics(json.loads(path.read_bytes()), str(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a metrics file: {error}") from None


def parse_metrics(found: Any, where: str) -> pd.DataFrame:
    """The entries of a metrics file's JSON, as `read` gives them; UsageError when it is none."""
    try:
        rows = found["metrics"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise TypeError("metrics is no list of objects")
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["trial"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{where} is not a metrics file: {error}") from None


def _within_iteration(laps: pd.DataFrame, training: np.ndarray) -> np.ndarray:
    """(L,) number of the latest training episode in its iteration, from 1."""
    count = pd.Series(training, index=laps.index).groupby(laps["iteration"]).cumsum()
    return count.to_numpy()


def _records(laps: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in lap.items()} for lap in laps.to_dict("records")]


def _times(lap: dict[str, Any]) -> dict[str, int]:
    start, end = round(lap["start"] * 1000), round(lap["end"] * 1000)
    return {"metric_time": end, "start_time": start, "elapsed_time_in_milliseconds": end - start}


def _outcome(lap: dict[str, Any]) -> dict[str, Any]:
    return {
        "completion_percentage": int(lap["completion"]),
        "episode_status": STATUS_LABELS.get(lap["status"], str(lap["status"])),
    }
