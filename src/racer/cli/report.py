"""`racer report`: a log as one page that opens in any browser, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer import errors as extras
from racer.cli.inputs import LogTrack, TracksOption, candidate_tracks, track_of_log
from racer.errors import UsageError
from racer.files import write_file

if TYPE_CHECKING:
    from racer.logs import Log
    from racer.track.track import Track


def report_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG...", help="Simtrace csv files, simulator's logs, or folders of them."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The page: an .html file.")
    ] = Path("report.html"),
    title: Annotated[
        str, typer.Option("--title", help="What stands at its top; job and track otherwise.")
    ] = "",
    track: Annotated[
        str,
        typer.Option(
            "--track", help="Its track: a name, a .toml or .npy file. Recognized otherwise."
        ),
    ] = "",
    tracks: TracksOption = None,
) -> None:
    """Make one page of a log: a summary in words, plots, and laps that race each other on the
    track.
    """
    extras.need("report")
    _check_output(output)
    from racer import logs
    from racer.report import render_report as page
    from racer.report.subject import join_logs

    log = join_logs([logs.read_log(path) for path in paths])
    road = _road(log, track, tracks)
    written = write_file(output, page(log, road.track, title).encode())
    typer.echo(road.sentence)
    typer.echo(f"{written}  ({written.stat().st_size / 1e6:.1f} MB; open it in a browser)")


def _check_output(output: Path) -> None:
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{output}: a report is an .html file")
    if not output.parent.is_dir():
        raise UsageError(f"{output}: there is no folder {output.parent}")


def _road(log: Log, name: str, folder: Path | None) -> LogTrack:
    """The track of most steps."""
    length = log.trace["track_len"].round(2)
    tried: list[Track] = [] if name else list(candidate_tracks(folder))
    usual = length.mode()
    return track_of_log(
        log.trace[length == usual.iloc[0]] if len(usual) else log.trace, name, tried
    )
