"""A racing line as a file: a table of its points, or a reward file with its physics built in."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer import resources as shipped
from racer.errors import UsageError
from racer.raceline.corridor import neighbors, station_places
from racer.raceline.ggv import build_ggv, fastest_speeds
from racer.raceline.minimum_time import RacingLine
from racer.track import Track
from racer.vehicle import FRONT_POINT_M, STEP_S, Car

Array = NDArray[np.float64]

LINE_COLUMNS = ("s", "x", "y", "aside", "kappa", "speed", "time", "place")

SNIPPET_SPACING_M = 0.25  # m between the points of a snippet

_HEAD = '''import math

# {title}
# x and y (m), and the speed (m/s) there: on this way, and driven the other way.
RACING_LINE = [
{rows}]
LINE_LAP_TIME = {lap_time:.2f}  # s, the bound on this way
_at = [0]


def _square(k, x, y):
    return (RACING_LINE[k][0] - x) ** 2 + (RACING_LINE[k][1] - y) ** 2


def racing_line(params):
    """Where the line is, seen from the car, and how fast it is driven there.

    Returns m that the car is to the left of the line, degrees that it should
    turn left to go along with it, and m/s. It searches from where the car was.
    """
    heading = math.radians(params["heading"])
    # the middle of the car: x and y are a point {front:g} m ahead of it
    x = params["x"] - {front:g} * math.cos(heading)
    y = params["y"] - {front:g} * math.sin(heading)
    count = len(RACING_LINE)
    k = _at[0]
    best = _square(k, x, y)
    if best > 1.0:  # a new start
        k = min(range(count), key=lambda j: _square(j, x, y))
        best = _square(k, x, y)
    for way in (1, -1):
        for _ in range(count):
            j = {step}
            if _square(j, x, y) >= best:
                break
            k, best = j, _square(j, x, y)
    _at[0] = k

    before, after = RACING_LINE[{before}], RACING_LINE[{after}]
    dx, dy = after[0] - before[0], after[1] - before[1]
    waypoints, near = params["waypoints"], params["closest_waypoints"]
    a, b = waypoints[near[0]], waypoints[near[1]]
    back = dx * (b[0] - a[0]) + dy * (b[1] - a[1]) < 0.0  # the other way
    if back:
        dx, dy = -dx, -dy
    size = math.hypot(dx, dy)
    here = RACING_LINE[k]
    left = (dx * (y - here[1]) - dy * (x - here[0])) / size
    turn = math.degrees(math.atan2(dy, dx) - heading)
    return left, (turn + 180.0) % 360.0 - 180.0, here[3 if back else 2]
'''

_AROUND = {"step": "(k + way) % count", "before": "k - 1", "after": "(k + 1) % count"}
_ALONG = {
    "step": "min(max(k + way, 0), count - 1)",
    "before": "max(k - 1, 0)",
    "after": "min(k + 1, count - 1)",
}

OTHER_TRACK_M = 2.0  # m from the center line: a point farther away is of another track

# the shipped rewards, made for that track
FOLLOWING_REWARD = "racing_line_reinvent_2018"
PACE_REWARD = "bound_pace_reinvent_2018"
# words in them that change with the track
SHIPPED_TITLE = "re:Invent 2018"
SHIPPED_CAR = "car v6"
FOLLOWING_MARGIN_M = 0.0  # m, of the line that a car learns to follow: its middle stays on the road
POINTS_PER_ROW = 5  # points in a line of the table

_TABLE = re.compile(r"^LINE = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
_BOUND = re.compile(r"^BOUND = [\d.]+  # s: .*$", re.MULTILINE)


def line_table(line: RacingLine) -> Array:
    """(M, 8) the LINE_COLUMNS of a line: m, m, m, m to the left of the center line, 1/m, m/s, s, m
    of center line.
    """
    return np.column_stack(
        [line.s, line.xy, line.offset, line.kappa, line.speed, line.time, line.s_center]
    )


def line_as_csv(line: RacingLine) -> bytes:
    """The line as CSV, a point a row."""
    text = io.StringIO()
    np.savetxt(
        text,
        line_table(line),
        fmt="%.5f",
        delimiter=",",
        header=",".join(LINE_COLUMNS),
        comments="",
    )
    return text.getvalue().encode()


def line_as_npy(line: RacingLine) -> bytes:
    """The line as a `.npy` file of its columns."""
    file = io.BytesIO()
    np.save(file, line_table(line))
    return file.getvalue()


def line_snippet(line: RacingLine, car: Car, title: str = "The racing line.") -> str:
    """Python text that defines `RACING_LINE`, `LINE_LAP_TIME` and `racing_line(params)`.

    About 110 bytes per meter, and 1.8 kB. The function follows cars in both directions, from any
    start; its comment is `title`.
    """
    count = max(round(line.length / SNIPPET_SPACING_M), 8)
    s = station_places(line.length, count, line.is_loop)
    x, y, speed, reverse_speed = (
        _sample_at(line, values, s).tolist()
        for values in (*line.xy.T, line.speed, _reverse_speeds(line, car))
    )
    points = [
        f"({px:.2f}, {py:.2f}, {v:.2f}, {w:.2f})"
        for px, py, v, w in zip(x, y, speed, reverse_speed, strict=True)
    ]
    rows = ""
    for k in range(0, len(points), 2):
        rows += f"    {', '.join(points[k : k + 2])},\n"
    indices = _AROUND if line.is_loop else _ALONG
    return _HEAD.format(
        title=title, rows=rows, lap_time=line.lap_time, front=FRONT_POINT_M, **indices
    )


def _sample_at(line: RacingLine, values: Array, s: Array) -> Array:
    """Values (M,) of a line's points at arc lengths `s` (N,) m."""
    if line.is_loop:
        return np.interp(s, line.s, values, period=line.length)
    return np.interp(s, line.s, values)


