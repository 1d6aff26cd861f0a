"""A log in words: what was driven where, how fast, how training went, where cars leave the road,
which actions rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis as about
from racer.analysis.convergence import judge_convergence
from racer.analysis.leaderboard import race_standing
from racer.logs.schema import CONTINUOUS_ACTION
from racer.report.subject import ReportSubject
from racer.track.corners import driving_direction

_MOST_NAMED = 12  # actions
_PARTS = 10  # of the waypoints, to say where laps end
_RACE_TYPES = {
    "TIME_TRIAL": "time trial",
    "OBJECT_AVOIDANCE": "object avoidance",
    "HEAD_TO_BOT": "head to bot",
}


def summary_sentences(subject: ReportSubject) -> list[str]:
    """What a reader should know first, a sentence or two a paragraph."""
    found = [_where(subject)]
    if len(subject.training):
        found += [_training(subject.training), *_course(subject), *_endings(subject)]
    if len(subject.race):
        found += [_race(subject.race)]
    return [*found, *_standing(subject), *_actions(subject), *_rest(subject)]


def key_numbers(subject: ReportSubject) -> list[tuple[str, str]]:
    """The few numbers that stand out: what it is, and the number."""
    table = subject.here
    whole = table[table["complete"]]
    times = [
        ("best lap", f"{whole['time'].min():.2f} s"),
        ("median lap", f"{whole['time'].median():.2f} s"),
    ]
    return [
        *(times if len(whole) else [("farthest lap", f"{table['completion'].max():.0f} %")]),
        ("laps", f"{len(table):,}"),
        ("complete", f"{len(whole):,}"),
        ("steps", f"{int(table['steps'].sum()):,}"),
        *([("track", f"{subject.length:.2f} m")] if subject.length else []),
    ]


def describe_track(subject: ReportSubject) -> str:
    """The name of the track, and the way it is driven."""
    if subject.track is None:
        return (
            f"an unknown track of {subject.length:.2f} m" if subject.length else "an unknown track"
        )
    return f"{subject.track.title} ({driving_direction(subject.track)}{', reversed' if subject.track.is_reversed else ''})"


def step_positions(table: pd.DataFrame) -> NDArray[np.int64]:
    """Positions in the trace of all steps of the laps."""
    spans = zip(table["first_row"].tolist(), table["last_row"].tolist(), strict=True)
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(first, last + 1) for first, last in spans)]
    )


def action_usage_on_track(subject: ReportSubject) -> pd.DataFrame:
    """How often each discrete action was taken, as `racer.analysis.action_use` says; no row for
    continuous ones.
    """
    use = about.action_use(
        subject.log.trace.iloc[step_positions(subject.here)], subject.log.job.action_space
    )
    return use[use["action"] != CONTINUOUS_ACTION].reset_index(drop=True)


def count_noun(number: int, noun: str) -> str:
    """`1 lap`, `1,204 laps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _where(subject: ReportSubject) -> str:
    job, kinds = (
        subject.log.job,
        [name for name in ("training", "race") if len(getattr(subject, name))],
    )
    what = " and ".join(
        {"training": "A training", "race": "a race" if len(kinds) > 1 else "A race"}[k]
        for k in kinds
    )
    words = [_RACE_TYPES.get(job.race_type, ""), f"car {job.car}" if job.car else ""]
    words += [f"{job.platform} {job.simulator}".strip() if job.platform else ""]
    facts = [word for word in words if word]
    about_job = f" The job: {', '.join(facts)}." if facts else ""
    files = count_noun(len(subject.log.sources), "file")
    return f"{what} on {describe_track(subject)}: {count_noun(len(subject.here), 'lap')} in {files}.{about_job}"


def _training(table: pd.DataFrame) -> str:
    iterations = about.lap_iterations(table).nunique()
    head = f"Training: {count_noun(len(table), 'lap')} in {count_noun(iterations, 'iteration')}."
    whole = table[table["complete"]]
    if not len(whole):
        return f"{head} None was completed; the farthest covered {table['completion'].max():.0f} % of the track."
    best = about.fastest_laps(whole.assign(iteration=about.lap_iterations(whole)), 1).iloc[0]
    place = f"iteration {best['iteration']}, episode {best['episode']}"
    completed = 100.0 * len(whole) / len(table)
    return f"{head} {completed:.0f} % were completed; the best took {best['time']:.2f} s ({place})."


def _course(subject: ReportSubject) -> list[str]:
    """Whether training still gets anywhere, and how its last fifth compares with the first."""
    rows = about.laps_by_iteration(subject.training)
    job = subject.log.job
    found = str(
        judge_convergence(subject.training, job.ppo if len(job.ppo) else None, job.action_space)
    )
    if len(rows) < 3:
        return [f"Verdict: {found.rstrip('.')}."]
    part = max(1, len(rows) // 5)
    first, last = rows["completion"].head(part).mean(), rows["completion"].tail(part).mean()
    text = f"A lap covered {first:.0f} % of the track on average in the beginning, and {last:.0f} % in the end."
    times = rows["best_time"].dropna()
    if len(times) > 1 and times.idxmin() != times.index[0]:
        text += f" The best lap came down from {times.iloc[0]:.2f} s to {times.min():.2f} s."
    return [text, f"Verdict: {found.rstrip('.')}."]


def _standing(subject: ReportSubject) -> list[str]:
    """The best lap beside the results of a race on the same track."""
    name = subject.track.name if subject.track is not None else subject.log.job.world
    fastest = about.fastest_laps(subject.here, 1)["time"].tolist()
    found = race_standing(name, fastest[0]) if fastest and name else None
    return [f"The best lap beside race results: {found.sentence}."] if found else []


def _endings(subject: ReportSubject) -> list[str]:
    ends = about.endings_by_waypoint(subject.log.trace, subject.training, _PARTS)
    if not len(ends):
        return []
    top, total = ends.iloc[0], int(ends["count"].sum())
    if total < 3:
        return []
    place = f"{top['count']} between waypoints {top['from_waypoint']} and {top['to_waypoint']}"
    word = str(top["status"]).replace("_", " ")
    return [
        f"Of {count_noun(total, 'lap')} that ended early, the largest share ended at one place: {place} ({word})."
    ]


def _race(table: pd.DataFrame) -> str:
    whole = table[table["complete"]]
    head = f"Race: {len(whole)} of {count_noun(len(table), 'lap')} completed"
    if not len(whole):
        return f"{head}; the farthest covered {table['completion'].max():.0f} % of the track."
    spread = (
        f", {whole['time'].mean():.2f} s on average, {whole['time'].max():.2f} s the slowest"
        if len(whole) > 1
        else ""
    )
    off, resets = int(table["off_tracks"].sum()), int(table["resets"].sum())
    clean = (
        "the car never left the track"
        if not off
        else f"the car left the track {count_noun(off, 'time')}"
    )
    back = f" and was set back {count_noun(resets, 'time')}" if resets else ""
    return f"{head}, the best in {whole['time'].min():.2f} s{spread}; {clean}{back}."


def _actions(subject: ReportSubject) -> list[str]:
    use = action_usage_on_track(subject)
    never = about.unused_actions(use)
    if not never:
        return []
    if len(never) > _MOST_NAMED:
        return [f"{len(never):,} of {len(use):,} actions were never used."]
    names = (
        f"Action {never[0]}"
        if len(never) == 1
        else f"Actions {'; '.join(never[:-1])} and {never[-1]}"
    )
    return [f"{names} {'was' if len(never) == 1 else 'were'} never used."]


def _rest(subject: ReportSubject) -> list[str]:
    """What the page leaves out, and lines that could not be read."""
    away = len(subject.laps) - len(subject.here)
    bad = subject.log.bad_lines
    return [
        *(
            [f"{count_noun(away, 'lap')} on other tracks {'is' if away == 1 else 'are'} left out."]
            if away
            else []
        ),
        *([f"{count_noun(bad, 'line')} could not be read as a step."] if bad else []),
    ]


@dataclass(frozen=True)
class TableHead:
    """A column: the name in the data, the words above it, and how many digits its numbers have;
    None: text.
    """

    name: str
    words: str
    digits: int | None = 0


@dataclass(frozen=True)
class TableCell:
    """What stands in a cell, and the value by which its row sorts."""

    text: str
    value: float | str


@dataclass(frozen=True)
class SortableTable:
    """A table that sorts. `laps` are numbers of the page's laps that can be chosen in its rows,
    where it lists laps.
    """

    name: str
    caption: str
    heads: tuple[TableHead, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    laps: tuple[int, ...] = ()


_LAP = (
    TableHead("file", "file", None), TableHead("phase", "phase", None), TableHead("shown_iteration", "iteration"),
    TableHead("episode", "episode"), TableHead("lap", "lap"), TableHead("time", "time s", 2), TableHead("completion", "covered %", 1),
    TableHead("status", "status", None), TableHead("off_tracks", "off track"), TableHead("crashes", "crashes"),
    TableHead("resets", "resets"), TableHead("reward", "reward", 2), TableHead("steps", "steps"), TableHead("speed", "driven m/s", 2),
    TableHead("top_speed", "top m/s", 2), TableHead("command", "command m/s", 2), TableHead("distance", "driven m", 2),
)  # fmt: skip
# shown where they differ from lap to lap
_VARYING = ("file", "phase", "lap", "off_tracks", "crashes", "resets")
_ITERATION = (
    TableHead("iteration", "iteration"), TableHead("episodes", "laps"), TableHead("complete", "complete"),
    TableHead("completion", "covered %", 1), TableHead("reward", "reward", 2), TableHead("steps", "steps", 1),
    TableHead("best_time", "best s", 2), TableHead("mean_time", "mean s", 2),
)  # fmt: skip
_ENDING = (
    TableHead("status", "status", None), TableHead("from_waypoint", "from waypoint"), TableHead("to_waypoint", "to waypoint"),
    TableHead("count", "laps"), TableHead("share", "share %", 1),
)  # fmt: skip
_FILE = (
    TableHead("name", "file", None), TableHead("phase", "what", None), TableHead("columns", "columns"), TableHead("rows", "steps"),
    TableHead("bad", "bad lines"), TableHead("first_bad", "the first bad line", None),
)  # fmt: skip


_MOST_SECTORS = 10  # laps whose sectors are shown


def lap_table(subject: ReportSubject, table: pd.DataFrame) -> SortableTable:
    """The given laps; columns that say the same of all are left out."""
    iteration = table["iteration"].where(table["iteration"] >= 0)
    rows = table.assign(file=_files(subject, table), shown_iteration=iteration)
    heads = [head for head in _LAP if head.name not in _VARYING or rows[head.name].nunique() > 1]
    heads = [head for head in heads if head.name != "shown_iteration" or iteration.notna().any()]
    made = _made("laps", "Laps", tuple(heads), rows)
    return replace(made, laps=tuple(range(len(rows))))


def iteration_table(subject: ReportSubject) -> SortableTable:
    """The training, one row an iteration."""
    return _made(
        "iterations", "Training by iteration", _ITERATION, about.laps_by_iteration(subject.training)
    )


def ending_table(subject: ReportSubject) -> SortableTable:
    """Where laps ended that were not completed, most frequent first."""
    ends = about.endings_by_waypoint(subject.log.trace, subject.here)
    return _made(
        "endings",
        "Where laps ended early",
        _ENDING,
        ends.assign(share=100.0 * ends["count"] / max(1, ends["count"].sum())),
    )


def sector_table(subject: ReportSubject) -> SortableTable:
    """The sectors of the fastest laps, s: the road around each corner, or thirds where there is no
    track.
    """
    laps = about.fastest_laps(subject.here, _MOST_SECTORS)
    pieces = about.lap_sectors(subject.log.trace, laps, subject.track)
    names = list(dict.fromkeys(pieces["sector"]))
    times = pieces.pivot(index="lap", columns="sector", values="time").reindex(laps.index)
    rows = laps.join(times)
    heads: tuple[TableHead, ...] = (
        TableHead("phase", "phase", None),
        TableHead("episode", "episode"),
        TableHead("time", "lap s", 2),
    )
    heads += tuple(TableHead(name, f"{name} s", 2) for name in names)
    ideal = f"Sectors of the fastest laps; the best ones together: {times.min().sum():.2f} s"
    return _made("sectors", ideal, heads, rows)


def file_table(subject: ReportSubject) -> SortableTable:
    """The files that were read, with an account of their lines."""
    rows = pd.DataFrame(
        [
            {head.name: getattr(source, head.name) for head in _FILE}
            for source in subject.log.sources
        ]
    )
    heads = _FILE if rows["bad"].any() else _FILE[:-1]
    return _made("files", "Files", heads, rows)


def _files(subject: ReportSubject, table: pd.DataFrame) -> list[str]:
    """(L,) the file of each lap, as short as it can be told; empty where phase and iteration tell
    it.
    """
    if table.groupby(["phase", "iteration"])["source"].nunique().max() == 1:
        return [""] * len(table)
    paths = [Path(source.name) for source in subject.log.sources]
    short = [path.name for path in paths]
    names = [path.name if short.count(path.name) == 1 else str(path) for path in paths]
    return [names[k] for k in table["source"]]


def _made(
    name: str, caption: str, heads: tuple[TableHead, ...], rows: pd.DataFrame
) -> SortableTable:
    cells = [[_cell(value, head.digits) for value in rows[head.name].tolist()] for head in heads]
    return SortableTable(name, caption, heads, tuple(zip(*cells, strict=True)))


def _cell(value: Any, digits: int | None) -> TableCell:
    if digits is None:
        return TableCell(str(value), str(value))
    number = float(value)
    return TableCell(f"{number:,.{digits}f}", number) if number == number else TableCell("", "")
