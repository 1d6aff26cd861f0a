"""Driving inside the true dynamics: cars of one batch from the start line, and what lap a line
really gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.drivers.mpc import MpcDriver, MpcReference, MpcWeights
from racer.raceline.corridor import border_distances
from racer.raceline.minimum_time import RacingLine, racing_line
from racer.sim.obstacles import OBSTACLE_DTYPE, Obstacles, hit_obstacle
from racer.sim.simulation import START_LINE, Scenario, line_up
from racer.sim.state import TRAINING, Phase, State, Status
from racer.sim.step import step_cars
from racer.track.track import Track
from racer.vehicle.car import STEERING_LIMIT_DEG, STEP_S, Car, car_table

if TYPE_CHECKING:
    from racer.vehicle.action_space import ActionSpace

Array = NDArray[np.float64]

LOST_PERCENT, LOST_AFTER_S = 5.0, 40.0  # % of the lap that a driver must have come by then, s
TRIED_WEIGHTS = (
    MpcWeights(1.0),
    MpcWeights(0.85),
    MpcWeights(0.85, aside=4.0),
    MpcWeights(0.7, aside=25.0),
)  # that are tried
BORDER_OVERHANG_M = (
    0.06  # m that the middle of a car may be beyond a border: two wheels are left, and 2 cm
)
NO_OBSTACLES = np.zeros(0, OBSTACLE_DTYPE)
RUN_OUT_M = 2.0  # m that a driver goes on after the end of an open road


@dataclass(frozen=True, eq=False)
class Drive:
    """What a driver did: `rows` (T,) in order, the prepare step first; `tracks` is what their
    `road` indexes.
    """

    name: str
    title: str
    rows: State
    tracks: tuple[Track, Track]
    # (K,) obstacles on the road, as it is driven
    objects: Obstacles = field(default_factory=lambda: NO_OBSTACLES)

    def obstacles(self, rows: State) -> Obstacles:
        """(N, K) the objects before the car at each of some of its rows (N,), as params take them."""
        return np.broadcast_to(self.objects, (len(rows), len(self.objects)))

    @property
    def lap_time(self) -> float:
        """s of the first completed lap; nan without one."""
        times = self.rows["lap_time"]
        done = times[~np.isnan(times)]
        return float(done[0]) if len(done) else nan

    @property
    def best_lap(self) -> float:
        """s of the fastest completed lap; nan without one. The first one begins from standstill."""
        times = self.rows["lap_time"]
        return float(np.nanmin(times)) if not np.isnan(times).all() else nan

    @property
    def completion(self) -> float:
        """% of the lap that was reached at most."""
        return float(max(self.rows["progress"].max(), 0.0))

    @property
    def status(self) -> Status:
        """How it ended; in progress where it was cut off."""
        return Status(int(self.rows["status"][-1]))

    @property
    def is_cut(self) -> bool:
        """Whether it would have gone on for ever."""
        return not bool(self.rows["done"][-1])

    @property
    def fewest_wheels(self) -> int:
        """The fewest wheels that were on the road at any step."""
        return int(self.rows["wheels"].min())


def follow_line(
    track: Track,
    car: Car,
    line: RacingLine,
    space: ActionSpace | None = None,
    laps: int = 2,
    weights: Sequence[MpcWeights] = TRIED_WEIGHTS,
    obstacles: Obstacles = NO_OBSTACLES,
) -> Drive:
    """What a car does that follows `line` from standstill at the start line: with the best of
    several `cares`.

    It gives only commands that the action space has; without one, any up to the fastest that logs
    of the car cover. `objects` (K,) stand on the road, and it does not mind them.
    """
    race = Scenario(track, car, TRAINING._replace(laps=laps), START_LINE)
    discrete, low, high = command_choices(space, car)
    predictor = MpcDriver(mpc_reference(track, line), list(weights), car, low, high, discrete)
    most = int(4.0 * laps * line.lap_time / STEP_S) + 100
    rows = roll_out(race, len(weights), predictor.command, most, obstacles)
    return min(
        (Drive("racing_line", "racing-line", r, race.tracks, obstacles) for r in rows),
        key=_slowness,
    )


def drive_expert(race: Scenario, space: ActionSpace | None, objects: Obstacles) -> Drive:
    """What the best driver known does in a race: the fastest line that is found, followed in the
    true dynamics.
    """
    line = racing_line(race.track, race.car)
    return follow_line(race.track, race.car, line, space, race.rules.laps, obstacles=objects)


def _slowness(drive: Drive) -> tuple[bool, float, float]:
    return bool(np.isnan(drive.best_lap)), drive.best_lap, -drive.completion


def mpc_reference(track: Track, line: RacingLine) -> MpcReference:
    """A line for the predictive driver; that of an open road goes on straight beyond its end."""
    heading = np.unwrap(np.arctan2(*_ahead(line).T[::-1]))
    cos, sin = np.cos(heading), np.sin(heading)
    # for the line may be beyond a border
    middle = line.xy - line.aside[:, None] * np.column_stack([-sin, cos])
    left, right = border_distances(track, middle, heading)
    left, right = left - line.aside + BORDER_OVERHANG_M, right + line.aside + BORDER_OVERHANG_M
    points = np.column_stack([line.xy, cos, sin, line.speed, left, right])
    spacing = line.length / (len(line.s) if line.is_loop else len(line.s) - 1)
    if not line.is_loop:
        on = np.repeat(points[-1:], round(RUN_OUT_M / spacing), axis=0)
        on[:, :2] += spacing * np.arange(1, len(on) + 1)[:, None] * points[-1, 2:4]
        points = np.vstack([points, on])
    return MpcReference(points, spacing, line.is_loop)


def _ahead(line: RacingLine) -> Array:
    """(M, 2) m from the point before each point to the one after it."""
    if line.is_loop:
        return np.asarray(np.roll(line.xy, -1, axis=0) - np.roll(line.xy, 1, axis=0))
    return np.asarray(np.gradient(line.xy, axis=0))


def roll_out(
    race: Scenario,
    count: int,
    command: Callable[[State, NDArray[np.int64]], Array],
    most: int,
    obstacles: Obstacles = NO_OBSTACLES,
) -> list[State]:
    """The rows of `count` cars' drives among `objects` (K,), each until its episode is over, or for
    `most` steps.

    `command(state, cars)` gives the commands (N, 2), steering deg and speed m/s, of the cars that
    still drive.
    """
    state = line_up(race, obstacles, count)
    cars = car_table(race.car, count)
    alive, kept = np.arange(count), []
    for _ in range(most):
        chosen = command(state, alive)
        if len(obstacles):
            met = np.broadcast_to(obstacles, (len(state), len(obstacles)))
            state["crashed"] = (state["phase"] == Phase.RUN) & (hit_obstacle(state, met) >= 0)
        row, state = step_cars(
            state, chosen, np.full(len(alive), STEP_S), race.packed_tracks, cars, race.rules
        )
        kept.append((alive, row))
        on = ~(row["done"] | _is_lost(row))
        if not on.all():
            alive, state, cars = alive[on], state[on], cars[on]
        if not len(alive):
            break
    who, rows = np.concatenate([k for k, _ in kept]), np.concatenate([r for _, r in kept])
    order = np.argsort(who, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(who, minlength=count))[:-1])


def command_choices(space: ActionSpace | None, car: Car) -> tuple[Array, Array, Array]:
    """Discrete commands (A, 2), A may be 0; lowest and highest steering deg and speed m/s."""
    if space is None:
        return (
            np.empty((0, 2)),
            np.array([-STEERING_LIMIT_DEG, 0.0]),
            np.array([STEERING_LIMIT_DEG, car.identified_speed]),
        )
    both = np.column_stack([space.steering_deg, space.speed]).astype(np.float64)
    return (np.empty((0, 2)) if space.is_continuous else both), both.min(axis=0), both.max(axis=0)


def _is_lost(row: State) -> NDArray[np.bool_]:
    """(N,) whether a car gets nowhere and will not."""
    return np.asarray(
        (row["clock"] > LOST_AFTER_S)
        & (row["episode_laps"] == 0)
        & (row["progress"] < LOST_PERCENT)
    )
