"""One step of the simulator for N cars: the rules judge where a car is, then its command moves it.

Order as in the real simulator: a command is chosen from the last observation; the rules (and the
reward parameters) look at the pose before the command has any effect; then the car moves until the
next camera frame.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.state import ROW_BYTES, STATE, Phase, Rules, State, Status
from racer.track.spatial_index import PackedTracks, nearest_segment, on_road
from racer.vehicle.car import FRONT_POINT_M, WHEEL_CENTERS_M
from racer.vehicle.dynamics import advance_motion

WHEEL = np.array(WHEEL_CENTERS_M)
PREPARE, RUN, PAUSE = int(Phase.PREPARE), int(Phase.RUN), int(Phase.PAUSE)
LAP_COMPLETE, CRASHED, OFF_TRACK = (
    int(Status.LAP_COMPLETE),
    int(Status.CRASHED),
    int(Status.OFF_TRACK),
)
IMMOBILIZED, TIME_UP, REVERSED = int(Status.IMMOBILIZED), int(Status.TIME_UP), int(Status.REVERSED)
STILL_M = 0.0003  # m a step that count as no motion
IN_PROGRESS, PREPARED, PAUSED = int(Status.IN_PROGRESS), int(Status.PREPARE), int(Status.PAUSE)


def step_cars(
    state: State,
    command: NDArray[np.float64],
    dt: NDArray[np.float64],
    roads: PackedTracks,
    cars: NDArray[np.void],
    rules: Rules,
    out: State | None = None,
) -> tuple[State, State]:
    """What N cars do in one step: the judged rows, and the cars as the next step finds them.

    `state` (N,); `command` (N, 2) steering deg and speed m/s as chosen; `dt` (N,) s; `cars` (N,)
    rows of `car.PARAMETERS`. The first table is what rewards and logs see: the pose before the
    command acts, the status and whether the episode is over. The second one has moved; a car whose
    episode is over must be started anew, and one whose `phase` became PAUSE must be put back onto
    the road (`racer.sim.spawn`). They are the halves of `out` (2, N), where that is given.
    """
    row, after = np.empty((2, len(state)), STATE) if out is None else out
    # numba reads plain tuples sooner
    _step(state, row, after, command, dt, tuple(roads), cars, tuple(rules))
    return row, after


@njit(cache=True, error_model="numpy")
def tally_rows(rows, step_limit):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many of the judged `rows` are of driving cars, and how many have reached the step limit."""
    driving = late = 0
    for i in range(len(rows)):
        driving += rows[i].phase == RUN
        late += rows[i].steps >= step_limit
    return driving, late


def locate_cars(state: State, roads: PackedTracks) -> State:
    """The cars with the columns of their place on the road filled in from x, y and yaw, and
    progress carried on.
    """
    placed = state.view(ROW_BYTES).copy().view(STATE)
    _place_all(placed, tuple(roads))
    return placed


def locate_in_sequence(state: State, first: NDArray[np.bool_], roads: PackedTracks) -> State:
    """The same for rows that follow one another: progress goes on from the row before, as from step
    to step.

    Where `first` (N,) holds, an episode begins or is joined, and the row's own `progress` is the
    one to go on from.
    """
    placed = state.view(ROW_BYTES).copy().view(STATE)
    _place_in_turn(placed, first, tuple(roads))
    return placed


@njit(cache=True, error_model="numpy")
def _place_in_turn(table, first, roads):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertex, lines, start, candidate, kind, surfaces, edges, edge = roads
    for i in range(len(table)):
        car = table[i]
        if not first[i]:
            before = table[i - 1].progress
            car.progress = 0.0 if before >= 100.0 else before
        _place(car, vertex, lines, start, candidate, kind, surfaces, edges, edge)
        _progress(car, vertex[lines[3 * car.road].last, 2])


@njit(cache=True, error_model="numpy")
def _place_all(table, roads):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertex, lines, start, candidate, kind, surfaces, edges, edge = roads
    for i in range(len(table)):
        car = table[i]
        _place(car, vertex, lines, start, candidate, kind, surfaces, edges, edge)
        _progress(car, vertex[lines[3 * car.road].last, 2])


