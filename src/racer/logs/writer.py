"""A log written as a whole folder, laid out as one of the real platforms does, which the
community's tools open.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from racer.errors import UsageError, did_you_mean
from racer.files import write_file
from racer.logs import metrics
from racer.logs.schema import (
    COLUMN_DTYPES,
    CONTINUOUS_ACTION,
    INTEGER_COLUMNS,
    MIN_COLUMNS,
    TRACE_COLUMNS,
    Job,
    Log,
)
from racer.vehicle.action_space import Metadata, metadata_as_json

_PRINTED = {  # the simulator's print format of its log lines
    "episode": "%d", "steps": "%d", "X": "%.4f", "Y": "%.4f", "yaw": "%.4f", "steer": "%.2f", "throttle": "%.2f",
    "action": "%s", "reward": "%.4f", "done": "%s", "all_wheels_on_track": "%s", "progress": "%.4f",
    "closest_waypoint": "%d",
    "track_len": "%.2f", "tstamp": "%s", "episode_status": "%s", "pause_duration": "%.2f",
    "obstacle_crash_counter": "%d", "wall_clock": "%.4f",
}  # fmt: skip


def write_csv(trace: pd.DataFrame, path: Path, columns: int | None = None) -> None:
    """Writes a trace as a simtrace file, gzip when the name ends in `.gz`; the file appears whole
    or not at all.

    `columns`: how many of the simulator's columns, 15 to 19; all that hold values when not given.
    """
    data = csv_text(trace, columns).encode("ascii", "backslashreplace")
    write_file(path, gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)


def csv_text(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as simtrace text: header, floats in full precision, `True`/`False`, `[steer speed]`
    if continuous.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    table = [_words(trace, name) for name in names]
    return "\n".join([",".join(names), *map(",".join, zip(*table, strict=True)), ""])


def log_lines(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as the `SIM_TRACE_LOG` lines that the simulator prints, positions rounded to 4
    decimals.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    line = "SIM_TRACE_LOG:" + ",".join(_PRINTED[name] for name in names)
    table = [
        _words(trace, name) if _PRINTED[name] == "%s" else _numbers(trace, name) for name in names
    ]
    return "".join([f"{line % values}\n" for values in zip(*table, strict=True)])


def filled_columns(trace: pd.DataFrame) -> int:
    """How many of the simulator's columns, in their order, hold values in every row."""
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in trace]
    if missing:
        raise UsageError(f"this trace cannot be written: it lacks {', '.join(missing)}")
    filled = (
        name in trace and not trace[name].isna().any() for name in TRACE_COLUMNS[MIN_COLUMNS:]
    )
    return MIN_COLUMNS + next(
        (i for i, full in enumerate(filled) if not full), len(TRACE_COLUMNS) - MIN_COLUMNS
    )


def _words(trace: pd.DataFrame, name: str) -> list[str]:
    """The text of each value of a column."""
    if name == "episode_status":
        return trace[name].astype(object).tolist()
    values = trace[name].to_numpy()
    if name == "action":
        return _actions(trace, values)
    if not len(values):
        return []
    whole = name in INTEGER_COLUMNS or name == "obstacle_crash_counter"
    words = _reprs(values.astype("int64" if whole else COLUMN_DTYPES[name]))
    if name == "progress":
        for i in np.flatnonzero(values == 100.0):
            words[i] = "100"  # the simulator takes min(progress, 100): an int
    return words


def _reprs(values: np.ndarray) -> list[str]:
    """Python's repr of each value. That of a whole list is much faster, and many columns repeat few
    values.
    """
    # so that -0.0 is not 0.0
    bits = values.view(np.int64) if values.dtype.itemsize == 8 else values
    codes, unique = pd.factorize(bits) if _repeats(bits) else (None, bits)
    words = repr(unique.view(values.dtype).tolist())[1:-1].split(", ")
    return words if codes is None else [words[code] for code in codes.tolist()]


