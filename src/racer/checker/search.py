"""Failures that nobody thought of, at random steps, and how a failure is shrunk to a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    finding_from_failure,
    without_traceback,
)
from racer.checker.cases import (
    MAX_PLACED_FRACTION,
    OBSTACLE_PLACES,
    OUTSIDE_M,
    TRIAL_SPEEDS_MPS,
    TRIAL_STEERING_DEG,
    PlacedStep,
    TrialEpisode,
    placed_episode,
    with_objects,
)
from racer.checker.findings import CODES, Finding
from racer.checker.named_numbers import GREATEST_NUMBER, NamedNumbers, named_numbers
from racer.reward import RewardRefused
from racer.track import Track

REVERSED_FRACTION = 0.25
"""Of the places at random."""
UNIFORM_FRACTION = 0.4
"""Of the numbers of a column: drawn from its whole range."""
COMPARED_FRACTION = 0.35
"""Those that the file compares with the column's key, or that are next to one of these."""
COLUMN_KEYS = {
    "speed": "speed",
    "steering_deg": "steering_angle",
    "progress": "progress",
    "steps": "steps",
    "offset": "distance_from_center",
    "heading_deg": "heading",
}
NEXT_TO = {
    "speed": 0.01,
    "steering_deg": 0.1,
    "progress": 0.05,
    "steps": 1.0,
    "offset": 0.005,
    "heading_deg": 0.1,
}
"""How far beside a number of a column the next one is tried."""
SIGNED_COLUMNS = ("steering_deg", "offset", "heading_deg")

FailureKind = tuple[str, int]

SIMPLIFY_SWEEPS = 3
"""Sweeps over the columns of a step, each made simpler where the failure stays."""
SIMPLIFY_WORK_S = 1.0
MIN_SIMPLIFY_TRIES = 20
MAX_SIMPLIFY_TRIES = 150
STEP_BEFORE_M = 0.05
"""How far before a step the one before it is placed."""


def random_failures(
    caller: RewardCaller, tracks: Sequence[Track], count: int, objects: str = ""
) -> list[CallFailure]:
    """The failures at `count` random places of each track, which cost little to try; with `objects`
    ("box" or "bot") on the road.
    """
    named = named_numbers(caller.reward)
    failures = []
    for seed, track in enumerate(tracks):
        episode = random_episode(track, count, named, seed)
        if objects:
            episode = with_objects(episode, objects)
        failures += caller.run_episode(episode)[1]
    return failures


def random_episode(track: Track, count: int, named: NamedNumbers, seed: int = 0) -> TrialEpisode:
    """`count` places at random. Of each column some numbers are usual ones, or ones that a file names,
    or that it compares with just this, where they fit.
    """
    draw = _ColumnDraw(track, count, named, seed)
    half_width = 0.5 * float(np.median(track.width)) + OUTSIDE_M
    distance = draw.column("distance", [0.0], 0.0, MAX_PLACED_FRACTION * track.length)
    offset = draw.column("offset", [0.0], -half_width, half_width)
    heading = draw.column("heading_deg", [0.0, 180.0], -180.0, 180.0)
    speed = draw.column("speed", TRIAL_SPEEDS_MPS, 0.1, 4.0)
    steering = draw.column("steering_deg", TRIAL_STEERING_DEG, -30.0, 30.0)
    progress = draw.column("progress", [100.0], -5.0, 100.0)
    steps = draw.column("steps", [2.0], 2.0, 1500.0, GREATEST_NUMBER)
    reverse = (draw.rng.random(count) < REVERSED_FRACTION).tolist()
    kinds = ["", "", "box", "bot"] if track.is_loop else [""]
    objects = draw.rng.choice(kinds, count).tolist()
    places = []
    for k in range(count):
        place = PlacedStep(
            track,
            distance[k],
            offset[k],
            heading[k],
            speed[k],
            steering[k],
            progress=progress[k] if k % 3 else None,
            steps=max(int(steps[k]), 2),
            reverse=reverse[k],
            objects=objects[k],
        )
        places.append(place.in_time())
    return placed_episode("drawn", track, places)


