"""The page itself: sentences, figures and tables in one template, with its styles, its script and
Bokeh's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from bokeh.document import Document
from bokeh.embed import components
from bokeh.events import DocumentReady
from bokeh.models import ColumnDataSource, CustomJS, LayoutDOM
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from racer import __version__
from racer.analysis import cut_sentences, fastest_laps
from racer.logs import Log
from racer.report import figures, summary
from racer.report.figures import LAP_LINE_COLORS
from racer.report.subject import (
    ReportSubject,
    StepColumn,
    drop_absurd_values,
    laps_that_fit,
    step_columns,
)
from racer.report.view import LapView, build_lap_view, exit_points
from racer.track import Track
from racer.vehicle import ActionSpace

_FOLDER = Path(__file__).parent
_LAPS_AT_FIRST = 2  # that are on the track when the page opens
_FASTEST_LAPS = 3  # that the button of that name shows


@dataclass(frozen=True)
class _FigureScripts:
    """What Bokeh needs to draw: the HTML of the figures by name, the script that draws those in
    motion, and the scripts of the others, which run later.
    """

    html: dict[str, str]
    first: str
    later: tuple[str, ...]


def render_report(log: Log, track: Track | None, title: str = "") -> str:
    """The page about a log as HTML that needs no other file and asks nothing of any network.

    `track` is the one that most steps were driven on, None where it is unknown. Without a `title`
    the page is called after the track.
    """
    subject = ReportSubject(drop_absurd_values(log), track)
    laps = laps_that_fit(subject.track_laps)
    columns = step_columns(subject.log.trace, laps, track)
    scripts = _draw_figures(subject, columns)
    page: str = _template().render(
        title=title or f"Laps on {summary.describe_track(subject)}",
        sentences=summary.summary_sentences(subject),
        numbers=summary.key_numbers(subject),
        figures=scripts.html,
        tables=_tables(subject, laps),
        left_out=len(subject.track_laps) - len(laps),
        facts=_script_facts(subject, laps, columns),
        subject=subject,
        notes=[*_notes(log), *cut_sentences(subject.track_laps, log)],
        job=_job_settings(subject),
        most=len(LAP_LINE_COLORS),
        version=__version__,
        styles=(_FOLDER / "page.css").read_text("utf-8"),
        script=(_FOLDER / "page.js").read_text("utf-8"),
        bokeh=Resources(mode="inline", components=["bokeh"], log_level="error").render_js(),
        later_scripts=scripts.later,
        first_script=scripts.first,
    )
    return page


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _draw_figures(subject: ReportSubject, columns: list[StepColumn]) -> _FigureScripts:
    """Every figure of the page. Those in motion share a document, whose script starts when they are
    there.
    """
    trace = subject.log.trace
    area = trace[["X", "Y"]].dropna().to_numpy(float)
    view = build_lap_view(subject.track, area, exit_points(trace, subject.track_laps))
    document = Document()
    document.add_root(view.road)
    document.add_root(view.telemetry)
    steps = ColumnDataSource({column.name: column.levels for column in columns})
    document.js_on_event(DocumentReady, _start_script(view, steps))
    first, html = components({"road": view.road, "telemetry": view.telemetry}, wrap_script=False)
    later = []
    for name, root in _still_figures(subject).items():
        script, html[name] = components(root, wrap_script=False)
        later.append(script)
    return _FigureScripts(html, first, tuple(later))


def _still_figures(subject: ReportSubject) -> dict[str, LayoutDOM]:
    """The figures about the whole log, by name, in the order in which they are drawn."""
    still: dict[str, LayoutDOM] = {}
    if len(subject.training_laps):
        still["training"] = figures.training_plots(subject.training_laps)
    if len(subject.log.job.ppo):
        still["learning"] = figures.learning_plots(subject.log.job.ppo)
    if len(subject.race_laps):
        still["race"] = figures.lap_time_plot(subject.race_laps)
    still["actions"] = figures.action_plot(subject)
    return still


def _start_script(view: LapView, steps: ColumnDataSource) -> CustomJS:
    """The call of page.js with the models that it moves."""
    models = {
        "steps": steps,
        "shown": view.shown,
        "lines": list(view.laps),
        "cars": view.cars,
        "road": view.road,
        "mapper": view.mapper,
        "bar": view.bar,
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
        "fastest": fastest_laps(rows, _FASTEST_LAPS).index.tolist(),
        "colors": list(LAP_LINE_COLORS),
        "length": subject.length,
        "loop": subject.track is not None and subject.track.is_loop,
        "known": subject.track is not None,
    }


def _laps_at_first(rows: pd.DataFrame) -> pd.DataFrame:
    """The laps on show when the page opens: the fastest of races, else the fastest, else the
    farthest.
    """
    races = fastest_laps(rows[rows["phase"] == "evaluation"], _LAPS_AT_FIRST)
    if len(races):
        return races
    fastest = fastest_laps(rows, _LAPS_AT_FIRST)
    if len(fastest):
        return fastest
    return rows.nlargest(_LAPS_AT_FIRST, "completion")


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
            }
        )
        first += steps
    return laps


def _lap_name(lap: Mapping[Hashable, Any]) -> str:
    phase = "race" if lap["phase"] == "evaluation" else "training"
    result = f"{lap['time']:.2f} s" if lap["complete"] else f"{lap['completion']:.0f} %"
    return f"{phase}, episode {lap['episode']}, {result}"


def _tables(subject: ReportSubject, laps: pd.DataFrame) -> dict[str, summary.SortableTable]:
    """The tables of the page by name."""
    is_complete = subject.track_laps["complete"]
    tables = {"laps": summary.lap_table(subject, laps), "files": summary.file_table(subject)}
    if len(subject.training_laps):
        tables["iterations"] = summary.iteration_table(subject)
    if is_complete.any() and bool((subject.log.trace["track_len"] > 0).all()):
        tables["sectors"] = summary.sector_table(subject)
    if not is_complete.all():
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
