"""The page itself: what the parts know, put into one template that holds its styles, its script and
Bokeh's.
"""

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

from racer import __version__
from racer.analysis import fastest_laps
from racer.logs import Log
from racer.report import figures, summary
from racer.report import summary as tables
from racer.report.figures import LAP_LINE_COLORS
from racer.report.steps import StepColumn, laps_that_fit, step_columns
from racer.report.subject import ReportSubject, drop_absurd_values
from racer.report.view import LapView, build_lap_view, exit_points
from racer.track.track import Track
from racer.vehicle.action_space import ActionSpace

_HERE = Path(__file__).parent
_AT_FIRST = 2  # laps that are on the track when the page opens


@dataclass(frozen=True)
class _Drawn:
    """What Bokeh draws: the places of the figures by name, the script that draws those in motion,
    and later scripts.
    """

    places: dict[str, str]
    first: str
    later: tuple[str, ...]


def render_report(log: Log, track: Track | None, title: str = "") -> str:
    """The page about a log as HTML that needs no other file and asks nothing of any network.

    `track` is the one that most steps were driven on, None where it is unknown.
    """
    subject = ReportSubject(drop_absurd_values(log), track)
    trace = subject.log.trace
    laps = laps_that_fit(subject.here)
    packed = step_columns(trace, laps, track)
    drawn = _drawn(subject, packed)
    page: str = _template().render(
        title=title or f"Laps on {summary.describe_track(subject)}",
        sentences=summary.summary_sentences(subject),
        numbers=summary.key_numbers(subject),
        figures=drawn.places,
        tables=_tables(subject, laps),
        left_out=len(subject.here) - len(laps),
        facts=_facts(subject, laps, packed),
        subject=subject,
        notes=_notes(log),
        job=_settings(subject),
        most=len(LAP_LINE_COLORS),
        version=__version__,
        styles=(_HERE / "page.css").read_text("utf-8"),
        script=(_HERE / "page.js").read_text("utf-8"),
        bokeh=Resources(mode="inline", components=["bokeh"], log_level="error").render_js(),
        drawn=drawn,
    )
    return page


def _template() -> Any:
    looks = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return looks.get_template("page.html")


def _drawn(subject: ReportSubject, packed: list[StepColumn]) -> _Drawn:
    """Every figure of the page. Those in motion share a document, whose script starts when they are
    there.
    """
    trace = subject.log.trace
    steps = ColumnDataSource({column.name: column.levels for column in packed})
    moving = build_lap_view(
        subject.track, trace[["X", "Y"]].dropna().to_numpy(float), exit_points(trace, subject.here)
    )
    document = Document()
    for root in (moving.road, moving.telemetry):
        document.add_root(root)
    document.js_on_event(DocumentReady, _start(moving, steps))
    first, places = components(
        {"road": moving.road, "telemetry": moving.telemetry}, wrap_script=False
    )
    still = {name: components(root, wrap_script=False) for name, root in _still(subject).items()}
    places |= {name: place for name, (_, place) in still.items()}
    return _Drawn(places, first, tuple(script for script, _ in still.values()))


def _still(subject: ReportSubject) -> dict[str, LayoutDOM]:
    """The figures about the whole log, by name, in the order in which they are drawn."""
    found: dict[str, LayoutDOM] = {}
    if len(subject.training):
        found["training"] = figures.training_plots(subject.training)
    if len(subject.log.job.ppo):
        found["learning"] = figures.learning_plots(subject.log.job.ppo)
    if len(subject.race):
        found["race"] = figures.lap_time_plot(subject.race)
    return found | {"actions": figures.action_plot(subject)}


def _start(moving: LapView, steps: ColumnDataSource) -> CustomJS:
    names = {"steps": steps, "shown": moving.shown, "lines": list(moving.laps), "cars": moving.cars}
    names |= {
        "road": moving.road,
        "mapper": moving.mapper,
        "bar": moving.bar,
        "exits": moving.exits,
    }
    return CustomJS(
        args=names, code="window.racerReport({steps, shown, lines, cars, road, mapper, bar, exits})"
    )


def _facts(subject: ReportSubject, laps: pd.DataFrame, packed: list[StepColumn]) -> dict[str, Any]:
    """What the page's script must know: how to read the steps, and the laps that they belong to."""
    rows = laps.reset_index(drop=True)
    races = fastest_laps(rows[rows["phase"] == "evaluation"], _AT_FIRST)
    whole = races if len(races) else fastest_laps(rows, _AT_FIRST)
    first = whole.index if len(whole) else rows.nlargest(_AT_FIRST, "completion").index
    return {
        "columns": [column.facts for column in packed],
        "laps": _laps(rows),
        "first": first.tolist(),
        "fastest": fastest_laps(rows, 3).index.tolist(),
        "colors": list(LAP_LINE_COLORS),
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


def _tables(subject: ReportSubject, laps: pd.DataFrame) -> dict[str, tables.SortableTable]:
    found = {"laps": tables.lap_table(subject, laps), "files": tables.file_table(subject)}
    if len(subject.training):
        found["iterations"] = tables.iteration_table(subject)
    if subject.here["complete"].any() and bool((subject.log.trace["track_len"] > 0).all()):
        found["sectors"] = tables.sector_table(subject)
    if not subject.here["complete"].all():
        found["endings"] = tables.ending_table(subject)
    return found


def _notes(log: Log) -> list[str]:
    return list(
        dict.fromkeys([*log.notes, *(note for source in log.sources for note in source.notes)])
    )


def _settings(subject: ReportSubject) -> list[tuple[str, str]]:
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
