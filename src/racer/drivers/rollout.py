"""Driving inside the true dynamics: cars of one batch from their starts, and what lap a line
really gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.drivers.mpc import CommandLimits, MpcDriver, MpcReference, MpcWeights
from racer.geometry import wrap_angle
from racer.raceline import RacingLine, border_distances, neighbors, normal_vectors, racing_line
from racer.sim import (
    OBSTACLE_DTYPE,
    ROW_BYTES,
    START_LINE,
    STATE,
    TRAINING,
    Obstacles,
    Phase,
    Scenario,
    State,
    Status,
    hit_obstacle,
    line_up,
    step_cars,
    trace_columns,
)
from racer.track import Track
from racer.vehicle import (
    FRONT_POINT_M,
    SPEED_LIMITS_MPS,
    STEERING_LIMIT_DEG,
    STEP_S,
    Car,
    car_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from racer.vehicle import ActionSpace

Array = NDArray[np.float64]

LOST_PERCENT = 5.0  # % of the lap that a driver must have come after LOST_AFTER_S
LOST_AFTER_S = 40.0
TRIED_WEIGHTS = (
    MpcWeights(1.0),
    MpcWeights(0.85),
    MpcWeights(0.85, offset=4.0),
    MpcWeights(0.7, offset=25.0),
)
# m that the middle of a car may be beyond a border: two wheels are left on the road, with 2 cm
BORDER_OVERHANG_M = 0.06
NO_OBSTACLES = np.zeros(0, OBSTACLE_DTYPE)
RUN_OUT_M = 2.0  # m that a driver goes on after the end of an open road


@dataclass(frozen=True, eq=False)
class Drive:
    """What a driver did: `rows` (T,) of the simulator, the prepare step first; their column `track`
    indexes `tracks`.
    """

    name: str
    title: str
    rows: State
    tracks: tuple[Track, Track]
    # (K,) obstacles on the track as it is driven
    objects: Obstacles = field(default_factory=lambda: NO_OBSTACLES)

    def obstacles(self, rows: State) -> Obstacles:
        """(N, K) the obstacles before the car at each of some of its rows (N,), as params take them."""
        return np.broadcast_to(self.objects, (len(rows), len(self.objects)))

    @property
    def trace(self) -> pd.DataFrame:
        """T rows, its steps as the columns of the simulator's log; actions are -1, rewards 0."""
        import pandas as pd

        count = len(self.rows)
        columns = trace_columns(self.rows, np.full(count, -1), np.zeros(count), self.tracks)
        return pd.DataFrame(columns)

    @property
    def lap_time(self) -> float:
        """s of the first completed lap; nan without one."""
        times = self.rows["lap_time"]
        completed = times[~np.isnan(times)]
        if not len(completed):
            return nan
        return float(completed[0])

    @property
    def best_lap(self) -> float:
        """s of the fastest completed lap; nan without one. The first one begins from standstill."""
        times = self.rows["lap_time"]
        if np.isnan(times).all():
            return nan
        return float(np.nanmin(times))

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
    """What a car does that follows `line` from standstill at the start line: the best drive with
    one of several `weights`.

    It gives only commands that the action space has; without one, any up to the fastest that logs
    of the car cover. `obstacles` (K,) stand on the road, and it does not mind them.
    """
    scenario = Scenario(track, car, TRAINING._replace(laps=laps), START_LINE)
    driver = MpcDriver(mpc_reference(track, line), list(weights), car, command_choices(space, car))
    max_steps = int(4.0 * laps * line.lap_time / STEP_S) + 100
    drives = [
        Drive("racing_line", "racing-line", rows, scenario.tracks, obstacles)
        for rows in roll_out(scenario, len(weights), driver.command, max_steps, obstacles)
    ]
    return min(drives, key=_slowness)


def drive_expert(scenario: Scenario, space: ActionSpace | None, obstacles: Obstacles) -> Drive:
    """The best drive known in a scenario: along the fastest line that is found, followed in the
    true dynamics.
    """
    track = scenario.track
    car = scenario.car
    line = racing_line(track, car)
    return follow_line(track, car, line, space, scenario.rules.laps, obstacles=obstacles)


def _slowness(drive: Drive) -> tuple[bool, float, float]:
    return bool(np.isnan(drive.best_lap)), drive.best_lap, -drive.completion


def mpc_reference(track: Track, line: RacingLine) -> MpcReference:
    """A line for the predictive driver; that of an open road goes on straight beyond its end."""
    direction = _directions(line)
    heading = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    normal = normal_vectors(heading)
    # the room is measured from the center line, for the line may be beyond a border
    center = line.xy - line.offset[:, None] * normal
    left, right = border_distances(track, center, heading)
    points = np.column_stack(
        [
            line.xy,
            np.cos(heading),
            np.sin(heading),
            line.speed,
            left - line.offset + BORDER_OVERHANG_M,
            right + line.offset + BORDER_OVERHANG_M,
        ]
    )
    if line.is_loop:
        return MpcReference(points, line.length / len(line.s), True)
    spacing = line.length / (len(line.s) - 1)
    beyond = np.repeat(points[-1:], round(RUN_OUT_M / spacing), axis=0)
    beyond[:, :2] += spacing * np.arange(1, len(beyond) + 1)[:, None] * points[-1, 2:4]
    return MpcReference(np.vstack([points, beyond]), spacing, False)


