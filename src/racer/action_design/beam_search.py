"""The fastest lap that a list of commands allows, looked for in the true dynamics and under the
true rules.

A beam search: from every car that is kept, one goes on with each of the commands, a step of the
simulator at a time. Cars that are in nearly the same state (see `CELLS`) compete, and the one that
is ahead goes on; of the others the `width` best by the time of a known lap (see
`racer.action_design.beam_search`) at their place, less what a wrong speed and a place far from that
lap's line are likely to cost. The commands that won are driven once more, alone, in a `Field`: that
drive is the answer, and its lap times are the simulator's own. The search finds a fast lap, not the
fastest: a wider one may find a faster one. Without a lap it is tried again with a wider beam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.raceline.minimum_time import RacingLine
from racer.sim.simulation import START_LINE, Scenario, Simulation
from racer.sim.state import TRAINING, Phase, State
from racer.sim.step import step_cars
from racer.track.track import Track
from racer.vehicle.action_space import SPEEDS, STEERING_DEG, ActionSpace
from racer.vehicle.car import STEP_S, Car, car_table

Array = NDArray[np.float64]

PATH_SPACING_M = 0.1  # m of center line between the places of a guide
SPEED_COLUMN, OFFSET_COLUMN, HEADING_COLUMN, TIME_COLUMN = range(4)


@dataclass(frozen=True, eq=False)
class ReferencePath:
    """A lap by arc length of the center line: rows at equally spaced places, the last one a lap
    after the first.

    `table` (P + 1, 4): speed, m/s; m to the left of the center line; heading, rad, without jumps; s
    since the start.
    """

    table: Array
    spacing: float  # m
    length: float  # m, of the center line


def path_from_line(line: RacingLine, track: Track) -> ReferencePath:
    """The fastest drive along a line as a guide."""
    # the first points may lie before the start
    place = line.place - track.length * (line.place > line.place[-1])
    closed = [line.speed, line.aside, line.time, place]
    xy = line.xy
    if line.is_loop:
        xy = np.vstack([xy, xy[:1]])
        ends = (line.speed[0], line.aside[0], line.lap_time, place[0] + track.length)
        closed = [np.append(values, end) for values, end in zip(closed, ends, strict=True)]
    way = np.gradient(xy, axis=0)
    if line.is_loop:
        way[0] = way[-1] = xy[1] - xy[-2]
    speed, aside, time, place = closed
    return _guide(place, speed, aside, np.unwrap(np.arctan2(way[:, 1], way[:, 0])), time, track)


def path_from_lap(rows: State, track: Track) -> ReferencePath:
    """A lap that was driven as a guide: `rows` (T,) from one start line to the next."""
    s = np.unwrap(rows["s"], period=track.length) if track.is_loop else rows["s"]
    s = s - track.length * np.round(s[0] / track.length)
    aside = np.where(rows["left"], rows["distance"], -rows["distance"])
    return _guide(s, rows["vx"], aside, np.unwrap(rows["yaw"]), rows["clock"], track)


def _guide(
    s: Array, speed: Array, aside: Array, heading: Array, time: Array, track: Track
) -> ReferencePath:
    s = np.maximum.accumulate(s)  # a line may turn back beside a sharp bend of the center line
    count = max(round(track.length / PATH_SPACING_M), 8)
    at = np.linspace(0.0, track.length, count + 1)
    table = np.column_stack([np.interp(at, s, values) for values in (speed, aside, heading, time)])
    table[:, TIME_COLUMN] -= table[0, TIME_COLUMN]
    return ReferencePath(table, track.length / count, track.length)


Index = NDArray[np.int64]

BEAM_WIDTH = 300  # cars that are kept a step
BEAM_FACTORS = (1, 2, 5)  # times that, until there is a lap
CELL_SIZES = np.array([0.16, np.radians(10.0), 0.3, 1.6, np.radians(16.0), 0.5])
"""Sizes of a cell: offset from the center line, m; heading error, rad; forward speed, m/s; yaw rate, rad/s; steering
angle, rad; sideways speed, m/s."""
WINDOW_S = 1.0  # s behind the leading car at which one is dropped
PACE_ACCELERATION = 2.5  # m/s2: the acceleration by which a difference of speed costs time
OFF_LINE_PENALTY = 0.5  # s a m2 of distance from the guide's line
GRID_COUNTS = (9, 4)  # steering angles and speeds at which a continuous space is looked at
PATIENCE_FACTOR = (
    12.0  # times the guide's lap time: a car that is slower than that is not waited for
)
CELLS_PER_MEASURE = 64  # cells a measure, in the number of a cell


@dataclass(frozen=True, eq=False)
class CommandedDrive:
    """A drive from standstill at the start line over one or two laps: `rows` (T,) as judged, and
    what was commanded.

    `chosen` (T,) are indices into `commands` (A, 2), steering deg and speed m/s.
    """

    rows: State
    chosen: Index
    commands: Array
    track: Track

    @cached_property
    def laps(self) -> list[float]:
        """s of each lap, as the simulator counts them: in whole steps."""
        return [float(time) for time in self.rows["lap_time"] if time == time]

    @property
    def lap_time(self) -> float:
        """s of the best lap."""
        return min(self.laps, default=nan)

    @cached_property
    def crossings(self) -> list[float]:
        """s at which the start line is crossed, between two steps: the laps in shares of a step."""
        found = [float(self.rows["clock"][1])]
        for k in np.flatnonzero(self.rows["progress"] >= 100.0):
            before, after = self.track.length - self.rows["s"][k - 1], self.rows["s"][k]
            after = after if self.track.is_loop and after < 0.5 * self.track.length else 0.0
            share = before / (before + after) if before + after > 0.0 else 1.0
            found.append(float(self.rows["clock"][k - 1] + STEP_S * share))
        return found

    @property
    def pace(self) -> float:
        """s of the last lap, to a share of a step: what tells two action spaces apart."""
        return self.crossings[-1] - self.crossings[-2]

    @cached_property
    def flying_lap(self) -> slice:
        """The rows of the last lap."""
        ends = np.flatnonzero(self.rows["progress"] >= 100.0)
        return slice(int(ends[-2]) if len(ends) > 1 else 1, int(ends[-1]) + 1)

    @cached_property
    def use(self) -> Index:
        """(A,) steps of the last lap in which each command is given."""
        return np.bincount(self.chosen[self.flying_lap], minlength=len(self.commands))


def space_commands(space: ActionSpace) -> Array:
    """(A, 2) what a space can command, steering deg and speed m/s, as the car takes it; a grid of a
    continuous one.
    """
    low, high = np.array([-STEERING_DEG, SPEEDS[0]]), np.array([STEERING_DEG, SPEEDS[1]])
    if not space.is_continuous:
        return np.clip(
            np.column_stack([space.steering_deg, space.speed]).astype(np.float64), low, high
        )
    limits = np.clip(
        np.array([space.steering_deg, space.speed], dtype=np.float64), low[:, None], high[:, None]
    )
    axes = [
        np.linspace(float(ends[0]), float(ends[1]), count)
        for ends, count in zip(limits, GRID_COUNTS, strict=True)
    ]
    return np.column_stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])


def find_fastest_lap(
    track: Track,
    car: Car,
    commands: Array,
    guide: ReferencePath,
    width: int = BEAM_WIDTH,
    factors: tuple[int, ...] = BEAM_FACTORS,
) -> CommandedDrive | None:
    """The fastest lap found with `commands` (A, 2): a flying one where the track is a loop. None
    when none is found.

    `wider` are the widths that are tried, times `width`, until there is a lap.
    """
    race = Scenario(track, car, TRAINING._replace(laps=2 if track.is_loop else 1), START_LINE)
    tried = (_search(race, commands, guide, times * width) for times in factors)
    return next((found for found in tried if found is not None), None)


def improve_lap(
    track: Track, car: Car, drive: CommandedDrive, width: int = BEAM_WIDTH
) -> CommandedDrive:
    """The fastest lap found with the commands of `found` when that lap leads the search; `found` if
    it is faster.
    """
    again = find_fastest_lap(
        track,
        car,
        drive.commands,
        path_from_lap(drive.rows[drive.flying_lap], track),
        width,
        BEAM_FACTORS[:1],
    )
    return again if again is not None and again.pace < drive.pace else drive


def _search(
    race: Scenario, commands: Array, guide: ReferencePath, width: int
) -> CommandedDrive | None:
    """The drive of the first car that ends its laps, driven once more; None when no car does."""
    state = Simulation(race, 1, 0).state
    cars = car_table(race.car, width * len(commands))
    times = np.full(len(cars), STEP_S)
    steps: list[tuple[Index, Index]] = []
    patience = PATIENCE_FACTOR * race.rules.laps * guide.table[-1, TIME_COLUMN]
    while len(state) and len(steps) * STEP_S < patience:
        offered = commands[:1] if state["phase"][0] == Phase.PREPARE else commands
        parent = np.repeat(np.arange(len(state)), len(offered))
        choice = np.tile(np.arange(len(offered)), len(state))
        many = len(parent)
        row, after = step_cars(
            state[parent], offered[choice], times[:many], race.roads, cars[:many], race.rules
        )
        home = np.flatnonzero(row["done"] & (row["progress"] >= 100.0) & (row["wheels"] > 0))
        if len(home):
            over = np.where(row["s"][home] < 0.5 * guide.length, row["s"][home], 0.0)
            return _driven(race, commands, _way(steps, int(parent[home[np.argmax(over)]])))
        kept = _kept(row, after, guide, width)
        steps.append((parent[kept], choice[kept]))
        state = after[kept]
    return None


def _way(steps: list[tuple[Index, Index]], last: int) -> list[int]:
    """The choices that led to car `last` of the latest step."""
    way = []
    for parent, choice in reversed(steps):
        way.append(int(choice[last]))
        last = int(parent[last])
    return way[::-1]


def _driven(race: Scenario, commands: Array, way: list[int]) -> CommandedDrive | None:
    """The drive of one car that is given these commands, by the simulator's rules; None should it
    not end its laps.
    """
    field = Simulation(race, 1, 0)
    # the last one comes with the step that is judged complete
    chosen = np.array([*way, way[-1]], dtype=np.int64)
    rows = np.concatenate([field.step(commands[[k]]) for k in chosen])
    found = CommandedDrive(rows, chosen, commands, race.track)
    return found if len(found.laps) == race.rules.laps and not rows["off_tracks"].any() else None


def _kept(row: State, after: State, guide: ReferencePath, width: int) -> Index:
    """Indices of the cars that go on."""
    rank, cell = np.empty(len(after)), np.empty(len(after), dtype=np.int64)
    _appraise(row, after, guide.table, guide.spacing, guide.length, CELL_SIZES, rank, cell)
    order = np.argsort(-rank, kind="stable")
    return np.asarray(_first_of_each(order[np.isfinite(rank[order])], cell, width))


@njit(cache=True, error_model="numpy")
def _appraise(row, after, table, spacing, length, cells, rank, cell):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the rank of each car, s of the guide's time (the more the better), and the number of
    its cell.

    A car whose drive is over, or that lags, ranks below all others.
    """
    lead = -np.inf
    for i in range(len(after)):
        car = after[i]
        rank[i] = -np.inf
        if row[i].done or car.wheels == 0:
            continue
        laps = float(car.episode_laps)
        if car.s < 0.5 * length and car.progress > 50.0:
            laps += 1.0  # over the line, which the next step judges
        elif car.s > 0.5 * length and car.progress < 1.0:
            laps -= 1.0  # before it: at the start
        place = min(max(car.s / spacing, 0.0), len(table) - 1.000001)
        row_at, share = int(place), place - int(place)
        here = table[row_at] + share * (table[row_at + 1] - table[row_at])
        pace, aside, heading = here[SPEED_COLUMN], here[OFFSET_COLUMN], here[HEADING_COLUMN]
        time = laps * table[-1, TIME_COLUMN] + here[TIME_COLUMN]
        d = car.distance if car.left else -car.distance
        off = (car.yaw - heading + np.pi) % (2.0 * np.pi) - np.pi
        lead = max(lead, time)
        late = (car.vx - pace) ** 2 / (
            2.0 * PACE_ACCELERATION * max(pace, 0.3)
        ) + OFF_LINE_PENALTY * (d - aside) ** 2
        rank[i] = time - late
        measures = (d, off, car.vx, car.yaw_rate, car.steer, car.vy)
        number = 0
        for k in range(len(measures)):
            number = number * CELLS_PER_MEASURE + min(
                max(int(np.floor(measures[k] / cells[k])) + CELLS_PER_MEASURE // 2, 0),
                CELLS_PER_MEASURE - 1,
            )
        cell[i] = number
        if time < lead - WINDOW_S:
            rank[i] = -np.inf


@njit(cache=True, error_model="numpy")
def _first_of_each(order, cell, width):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The first of `order` in each cell, `width` of them at most."""
    size = 16
    while size < 4 * min(len(order), 16 * width):
        size *= 2
    seen = np.full(size, -1, dtype=np.int64)
    kept = np.empty(min(width, len(order)), dtype=np.int64)
    count = 0
    for i in order:
        at = (cell[i] * 0x9E3779B1 ^ (cell[i] >> 15)) & (size - 1)
        while seen[at] >= 0 and seen[at] != cell[i]:
            at = (at + 1) & (size - 1)
        if seen[at] == cell[i]:
            continue
        seen[at] = cell[i]
        kept[count] = i
        count += 1
        if count == width:
            break
    return kept[:count]
