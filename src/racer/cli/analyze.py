"""`racer analyze`: what a log holds, lap by lap, and pictures of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from racer.cli.road import candidates, road_of
from racer.errors import UsageError
from racer.track import library

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs import Log
    from racer.track.record import Track

_MOST_RACE = 30  # laps of a log of unknown kind up to which it is shown as a race
_MOST_FILES = 12  # files that are listed one by one
_MOST_ITERATIONS = 25  # lines of the training table
_FILE_FACTS = ("name", "phase", "columns", "rows", "bad", "first_bad", "notes")
_COUNTS = {"lap": "lap", "off_tracks": "off", "crashes": "crash", "resets": "resets"}  # shown where they differ
_MEASURES = {"reward": "reward", "speed": "m/s", "top_speed": "top m/s", "distance": "driven m"}


@dataclass(frozen=True, eq=False)
class _Found:
    """A log, its laps and the track that most of it was driven on."""

    log: Log
    laps: pd.DataFrame
    track: Track | None
    sentence: str  # about the track
    agreement: float | None
    here: pd.DataFrame  # the laps that were driven on the track


def analyze(
    path: Annotated[
        Path, typer.Argument(metavar="LOG", help="A simtrace csv, a simulator's log, or a folder of them.")
    ],
    track: Annotated[
        str, typer.Option("--track", help="Its track: a name, a .toml or .npy file. Recognized otherwise.")
    ] = "",
    tracks: Annotated[
        Path | None, typer.Option("--tracks", metavar="DIR", help="A folder of routes to recognize the track among.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the pictures; beside the log otherwise."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; pictures only with -o.")] = False,
    laps: Annotated[int, typer.Option("--laps", min=1, max=100, help="How many of the fastest laps to draw.")] = 3,
) -> None:
    """Show the laps of a log: every lap of a race, the course of a training; with pictures."""
    from racer import logs

    found = _place(logs.open(path), track, tracks)
    if as_json:
        typer.echo(json.dumps(_as_json(found, _pictures(found, output, laps) if output else []), indent=2))
        return
    _print_sources(found.log, path)
    typer.echo(found.sentence)
    for phase, rows in _phases(found.laps):
        (_print_race if phase == "evaluation" else _print_training)(found.log, rows)
    try:
        for picture in _pictures(found, output or _beside(path), laps):
            typer.echo(str(picture))
    except (UsageError, OSError) as error:
        if output:
            raise error if isinstance(error, UsageError) else UsageError(f"cannot write to {output}: {error}") from None
        typer.echo(f"no pictures, since {_beside(path)} cannot be written: give a folder with -o", err=True)


def _place(log: Log, name: str, folder: Path | None) -> _Found:
    """The log with its track: the given one, or one that the numbers fit."""
    from racer.laps import laps

    table = laps(log.trace)
    length = log.trace["track_len"].round(2)
    usual = length.mode().iloc[0]
    rest = f" ({length.nunique()} tracks in these logs: this is the one of most steps)" if length.nunique() > 1 else ""
    mine = log.trace[length == usual]
    here = table[(length.to_numpy() == usual)[table["first_row"]]]
    road = road_of(mine, name, [] if name else list(candidates(folder)))
    return _Found(log, table, road.track, road.sentence + rest, road.agreement, here)


def _phases(laps: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The laps of races, and of training, as the file names say; without a word from them, by their number."""
    phase = laps["phase"].astype(str)
    for source in laps.loc[phase == "unknown", "source"].unique():
        mine = (laps["source"] == source) & (phase == "unknown")
        phase = phase.mask(mine, "evaluation" if mine.sum() <= _MOST_RACE else "training")
    for name in ("training", "evaluation"):
        if (phase == name).any():
            yield name, laps[phase == name]


def _print_sources(log: Log, path: Path) -> None:
    columns = " or ".join(map(str, sorted({source.columns for source in log.sources})))
    files = f"{len(log.sources)} file{'s' if len(log.sources) > 1 else ''}"
    typer.echo(f"{path}: {files}, {len(log.trace):,} steps, {columns} columns, {_bad(log.bad_lines)}")
    if 1 < len(log.sources) <= _MOST_FILES:
        table = _table("file", "what", "columns", "steps", "bad lines")
        for source in log.sources:
            table.add_row(source.name, source.phase, str(source.columns), f"{source.rows:,}", str(source.bad))
        _print(table)
    for source in log.sources:
        if source.bad:
            typer.echo(f"{source.name}: {_bad(source.bad)}, the first in {source.first_bad}")
    notes = {note: None for source in log.sources for note in source.notes}
    for note in [*log.notes, *notes]:
        typer.echo(f"note: {note}")


def _bad(count: int) -> str:
    return f"{count:,} bad line{'' if count == 1 else 's'}" if count else "no bad line"


def _print_race(log: Log, laps: pd.DataFrame) -> None:
    """Every lap of a race."""
    whole = laps[laps["complete"]]
    typer.echo(f"\nrace: {_count(len(laps))}, {len(whole)} complete{_best_time(whole)}")
    _print(_lap_table(log, laps))


