"""The vehicle model against the equations it states, and laws that any car obeys."""

from __future__ import annotations

from itertools import pairwise
from math import atan2, copysign, cos, exp, hypot, inf, pi, radians, sin, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import UsageError
from racer.vehicle.car import CARS, STEP_S, V4, V5, V6, Car, car_preset, car_table
from racer.vehicle.dynamics import advance_motion

Motion = tuple[float, ...]
Command = tuple[float, float]
REST: Motion = (0.0,) * 7
EACH = pytest.mark.parametrize("car", list(CARS.values()), ids=list(CARS))


def drive(
    car: Car, commands: list[Command], motion: Motion = REST, **changes: float
) -> list[Motion]:
    """Motion after each control step; the car is given `(0, 0)` before its first command."""
    row = car_table(car, 1)[0]
    for name, value in changes.items():
        row[name] = value
    before, seen = (0.0, 0.0), []
    for command in commands:
        motion = advance_motion(row, motion, before, command, row["delay"], STEP_S)
        seen.append(motion)
        before = command
    return seen


def slow(car: Car, commands: list[Command], motion: Motion = REST, h: float = 2e-5) -> list[Motion]:
    """The equations of `racer.vehicle.dynamics`, written down again and stepped explicitly in tiny
    steps.
    """
    seen, before = [], (0.0, 0.0)
    for command in commands:
        n = round(STEP_S / h)
        late = round(car.delay / STEP_S * n)
        for k in range(n):
            if k == late:
                jump = car.steer_jump * (
                    radians(clip(command[0], 30.0)) - radians(clip(before[0], 30.0))
                )
                motion = (*motion[:6], motion[6] + jump)
            motion = tiny(car, motion, command if k >= late else before, STEP_S / n)
        seen.append(motion)
        before = command
    return seen


def clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


def tiny(car: Car, motion: Motion, command: Command, h: float) -> Motion:
    x, y, yaw, vx, vy, r, d = motion
    target = radians(clip(command[0], 30.0))
    u = min(max(command[1], 0.1), 4.0) + car.speed_offset if command[1] > 0.0 else 0.0
    d = target + (d - target) * exp(-h / car.steer_lag)
    lf, lr = car.front_axle, car.rear_axle
    ux, uy = cos(d) * vx + sin(d) * (vy + lf * r), -sin(d) * vx + cos(d) * (vy + lf * r)
    q, w = car.front_gain * u - ux, vy - lr * r
    fx = car.drive_limit * q / hypot(q, car.drive_soft)
    fy = -car.front_limit * uy / hypot(uy, car.front_soft)
    p = car.rear_gain * u - vx
    gx = car.drive_limit * p / hypot(p, car.drive_soft) / 2.0
    gy = -car.rear_limit * w / hypot(w, car.rear_soft) / 2.0
    front, rear, drive = cos(d) * fy / 2.0, gy, sin(d) * fx / 2.0
    # both axles slide: their friction is scaled down together
    if abs(front + rear + drive) > car.side_limit:
        share = (copysign(car.side_limit, front + rear + drive) - drive) / (front + rear)
        share = min(max(share, 0.0), 1.0)
        fy, gy = fy * share, gy * share
    bx, by = (cos(d) * fx - sin(d) * fy) / 2.0, (sin(d) * fx + cos(d) * fy) / 2.0
    ax = bx + gx + r * vy - car.drag * vx * vx
    ay = by + gy - r * vx
    turn = (lf * by - lr * gy) / car.inertia
    x, y = x + h * (cos(yaw) * vx - sin(yaw) * vy), y + h * (sin(yaw) * vx + cos(yaw) * vy)
    return x, y, yaw + h * r, max(vx + h * ax, 0.0), vy + h * ay, r + h * turn, d


COMMANDS = [(12.0, 1.5)] * 5 + [(-20.0, 2.0)] * 4 + [(5.0, 0.8)] * 4 + [(0.0, 2.4)] * 4


@EACH
def test_the_compiled_step_is_the_equations_it_states(car: Car):
    ours, expected = drive(car, COMMANDS, substeps=400)[-1], slow(car, COMMANDS)[-1]
    turned = (ours[2] - expected[2] + pi) % (2.0 * pi) - pi
    # of 2 m driven; measured: 0.001
    assert hypot(ours[0] - expected[0], ours[1] - expected[1]) < 0.004
    assert abs(turned) < 0.004
    assert ours[3:6] == pytest.approx(expected[3:6], abs=0.02)
    assert ours[6] == pytest.approx(expected[6], abs=1e-3)


