"""From a failure to the smallest step that shows it, as a test that anybody can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    TimeBudget,
    finding_from_failure,
    without_traceback,
)
from racer.checker.findings import CODES, Finding
from racer.checker.steps import OBSTACLE_PLACES, PlacedStep
from racer.reward import RewardRefused

SIMPLIFY_SWEEPS = 3
"""Sweeps over the columns of a step, each made simpler where the failure stays."""
SIMPLIFY_TIME_S = 1.0
STEP_BEFORE_M = 0.05
"""How far before a step the one before it is placed."""


def try_step(caller: RewardCaller, step: PlacedStep) -> CallFailure | None:
    """How a call fails there, on a new instance whose episode has just begun; None when it does
    not.
    """
    params = [placed.params() for placed in (*_steps_before(step), step)]
    batch = caller.instance()
    try:
        caller.rewards_in_place(batch, params)
    except RewardRefused as error:
        return CallFailure(without_traceback(error), 0)
    return None


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
    failure = try_step(caller, smallest) or failure
    return finding_from_failure(
        failure,
        reward,
        circumstances=smallest.description,
        params=smallest.params(),
        test=_test_of_step(caller, failure, smallest),
    )


def smallest_step(caller: RewardCaller, step: PlacedStep, kind: tuple[str, int]) -> PlacedStep:
    """The simplest step near this one at which a failure of that kind is seen."""
    budget = TimeBudget(SIMPLIFY_TIME_S)
    for _ in range(SIMPLIFY_SWEEPS):
        before = step
        for column, values in _simpler_values(step):
            if budget.left < 0.0:
                return step
            step = _simplify_column(caller, step, column, values, kind)
        if step == before:
            break
    return step


def placement_arguments(step: PlacedStep) -> str:
    """The arguments of `racer.place` for a step, as source text, without those that may be left out."""
    arguments = ["track"]
    if step.distance:
        arguments.append(f"distance={step.distance!r}")
    default = PlacedStep(step.track)
    for name in ("offset", "heading_deg", "speed", "steering_deg", "progress", "steps", "reverse"):
        value = getattr(step, name)
        if value != getattr(default, name):
            arguments.append(f"{name}={value!r}")
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
        again = try_step(caller, candidate)
        if again is not None and again.kind == failure.kind:
            return candidate
    return None


def _simplify_column(
    caller: RewardCaller,
    step: PlacedStep,
    column: str,
    values: Sequence[Any],
    kind: tuple[str, int],
) -> PlacedStep:
    """The step with the first of these values of a column with which the failure stays."""
    for value in values:
        if value == getattr(step, column):
            return step
        simpler = replace(step, **{column: value})
        failure = try_step(caller, simpler)
        if failure is not None and failure.kind == kind:
            return simpler
    return step


def _simpler_values(step: PlacedStep) -> Iterator[tuple[str, list[Any]]]:
    """For every column the values to try, simplest first."""
    along = step.track.s
    waypoint = max(int(along.searchsorted(step.distance, side="right")) - 1, 0)
    yield "objects", [""]
    yield "reverse", [False]
    yield "progress", [None, *_rounded(step.progress or 0.0)]
    yield "steps", [2, 3, 10]
    yield "offset", _rounded(step.offset)
    yield "heading_deg", _rounded(step.heading_deg)
    yield "speed", [1.0, 2.0, *_rounded(step.speed)[1:]]
    yield "steering_deg", _rounded(step.steering_deg)
    yield "distance", [0.0, 1.0, float(along[waypoint]), *_rounded(step.distance)[1:]]


def _rounded(value: float) -> list[float]:
    return [0.0, round(value, 0), round(value, 1), round(value, 2)]


def _test_of_step(caller: RewardCaller, failure: CallFailure, step: PlacedStep) -> str:
    """A test file that fails as long as the step fails."""
    lines = ["from racer.reward import RewardBatch, load_reward"]
    if step.objects:
        lines.append("from racer.sim.obstacles import obstacles_on")
    lines += [
        "from racer.sim.placement import place",
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
        "from racer.drivers.scripted import drive",
        "from racer.reward import RewardBatch, load_reward",
        "from racer.sim.params import build_params",
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
