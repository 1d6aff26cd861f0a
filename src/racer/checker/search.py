"""Failures that nobody thought of, at random steps, and how a failure is shrunk to a test."""

from __future__ import annotations

import ast
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
from racer.reward import RewardFunction, RewardRefused
from racer.track import Track

MAX_NUMBERS = 200
"""So many of the numbers that a file names are tried."""
GREATEST_NUMBER = 1e4

REVERSED_FRACTION = 0.25
"""Of the places at random."""

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
    named = numbers_in_source(caller.reward)
    failures = []
    for seed, track in enumerate(tracks):
        episode = random_episode(track, count, named, seed)
        if objects:
            episode = with_objects(episode, objects)
        failures += caller.run_episode(episode)[1]
    return failures


def random_episode(track: Track, count: int, named: Sequence[float], seed: int = 0) -> TrialEpisode:
    """`count` places at random. Half of each column are numbers that are usual, or that a file names
    (`named`), where they fit.
    """
    rng = np.random.default_rng(seed)

    def draw(usual: Sequence[float], low: float, high: float) -> list[float]:
        fitting = np.array([*usual, *(number for number in named if low <= number <= high)])
        takes_usual = rng.random(count) < 0.5
        chosen = rng.choice(fitting, count)
        uniform = rng.uniform(low, high, count)
        mixed: list[float] = np.where(takes_usual, chosen, uniform).tolist()
        return mixed

    half_width = 0.5 * float(np.median(track.width)) + OUTSIDE_M
    distance = draw([0.0], 0.0, MAX_PLACED_FRACTION * track.length)
    offset = draw([0.0], -half_width, half_width)
    heading = draw([0.0, 180.0], -180.0, 180.0)
    speed = draw(TRIAL_SPEEDS_MPS, 0.1, 4.0)
    steering = draw(TRIAL_STEERING_DEG, -30.0, 30.0)
    progress = draw([100.0], -5.0, 100.0)
    steps = draw([2.0], 2.0, 1500.0)
    reverse = (rng.random(count) < REVERSED_FRACTION).tolist()
    objects = rng.choice(["", "", "box", "bot"] if track.is_loop else [""], count).tolist()
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


def numbers_in_source(reward: RewardFunction) -> list[float]:
    """The numbers that a file names, and their negatives: where its conditions change."""
    numbers = []
    for node in ast.walk(reward.syntax.tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if abs(value) < GREATEST_NUMBER:
            numbers.append(float(value))
    numbers = numbers[:MAX_NUMBERS]
    negatives = [-number for number in numbers]
    return list(dict.fromkeys(numbers + negatives))


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
        if simpler.is_possible:
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
