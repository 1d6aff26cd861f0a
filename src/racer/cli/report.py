"""`racer report`: a log, or several jobs side by side, as one page that opens in any browser, offline."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import LENGTH_TOLERANCE_M, LogsOrModelsArgument, place_log
from racer.cli.tables import LogTrackOption, RoutesOption, echo, refuse_if
from racer.errors import need
from racer.files import write_file

if TYPE_CHECKING:
    from racer.logs import Log


def report_command(
    paths: LogsOrModelsArgument,
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page: an .html file.")
    ] = Path("report.html"),
    title: Annotated[
        str, typer.Option("--title", help="What stands at its top.", show_default="job and track")
    ] = "",
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    join: Annotated[
        bool, typer.Option("--join", help="Several logs are parts of one job, not jobs to compare.")
    ] = False,
    is_opened: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser, too.")
    ] = False,
) -> None:
    """Make one page of a log: a summary in words, plots, and laps that race each other on the
    track. Several logs stand side by side, a job each.

    racer report runs/first -o first.html --open
    racer report runs/first runs/second -o both.html
    """
    need("report")
    is_html = output.suffix.lower() in (".html", ".htm")
    refuse_if(not is_html, f"{output}: a report is an .html file")
    refuse_if(not output.parent.is_dir(), f"{output}: there is no folder {output.parent}")
    from racer.report import MAX_JOBS

    refuse_if(
        len(paths) > MAX_JOBS and not join,
        f"a report sets up to {MAX_JOBS} jobs side by side, not {len(paths)}: "
        "leave some out, or add --join where they are parts of one job",
    )
    for page, logs in _logs_of_pages(paths, output, join):
        _write_page(logs, page, title, track, tracks)
        if is_opened and not webbrowser.open(page.resolve().as_uri()):
            echo(f"no browser could be started: open {page} yourself", err=True)


def _logs_of_pages(
    paths: list[Path], output: Path, join: bool
) -> Iterator[tuple[Path, dict[Path, Log]]]:
    """Every page that is due, and the logs on it by where they lie, side by side where there are
    several: one page, unless the one path that is given holds several jobs.
    """
    from racer.logs import read_jobs, read_log
    from racer.report import join_logs

    if len(paths) > 1:
        logs = [read_log(path) for path in paths]
        if join:
            yield output, {paths[0]: join_logs(logs)}
            return
        _refuse_other_tracks(logs, paths)
        yield output, dict(zip(_job_names(paths), logs, strict=True))
        return
    jobs = read_jobs(paths[0])
    if len(jobs) == 1:
        yield output, {paths[0]: next(iter(jobs.values()))}
        return
    echo(f"{paths[0]}: {len(jobs)} jobs are in it, and each gets a page of its own")
    for job, log in jobs.items():
        name = re.sub(r"[^\w.-]+", "-", job).strip("-.") or "job"
        yield output.with_stem(f"{output.stem}-{name}"), {paths[0] / job: log}


def _write_page(
    logs: Mapping[Path, Log], output: Path, title: str, track: str, tracks: Path | None
) -> None:
    from racer.report import join_logs, render_report

    whole = join_logs(list(logs.values()))
    on_track = place_log(whole, next(iter(logs)), track, tracks)
    content: Log | Mapping[str, Log] = whole
    if len(logs) > 1:
        content = {str(path): log for path, log in logs.items()}
    page = write_file(output, render_report(content, on_track.track, title))
    echo(on_track.sentence)
    echo(f"{page}  ({page.stat().st_size / 1e6:.1f} MB; open it in a browser)")


def _refuse_other_tracks(logs: list[Log], paths: list[Path]) -> None:
    """Raises UsageError where the logs are of tracks with different lengths."""
    lengths = [float(log.trace["track_len"].median()) for log in logs]
    for path, length in zip(paths, lengths, strict=True):
        refuse_if(
            abs(length - lengths[0]) > LENGTH_TOLERANCE_M,
            f"{path} is of a track of {length:.2f} m, {paths[0]} of one of {lengths[0]:.2f} m: "
            "jobs side by side must be of one track (--join makes a page about the track of most steps)",
        )


def _job_names(paths: list[Path]) -> list[Path]:
    """What the jobs are called: the last part of their paths where that tells them apart."""
    names = [Path(path.name or path.resolve().name) for path in paths]
    if len(set(names)) == len(names):
        return names
    if len(set(paths)) == len(paths):
        return paths
    return [path.with_name(f"{path.name} ({number})") for number, path in enumerate(paths, 1)]