def _directions(line: RacingLine) -> Array:
    """(M, 2) m from the point before each point to the one after it."""
    if not line.is_loop:
        return np.asarray(np.gradient(line.xy, axis=0))
    return neighbors(line.xy, 1, True) - neighbors(line.xy, -1, True)


def roll_out(
    scenario: Scenario,
    count: int,
    command: Callable[[State, NDArray[np.int64]], Array],
    max_steps: int,
    obstacles: Obstacles = NO_OBSTACLES,
    is_turned: NDArray[np.bool_] | None = None,
    starts: Array | float = 0.0,
) -> list[State]:
    """The rows of `count` cars' drives among `obstacles` (K,), each until its episode is over, or
    for `max_steps`. They begin at `starts` (N,), fractions of a lap; those that are `is_turned`
    (N,) face the wrong way.

    `command(state, cars)` gives the commands (N, 2), steering deg and speed m/s, of the cars (N,)
    that still drive. One that is told to stand does so, as if something held it: the simulator
    would let it creep, and never end its episode (docs/simulator.md 9.3).
    """
    state = line_up(scenario, obstacles, count, starts)
    if is_turned is not None:
        _turn_around(state, is_turned)
    cars = car_table(scenario.car, count)
    alive = np.arange(count)
    cars_of_steps = []
    rows_of_steps = []
    for _ in range(max_steps):
        commands = command(state, alive)
        if len(obstacles):
            state["crashed"] = _has_crashed(state, obstacles)
        durations = np.full(len(alive), STEP_S)
        rows, state = step_cars(
            state,
            commands,
            durations,
            scenario.packed_tracks,
            _hold_still(cars, state, commands),
            scenario.rules,
        )
        cars_of_steps.append(alive)
        rows_of_steps.append(rows.view(ROW_BYTES))
        goes_on = ~(rows["done"] | _is_lost(rows))
        if not goes_on.all():
            alive = alive[goes_on]
            state = state.view(ROW_BYTES)[goes_on].view(STATE)
            cars = cars[goes_on]
        if not len(alive):
            break
    return _rows_by_car(np.concatenate(cars_of_steps), np.concatenate(rows_of_steps), count)


def _hold_still(cars: NDArray[np.void], state: State, commands: Array) -> NDArray[np.void]:
    """Rows of `CAR_PARAMETERS` of the cars (N,), of which those that are told to stand do not turn
    their wheels: a step later where commands reach them late.
    """
    is_held = commands[:, 1] <= 0.0
    if not is_held.any():
        return cars
    is_held &= (cars["delay"] == 0.0) | (state["speed_command"] <= SPEED_LIMITS_MPS[0])
    held = cars.copy()
    for name in ("front_gain", "rear_gain"):
        held[name][is_held] = 0.0
    return held


def _turn_around(state: State, is_turned: NDArray[np.bool_]) -> None:
    """Turn some of the cars (N,) around their front points, which stay where they are."""
    yaw = wrap_angle(state["yaw"] + np.pi)
    turned = state.copy()
    turned["yaw"] = yaw
    turned["x"] = state["front_x"] - FRONT_POINT_M * np.cos(yaw)
    turned["y"] = state["front_y"] - FRONT_POINT_M * np.sin(yaw)
    state[is_turned] = turned[is_turned]


def _has_crashed(state: State, obstacles: Obstacles) -> NDArray[np.bool_]:
    """(N,) whether a car in its run touches one of the obstacles (K,)."""
    before_each = np.broadcast_to(obstacles, (len(state), len(obstacles)))
    return np.asarray((state["phase"] == Phase.RUN) & (hit_obstacle(state, before_each) >= 0))


def _rows_by_car(cars: NDArray[np.int64], rows: NDArray[np.void], count: int) -> list[State]:
    """Rows (R,) of `ROW_BYTES` of many cars, split by car; they stay in order."""
    order = np.argsort(cars, kind="stable")
    ends = np.cumsum(np.bincount(cars, minlength=count))
    return np.split(rows[order].view(STATE), ends[:-1])


def command_choices(space: ActionSpace | None, car: Car) -> CommandLimits:
    """The commands of an action space; without one, any up to the fastest that logs of the car
    cover.
    """
    any_command = np.empty((0, 2))
    if space is None:
        low = np.array([-STEERING_LIMIT_DEG, 0.0])
        high = np.array([STEERING_LIMIT_DEG, car.identified_speed])
        return CommandLimits(any_command, low, high)
    actions = np.column_stack([space.steering_deg, space.speed]).astype(np.float64)
    choices = any_command if space.is_continuous else actions
    return CommandLimits(choices, actions.min(axis=0), actions.max(axis=0))


def _is_lost(row: State) -> NDArray[np.bool_]:
    """(N,) whether a car gets nowhere and will not."""
    return np.asarray(
        (row["clock"] > LOST_AFTER_S)
        & (row["episode_laps"] == 0)
        & (row["progress"] < LOST_PERCENT)
    )


def scored_rows_of(drive: Drive) -> State:
    """The steps of a drive that a reward is called for."""
    is_scored = drive.rows["phase"] == Phase.RUN
    rows: State = drive.rows.view(ROW_BYTES)[is_scored].view(STATE)
    return rows
