"""`racer line`: the fastest line around a track, and how fast a lap can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_tracks
from racer.cli.inputs import load_track_with_note
from racer.cli.tables import (
    CarOption,
    JsonOption,
    PictureOption,
    ReverseOption,
    echo,
    echo_json,
    new_table,
    print_record,
)
from racer.records import Record, RecordTable, format_number, known_number
from racer.track import user_home
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.drivers import Drive
    from racer.raceline import Passage, RacingLine
    from racer.track import Track
    from racer.vehicle import Car

BASELINES = ("least_curvature", "shortest")


@dataclass(frozen=True, eq=False)
class LineReport(Record):
    """A line around a track, how it passes the corners, and what became of driving it.

    `baselines` are lines of other methods, by name; `standing` sets the lap time beside race
    results, and is empty where there are none.
    """

    track: Track
    car: Car
    line: RacingLine
    baselines: dict[str, RacingLine]
    passages: list[Passage]
    drive: Drive | None
    standing: str

    @property
    def gap_percent(self) -> float:
        """How much longer than the bound the drive's best lap takes, %; nan without one."""
        if self.drive is None:
            return float("nan")
        return 100.0 * (self.drive.best_lap / self.line.lap_time - 1.0)

    @property
    def command(self) -> str:
        """The command that finds the line again."""
        reverse = " --reverse" if self.track.is_reversed else ""
        return f"racer line {self.track.name} --car {self.car.name}{reverse}"

    @property
    def direction(self) -> str:
        """`, reversed` behind the name of a track that is driven the other way."""
        return ", reversed" if self.track.is_reversed else ""

    def blocks(self) -> Sequence[str | RecordTable]:
        """The lap time, the corners, and how the car drove the line."""
        line = self.line
        start = "a flying lap" if line.is_loop else "from standstill"
        baselines = [
            f"{name.replace('_', ' ')} {other.lap_time:.2f} s"
            for name, other in self.baselines.items()
        ]
        driven = f"{self.track.name}{self.direction}, car {self.car.name}"
        method = line.method.replace("_", " ")
        blocks: list[str | RecordTable] = [
            f"{driven}: {line.lap_time:.2f} s, {start} of {line.length:.1f} m",
            f"found by {method}; for comparison: {', '.join(baselines)}",
        ]
        if self.passages:
            blocks.append(_passage_table(self.passages))
        if self.drive is not None:
            blocks.append(f"driven at 15 Hz with the car's lags: {self._describe_drive()}")
        if self.standing:
            blocks.append(f"the bound beside race results: {self.standing}")
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data; what is missing is None."""
        drive = None
        if self.drive is not None:
            drive = {
                "lap_time": known_number(self.drive.best_lap),
                "gap_percent": known_number(self.gap_percent),
            }
        return {
            "track": {
                "name": self.track.name,
                "reversed": self.track.is_reversed,
                "length": self.track.length,
            },
            "car": self.car.name,
            "method": self.line.method,
            "margin": self.line.margin,
            "lap_time": self.line.lap_time,
            "length": self.line.length,
            "baselines": {name: other.lap_time for name, other in self.baselines.items()},
            "corners": [_passage_as_dict(passage) for passage in self.passages],
            "drive": drive,
            "standing": self.standing or None,
        }

    def _describe_drive(self) -> str:
        assert self.drive is not None
        if math.isnan(self.drive.best_lap):
            return f"no lap ({self.drive.completion:.0f} % of one)"
        side = "below" if self.gap_percent < 0.0 else "above"
        return f"{self.drive.best_lap:.2f} s, {abs(self.gap_percent):.1f} % {side} the bound"


def line_command(
    track: Annotated[
        str,
        typer.Argument(
            metavar="TRACK",
            autocompletion=offer_tracks,
            help="A track's name, or a .toml or .npy file.",
        ),
    ],
    car: CarOption = DEFAULT_CAR,
    margin: Annotated[
        float | None,
        typer.Option(
            help="m that the middle of the car stays within the borders; down to -0.08, beyond them.",
            show_default="-0.06",
        ),
    ] = None,
    reverse: ReverseOption = False,
    method: Annotated[
        str,
        typer.Option(
            help="auto, collocation (needs CasADi), iterated, least_curvature or shortest."
        ),
    ] = "auto",
    drive: Annotated[
        bool, typer.Option("--drive/--no-drive", help="Let the car drive the line, too.")
    ] = True,
    output: PictureOption = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the line there, a point a row."),
    ] = None,
    npy: Annotated[
        Path | None,
        typer.Option(
            "--npy",
            metavar="FILE",
            help="Write the line there, as an array of the same columns.",
        ),
    ] = None,
    snippet: Annotated[
        Path | None,
        typer.Option(
            "--snippet", metavar="FILE", help="Write the line there as Python for rewards."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest line around a track, the lap time that it allows, corner by corner, and
    drive it.

    racer line reinvent_2018
    racer line oval --car v5 --csv line.csv -o line.png
    """
    from racer.raceline import LINE_MARGIN_M, racing_line, remember_bound
    from racer.vehicle import car_preset

    driven = load_track_with_note(track, reverse)
    model = car_preset(car)
    if margin is None:
        margin = LINE_MARGIN_M
    line = racing_line(driven, model, margin, method)
    report = _report(driven, model, line, drive)
    if method == "auto" and margin == LINE_MARGIN_M:
        remember_bound(driven, model, line.lap_time, user_home())
    files = _write_line(report, csv, npy, snippet)
    if output:
        files.append(_draw(report, output))
    if as_json:
        names = [str(file) for file in files]
        echo_json({**report.to_dict(), "files": names})
        return
    print_record(report)
    for file in files:
        echo(str(file))