def _print_training(log: Log, laps: pd.DataFrame) -> None:
    """A training by iteration, its ten best laps, and where the others ended."""
    from racer import laps as about

    rows = about.by_iteration(laps)
    whole = laps[laps["complete"]]
    share = len(whole) / len(laps)
    head = f"{_count(len(laps))} in {_count(len(rows), 'iteration')}, {share:.0%} complete"
    typer.echo(f"\ntraining: {head}{_best_time(whole)}")
    if (laps["iteration"] < 0).any():
        typer.echo(f"no file name tells iterations apart: {about.EPISODES} episodes are taken as one")
    table = _table("iteration", "episodes", "complete", "covered %", "reward", "steps", "best s", "mean s")
    every = -(-len(rows) // _MOST_ITERATIONS)
    for row in rows.iloc[::-every].iloc[::-1].to_dict("records"):
        counts = [f"{row[name]:.0f}" for name in ("iteration", "episodes", "complete")]
        means = [f"{row[name]:.1f}" for name in ("completion", "reward", "steps")]
        table.add_row(*counts, *means, _seconds(row["best_time"]), _seconds(row["mean_time"]))
    _print(table)
    if every > 1:
        typer.echo(f"one iteration in {every} is shown")
    if len(whole):
        typer.echo("best laps")
        _print(_lap_table(log, about.best(laps)))
    _print_endings(about.endings(log.trace, laps))


def _print_endings(ends: pd.DataFrame) -> None:
    if not len(ends):
        return
    typer.echo("where the others ended")
    table = _table("status", "waypoints", "count", "share %")
    for row in ends.head(8).to_dict("records"):
        share = 100.0 * row["count"] / ends["count"].sum()
        place = f"{row['from_waypoint']} to {row['to_waypoint']}"
        table.add_row(row["status"], place, str(row["count"]), f"{share:.0f}")
    _print(table)


def _lap_table(log: Log, laps: pd.DataFrame) -> Table:
    """Laps as a table, with the file of each where there are several, and the counts that are not the same for all."""
    several = laps["source"].nunique() > 1
    counts = [name for name in _COUNTS if laps[name].nunique() > 1 or name == "off_tracks"]
    heads = [*(["file"] if several else []), "episode", *(_COUNTS[name] for name in counts), "time s", "%", "status"]
    table = _table(*heads, *_MEASURES.values())
    for lap in laps.to_dict("records"):
        cells = [Path(log.sources[lap["source"]].name).name] if several else []
        cells += [str(lap["episode"]), *(str(lap[name]) for name in counts), _seconds(lap["time"])]
        cells += [f"{lap['completion']:.1f}", str(lap["status"])]
        table.add_row(*cells, *(_number(lap[name]) for name in _MEASURES))
    return table


def _count(number: int, noun: str = "lap") -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _best_time(whole: pd.DataFrame) -> str:
    return f", best {whole['time'].min():.3f} s, mean {whole['time'].mean():.3f} s" if len(whole) else ""


def _seconds(time: float) -> str:
    return f"{time:.3f}" if time == time else ""


def _number(value: float) -> str:
    return f"{value:.2f}" if value == value else ""


def _pictures(found: _Found, folder: Path, count: int) -> list[Path]:
    """The pictures that fit the log, written to a folder."""
    from racer.laps import best
    from racer.plot import style
    from racer.plot.laps import race_sheet, training_progress

    library.made(folder)
    written = []
    for phase, rows in _phases(found.laps):
        here = rows[rows.index.isin(found.here.index)]
        chosen = best(here, count) if here["complete"].any() else here.nlargest(count, "completion")
        figure = race_sheet(found.log.trace, here, chosen, found.track)
        written.append(style.save(figure, folder / ("race.png" if phase == "evaluation" else "training_laps.png")))
        if phase == "training":
            written.append(style.save(training_progress(rows), folder / "training_progress.png"))
    return written


def _beside(path: Path) -> Path:
    """Where pictures go when nobody says: inside a log's folder, beside a log's file."""
    path = path.expanduser()
    return path / "analysis" if path.is_dir() else path.with_name(f"{path.name.split('.')[0]}-analysis")


def _as_json(found: _Found, pictures: list[Path]) -> dict[str, Any]:
    from racer import laps as about

    trained = [rows for phase, rows in _phases(found.laps) if phase == "training"]
    track = {"name": found.track.name, "reversed": found.track.is_reversed} if found.track else None
    return {
        "files": [{name: getattr(source, name) for name in _FILE_FACTS} for source in found.log.sources],
        "notes": found.log.notes,
        "track": track and {**track, "agreement": found.agreement},
        "laps": _records(found.laps),
        "iterations": _records(about.by_iteration(trained[0])) if trained else [],
        "endings": _records(about.endings(found.log.trace, trained[0])) if trained else [],
        "pictures": [str(path) for path in pictures],
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which knows no nan."""
    return json.loads(table.to_json(orient="records", double_precision=6))  # type: ignore[no-any-return]


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in ("file", "what", "status") else "right", no_wrap=True)
    return table


def _print(table: Table) -> None:
    """Print a table as wide as the terminal; in a pipe as wide as it wants to be."""
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)
