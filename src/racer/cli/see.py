"""`racer see`: what every sensor tells at a place of a track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import load_track_with_note
from racer.errors import UsageError

if TYPE_CHECKING:
    from racer.sim.obstacles import Obstacles
    from racer.track.track import Track

Option = typer.Option


def see_command(
    track: Annotated[str, Option(help="A track's name, .toml or .npy file.")] = "reinvent_2018",
    at: Annotated[
        float, Option(metavar="S", help="m of center line from the start line to the car's front.")
    ] = 0.5,
    aside: Annotated[float, Option(metavar="M", help="m beside the center line, + is left.")] = 0.0,
    heading_deg: Annotated[
        float, Option(help="Degrees between the car and the road, + is left.")
    ] = 0.0,
    box: Annotated[
        list[str] | None,
        Option(metavar="AHEAD[,LEFT]", help="A box so many m ahead and left; may be repeated."),
    ] = None,
    bot: Annotated[
        list[str] | None, Option(metavar="AHEAD[,LEFT]", help="The same of a bot car.")
    ] = None,
    reverse: Annotated[bool, Option("--reverse", help="The track driven the other way.")] = False,
    output: Annotated[
        Path | None,
        Option(
            "-o", "--output", help="Where to draw it (png, svg, pdf).  [default: TRACK-see.png]"
        ),
    ] = None,
) -> None:
    """Draw the map, the front camera, the stereo pair, LIDAR and features of a car placed on a
    track.
    """
    import numpy as np

    from racer.plotting import style
    from racer.plotting.sensors import sensor_figure
    from racer.sim import placement as scene
    from racer.sim.obstacles import merge_obstacles, obstacles_before
    from racer.track.spatial_index import pack_tracks

    road = load_track_with_note(track)
    car = scene.placed_rows(road, at, offset=aside, heading_deg=heading_deg, reverse=reverse)
    tracks = scene.both_directions(road)
    stand = merge_obstacles(
        *[
            _body(road, at, told, kind, reverse)
            for kind, all_told in (("box", box), ("bot", bot))
            for told in all_told or []
        ],
        _nothing(),
    )
    bodies = (
        obstacles_before(car, stand, pack_tracks(tracks))
        if len(stand)
        else np.empty((1, 0), stand.dtype)
    )
    title = f"{road.name}{' (reversed)' if reverse else ''}, {at:g} m from the start line"
    drawn = style.save_figure(
        sensor_figure(car, bodies, tracks, title), output or Path(f"{road.name}-see.png"), dpi=110
    )
    typer.echo(str(drawn))


def _body(road: Track, at: float, told: str, kind: str, reverse: bool) -> Obstacles:
    """(1,) a body so far ahead and to the left along the road, as `told`: `1.2` or `1.2,-0.1`."""
    import numpy as np

    from racer.sim import placement as scene
    from racer.sim.obstacles import OBSTACLE_DTYPE, OBSTACLE_KINDS

    try:
        ahead, left = (float(word) for word in (told if "," in told else f"{told},0").split(","))
    except ValueError:
        raise UsageError(
            f"--{kind} {told!r}: give m ahead, or m ahead and left as in --{kind} 1.2,-0.1"
        ) from None
    place = scene.placed_rows(road, at + ahead, offset=left, reverse=reverse)
    found = np.zeros(1, OBSTACLE_DTYPE)
    found["x"], found["y"], found["yaw"] = place["front_x"], place["front_y"], place["yaw"]
    found["kind"], found["moves"] = OBSTACLE_KINDS[kind], kind == "bot"
    return found


def _nothing() -> Obstacles:
    import numpy as np

    from racer.sim.obstacles import OBSTACLE_DTYPE

    return np.zeros(0, OBSTACLE_DTYPE)
