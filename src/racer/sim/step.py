"""One step of the simulator for N cars: the rules judge where a car is, then its command moves it.

Order as in the real simulator: a command is chosen from the last observation; the rules (and the
reward parameters) look at the pose before the command has any effect; then the car moves until the
next camera frame (docs/simulator.md 1.5).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.state import ROW_BYTES, STATE, Phase, Rules, State, Status
from racer.track import PackedTracks, nearest_segment, on_road
from racer.vehicle import FRONT_POINT_M, SPEED_LIMITS_MPS, WHEEL_CENTERS_M, advance_motion

STILL_M = 0.0003  # a step that count as no motion
OVER_S = 1e-9  # of penalty left that count as none
DUE = 1 << 20  # steps: an incident that a bot car's touch has put off, due at the next step
SLOWEST_MPS = SPEED_LIMITS_MPS[0]

# compiled code takes plain numbers
PREPARE, RUN, PAUSE = (int(phase) for phase in Phase)
LAP_COMPLETE = int(Status.LAP_COMPLETE)
CRASHED = int(Status.CRASHED)
OFF_TRACK = int(Status.OFF_TRACK)
IMMOBILIZED = int(Status.IMMOBILIZED)
TIME_UP = int(Status.TIME_UP)
REVERSED = int(Status.REVERSED)
IN_PROGRESS = int(Status.IN_PROGRESS)
PREPARED = int(Status.PREPARE)
PAUSED = int(Status.PAUSE)
_WHEELS = np.array(WHEEL_CENTERS_M)


def step_cars(
    state: State,
    command: NDArray[np.float64],
    dt: NDArray[np.float64],
    packed: PackedTracks,
    cars: NDArray[np.void],
    rules: Rules,
    out: State | None = None,
) -> tuple[State, State]:
    """What N cars do in one step: the judged rows, and the cars as the next step finds them.

    `state` (N,); `command` (N, 2) steering deg and speed m/s as chosen; `dt` (N,) s; `cars` (N,)
    rows of `car.CAR_PARAMETERS`. The first table is what rewards and logs see: the pose before the
    command acts, the status and whether the episode is over. The second one has moved; a car whose
    episode is over must be started anew, and one whose `phase` became PAUSE must be put back onto
    the road (`racer.sim.placement`). They are the halves of `out` (2, N), where that is given.
    """
    if out is None:
        out = np.empty((2, len(state)), STATE)
    row, after = out
    # numba reads plain tuples sooner
    _step(state, row, after, command, dt, tuple(packed), cars, tuple(rules))
    return row, after


@njit(cache=True, error_model="numpy")
def tally_rows(rows, step_limit):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many of the judged `rows` are of driving cars, and how many have reached the step limit."""
    driving = 0
    late = 0
    for i in range(len(rows)):
        driving += rows[i].phase == RUN
        late += rows[i].steps >= step_limit
    return driving, late


def locate_cars(state: State, packed: PackedTracks) -> State:
    """The cars with the columns of their place on the track filled in from x, y and yaw, and
    progress carried on.
    """
    located = state.view(ROW_BYTES).copy().view(STATE)
    _locate(located, tuple(packed))
    return located


def locate_in_sequence(state: State, first: NDArray[np.bool_], packed: PackedTracks) -> State:
    """`locate_cars` for rows that follow one another: progress goes on from the row before, as from
    step to step.

    Where `first` (N,) holds, an episode begins or is joined, and the row's own `progress` is the
    one to go on from.
    """
    located = state.view(ROW_BYTES).copy().view(STATE)
    _locate_in_sequence(located, first, tuple(packed))
    return located


