"""The fastest lap that a list of commands allows, looked for in the true dynamics and under the
true rules.

A beam search: from every car that is kept, one goes on with each of the commands, a step of the
simulator at a time. Cars that are in nearly the same state (see `CELLS`) compete, and the one that
is ahead goes on; of the others the `width` best by the time of a known lap (`ReferencePath`) at
their place, less what a wrong speed and a place far from that lap's line are likely to cost. The
commands that won are driven once more, alone, in a `Simulation`: that drive is the answer, and its
lap times are the simulator's own. The search finds a fast lap, not the
fastest: a wider one may find a faster one. Without a lap it is tried again with a wider beam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.raceline import RacingLine
from racer.sim import START_LINE, TRAINING, Phase, Scenario, Simulation, State, step_cars
from racer.track import Track
from racer.vehicle import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG, STEP_S, ActionSpace, Car, car_table

Array = NDArray[np.float64]
Index = NDArray[np.int64]

PATH_SPACING_M = 0.1  # m of center line between the places of a path
SPEED_COLUMN, OFFSET_COLUMN, HEADING_COLUMN, TIME_COLUMN = range(4)

BEAM_WIDTH = 300  # cars that are kept a step
BEAM_FACTORS = (1, 2, 5)  # times that, until there is a lap
CELL_SIZES = np.array([0.16, np.radians(10.0), 0.3, 1.6, np.radians(16.0), 0.5])
"""Sizes of a cell: offset from the center line, m; heading error, rad; forward speed, m/s; yaw rate, rad/s; steering
angle, rad; sideways speed, m/s."""
WINDOW_S = 1.0  # s behind the leading car at which one is dropped
PACE_ACCELERATION = 2.5  # m/s2: the acceleration by which a difference of speed costs time
OFF_LINE_PENALTY = 0.5  # s a m2 of distance from the path
GRID_COUNTS = (9, 4)  # steering angles and speeds at which a continuous space is looked at
# times the path's lap time: a car that is slower than that is not waited for
PATIENCE_FACTOR = 12.0
CELLS_PER_MEASURE = 64  # cells of each measure, in the number of a cell


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
    """The path of the fastest drive along a line."""
    # the first points may lie before the start
    s = line.s_center - track.length * (line.s_center > line.s_center[-1])
    speed = line.speed
    offset = line.offset
    time = line.time
    xy = line.xy
    if line.is_loop:
        s = np.append(s, s[0] + track.length)
        speed = np.append(speed, speed[0])
        offset = np.append(offset, offset[0])
        time = np.append(time, line.lap_time)
        xy = np.vstack([xy, xy[:1]])
    direction = np.gradient(xy, axis=0)
    if line.is_loop:
        direction[0] = direction[-1] = xy[1] - xy[-2]
    heading = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    return _sample_path(s, speed, offset, heading, time, track)


def path_from_lap(rows: State, track: Track) -> ReferencePath:
    """The path of a lap that was driven: `rows` (T,) from one start line to the next."""
    s = rows["s"]
    if track.is_loop:
        s = np.unwrap(s, period=track.length)
    s = s - track.length * np.round(s[0] / track.length)
    offset = np.where(rows["left"], rows["distance"], -rows["distance"])
    return _sample_path(s, rows["vx"], offset, np.unwrap(rows["yaw"]), rows["clock"], track)


def _sample_path(
    s: Array, speed: Array, offset: Array, heading: Array, time: Array, track: Track
) -> ReferencePath:
    """The path through these columns (N,), sampled at equal distances."""
    s = np.maximum.accumulate(s)  # a line may turn back beside a sharp bend of the center line
    count = max(round(track.length / PATH_SPACING_M), 8)
    places = np.linspace(0.0, track.length, count + 1)
    columns = (speed, offset, heading, time)  # in the order of SPEED_COLUMN and so on
    table = np.column_stack([np.interp(places, s, column) for column in columns])
    table[:, TIME_COLUMN] -= table[0, TIME_COLUMN]
    return ReferencePath(table, track.length / count, track.length)


@dataclass(frozen=True, eq=False)
class CommandedDrive:
    """A drive from standstill over one or two laps: `rows` (T,) as judged, and what was commanded.

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
        """s at which the start line is crossed, interpolated between two steps; the first is the
        start.
        """
        clock = self.rows["clock"]
        completed = np.flatnonzero(self.rows["progress"] >= 100.0)
        times = [clock[k - 1] + STEP_S * self._crossed_fraction(int(k)) for k in completed]
        return [float(clock[1]), *map(float, times)]

    def _crossed_fraction(self, k: int) -> float:
        """The fraction of the step before row `k` after which the start line was crossed."""
        before = self.track.length - self.rows["s"][k - 1]
        after = self.rows["s"][k]
        if not self.track.is_loop or after >= 0.5 * self.track.length:
            after = 0.0
        if before + after <= 0.0:
            return 1.0
        return float(before / (before + after))

    @property
    def pace(self) -> float:
        """s of the last lap, to a fraction of a step: what tells two action spaces apart."""
        return self.crossings[-1] - self.crossings[-2]

    @cached_property
    def flying_lap(self) -> slice:
        """The rows of the last lap."""
        ends = np.flatnonzero(self.rows["progress"] >= 100.0)
        first = 1
        if len(ends) > 1:
            first = int(ends[-2])
        return slice(first, int(ends[-1]) + 1)

    @cached_property
    def use(self) -> Index:
        """(A,) steps of the last lap in which each command is given."""
        return np.bincount(self.chosen[self.flying_lap], minlength=len(self.commands))


