"""The page itself: sentences, figures and tables in one template, with its styles, its script and
Bokeh's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from bokeh.document import Document
from bokeh.embed import components
from bokeh.events import DocumentReady
from bokeh.models import ColumnDataSource, CustomJS, LayoutDOM
from bokeh.palettes import Viridis256
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from racer import __version__
from racer.analysis import cut_sentences, fastest_laps
from racer.logs import Log
from racer.report import figures, summary
from racer.report.figures import LAP_LINE_COLORS
from racer.report.glossary import WORDS, explain_head
from racer.report.looks import LOOKS
from racer.report.subject import (
    JOB_LETTERS,
    ReportSubject,
    StepColumn,
    join_jobs,
    laps_that_fit,
    step_columns,
)
from racer.report.view import LapView, build_lap_view, exit_points
from racer.track import Track
from racer.vehicle import ActionSpace

_FOLDER = Path(__file__).parent
_LAPS_AT_FIRST = 2  # that are on the track when the page opens
_FASTEST_LAPS = 3  # that the button of that name shows
_FASTEST_LAPS_OF_EACH = 2  # of several jobs


@dataclass(frozen=True)
class _FigureScripts:
    """What Bokeh needs to draw: the HTML of the figures by name, the script that draws those in
    motion, and the scripts of the others, which run later.
    """

    html: dict[str, str]
    first: str
    later: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _JobPart:
    """What the page says of one job: its letter where there are several, its name, sentences,
    numbers and settings, and its tables by name.
    """

    letter: str
    name: str
    subject: ReportSubject
    sentences: list[str]
    numbers: list[tuple[str, str]]
    tables: dict[str, summary.SortableTable]
    notes: list[str]
    settings: list[tuple[str, str]]


def render_report(log: Log | Mapping[str, Log], track: Track | None, title: str = "") -> str:
    """The page about a log as HTML that needs no other file and asks nothing of any network.

    Several logs by the names of their jobs, up to six, make a page that sets them side by side.
    `track` is the one that most steps were driven on, None where it is unknown. Without a `title`
    the page is called after the track.
    """
    jobs = {"": log} if isinstance(log, Log) else dict(log)
    subject = join_jobs(jobs, track)
    parts = _job_parts(jobs, subject)
    laps = laps_that_fit(subject.track_laps)
    columns = step_columns(subject.log.trace, laps, track)
    view = _lap_view(subject)
    scripts = _draw_figures(subject, parts, view, columns)
    page: str = _template().render(
        title=title or _title(parts, subject),
        comparison=summary.job_sentences(subject) if len(parts) > 1 else [],
        parts=parts,
        figures=scripts.html,
        shape=view.shape,
        tables=_lap_tables(subject, laps),
        left_out=len(subject.track_laps) - len(laps),
        facts=_script_facts(subject, laps, columns),
        glossary=WORDS,
        explain_head=explain_head,
        most=len(LAP_LINE_COLORS),
        version=__version__,
        styles=(_FOLDER / "page.css").read_text("utf-8"),
        script=_scripts(),
        bokeh=Resources(mode="inline", components=["bokeh"], log_level="error").render_js(),
        later_scripts=scripts.later,
        first_script=scripts.first,
    )
    return page


def _scripts() -> str:
    """The scripts of the page, in the order in which they run."""
    return "\n".join((_FOLDER / name).read_text("utf-8") for name in ("looks.js", "page.js"))


def _title(parts: list[_JobPart], subject: ReportSubject) -> str:
    track = summary.describe_track(subject)
    if len(parts) == 1:
        return f"Laps on {track}"
    names = " against ".join(part.name for part in parts)
    return f"{names} on {track}"


def _job_parts(jobs: Mapping[str, Log], subject: ReportSubject) -> list[_JobPart]:
    """What is said of each job; of a single one of all that there is."""
    if len(jobs) == 1:
        return [_job_part("", "", subject)]
    return [
        _job_part(letter, name, join_jobs({name: log}, subject.track))
        for letter, (name, log) in zip(JOB_LETTERS, jobs.items(), strict=False)
    ]


def _job_part(letter: str, name: str, subject: ReportSubject) -> _JobPart:
    tables = {
        kind: replace(table, name=_with_letter(table.name, letter))
        for kind, table in _tables(subject).items()
    }
    return _JobPart(
        letter,
        name,
        subject,
        summary.summary_sentences(subject),
        summary.key_numbers(subject),
        tables,
        [*_notes(subject.log), *cut_sentences(subject.track_laps, subject.log)],
        _job_settings(subject),
    )


def _with_letter(name: str, letter: str) -> str:
    """The name of a table or figure on the page: those of several jobs have their letter."""
    return f"{name}-{letter}" if letter else name


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _lap_view(subject: ReportSubject) -> LapView:
    trace = subject.log.trace
    area = trace[["X", "Y"]].dropna().to_numpy(float)
    return build_lap_view(subject.track, area, exit_points(trace, subject.track_laps))


def _draw_figures(
    subject: ReportSubject, parts: list[_JobPart], view: LapView, columns: list[StepColumn]
) -> _FigureScripts:
    """Every figure of the page. Those in motion share a document, whose script starts when they are
    there.
    """
    document = Document()
    moving = {"road": view.road, **view.telemetry}
    for root in moving.values():
        document.add_root(root)
    steps = ColumnDataSource({column.name: column.levels for column in columns})
    document.js_on_event(DocumentReady, _start_script(view, steps))
    first, html = components(moving, wrap_script=False)
    later = []
    for roots in _still_figures(parts):
        if len(roots) > 1:
            figures.share_ranges(list(roots.values()))
        script, drawn = components(roots, wrap_script=False)
        html.update(drawn)
        later.append(script)
    return _FigureScripts(html, first, tuple(later))


def _still_figures(parts: list[_JobPart]) -> list[dict[str, LayoutDOM]]:
    """The figures about whole logs, in the order in which they are drawn: those that show the same
    of each job together, by name.
    """
    kinds: dict[str, dict[str, LayoutDOM]] = {
        "training": {},
        "learning": {},
        "race": {},
        "actions": {},
    }
    for part in parts:
        subject = part.subject
        if len(subject.training_laps):
            root = figures.training_plots(subject.training_laps)
            kinds["training"][_with_letter("training", part.letter)] = root
        if len(subject.log.job.ppo):
            root = figures.learning_plots(subject.log.job.ppo)
            kinds["learning"][_with_letter("learning", part.letter)] = root
        if len(subject.race_laps):
            root = figures.lap_time_plot(subject.race_laps)
            kinds["race"][_with_letter("race", part.letter)] = root
        if len(subject.track_laps):
            kinds["actions"][_with_letter("actions", part.letter)] = figures.action_plot(subject)
    return [roots for roots in kinds.values() if roots]


def _start_script(view: LapView, steps: ColumnDataSource) -> CustomJS:
    """The call of page.js with the models that it moves."""
    models = {
        "steps": steps,
        "shown": view.shown,
        "lines": list(view.laps),
        "cars": view.cars,
        "road": view.road,
        "exits": view.exits,
    }
    return CustomJS(args=models, code=f"window.racerReport({{{', '.join(models)}}})")


def _script_facts(
    subject: ReportSubject, laps: pd.DataFrame, columns: list[StepColumn]
) -> dict[str, Any]:
    """What page.js must know: how to read the steps, and the laps that they belong to."""
    rows = laps.reset_index(drop=True)
    return {
        "columns": [column.facts for column in columns],
        "laps": _lap_facts(rows),
        "first": _laps_at_first(rows).index.tolist(),
        "fastest": _laps_of_button(rows),
        "colors": list(LAP_LINE_COLORS),
        "palette": list(Viridis256),
        "looks": LOOKS,
        "length": subject.length,
        "loop": subject.track is not None and subject.track.is_loop,
        "known": subject.track is not None,
    }


def _laps_at_first(rows: pd.DataFrame) -> pd.DataFrame:
    """The laps on show when the page opens: the fastest of races, else the fastest, else the
    farthest; of several jobs the best of each.
    """
    if rows["job"].nunique() > 1:
        best = [_laps_at_first(group.assign(job="")).head(1) for _, group in rows.groupby("job")]
        return pd.concat(best)
    races = fastest_laps(rows[rows["phase"] == "evaluation"], _LAPS_AT_FIRST)
    if len(races):
        return races
    fastest = fastest_laps(rows, _LAPS_AT_FIRST)
    if len(fastest):
        return fastest
    return rows.nlargest(_LAPS_AT_FIRST, "completion")


def _laps_of_button(rows: pd.DataFrame) -> list[int]:
    """Numbers of the fastest laps; of several jobs some of each."""
    if rows["job"].nunique() <= 1:
        return fastest_laps(rows, _FASTEST_LAPS).index.tolist()
    chosen: list[int] = []
    for _, group in rows.groupby("job"):
        chosen.extend(fastest_laps(group, _FASTEST_LAPS_OF_EACH).index)
    return chosen[: len(LAP_LINE_COLORS)]


def _lap_facts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """For each lap its first step among the steps of the page, how many it has, and its name."""
    laps = []
    first = 0
    for lap in rows.to_dict("records"):
        steps = int(lap["steps"])
        laps.append(
            {
                "first": first,
                "count": steps,
                "step": int(lap["first_step"]),
                "complete": bool(lap["complete"]),
                "name": _lap_name(lap),
                "short": f"{lap['job']} lap {lap['number']}".lstrip(),
                "result": _lap_result(lap),
            }
        )
        first += steps
    return laps


def _lap_name(lap: Mapping[Hashable, Any]) -> str:
    phase = "race" if lap["phase"] == "evaluation" else "training"
    words = [lap["job"], phase, f"episode {lap['episode']}", _lap_result(lap)]
    return ", ".join(filter(None, words))


def _lap_result(lap: Mapping[Hashable, Any]) -> str:
    """The time of a lap; how far the car came, where it did not complete it."""
    if lap["complete"]:
        return f"{lap['time']:.2f} s"
    return f"{lap['completion']:.0f} %"


def _lap_tables(subject: ReportSubject, laps: pd.DataFrame) -> dict[str, summary.SortableTable]:
    """The tables of laps by name: of all jobs together."""
    tables = {"laps": summary.lap_table(subject, laps)}
    has_complete_lap = bool(subject.track_laps["complete"].any())
    if has_complete_lap and bool((subject.log.trace["track_len"] > 0).all()):
        tables["sectors"] = summary.sector_table(subject)
    return tables


def _tables(subject: ReportSubject) -> dict[str, summary.SortableTable]:
    """The tables about a job by name."""
    tables = {"files": summary.file_table(subject)}
    if len(subject.training_laps):
        tables["iterations"] = summary.iteration_table(subject)
    if not subject.track_laps["complete"].all():
        tables["endings"] = summary.ending_table(subject)
    return tables


def _notes(log: Log) -> list[str]:
    """The notes of the log and of its files, each once."""
    notes = list(log.notes)
    for source in log.sources:
        notes.extend(source.notes)
    return list(dict.fromkeys(notes))


def _job_settings(subject: ReportSubject) -> list[tuple[str, str]]:
    """What is known about the job: names and values."""
    job = subject.log.job
    settings = {
        "platform": job.platform,
        "simulator": job.simulator,
        "car": job.car,
        "world": job.world,
        "race": job.race_type,
        "best checkpoint": job.best_checkpoint,
        "actions": _describe_space(job.action_space),
    }
    for name, value in job.hyperparameters.items():
        settings[str(name)] = str(value)
    return [(name, value) for name, value in settings.items() if value]


def _describe_space(space: ActionSpace | None) -> str:
    if space is None:
        return ""
    if not space.is_continuous:
        return f"{space.size} discrete"
    steering = f"{min(space.steering_deg):g} to {max(space.steering_deg):g}"
    speed = f"{min(space.speed):g} to {max(space.speed):g}"
    return f"continuous, {steering}°, {speed} m/s"
