"""N cars that drive in one scenario: where they begin, what stays the same while they do, and what
changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.noise import NOISES, Noise, step_durations, vary_cars
from racer.sim.obstacle_layout import ObstacleLayout, lay_out_obstacles
from racer.sim.obstacles import (
    INNER_LANE,
    OBSTACLE_DTYPE,
    OUTER_LANE,
    Obstacles,
    find_contacts,
    hit_obstacle,
    locate_obstacles,
    nearest_in_the_way,
    obstacles_beside,
    other_lane,
)
from racer.sim.state import (
    ROW_BYTES,
    STATE,
    TRAINING,
    Phase,
    Rules,
    State,
    Status,
    with_columns_of,
)
from racer.sim.step import locate_cars, step_cars
from racer.sim.traffic import Traffic
from racer.track import PackedTracks, Track, pack_tracks
from racer.vehicle import Car, car_table

Array = NDArray[np.float64]

AT_WAYPOINT_M = 1e-9
"""So near to a waypoint a start is at it but for rounding."""

ALLOCATED_ROWS = 64  # about as many are allocated at a time


class Pose(NamedTuple):
    """Where a car stands and where it heads: m and rad."""

    x: float
    y: float
    yaw: float


def begin_episodes(
    tracks: Sequence[Track],
    packed: PackedTracks,
    track: NDArray[np.int32],
    fraction: Array,
    lane: NDArray[np.int64] | None = None,
) -> State:
    """(N,) cars at rest at the beginning of an episode, `fraction` (N,) of a lap after waypoint 0 of
    their `track` (N,), an index into `tracks` and `packed`.

    The chassis origin is on the center line, or on the middle of a `lane` (N,) where that is not 0,
    heading for the next waypoint; the next step is the prepare step.
    """
    state = np.zeros(len(track), STATE)
    state["track"] = track
    state["start"] = fraction
    state["phase"] = Phase.PREPARE
    state["lap_time"] = np.nan
    for number in sorted(set(track.tolist())):
        rows = np.flatnonzero(track == number)
        _stand_on_center(state, rows, tracks[number])
        if lane is not None:
            _stand_on_lane(state, rows[lane[rows] != 0], tracks[number], lane)
    state["driven_x"] = state["x"]
    state["driven_y"] = state["y"]
    return locate_cars(state, packed)


def _stand_on_center(state: State, rows: NDArray[np.int64], track: Track) -> None:
    """Write the poses of the cars in `rows`: on the center line, heading for the next waypoint."""
    s = state["start"][rows] * track.length
    x = np.interp(s, track.s, track.center[:, 0])
    y = np.interp(s, track.s, track.center[:, 1])
    ahead = np.minimum(track.s.searchsorted(s, side="right"), len(track.s) - 1)
    dx = track.center[ahead, 0] - x
    dy = track.center[ahead, 1] - y
    state["x"][rows] = x
    state["y"][rows] = y
    state["yaw"][rows] = np.arctan2(dy, dx)
    to_next = track.s[ahead] - s
    nearest = np.minimum(to_next, s - track.s[ahead - 1])
    if nearest.min() >= AT_WAYPOINT_M:
        return
    for k in np.flatnonzero((nearest < AT_WAYPOINT_M) & (s > 0.0)):
        waypoint = int(ahead[k]) if to_next[k] < AT_WAYPOINT_M else int(ahead[k]) - 1
        car = state[rows[k]]
        car["x"], car["y"], car["yaw"] = _pose_at_waypoint(track, float(car["start"]), waypoint)


@lru_cache(maxsize=256)
def _pose_at_waypoint(track: Track, start: float, waypoint: int) -> tuple[float, float, float]:
    """x, y, m, and yaw, rad, of a car that starts at a waypoint but for rounding, a fraction `start`
    of the lap.

    Rounding says whether that waypoint is still ahead, and where the car heads then: it is that of
    the library that the simulator uses (docs/simulator.md 9.14).
    """
    from shapely.geometry import LinearRing, LineString, Point

    line = LinearRing(track.center) if track.is_loop else LineString(track.center)
    distance = start * line.length
    spot = line.interpolate(distance)
    last = len(track.center) - 1
    there = 1.0
    if waypoint < last:
        there = line.project(Point(track.center[waypoint]), normalized=True)
    if distance / line.length >= there:
        waypoint = (waypoint + 1) % (last + 1)
    next_x, next_y = track.center[waypoint]
    return spot.x, spot.y, float(np.arctan2(next_y - spot.y, next_x - spot.x))


def _stand_on_lane(
    state: State, rows: NDArray[np.int64], track: Track, lane: NDArray[np.int64]
) -> None:
    """Write the poses of the cars in `rows`: on the middle of their lanes, along them."""
    spots = obstacles_beside(track, state["start"][rows] * track.length, lane[rows])
    for name in Pose._fields:
        state[name][rows] = spots[name]


def free_lanes(
    obstacles: Obstacles, packed: PackedTracks, track: NDArray[np.int32], fraction: Array
) -> NDArray[np.int64] | None:
    """(N,) the lane beside the nearest obstacle (N, K) within 1 m of the start of each car, 0 where
    there is none.

    None where there are no obstacles at all. Distances are not those of a loop, as in the simulator
    (docs/simulator.md 2.3).
    """
    if obstacles.size == 0:
        return None
    # the layout of the episode before may be of the other direction
    located = locate_obstacles(obstacles, track, packed)
    length = packed.vertices["s"][packed.tracks["center"]["last"][track]]
    nearest = nearest_in_the_way(located["s"], fraction * length, length)
    is_ccw = packed.tracks["is_ccw"][track]
    lane = other_lane(located[np.arange(len(track)), nearest], is_ccw)
    return np.where(nearest < 0, 0, lane)


def put_back(
    rows: State,
    after: State,
    tracks: Sequence[Track],
    packed: PackedTracks,
    obstacles: Obstacles | None = None,
    layout: ObstacleLayout | None = None,
    rule: str = "before",
) -> State:
    """`after`, with every car that has just had an incident at rest on the middle of a lane.

    The lap is resumed, without the start offset, at the progress of the step "before" the incident
    or at the incident's "own", as `rule` says (`racer.vehicle.car.PUT_BACK_RULES`), on the lane
    nearer to where the car was in the step before; after a crash at its own progress and place.
    Where one of the `obstacles` (N, K) that stand is within 1 m of that place, the car is put
    behind it, on the other lane, or beyond it where the `layout` has mercy. A car that has run into
    a bot car is held where it is (docs/simulator.md 2.5, 9.1).
    """
    hurt = np.flatnonzero((after["phase"] == Phase.PAUSE) & (rows["phase"] == Phase.RUN))
    if len(hurt) == 0:
        return after
    back = after.copy()
    for i in hurt:
        row = rows[i : i + 1]
        track = tracks[rows["track"][i]]
        pose = None
        s = _resume_at(row, track, rule)
        if obstacles is not None and layout is not None and obstacles.size:
            pose = _pose_among_obstacles(back[i], row, s, track, obstacles[i], layout)
        if pose is None:
            pose = _pose_on_nearer_lane(row, s, track)
        back["x"][i], back["y"][i], back["yaw"][i] = pose
        for name in ("vx", "vy", "yaw_rate", "steer"):
            back[name][i] = 0.0
    back["progress"][hurt] = back["progress_before"][hurt]
    back[hurt] = locate_cars(back[hurt], packed)
    return back


def _resume_at(row: State, track: Track, rule: str) -> float:
    """m of center line where the lap of an incident, `row` (1,), is resumed; negative behind the
    start line.
    """
    progress = row["progress"][0]
    if rule == "before" and row["status"][0] != Status.CRASHED:
        progress = row["progress_before"][0]
    return float(progress) * track.length / 100.0


def _pose_on_nearer_lane(row: State, s: float, track: Track) -> Pose:
    x, y = row["driven_x"], row["driven_y"]
    if row["status"][0] == Status.CRASHED:
        x, y = row["x"], row["y"]
    spots = _spots_beside(track, [s, s], [INNER_LANE, OUTER_LANE])
    inner, outer = np.hypot(spots["x"] - x, spots["y"] - y)
    return _pose_of(spots[0 if inner < outer else 1])


def _spots_beside(track: Track, s: Sequence[float], lanes: Sequence[int]) -> Obstacles:
    """Spots on lanes beside the center line at `s` m; negative ones count from its end."""
    return obstacles_beside(track, [at % track.length if at < 0.0 else at for at in s], lanes)


def _pose_among_obstacles(
    car: np.void, row: State, s: float, track: Track, obstacles: Obstacles, layout: ObstacleLayout
) -> Pose | None:
    """Pose in which a car waits for its penalty to be over, None where no obstacle has a say in it.

    `row` (1,) is the incident and `s` m where the lap would be resumed, `obstacles` (K,) are before
    it; `car`, which is written to, counts how often it was put behind the same one.
    """
    hit = int(hit_obstacle(row, obstacles[None])[0])
    if row["status"][0] == Status.CRASHED and obstacles["moves"][hit]:
        return _pose_of(row[0])
    standing = obstacles[~obstacles["moves"]]
    if not len(standing):
        return None
    length = np.array([track.length])
    nearest = int(nearest_in_the_way(standing["s"][None], np.array([s]), length)[0])
    if nearest < 0:
        return None
    return _pose_around(car, standing, nearest, track, layout)


def _pose_around(
    car: np.void, standing: Obstacles, nearest: int, track: Track, layout: ObstacleLayout
) -> Pose:
    """Pose behind the `nearest` obstacle on the other lane; with mercy, every third time beyond it."""
    is_same_one = car["obstacle"] == nearest + 1
    car["obstacle_crashes"] = car["obstacle_crashes"] + 1 if is_same_one else 1
    car["obstacle"] = nearest + 1
    shift = -layout.reset_behind_dist
    if not layout.enable_mercy_reset:
        car["obstacle_crashes"] = 0
    elif car["obstacle_crashes"] == layout.max_resets_after_crash:
        car["obstacle_crashes"] = 0
        shift = layout.reset_ahead_dist
    s = float(standing["s"][nearest]) + shift
    lane = other_lane(standing[[nearest]], np.array([track.is_ccw]))
    return _pose_of(_spots_beside(track, [s], lane.tolist())[0])


def _pose_of(row: np.void) -> Pose:
    """The pose in a row of cars or obstacles."""
    return Pose(float(row["x"]), float(row["y"]), float(row["yaw"]))


@dataclass(frozen=True)
class Starts:
    """Where episodes begin, as fractions of a lap: the simulator's round robin
    (docs/simulator.md 2.3); car k begins k advances further on.
    """

    offset: float = 0.0
    advance: float = 0.05
    alternate_direction: bool = False  # every other episode is driven the other way
    # where an obstacle is near, a car begins on the other lane; in training only
    clear: bool = True

    def of(self, car: int, episode: int) -> tuple[float, bool]:
        """Fraction of a lap where an episode of a car begins, and whether it is driven the other
        way.
        """
        turn = car + episode
        is_reversed = self.alternate_direction and turn % 2 == 1
        fractions = _round_robin(self.offset, self.advance)
        while len(fractions) <= turn:
            fractions.append((fractions[-1] + self.advance) % 1.0)
        return fractions[turn], is_reversed


@lru_cache(maxsize=64)
def _round_robin(offset: float, advance: float) -> list[float]:
    """The starts so far, the first one to begin with. Each is the one before and the advance, as in
    the simulator: rounding adds up (docs/simulator.md 9.14).
    """
    return [offset % 1.0]


ROUND_ROBIN = Starts()
START_LINE = Starts(advance=0.0, clear=False)


@dataclass(frozen=True, eq=False)
class Scenario:
    """Everything that stays the same while cars drive: the track, the car, the rules, where episodes
    begin, what varies, and what stands and drives on the track.
    """

    track: Track
    car: Car
    rules: Rules = TRAINING
    starts: Starts = ROUND_ROBIN
    noise: Noise = field(default=NOISES["none"])
    obstacle_layout: ObstacleLayout | None = None

    @cached_property
    def tracks(self) -> tuple[Track, Track]:
        """The track as driven, and the other way round: what the `track` column of a car is an index
        into.
        """
        return self.track, self.track.reversed()

    @cached_property
    def packed_tracks(self) -> PackedTracks:
        """`tracks` for compiled code."""
        return pack_tracks(self.tracks)


def line_up(scenario: Scenario, obstacles: Obstacles, n: int, starts: Array | float) -> State:
    """(N,) cars at `starts` (N,) of a lap, where one of the `obstacles` (K,) is near on the other
    lane.
    """
    track = np.zeros(n, dtype=np.int32)
    fraction = np.array(np.broadcast_to(starts, n), dtype=np.float64)
    before = np.broadcast_to(obstacles, (n, len(obstacles)))
    lanes = free_lanes(before, scenario.packed_tracks, track, fraction)
    return begin_episodes(scenario.tracks, scenario.packed_tracks, track, fraction, lanes)


class Simulation:
    """N cars in a scenario, each with its own random generator: car k is the same however many
    others there are.

    `state` (N,) and `obstacles` (N, K), those before each car, are what the next step begins with.
    `snapshot` and `restore` are the whole of what changes.

    >>> from racer.track import load_track
    >>> from racer.vehicle.car import V6
    >>> simulation = Simulation(Scenario(load_track("oval"), V6), n=2, seed=0)
    >>> for _ in range(3):
    ...     rows = simulation.step(np.array([[0.0, 1.0], [10.0, 1.0]]))
    >>> rows["steps"].tolist(), rows["speed_command"].tolist()
    ([3, 3], [1.0, 1.0])
    """

    def __init__(self, scenario: Scenario, n: int, seed: int | None = None) -> None:
        self.scenario = scenario
        seeds = np.random.SeedSequence(seed).spawn(n)
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._episodes = np.zeros(n, dtype=np.int64)
        self._usual = car_table(scenario.car, 1)
        self._usual["delay"] += scenario.noise.latency
        self._cars = np.repeat(self._usual, n)
        self._steady: NDArray[np.float64] | None = None
        if scenario.noise.step_jitter == 0.0:
            self._steady = step_durations(scenario.noise, self._generators)
        self._tables = np.empty((0, 2, n), STATE)
        self._next_table = 0
        self.state: State = begin_episodes(
            scenario.tracks, scenario.packed_tracks, np.zeros(n, np.int32), np.zeros(n)
        )
        layout = scenario.obstacle_layout
        count = layout.count if layout else 0
        self.obstacles: Obstacles = np.zeros((n, count), OBSTACLE_DTYPE)
        self._traffic: Traffic | None = None
        if layout and layout.number_of_bot_cars:
            self._traffic = Traffic(layout, scenario.tracks, scenario.packed_tracks, n)
        everyone = np.arange(n)
        self._lay_out(everyone)
        self.restart(everyone)

    def restart(self, cars: NDArray[np.int64]) -> None:
        """Put `cars` (by index) at the beginning of their next episode."""
        scenario = self.scenario
        fractions = np.zeros(len(cars))
        directions = np.zeros(len(cars), dtype=np.int32)
        for k, car in enumerate(cars.tolist()):
            fractions[k], directions[k] = scenario.starts.of(car, int(self._episodes[car]))
        lanes = None
        if scenario.starts.clear:
            before = self.obstacles[cars]
            lanes = free_lanes(before, scenario.packed_tracks, directions, fractions)
        fresh = begin_episodes(
            scenario.tracks, scenario.packed_tracks, directions, fractions, lanes
        )
        clock = self.state["clock"][cars]
        fresh["episode"] = self._episodes[cars]
        fresh["clock"] = clock
        fresh["episode_start"] = clock
        fresh["lap_start"] = clock
        self.state.view(ROW_BYTES)[cars] = fresh.view(ROW_BYTES)
        if scenario.noise.varies_cars:
            for car in cars:
                self._cars[car] = vary_cars(self._usual, scenario.noise, self._generators[car])[0]
        self._episodes[cars] += 1
        self._lay_out(cars)

    def _lay_out(self, cars: NDArray[np.int64]) -> None:
        """Place the obstacles before `cars` (by index) anew, as the simulator does after it has
        placed the car.
        """
        scenario = self.scenario
        layout = scenario.obstacle_layout
        if layout is None:
            return
        track = self.state["track"][cars]
        generators = [self._generators[car] for car in cars]
        placed = lay_out_obstacles(
            layout, scenario.tracks, track, self._episodes[cars] - 1, generators
        )
        obstacles = self.obstacles.copy()
        obstacles[cars] = locate_obstacles(placed, track, scenario.packed_tracks)
        if self._traffic is not None:
            starts = placed["s"][:, layout.standing_count :]
            obstacles = self._traffic.begin(cars, obstacles, starts, self.state)
        self.obstacles = obstacles

    def step(self, command: NDArray[np.float64]) -> State:
        """Judged rows (N,) of a step in which the cars get `command` (N, 2): steering deg, speed
        m/s.
        """
        scenario = self.scenario
        before = self.obstacles
        is_rammed: NDArray[np.bool_] | None = None
        if before.size:
            if self._traffic is not None:
                self.obstacles = self._traffic.drive(before, self.state, self._generators)
            contacts = find_contacts(self.state, before, self.obstacles, scenario.packed_tracks)
            self.state["crashed"] = contacts.crashed
            self.state["touched"] = contacts.touched
            is_rammed = contacts.rammed
        dt = self._steady
        if dt is None:
            dt = step_durations(scenario.noise, self._generators)
        rows, after = step_cars(
            self.state,
            command,
            dt,
            scenario.packed_tracks,
            self._cars,
            scenario.rules,
            self._new_tables(),
        )
        if scenario.rules.resets:
            after = put_back(
                rows,
                after,
                scenario.tracks,
                scenario.packed_tracks,
                before,
                scenario.obstacle_layout,
                scenario.car.put_back,
            )
            rows["obstacle_crashes"] = after["obstacle_crashes"]
        self.state = after
        if self._traffic is not None and is_rammed is not None:
            self._traffic.judge(is_rammed, dt)
        return rows

    def _new_tables(self) -> State:
        """(2, N) new rows, cut from a larger piece: making a structured array takes numpy longer
        than a car's step.
        """
        if self._next_table == len(self._tables):
            n = len(self._generators)
            self._tables = np.empty((max(ALLOCATED_ROWS // n, 1), 2, n), STATE)
            self._next_table = 0
        tables: State = self._tables[self._next_table]
        self._next_table += 1
        return tables

    def snapshot(self) -> tuple[object, ...]:
        """Everything that changes, as plain data for `restore`."""
        return (
            self.state.copy(),
            self._episodes.copy(),
            self._cars.copy(),
            [generator.bit_generator.state for generator in self._generators],
            self.obstacles.copy(),
            None if self._traffic is None else self._traffic.snapshot(),
        )

    def restore(self, snapshot: Sequence[object]) -> None:
        """Be as when `snapshot` was taken, be it by an earlier version."""
        state, episodes, cars, generators, obstacles, traffic = snapshot
        self.state = with_columns_of(state, STATE)
        self._episodes = np.array(episodes)
        self._cars = np.array(cars)
        for generator, saved in zip(self._generators, generators, strict=True):  # type: ignore[call-overload]
            generator.bit_generator.state = saved
        if self.obstacles.size:
            self.obstacles = with_columns_of(obstacles, OBSTACLE_DTYPE)
        if self._traffic is not None:
            self._traffic.restore(traffic)
