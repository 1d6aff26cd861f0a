"""Find the traces in a path: a file, a run's folder, any folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from racer.errors import UsageError, did_you_mean
from racer.logs import rows, simtrace
from racer.logs.trace import PHASES, Log, Source, categorical, episode_ids

_NAMES = (".csv", ".log", ".txt")  # with or without .gz
_ITERATION = re.compile(r"(\d+)-iteration\.csv")
_SAME = 0.9  # share of a text log's steps that csv files hold too, above which it is the same job


class _Read(NamedTuple):
    frame: pd.DataFrame
    source: Source
    path: Path


def open(path: str | Path) -> Log:
    """Every step found in a file or, searched to its depth, in a folder: one trace, with an account of the lines.

    A folder may be a run of racer, a DeepRacer-for-Cloud prefix (`training-simtrace/N-iteration.csv`,
    `evaluation-*/evaluation-simtrace/0-iteration.csv`) or any other. A text log whose steps also stand in csv files is
    left out, and the notes say so. Raises UsageError when there is no such path or no step in it.
    """
    root = Path(path).expanduser()
    if not root.exists():
        known = [entry.name for entry in root.parent.iterdir()] if root.parent.is_dir() else []
        raise UsageError(f"no such file or folder: {root}{did_you_mean(root.name, known)}")
    found, notes = _read_folder(root) if root.is_dir() else ([_read(root, root.parent)], [])
    notes += [f"left out: {one.path} holds no step ({one.source.bad} bad lines)" for one in found if not len(one.frame)]
    found, doubled = _without_doubles([one for one in found if len(one.frame)])
    if not found:
        tried = (
            f"{len(_candidates(root))} csv, log or txt files were looked at"
            if root.is_dir()
            else "no line of it is a step"
        )
        why = f" ({notes[0]})" if notes else ""
        raise UsageError(f"{root} holds no trace: {tried}; give a simtrace csv or a log with SIM_TRACE_LOG lines{why}")
    return _joined(found, root, [*notes, *doubled])


def phase_of(path: Path) -> str:
    """`training`, `evaluation` or `unknown`, from the names in a path; the last one that says it counts."""
    for part in reversed(path.parts):
        if re.search(r"eval|leaderboard", part.lower()):
            return "evaluation"
        if "train" in part.lower():
            return "training"
    return "unknown"


def _read_folder(root: Path) -> tuple[list[_Read], list[str]]:
    found, notes = [], []
    for path in _candidates(root):
        if not simtrace.holds_steps(path):
            continue
        try:
            found.append(_read(path, root))
        except UsageError as error:
            notes.append(f"left out: {error}")
    return found, notes


def _candidates(root: Path) -> list[Path]:
    """Files of a folder that may hold steps, `2-iteration` before `10-iteration`."""
    paths = (path for path in root.rglob("*") if not path.name.startswith(".") and path.is_file())
    return sorted((path for path in paths if path.name.removesuffix(".gz").lower().endswith(_NAMES)), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", str(path))]


def _read(path: Path, root: Path) -> _Read:
    phase = phase_of(path.relative_to(root.parent) if path.is_relative_to(root.parent) else path)
    frame, source = simtrace.read(path, phase)
    return _Read(frame, source, path)


def _without_doubles(found: list[_Read]) -> tuple[list[_Read], list[str]]:
    """Without text logs of a job whose csv files are there as well."""
    tables = [one for one in found if ".csv" in one.path.name.lower()]
    if not 0 < len(tables) < len(found):
        return found, []
    seen = set().union(*(_stamps(one.frame) for one in tables))
    kept, notes = [], []
    for one in found:
        mine = _stamps(one.frame)
        if ".csv" in one.path.name.lower() or len(mine & seen) < _SAME * len(mine):
            kept.append(one)
        else:
            notes.append(f"left out: {one.path} holds the same steps as the csv files ({len(one.frame)} rows)")
    return kept, notes


def _stamps(frame: pd.DataFrame) -> set[tuple[float, float]]:
    return set(zip(frame["tstamp"].round(3).tolist(), frame["X"].round(3).tolist(), strict=True))


def _joined(found: list[_Read], root: Path, notes: list[str]) -> Log:
    frames, sources = [], []
    for number, (frame, source, path) in enumerate(found):
        iteration = _ITERATION.search(path.name) if source.phase != "evaluation" else None
        frames.append(frame.assign(source=number, iteration=int(iteration[1]) if iteration else -1))
        name = str(path.relative_to(root)) if root.is_dir() else path.name
        sources.append(replace(source, name=name))
    trace = rows.stacked(frames).reset_index(drop=True)
    words = pd.Series(np.array([source.phase for source in sources], dtype=object)[trace["source"]])
    trace["episode_status"] = categorical(trace["episode_status"])
    trace = trace.assign(phase=categorical(words, PHASES), episode_id=episode_ids(trace))
    return Log(trace, tuple(sources), tuple(notes))
