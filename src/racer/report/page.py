"""The page itself: what the parts know, put into one template that holds its styles, its script and Bokeh's."""

from __future__ import annotations

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
from markupsafe import Markup

from racer import __version__
from racer.actions import ActionSpace
from racer.laps import best
from racer.logs import Log
from racer.report import figures, summary, tables
from racer.report.looks import LAPS
from racer.report.steps import Column, chosen, columns
from racer.report.subject import Subject
from racer.report.view import View, exit_points, view
from racer.track.record import Track

_HERE = Path(__file__).parent
_AT_FIRST = 2  # laps that are on the track when the page opens


@dataclass(frozen=True, eq=False)
class _Figures:
    """What Bokeh draws: by the name of its place in the page."""

    roots: dict[str, LayoutDOM]
    document: Document


def report(log: Log, track: Track | None, title: str = "") -> str:
    """The page about a log as HTML that needs no other file and asks nothing of any network.

    `track` is the one that most steps were driven on, None where it is unknown.
    """
    subject = Subject(log, track)
    laps = chosen(subject.here)
    packed = columns(log.trace, laps, track)
    drawn = _drawn(subject, packed)
    script, places = components(drawn.roots, wrap_script=False)
    page: str = _template().render(
        title=title or f"Laps on {summary.track_words(subject)}",
        sentences=summary.sentences(subject),
        numbers=summary.figures(subject),
        figures={name: Markup(place) for name, place in places.items()},
        tables=_tables(subject, laps),
        left_out=len(subject.here) - len(laps),
        facts=_facts(subject, laps, packed),
        subject=subject,
        notes=_notes(log),
        job=_settings(subject),
        most=len(LAPS),
        version=__version__,
        styles=Markup((_HERE / "page.css").read_text("utf-8")),
        script=Markup((_HERE / "page.js").read_text("utf-8")),
        bokeh=Markup(Resources(mode="inline", components=["bokeh"], log_level="error").render_js()),
        bokeh_figures=Markup(script),
    )
    return page


def _template() -> Any:
    looks = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return looks.get_template("page.html")


def _drawn(subject: Subject, packed: list[Column]) -> _Figures:
    """Every figure of the page, in one document whose script starts when all of them are there."""
    trace = subject.log.trace
    steps = ColumnDataSource({column.name: column.levels for column in packed})
    moving = view(subject.track, trace[["X", "Y"]].to_numpy(float), exit_points(trace, subject.here))
    roots: dict[str, LayoutDOM] = {"road": moving.road, "telemetry": moving.telemetry}
    if len(subject.training):
        roots["training"] = figures.training(subject.training)
    if len(subject.race):
        roots["race"] = figures.lap_times(subject.race)
    if len(subject.log.job.ppo):
        roots["learning"] = figures.learning(subject.log.job.ppo)
    roots["actions"] = figures.actions(trace, subject.here)
    document = Document()
    for root in roots.values():
        document.add_root(root)
    document.js_on_event(DocumentReady, _start(moving, steps))
    return _Figures(roots, document)


def _start(moving: View, steps: ColumnDataSource) -> CustomJS:
    names = {"steps": steps, "laps": list(moving.laps), "cars": moving.cars, "road": moving.road}
    names |= {"mapper": moving.mapper, "bar": moving.bar, "exits": moving.exits}
    return CustomJS(args=names, code="window.racerReport({steps, laps, cars, road, mapper, bar, exits})")


def _facts(subject: Subject, laps: pd.DataFrame, packed: list[Column]) -> dict[str, Any]:
    """What the page's script must know: how to read the steps, and the laps that they belong to."""
    rows = laps.reset_index(drop=True)
    whole = best(rows, _AT_FIRST)
    first = whole.index if len(whole) else rows.nlargest(_AT_FIRST, "completion").index
    return {
        "columns": [column.facts for column in packed],
        "laps": _laps(rows),
        "first": first.tolist(),
        "fastest": best(rows, 3).index.tolist(),
        "colors": list(LAPS),
        "length": subject.length,
        "loop": subject.track is not None and subject.track.is_loop,
        "known": subject.track is not None,
    }


def _laps(rows: pd.DataFrame) -> list[dict[str, Any]]:
    start = (rows["steps"].cumsum() - rows["steps"]).tolist()
    found = []
    for lap, first in zip(rows.to_dict("records"), start, strict=True):
        name = f"{lap['time']:.2f} s" if lap["complete"] else f"{lap['completion']:.0f} %"
        found.append({
            "first": first, "count": int(lap["steps"]), "step": int(lap["first_step"]),
            "complete": bool(lap["complete"]),
            "name": f"{'race' if lap['phase'] == 'evaluation' else 'training'}, episode {lap['episode']}, {name}",
        })  # fmt: skip
    return found


def _tables(subject: Subject, laps: pd.DataFrame) -> dict[str, tables.Table]:
    found = {"laps": tables.lap_table(subject, laps), "files": tables.file_table(subject)}
    if len(subject.training):
        found["iterations"] = tables.iteration_table(subject)
    if not subject.here["complete"].all():
        found["endings"] = tables.ending_table(subject)
    return found


def _notes(log: Log) -> list[str]:
    return list(dict.fromkeys([*log.notes, *(note for source in log.sources for note in source.notes)]))


def _settings(subject: Subject) -> list[tuple[str, str]]:
    """What is known about the job: names and values."""
    job, space = subject.log.job, subject.log.job.action_space
    facts = {
        "platform": job.platform,
        "simulator": job.simulator,
        "car": job.car,
        "world": job.world,
        "race": job.race_type,
    }
    facts |= {"best checkpoint": job.best_checkpoint, "actions": _space(space) if space else ""}
    facts |= {str(name): str(value) for name, value in job.hyperparameters.items()}
    return [(name, value) for name, value in facts.items() if value]


def _space(space: ActionSpace) -> str:
    if not space.is_continuous:
        return f"{space.size} discrete"
    ends = [f"{min(axis):g} to {max(axis):g}" for axis in (space.steering_deg, space.speed)]
    return f"continuous, {ends[0]}°, {ends[1]} m/s"
