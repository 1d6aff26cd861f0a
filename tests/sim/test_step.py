"""One step: the order of evaluation, the rules, the statuses, what carries on and what is reset."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer import logs
from racer import resources as shipped
from racer.sim.placement import begin_episodes, put_back
from racer.sim.simulation import START_LINE, Scenario, Simulation, Starts
from racer.sim.state import EVALUATION, TRAINING, Phase, Rules, State, Status, trace_columns
from racer.sim.step import locate_cars, locate_in_sequence, step_cars
from racer.track import layout as layout_file
from racer.track import route
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track
from racer.vehicle.car import STEP_S, V4, V6, Car, car_table

OVAL = layout_file.load_layout_track(shipped.tracks_folder() / "oval.toml")
ROADS = pack_tracks([OVAL])
GO = np.array([[0.0, 1.0]])
STUCK = replace(V6, name="stuck", front_gain=0.0, rear_gain=0.0)


def one(share: float = 0.0, track: Track = OVAL, roads: PackedTracks = ROADS) -> State:
    return begin_episodes([track], roads, np.zeros(1, np.int32), np.array([share]))


def run(
    state: State, command: np.ndarray = GO, rules: Rules = TRAINING, car: Car = V6
) -> tuple[State, State]:
    n = len(state)
    return step_cars(
        state, np.repeat(command, n, axis=0), np.full(n, STEP_S), ROADS, car_table(car, n), rules
    )


def running(share: float = 0.0, **columns: float) -> State:
    """A car that is past its prepare step, with some columns as told."""
    state = one(share)
    state["phase"], state["steps"] = Phase.RUN, 1
    for name, value in columns.items():
        state[name] = value
    return state


def off_the_road(share: float = 0.3) -> State:
    """A car 3 m beside the road whose progress before was that of its start."""
    state = running(share)
    state["y"] += 3.0
    return locate_cars(state, ROADS)


# Order of evaluation


def test_first_step_is_prepare_and_does_not_move():
    start = one()
    row, after = run(start)
    assert (row["status"][0], row["steps"][0]) == (Status.PREPARE, 1)
    assert not row["done"][0]
    assert [after[name][0] for name in ("x", "y", "yaw", "vx")] == [
        start[name][0] for name in ("x", "y", "yaw", "vx")
    ]
    assert after["phase"][0] == Phase.RUN
    assert after["clock"][0] == pytest.approx(STEP_S)


def test_a_row_shows_the_pose_before_its_action_acts_and_the_action():
    state = running()
    row, after = run(state, np.array([[17.5, 1.25]]))
    for name in ("x", "y", "yaw", "front_x", "progress", "vx"):
        assert row[name][0] == state[name][0], name
    assert (row["steer_command_deg"][0], row["speed_command"][0]) == (17.5, 1.25)
    assert row["steps"][0] == 2
    assert after["x"][0] > state["x"][0]
    assert after["s"][0] > state["s"][0]


def test_step_leaves_its_arguments_alone():
    state = running()
    before = state.tobytes()
    run(state)
    assert state.tobytes() == before


def test_what_was_chosen_while_the_car_is_held_is_no_command_before():
    _, after = run(one(), np.array([[30.0, 3.0]]))
    row, _ = run(after, GO)
    assert (row["steer_before_deg"][0], row["speed_before"][0]) == (0.0, 0.0)


def test_commands_move_down_the_line_step_by_step():
    state = running()
    for steer in (1.0, 2.0, 3.0):
        row, state = run(state, np.array([[steer, 1.0]]))
    assert [row[f"steer_{when}_deg"][0] for when in ("command", "before", "earlier")] == [
        3.0,
        2.0,
        1.0,
    ]


def test_commands_are_kept_as_chosen_and_clipped_only_on_the_wheels():
    wild, tame = np.array([[90.0, 9.0]]), np.array([[30.0, 4.0]])
    states = running(), running()
    for _ in range(10):
        (row, wild_after), (_, tame_after) = run(states[0], wild), run(states[1], tame)
        states = wild_after, tame_after
    assert (row["steer_command_deg"][0], row["speed_command"][0]) == (90.0, 9.0)
    for name in ("x", "y", "yaw", "vx", "steer"):
        assert states[0][name][0] == states[1][name][0]


# Statuses


def test_off_track_is_no_wheel_on_the_road_and_ends_a_training_episode():
    row, after = run(off_the_road())
    assert row["status"][0] == Status.OFF_TRACK
    assert row["done"][0]
    assert row["wheels"][0] == 0
    assert row["off_tracks"][0] == 1
    assert after["phase"][0] == Phase.RUN  # nobody is put back: the episode is over


def test_one_wheel_on_the_road_is_still_on_track():
    state = running(0.0)
    for aside in np.arange(0.0, 1.5, 0.005):
        state["y"] = OVAL.center[0, 1] + aside
        placed = locate_cars(state, ROADS)
        row, _ = run(placed)
        assert (row["status"][0] == Status.OFF_TRACK) == (placed["wheels"][0] == 0)
        if placed["wheels"][0] == 0:
            return
    pytest.fail("the car never left the road")


def test_lap_is_complete_when_progress_is_100():
    row, _ = run(running(progress=100.0, progress_before=99.5, clock=10.0, lap_start=2.0))
    assert row["status"][0] == Status.LAP_COMPLETE
    assert row["done"][0]
    assert row["lap_time"][0] == pytest.approx(8.0 + STEP_S)


def test_lap_time_is_nan_until_a_lap_is_complete():
    row, _ = run(running(progress=99.9, progress_before=99.5))
    assert np.isnan(row["lap_time"][0])


def test_crashed_car_is_out():
    row, _ = run(running(crashed=True))
    assert row["status"][0] == Status.CRASHED
    assert row["done"][0]
    assert row["crashes"][0] == 1


def test_fifteen_steps_without_motion_are_immobilized():
    state, seen = one(), []
    for _ in range(20):
        row, state = run(state, car=STUCK)
        seen.append(int(row["status"][0]))
        if row["done"][0]:
            break
    assert seen == [Status.PREPARE] + [Status.IN_PROGRESS] * 14 + [Status.IMMOBILIZED]


def test_fifteen_steps_of_falling_progress_are_reversed():
    state, seen = running(0.5, progress=50.0, progress_before=50.0), []
    for _ in range(20):
        state["progress_before"] = state["progress"] + 0.1
        row, state = run(state)
        seen.append(int(row["status"][0]))
        if row["done"][0]:
            break
    assert seen == [Status.IN_PROGRESS] * 14 + [Status.REVERSED]


def test_one_step_forward_forgets_the_steps_backward():
    row, _ = run(running(0.5, progress=50.0, progress_before=49.0, backward_steps=14))
    assert row["backward_steps"][0] == 0
    assert row["status"][0] == Status.IN_PROGRESS


def test_time_is_up_at_the_limit():
    rules = TRAINING._replace(time_limit=2.0)
    early, _ = run(running(clock=2.0), rules=rules)
    late, _ = run(running(clock=2.05), rules=rules)
    assert early["status"][0] == Status.IN_PROGRESS
    assert late["status"][0] == Status.TIME_UP
    assert late["done"][0]


@pytest.mark.parametrize("subset", range(1, 64))
def test_of_several_statuses_the_simulators_first_one_is_shown(subset: int):
    order = (
        Status.LAP_COMPLETE,
        Status.CRASHED,
        Status.OFF_TRACK,
        Status.IMMOBILIZED,
        Status.TIME_UP,
        Status.REVERSED,
    )
    holds = [status for k, status in enumerate(order) if subset >> k & 1]
    state = off_the_road() if Status.OFF_TRACK in holds else running(0.5)
    state["progress"], state["progress_before"] = 20.0, 20.0
    state["crashed"] = Status.CRASHED in holds
    if Status.LAP_COMPLETE in holds:
        state["progress"] = state["progress_before"] = 100.0
    if Status.REVERSED in holds:
        state["progress_before"] += 1.0
        state["backward_steps"] = 14
    state["still_steps"] = 15 if Status.IMMOBILIZED in holds else 0
    rules = TRAINING._replace(time_limit=-1.0 if Status.TIME_UP in holds else inf)
    row, _ = run(state, rules=rules)
    assert row["status"][0] == holds[0]
    assert row["done"][0]


def test_words_are_the_simulators():
    assert [status.word for status in Status] == [
        "lap_complete", "crashed", "off_track", "immobilized", "time_up", "reversed", "in_progress", "prepare", "pause",
    ]  # fmt: skip


# Progress


def slow_progress(share: float, start: float, before: float) -> float:
    p = 100.0 * (share - start)
    if p <= 0.0:
        p += 100.0
    if before > p + 50.0:
        p += 100.0
    if p > before + 50.0:
        p -= 100.0
    return min(p, 100.0)


@settings(deadline=None, max_examples=200)
@given(start=st.integers(0, 19), share=st.floats(0.0, 0.999), before=st.floats(-50.0, 100.0))
def test_progress_unwraps_as_the_simulator_does(start: int, share: float, before: float):
    state = one(share)
    state["start"], state["progress"] = 0.05 * start, before
    placed = locate_cars(state, ROADS)
    assert placed["progress"][0] == slow_progress(
        placed["s"][0] / OVAL.length, 0.05 * start, before
    )
    assert placed["progress_before"][0] == before


def test_progress_is_negative_behind_the_start():
    state = one(0.2)
    state["start"], state["progress"] = 0.25, 0.0
    assert locate_cars(state, ROADS)["progress"][0] == pytest.approx(
        -5.0 + 14.0 / OVAL.length, abs=1e-3
    )


def test_rows_in_turn_carry_progress_on_as_steps_do():
    shares = np.array([0.9, 0.95, 0.999, 0.02, 0.3, 0.1, 0.98])
    state = np.concatenate([one(share) for share in shares])
    state["start"], state["progress"] = 0.9, 0.0
    first = np.array([True, False, False, False, False, True, False])
    expected, before = [], 0.0
    placed = locate_in_sequence(state, first, ROADS)
    for begins, s in zip(first, placed["s"], strict=True):
        before = 0.0 if begins or before >= 100.0 else before
        before = slow_progress(s / OVAL.length, 0.9, before)
        expected.append(before)
    assert placed["progress"].tolist() == expected


def drive_round(rules: Rules, laps: int, share: float = 0.0) -> list[np.void]:
    """Rows of a car that is moved along the center line, a third of a metre a step, until its
    episode is over.
    """
    _, state = run(one(share), rules=rules)
    rows = []
    for k in range(1, int(laps * OVAL.length / 0.3) + 10):
        row, after = run(state, rules=rules)
        rows.append(row[0])
        if row["done"][0]:
            break
        spot = begin_episodes(
            [OVAL], ROADS, np.zeros(1, np.int32), np.array([(share + 0.3 * k / OVAL.length) % 1.0])
        )
        for name in ("x", "y", "yaw"):
            after[name] = spot[name]
        after["progress"] = row["progress"] if row["progress"][0] < 100.0 else 0.0
        state = locate_cars(after, ROADS)
    return rows


def test_continuous_race_counts_laps_and_ends_with_the_last():
    rows = drive_round(EVALUATION._replace(laps=3), 3, 0.35)
    finished = [row for row in rows if row["progress"] >= 100.0]
    assert [Status(row["status"]).word for row in finished] == [
        "in_progress",
        "in_progress",
        "lap_complete",
    ]
    assert [bool(row["done"]) for row in finished] == [False, False, True]
    assert [int(row["episode"]) for row in finished] == [0, 1, 2]
    assert np.diff([row["steps"] for row in rows]).tolist() == [1] * (len(rows) - 1)
    times = [float(row["lap_time"]) for row in finished]
    assert times == pytest.approx([OVAL.length / 0.3 * STEP_S] * 3, abs=2.1 * STEP_S)
    assert sum(times) == pytest.approx(
        rows[-1]["clock"] + STEP_S
    )  # no time is lost between laps; PREPARE is in the first


def test_progress_of_the_second_lap_begins_behind_the_line_again():
    rows = drive_round(EVALUATION._replace(laps=2), 2, 0.35)
    k = next(k for k, row in enumerate(rows) if row["progress"] >= 100.0)
    assert rows[k + 1]["progress_before"] == 0.0
    assert 0.0 < rows[k + 1]["progress"] < 3.0


# Resets


def evaluation_rows(penalty: float, n: int) -> list[np.void]:
    rules = EVALUATION._replace(off_track_penalty=penalty)
    state, rows = off_the_road(), []
    for _ in range(n):
        row, after = run(state, rules=rules)
        state = put_back(row, after, [OVAL], ROADS)
        rows.append(row[0])
    return rows


@pytest.mark.parametrize(("penalty", "pauses"), [(2.0, 30), (3.0, 45), (1.0, 15), (0.0, 1)])
def test_a_penalty_is_waited_out_in_pause_rows(penalty: float, pauses: int):
    rows = evaluation_rows(penalty, pauses + 3)
    words = [Status(row["status"]).word for row in rows]
    assert words == ["off_track", *["pause"] * pauses, "in_progress", "in_progress"]
    assert rows[0]["pause"] == pytest.approx(penalty)
    assert not any(row["done"] for row in rows)
    assert len({(row["x"], row["y"], row["yaw"]) for row in rows[1 : pauses + 2]}) == 1
    assert rows[pauses + 1]["vx"] == 0.0
    assert rows[pauses + 2]["vx"] > 0.0


@pytest.mark.parametrize("laps", [1, 2])
def test_a_lap_is_complete_where_a_car_is_put_back_beyond_the_line(laps: int):
    rules = EVALUATION._replace(laps=laps, off_track_penalty=0.2)
    state = running(0.998)
    state["y"] -= 3.0
    state = locate_cars(state, ROADS)
    state["progress"], state["progress_before"], state["lap_start"] = 99.8, 99.7, -10.0
    rows = []
    while len(rows) < 6 and not (rows and rows[-1]["done"]):
        row, after = run(state, rules=rules)
        state = put_back(row, after, [OVAL], ROADS)
        rows.append(row[0])
    timed = [k for k, row in enumerate(rows) if np.isfinite(row["lap_time"])]
    assert timed == [1]
    assert rows[1]["lap_time"] == pytest.approx(10.0 + 2 * STEP_S)
    rest = ["lap_complete"] if laps == 1 else ["pause"] * 3 + ["in_progress"] * 2
    assert [Status(row["status"]).word for row in rows] == ["off_track", *rest]


def test_each_incident_counts_until_none_is_forgiven():
    rules = EVALUATION._replace(resets=2)
    ends = []
    for resets in (0, 1, 2):
        state = off_the_road()
        state["resets"] = resets
        row, _ = run(state, rules=rules)
        ends.append((bool(row["done"][0]), int(row["resets"][0])))
    assert ends == [(False, 1), (False, 2), (True, 2)]


def test_immobilized_costs_no_penalty_and_a_crash_five_seconds():
    for columns, penalty in (({"still_steps": 15}, 0.0), ({"crashed": True}, 5.0)):
        row, _ = run(running(0.5, progress=50.0, progress_before=50.0, **columns), rules=EVALUATION)
        assert row["pause"][0] == penalty
        assert not row["done"][0]


@pytest.mark.parametrize(("rule", "before", "own"), [("before", 4.0, 3.0), ("own", 3.0, 4.0)])
def test_a_car_is_put_back_on_the_middle_of_the_lane_that_it_left(
    rule: str, before: float, own: float
):
    for aside, border in ((1.2, OVAL.inner), (-1.2, OVAL.outer)):
        state = running(0.02)
        state["driven_y"] += 0.1 * aside
        state["y"] -= aside
        state = locate_cars(state, ROADS)
        state["progress_before"], state["progress"] = before, own
        row, after = run(state, rules=EVALUATION)
        back = put_back(row, after, [OVAL], ROADS, rule=rule)[0]
        assert back["s"] == pytest.approx(0.04 * OVAL.length + 0.14, abs=1e-6)
        assert back["distance"] == pytest.approx(0.25 * back["width"], abs=1e-6)
        lane = np.interp(0.04 * OVAL.length, OVAL.s, 0.5 * (OVAL.center + border)[:, 1])
        assert back["y"] == pytest.approx(lane, abs=1e-6)
        assert back["wheels"] == 4


@pytest.mark.parametrize(("log", "steps"), [("eval1", 149), ("eval2", 123)])
def test_golden_resets_of_real_evaluations(shared_data: Path, log: str, steps: int):
    """drfc3/eval1: off track at step 149; the simulator set the car down at (1.4443, 4.2739),
    -177.6 deg, for 3 s.
    """
    real = logs.read_log(shared_data / "logs" / "drfc3" / f"{log}.csv.gz").trace
    at = int(np.flatnonzero(real["episode_status"] == "off_track")[0])
    track = route.load_route(shared_data / "tracks" / "log_variants" / "reinvent_base_119pts.npy")
    roads = pack_tracks([track])
    now, before = real.iloc[at], real.iloc[at - 1]
    state = begin_episodes([track], roads, np.zeros(1, np.int32), np.zeros(1))
    state["phase"], state["steps"], state["yaw"] = Phase.RUN, steps - 1, np.radians(now["yaw"])
    state["x"] = now["X"] - 0.14 * np.cos(state["yaw"])
    state["y"] = now["Y"] - 0.14 * np.sin(state["yaw"])
    state["driven_x"] = before["X"] - 0.14 * np.cos(np.radians(before["yaw"]))
    state["driven_y"] = before["Y"] - 0.14 * np.sin(np.radians(before["yaw"]))
    state["progress"] = before["progress"]
    state = locate_cars(state, roads)
    rules = EVALUATION._replace(off_track_penalty=3.0)
    row, after = step_cars(
        state, np.array([[30.0, 2.0]]), np.array([STEP_S]), roads, car_table(V4, 1), rules
    )
    assert Status(row["status"][0]).word == "off_track"
    assert row["steps"][0] == steps
    back = put_back(row, after, [track], roads, rule=V4.put_back)[0]
    held = real.iloc[at + 3]  # the first two rows still wobble
    assert back["front_x"] == pytest.approx(held["X"], abs=0.001)
    assert back["front_y"] == pytest.approx(held["Y"], abs=0.001)
    assert np.degrees(back["yaw"]) == pytest.approx(held["yaw"], abs=0.2)
    assert back["progress"] == pytest.approx(held["progress"], abs=0.01)


# Many cars


def bits(state: State) -> bytes:
    """All columns, but for the padding between them."""
    return b"".join(state[name].tobytes() for name in state.dtype.names)


def random_commands(steps: int, n: int) -> np.ndarray:
    return np.random.default_rng(5).uniform([-30.0, 0.5], [30.0, 2.5], (steps, n, 2))


def traced(field: Simulation, commands: np.ndarray) -> list[bytes]:
    """Bytes of every column of the trace of every step; cars whose episode is over begin the next
    one.
    """
    out = []
    for command in commands:
        row = field.step(command)
        columns = trace_columns(
            row, np.full(len(row), -1), np.zeros(len(row)), field.scenario.tracks
        )
        out.append(b"".join(np.asarray(column).astype("S32" if column.dtype == object else column.dtype).tobytes()
                            for column in columns.values()))  # fmt: skip
        field.restart(np.flatnonzero(row["done"]))
    return out


@pytest.mark.parametrize("noise", ["none", "robust"])
@pytest.mark.parametrize("evaluation", [False, True])
def test_the_same_seed_gives_the_same_bytes_of_trace(noise: str, evaluation: bool):
    from racer.sim.noise import NOISES

    race = Scenario(
        OVAL,
        V6,
        EVALUATION if evaluation else TRAINING,
        START_LINE if evaluation else Starts(),
        NOISES[noise],
    )
    commands = random_commands(120, 3)
    assert traced(Simulation(race, 3, seed=7), commands) == traced(
        Simulation(race, 3, seed=7), commands
    )
    if noise == "robust":
        assert traced(Simulation(race, 3, seed=7), commands) != traced(
            Simulation(race, 3, seed=8), commands
        )


@pytest.mark.parametrize("noise", ["none", "robust"])
@pytest.mark.parametrize("evaluation", [False, True])
def test_car_k_of_a_batch_is_bit_equal_to_the_same_car_among_fewer(noise: str, evaluation: bool):
    from racer.sim.noise import NOISES

    starts = Starts(advance=0.05, alternate_direction=True)
    race = Scenario(OVAL, V6, EVALUATION if evaluation else TRAINING, starts, NOISES[noise])
    commands = random_commands(150, 9)
    many, few = Simulation(race, 9, seed=3), Simulation(race, 4, seed=3)
    for command in commands:
        rows, alone = many.step(command), few.step(command[:4])
        assert bits(rows[:4]) == bits(alone)
        many.restart(np.flatnonzero(rows["done"]))
        few.restart(np.flatnonzero(alone["done"]))


def test_any_car_of_a_batch_is_bit_equal_to_one_stepped_alone():
    state = np.concatenate([running(share) for share in np.linspace(0.0, 0.95, 12)])
    commands = random_commands(40, 12)
    alone = [state[k : k + 1] for k in range(12)]
    for command in commands:
        _, state = step_cars(
            state, command, np.full(12, STEP_S), ROADS, car_table(V6, 12), TRAINING
        )
        alone = [
            step_cars(
                car, command[k : k + 1], np.full(1, STEP_S), ROADS, car_table(V6, 1), TRAINING
            )[1]
            for k, car in enumerate(alone)
        ]
    assert bits(np.concatenate(alone)) == bits(state)


def test_snapshot_and_restore_repeat_the_same_drive():
    from racer.sim.noise import NOISES

    field = Simulation(Scenario(OVAL, V6, noise=NOISES["robust"]), 3, seed=1)
    commands = random_commands(90, 3)
    traced(field, commands[:30])
    snapshot = field.snapshot()
    first = traced(field, commands[30:])
    field.restore(snapshot)
    assert traced(field, commands[30:]) == first
