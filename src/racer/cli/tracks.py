"""`racer tracks`: list, show, import, export and fetch tracks."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_tracks
from racer.cli.inputs import find_track_with_note
from racer.cli.progress import show_item_bar
from racer.cli.tables import (
    JsonOption,
    PictureOption,
    ReverseOption,
    echo,
    echo_json,
    new_table,
    print_table,
    refuse_if,
)
from racer.errors import UsageError
from racer.files import write_file
from racer.records import RecordTable
from racer.track import TrackEntry, import_track, open_entry, track_entries, world_names

if TYPE_CHECKING:
    from racer.track import Track, TrackFacts

app = typer.Typer(help="List, show, import, export and fetch tracks.", no_args_is_help=True)

TrackArgument = Annotated[
    str,
    typer.Argument(
        metavar="TRACK",
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file.",
    ),
]


@app.command("list")
def tracks_list_command(as_json: JsonOption = False) -> None:
    """List the tracks that racer knows by name, shipped, imported and fetched.

    racer tracks list
    racer tracks list --json
    """
    summaries = [_summarize(entry) for entry in track_entries()]
    if as_json:
        echo_json(summaries)
        return
    heads = ("track", "title", "length m", "width m", "tightest m", "corners", "direction", "from")
    table = new_table(
        *heads,
        text=("track", "title", "direction", "from"),
        minor=("title", "tightest m", "width m", "direction", "from"),
    )
    for summary in summaries:
        table.add_row(*map(_format_cell, summary.values()))
    print_table(table)
    echo(
        "racer tracks show TRACK draws one; racer tracks fetch gets the routes of the real simulator."
    )


@app.command("show")
def tracks_show_command(
    track: TrackArgument,
    output: PictureOption = None,
    reverse: ReverseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what there is to know about a track and, with -o, draw it.

    racer tracks show reinvent_2018
    racer tracks show oval --reverse -o oval.png
    """
    from racer.track import track_facts

    entry = find_track_with_note(track)
    driven = _open_track(entry, reverse)
    facts = track_facts(driven)
    if as_json:
        echo_json({**_identity(entry, driven), **asdict(facts)})
    else:
        echo(f"{driven.title} ({driven.name})")
        print_table(_facts_table(entry, driven, facts))
    if output:
        from racer.plotting import save_figure, track_figure

        echo(str(save_figure(track_figure(driven), output)), err=as_json)


@app.command("import")
def tracks_import_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help=".toml tracks, .npy routes, .csv or .json tables of points, logs that print waypoints.",
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", help="Name of the track.", show_default="the file's")
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an imported track of that name.")
    ] = False,
    scale: Annotated[
        float, typer.Option("--scale", help="Meters per unit: 0.001 for millimeters.")
    ] = 1.0,
    width: Annotated[
        float | None,
        typer.Option(
            "--width",
            help="m, of the road where a file has its center line only.",
            show_default="as the file says",
        ),
    ] = None,
) -> None:
    """Take tracks among your own, so that they have a name.

    A table has a center line x y; or that with its width to the right and to the left, as databases
    of racetracks have; or center, inner and outer x y.

    racer tracks import garage.csv --width 0.76
    racer tracks import garage.npy --name garage --replace
    """
    refuse_if(
        name and len(paths) > 1,
        f"--name names one track, but there are {len(paths)} files: import them one by one",
    )
    for path in paths:
        entry = import_track(path, name=name, replace=replace, scale=scale, width=width)
        echo(f"{entry.name}: imported from {path}")
        if entry.note:
            echo(f"note: {entry.note}", err=True)


@app.command("export")
def tracks_export_command(
    track: TrackArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="A .npy route, or .toml for a copy of the layout."
        ),
    ],
    reverse: ReverseOption = False,
) -> None:
    """Write a track as the simulator's route file (.npy), or its layout (.toml) to start your own
    from.

    racer tracks export oval -o oval.npy
    racer tracks export oval -o my_oval.toml
    """
    from racer.track import save_route

    entry = find_track_with_note(track)
    suffix = output.suffix.lower()
    if suffix == ".npy":
        save_route(_open_track(entry, reverse), output)
    elif suffix == ".toml":
        refuse_if(
            not _has_layout(entry),
            f"{entry.name} is a route, it has no layout of straights and arcs: export it as .npy",
        )
        refuse_if(
            reverse, "a layout is copied as it is written: leave --reverse out, or export a .npy"
        )
        write_file(output, entry.path.read_bytes())
    else:
        ending = repr(suffix) if suffix else "without an ending"
        raise UsageError(
            f"{output}: a track is written as .npy (route) or .toml (layout), not {ending}"
        )
    echo(str(output))


