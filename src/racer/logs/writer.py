"""A trace as text, and a log as a whole folder, laid out as one of the real platforms does."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.files import write_file
from racer.logs.log import Job, Log
from racer.logs.metrics import evaluation_metrics, training_metrics
from racer.logs.schema import (
    COLUMN_DTYPES,
    CONTINUOUS_ACTION,
    EPISODES_PER_ITERATION,
    INTEGER_COLUMNS,
    MIN_COLUMNS,
    TRACE_COLUMNS,
    TRACE_MARKER,
)
from racer.vehicle import CAR_VERSIONS, DEFAULT_VERSION, Metadata, metadata_as_json

_PRINT_FORMATS = {
    "episode": "%d",
    "steps": "%d",
    "X": "%.4f",
    "Y": "%.4f",
    "yaw": "%.4f",
    "steer": "%.2f",
    "throttle": "%.2f",
    "action": "%s",
    "reward": "%.4f",
    "done": "%s",
    "all_wheels_on_track": "%s",
    "progress": "%.4f",
    "closest_waypoint": "%d",
    "track_len": "%.2f",
    "tstamp": "%s",
    "episode_status": "%s",
    "pause_duration": "%.2f",
    "obstacle_crash_counter": "%d",
    "wall_clock": "%.4f",
}
"""How the simulator prints each column in its log lines (docs/simulator.md 6.1)."""

_SAMPLED_VALUES = 200
_MIN_REPEATS = 4  # times that a sampled value must occur for a column to be taken as repetitive

_TIMESTAMP = re.compile(r"(?<!\d)(\d{14})(?!\d)")
_DROA_TRAINING = "1970-01-01T00-00-00-deepracerindy-training-racer"
_DROA_EVALUATION = "{t}-deepracerindy-evaluation-racer"

FileContent = pd.DataFrame | bytes
"""The steps of a csv file, or the bytes of another."""


def write_csv(trace: pd.DataFrame, path: Path, columns: int | None = None) -> None:
    """Write a trace as a simtrace file, whole or not at all; gzip where the name ends in `.gz`.

    `columns` is how many of the simulator's columns are written, 15 to 19; without it all that have
    values. Raises UsageError for a trace that lacks columns and for what cannot be written.
    """
    content = csv_text(trace, columns).encode("ascii", "backslashreplace")
    if path.suffix == ".gz":
        content = gzip.compress(content, 6, mtime=0)
    write_file(path, content)


def csv_text(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as simtrace text: a header, floats in full precision, `True` and `False`.

    Continuous actions are `[steer speed]`. `columns` as for `write_csv`.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    table = [_column_words(trace, name) for name in names]
    rows = map(",".join, zip(*table, strict=True))
    return "\n".join([",".join(names), *rows, ""])


def log_lines(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as the `SIM_TRACE_LOG` lines that the simulator prints, positions to 4 decimals.

    `columns` as for `write_csv`.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    line_format = TRACE_MARKER.decode() + ",".join(_PRINT_FORMATS[name] for name in names) + "\n"
    table: list[list[str] | list[float]] = []
    for name in names:
        if _PRINT_FORMATS[name] == "%s":
            table.append(_column_words(trace, name))
        else:
            table.append(trace[name].to_numpy().tolist())
    return "".join(line_format % values for values in zip(*table, strict=True))


def filled_columns(trace: pd.DataFrame) -> int:
    """How many of the simulator's columns, in their order, have a value in every row.

    Raises UsageError for a trace that lacks one of the first 15.
    """
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in trace]
    if missing:
        raise UsageError(f"this trace cannot be written: it lacks {', '.join(missing)}")
    count = MIN_COLUMNS
    for name in TRACE_COLUMNS[MIN_COLUMNS:]:
        if name not in trace or trace[name].isna().any():
            break
        count += 1
    return count


def _column_words(trace: pd.DataFrame, name: str) -> list[str]:
    """The text of each value of a column."""
    if name == "episode_status":
        return trace[name].astype(object).tolist()
    values = trace[name].to_numpy()
    if name == "action":
        return _action_words(trace, values)
    if not len(values):
        return []
    is_whole = name in INTEGER_COLUMNS or name == "obstacle_crash_counter"
    words = _reprs(values.astype("int64" if is_whole else COLUMN_DTYPES[name]))
    if name == "progress":
        for row in np.flatnonzero(values == 100.0):
            words[row] = "100"  # the simulator takes min(progress, 100), an int
    return words


def _reprs(values: NDArray[np.generic]) -> list[str]:
    """Python's repr of each value.

    The repr of a whole list is much faster than one by one, and many columns repeat few values.
    """
    # Bits tell -0.0 from 0.0.
    bits = values.view(np.int64) if values.dtype.itemsize == 8 else values
    if not _is_repetitive(bits):
        return _list_reprs(values)
    codes, unique = pd.factorize(bits)
    words = _list_reprs(unique.view(values.dtype))
    return [words[code] for code in codes.tolist()]


def _list_reprs(values: NDArray[np.generic]) -> list[str]:
    return repr(values.tolist())[1:-1].split(", ")


def _is_repetitive(values: NDArray[np.generic]) -> bool:
    sample = values[:: max(1, len(values) // _SAMPLED_VALUES)]
    return len(np.unique(sample)) * _MIN_REPEATS < len(sample)


def _action_words(trace: pd.DataFrame, actions: NDArray[np.int64]) -> list[str]:
    words = [str(action) for action in actions.tolist()]
    continuous = np.flatnonzero(actions == CONTINUOUS_ACTION)
    commands = trace[["steer", "throttle"]].to_numpy(np.float64)[continuous]
    for row, (steer, speed) in zip(continuous.tolist(), commands.tolist(), strict=True):
        words[row] = f"[{steer!r} {speed!r}]"
    return words


@dataclass(frozen=True)
class FolderLayout:
    """Where a platform keeps what, as format strings of paths.

    `{k}` is the number of the worker, `{n}` that of the iteration, `{t}` the 14 digits that name an
    evaluation. A log of which a platform writes none is "".
    """

    training: str
    training_of_worker: str  # where there are several workers
    evaluation: str
    training_metrics: str
    training_metrics_of_worker: str  # of workers after the first
    evaluation_metrics: str
    training_log: str = ""
    evaluation_log: str = ""

    @property
    def tells_workers_apart(self) -> bool:
        """Whether each worker has files of its own."""
        return self.training_of_worker != self.training


_DRFC = FolderLayout(
    training="training-simtrace/{n}-iteration.csv",
    training_of_worker="{k}/training-simtrace/{n}-iteration.csv",
    evaluation="evaluation-{t}/evaluation-simtrace/0-iteration.csv",
    training_metrics="metrics/TrainingMetrics.json",
    training_metrics_of_worker="metrics/TrainingMetrics_{k}.json",
    evaluation_metrics="metrics/evaluation/evaluation-{t}.json",
)
_CONSOLE = FolderLayout(
    training="sim-trace/training/training-simtrace/{n}-iteration.csv",
    training_of_worker="sim-trace/training/training-simtrace/{n}-iteration.csv",
    evaluation="sim-trace/evaluation/{t}-racer/evaluation-simtrace/0-iteration.csv",
    training_metrics="metrics/training/training-00000000000000-racer.json",
    training_metrics_of_worker="metrics/training/training-00000000000000-racer_{k}.json",
    evaluation_metrics="metrics/evaluation/evaluation-{t}-racer.json",
    training_log="logs/training/training-00000000000000-racer-robomaker.log",
    evaluation_log="logs/evaluation/evaluation-{t}-racer-robomaker.log",
)
_DROA = FolderLayout(
    training=f"sim-trace/training/{_DROA_TRAINING}/training-simtrace/{{n}}-iteration.csv",
    training_of_worker=f"sim-trace/training/{_DROA_TRAINING}/training-simtrace/{{n}}-iteration.csv",
    evaluation=f"sim-trace/evaluation/{_DROA_EVALUATION}/evaluation-simtrace/0-iteration.csv",
    training_metrics=f"metrics/training/{_DROA_TRAINING}.json",
    training_metrics_of_worker=f"metrics/training/{_DROA_TRAINING}_{{k}}.json",
    evaluation_metrics=f"metrics/evaluation/{_DROA_EVALUATION}.json",
    training_log=f"logs/training/{_DROA_TRAINING}-simulation.log",
    evaluation_log=f"logs/evaluation/{_DROA_EVALUATION}-simulation.log",
)
FOLDER_LAYOUTS = {"DeepRacer for Cloud": _DRFC, "console": _CONSOLE, "DeepRacer on AWS": _DROA}


def write_log(
    log: Log, folder: str | Path, laps: pd.DataFrame, layout: str = "DeepRacer for Cloud"
) -> list[Path]:
    """Write a log as a folder of its own, laid out as a platform does; the paths of its files.

    Training steps go to one csv file an iteration, evaluations to one each. Where the log knows no
    iterations they have 20 episodes, or as many as the hyperparameters say; steps of unknown phase
    count as training. Metrics are counted from `laps` (`racer.analysis.laps(log.trace)`). Action
    space, hyperparameters and reward function are written where the job knows them.

    `layout` is one of `FOLDER_LAYOUTS`. Those of the console and of DeepRacer on AWS have one
    worker, and the simulator's text log too. Raises UsageError for an unknown layout, and for a
    folder that is not empty.
    """
    if layout not in FOLDER_LAYOUTS:
        suggestion = did_you_mean(layout, list(FOLDER_LAYOUTS))
        raise UsageError(f"unknown layout {layout!r}{suggestion} ({', '.join(FOLDER_LAYOUTS)})")
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is there already: name a new folder to write the log to")
    written = []
    for name, content in _files(log, laps, FOLDER_LAYOUTS[layout]):
        path = root / name
        if isinstance(content, pd.DataFrame):
            write_csv(content, path)
        else:
            write_file(path, content)
        written.append(path)
    return written


def _files(log: Log, laps: pd.DataFrame, layout: FolderLayout) -> Iterator[tuple[str, FileContent]]:
    """The name and content of every file of the folder."""
    is_evaluation = (log.trace["phase"] == "evaluation").to_numpy()
    if not is_evaluation.all():
        yield from _training_files(log, laps, layout, log.trace[~is_evaluation])
    if is_evaluation.any():
        yield from _evaluation_files(log, laps, layout, log.trace[is_evaluation])
    yield from _job_files(log.job)


def _training_files(
    log: Log, laps: pd.DataFrame, layout: FolderLayout, trace: pd.DataFrame
) -> Iterator[tuple[str, FileContent]]:
    columns = filled_columns(trace)
    iterations = _iterations(trace, log.job)
    workers = _workers(trace)
    path = layout.training_of_worker
    if not layout.tells_workers_apart or workers.nunique() == 1:
        workers = pd.Series(0, index=trace.index)
        path = layout.training
    for k, n in sorted(set(zip(workers.tolist(), iterations.tolist(), strict=True))):
        steps = trace[(workers == k) & (iterations == n)]
        yield path.format(k=k, n=n), steps.iloc[:, :columns]
    training_laps = laps[laps["phase"].astype(str) != "evaluation"]
    yield from _training_metrics_files(layout, training_laps, workers, iterations)
    if layout.training_log:
        yield layout.training_log, _simulator_log(log.job, trace, columns)


def _training_metrics_files(
    layout: FolderLayout, laps: pd.DataFrame, workers: pd.Series, iterations: pd.Series
) -> Iterator[tuple[str, bytes]]:
    """The metrics of each worker; `workers` and `iterations` are those of the rows of the trace."""
    first_rows = laps["first_row"].to_numpy()
    worker_of_lap = workers.reindex(first_rows).to_numpy()
    iteration_of_lap = iterations.reindex(first_rows).to_numpy()
    laps = laps.assign(iteration=iteration_of_lap)
    for k in sorted(workers.unique()):
        path = layout.training_metrics_of_worker
        if k == 0:
            path = layout.training_metrics
        metrics = training_metrics(laps[worker_of_lap == k])
        yield path.format(k=k), json.dumps(metrics).encode()


def _evaluation_files(
    log: Log, laps: pd.DataFrame, layout: FolderLayout, races: pd.DataFrame
) -> Iterator[tuple[str, FileContent]]:
    taken: set[str] = set()
    evaluation_laps = laps[laps["phase"].astype(str) == "evaluation"]
    for source in races["source"].unique():
        trace = races[races["source"] == source]
        columns = filled_columns(trace)
        source_name = log.sources[source].name if source < len(log.sources) else ""
        timestamp = _timestamp(source_name, int(source), taken)
        taken.add(timestamp)
        yield layout.evaluation.format(t=timestamp), trace.iloc[:, :columns]

        metrics = evaluation_metrics(evaluation_laps[evaluation_laps["source"] == source])
        yield layout.evaluation_metrics.format(t=timestamp), json.dumps(metrics).encode()

        if layout.evaluation_log:
            text = _simulator_log(log.job, trace, columns)
            yield layout.evaluation_log.format(t=timestamp), text


def _job_files(job: Job) -> Iterator[tuple[str, bytes]]:
    if job.action_space is not None:
        metadata = json.dumps(_model_metadata(job), indent=2)
        yield "model/model_metadata.json", metadata.encode()
    if job.hyperparameters:
        hyperparameters = json.dumps(job.hyperparameters, indent=2)
        yield "ip/hyperparameters.json", hyperparameters.encode()
    if job.reward:
        yield "reward_function.py", job.reward.encode()


def _model_metadata(job: Job) -> dict[str, object]:
    assert job.action_space is not None
    if re.fullmatch(r"\d+(\.\d+)?", job.simulator):
        version = float(job.simulator)
    else:
        version = CAR_VERSIONS.get(job.car, DEFAULT_VERSION)
    return metadata_as_json(Metadata(job.action_space, version=version))


def _workers(trace: pd.DataFrame) -> pd.Series:
    """(N,) number of each row's worker, from 0; 0 where the log does not say."""
    if "worker" not in trace:
        return pd.Series(0, index=trace.index)
    return trace["worker"].clip(lower=0)