def space_commands(space: ActionSpace) -> Array:
    """(A, 2) what a space can command, steering deg and speed m/s, as the car takes it; a grid of a
    continuous one.
    """
    low = np.array([-STEERING_LIMIT_DEG, SPEED_LIMITS_MPS[0]])
    high = np.array([STEERING_LIMIT_DEG, SPEED_LIMITS_MPS[1]])
    limits = np.column_stack([space.steering_deg, space.speed]).astype(np.float64)
    commands = np.clip(limits, low, high)
    if not space.is_continuous:
        return commands
    steering = np.linspace(commands[0, 0], commands[1, 0], GRID_COUNTS[0])
    speed = np.linspace(commands[0, 1], commands[1, 1], GRID_COUNTS[1])
    grid = np.meshgrid(steering, speed, indexing="ij")
    return np.column_stack([axis.ravel() for axis in grid])


def find_fastest_lap(
    track: Track,
    car: Car,
    commands: Array,
    path: ReferencePath,
    width: int = BEAM_WIDTH,
    factors: tuple[int, ...] = BEAM_FACTORS,
) -> CommandedDrive | None:
    """The fastest lap found with `commands` (A, 2): a flying one where the track is a loop. None
    when none is found.

    The search is tried with `width` times each of the `factors` until there is a lap.
    """
    laps = 1 + track.is_loop
    scenario = Scenario(track, car, TRAINING._replace(laps=laps), START_LINE)
    for factor in factors:
        drive = _search(scenario, commands, path, factor * width)
        if drive is not None:
            return drive
    return None


def improve_lap(
    track: Track, car: Car, drive: CommandedDrive, width: int = BEAM_WIDTH
) -> CommandedDrive:
    """The fastest lap found with the commands of `drive` when its own lap leads the search; `drive`
    itself if that is no faster.
    """
    path = path_from_lap(drive.rows[drive.flying_lap], track)
    again = find_fastest_lap(track, car, drive.commands, path, width, BEAM_FACTORS[:1])
    if again is None or again.pace >= drive.pace:
        return drive
    return again


def _search(
    scenario: Scenario, commands: Array, path: ReferencePath, width: int
) -> CommandedDrive | None:
    """The drive of the first car that ends its laps, driven once more; None when no car does."""
    state = Simulation(scenario, 1, 0).state
    cars = car_table(scenario.car, width * len(commands))
    times = np.full(len(cars), STEP_S)
    steps: list[tuple[Index, Index]] = []
    patience = PATIENCE_FACTOR * scenario.rules.laps * path.table[-1, TIME_COLUMN]
    while len(state) and len(steps) * STEP_S < patience:
        offered = commands
        if state["phase"][0] == Phase.PREPARE:
            offered = commands[:1]
        parent = np.repeat(np.arange(len(state)), len(offered))
        choice = np.tile(np.arange(len(offered)), len(state))
        count = len(parent)
        row, after = step_cars(
            state[parent],
            offered[choice],
            times[:count],
            scenario.packed_tracks,
            cars[:count],
            scenario.rules,
        )
        winner = _first_finished(row, path.length)
        if winner is not None:
            return _drive_again(scenario, commands, _choices_to(steps, int(parent[winner])))
        kept = _select_cars(row, after, path, width)
        steps.append((parent[kept], choice[kept]))
        state = after[kept]
    return None