def _reverse_speeds(line: RacingLine, car: Car) -> Array:
    """(M,) m/s of the fastest drive along the line in the other direction."""
    gap = np.hypot(*(neighbors(line.xy, 1, line.is_loop) - line.xy).T)
    back = np.roll(gap[::-1], -1)  # from each point, in reverse order, to the next one
    return fastest_speeds(-line.kappa[::-1], back, build_ggv(car), line.is_loop)[::-1]


def read_line(path: Path, track: Track) -> RacingLine:
    """The line in a .csv or .npy of `racer line`. UsageError for what is no such file, or one of
    another track.
    """
    table = _read_table(path)
    if not _is_line_table(table):
        raise UsageError(
            f"{path} holds no line: racer line TRACK --csv FILE writes one ({', '.join(LINE_COLUMNS)})"
        )
    s, x, y, offset, kappa, speed, time, s_center = table.T
    xy = np.column_stack([x, y])
    if geometry.distance_to_line(track.center, xy).max() > OTHER_TRACK_M:
        raise UsageError(
            f"{path} is a line of another track than {track.name}: racer line {track.name} --csv FILE"
        )
    closing = 0.0
    if track.is_loop:
        closing = float(np.hypot(*(xy[0] - xy[-1])))
    half_width = 0.5 * np.interp(s_center, track.s, track.width)
    return RacingLine(
        s=s,
        xy=xy,
        offset=offset,
        kappa=kappa,
        speed=speed,
        time=time,
        lap_time=float(time[-1] + 2.0 * closing / max(speed[-1] + speed[0], 1e-6)),
        method="file",
        is_loop=track.is_loop,
        s_center=s_center,
        margin=float(np.min(half_width - np.abs(offset))),
    )


def _is_line_table(table: Array) -> bool:
    """Whether it has the columns of a line, three points at least, and only numbers."""
    return (
        table.ndim == 2
        and table.shape[1] == len(LINE_COLUMNS)
        and len(table) >= 3
        and bool(np.isfinite(table).all())
    )


def _read_table(path: Path) -> Array:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), dtype=np.float64)
        if content.count(b"\n") < 3:
            raise ValueError("it is too short")
        return np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1, ndmin=2)
    except FileNotFoundError:
        raise UsageError(f"no line file {path}: racer line TRACK --csv {path} writes one") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise UsageError(
            f"{path} holds no line ({error}): racer line TRACK --csv FILE writes one"
        ) from None


def following_reward(line: RacingLine, track: Track, car: Car) -> str:
    """The text of a reward file that pays for following a line at the pace of its fastest drive."""
    return _TABLE.sub(
        lambda _: points_as_list(line), _about(_shipped(FOLLOWING_REWARD), track, car), count=1
    )


def pace_reward(line: RacingLine, track: Track, car: Car) -> str:
    """The text of a reward file that pays for the pace beside the bound of a lap."""
    option = " --reverse" if track.is_reversed else ""
    bound = f"BOUND = {line.lap_time:.2f}  # s: racer line {track.name} --car {car.name}{option}"
    return _BOUND.sub(lambda _: bound, _about(_shipped(PACE_REWARD), track, car), count=1)


def timed_points(line: RacingLine) -> Array:
    """(P, 2) m: where the fastest drive along a line is at equal times, about a step apart; a loop
    does not close.
    """
    count = max(round(line.lap_time / STEP_S), 8)
    time = line.time
    xy = line.xy
    if line.is_loop:
        time = np.append(time, line.lap_time)
        xy = np.vstack([xy, xy[:1]])
        equal_times = np.linspace(0.0, line.lap_time, count, endpoint=False)
    else:
        equal_times = np.linspace(0.0, line.lap_time, count + 1)
    x = np.interp(equal_times, time, xy[:, 0])
    y = np.interp(equal_times, time, xy[:, 1])
    return np.column_stack([x, y])


def points_as_list(line: RacingLine) -> str:
    """The points of a line as the text of a Python list called LINE."""
    pairs = [f"({x:.2f}, {y:.2f})," for x, y in timed_points(line).tolist()]
    rows = [" ".join(pairs[k : k + POINTS_PER_ROW]) for k in range(0, len(pairs), POINTS_PER_ROW)]
    return "LINE = [\n" + "".join(f"    {row}\n" for row in rows) + "]\n"


def _about(text: str, track: Track, car: Car) -> str:
    """The text of a shipped reward with the words about its track and car changed."""
    title = track.title
    if track.is_reversed:
        title += ", driven the other way,"
    return text.replace(SHIPPED_TITLE, title).replace(SHIPPED_CAR, f"car {car.name}")


def _shipped(name: str) -> str:
    return (shipped.rewards_folder() / f"{name}.py").read_text("utf-8")