@njit(cache=True, error_model="numpy")
def _step(state, row, after, command, dt, roads, cars, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertex, lines, start, candidate, kind, surfaces, edges, edge = roads
    for i in range(len(row)):
        row[i] = state[i]
        car = row[i]
        car.steps += 1
        car.dt = dt[i]
        car.done = False
        car.lap_time = np.nan
        car.steer_earlier_deg, car.speed_earlier = car.steer_before_deg, car.speed_before
        car.steer_before_deg, car.speed_before = car.steer_command_deg, car.speed_command
        car.steer_command_deg, car.speed_command = command[i, 0], command[i, 1]
        if car.phase == RUN:
            _judge(car, Rules(*rules))
        elif car.phase == PREPARE:
            car.status = PREPARED
        else:
            car.status = PAUSED
            car.pause -= car.dt
            if _finishes(car, Rules(*rules)):  # it was put back beyond the line
                car.status, car.done = LAP_COMPLETE, True
        after[i] = car
        car = after[i]
        _proceed(car, cars[i])
        _place(car, vertex, lines, start, candidate, kind, surfaces, edges, edge)
        _progress(car, vertex[lines[3 * car.road].last, 2])


@njit(cache=True, error_model="numpy")
def _judge(car, rules):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Status of a driving car, whether its episode is over, and the penalty that it must wait for."""
    car.backward_steps = car.backward_steps + 1 if car.progress < car.progress_before else 0
    finished = _finishes(car, rules)
    off_track = car.wheels == 0
    still = car.still_steps >= rules.still_limit
    late = car.clock + car.dt - car.episode_start >= rules.time_limit
    backward = car.backward_steps >= rules.backward_limit
    penalty = 0.0
    car.status = IN_PROGRESS
    if backward:
        car.status, penalty = REVERSED, rules.off_track_penalty
    if late:
        car.status = TIME_UP
    if still:
        car.status, penalty = IMMOBILIZED, rules.immobilized_penalty
    if off_track:
        car.status, penalty = OFF_TRACK, rules.off_track_penalty
        car.off_tracks += 1
    if car.crashed:
        car.status, penalty = CRASHED, rules.collision_penalty
        car.crashes += 1
    if finished:
        car.status = LAP_COMPLETE
    incident = backward or still or off_track or car.crashed
    if late or finished:
        car.done = True
    elif incident and car.resets < rules.resets:
        car.resets += 1
        car.pause = penalty
    elif incident:
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
        _drive(car, parameters)
        if car.status <= REVERSED and not car.done:
            car.phase = PAUSE
            car.backward_steps, car.still_steps = 0, 0
    else:
        # what was chosen while the car is held never reaches it
        car.steer_command_deg, car.speed_command = 0.0, 0.0
        if car.phase == PREPARE or car.pause <= 1e-9:
            car.phase = RUN
            car.pause = 0.0
    if car.progress >= 100.0 and not car.done:
        car.episode += 1
        car.episode_laps += 1
        car.lap_start = car.clock
        car.off_tracks, car.crashes = 0, 0
        car.progress = 0.0


@njit(cache=True, error_model="numpy")
def _drive(car, parameters):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    motion = (car.x, car.y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer)
    before, now = (
        (car.steer_before_deg, car.speed_before),
        (car.steer_command_deg, car.speed_command),
    )
    delay = parameters.delay
    if delay >= car.dt:
        before, now = (car.steer_earlier_deg, car.speed_earlier), before
        delay -= car.dt
    x, y = car.x, car.y
    car.x, car.y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer = advance_motion(
        parameters, motion, before, now, delay, car.dt
    )
    moved = (car.x - x) * (car.x - x) + (car.y - y) * (car.y - y)
    car.still_steps = car.still_steps + 1 if moved <= STILL_M * STILL_M else 0


@njit(cache=True, error_model="numpy", inline="always")
def _place(car, vertex, lines, start, candidate, kind, surfaces, edges, edge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill in the columns that say where on its road a car is."""
    c, s = np.cos(car.yaw), np.sin(car.yaw)
    fx, fy = car.x + FRONT_POINT_M * c, car.y + FRONT_POINT_M * s
    center, inner, outer = lines[3 * car.road], lines[3 * car.road + 1], lines[3 * car.road + 2]
    surface = surfaces[car.road]
    i, share = nearest_segment(vertex, center, start, candidate, fx, fy)
    x, y = vertex[i, 0] + share * vertex[i, 3], vertex[i, 1] + share * vertex[i, 4]
    car.front_x, car.front_y = fx, fy
    car.s = vertex[i, 2] + share * (vertex[i + 1, 2] - vertex[i, 2])
    car.distance = _length(fx - x, fy - y)
    j, at = nearest_segment(vertex, inner, start, candidate, x, y)
    ix, iy = vertex[j, 0] + at * vertex[j, 3], vertex[j, 1] + at * vertex[j, 4]
    j, at = nearest_segment(vertex, outer, start, candidate, x, y)
    ox, oy = vertex[j, 0] + at * vertex[j, 3], vertex[j, 1] + at * vertex[j, 4]
    car.inner_distance, car.outer_distance = _length(fx - ix, fy - iy), _length(fx - ox, fy - oy)
    car.width = _length(ix - ox, iy - oy)
    car.left = (car.inner_distance < car.outer_distance) == surface.is_ccw
    wheels = 0
    for k in range(4):
        wx, wy = WHEEL[k, 0], WHEEL[k, 1]
        wheels += on_road(
            center, kind, surface, edges, edge, car.x + c * wx - s * wy, car.y + s * wx + c * wy
        )
    car.wheels = wheels
    # closest waypoints by arc length, as `bisect_right` finds them: on a vertex the next one
    # counts, and at the very end of the line they are its last vertex and the first
    if car.s >= vertex[center.last, 2]:
        car.previous, car.next = center.last - center.first, 0
    else:
        while vertex[i + 1, 2] <= car.s:
            i += 1
        car.previous, car.next = i - center.first, i + 1 - center.first
    before, ahead = center.first + car.previous, center.first + car.next
    is_ahead = _length(fx - vertex[ahead, 0], fy - vertex[ahead, 1]) < _length(
        fx - vertex[before, 0], fy - vertex[before, 1]
    )
    car.closest = car.next if is_ahead else car.previous


@njit(cache=True, error_model="numpy", inline="always")
def _length(x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return np.sqrt(x * x + y * y)


@njit(cache=True, error_model="numpy")
def _progress(car, length):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Percent of the lap since the episode's start, as the simulator unwraps it from the step
    before.
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
