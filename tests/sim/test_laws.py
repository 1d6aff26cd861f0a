"""Laws that hold in every step of every race, whatever the rules, the road and what stands on it.

    pytest tests/sim/test_laws.py --law-steps 1000000

drives as many steps of random races; without the option it is 20,000.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from racer.sim.noise import NOISES
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.simulation import Scenario, Simulation, Starts
from racer.sim.state import TRAINING, Phase, Rules, State, Status
from racer.track.library import load_track
from racer.track.track import Track
from racer.vehicle.car import CARS, PUT_BACK_RULES, STEP_S

LINE = np.column_stack([np.linspace(0.0, 8.0, 65), np.zeros(65)])
OPEN_ROAD = Track("open", "Open", LINE, LINE + [0.0, 0.5], LINE - [0.0, 0.5])
LOOPS = [load_track("oval"), load_track("hairpin_school")]
TRACKS = [OPEN_ROAD, *LOOPS, *(track.reversed() for track in [OPEN_ROAD, *LOOPS])]

CARS_OF_A_RACE = 5
STEPS_OF_A_RACE = 160

PENALTIES = st.sampled_from([0.0, 0.2, 2.0])
LAYOUTS = st.one_of(
    st.none(),
    st.builds(
        ObstacleLayout,
        number_of_obstacles=st.integers(1, 4),
        randomize_obstacle_locations=st.booleans(),
        enable_mercy_reset=st.booleans(),
        number_of_bot_cars=st.integers(0, 2),
        bot_car_speed=st.sampled_from([None, 1.0]),
        randomize_bot_car_locations=st.booleans(),
        is_lane_change=st.booleans(),
        lower_lane_change_time=st.just(0.5),
        upper_lane_change_time=st.just(1.5),
        penalty_seconds=PENALTIES,
    ),
    st.builds(ObstacleLayout, number_of_bot_cars=st.integers(1, 3), bot_car_speed=st.just(1.5)),
)
RULES = st.builds(
    TRAINING._replace,
    laps=st.integers(1, 3),
    resets=st.sampled_from([0, 1, 3, 10_000]),
    off_track_penalty=PENALTIES,
    collision_penalty=PENALTIES,
    immobilized_penalty=PENALTIES,
    backward_limit=st.sampled_from([15, 2]),
    time_limit=st.sampled_from([inf, 3.0]),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any road, car, rules, starts, noise and obstacles."""
    car = replace(
        draw(st.sampled_from(list(CARS.values()))), put_back=draw(st.sampled_from(PUT_BACK_RULES))
    )
    if draw(st.integers(0, 7)) == 0:
        car = replace(car, front_gain=0.0, rear_gain=0.0)  # stands
    return Scenario(
        draw(st.sampled_from(TRACKS)),
        car,
        draw(RULES),
        Starts(
            offset=draw(st.sampled_from([0.0, 0.3, 0.95])),
            advance=draw(st.sampled_from([0.0, 0.05, 0.1])),
            alternate_direction=draw(st.booleans()),
            clear=draw(st.booleans()),
        ),
        NOISES[draw(st.sampled_from(["none", "jitter"]))],
        draw(LAYOUTS),
    )


def along(scenario: Scenario, state: State, ahead: float) -> np.ndarray:
    """(N, 2) points of their center lines ahead of the front of the cars."""
    points = np.empty((len(state), 2))
    for number, track in enumerate(scenario.tracks):
        driven = state["track"] == number
        points[driven] = track.point_at(state["s"][driven] + ahead)
    return points


def commands(scenario: Scenario, state: State, generator: np.random.Generator) -> np.ndarray:
    """(N, 2) of which every second car follows the road, and the others do anything."""
    command = generator.uniform([-40.0, -0.5], [40.0, 4.5], (len(state), 2))
    to_road = along(scenario, state, 0.5) - np.column_stack([state["x"], state["y"]])
    turn = np.arctan2(to_road[:, 1], to_road[:, 0]) - state["yaw"]
    turn = np.degrees((turn + np.pi) % (2.0 * np.pi) - np.pi)
    command[::2, 0] = np.clip(turn[::2], -30.0, 30.0)
    command[::2, 1] = 2.2
    return command


