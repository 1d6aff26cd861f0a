"""N cars that drive in one scenario: where they begin, what stays the same while they do, and what
changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from racer.sim.noise import NOISES, Noise, step_durations, vary_cars
from racer.sim.obstacle_layout import ObstacleLayout, lay_out_obstacles
from racer.sim.obstacles import (
    OBSTACLE_DTYPE,
    Obstacles,
    find_contacts,
    locate_obstacles,
)
from racer.sim.placement import begin_episodes, free_lanes, put_back
from racer.sim.state import (
    ROW_BYTES,
    STATE,
    TRAINING,
    Rules,
    State,
    with_columns_of,
)
from racer.sim.step import step_cars
from racer.sim.traffic import Traffic
from racer.track import PackedTracks, Track, pack_tracks
from racer.vehicle import Car, car_table

Array = NDArray[np.float64]

ALLOCATED_ROWS = 64  # about as many are allocated at a time


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
