"""`racer compare`: logs beside each other, with how sure one can be, and where the time is won."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import LogOnTrack, laps_by_phase, read_log_on_track
from racer.cli.options import JsonOption, LogTrackOption, PictureOption, RoutesOption
from racer.cli.tables import new_table, print_table, table_as_dicts
from racer.errors import UsageError
from racer.records import format_number, format_seconds, known_number

if TYPE_CHECKING:
    import pandas as pd

    from racer.analysis.comparison import LogComparison, PairDifference

PHASES = ("evaluation", "training")


def compare_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...", help="Two or more logs or runs; others differ from the first."
        ),
    ],
    phase: Annotated[
        str,
        typer.Option(
            "--phase", help="Which laps: evaluation or training. Evaluation where all have one."
        ),
    ] = "",
    last: Annotated[
        int,
        typer.Option(
            "--last", min=1, metavar="N", help="Of trainings, the last N iterations count."
        ),
    ] = 5,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    output: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two or more logs or runs: lap times with 95 % intervals, and where on the track the
    time is won.
    """
    from racer.analysis.comparison import ComparedLog, compare

    logs = [read_log_on_track(path, track, tracks, with_line_deviation=True) for path in paths]
    common_phase = _common_phase(logs, phase)
    sides = []
    for name, log in zip(_short_names(paths), logs, strict=True):
        laps = _counted_laps(log, common_phase, last)
        sides.append(ComparedLog(name, log.log.trace, laps, log.track))
    comparison = compare(sides)
    picture = _draw(comparison, output) if output else None
    if as_json:
        typer.echo(json.dumps(_as_dict(comparison, logs, common_phase, picture), indent=2))
        return
    for side, log in zip(sides, logs, strict=True):
        typer.echo(f"{side.name}: {log.sentence}")
    if common_phase == "evaluation":
        typer.echo("laps of evaluations")
    else:
        typer.echo(f"laps of the last {last} iterations of each training")
    _print_comparison(comparison)
    if picture:
        typer.echo(str(picture))


def _common_phase(logs: list[LogOnTrack], asked: str) -> str:
    """The phase whose laps are compared: the one asked for, or the first that all logs have."""
    if asked and asked not in PHASES:
        raise UsageError(f"--phase {asked}: there are {' and '.join(PHASES)}")
    phases_of = [sorted(dict(laps_by_phase(log.laps_on_track))) for log in logs]
    for phase in [asked] if asked else PHASES:
        if all(phase in phases for phases in phases_of):
            return phase
    if asked:
        lacking = next(
            log for log, phases in zip(logs, phases_of, strict=True) if asked not in phases
        )
        raise UsageError(
            f"{lacking.path} holds no lap of {asked}: leave --phase out, or take another log"
        )
    contents = [
        f"{log.path} holds {' and '.join(phases)}"
        for log, phases in zip(logs, phases_of, strict=True)
    ]
    raise UsageError(f"nothing alike to compare: {', '.join(contents)}")


def _counted_laps(log: LogOnTrack, phase: str, last: int) -> pd.DataFrame:
    """The laps that count: all of an evaluation, of a training those of the last iterations."""
    from racer.analysis import lap_iterations

    laps = dict(laps_by_phase(log.laps_on_track))[phase]
    if phase == "evaluation":
        return laps
    iterations = lap_iterations(laps)
    last_iterations = sorted(iterations.unique())[-last:]
    return laps[iterations.isin(last_iterations)]


def _short_names(paths: list[Path]) -> list[str]:
    """What to call the logs: as little of their paths as tells them apart; equal paths get a
    number.
    """
    whole = [_without_suffixes(path.expanduser().resolve()).parts for path in paths]
    for depth in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({number})" for number, path in enumerate(paths, 1)]


def _without_suffixes(path: Path) -> Path:
    if path.is_file():
        return path.with_name(path.name.split(".")[0])
    return path


def _draw(comparison: LogComparison, path: Path) -> Path:
    from racer.plotting import style
    from racer.plotting.telemetry import comparison_figure

    return style.save_figure(comparison_figure(comparison), path.expanduser())


def _print_comparison(comparison: LogComparison) -> None:
    _print_sides(comparison.table)
    for pair in comparison.pairs:
        for sentence in _pair_sentences(pair):
            typer.echo(sentence)
    if not len(comparison.where):
        reason = "it takes one known track, driven the same way (--track NAME)"
        typer.echo(f"where the time is won cannot be told: {reason}")
        return
    first = comparison.sides[0].name
    for name, sectors in comparison.where.groupby("name", sort=False):
        if not sectors["difference"].isna().all():
            _print_sectors(comparison.where, first, str(name), sectors)


def _print_sides(sides: pd.DataFrame) -> None:
    heads = ("log", "laps", "complete", "covered %", "median s", "95 %", "best s")
    table = new_table(*heads, "reward", "zig-zag", text=("log",))
    for row in sides.to_dict("records"):
        table.add_row(
            row["name"],
            f"{row['laps']:,}",
            f"{row['complete']:,}",
            format_number(row["completion"], 1),
            format_seconds(row["median"]),
            _format_interval(row["median_low"], row["median_high"]),
            format_seconds(row["best"]),
            format_number(row["reward"]),
            format_number(row["zigzag"]),
        )
    print_table(table)


def _print_sectors(where: pd.DataFrame, first: str, name: str, sectors: pd.DataFrame) -> None:
    from racer.analysis.comparison import describe_gains

    typer.echo(
        f"\nwhere {name} wins (-) and loses (+) on {first}, by the median times of complete laps"
    )
    heads = ("place", "from m", "to m", f"{first} s", f"{name} s", "difference s", "95 %")
    table = new_table(*heads, text=("place",))
    for row in sectors.to_dict("records"):
        table.add_row(
            row["sector"],
            format_number(row["start"], 1),
            format_number(row["end"], 1),
            format_number(row["first"]),
            format_number(row["own"]),
            f"{row['difference']:+.2f}",
            _format_interval(row["low"], row["high"], sign="+"),
        )
    print_table(table)
    typer.echo(describe_gains(where, name))


def _format_interval(low: float, high: float, sign: str = "") -> str:
    """`9.81 to 9.95`, with signs if asked for; empty where it is not known."""
    if math.isnan(low):
        return ""
    return f"{low:{sign}.2f} to {high:{sign}.2f}"


def _as_dict(
    comparison: LogComparison, logs: list[LogOnTrack], phase: str, picture: Path | None
) -> dict[str, Any]:
    return {
        "phase": phase,
        "track": [log.track.name if log.track else None for log in logs],
        "logs": table_as_dicts(comparison.table),
        "pairs": [_pair_as_dict(pair) for pair in comparison.pairs],
        "where": table_as_dicts(comparison.where),
        "delta": {name: table_as_dicts(table) for name, table in comparison.profiles.items()},
        "picture": str(picture) if picture else None,
    }


def _pair_as_dict(pair: PairDifference) -> dict[str, Any]:
    intervals = {}
    for key, interval in (("time", pair.time), ("complete", pair.complete)):
        intervals[key] = {
            "value": known_number(interval.value),
            "low": known_number(interval.low),
            "high": known_number(interval.high),
        }
    return {
        "one": pair.one,
        "other": pair.other,
        "laps": pair.laps,
        "of": pair.of,
        **intervals,
        "verdict": _pair_sentences(pair),
    }


def _pair_sentences(pair: PairDifference) -> list[str]:
    return [sentence for sentence in (pair.sentence, pair.completes) if sentence]