def _repeats(bits: np.ndarray) -> bool:
    sample = bits[:: max(1, len(bits) // 200)]
    return len(np.unique(sample)) * 4 < len(sample)


def _actions(trace: pd.DataFrame, index: np.ndarray) -> list[str]:
    words = list(map(str, index.tolist()))
    continuous = np.flatnonzero(index == CONTINUOUS_ACTION)
    if len(continuous):
        pairs = trace[["steer", "throttle"]].to_numpy(np.float64)[continuous].tolist()
        for i, (steer, speed) in zip(continuous.tolist(), pairs, strict=True):
            words[i] = f"[{steer!r} {speed!r}]"
    return words


def _numbers(trace: pd.DataFrame, name: str) -> list[float]:
    return trace[name].to_numpy().tolist()


EPISODES_PER_ITERATION = (
    20  # episodes an iteration where nothing says otherwise: the simulator's default
)

_STAMP = re.compile(r"(?<!\d)(\d{14})(?!\d)")


@dataclass(frozen=True)
class FolderLayout:
    """Where a platform keeps what: `{k}` the worker, `{n}` the iteration, `{t}` 14 digits that name
    an evaluation.
    """

    training: str
    workers: str  # the same where there are several
    evaluation: str
    training_metrics: str
    workers_metrics: str  # of workers after the first
    evaluation_metrics: str
    training_log: str = ""
    evaluation_log: str = ""


_DRFC = FolderLayout(
    training="training-simtrace/{n}-iteration.csv",
    workers="{k}/training-simtrace/{n}-iteration.csv",
    evaluation="evaluation-{t}/evaluation-simtrace/0-iteration.csv",
    training_metrics="metrics/TrainingMetrics.json",
    workers_metrics="metrics/TrainingMetrics_{k}.json",
    evaluation_metrics="metrics/evaluation/evaluation-{t}.json",
)
_CONSOLE = FolderLayout(
    training="sim-trace/training/training-simtrace/{n}-iteration.csv",
    workers="sim-trace/training/training-simtrace/{n}-iteration.csv",
    evaluation="sim-trace/evaluation/{t}-racer/evaluation-simtrace/0-iteration.csv",
    training_metrics="metrics/training/training-00000000000000-racer.json",
    workers_metrics="metrics/training/training-00000000000000-racer_{k}.json",
    evaluation_metrics="metrics/evaluation/evaluation-{t}-racer.json",
    training_log="logs/training/training-00000000000000-racer-robomaker.log",
    evaluation_log="logs/evaluation/evaluation-{t}-racer-robomaker.log",
)
_INNER = "1970-01-01T00-00-00-deepracerindy-training-racer"
_DROA = FolderLayout(
    training=f"sim-trace/training/{_INNER}/training-simtrace/{{n}}-iteration.csv",
    workers=f"sim-trace/training/{_INNER}/training-simtrace/{{n}}-iteration.csv",
    evaluation="sim-trace/evaluation/{t}-deepracerindy-evaluation-racer/evaluation-simtrace/0-iteration.csv",
    training_metrics=f"metrics/training/{_INNER}.json",
    workers_metrics=f"metrics/training/{_INNER}_{{k}}.json",
    evaluation_metrics="metrics/evaluation/{t}-deepracerindy-evaluation-racer.json",
    training_log=f"logs/training/{_INNER}-simulation.log",
    evaluation_log="logs/evaluation/{t}-deepracerindy-evaluation-racer-simulation.log",
)
FOLDER_LAYOUTS = {"DeepRacer for Cloud": _DRFC, "console": _CONSOLE, "DeepRacer on AWS": _DROA}


def write_log(
    log: Log, folder: str | Path, laps: pd.DataFrame, layout: str = "DeepRacer for Cloud"
) -> list[Path]:
    """Writes a log as a folder of its own, laid out as a platform does; the paths of what was
    written.

    Steps go to one csv file an iteration (of 20 episodes, or as many as the hyperparameters say,
    where none is known), races to an evaluation each, and their metrics, counted from `laps`
    (`racer.analysis.laps(log.trace)`), beside them; action space, hyperparameters and reward
    function where the job knows them. Steps of unknown phase are training. The layouts are
    `LAYOUTS`: the console's and DeepRacer on AWS's hold the simulator's text log too, and one
    worker. Raises UsageError for an unknown layout, and for a folder that is not empty.
    """
    if layout not in FOLDER_LAYOUTS:
        raise UsageError(
            f"unknown layout {layout!r}{did_you_mean(layout, list(FOLDER_LAYOUTS))} ({', '.join(FOLDER_LAYOUTS)})"
        )
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is there already: name a new folder to write the log to")
    places, written = FOLDER_LAYOUTS[layout], []
    for name, data in _files(log, laps, places):
        try:
            if isinstance(data, pd.DataFrame):
                write_csv(data, root / name)
            else:
                write_file(root / name, data)
        except OSError as error:
            raise UsageError(f"cannot write {root / name}: {error.strerror or error}") from None
        written.append(root / name)
    return written


def _files(
    log: Log, laps: pd.DataFrame, places: FolderLayout
) -> Iterator[tuple[str, pd.DataFrame | bytes]]:
    """Every file of the folder: its name, and its steps or its bytes."""
    races = (log.trace["phase"] == "evaluation").to_numpy()
    if not races.all():
        yield from _training(log, laps, places, ~races)
    if races.any():
        yield from _evaluations(log, laps, places, races)
    yield from _facts(log.job)


def _training(
    log: Log, laps: pd.DataFrame, places: FolderLayout, mine: np.ndarray
) -> Iterator[tuple[str, pd.DataFrame | bytes]]:
    trace = log.trace[mine]
    columns = filled_columns(trace)
    workers = (
        _workers(trace) if places.workers != places.training else pd.Series(0, index=trace.index)
    )
    iterations = _iterations(trace, log.job)
    several = workers.nunique() > 1
    workers = workers if several else workers * 0
    for k, n in sorted(set(zip(workers.tolist(), iterations.tolist(), strict=True))):
        steps = trace[(workers == k) & (iterations == n)]
        yield (
            (places.workers if several else places.training).format(k=k, n=n),
            steps.iloc[:, :columns],
        )
    of_lap = laps[laps["phase"].astype(str) != "evaluation"]
    rows = of_lap["first_row"].to_numpy()
    for k in sorted(workers.unique()):
        at = workers.reindex(rows).to_numpy() == k
        table = of_lap[at].assign(iteration=iterations.reindex(rows[at]).to_numpy())
        name = places.training_metrics if k == 0 else places.workers_metrics.format(k=k)
        yield name, json.dumps(metrics.training_metrics(table)).encode()
    if places.training_log:
        yield places.training_log, _text(log.job, trace, columns)


def _evaluations(
    log: Log, laps: pd.DataFrame, places: FolderLayout, mine: np.ndarray
) -> Iterator[tuple[str, pd.DataFrame | bytes]]:
    races = log.trace[mine]
    taken: set[str] = set()
    for source in races["source"].unique():
        trace = races[races["source"] == source]
        stamp = _stamp(
            log.sources[source].name if source < len(log.sources) else "", int(source), taken
        )
        yield places.evaluation.format(t=stamp), trace.iloc[:, : filled_columns(trace)]
        of_lap = laps[(laps["source"] == source) & (laps["phase"].astype(str) == "evaluation")]
        yield (
            places.evaluation_metrics.format(t=stamp),
            json.dumps(metrics.evaluation_metrics(of_lap)).encode(),
        )
        if places.evaluation_log:
            yield (
                places.evaluation_log.format(t=stamp),
                _text(log.job, trace, filled_columns(trace)),
            )


def _facts(job: Job) -> Iterator[tuple[str, bytes]]:
    if job.action_space is not None:
        yield "model/model_metadata.json", json.dumps(_metadata(job), indent=2).encode()
    if job.hyperparameters:
        yield "ip/hyperparameters.json", json.dumps(job.hyperparameters, indent=2).encode()
    if job.reward:
        yield "reward_function.py", job.reward.encode()


def _metadata(job: Job) -> dict[str, object]:
    assert job.action_space is not None
    known = re.fullmatch(r"\d+(\.\d+)?", job.simulator)
    version = float(known[0]) if known else {"v4": 4.0, "v6": 6.0}.get(job.car, 5.0)
    return metadata_as_json(Metadata(job.action_space, version=version))


def _workers(trace: pd.DataFrame) -> pd.Series:
    """(N,) number of each row's worker, from 0; 0 where the log does not say."""
    if "worker" in trace and (trace["worker"] >= 0).any():
        return trace["worker"].clip(lower=0)
    return pd.Series(0, index=trace.index)


def _iterations(trace: pd.DataFrame, job: Job) -> pd.Series:
    """(N,) iteration of each row: as the log has it, or else groups of episodes."""
    given = job.hyperparameters.get("num_episodes_between_training", EPISODES_PER_ITERATION)
    size = int(given) if isinstance(given, int | float) and given >= 1 else EPISODES_PER_ITERATION
    return trace["iteration"].where(trace["iteration"] >= 0, trace["episode"] // size)


def _stamp(name: str, number: int, taken: set[str]) -> str:
    """14 digits that name an evaluation: those of its file's name, or else its number."""
    found = _STAMP.search(name)
    stamp = found[1] if found and found[1] not in taken else f"{number:014d}"
    taken.add(stamp)
    return stamp


def _text(job: Job, trace: pd.DataFrame, columns: int) -> bytes:
    """What the simulator prints: the settings, then every step."""
    settings = {"num_episodes_between_training": EPISODES_PER_ITERATION} | job.hyperparameters
    lines = ["Using the following hyper-parameters", json.dumps(settings, indent=2, sort_keys=True)]
    if job.action_space is not None:
        sheet = _metadata(job)
        network, version = sheet["neural_network"], sheet["version"]
        lines.append(f"Sensor list {sheet['sensor']}, network {network}, simapp_version {version}")
        lines.append(f"Action space from file: {sheet['action_space']}")
    return ("\n".join(lines) + "\n" + log_lines(trace, columns)).encode()
