"""`racer plot`: one picture of a log, of the kind that is asked for."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.completion import offer_runs
from racer.cli.inputs import LENGTH_TOLERANCE_M, LogOnTrack, read_log_on_track, resolve_logs
from racer.cli.tables import (
    LogTrackOption,
    RoutesOption,
    check_gamma,
    echo,
    echo_json,
    new_table,
    print_table,
    refuse_if,
)
from racer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from racer.plotting import PlotKind, PlotRequest, Rival

FILM_SUFFIXES = (".gif", ".mp4")
PHASES = ("training", "evaluation")


PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOG",
        help="A log: a file or a folder, a run also as @1. versus takes two.",
        show_default=False,
        callback=resolve_logs,
        autocompletion=offer_runs,
    ),
]
PictureOrFilmOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Draw it there (png, svg, pdf; ghosts also gif, mp4).",
        show_default="KIND.png",
    ),
]
LapsOption = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="Numbers from 1 (3,7), best:5, first:5, last:5, all; of two logs one each.",
        show_default="as suits the kind",
    ),
]
GammaOption = Annotated[
    float | None,
    typer.Option(help="Of reward-time: the discount factor.", show_default="the job's, else 0.99"),
]


def plot_command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="One of racer plot --list.", show_default=False)
    ] = "",
    paths: PathsArgument = None,
    output: PictureOrFilmOption = None,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    laps: LapsOption = "",
    phase: Annotated[
        str,
        typer.Option(
            metavar="PHASE",
            help="Which laps: evaluation or training.",
            show_default="as suits the kind",
        ),
    ] = "",
    color: Annotated[
        str, typer.Option(help="Of track: speed, reward, throttle, steering, time.")
    ] = "speed",
    gamma: GammaOption = None,
    is_list: Annotated[bool, typer.Option("--list", help="List the kinds.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the kinds, or the picture's file and track.")
    ] = False,
) -> None:
    """Draw one picture of a log: training, lap times, laps on the track, telemetry, heat maps,
    sectors, ghosts.

    racer plot track @last
    racer plot ghosts @best -o ghosts.gif
    """
    from racer.plotting import find_plot_kind

    if is_list or not kind:
        _list_kinds(as_json)
        return
    picture = output or Path(f"{kind}.png")
    plot_kind = find_plot_kind(kind)
    log_paths = paths or []
    _check_logs(kind, picture, log_paths)
    _check_phase(phase)
    check_gamma(gamma)
    is_film = picture.suffix.lower() in FILM_SUFFIXES
    refuse_if(
        is_film and plot_kind.animate is None,
        f"{picture}: {kind} does not move, write it as png, svg or pdf (ghosts is an animation)",
    )
    logs = [read_log_on_track(path, track, tracks) for path in log_paths]
    if not as_json:
        echo(logs[0].sentence)
    request = _request(plot_kind, logs, log_paths, laps, phase)
    request = replace(request, color=color, gamma=nan if gamma is None else gamma)
    _draw(plot_kind, picture, request)
    if as_json:
        echo_json(
            {"kind": kind, "file": str(picture), "track_sentence": logs[0].sentence}, indent=None
        )
    else:
        echo(str(picture))


def _list_kinds(as_json: bool) -> None:
    from racer.plotting import PLOT_KINDS

    if as_json:
        summaries = {name: plot_kind.summary for name, plot_kind in PLOT_KINDS.items()}
        echo_json(summaries)
        return
    table = new_table("kind", "what it shows", text=("kind", "what it shows"))
    for name, plot_kind in PLOT_KINDS.items():
        table.add_row(name, plot_kind.summary)
    print_table(table)


def _check_logs(kind: str, picture: Path, paths: list[str]) -> None:
    refuse_if(not paths, f"racer plot {kind} needs a log: racer plot {kind} LOG -o {picture}")
    limit, words = (2, "two logs") if kind == "versus" else (1, "one log")
    refuse_if(len(paths) > limit, f"racer plot {kind} takes {words}, not {len(paths)}")


def _check_phase(phase: str) -> None:
    if phase and phase not in PHASES:
        guess = did_you_mean(phase, list(PHASES))
        raise UsageError(f"--phase {phase!r}{guess} ({' or '.join(PHASES)})")


def _rival(log: LogOnTrack, other: LogOnTrack, paths: list[str]) -> Rival:
    """The second log, which must be of the same track and direction. Raises UsageError."""
    from racer.plotting import Rival

    length, other_length = (float(x.log.trace["track_len"].median()) for x in (log, other))
    are_known = log.track is not None and other.track is not None
    is_other_track = are_known and log.log_track.label != other.log_track.label
    refuse_if(
        abs(length - other_length) > LENGTH_TOLERANCE_M or is_other_track,
        f"the logs are not of one track: {log.sentence}; and {other.sentence}",
    )
    name, other_name = (Path(path.rstrip("/")).name.split(".")[0] for path in paths)
    names = (name, other_name) if name != other_name else ("A", "B")
    return Rival(other.log, other.laps_on_track, names)


def _laps_of_two(laps: str) -> list[str]:
    """What `--laps` says of each of two logs: `3,7` is lap 3 of the first and lap 7 of the second."""
    if "," not in laps:
        return [laps, laps]
    parts = laps.split(",")
    refuse_if(len(parts) != 2, f"--laps {laps!r}: of two logs, give one lap each, such as 3,7")
    return parts


def _request(
    kind: PlotKind, logs: list[LogOnTrack], paths: list[str], laps: str, phase: str
) -> PlotRequest:
    """What the picture is made from: the laps that the user asks for, and those of the second log."""
    from racer.plotting import PlotRequest

    log = logs[0]
    if len(logs) == 1:
        rival = None
        wanted = laps
    else:
        rival = _rival(log, logs[1], paths)
        wanted, rival_wanted = _laps_of_two(laps)
        rival_laps = _select_laps(rival.laps, rival_wanted, phase, kind.phase)
        rival = replace(rival, laps=rival_laps)
    chosen = _select_laps(log.laps_on_track, wanted, phase, kind.phase)
    return PlotRequest(log.log, chosen, log.track, chosen_by_user=bool(laps), rival=rival)


def _draw(kind: PlotKind, picture: Path, request: PlotRequest) -> None:
    from racer.plotting import save_figure

    if kind.animate is not None and picture.suffix.lower() in FILM_SUFFIXES:
        kind.animate(request, picture)
    else:
        save_figure(kind.draw(request), picture)


def _select_laps(laps: pd.DataFrame, wanted: str, phase: str, usual_phase: str) -> pd.DataFrame:
    """The laps that the user asks for, by number or phase; otherwise those of the phase that the
    kind of picture is about.
    """
    from racer.plotting import laps_of_phase, prefer_phase, select_laps

    of_phase = laps_of_phase(laps, phase)
    if wanted:
        return select_laps(of_phase, wanted)
    if phase:
        return of_phase
    return prefer_phase(of_phase, usual_phase)
