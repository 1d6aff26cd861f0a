"""`racer plot`: one picture of a log, of the kind that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import LogTrack, TracksOption, candidate_tracks, track_of_log
from racer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs import Log
    from racer.plotting.figures import PlotKind, Rival

Option = typer.Option
FILM_SUFFIXES = (".gif", ".mp4")
PHASES = ("training", "evaluation")


@dataclass(frozen=True, eq=False)
class _Driven:
    """A log, its laps on the track that most of it was driven on, and that track."""

    log: Log
    laps: pd.DataFrame
    road: LogTrack


def plot_command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="One of racer plot --list.", show_default=False)
    ] = "",
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOG", help="A log: a file or a folder. versus takes two.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="png, svg, pdf; gif or mp4 of ghosts.  [KIND.png]",
        ),
    ] = None,
    track: Annotated[
        str, Option(help="Its track: a name, a .toml or .npy file. Recognized otherwise.")
    ] = "",
    tracks: TracksOption = None,
    laps: Annotated[
        str,
        Option(
            metavar="WHICH",
            help="Numbers from 1 (3,7), best:5, first:5, last:5, all; of two logs one each.",
        ),
    ] = "",
    phase: Annotated[
        str, Option(metavar="PHASE", help="Only laps of training, or of evaluation.")
    ] = "",
    color: Annotated[
        str, Option(help="Of track: speed, reward, throttle, steering, time.")
    ] = "speed",
    gamma: Annotated[
        float | None, Option(help="Of reward-time: the discount factor.  [the job's, else 0.99]")
    ] = None,
    is_list: Annotated[bool, Option("--list", help="List the kinds.")] = False,
) -> None:
    """Draw one picture of a log: training, lap times, laps on the track, telemetry, heat maps,
    sectors, ghosts.
    """
    from racer.plotting.figures import PLOT_KINDS, find_plot_kind

    if is_list or not kind:
        wide = max(map(len, PLOT_KINDS))
        typer.echo("\n".join(f"{name:<{wide}}  {one.line}" for name, one in PLOT_KINDS.items()))
        return
    target = output or Path(f"{kind}.png")
    found = find_plot_kind(kind)
    _check(kind, found, target, phase, gamma, paths or [])
    first, *others = [_driven(path, track, tracks) for path in paths or []]
    typer.echo(first.road.sentence)
    rival = _rival(first, others[0], paths or []) if others else None
    _draw(found, target, first, laps, phase, rival, color, nan if gamma is None else gamma)
    typer.echo(str(target))


def _check(
    name: str, kind: PlotKind, target: Path, phase: str, gamma: float | None, paths: list[str]
) -> None:
    """Raises UsageError for what is wrong whatever the log holds."""
    if not paths:
        raise UsageError(f"racer plot {name} needs a log: racer plot {name} LOG -o {target}")
    if len(paths) > (2 if name == "versus" else 1):
        raise UsageError(
            f"racer plot {name} takes {'two logs' if name == 'versus' else 'one log'}, not {len(paths)}"
        )
    if phase and phase not in PHASES:
        raise UsageError(
            f"--phase {phase!r}{did_you_mean(phase, list(PHASES))} ({' or '.join(PHASES)})"
        )
    if gamma is not None and not 0.0 <= gamma <= 1.0:
        raise UsageError(f"--gamma {gamma:g}: a discount factor is between 0 and 1")
    if target.suffix.lower() in FILM_SUFFIXES and kind.animate is None:
        raise UsageError(
            f"{target}: {name} does not move, write it as png, svg or pdf (ghosts is an animation)"
        )


def _driven(path: str, name: str, folder: Path | None) -> _Driven:
    """A log with the laps on the track that most of its steps were driven on."""
    from racer import logs
    from racer.analysis import laps

    log = logs.read_log(path)
    length = log.trace["track_len"].round(2)
    usual = length.mode().iloc[0]
    table = laps(log.trace)
    here = table[(length.to_numpy() == usual)[table["first_row"]]]
    road = track_of_log(
        log.trace[length == usual], name, [] if name else list(candidate_tracks(folder))
    )
    if length.nunique() > 1:
        only = f"{road.sentence} ({length.nunique()} tracks in these logs: only laps of this one are drawn)"
        road = LogTrack(road.track, only, road.agreement)
    return _Driven(log, here, road)


def _rival(one: _Driven, other: _Driven, paths: list[str]) -> Rival:
    """The second log, which must be of the same track and direction. Raises UsageError."""
    from racer.plotting.figures import Rival

    mine, theirs = one.road.track, other.road.track
    lengths = [float(driven.log.trace["track_len"].median()) for driven in (one, other)]
    same = mine and theirs and (mine.name, mine.is_reversed) == (theirs.name, theirs.is_reversed)
    if abs(lengths[0] - lengths[1]) > 0.02 or (mine and theirs and not same):
        raise UsageError(
            f"the logs are not of one track: {one.road.sentence}; and {other.road.sentence}"
        )
    first, second = (Path(path.rstrip("/")).name.split(".")[0] for path in paths)
    return Rival(other.log, other.laps, (first, second) if first != second else ("A", "B"))


def _draw(
    kind: PlotKind,
    target: Path,
    driven: _Driven,
    words: str,
    phase: str,
    rival: Rival | None,
    color: str,
    gamma: float,
) -> None:
    """Choose the laps, draw them and write the picture."""
    from dataclasses import replace

    from racer.plotting import style
    from racer.plotting.figures import PlotOptions

    parts = [words, words] if rival is None else _one_each(words)
    laps = _selected(driven.laps, parts[0], phase, kind.phase)
    if rival is not None:
        rival = replace(rival, laps=_selected(rival.laps, parts[1], phase, kind.phase))
    wish = PlotOptions(color=color, gamma=gamma, chosen_by_user=bool(words), rival=rival)
    track = driven.road.track
    if kind.animate is not None and target.suffix.lower() in FILM_SUFFIXES:
        kind.animate(driven.log, laps, track, target, wish)
        return
    style.save_figure(kind.draw(driven.log, laps, track, wish), target)


def _one_each(words: str) -> list[str]:
    """What `--laps` says of each of two logs: `3,7` is lap 3 of the first and lap 7 of the second."""
    parts = words.split(",") if "," in words else [words, words]
    if len(parts) != 2:
        raise UsageError(f"--laps {words!r}: of two logs, give one lap each, such as 3,7")
    return parts


def _selected(laps: pd.DataFrame, words: str, phase: str, about: str) -> pd.DataFrame:
    """The laps that the user asks for, by number or phase; otherwise those of the phase that the
    kind is about.
    """
    from racer.plotting import selection

    mine = selection.laps_of_phase(laps, phase)
    if words:
        return selection.select_laps(mine, words)
    return mine if phase else selection.prefer_phase(mine, about)