def _report(track: Track, car: Car, line: RacingLine, drives: bool) -> LineReport:
    from racer.analysis import race_standing
    from racer.drivers import follow_line
    from racer.raceline import corner_passages, racing_line

    standing = race_standing(track.name, line.lap_time)
    return LineReport(
        track=track,
        car=car,
        line=line,
        baselines={name: racing_line(track, car, line.margin, name) for name in BASELINES},
        passages=corner_passages(track, line),
        drive=follow_line(track, car, line) if drives else None,
        standing=standing.sentence if standing else "",
    )


def _passage_table(passages: Sequence[Passage]) -> RecordTable:
    heads = ("corner", "turn °", "brake m", "entry m/s", "apex m", "apex m/s", "exit m/s", "lost s")
    table = new_table(*heads, text=("corner",))
    for passage in passages:
        table.add_row(
            passage.name,
            format_number(math.degrees(passage.corner.angle), 0),
            format_number(passage.brake, 1),
            format_number(passage.entry_speed),
            format_number(passage.apex, 1),
            format_number(passage.apex_speed),
            format_number(passage.exit_speed),
            format_number(passage.lost),
        )
    return table


def _passage_as_dict(passage: Passage) -> dict[str, Any]:
    return {
        "corner": passage.name,
        "brake": known_number(passage.brake),
        "entry_speed": passage.entry_speed,
        "apex": passage.apex,
        "apex_speed": passage.apex_speed,
        "exit_speed": passage.exit_speed,
        "lost": passage.lost,
    }


def _write_line(
    report: LineReport, csv: Path | None, npy: Path | None, snippet: Path | None
) -> list[Path]:
    """The files that were asked for, after writing them."""
    from racer.files import write_file
    from racer.raceline import line_as_csv, line_as_npy, line_snippet

    files = []
    if csv:
        files.append(write_file(csv, line_as_csv(report.line)))
    if npy:
        files.append(write_file(npy, line_as_npy(report.line)))
    if snippet:
        text = line_snippet(report.line, report.car, report.command)
        files.append(write_file(snippet, text))
    return files


def _draw(report: LineReport, path: Path) -> Path:
    from racer.plotting import racing_line_figure, save_figure, style_context

    lines = {"fastest": report.line}
    for name, other in report.baselines.items():
        lines[name.replace("_", " ")] = other
    title = f"{report.track.title}{report.direction}  ·  car {report.car.name}"
    title = f"{title}  ·  {report.line.lap_time:.2f} s"
    rows = report.drive.rows if report.drive is not None else None
    with style_context():
        figure = racing_line_figure(report.track, title, lines, report.passages, rows)
        return save_figure(figure, path)