def heads_along(scenario: Scenario, state: State) -> np.ndarray:
    """(N,) whether the cars head within 45 degrees of their roads, and are on them."""
    here, there = along(scenario, state, 0.0), along(scenario, state, 0.02)
    direction = np.arctan2(there[:, 1] - here[:, 1], there[:, 0] - here[:, 0])
    return (np.cos(state["yaw"] - direction) > 0.7) & (state["wheels"] == 4)


def penalty_of(row: np.void, rules: Rules) -> float:
    match Status(row["status"]):
        case Status.CRASHED:
            return rules.collision_penalty
        case Status.IMMOBILIZED:
            return rules.immobilized_penalty
        case _:
            return rules.off_track_penalty


def check_words(row: np.void, rules: Rules) -> None:
    """One word a row, that of its phase; and what ends an episode."""
    status = Status(row["status"])
    ends = {Status.LAP_COMPLETE, Status.TIME_UP}
    incidents = {Status.CRASHED, Status.OFF_TRACK, Status.IMMOBILIZED, Status.REVERSED}
    assert (status == Status.PREPARE) == (row["phase"] == Phase.PREPARE) == (row["steps"] == 1)
    if row["phase"] == Phase.RUN:
        assert status in ends | incidents | {Status.IN_PROGRESS}
    if row["phase"] == Phase.PAUSE:
        assert (status == Status.PAUSE) != row["done"]
    if status in ends:
        assert row["done"]
    if status in (Status.IN_PROGRESS, Status.PREPARE, Status.PAUSE):
        assert not row["done"]
    if status == Status.LAP_COMPLETE:
        assert row["progress"] == 100.0
        assert row["episode_laps"] + 1 == rules.laps
    if status == Status.TIME_UP:
        assert row["clock"] - row["episode_start"] > rules.time_limit
    assert not (row["crashed"] and row["touched"]) or row["done"]


def check_pause(before: np.void, row: np.void, after: np.void, rules: Rules) -> None:
    """A forgiven incident begins a pause of its penalty, which goes down to 0 with the car held."""
    is_incident = row["phase"] == Phase.RUN and row["status"] <= Status.REVERSED
    is_forgiven = is_incident and not row["done"]
    assert row["resets"] - before["resets"] == is_forgiven
    assert row["resets"] <= rules.resets
    assert row["pause"] >= 0.0
    if is_forgiven:
        assert (after["phase"], row["pause"]) == (Phase.PAUSE, penalty_of(row, rules))
        assert (after["vx"], after["backward_steps"], after["still_steps"]) == (0.0, 0, 0)
    if row["phase"] == Phase.PAUSE:
        assert row["pause"] == pytest.approx(max(before["pause"] - row["dt"], 0.0), abs=1e-9)
        if not row["done"]:
            assert (after["phase"] == Phase.RUN) == (row["pause"] == 0.0)
            assert [after[name] for name in ("x", "y", "yaw")] == [
                row[name] for name in ("x", "y", "yaw")
            ]


def check_carried(before: np.void, row: np.void, after: np.void) -> None:
    """Steps, clock, laps and progress go on from row to row."""
    assert row["steps"] == before["steps"] + 1
    assert after["clock"] == row["clock"] + row["dt"]
    is_lap = row["progress"] >= 100.0
    assert row["progress"] <= 100.0
    assert np.isfinite(row["lap_time"]) == (is_lap and row["phase"] != Phase.PREPARE)
    if row["done"]:
        return
    assert after["episode_laps"] == row["episode_laps"] + is_lap
    assert after["progress_before"] == (0.0 if is_lap else row["progress"])


