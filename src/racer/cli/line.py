"""`racer line`: the fastest line around a track, and how fast a lap can be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.track import library

if TYPE_CHECKING:
    from racer.drivers.rollout import Drive
    from racer.raceline.lap_bound import Passage
    from racer.raceline.minimum_time import RacingLine
    from racer.track.track import Track

Option = typer.Option
MARGIN_HELP = "m that the middle of the car stays within the borders; down to -0.08, beyond them.  [default: -0.06]"


@dataclass(frozen=True, eq=False)
class LineReport:
    """What there is to tell."""

    track: Track
    car: str
    line: RacingLine
    others: dict[str, RacingLine]  # the baselines
    passages: list[Passage]
    drive: Drive | None
    standing: str

    @property
    def gap(self) -> float:
        """% that the drive's best lap takes longer than the bound; nan without one."""
        lap = self.drive.best_lap if self.drive else float("nan")
        return 100.0 * (lap / self.line.lap_time - 1.0)


def line_command(
    track: Annotated[
        str, typer.Argument(metavar="TRACK", help="A track's name, or a .toml or .npy file.")
    ],
    car: Annotated[str, Option(help="v4, v5 or v6.")] = "v5",
    margin: Annotated[float | None, Option(help=MARGIN_HELP, show_default=False)] = None,
    reverse: Annotated[bool, Option("--reverse", help="Drive the track the other way.")] = False,
    method: Annotated[
        str, Option(help="auto, collocation (needs CasADi), iterated, least_curvature or shortest.")
    ] = "auto",
    drive: Annotated[
        bool, Option("--drive/--no-drive", help="Let the car drive the line, too.")
    ] = True,
    output: Annotated[
        Path | None, Option("-o", "--output", help="Draw the line there (png, svg, pdf).")
    ] = None,
    csv: Annotated[
        Path | None, Option("--csv", help="Write the line there, a point a row.")
    ] = None,
    npy: Annotated[
        Path | None, Option("--npy", help="Write the line there, as an array of the same columns.")
    ] = None,
    snippet: Annotated[
        Path | None, Option("--snippet", help="Write the line there as Python for rewards.")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the fastest line around a track, the lap time that it allows, corner by corner, and
    drive it.
    """
    from racer.raceline import minimum_time as lines
    from racer.vehicle.car import car_preset

    road = library.load_track(track)
    road = road.reversed() if reverse else road
    model = car_preset(car)
    chosen = lines.racing_line(
        road, model, lines.LINE_MARGIN_M if margin is None else margin, method
    )
    found = _found(road, chosen, model, drive)
    if method == "auto" and margin in (None, lines.LINE_MARGIN_M):
        _remember(found, model)
    files = _written(found, model, output, csv, npy, snippet)
    if as_json:
        typer.echo(
            json.dumps({**line_as_data(found), "files": [str(file) for file in files]}, indent=2)
        )
        return
    _show(found)
    for file in files:
        typer.echo(str(file))


def _found(road: Track, chosen: RacingLine, model: Any, drives: bool) -> LineReport:
    from racer.analysis.leaderboard import race_standing
    from racer.drivers.rollout import follow_line
    from racer.raceline.lap_bound import corner_passages
    from racer.raceline.minimum_time import racing_line

    others = {
        name: racing_line(road, model, chosen.margin, name)
        for name in ("least_curvature", "shortest")
    }
    driven = follow_line(road, model, chosen) if drives else None
    place = race_standing(road.name, chosen.lap_time)
    return LineReport(
        road,
        model.name,
        chosen,
        others,
        corner_passages(road, chosen),
        driven,
        place.sentence if place else "",
    )


def _remember(found: LineReport, model: Any) -> None:
    from racer.raceline.lap_bound import remember_bound

    remember_bound(found.track, model, found.line.lap_time, library.user_home())


def line_as_data(found: LineReport) -> dict[str, Any]:
    """What was found, as plain data; what is missing is None."""
    line, driven = found.line, found.drive
    corners = [
        {
            "corner": one.name, "brake": _number(one.brake), "entry_speed": one.entry_speed, "apex": one.apex,
            "apex_speed": one.apex_speed, "exit_speed": one.exit_speed, "lost": one.lost,
        }
        for one in found.passages
    ]  # fmt: skip
    return {
        "track": {
            "name": found.track.name,
            "reversed": found.track.is_reversed,
            "length": found.track.length,
        },
        "car": found.car,
        "method": line.method,
        "margin": line.margin,
        "lap_time": line.lap_time,
        "length": line.length,
        "baselines": {name: other.lap_time for name, other in found.others.items()},
        "corners": corners,
        "drive": driven
        and {"lap_time": _number(driven.best_lap), "gap_percent": _number(found.gap)},
        "standing": found.standing or None,
    }


def _show(found: LineReport) -> None:
    from rich.console import Console

    console, line = Console(soft_wrap=True, highlight=False), found.line
    way = ", reversed" if found.track.is_reversed else ""
    kind = "a flying lap" if line.is_loop else "from standstill"
    console.print(
        f"{found.track.name}{way}, car {found.car}: {line.lap_time:.2f} s, {kind} of {line.length:.1f} m",
        markup=False,
    )
    shares = [
        f"{name.replace('_', ' ')} {other.lap_time:.2f} s" for name, other in found.others.items()
    ]
    console.print(
        f"found by {line.method.replace('_', ' ')}; for comparison: {', '.join(shares)}",
        markup=False,
    )
    if found.passages:
        console.print(_table(found.passages))
    for sentence in (
        _driven(found),
        found.standing and f"the bound beside race results: {found.standing}",
    ):
        if sentence:
            console.print(sentence, markup=False)


def _driven(found: LineReport) -> str:
    """What became of the drive, in a sentence."""
    import math

    if found.drive is None:
        return ""
    if math.isnan(found.drive.best_lap):
        return (
            f"driven at 15 Hz with the car's lags: no lap ({found.drive.completion:.0f} % of one)"
        )
    return f"driven at 15 Hz with the car's lags: {found.drive.best_lap:.2f} s, {found.gap:+.1f} % of the bound"


def _table(passages: list[Passage]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in (
        "corner",
        "turn °",
        "brake m",
        "entry m/s",
        "apex m",
        "apex m/s",
        "exit m/s",
        "lost s",
    ):
        table.add_column(head, justify="left" if head == "corner" else "right", no_wrap=True)
    for one in passages:
        import math

        brake = "-" if math.isnan(one.brake) else f"{one.brake:.1f}"
        speeds = (
            f"{one.entry_speed:.2f}",
            f"{one.apex:.1f}",
            f"{one.apex_speed:.2f}",
            f"{one.exit_speed:.2f}",
        )
        table.add_row(
            one.name, f"{math.degrees(one.corner.angle):.0f}", brake, *speeds, f"{one.lost:.2f}"
        )
    return table


def _written(
    found: LineReport,
    model: Any,
    output: Path | None,
    csv: Path | None,
    npy: Path | None,
    snippet: Path | None,
) -> list[Path]:
    """The files that were asked for, after writing them."""
    from racer.files import write_file
    from racer.raceline.files import line_as_csv, line_as_npy
    from racer.raceline.files import line_snippet as text_of

    files = []
    if csv:
        files.append(write_file(csv, line_as_csv(found.line)))
    if npy:
        files.append(write_file(npy, line_as_npy(found.line)))
    if snippet:
        files.append(write_file(snippet, text_of(found.line, model, _title(found)).encode()))
    return [*files, _draw(found, output)] if output else files


def _title(found: LineReport) -> str:
    reverse = " --reverse" if found.track.is_reversed else ""
    return f"racer line {found.track.name} --car {found.car}{reverse}"


def _draw(found: LineReport, path: Path) -> Path:
    from racer.plotting import style
    from racer.plotting.racing_line import racing_line_figure

    lines = {"fastest": found.line} | {
        name.replace("_", " "): other for name, other in found.others.items()
    }
    drives = found.drive.rows if found.drive is not None else None
    with style.style_context():
        way = ", reversed" if found.track.is_reversed else ""
        title = f"{found.track.title}{way}  ·  car {found.car}  ·  {found.line.lap_time:.2f} s"
        return style.save_figure(
            racing_line_figure(found.track, title, lines, found.passages, drives), path
        )


def _number(value: float) -> float | None:
    return None if value != value else value
