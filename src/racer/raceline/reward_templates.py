"""Reward files built on the physics of a track: the shipped ones, with another track's line and
bound in them.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from racer import resources as shipped
from racer.raceline.minimum_time import RacingLine
from racer.track.track import Track
from racer.vehicle.car import STEP_S, Car

Array = NDArray[np.float64]

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
