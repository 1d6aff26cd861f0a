"""`racer tracks`: list, show, import, export and fetch tracks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from racer.errors import UsageError
from racer.files import write_file
from racer.track import library

if TYPE_CHECKING:
    from racer.track.corners import TrackFacts
    from racer.track.track import Track

app = typer.Typer(help="List, show, import, export and fetch tracks.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="TRACK", help="A track's name, or a .toml or .npy file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def tracks_list_command(as_json: AsJson = False) -> None:
    """List the tracks that racer knows by name, shipped, imported and fetched."""
    rows = [_summary(entry) for entry in library.track_entries()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = _table(
        "track", "title", "length m", "width m", "tightest m", "turns", "direction", "from"
    )
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    _print(table)
    typer.echo(
        "racer tracks show TRACK draws one; racer tracks fetch gets the routes of the real simulator."
    )


@app.command()
def show(
    track: Name,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw the track there (png, svg, pdf).")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Drive it the other way.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what there is to know about a track and, with -o, draw it."""
    from racer.track.corners import track_facts

    entry = _found(track)
    road = library.open_entry(entry)
    road = road.reversed() if reverse else road
    if as_json:
        typer.echo(json.dumps({**_identity(entry, road), **asdict(track_facts(road))}, indent=2))
    else:
        _print(_facts_table(entry, road, track_facts(road)))
    if output:
        from racer.plotting import style
        from racer.plotting.track import track_figure

        typer.echo(str(style.save_figure(track_figure(road), output)), err=as_json)


@app.command("import")
def tracks_import_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help=".toml tracks or .npy routes.")
    ],
    name: Annotated[
        str, typer.Option("--name", help="Name of the track; the file's stem unless given.")
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an imported track of that name.")
    ] = False,
) -> None:
    """Copy track files among your own, so that they have a name."""
    if name and len(paths) > 1:
        raise UsageError(
            f"--name names one track, but there are {len(paths)} files: import them one by one"
        )
    for path in paths:
        entry = library.import_track(path, name=name, replace=replace)
        typer.echo(f"{entry.name}: imported from {path}")


@app.command()
def export(
    track: Name,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A .npy route, or .toml for a copy of the layout."),
    ],
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Drive it the other way (.npy).")
    ] = False,
) -> None:
    """Write a track as the simulator's route file (.npy), or its layout (.toml) to start your own
    from.
    """
    from racer.track import route

    entry = _found(track)
    match output.suffix.lower():
        case ".npy":
            road = library.open_entry(entry)
            route.save_route(road.reversed() if reverse else road, output)
        case ".toml":
            _check_has_layout(entry, reverse)
            write_file(output, entry.path.read_bytes())
        case other:
            ending = repr(other) if other else "without an ending"
            raise UsageError(
                f"{output}: a track is written as .npy (route) or .toml (layout), not {ending}"
            )
    typer.echo(str(output))


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="WORLD...", help="World names of the simulator.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them.")] = False,
    known: Annotated[bool, typer.Option("--list", help="List the world names instead.")] = False,
    address: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL",
            help="Folder of <world>.npy files; the community's unless given.",
        ),
    ] = "",
) -> None:
    """Fetch routes of the real simulator, verify and keep them."""
    from racer.track import fetch as fetching

    if known:
        typer.echo("\n".join(library.world_names()))
        return
    wanted = library.world_names() if everything else names or []
    if not wanted:
        raise UsageError(
            "say which worlds to fetch, or --all (racer tracks fetch --list names them)"
        )
    for name in _progress(wanted):
        got = fetching.fetch_route(name, address=address or fetching.ROUTES_ADDRESS)
        note = (
            " (racer knew no SHA-256 for it and remembers this one)"
            if got.verification == "first use"
            else ""
        )
        typer.echo(f"{got.name}: {got.verification}{note}")


def _found(track: str) -> library.TrackEntry:
    entry = library.find_track(track)
    if entry.note:
        typer.echo(entry.note, err=True)
    return entry


def _check_has_layout(entry: library.TrackEntry, reverse: bool) -> None:
    if entry.path.suffix.lower() != ".toml":
        raise UsageError(
            f"{entry.name} is a route, it has no layout of straights and arcs: export it as .npy"
        )
    if reverse:
        raise UsageError(
            "a layout is copied as it is written: leave --reverse out, or export a .npy"
        )


def _identity(entry: library.TrackEntry, track: Track) -> dict[str, Any]:
    return {
        "name": track.name,
        "title": track.title,
        "from": entry.provenance,
        "file": str(entry.path),
        "teaches": _teaches(entry),
        "is_reversed": track.is_reversed,
    }


def _teaches(entry: library.TrackEntry) -> str:
    if entry.path.suffix.lower() != ".toml":
        return ""
    from racer.track import layout as layout_file

    return layout_file.read_layout(entry.path).teaches


def _summary(entry: library.TrackEntry) -> dict[str, Any]:
    """One row of the list. A broken file of the user's must not hide the other tracks."""
    from racer.track.corners import track_facts

    try:
        track = library.open_entry(entry)
    except UsageError as error:
        broken = f"cannot be read: {error}"
        row = dict.fromkeys(("length", "width", "radius_min", "turns", "direction"))
        return {"name": entry.name, "title": broken, **row, "from": entry.provenance}
    about = track_facts(track)
    return {
        "name": entry.name,
        "title": track.title,
        "length": round(about.length, 2),
        "width": round(about.width_median, 3),
        "radius_min": round(about.radius_min, 2),
        "turns": about.turns_left + about.turns_right,
        "direction": about.direction,
        "from": entry.provenance,
    }


def _facts_table(entry: library.TrackEntry, track: Track, about: TrackFacts) -> Table:
    import math

    table = Table(
        title=f"{track.title} ({track.name})", show_header=False, title_justify="left", min_width=48
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    narrow, wide = f"{about.width_min:.3f}", f"{about.width_max:.3f}"
    turns, heading = about.turns_left + about.turns_right, math.degrees(about.start_heading)
    rows = {
        "length": f"{about.length:.3f} m, {about.waypoints} waypoints",
        "width": f"{narrow} m"
        if narrow == wide
        else f"{narrow} to {wide} m, median {about.width_median:.3f} m",
        "turns": f"{turns} ({about.turns_left} left, {about.turns_right} right)",
        "tightest radius": f"{about.radius_min:.2f} m" if turns else "straight",
        "direction": about.direction + (", reversed" if track.is_reversed else ""),
        "start": f"x {about.start_x:.3f} m, y {about.start_y:.3f} m, heading {heading:.1f} deg",
        "from": entry.provenance,
        "teaches": _teaches(entry),
    }
    for key, value in rows.items():
        if value:
            table.add_row(key, value)
    return table


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        number = column.endswith(" m") or column == "turns"
        table.add_column(column, justify="right" if number else "left", no_wrap=column != "title")
    return table


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _print(table: Table) -> None:
    """Print a table as wide as the terminal; in a pipe as wide as it wants to be."""
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)


def _progress(names: list[str]) -> Any:
    """`names`, with a progress bar when there are many and someone watches."""
    from rich.progress import track

    return track(
        names, "fetching", console=Console(stderr=True), transient=True, disable=len(names) < 3
    )
