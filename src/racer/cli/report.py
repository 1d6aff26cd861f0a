"""`racer report`: a log as one page that opens in any browser, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import LogsArgument, place_log
from racer.cli.tables import LogTrackOption, RoutesOption, echo, refuse_if
from racer.errors import need
from racer.files import write_file

if TYPE_CHECKING:
    from racer.logs import Log


def report_command(
    paths: LogsArgument,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The page: an .html file.")
    ] = Path("report.html"),
    title: Annotated[
        str, typer.Option("--title", help="What stands at its top; job and track otherwise.")
    ] = "",
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
) -> None:
    """Make one page of a log: a summary in words, plots, and laps that race each other on the
    track.
    """
    need("report")
    is_html = output.suffix.lower() in (".html", ".htm")
    refuse_if(not is_html, f"{output}: a report is an .html file")
    refuse_if(not output.parent.is_dir(), f"{output}: there is no folder {output.parent}")
    for page, log, path in _logs_of_pages(paths, output):
        _write_page(log, path, page, title, track, tracks)


def _logs_of_pages(paths: list[Path], output: Path) -> Iterator[tuple[Path, Log, Path]]:
    """Every page that is due, the log on it, and where that lies: one page, unless the one path that is
    given holds several jobs.
    """
    from racer.logs import read_jobs, read_log
    from racer.report import join_logs

    if len(paths) > 1:
        yield output, join_logs([read_log(path) for path in paths]), paths[0]
        return
    jobs = read_jobs(paths[0])
    if len(jobs) == 1:
        yield output, next(iter(jobs.values())), paths[0]
        return
    echo(f"{paths[0]}: {len(jobs)} jobs are in it, and each gets a page of its own")
    for job, log in jobs.items():
        name = re.sub(r"[^\w.-]+", "-", job).strip("-.") or "job"
        yield output.with_stem(f"{output.stem}-{name}"), log, paths[0] / job


def _write_page(
    log: Log, path: Path, output: Path, title: str, track: str, tracks: Path | None
) -> None:
    from racer.report import render_report

    on_track = place_log(log, path, track, tracks)
    page = write_file(output, render_report(log, on_track.track, title))
    echo(on_track.sentence)
    echo(f"{page}  ({page.stat().st_size / 1e6:.1f} MB; open it in a browser)")