@njit(cache=True, error_model="numpy")
def _step(state, row, after, command, dt, packed, cars, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    rules = Rules(*rules)
    for i in range(len(row)):
        row[i] = state[i]
        car = row[i]
        car.steps += 1
        car.dt = dt[i]
        car.done = False
        car.lap_time = np.nan
        _take_command(car, command[i, 0], command[i, 1])
        if car.phase == RUN:
            _judge(car, rules)
        elif car.phase == PREPARE:
            car.status = PREPARED
            car.done = _is_late(car, rules)
        else:
            _wait(car, rules)
        after[i] = car
        _proceed(after[i], cars[i])
    _locate(after, packed)


@njit(cache=True, error_model="numpy", inline="always")
def _take_command(car, steer_deg, speed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    car.steer_earlier_deg = car.steer_before_deg
    car.speed_earlier = car.speed_before
    car.steer_before_deg = car.steer_command_deg
    car.speed_before = car.speed_command
    car.steer_command_deg = steer_deg
    car.speed_command = speed


@njit(cache=True, error_model="numpy")
def _judge(car, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Status of a driving car, whether its episode is over, and the penalty that it must wait for
    (docs/simulator.md 2.4).
    """
    if car.backward_steps < DUE:
        car.backward_steps = car.backward_steps + 1 if car.progress < car.progress_before else 0
    is_finished = _finishes(car, rules)
    is_late = _is_late(car, rules)
    is_over = is_finished or is_late
    is_backward = car.backward_steps >= rules.backward_limit
    is_still = car.still_steps >= rules.still_limit
    if car.touched and not is_over:
        car.status = IN_PROGRESS
        _put_off(car, is_backward, is_still)
        return
    # a touch that is no crash of its own is one in the step that ends the episode
    car.crashed = car.crashed or car.touched
    car.status = _status(car, is_finished, is_late, is_backward, is_still)
    car.off_tracks += car.status == OFF_TRACK
    car.crashes += car.status == CRASHED
    if is_over:
        car.done = True
    elif car.status != IN_PROGRESS and car.resets < rules.resets:
        car.resets += 1
        car.pause = _penalty(car.status, rules)
    elif car.status != IN_PROGRESS:
        car.done = True


@njit(cache=True, error_model="numpy", inline="always")
def _is_late(car, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return car.clock - car.episode_start > rules.time_limit


@njit(cache=True, error_model="numpy", inline="always")
def _status(car, is_finished, is_late, is_backward, is_still):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The simulator's word for a step: of several things that hold at once, that of the first."""
    if is_finished:
        return LAP_COMPLETE
    if car.crashed:
        return CRASHED
    if car.wheels == 0:
        return OFF_TRACK
    if is_still:
        return IMMOBILIZED
    if is_late:
        return TIME_UP
    if is_backward:
        return REVERSED
    return IN_PROGRESS


@njit(cache=True, error_model="numpy", inline="always")
def _penalty(status, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if status == CRASHED:
        return rules.collision_penalty
    if status == IMMOBILIZED:
        return rules.immobilized_penalty
    return rules.off_track_penalty


@njit(cache=True, error_model="numpy", inline="always")
def _put_off(car, is_backward, is_still):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """A bot car that touches the car from behind hides what else would be an incident: standing and
    driving backward are due when it is gone, unless a lap is completed.
    """
    due = 0 if car.progress >= 100.0 else DUE
    if is_backward:
        car.backward_steps = due
    if is_still:
        car.still_steps = due


@njit(cache=True, error_model="numpy")
def _wait(car, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """A step of a car that is held: its penalty goes down. It may have been put back beyond the
    line, and its time may be up.
    """
    car.status = PAUSED
    car.pause -= car.dt
    if car.pause <= OVER_S:
        car.pause = 0.0
    is_finished = _finishes(car, rules)
    is_late = _is_late(car, rules)
    if is_finished or is_late:
        car.crashed = car.touched
        car.status = _status(car, is_finished, is_late, False, False)
        car.done = True


@njit(cache=True, error_model="numpy")
def _finishes(car, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether the last lap of the episode is complete; notes the time of any lap that is."""
    if car.progress < 100.0:
        return False
    car.lap_time = car.clock + car.dt - car.lap_start
    return car.episode_laps + 1 >= rules.laps


@njit(cache=True, error_model="numpy")
def _proceed(car, parameters):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The car as the next step finds it: one step later, moved if it drives, in its next phase."""
    car.clock += car.dt
    if car.phase == RUN:
        car.driven_x = car.x
        car.driven_y = car.y
        car.speed_command = max(car.speed_command, SLOWEST_MPS)
        _drive(car, parameters)
        if car.status <= REVERSED and not car.done:
            car.phase = PAUSE
            car.backward_steps = 0
            car.still_steps = 0
    else:
        # what was chosen while the car is held never reaches it
        car.steer_command_deg = 0.0
        car.speed_command = 0.0
        if car.phase == PREPARE or car.pause == 0.0:
            car.phase = RUN
            car.still_steps = 1
    if car.progress >= 100.0 and not car.done:
        _begin_lap(car)


@njit(cache=True, error_model="numpy", inline="always")
def _begin_lap(car):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    car.episode += 1
    car.episode_laps += 1
    car.lap_start = car.clock
    car.off_tracks = 0
    car.crashes = 0
    car.progress = 0.0


@njit(cache=True, error_model="numpy")
def _drive(car, parameters):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Move the car by its commands, which reach it `delay` late: the step begins under the one
    before.
    """
    delay = parameters.delay
    if delay >= car.dt:
        delay -= car.dt
        before = (car.steer_earlier_deg, car.speed_earlier)
        command = (car.steer_before_deg, car.speed_before)
    else:
        before = (car.steer_before_deg, car.speed_before)
        command = (car.steer_command_deg, car.speed_command)
    x = car.x
    y = car.y
    motion = (x, y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer)
    car.x, car.y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer = advance_motion(
        parameters, motion, before, command, delay, car.dt
    )
    moved = (car.x - x) * (car.x - x) + (car.y - y) * (car.y - y)
    if car.still_steps < DUE:
        car.still_steps = car.still_steps + 1 if moved <= STILL_M * STILL_M else 0


@njit(cache=True, error_model="numpy")
def _locate_in_sequence(rows, first, packed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(rows)):
        if not first[i]:
            before = rows[i - 1].progress
            rows[i].progress = 0.0 if before >= 100.0 else before
        _locate(rows[i : i + 1], packed)


@njit(cache=True, error_model="numpy")
def _locate(rows, packed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the columns that say where on their tracks cars are."""
    vertices, tracks, cells, candidates, bands, edges = packed
    for i in range(len(rows)):
        car = rows[i]
        track = tracks[car.track]
        cos = np.cos(car.yaw)
        sin = np.sin(car.yaw)
        front_x = car.x + FRONT_POINT_M * cos
        front_y = car.y + FRONT_POINT_M * sin
        k, fraction = nearest_segment(vertices, cells, candidates, track.center, front_x, front_y)
        x, y = _spot_on(vertices[k], fraction)
        car.front_x = front_x
        car.front_y = front_y
        car.s = vertices[k].s + fraction * (vertices[k + 1].s - vertices[k].s)
        car.distance = _length(front_x - x, front_y - y)
        _find_waypoints(car, vertices, track.center, k)
        # the borders beside the spot on the center line, not beside the car
        inner = _spot_nearest(vertices, cells, candidates, track.inner, x, y)
        outer = _spot_nearest(vertices, cells, candidates, track.outer, x, y)
        _measure_borders(car, inner, outer, track.is_ccw)
        car.wheels = 0
        for k in range(4):
            ahead = _WHEELS[k, 0]
            left = _WHEELS[k, 1]
            wheel_x = car.x + cos * ahead - sin * left
            wheel_y = car.y + sin * ahead + cos * left
            car.wheels += on_road(cells, bands, edges, track, wheel_x, wheel_y)
        _update_progress(car, vertices[track.center.last].s)


@njit(cache=True, error_model="numpy", inline="always")
def _spot_nearest(vertices, cells, candidates, line, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """x and y of the spot on a line that is nearest to another one."""
    k, fraction = nearest_segment(vertices, cells, candidates, line, x, y)
    return _spot_on(vertices[k], fraction)


@njit(cache=True, error_model="numpy", inline="always")
def _measure_borders(car, inner, outer, is_ccw):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in what follows from the spots on the borders beside the car."""
    inner_x, inner_y = inner
    outer_x, outer_y = outer
    car.inner_distance = _length(car.front_x - inner_x, car.front_y - inner_y)
    car.outer_distance = _length(car.front_x - outer_x, car.front_y - outer_y)
    car.width = _length(inner_x - outer_x, inner_y - outer_y)
    car.left = (car.inner_distance < car.outer_distance) == is_ccw


@njit(cache=True, error_model="numpy", inline="always")
def _spot_on(start, fraction):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """x and y at a fraction of the segment from vertex `start` on."""
    return start.x + fraction * start.dx, start.y + fraction * start.dy


@njit(cache=True, error_model="numpy", inline="always")
def _find_waypoints(car, vertices, center, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The closest waypoints by arc length, as `bisect_right` finds them, from vertex `i` on.

    On a vertex the next one counts, and at the very end of the line they are its last vertex and
    the first.
    """
    if car.s >= vertices[center.last].s:
        car.previous = center.last - center.first
        car.next = 0
    else:
        while vertices[i + 1].s <= car.s:
            i += 1
        car.previous = i - center.first
        car.next = i + 1 - center.first
    before = vertices[center.first + car.previous]
    ahead = vertices[center.first + car.next]
    to_ahead = _length(car.front_x - ahead.x, car.front_y - ahead.y)
    to_before = _length(car.front_x - before.x, car.front_y - before.y)
    car.closest = car.next if to_ahead < to_before else car.previous


@njit(cache=True, error_model="numpy", inline="always")
def _length(x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return np.sqrt(x * x + y * y)


@njit(cache=True, error_model="numpy", inline="always")
def _update_progress(car, length):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Percent of the lap since the episode's start, as the simulator unwraps it from the step
    before (docs/simulator.md 1.4).
    """
    before = car.progress
    progress = 100.0 * (car.s / length - car.start)
    if progress <= 0.0:
        progress += 100.0
    if before > progress + 50.0:
        progress += 100.0
    if progress > before + 50.0:
        progress -= 100.0
    car.progress_before = before
    car.progress = min(progress, 100.0)
