"""Where a foresight tries drivers: in the true dynamics, by the rules of training, from starts around
the lap; and what a reward file pays them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.foresight.families import Maneuver, Road
from racer.diagnostics.pricing import DrivePricer, price_drives, price_with
from racer.drivers import (
    CommandLimits,
    Drive,
    command_choices,
    follow_plans,
    plan_inputs,
    roll_out,
    start_followers,
)
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction
from racer.sim import (
    ROUND_ROBIN,
    TRAINING,
    Obstacles,
    ObstacleSource,
    Scenario,
    Simulation,
    State,
    read_obstacle_layout,
)
from racer.track import Track
from racer.vehicle import SPEED_LIMITS_MPS, STEP_S, ActionSpace, Car

Array = NDArray[np.float64]

LOOP_STARTS = (0.0, 0.25, 0.5, 0.75)  # fractions of a lap, of those of training's round robin
HORIZONS = 3.0  # of 1 / (1 - gamma) steps, after which what is yet to come hardly counts
SHORTEST_TRY_STEPS = 250
LONGEST_TRY_STEPS = 900  # so that the laps of crawling cars on long roads are cut off
SLOWEST_LAP_FACTOR = 1.15  # times the lap of a car at its slowest speed: time for a start, too
STEERING_WEIGHT_DEG = 15.0  # of steering weigh as much as the whole range of speeds
RANDOM_REPEATS = 3  # instances whose mean a reward is that draws random numbers
NAME = "foreseen"
TITLE = "best paid"


@dataclass(frozen=True, eq=False)
class ProvingGround:
    """A track, a car, its commands and what stands on the road."""

    scenario: Scenario
    road: Road
    limits: CommandLimits
    obstacles: Obstacles
    starts: tuple[float, ...]
    try_steps: int  # after which a try is cut off

    def drive(
        self, maneuvers: Sequence[Maneuver], starts: Array | float, max_steps: int = 0
    ) -> list[Drive]:
        """A drive of each maneuver, from `starts` (N,), fractions of a lap."""
        plans = [maneuver.plan for maneuver in maneuvers]
        path = np.column_stack(
            [
                np.vstack([plan.line for plan in plans]),
                np.concatenate([plan.speed for plan in plans]),
            ]
        )
        followers = start_followers(plans)
        followers["at"] += np.array([maneuver.at for maneuver in maneuvers])
        habits = np.array(
            [(maneuver.dither_deg, maneuver.pulse, maneuver.period_steps) for maneuver in maneuvers]
        )
        hold_from = followers["first"] + np.array([maneuver.hold_from for maneuver in maneuvers])
        holds = np.array([maneuver.hold_from >= 0 for maneuver in maneuvers])
        held = self.allowed(np.array([maneuver.held for maneuver in maneuvers]))
        cars = np.arange(len(plans))  # those that still drive, to whom the arrays above belong
        steps = 0

        def command(state: State, alive: NDArray[np.int64]) -> Array:
            nonlocal cars, followers, habits, hold_from, holds, held, steps
            if len(alive) < len(cars):
                goes_on = np.searchsorted(cars, alive)
                cars = alive
                followers = followers[goes_on]
                habits = habits[goes_on]
                hold_from, holds, held = hold_from[goes_on], holds[goes_on], held[goes_on]
            commands = np.empty((len(cars), 2))
            follow_plans(state, followers, path, self.scenario.car, commands, self.limits)
            self._add_habits(commands, habits, steps)
            if holds.any():
                is_held = holds & (followers["at"] >= hold_from)
                commands[is_held] = held[is_held]
            steps += 1
            return commands

        return self._roll_out(len(plans), command, starts, max_steps or self.try_steps)

    def replay(self, sequences: Sequence[Array]) -> list[Drive]:
        """A drive of each sequence of commands (T, 2), from the start line; the last command is
        held.
        """
        most = max(len(sequence) for sequence in sequences)
        table = np.empty((len(sequences), most, 2))
        for k, sequence in enumerate(sequences):
            table[k, : len(sequence)] = sequence
            table[k, len(sequence) :] = sequence[-1]
        steps = 0

        def command(state: State, alive: NDArray[np.int64]) -> Array:
            nonlocal steps
            commands: Array = table[alive, min(steps, most - 1)]
            steps += 1
            return commands

        return self._roll_out(len(sequences), command, 0.0, most + 1)

    def allowed(self, commands: Array) -> Array:
        """(N, 2) the commands that the action space has, nearest to those wanted."""
        limited = np.clip(commands, self.limits.low, self.limits.high)
        if not len(self.limits.choices):
            return np.asarray(limited)
        gap = limited[:, None] - self.limits.choices
        gap[..., 0] /= STEERING_WEIGHT_DEG
        gap[..., 1] /= max(float(self.limits.high[1] - self.limits.low[1]), 0.1)
        return np.asarray(self.limits.choices[np.argmin((gap * gap).sum(axis=2), axis=1)])

    def _add_habits(self, commands: Array, habits: Array, step: int) -> None:
        """Dither and pulse, in turn one way and the other."""
        has_any = habits[:, :2].any(axis=1)
        if not has_any.any():
            return
        turn = np.where(np.sin(2.0 * np.pi * (step + 0.25) / habits[:, 2]) >= 0.0, 1.0, -1.0)
        commands[:, 0] += habits[:, 0] * turn
        full = self.limits.high[1] - self.limits.low[1]
        commands[:, 1] -= np.where(turn < 0.0, habits[:, 1] * full, 0.0)
        commands[has_any] = self.allowed(commands[has_any])

    def _roll_out(
        self, count: int, command: object, starts: Array | float, max_steps: int
    ) -> list[Drive]:
        rows = roll_out(
            self.scenario,
            count,
            command,  # type: ignore[arg-type]
            max_steps,
            self.obstacles,
            starts=starts,
        )
        tracks = self.scenario.tracks
        return [Drive(NAME, TITLE, of_car, tracks, self.obstacles) for of_car in rows]


def lay_out_ground(
    track: Track, car: Car, space: ActionSpace, gamma: float, objects: ObstacleSource, seed: int
) -> ProvingGround:
    """The ground for a track and a car. Raises UsageError for bot cars."""
    layout = read_obstacle_layout(objects)
    if layout is not None and layout.number_of_bot_cars:
        raise UsageError("foresee looks among boxes, not among bot cars: give boxes")
    scenario = Scenario(track, car, TRAINING, ROUND_ROBIN, obstacle_layout=layout)
    limits = command_choices(space, car)
    low = np.array([limits.low[0], max(limits.low[1], SPEED_LIMITS_MPS[0])])
    limits = CommandLimits(limits.choices, low, np.maximum(limits.high, low))
    obstacles = Simulation(scenario, 1, seed).obstacles[0]
    inputs = replace(plan_inputs(track, car, space), objects=obstacles)
    road = Road(inputs, float(low[1]), float(limits.high[1]))
    horizon = float(LONGEST_TRY_STEPS)
    if gamma < 1.0:
        horizon = HORIZONS / (1.0 - gamma)
    slowest_lap = SLOWEST_LAP_FACTOR * track.length / (float(low[1]) * STEP_S)
    try_steps = max(horizon, slowest_lap)
    return ProvingGround(
        scenario=scenario,
        road=road,
        limits=limits,
        obstacles=obstacles,
        starts=LOOP_STARTS if track.is_loop else LOOP_STARTS[:1],
        try_steps=int(np.clip(try_steps, SHORTEST_TRY_STEPS, LONGEST_TRY_STEPS)),
    )


class Pricer:
    """What a reward file pays for drives: by an instance a drive if it remembers anything, else by
    the same one; of a random one the mean of some instances (a class: it learns what the file is).
    """

    def __init__(self, reward: RewardFunction) -> None:
        self.reward = reward
        self.is_random = False
        self.has_memory = True
        self._batch: RewardBatch | None = None
        self._by_columns: DrivePricer | None = None

    def learn(self, drive: Drive) -> None:
        """Find out, on one drive, whether the file remembers anything, and whether it is random."""
        batch = RewardBatch(self.reward, 1)
        before = batch.remembered_values(0)
        first = price_with(batch, [drive], [0])[0]
        has_changed = batch.remembered_values(0) != before
        again = price_with(RewardBatch(self.reward, 1, seed=1), [drive], [0])[0]
        third = price_with(batch, [drive], [0])[0]
        self.is_random = not np.array_equal(first, again)
        self.has_memory = has_changed or not np.array_equal(first, third)
        if not self.has_memory:
            self._batch = batch
        if not self.is_random:
            self._by_columns = DrivePricer(self.reward, by_file=self._by_file)

    @property
    def repeats(self) -> int:
        """How often a drive is priced."""
        return RANDOM_REPEATS if self.is_random else 1

    def price(self, drives: Sequence[Drive]) -> list[Array]:
        """The rewards (T,) of each drive's steps."""
        if self._by_columns is not None:
            return self._by_columns(drives)
        return self._by_file(drives)

    def _by_file(self, drives: Sequence[Drive]) -> list[Array]:
        if self._batch is not None:
            return price_with(self._batch, drives, [0] * len(drives))
        if not self.is_random:
            return price_drives(self.reward, drives)
        total = [np.zeros(1)] * len(drives)
        for seed in range(RANDOM_REPEATS):
            batch = RewardBatch(self.reward, len(drives), seed=seed)
            priced = price_with(batch, drives, range(len(drives)))
            total = [sums + paid / RANDOM_REPEATS for sums, paid in zip(total, priced, strict=True)]
        return total
