"""`racer compare`: logs beside each other, with how sure one can be, and where the time is won."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import LogOnTrack, TrackOption, TracksOption, laps_by_phase, read_log_on_track
from racer.cli.tables import format_number, format_seconds, new_table, print_table
from racer.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from racer.analysis.comparison import LogComparison, PairDifference

_PHASES = ("evaluation", "training")


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
    track: TrackOption = "",
    tracks: TracksOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Draw the comparison there: png, svg or pdf."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two or more logs or runs: lap times with 95 % intervals, and where on the track the
    time is won.
    """
    from racer.analysis import comparison

    placed = [read_log_on_track(path, track, tracks) for path in paths]
    kind = _phase(placed, phase)
    sides = [
        comparison.ComparedLog(name, one.log.trace, _laps(one, kind, last), one.track)
        for name, one in zip(_names(paths), placed, strict=True)
    ]
    found = comparison.compare(sides)
    picture = _draw(found, output) if output else None
    if as_json:
        typer.echo(json.dumps(_as_json(found, placed, kind, picture), indent=2))
        return
    _print(found, placed, kind, last)
    if picture:
        typer.echo(str(picture))


def _phase(placed: list[LogOnTrack], asked: str) -> str:
    """The phase whose laps are compared: the one asked for, or the first that all logs have."""
    if asked and asked not in _PHASES:
        raise UsageError(f"--phase {asked}: there are {' and '.join(_PHASES)}")
    have = [{name for name, rows in laps_by_phase(one.here)} for one in placed]
    for name in [asked] if asked else _PHASES:
        lack = [one for one, names in zip(placed, have, strict=True) if name not in names]
        if not lack:
            return name
    if asked:
        raise UsageError(
            f"{lack[0].path} holds no lap of {asked}: leave --phase out, or take another log"
        )
    told = ", ".join(
        f"{one.path} holds {' and '.join(sorted(names))}"
        for one, names in zip(placed, have, strict=True)
    )
    raise UsageError(f"nothing alike to compare: {told}")


def _laps(found: LogOnTrack, phase: str, last: int) -> pd.DataFrame:
    """The laps that count: all of an evaluation, of a training those of the last iterations."""
    from racer.analysis import lap_iterations

    rows = dict(laps_by_phase(found.here))[phase]
    if phase == "evaluation":
        return rows
    known = lap_iterations(rows)
    return rows[known.isin(sorted(known.unique())[-last:])]


def _names(paths: list[Path]) -> list[str]:
    """What to call the logs: as little of their paths as tells them apart; equal paths get a
    number.
    """
    whole = [path.expanduser().resolve() for path in paths]
    plain = [path.with_name(path.name.split(".")[0]) if path.is_file() else path for path in whole]
    parts = [path.parts for path in plain]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({k})" for k, path in enumerate(paths, 1)]


def _draw(found: LogComparison, path: Path) -> Path:
    from racer.files import make_folder
    from racer.plotting import style
    from racer.plotting.compare import comparison_figure

    make_folder(path.expanduser().parent)
    return style.save_figure(comparison_figure(found), path.expanduser())


def _print(found: LogComparison, placed: list[LogOnTrack], phase: str, last: int) -> None:
    for name, one in zip(found.table["name"], placed, strict=True):
        typer.echo(f"{name}: {one.sentence}")
    typer.echo(
        "laps of evaluations"
        if phase == "evaluation"
        else f"laps of the last {last} iterations of each training"
    )
    _print_sides(found.table)
    for pair in found.pairs:
        for sentence in (pair.sentence, pair.completes):
            if sentence:
                typer.echo(sentence)
    _print_where(found)


def _print_sides(rows: pd.DataFrame) -> None:
    table = new_table(
        "log", "laps", "complete", "covered %", "median s", "95 %", "best s", "reward", "zig-zag"
    )
    for row in rows.to_dict("records"):
        span = (
            f"{row['median_low']:.2f} to {row['median_high']:.2f}"
            if row["median_low"] == row["median_low"]
            else ""
        )
        counts = [f"{row['laps']:,}", f"{row['complete']:,}", f"{row['completion']:.1f}"]
        times = [format_seconds(row["median"]), span, format_seconds(row["best"])]
        table.add_row(
            row["name"], *counts, *times, format_number(row["reward"]), format_number(row["zigzag"])
        )
    print_table(table)


def _print_where(found: LogComparison) -> None:
    from racer.analysis.comparison import describe_gains

    if not len(found.where):
        typer.echo(
            "where the time is won cannot be told: it takes one known track, driven the same way (--track NAME)"
        )
        return
    first = found.sides[0].name
    for name, rows in found.where.groupby("name", sort=False):
        if rows["difference"].isna().all():
            continue
        typer.echo(
            f"\nwhere {name} wins (-) and loses (+) on {first}, by the median times of complete laps"
        )
        table = new_table(
            "place", "from m", "to m", f"{first} s", f"{name} s", "difference s", "95 %"
        )
        for row in rows.to_dict("records"):
            span = f"{row['low']:+.2f} to {row['high']:+.2f}" if row["low"] == row["low"] else ""
            cells = [
                f"{row['start']:.1f}",
                f"{row['end']:.1f}",
                format_number(row["first"]),
                format_number(row["own"]),
            ]
            table.add_row(row["sector"], *cells, f"{row['difference']:+.2f}", span)
        print_table(table)
        typer.echo(describe_gains(found.where, str(name)))


def _as_json(
    found: LogComparison, placed: list[LogOnTrack], phase: str, picture: Path | None
) -> dict[str, Any]:
    return {
        "phase": phase,
        "track": [one.track.name if one.track else None for one in placed],
        "logs": _records(found.table),
        "pairs": [_pair(pair) for pair in found.pairs],
        "where": _records(found.where),
        "delta": {name: _records(table) for name, table in found.profiles.items()},
        "picture": str(picture) if picture else None,
    }


def _pair(pair: PairDifference) -> dict[str, Any]:
    names = ("value", "low", "high")
    spans = {
        key: {
            name: value if value == value else None for name, value in zip(names, span, strict=True)
        }
        for key, span in (("time", pair.time), ("complete", pair.complete))
    }
    said = [sentence for sentence in (pair.sentence, pair.completes) if sentence]
    return {
        "one": pair.one,
        "other": pair.other,
        "laps": pair.laps,
        "of": pair.of,
        **spans,
        "verdict": said,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which knows no nan."""
    return json.loads(table.to_json(orient="records", double_precision=6))  # type: ignore[no-any-return]