@EACH
def test_the_chosen_substeps_are_near_the_equations(car: Car):
    ours, expected = drive(car, COMMANDS)[-1], drive(car, COMMANDS, substeps=800)[-1]
    assert hypot(ours[0] - expected[0], ours[1] - expected[1]) < 0.06


@EACH
def test_the_error_of_integration_falls_with_the_substeps(car: Car):
    exact = drive(car, COMMANDS, substeps=3200)[-1]
    errors = []
    for n in (4, 16, 64, 256):
        motion = drive(car, COMMANDS, substeps=n)[-1]
        errors.append(hypot(motion[0] - exact[0], motion[1] - exact[1]))
    assert all(finer < coarser / 2 for coarser, finer in pairwise(errors))


@EACH
def test_a_standing_car_without_a_command_stays(car: Car):
    assert drive(car, [(25.0, 0.0)] * 30)[-1][:6] == REST[:6]


@EACH
def test_a_car_without_steering_drives_straight(car: Car):
    x, y, yaw, vx, vy, r, steer = drive(car, [(0.0, 2.0)] * 45)[-1]
    assert (y, yaw, vy, r, steer) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert x > 4.0
    assert 0.9 * 2.0 < vx < 1.2 * 2.0


ANY = st.lists(st.tuples(st.floats(-40.0, 40.0), st.floats(0.0, 5.0)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=60)
@given(commands=ANY, name=st.sampled_from(list(CARS)))
def test_mirrored_commands_drive_the_mirror_image(commands: list[Command], name: str):
    left = drive(CARS[name], commands)[-1]
    right = drive(CARS[name], [(-steer, speed) for steer, speed in commands])[-1]
    assert (right[0], right[3]) == (left[0], left[3])
    assert tuple(-right[k] for k in (1, 4, 5, 6)) == tuple(left[k] for k in (1, 4, 5, 6))
    assert (right[2] == -left[2]) or abs(left[2]) == pytest.approx(pi)


@settings(deadline=None, max_examples=60)
@given(commands=ANY, name=st.sampled_from(list(CARS)))
def test_whatever_is_commanded_the_motion_stays_finite_and_the_speed_bounded(
    commands: list[Command], name: str
):
    for motion in drive(CARS[name], commands):
        assert np.isfinite(motion).all()
        assert 0.0 <= motion[3] < 5.5
        assert -pi < motion[2] <= pi
        assert abs(motion[6]) <= radians(30.0) + 1e-12


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(list(CARS)),
    vx=st.floats(0.0, 4.0), vy=st.floats(-2.0, 2.0), r=st.floats(-8.0, 8.0), steer=st.floats(-30.0, 30.0),
)  # fmt: skip
def test_energy_never_grows_without_a_command(
    name: str, vx: float, vy: float, r: float, steer: float
):
    car, start = CARS[name], (0.0, 0.0, 0.0, vx, vy, r, radians(steer))
    energy = [vx * vx + vy * vy + car.inertia * r * r]
    for motion in drive(car, [(steer, 0.0)] * 20, start):
        energy.append(motion[3] ** 2 + motion[4] ** 2 + car.inertia * motion[5] ** 2)
    assert all(after <= before + 1e-12 for before, after in pairwise(energy))


