"""A log in words and tables: what was driven where, how fast, how training went, where cars leave
the road, which actions are never used.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.analysis import (
    endings_by_waypoint,
    fastest_laps,
    judge_convergence,
    lap_iterations,
    lap_sectors,
    laps_by_iteration,
    race_standing,
    unused_actions,
)
from racer.plotting import count_noun
from racer.report.subject import ReportSubject
from racer.track import driving_direction

_MAX_NAMED_ACTIONS = 12
_WAYPOINT_RANGES = 10  # to say where laps end
_MIN_ENDINGS = 3  # from which it is said where most of them are
_MIN_ITERATIONS = 3  # from which the beginning is compared with the end
_MAX_SECTOR_LAPS = 10  # laps whose sectors are shown
_RACE_TYPES = {
    "TIME_TRIAL": "time trial",
    "OBJECT_AVOIDANCE": "object avoidance",
    "HEAD_TO_BOT": "head to bot",
}

# shown where they differ from lap to lap
_VARYING_COLUMNS = ("job", "file", "phase", "lap", "off_tracks", "crashes", "resets")


def summary_sentences(subject: ReportSubject) -> list[str]:
    """What a reader should know first, a sentence or two a paragraph."""
    sentences = [_what_it_is(subject)]
    if len(subject.training_laps):
        sentences.append(_training(subject.training_laps))
        sentences.extend(_progress(subject))
        sentences.extend(_endings(subject))
    if len(subject.race_laps):
        sentences.append(_race(subject.race_laps))
    sentences.extend(_standing(subject))
    sentences.extend(_unused_actions(subject))
    sentences.extend(_left_out(subject))
    return sentences


def key_numbers(subject: ReportSubject) -> list[tuple[str, str]]:
    """The few numbers that stand out: what each is, and the number."""
    laps = subject.track_laps
    complete = laps[laps["complete"]]
    numbers = {}
    if len(complete):
        numbers["best lap"] = f"{complete['time'].min():.2f} s"
        numbers["median lap"] = f"{complete['time'].median():.2f} s"
    else:
        numbers["farthest lap"] = f"{laps['completion'].max():.0f} %"
    numbers["laps"] = f"{len(laps):,}"
    numbers["complete"] = f"{len(complete):,}"
    numbers["steps"] = f"{int(laps['steps'].sum()):,}"
    if subject.length:
        numbers["track"] = f"{subject.length:.2f} m"
    return list(numbers.items())


def job_sentences(subject: ReportSubject) -> list[str]:
    """How the jobs of a log stand to each other: whose best lap is the fastest, and how often each
    came around.
    """
    laps = subject.track_laps
    complete = laps[laps["complete"]]
    best = complete.groupby("job")["time"].min().sort_values(kind="stable")
    if not len(best):
        return ["No job completed a lap."]
    winner = best.index[0]
    ahead = [f"{time - best.iloc[0]:.2f} s ahead of {job}" for job, time in best.iloc[1:].items()]
    sentence = f"The fastest lap is of {winner}, {best.iloc[0]:.2f} s"
    sentences = [f"{sentence}: {', '.join(ahead)}." if ahead else f"{sentence}."]
    for job, group in laps.groupby("job"):
        times = group.loc[group["complete"], "time"]
        sentence = f"{job}: {len(times):,} of {count_noun(len(group), 'lap')} completed"
        median = f", the median in {times.median():.2f} s" if len(times) else ""
        sentences.append(f"{sentence}{median}.")
    return sentences


def describe_track(subject: ReportSubject) -> str:
    """The name of the track, and the direction in which it is driven."""
    track = subject.track
    if track is None:
        length = f" of {subject.length:.2f} m" if subject.length else ""
        return f"an unknown track{length}"
    reversed_too = ", reversed" if track.is_reversed else ""
    return f"{track.title} ({driving_direction(track)}{reversed_too})"


def _what_it_is(subject: ReportSubject) -> str:
    """What was driven on which track, and what is known of the job."""
    if not len(subject.training_laps):
        kinds = "A race"
    elif not len(subject.race_laps):
        kinds = "A training"
    else:
        kinds = "A training and a race"
    laps = count_noun(len(subject.track_laps), "lap")
    files = count_noun(len(subject.log.sources), "file")
    sentence = f"{kinds} on {describe_track(subject)}: {laps} in {files}."
    facts = _job_facts(subject)
    if facts:
        sentence += f" The job: {', '.join(facts)}."
    return sentence


def _job_facts(subject: ReportSubject) -> list[str]:
    job = subject.log.job
    facts = []
    if job.race_type in _RACE_TYPES:
        facts.append(_RACE_TYPES[job.race_type])
    if job.car:
        facts.append(f"car {job.car}")
    if job.platform:
        facts.append(f"{job.platform} {job.simulator}".strip())
    return facts


def _training(laps: pd.DataFrame) -> str:
    iterations = lap_iterations(laps)
    count = count_noun(iterations.nunique(), "iteration")
    head = f"Training: {count_noun(len(laps), 'lap')} in {count}."
    best = fastest_laps(laps, 1)
    if not len(best):
        return f"{head} None was completed; {_farthest(laps)}."
    completed = 100.0 * laps["complete"].sum() / len(laps)
    place = f"iteration {iterations[best.index[0]]}, episode {best['episode'].iloc[0]}"
    time = best["time"].iloc[0]
    return f"{head} {completed:.0f} % were completed; the best took {time:.2f} s ({place})."


def _progress(subject: ReportSubject) -> list[str]:
    """Whether training still gets anywhere, and how its last fifth compares with the first."""
    job = subject.log.job
    ppo = job.ppo if len(job.ppo) else None
    judgement = str(judge_convergence(subject.training_laps, ppo, job.action_space))
    verdict = f"Verdict: {judgement.rstrip('.')}."
    iterations = laps_by_iteration(subject.training_laps)
    if len(iterations) < _MIN_ITERATIONS:
        return [verdict]
    fifth = max(1, len(iterations) // 5)
    first = iterations["completion"].head(fifth).mean()
    last = iterations["completion"].tail(fifth).mean()
    comparison = (
        f"A lap covered {first:.0f} % of the track on average in the beginning, "
        f"and {last:.0f} % in the end."
    )
    times = iterations["best_time"].dropna()
    if len(times) > 1 and times.idxmin() != times.index[0]:
        comparison += f" The best lap came down from {times.iloc[0]:.2f} s to {times.min():.2f} s."
    return [comparison, verdict]


def _endings(subject: ReportSubject) -> list[str]:
    """Where most of the laps ended that were not completed."""
    endings = endings_by_waypoint(subject.log.trace, subject.training_laps, _WAYPOINT_RANGES)
    total = int(endings["count"].sum())
    if total < _MIN_ENDINGS:
        return []
    most = endings.iloc[0]
    place = f"{most['count']} between waypoints {most['from_waypoint']} and {most['to_waypoint']}"
    status = str(most["status"]).replace("_", " ")
    return [
        f"Of {count_noun(total, 'lap')} that ended early, "
        f"the largest share ended at one place: {place} ({status})."
    ]


def _race(laps: pd.DataFrame) -> str:
    complete = laps[laps["complete"]]
    head = f"Race: {len(complete)} of {count_noun(len(laps), 'lap')} completed"
    if not len(complete):
        return f"{head}; {_farthest(laps)}."
    time = complete["time"]
    head += f", the best in {time.min():.2f} s"
    if len(complete) > 1:
        head += f", {time.mean():.2f} s on average, {time.max():.2f} s the slowest"
    off_tracks = int(laps["off_tracks"].sum())
    if off_tracks:
        incidents = f"the car left the track {count_noun(off_tracks, 'time')}"
    else:
        incidents = "the car never left the track"
    resets = int(laps["resets"].sum())
    if resets:
        incidents += f" and was set back {count_noun(resets, 'time')}"
    return f"{head}; {incidents}."


def _farthest(laps: pd.DataFrame) -> str:
    return f"the farthest covered {laps['completion'].max():.0f} % of the track"


def _standing(subject: ReportSubject) -> list[str]:
    """The best lap beside the results of a race on the same track."""
    track_name = subject.log.job.world if subject.track is None else subject.track.name
    fastest = fastest_laps(subject.track_laps, 1)
    if not track_name or not len(fastest):
        return []
    best_time = float(fastest["time"].iloc[0])
    standing = race_standing(track_name, best_time, subject.log.job.race_type)
    if standing is None:
        return []
    return [f"The best lap beside race results: {standing.sentence}."]


def _unused_actions(subject: ReportSubject) -> list[str]:
    usage = subject.action_usage
    unused = unused_actions(usage)
    if not unused:
        return []
    if len(unused) > _MAX_NAMED_ACTIONS:
        return [f"{len(unused):,} of {len(usage):,} actions were never used."]
    if len(unused) == 1:
        return [f"Action {unused[0]} was never used."]
    return [f"Actions {'; '.join(unused[:-1])} and {unused[-1]} were never used."]


def _left_out(subject: ReportSubject) -> list[str]:
    """What the page leaves out, and lines that could not be read."""
    sentences = []
    elsewhere = len(subject.laps) - len(subject.track_laps)
    if elsewhere:
        are = "is" if elsewhere == 1 else "are"
        sentences.append(f"{count_noun(elsewhere, 'lap')} on other tracks {are} left out.")
    bad_lines = subject.log.bad_lines
    if bad_lines:
        sentences.append(f"{count_noun(bad_lines, 'line')} could not be read as a step.")
    return sentences


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
    """What stands in a cell, the value by which its row sorts, and why it is marked: `purple` or
    `green` as in Formula 1, else empty.
    """

    text: str
    value: float | str
    mark: str = ""


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


_LAP_HEADS = (
    TableHead("job", "job", None),
    TableHead("number", "no."),
    TableHead("file", "file", None),
    TableHead("phase", "phase", None),
    TableHead("shown_iteration", "iteration"),
    TableHead("episode", "episode"),
    TableHead("lap", "lap"),
    TableHead("time", "time s", 2),
    TableHead("completion", "covered %", 1),
    TableHead("status", "status", None),
    TableHead("off_tracks", "off track"),
    TableHead("crashes", "crashes"),
    TableHead("resets", "resets"),
    TableHead("reward", "reward", 2),
    TableHead("steps", "steps"),
    TableHead("speed", "driven m/s", 2),
    TableHead("top_speed", "top m/s", 2),
    TableHead("command", "command m/s", 2),
    TableHead("distance", "driven m", 2),
)

_ITERATION_HEADS = (
    TableHead("iteration", "iteration"),
    TableHead("episodes", "laps"),
    TableHead("complete", "complete"),
    TableHead("completion", "covered %", 1),
    TableHead("reward", "reward", 2),
    TableHead("steps", "steps", 1),
    TableHead("best_time", "best s", 2),
    TableHead("mean_time", "mean s", 2),
)
_ENDING_HEADS = (
    TableHead("status", "status", None),
    TableHead("from_waypoint", "from waypoint"),
    TableHead("to_waypoint", "to waypoint"),
    TableHead("count", "laps"),
    TableHead("share", "share %", 1),
)
_FILE_HEADS = (
    TableHead("name", "file", None),
    TableHead("phase", "what", None),
    TableHead("columns", "columns"),
    TableHead("rows", "steps"),
    TableHead("bad", "bad lines"),
    TableHead("first_bad", "the first bad line", None),
)


def lap_table(subject: ReportSubject, laps: pd.DataFrame) -> SortableTable:
    """The given laps; columns that say the same of all are left out."""
    iteration = laps["iteration"].where(laps["iteration"] >= 0)
    rows = laps.assign(file=_file_names(subject, laps), shown_iteration=iteration)
    hidden = {name for name in _VARYING_COLUMNS if rows[name].nunique() <= 1}
    if iteration.isna().all():
        hidden.add("shown_iteration")
    heads = tuple(head for head in _LAP_HEADS if head.name not in hidden)
    return replace(_make_table("laps", "Laps", heads, rows), laps=tuple(range(len(rows))))


def iteration_table(subject: ReportSubject) -> SortableTable:
    """The training, one row an iteration."""
    iterations = laps_by_iteration(subject.training_laps)
    return _make_table("iterations", "Training by iteration", _ITERATION_HEADS, iterations)


def ending_table(subject: ReportSubject) -> SortableTable:
    """Where laps ended that were not completed, most frequent first."""
    endings = endings_by_waypoint(subject.log.trace, subject.track_laps)
    percent = 100.0 * endings["count"] / max(1, endings["count"].sum())
    rows = endings.assign(share=percent)
    return _make_table("endings", "Where laps ended early", _ENDING_HEADS, rows)


def sector_table(subject: ReportSubject) -> SortableTable:
    """The sectors of the fastest laps, s: the road around each corner, or thirds where there is no
    track. Purple is the best of all, green the best of a job until then.
    """
    laps = _laps_with_sectors(subject.track_laps)
    sectors = lap_sectors(subject.log.trace, laps, subject.track)
    times = sectors.pivot(index="lap", columns="sector", values="time").reindex(laps.index)
    heads = [
        TableHead("job", "job", None),
        TableHead("number", "no."),
        TableHead("phase", "phase", None),
        TableHead("episode", "episode"),
        TableHead("time", "lap s", 2),
    ]
    if not laps["job"].any():
        heads = heads[1:]
    names = list(dict.fromkeys(sectors["sector"]))
    heads.extend(TableHead(name, f"{name} s", 2) for name in names)
    best_together = times.min().sum()
    caption = f"Sectors of the fastest laps; the best ones together: {best_together:.2f} s"
    table = _make_table("sectors", caption, tuple(heads), laps.join(times))
    marks = _sector_marks(times[names], laps["job"])
    return replace(table, rows=_marked_rows(table.rows, marks))


def _laps_with_sectors(laps: pd.DataFrame) -> pd.DataFrame:
    """The fastest laps, as many of each job."""
    count = max(1, _MAX_SECTOR_LAPS // laps["job"].nunique())
    of_jobs = [fastest_laps(group, count) for _, group in laps.groupby("job")]
    return fastest_laps(pd.concat(of_jobs), _MAX_SECTOR_LAPS)


def _sector_marks(times: pd.DataFrame, job: pd.Series) -> np.ndarray:
    """(laps, sectors) `purple`, `green` or nothing; rows of `times` are labeled in the order in
    which the laps were driven.
    """
    in_order = times.sort_index()
    best_until_then = in_order.groupby(job.sort_index()).cummin()
    is_best = in_order.eq(in_order.min(), axis=1)
    marks = np.select([is_best, in_order.le(best_until_then)], ["purple", "green"], "")
    return marks[in_order.index.get_indexer(times.index)]


def _marked_rows(
    rows: tuple[tuple[TableCell, ...], ...], marks: np.ndarray
) -> tuple[tuple[TableCell, ...], ...]:
    """The rows of a table whose last columns have the `marks` (rows, columns)."""
    marked = []
    for cells, row_marks in zip(rows, marks.tolist(), strict=True):
        first = len(cells) - len(row_marks)
        last_cells = zip(cells[first:], row_marks, strict=True)
        new_cells = [replace(cell, mark=mark) for cell, mark in last_cells]
        marked.append((*cells[:first], *new_cells))
    return tuple(marked)


def file_table(subject: ReportSubject) -> SortableTable:
    """The files that were read, with an account of their lines."""
    names = [head.name for head in _FILE_HEADS]
    rows = pd.DataFrame([asdict(source) for source in subject.log.sources])[names]
    heads = _FILE_HEADS if rows["bad"].any() else _FILE_HEADS[:-1]
    return _make_table("files", "Files", heads, rows)


def _file_names(subject: ReportSubject, laps: pd.DataFrame) -> list[str]:
    """(L,) the file of each lap, as short as it is unique; empty where phase and iteration tell
    it.
    """
    if laps.groupby(["phase", "iteration"])["source"].nunique().max() == 1:
        return [""] * len(laps)
    paths = [Path(source.name) for source in subject.log.sources]
    short = [path.name for path in paths]
    names = [path.name if short.count(path.name) == 1 else str(path) for path in paths]
    return [names[k] for k in laps["source"]]


def _make_table(
    name: str, caption: str, heads: tuple[TableHead, ...], rows: pd.DataFrame
) -> SortableTable:
    columns = []
    for head in heads:
        columns.append([_make_cell(value, head.digits) for value in rows[head.name].tolist()])
    return SortableTable(name, caption, heads, tuple(zip(*columns, strict=True)))


def _make_cell(value: Any, digits: int | None) -> TableCell:
    if digits is None:
        return TableCell(str(value), str(value))
    number = float(value)
    if np.isnan(number):
        return TableCell("", "")
    return TableCell(f"{number:,.{digits}f}", number)
