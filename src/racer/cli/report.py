"""`racer report`: a log as one page that opens in any browser, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from racer.cli.inputs import LogsArgument, place_log
from racer.cli.tables import LogTrackOption, RoutesOption, echo, refuse_if
from racer.errors import need
from racer.files import write_file


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
    from racer.logs import read_log
    from racer.report import join_logs, render_report

    log = join_logs([read_log(path) for path in paths])
    on_track = place_log(log, paths[0], track, tracks)
    page = write_file(output, render_report(log, on_track.track, title))
    echo(on_track.sentence)
    echo(f"{page}  ({page.stat().st_size / 1e6:.1f} MB; open it in a browser)")
