"""Everything that stays the same while cars drive: the roads, the car, the rules, where episodes
begin, what varies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from racer.sim.noise import NOISES, Noise, step_durations, vary_cars
from racer.sim.obstacle_layout import ObstacleLayout, lay_out_obstacles
from racer.sim.obstacles import OBSTACLE_DTYPE, Obstacles, find_contacts, locate_obstacles
from racer.sim.spawn import begin_episodes, free_lanes, put_back
from racer.sim.state import ROW_BYTES, STATE, TRAINING, Rules, State
from racer.sim.step import step_cars
from racer.sim.traffic import Traffic
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track
from racer.vehicle.car import Car, car_table

ALLOCATED_ROWS = 64  # rows, about, that are allocated at a time


@dataclass(frozen=True)
class Starts:
    """Where episodes begin, as shares of a lap: the simulator's round robin; car k begins k
    advances further on.
    """

    offset: float = 0.0
    advance: float = 0.05
    alternate_direction: bool = False  # every other episode is driven the other way
    clear: bool = True  # where an object is near, a car begins on the other lane; in training only

    def of(self, car: int, episode: int) -> tuple[float, bool]:
        """Share of a lap where an episode of a car begins, and whether it is driven the other way."""
        turn = car + episode
        return (self.offset + self.advance * turn) % 1.0, self.alternate_direction and turn % 2 == 1


ROUND_ROBIN = Starts()
START_LINE = Starts(advance=0.0, clear=False)


@dataclass(frozen=True, eq=False)
class Scenario:
    """What N cars need to know to be started and stepped."""

    track: Track
    car: Car
    rules: Rules = TRAINING
    starts: Starts = ROUND_ROBIN
    noise: Noise = field(default=NOISES["none"])
    obstacle_layout: ObstacleLayout | None = None

    @cached_property
    def tracks(self) -> tuple[Track, Track]:
        """The track as driven, and the other way round: what the `road` column of a car is an index
        into.
        """
        return self.track, self.track.reversed()

    @cached_property
    def roads(self) -> PackedTracks:
        """The same for compiled code."""
        return pack_tracks(self.tracks)


def line_up(race: Scenario, objects: Obstacles, n: int) -> State:
    """(N,) cars at the start line, where one of the `objects` (K,) is near it on the other lane."""
    road, share = np.zeros(n, dtype=np.int32), np.zeros(n)
    lanes = free_lanes(np.broadcast_to(objects, (n, len(objects))), race.roads, road, share)
    return begin_episodes(race.tracks, race.roads, road, share, lanes)


class Simulation:
    """N cars in a race, each with its own random generator: car k is the same however many others
    there are.

    `state` and `bodies` (N, K), the objects before each car, are what the next step begins with.
    `snapshot` and `restore` are the whole of what changes.
    """

    def __init__(self, race: Scenario, n: int, seed: int | None = None) -> None:
        self.race = race
        self._generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n)]
        self._episodes = np.zeros(n, dtype=np.int64)
        self._cars = car_table(race.car, n)
        self._usual = car_table(race.car, 1)
        self._steady = (
            step_durations(race.noise, self._generators) if race.noise.step_jitter == 0.0 else None
        )
        self._tables, self._cut = np.empty((0, 2, n), STATE), 0
        self.state: State = begin_episodes(
            race.tracks, race.roads, np.zeros(n, np.int32), np.zeros(n)
        )
        self.obstacles: Obstacles = np.zeros(
            (n, race.obstacle_layout.size if race.obstacle_layout else 0), OBSTACLE_DTYPE
        )
        bots = race.obstacle_layout.number_of_bot_cars if race.obstacle_layout else 0
        self._traffic = (
            Traffic(race.obstacle_layout, race.tracks, race.roads, n)
            if race.obstacle_layout and bots
            else None
        )
        self._lay_out(np.arange(n))
        self.restart(np.arange(n))

    def restart(self, cars: NDArray[np.int64]) -> None:
        """Put `cars` (by index) at the beginning of their next episode."""
        race = self.race
        starts = [race.starts.of(int(k), int(self._episodes[k])) for k in cars]
        shares, others = (
            np.array([share for share, _ in starts]),
            np.array([other for _, other in starts], dtype=np.int32),
        )
        lanes = (
            free_lanes(self.obstacles[cars], race.roads, others, shares)
            if race.starts.clear
            else None
        )
        fresh = begin_episodes(race.tracks, race.roads, others, shares, lanes)
        fresh["episode"] = self._episodes[cars]
        fresh["clock"] = fresh["episode_start"] = fresh["lap_start"] = self.state["clock"][cars]
        self.state.view(ROW_BYTES)[cars] = fresh.view(ROW_BYTES)
        for k in cars:
            self._cars[k] = vary_cars(self._usual, race.noise, self._generators[k])[0]
        self._episodes[cars] += 1
        self._lay_out(cars)

    def _lay_out(self, cars: NDArray[np.int64]) -> None:
        """Place the objects before `cars` (by index) anew, as the simulator does after it has
        placed the car.
        """
        race = self.race
        if race.obstacle_layout is None:
            return
        road = self.state["road"][cars]
        generators = [self._generators[k] for k in cars]
        laid = lay_out_obstacles(
            race.obstacle_layout, race.tracks, road, self._episodes[cars] - 1, generators
        )
        bodies = self.obstacles.copy()
        bodies[cars] = locate_obstacles(laid, road, race.roads)
        if self._traffic is not None:
            bodies = self._traffic.begin(
                cars, bodies, laid["s"][:, race.obstacle_layout.obstacles :], self.state
            )
        self.obstacles = bodies

    def step(self, command: NDArray[np.float64]) -> State:
        """Judged rows (N,) of a step in which the cars get `command` (N, 2): steering deg, speed
        m/s.
        """
        race = self.race
        met, rammed = self.obstacles, None
        if met.size:
            self.obstacles = (
                met
                if self._traffic is None
                else self._traffic.drive(met, self.state, self._generators)
            )
            self.state["crashed"], rammed = find_contacts(
                self.state, met, self.obstacles, race.roads
            )
        dt = step_durations(race.noise, self._generators) if self._steady is None else self._steady
        row, after = step_cars(
            self.state, command, dt, race.roads, self._cars, race.rules, self._new_tables()
        )
        self.state = (
            put_back(row, after, race.tracks, race.roads, met, race.obstacle_layout)
            if race.rules.resets
            else after
        )
        if self._traffic is not None and rammed is not None:
            self._traffic.judge(rammed, dt)
        return row

    def _new_tables(self) -> State:
        """(2, N) new rows, cut from a larger piece: making a structured array takes numpy longer
        than a car's step.
        """
        if self._cut == len(self._tables):
            n = len(self._generators)
            self._tables, self._cut = np.empty((max(ALLOCATED_ROWS // n, 1), 2, n), STATE), 0
        tables: State = self._tables[self._cut]
        self._cut += 1
        return tables

    def snapshot(self) -> tuple[object, ...]:
        """Everything that changes, as plain data for `restore`."""
        return (
            self.state.copy(),
            self._episodes.copy(),
            self._cars.copy(),
            [g.bit_generator.state for g in self._generators],
            self.obstacles.copy(),
            None if self._traffic is None else self._traffic.snapshot(),
        )

    def restore(self, snapshot: tuple[object, ...]) -> None:
        """Be as when `snapshot` was taken."""
        saved, self._episodes, self._cars = (np.array(part) for part in snapshot[:3])
        self.state = np.zeros(len(saved), STATE)
        # not all columns, where an earlier version has saved it
        for name in saved.dtype.names or ():
            self.state[name] = saved[name]
        for generator, state in zip(self._generators, snapshot[3], strict=True):  # type: ignore[call-overload]
            generator.bit_generator.state = state
        if self.obstacles.size:
            self.obstacles = np.array(snapshot[4])
        if self._traffic is not None:
            self._traffic.restore(snapshot[5])