class _ColumnDraw:
    """Draws the columns of random places on a track."""

    def __init__(self, track: Track, count: int, named: NamedNumbers, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._track = track
        self._count = count
        self._named = named

    def column(
        self, name: str, usual: Sequence[float], low: float, high: float, greatest: float = 0.0
    ) -> list[float]:
        """Numbers from `low` to `high`; those that the file compares with the column's key may be as
        great as `greatest`.
        """
        fitting = [*usual, *(number for number in self._named.everywhere if low <= number <= high)]
        numbers = self.rng.choice(fitting, self._count)
        compared = np.unique(self._compared_numbers(name))
        compared = compared[(compared >= low) & (compared <= max(high, greatest))]
        pool = self.rng.random(self._count)
        if len(compared):
            is_compared = pool > 1.0 - COMPARED_FRACTION
            numbers = np.where(is_compared, self.rng.choice(compared, self._count), numbers)
        uniform = self.rng.uniform(low, high, self._count)
        mixed: list[float] = np.where(pool < UNIFORM_FRACTION, uniform, numbers).tolist()
        return mixed

    def _compared_numbers(self, name: str) -> list[float]:
        """The numbers that the file compares with what a column decides, and those next to them."""
        if name == "distance":
            return self._compared_distances()
        numbers = list(self._named.beside.get(COLUMN_KEYS[name], ()))
        if name == "offset":  # fractions of the width, too
            width = float(np.median(self._track.width))
            numbers += [number * width for number in numbers]
        if name in SIGNED_COLUMNS:
            numbers += [-number for number in numbers]
        near = NEXT_TO[name]
        return [number + beside for number in numbers for beside in (-near, 0.0, near)]

    def _compared_distances(self) -> list[float]:
        """Arc lengths midway before and behind the waypoints whose numbers the file compares, and near
        where the center line crosses an x or y that it compares. No car is ever just at a waypoint.
        """
        track = self._track
        middle = 0.5 * (track.s[1:] + track.s[:-1])
        distances = []
        for number in self._named.beside.get("closest_waypoints", ()):
            for waypoint in (int(number) - 1, int(number)):
                if -len(middle) <= waypoint < len(middle):
                    distances.append(float(middle[waypoint]))
        for column, key in enumerate(("x", "y")):
            for number in self._named.beside.get(key, ()):
                is_beyond = track.center[:, column] > number
                crossed = np.flatnonzero(is_beyond[1:] != is_beyond[:-1])
                distances += middle[crossed].tolist()
        return distances


def try_step(caller: RewardCaller, step: PlacedStep) -> CallFailure | None:
    """How a call fails there, on a new instance whose episode has just begun; None when it does
    not.
    """
    params = [placed.params() for placed in (*_steps_before(step), step)]
    try:
        caller.rewards_in_place(caller.instance(), params)
    except RewardRefused as error:
        return CallFailure(without_traceback(error), 0)
    return None


def has_track_without(
    caller: RewardCaller, step: PlacedStep, kind: FailureKind, tracks: Sequence[Track]
) -> bool:
    """Whether a call on another track, at the same fraction of the lap, does not fail so."""
    for track in tracks:
        if track is step.track:
            continue
        distance = min(step.distance / step.track.length, MAX_PLACED_FRACTION) * track.length
        there = replace(step, track=track, distance=distance).in_time()
        failure = try_step(caller, there)
        if failure is None or failure.kind != kind:
            return True
    return False


def minimize_failure(caller: RewardCaller, failure: CallFailure) -> Finding | None:
    """The finding of a failure, with the smallest params that show it and a test.

    None when only a car that is put from place to place fails so: then the reward remembers what no
    real car meets.
    """
    reward = caller.reward
    episode = failure.episode
    if episode is None:
        return finding_from_failure(failure, reward)
    if failure.code in SILENCING_CODES:
        return finding_from_failure(failure, reward, params=episode.params[failure.k])
    step = _reproduced(caller, failure)
    if step is None:
        return _history_finding(caller, failure) if episode.driver else None
    smallest = smallest_step(caller, step, failure.kind)
    again = try_step(caller, smallest)
    if again is not None:
        failure = replace(failure, refusal=again.refusal)
    return finding_from_failure(
        failure,
        reward,
        circumstances=smallest.description,
        params=smallest.params(),
        test=_test_of_step(caller, failure, smallest),
    )


def smallest_step(caller: RewardCaller, step: PlacedStep, kind: tuple[str, int]) -> PlacedStep:
    """The simplest step near this one at which a failure of that kind is seen, and that an episode
    can have.
    """
    tries = caller.affordable(SIMPLIFY_WORK_S, MIN_SIMPLIFY_TRIES, MAX_SIMPLIFY_TRIES)
    for _ in range(SIMPLIFY_SWEEPS):
        before = step
        for column, values in _simpler_values(step):
            for simpler in _simpler_steps(step, column, values):
                if tries <= 0:
                    return step
                tries -= 1
                failure = try_step(caller, simpler)
                if failure is not None and failure.kind == kind:
                    step = simpler
                    break
        if step == before:
            break
    return step


def placement_arguments(step: PlacedStep) -> str:
    """The arguments of `racer.place` for a step, as source text, without those that may be left out."""
    arguments = ["track"]
    if step.distance:
        arguments.append(f"distance={step.distance!r}")
    default = PlacedStep(step.track)
    for name in ("offset", "heading_deg", "speed", "steering_deg", "progress", "reverse"):
        value = getattr(step, name)
        if value != getattr(default, name):
            arguments.append(f"{name}={value!r}")
    arguments.append(f"steps={step.steps}")
    if step.objects:
        arguments.append("objects=objects")
    return ", ".join(arguments)


def _steps_before(step: PlacedStep) -> tuple[PlacedStep, ...]:
    """The first step of an episode whose car comes along the track; none before a first step."""
    if step.steps <= 2:
        return ()
    distance = max(step.distance - STEP_BEFORE_M, 0.0)
    return (replace(step, distance=distance, progress=None, steps=2),)


def _history_finding(caller: RewardCaller, failure: CallFailure) -> Finding:
    """The finding of a failure that only the steps before it bring about."""
    episode = failure.episode
    assert episode is not None
    return finding_from_failure(
        failure,
        caller.reward,
        circumstances=f"in step {failure.k + 2} of {episode.title}, after the steps before it",
        params=episode.params[failure.k],
        test=_test_of_lap(caller, failure),
    )


def _reproduced(caller: RewardCaller, failure: CallFailure) -> PlacedStep | None:
    """A step at which a new instance fails alike: the step of the failure, as the first of an
    episode, or with the progress that it had.
    """
    episode = failure.episode
    assert episode is not None
    step = episode.places[failure.k]
    progress = episode.params[failure.k]["progress"]
    for candidate in (step, replace(step, steps=2), replace(step, progress=progress)):
        if not candidate.is_in_time:
            continue
        again = try_step(caller, candidate)
        if again is not None and again.kind == failure.kind:
            return candidate
    return None


def _simpler_steps(step: PlacedStep, column: str, values: Sequence[Any]) -> Iterator[PlacedStep]:
    """The step with each of these values of a column that are simpler than its own, and possible."""
    for value in values:
        if value == getattr(step, column):
            return
        simpler = replace(step, **{column: value})
        if simpler.is_possible or (simpler.is_in_time and step.speed <= 0.0):
            yield simpler


def _simpler_values(step: PlacedStep) -> Iterator[tuple[str, list[Any]]]:
    """For every column the values to try, simplest first."""
    along = step.track.s
    waypoint = max(int(along.searchsorted(step.distance, side="right")) - 1, 0)
    yield "objects", [""]
    yield "reverse", [False]
    least = replace(step, steps=2).in_time().steps
    yield "progress", [None, *_rounded(step.progress or 0.0)]
    yield "steps", [2, 3, 10, least]
    yield "offset", _rounded(step.offset)
    yield "heading_deg", _rounded(step.heading_deg)
    yield "speed", [1.0, 2.0, *_rounded(step.speed)[1:]]
    yield "steering_deg", _rounded(step.steering_deg)
    yield "distance", [0.0, 1.0, float(along[waypoint]), *_rounded(step.distance)[1:]]


def _rounded(value: float) -> list[float]:
    return [0.0, round(value, 0), round(value, 1), round(value, 2)]


def _test_of_step(caller: RewardCaller, failure: CallFailure, step: PlacedStep) -> str:
    """A test file that fails as long as the step fails."""
    placement = "place"
    if step.objects:
        placement = "obstacles_on, place"
    lines = [
        "from racer.reward import RewardBatch, load_reward",
        f"from racer.sim import {placement}",
        "from racer.track import load_track",
        "",
        "",
        f"def test_{_test_name(failure)}():",
        f"    track = load_track({step.track.name!r})",
    ]
    if step.objects:
        places = list(OBSTACLE_PLACES)
        lines.append(f'    objects = obstacles_on(track, {places!r}, "{step.objects}")')
    steps = (*_steps_before(step), step)
    calls = ", ".join(f"place({placement_arguments(placed)})" for placed in steps)
    lines += [
        f"    reward = RewardBatch(load_reward({caller.reward.filename!r}), 1)",
        f"    reward([{calls}], {[0] * len(steps)})",
        "",
    ]
    return "\n".join(lines)


def _test_of_lap(caller: RewardCaller, failure: CallFailure) -> str:
    """A test file that fails as long as a lap of a scripted driver fails."""
    episode = failure.episode
    assert episode is not None
    lines = [
        "from racer.drivers import drive",
        "from racer.reward import RewardBatch, load_reward",
        "from racer.sim import build_params",
        "from racer.track import load_track",
        "",
        "",
        f"def test_{_test_name(failure)}():",
        f"    lap = drive(load_track({episode.track.name!r}), {episode.driver!r})",
        "    steps = build_params(lap.rows[lap.rows['steps'] > 1], lap.tracks)",
        f"    reward = RewardBatch(load_reward({caller.reward.filename!r}), 1)",
        "    reward(steps, [0] * len(steps))",
        "",
    ]
    return "\n".join(lines)


def _test_name(failure: CallFailure) -> str:
    fact = CODES[failure.code].name.replace("-", "_")
    if failure.code == "RW201" and failure.exception:
        fact = failure.exception.lower()
    return f"no_{fact}_at_line_{failure.line}"