def _first_finished(row: State, length: float) -> int | None:
    """The car that has ended its laps and is farthest beyond the line; None when none has."""
    finished = np.flatnonzero(row["done"] & (row["progress"] >= 100.0) & (row["wheels"] > 0))
    if not len(finished):
        return None
    s = row["s"][finished]
    beyond_line = np.where(s < 0.5 * length, s, 0.0)
    return int(finished[np.argmax(beyond_line)])


def _choices_to(steps: list[tuple[Index, Index]], car: int) -> list[int]:
    """The choices that led to a car of the latest step."""
    choices = []
    for parent, choice in reversed(steps):
        choices.append(int(choice[car]))
        car = int(parent[car])
    return choices[::-1]


def _drive_again(scenario: Scenario, commands: Array, choices: list[int]) -> CommandedDrive | None:
    """The drive of one car that is given these commands, by the simulator's rules; None should it
    not end its laps cleanly.
    """
    simulation = Simulation(scenario, 1, 0)
    # the last one comes with the step that is judged complete
    chosen = np.array([*choices, choices[-1]], dtype=np.int64)
    rows = np.concatenate([simulation.step(commands[[k]]) for k in chosen])
    drive = CommandedDrive(rows, chosen, commands, scenario.track)
    if len(drive.laps) != scenario.rules.laps or rows["off_tracks"].any():
        return None
    return drive


def _select_cars(row: State, after: State, path: ReferencePath, width: int) -> Index:
    """Indices of the cars that go on."""
    rank = np.empty(len(after))
    cell = np.empty(len(after), dtype=np.int64)
    _appraise(row, after, path.table, path.spacing, path.length, CELL_SIZES, rank, cell)
    order = np.argsort(-rank, kind="stable")
    return np.asarray(_first_of_each(order[np.isfinite(rank[order])], cell, width))


@njit(cache=True, error_model="numpy")
def _appraise(row, after, table, spacing, length, cells, rank, cell):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the rank of each car, s of the path's time (the more the better), and the number of
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
        index = int(place)
        fraction = place - index
        reference = table[index] + fraction * (table[index + 1] - table[index])
        speed = reference[SPEED_COLUMN]
        time = laps * table[-1, TIME_COLUMN] + reference[TIME_COLUMN]
        lead = max(lead, time)
        offset = -car.distance
        if car.left:
            offset = car.distance
        heading_error = (car.yaw - reference[HEADING_COLUMN] + np.pi) % (2.0 * np.pi) - np.pi
        wrong_speed = (car.vx - speed) ** 2 / (2.0 * PACE_ACCELERATION * max(speed, 0.3))
        off_line = OFF_LINE_PENALTY * (offset - reference[OFFSET_COLUMN]) ** 2
        rank[i] = time - (wrong_speed + off_line)
        measures = (offset, heading_error, car.vx, car.yaw_rate, car.steer, car.vy)
        cell[i] = _cell_number(measures, cells)
        if time < lead - WINDOW_S:
            rank[i] = -np.inf


@njit(cache=True, error_model="numpy")
def _cell_number(measures, sizes):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The number of the cell that these measures lie in."""
    number = 0
    for k in range(len(measures)):
        position = int(np.floor(measures[k] / sizes[k])) + CELLS_PER_MEASURE // 2
        number = number * CELLS_PER_MEASURE + min(max(position, 0), CELLS_PER_MEASURE - 1)
    return number


@njit(cache=True, error_model="numpy")
def _first_of_each(order, cell, width):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The first of `order` in each cell, `width` of them at most."""
    size = 16
    while size < 4 * min(len(order), 16 * width):
        size *= 2
    cells = np.full(size, -1, dtype=np.int64)  # a hash table of those that are taken
    kept = np.empty(min(width, len(order)), dtype=np.int64)
    count = 0
    for i in order:
        slot = (cell[i] * 0x9E3779B1 ^ (cell[i] >> 15)) & (size - 1)
        while cells[slot] >= 0 and cells[slot] != cell[i]:
            slot = (slot + 1) & (size - 1)
        if cells[slot] == cell[i]:
            continue
        cells[slot] = cell[i]
        kept[count] = i
        count += 1
        if count == width:
            break
    return kept[:count]