@pytest.mark.parametrize("speed", [1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
@pytest.mark.parametrize("steer", [3.0, 6.0, 10.0, 15.0, 20.0, 30.0])
def test_v6_never_corners_harder_than_logs_have_shown(speed: float, steer: float):
    """Whatever the driving force: the path itself does not bend harder, even when the car spins."""
    motions = drive(V6, [(steer, speed)] * 60)[30:]
    for before, after in pairwise(motions):
        course = [yaw + atan2(vy, vx) for _, _, yaw, vx, vy, _, _ in (before, after)]
        turned = (course[1] - course[0] + pi) % (2.0 * pi) - pi
        assert hypot(after[3], after[4]) * abs(turned) / STEP_S <= 6.5 * 1.02


def test_v6_does_reach_the_hardest_cornering_of_the_logs():
    _, _, _, vx, vy, r, _ = drive(V6, [(15.0, 2.5)] * 60)[-1]
    assert hypot(vx, vy) * r > 5.0


@pytest.mark.parametrize(("car", "low", "high"), [(V4, 2.0, 4.0), (V5, 2.0, 4.0)])
def test_v4_and_v5_slide_at_about_a_third_of_gravity(car: Car, low: float, high: float):
    _, _, _, vx, vy, r, _ = drive(car, [(12.0, 2.5)] * 75)[-1]
    assert low < hypot(vx, vy) * abs(r) < high


def test_v4_outruns_slow_commands_as_logs_show():
    # logs: 1.08 to 1.12 times the command below 1 m/s; its wheels turn on by 5 cm/s
    speeds = {speed: drive(V4, [(0.0, speed)] * 75)[-1][3] for speed in (0.4, 0.8, 2.0)}
    assert 1.1 < speeds[0.4] / 0.4 < 1.2
    assert 1.04 < speeds[0.8] / 0.8 < 1.12
    assert 0.97 < speeds[2.0] / 2.0 < 1.04
    assert drive(V4, [(0.0, 0.0)] * 15)[-1][3] == 0.0


def test_v5_accelerates_and_brakes_as_logs_show():
    launch = drive(V5, [(0.0, 4.0)] * 10)
    assert 2.8 < launch[9][3] / (10 * STEP_S) < 3.8
    brake = drive(V5, [(0.0, 0.5)] * 5, (0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0))
    assert 3.0 < (3.0 - brake[4][3]) / (5 * STEP_S) < 4.5


def test_a_command_acts_after_its_delay():
    free = drive(V6, [(0.0, 2.0)], delay=0.0, substeps=200)[0]
    late = drive(V6, [(0.0, 2.0)], delay=0.04, substeps=200)[0]
    row = car_table(V6, 1)[0]
    row["substeps"] = 200
    cut = advance_motion(row, REST, (0.0, 0.0), (0.0, 2.0), 0.0, STEP_S - 0.04)
    assert late[0] < free[0]
    assert late[3] == pytest.approx(cut[3], rel=0.01)  # the car has had 0.0267 s of the command


def test_a_delay_of_the_whole_step_leaves_it_to_the_command_before():
    row = car_table(V5, 1)[0]
    motion = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    late = advance_motion(row, motion, (10.0, 1.0), (-30.0, 3.0), STEP_S, STEP_S)
    held = advance_motion(row, motion, (10.0, 1.0), (10.0, 1.0), 0.0, STEP_S)
    assert late[:6] == pytest.approx(held[:6], abs=5e-3)


def test_a_share_of_a_steering_change_is_immediate_and_the_rest_lags():
    steer = drive(V4, [(20.0, 0.0)])[0][6]
    expected = radians(20.0) * (1.0 - (1.0 - V4.steer_jump) * exp(-STEP_S / V4.steer_lag))
    assert steer == pytest.approx(expected, rel=1e-9)


def test_an_unchanged_command_jumps_no_further():
    angles = [motion[6] for motion in drive(V4, [(20.0, 0.0)] * 200)]
    assert angles[-1] == pytest.approx(radians(20.0), abs=1e-6)
    assert max(angles) <= radians(20.0) + 1e-12


def test_position_is_where_the_heading_and_speeds_lead():
    start: Motion = (2.0, -1.0, 3.0, 1.5, 0.0, 0.0, 0.0)
    moved = drive(V6, [(0.0, 1.5)] * 3, start)[-1]
    assert atan2(moved[1] + 1.0, moved[0] - 2.0) == pytest.approx(3.0)
    turned = drive(V6, [(0.0, 1.5)] * 3, (0.0, 0.0, 0.0, *start[3:]))[-1]
    assert sqrt((moved[0] - 2.0) ** 2 + (moved[1] + 1.0) ** 2) == pytest.approx(turned[0])


def test_presets_say_how_far_logs_have_shown_them():
    assert (V6.identified_speed, V6.identified_lateral, V6.side_limit) == (2.5, 6.5, 6.5)
    assert V5.side_limit == inf
    assert car_preset("v5") is V5
    with pytest.raises(UsageError, match="did you mean 'v6'"):
        car_preset("v66")


def test_a_table_of_cars_has_rows_of_their_own():
    rows = car_table(V5, 3)
    rows["front_limit"][1] = 1.0
    assert rows["front_limit"].tolist() == [V5.front_limit, 1.0, V5.front_limit]
