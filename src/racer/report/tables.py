"""The tables of a report: their heads, their cells as text, and the values by which they sort."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from racer import laps as about
from racer.report.subject import Subject


@dataclass(frozen=True)
class Head:
    """A column: the name in the data, the words above it, and how many digits its numbers have; None: text."""

    name: str
    words: str
    digits: int | None = 0


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and the value by which its row sorts."""

    text: str
    value: float | str


@dataclass(frozen=True)
class Table:
    """A table that sorts. `laps` are numbers of the page's laps that can be chosen in its rows, where it lists laps."""

    name: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    laps: tuple[int, ...] = ()


_LAP = (
    Head("file", "file", None), Head("phase", "phase", None), Head("shown_iteration", "iteration"),
    Head("episode", "episode"), Head("lap", "lap"), Head("time", "time s", 2), Head("completion", "covered %", 1),
    Head("status", "status", None), Head("off_tracks", "off track"), Head("crashes", "crashes"),
    Head("resets", "resets"), Head("reward", "reward", 2), Head("steps", "steps"), Head("speed", "driven m/s", 2),
    Head("top_speed", "top m/s", 2), Head("command", "command m/s", 2), Head("distance", "driven m", 2),
)  # fmt: skip
_VARYING = ("file", "phase", "lap", "off_tracks", "crashes", "resets")  # shown where they differ from lap to lap
_ITERATION = (
    Head("iteration", "iteration"), Head("episodes", "laps"), Head("complete", "complete"),
    Head("completion", "covered %", 1), Head("reward", "reward", 2), Head("steps", "steps", 1),
    Head("best_time", "best s", 2), Head("mean_time", "mean s", 2),
)  # fmt: skip
_ENDING = (
    Head("status", "status", None), Head("from_waypoint", "from waypoint"), Head("to_waypoint", "to waypoint"),
    Head("count", "laps"), Head("share", "share %", 1),
)  # fmt: skip
_FILE = (
    Head("name", "file", None), Head("phase", "what", None), Head("columns", "columns"), Head("rows", "steps"),
    Head("bad", "bad lines"), Head("first_bad", "the first bad line", None),
)  # fmt: skip


_MOST_SECTORS = 10  # laps whose sectors are shown


def lap_table(subject: Subject, table: pd.DataFrame) -> Table:
    """The given laps; columns that say the same of all are left out."""
    iteration = table["iteration"].where(table["iteration"] >= 0)
    rows = table.assign(file=_files(subject, table), shown_iteration=iteration)
    heads = [head for head in _LAP if head.name not in _VARYING or rows[head.name].nunique() > 1]
    heads = [head for head in heads if head.name != "shown_iteration" or iteration.notna().any()]
    made = _made("laps", "Laps", tuple(heads), rows)
    return replace(made, laps=tuple(range(len(rows))))


def iteration_table(subject: Subject) -> Table:
    """The training, one row an iteration."""
    return _made("iterations", "Training by iteration", _ITERATION, about.by_iteration(subject.training))


def ending_table(subject: Subject) -> Table:
    """Where laps ended that were not completed, most frequent first."""
    ends = about.endings(subject.log.trace, subject.here)
    return _made(
        "endings",
        "Where laps ended early",
        _ENDING,
        ends.assign(share=100.0 * ends["count"] / max(1, ends["count"].sum())),
    )


def sector_table(subject: Subject) -> Table:
    """The sectors of the fastest laps, s: the road around each corner, or thirds where there is no track."""
    laps = about.best(subject.here, _MOST_SECTORS)
    pieces = about.sectors(subject.log.trace, laps, subject.track)
    names = list(dict.fromkeys(pieces["sector"]))
    times = pieces.pivot(index="lap", columns="sector", values="time").reindex(laps.index)
    rows = laps.join(times)
    heads: tuple[Head, ...] = (Head("phase", "phase", None), Head("episode", "episode"), Head("time", "lap s", 2))
    heads += tuple(Head(name, f"{name} s", 2) for name in names)
    ideal = f"Sectors of the fastest laps; the best ones together: {times.min().sum():.2f} s"
    return _made("sectors", ideal, heads, rows)


def file_table(subject: Subject) -> Table:
    """The files that were read, with an account of their lines."""
    rows = pd.DataFrame([{head.name: getattr(source, head.name) for head in _FILE} for source in subject.log.sources])
    heads = _FILE if rows["bad"].any() else _FILE[:-1]
    return _made("files", "Files", heads, rows)


def _files(subject: Subject, table: pd.DataFrame) -> list[str]:
    """(L,) the file of each lap, as short as it can be told; empty where phase and iteration tell it."""
    if table.groupby(["phase", "iteration"])["source"].nunique().max() == 1:
        return [""] * len(table)
    paths = [Path(source.name) for source in subject.log.sources]
    short = [path.name for path in paths]
    names = [path.name if short.count(path.name) == 1 else str(path) for path in paths]
    return [names[k] for k in table["source"]]


def _made(name: str, caption: str, heads: tuple[Head, ...], rows: pd.DataFrame) -> Table:
    cells = [[_cell(value, head.digits) for value in rows[head.name].tolist()] for head in heads]
    return Table(name, caption, heads, tuple(zip(*cells, strict=True)))


def _cell(value: Any, digits: int | None) -> Cell:
    if digits is None:
        return Cell(str(value), str(value))
    number = float(value)
    return Cell(f"{number:,.{digits}f}", number) if number == number else Cell("", "")