@app.command("fetch")
def tracks_fetch_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="WORLD...", help="World names of the simulator.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them.")] = False,
    known: Annotated[bool, typer.Option("--list", help="List the world names instead.")] = False,
    address: Annotated[
        str,
        typer.Option(
            "--address",
            metavar="URL",
            help="Folder of <world>.npy files.",
            show_default="the community's",
        ),
    ] = "",
) -> None:
    """Fetch routes of the real simulator, verify and keep them.

    racer tracks fetch reinvent_base
    racer tracks fetch --list
    """
    from racer.track import ROUTES_ADDRESS, fetch_route

    if known:
        echo("\n".join(world_names()))
        return
    wanted = world_names() if everything else names or []
    refuse_if(
        not wanted, "say which worlds to fetch, or --all (racer tracks fetch --list names them)"
    )
    for name in show_item_bar(wanted, "fetching"):
        route = fetch_route(name, address=address or ROUTES_ADDRESS)
        note = ""
        if route.verification == "first use":
            note = " (racer knew no SHA-256 for it and remembers this one)"
        echo(f"{route.name}: {route.verification}{note}")


def _open_track(entry: TrackEntry, reverse: bool) -> Track:
    """The track of an entry; what is odd about it goes to stderr."""
    from racer.track import road_faults

    track = open_entry(entry)
    for note in filter(None, (track.note, *road_faults(track))):
        echo(f"note: {note}", err=True)
    return track.reversed() if reverse else track


def _has_layout(entry: TrackEntry) -> bool:
    return entry.path.suffix.lower() == ".toml"


def _lesson(entry: TrackEntry) -> str:
    """What a track teaches, as its layout says; empty for a route."""
    if not _has_layout(entry):
        return ""
    from racer.track import read_layout

    return read_layout(entry.path).teaches


def _summarize(entry: TrackEntry) -> dict[str, Any]:
    """One row of the list. A broken file of the user's must not hide the other tracks."""
    from racer.track import track_facts

    summary: dict[str, Any] = {
        "name": entry.name,
        "title": "",
        "length": None,
        "width": None,
        "radius_min": None,
        "corners": None,
        "direction": None,
        "from": entry.provenance,
    }
    try:
        track = open_entry(entry)
    except UsageError as error:
        return {**summary, "title": f"cannot be read: {error}"}
    facts = track_facts(track)
    return {
        **summary,
        "title": track.title,
        "length": round(facts.length, 2),
        "width": round(facts.width_median, 3),
        "radius_min": round(facts.radius_min, 2),
        "corners": facts.corners_left + facts.corners_right,
        "direction": facts.direction,
    }


def _format_cell(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return str(cell)


def _identity(entry: TrackEntry, track: Track) -> dict[str, Any]:
    return {
        "name": track.name,
        "title": track.title,
        "from": entry.provenance,
        "file": str(entry.path),
        "teaches": _lesson(entry),
        "is_reversed": track.is_reversed,
    }


def _facts_table(entry: TrackEntry, track: Track, facts: TrackFacts) -> RecordTable:
    corners = facts.corners_left + facts.corners_right
    heading = math.degrees(facts.start_heading)
    start = f"x {facts.start_x:.3f} m, y {facts.start_y:.3f} m, heading {heading:.1f} deg"
    rows = {
        "length": f"{facts.length:.3f} m, {facts.waypoints} waypoints",
        "width": _describe_width(facts),
        "corners": f"{corners} ({facts.corners_left} left, {facts.corners_right} right)",
        "tightest radius": f"{facts.radius_min:.2f} m" if corners else "straight",
        "direction": facts.direction + (", reversed" if track.is_reversed else ""),
        "start": start,
        "from": entry.provenance,
        "teaches": _lesson(entry),
    }
    table = new_table("", "", text=("",))
    for name, fact in rows.items():
        if fact:
            table.add_row(name, fact)
    return table


def _describe_width(facts: TrackFacts) -> str:
    narrow, wide = f"{facts.width_min:.3f}", f"{facts.width_max:.3f}"
    if narrow == wide:
        return f"{narrow} m"
    return f"{narrow} to {wide} m, median {facts.width_median:.3f} m"
