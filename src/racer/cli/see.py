"""`racer see`: what every sensor tells at a place of a track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import load_track_with_note
from racer.cli.tables import ReverseOption, TrackOption, echo
from racer.errors import UsageError
from racer.track import DEFAULT_TRACK

if TYPE_CHECKING:
    from racer.sim import Obstacles
    from racer.track import Track


def see_command(
    track: TrackOption = DEFAULT_TRACK,
    at: Annotated[
        float,
        typer.Option(metavar="S", help="m of center line from the start line to the car's front."),
    ] = 0.5,
    offset: Annotated[
        float, typer.Option(metavar="M", help="m beside the center line, + is left.")
    ] = 0.0,
    heading_deg: Annotated[
        float, typer.Option(help="Degrees between the car and the road, + is left.")
    ] = 0.0,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AHEAD[,LEFT]", help="A box so many m ahead and left; may be repeated."
        ),
    ] = None,
    bot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AHEAD[,LEFT]", help="A bot car so many m ahead and left; may be repeated."
        ),
    ] = None,
    reverse: ReverseOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Draw it there (png, svg, pdf).",
            show_default="TRACK-see.png",
        ),
    ] = None,
) -> None:
    """Draw the map, the front camera, the stereo pair, LIDAR and features of a car placed on a
    track.

    racer see --track oval
    racer see --at 4.6 --offset 0.1 --box 0.9,0.2 -o see.png
    """
    from racer.plotting import save_figure, sensor_figure
    from racer.sim import both_directions, obstacles_before, placed_rows
    from racer.track import pack_tracks

    known_track = load_track_with_note(track)
    car = placed_rows(known_track, at, offset=offset, heading_deg=heading_deg, reverse=reverse)
    tracks = both_directions(known_track)
    obstacles = _stand_obstacles(known_track, at, {"box": box or [], "bot": bot or []}, reverse)
    direction = " (reversed)" if reverse else ""
    title = f"{known_track.name}{direction}, {at:g} m from the start line"
    before_car = obstacles_before(car, obstacles, pack_tracks(tracks))
    figure = sensor_figure(car, before_car, tracks, title)
    picture = output or Path(f"{known_track.name}-see.png")
    echo(str(save_figure(figure, picture, dpi=110)))


def _stand_obstacles(
    track: Track, at: float, places: dict[str, list[str]], reverse: bool
) -> Obstacles:
    """(K,) the obstacles of each kind that stand at these places, ahead and to the left of the car."""
    import numpy as np

    from racer.sim import OBSTACLE_DTYPE, merge_obstacles

    obstacles = [np.zeros(0, OBSTACLE_DTYPE)]
    for kind, of_kind in places.items():
        for place in of_kind:
            ahead, left = _parse_place(kind, place)
            obstacles.append(_stand_obstacle(track, kind, at + ahead, left, reverse))
    return merge_obstacles(*obstacles)


def _parse_place(kind: str, place: str) -> tuple[float, float]:
    """How far ahead and to the left, m: `1.2` or `1.2,-0.1`."""
    ahead, comma, left = place.partition(",")
    try:
        return float(ahead), float(left) if comma else 0.0
    except ValueError:
        raise UsageError(
            f"--{kind} {place!r}: give m ahead, or m ahead and left as in --{kind} 1.2,-0.1"
        ) from None


def _stand_obstacle(track: Track, kind: str, s: float, left: float, reverse: bool) -> Obstacles:
    """(1,) an obstacle at `s` m along the road and so far to the left."""
    import numpy as np

    from racer.sim import OBSTACLE_DTYPE, OBSTACLE_KINDS, placed_rows

    place = placed_rows(track, s, offset=left, reverse=reverse)
    obstacle = np.zeros(1, OBSTACLE_DTYPE)
    obstacle["x"] = place["front_x"]
    obstacle["y"] = place["front_y"]
    obstacle["yaw"] = place["yaw"]
    obstacle["kind"] = OBSTACLE_KINDS[kind]
    obstacle["moves"] = kind == "bot"
    return obstacle