class Watch:
    """Looks at a race step by step."""

    def __init__(self, scenario: Scenario, n: int) -> None:
        self.scenario = scenario
        self.pauses = np.zeros(n, dtype=np.int64)  # rows of pause so far
        self.due = np.zeros(n, dtype=np.int64)  # rows of pause that there must be

    def check(self, before: State, rows: State, after: State) -> None:
        rules = self.scenario.rules
        for k in range(len(rows)):
            check_words(rows[k], rules)
            check_pause(before[k], rows[k], after[k], rules)
            check_carried(before[k], rows[k], after[k])
        self.check_length(rows)
        self.check_place(rows, after)
        self.check_forward(before, rows)

    def check_length(self, rows: State) -> None:
        """A pause has as many rows as its penalty has steps, and one at least."""
        if self.scenario.noise.step_jitter:
            return
        for k, row in enumerate(rows):
            if row["phase"] == Phase.PAUSE:
                self.pauses[k] += 1
            elif self.pauses[k]:
                assert self.pauses[k] == self.due[k] or row["steps"] == 1
                self.pauses[k] = 0
            if row["phase"] == Phase.RUN and row["status"] <= Status.REVERSED:
                penalty = penalty_of(row, self.scenario.rules)
                self.due[k] = max(ceil(penalty / STEP_S - 1e-6), 1)

    def check_place(self, rows: State, after: State) -> None:
        """A car is put back onto the road, unless it waits behind a bot car."""
        layout = self.scenario.obstacle_layout
        is_back = (rows["phase"] == Phase.RUN) & (after["phase"] == Phase.PAUSE)
        if layout is not None and layout.number_of_bot_cars:
            is_back &= rows["status"] != Status.CRASHED
        # at an end of an open road two wheels are beyond it
        least = 4 if self.scenario.track.is_loop else 2
        assert (after["wheels"][is_back] >= least).all()

    def check_forward(self, before: State, rows: State) -> None:
        """Progress does not fall while a car drives along the road."""
        drives = (before["status"] == Status.IN_PROGRESS) & (rows["phase"] == Phase.RUN)
        drives &= (before["steps"] > 1) & heads_along(self.scenario, rows)
        drives[1::2] = False  # these do anything
        fall = rows["progress_before"] - rows["progress"]
        assert (fall[drives] <= 1e-6).all()


@pytest.mark.slow
def test_the_laws_hold_in_every_race(request: pytest.FixtureRequest):
    races = request.config.getoption("--law-steps") // (CARS_OF_A_RACE * STEPS_OF_A_RACE)

    @settings(
        max_examples=races, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(scenario=scenarios(), seed=st.integers(0, 2**31))
    def race(scenario: Scenario, seed: int) -> None:
        cars = Simulation(scenario, CARS_OF_A_RACE, seed)
        generator = np.random.default_rng(seed)
        watch = Watch(scenario, CARS_OF_A_RACE)
        for _ in range(STEPS_OF_A_RACE):
            before = cars.state.copy()
            rows = cars.step(commands(scenario, before, generator))
            watch.check(before, rows, cars.state)
            cars.restart(np.flatnonzero(rows["done"]))

    race()


def bits(rows: Any) -> bytes:
    """All columns, but for the padding between them."""
    return b"".join(rows[name].tobytes() for name in rows.dtype.names)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenario=scenarios(), seed=st.integers(0, 2**31), car=st.integers(0, 63))
def test_car_k_of_64_is_the_same_without_those_after_it_and_beside_other_commands(
    scenario: Scenario, seed: int, car: int
):
    many, few = Simulation(scenario, 64, seed), Simulation(scenario, car + 1, seed)
    generator, other = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    for _ in range(40):
        command = commands(scenario, many.state, generator)
        own = commands(scenario, few.state, other)
        own[car] = command[car]
        rows, alone = many.step(command), few.step(own)
        assert bits(rows[car : car + 1]) == bits(alone[car : car + 1])
        assert bits(many.obstacles[car]) == bits(few.obstacles[car])
        many.restart(np.flatnonzero(rows["done"]))
        few.restart(np.flatnonzero(alone["done"]))