def _iterations(trace: pd.DataFrame, job: Job) -> pd.Series:
    """(N,) iteration of each row: the log's own number, or else groups of episodes."""
    size = EPISODES_PER_ITERATION
    stated = job.hyperparameters.get("num_episodes_between_training")
    if isinstance(stated, int | float) and stated >= 1:
        size = int(stated)
    return trace["iteration"].where(trace["iteration"] >= 0, trace["episode"] // size)


def _timestamp(name: str, number: int, taken: set[str]) -> str:
    """14 digits that name an evaluation: those in the name of its file, or else its number."""
    match = _TIMESTAMP.search(name)
    if match and match[1] not in taken:
        return match[1]
    return f"{number:014d}"


def _simulator_log(job: Job, trace: pd.DataFrame, columns: int) -> bytes:
    """What the simulator prints: its settings, then every step."""
    settings = {"num_episodes_between_training": EPISODES_PER_ITERATION} | job.hyperparameters
    lines = ["Using the following hyper-parameters", json.dumps(settings, indent=2, sort_keys=True)]
    if job.action_space is not None:
        metadata = _model_metadata(job)
        lines.append(
            f"Sensor list {metadata['sensor']}, network {metadata['neural_network']}, "
            f"simapp_version {metadata['version']}"
        )
        lines.append(f"Action space from file: {metadata['action_space']}")
    return ("\n".join(lines) + "\n" + log_lines(trace, columns)).encode()
