"""A racing line as text: Python that a reward function begins with, compact, and accepted by the real job."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.car import FRONT, Car
from racer.raceline.envelope import envelope
from racer.raceline.line import Line
from racer.raceline.profile import profile

Array = NDArray[np.float64]

GAP = 0.25  # m between the points of a snippet

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
_ALONG = {"step": "min(max(k + way, 0), count - 1)", "before": "max(k - 1, 0)", "after": "min(k + 1, count - 1)"}


def snippet(line: Line, car: Car, title: str = "The racing line.") -> str:
    """Python text that defines `RACING_LINE`, `LINE_LAP_TIME` and `racing_line(params)`.

    About 110 bytes per meter, and 1.8 kB. The function follows cars in both directions, from any start; its comment
    is `title`.
    """
    count = max(round(line.length / GAP), 8)
    at = np.linspace(0.0, line.length, count + 1)[: count if line.is_loop else None]
    picked = [_sampled(line, values, at) for values in (*line.xy.T, line.speed, _other_way(line, car))]
    points = [f"({x:.2f}, {y:.2f}, {v:.2f}, {w:.2f})" for x, y, v, w in zip(*picked, strict=True)]
    rows = "".join(f"    {', '.join(points[k : k + 2])},\n" for k in range(0, count if line.is_loop else count + 1, 2))
    ends = _AROUND if line.is_loop else _ALONG
    return _HEAD.format(title=title, rows=rows, lap_time=line.lap_time, front=FRONT, **ends)


def _sampled(line: Line, values: Array, at: Array) -> Array:
    if line.is_loop:
        return np.interp(at, line.s, values, period=line.length)
    return np.interp(at, line.s, values)


def _other_way(line: Line, car: Car) -> Array:
    """(M,) m/s of the fastest drive along the same line the other way."""
    after = np.roll(line.xy, -1, axis=0) if line.is_loop else np.vstack([line.xy[1:], line.xy[-1:]])
    gap = np.hypot(*(after - line.xy).T)
    back = np.roll(gap[::-1], -1)  # from each point, in reverse order, to the next one
    return profile(-line.kappa[::-1], back, envelope(car), line.is_loop)[::-1]
