"""Symptoms that the car's dynamics show: what its actions allow on the track, and what the reward
pays best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from racer.action_design import Review, review_space
from racer.analysis import action_label
from racer.diagnostics.checkup.case import Case
from racer.diagnostics.checkup.course import lacking
from racer.diagnostics.checkup.diagnosis import Cost, Symptom
from racer.diagnostics.checkup.driving import recent_use
from racer.diagnostics.foresight import Foresight
from racer.raceline import WIDEST_MARGIN_M, racing_line
from racer.vehicle import ActionSpace

MAX_NAMED_ACTIONS = 4


def review_actions(case: Case) -> Review | None:
    """What the actions allow, as `racer actions check` says it; None where the log does not say its
    track, car and actions.
    """
    if case.track is None or case.car is None or case.space is None:
        return None
    line = racing_line(case.track, case.car, WIDEST_MARGIN_M)
    return review_space(case.track, case.car, case.space, line, driven=case.best_s)


def reachable_lap(case: Case, review: Review | None) -> float | None:
    """The fastest lap that is known with these actions, s: found by the search, or driven."""
    times = [case.best_s, review.best.lap_time if review and review.best else None]
    return min((time for time in times if time is not None), default=None)


def examine_actions(case: Case, review: Review) -> Iterator[Symptom]:
    """Whether the action space costs time, or allows no lap."""
    if not review.costs or (review.best is None and review.can_lap):
        return
    sentences = [advice.sentence for advice in review.advice if advice.kind in ("fails", "costs")]
    if review.best is None or review.free is None:
        cost = lacking(case, None)
    else:
        seconds = review.best.lap_time - review.free.lap_time
        basis = (
            f"the fastest lap found with these actions, {review.best.lap_time:.2f} s, "
            f"less that with all commands, {review.free.lap_time:.2f} s"
        )
        cost = Cost(None, seconds, basis)
    yield Symptom("actions", _title_of(review), "; ".join(sentences), cost, "review")


def examine_unused(case: Case, review: Review | None) -> tuple[list[Symptom], list[str]]:
    """The actions that the recent laps never took: a symptom where a fast lap needs them, a note
    where it does not.
    """
    use = recent_use(case)
    rows = use[(use["count"] == 0) & (use["action"] >= 0)]
    if not len(rows):
        return [], []
    unused = rows["action"].to_numpy(int)
    label = _name_actions(unused, rows["steer"].to_numpy(), rows["throttle"].to_numpy())
    evidence = f"in {case.window}, {int(use['count'].sum()):,} steps"
    if review is None or review.best is None or case.space is None:
        basis = "the log does not say track, car and actions, by which that is estimated"
        return [_unused_symptom(label, evidence, Cost(None, None, basis))], []
    if not review.use[unused].any():
        return [], [f"{label} was never used; the fastest lap found does without, too"]
    taken = review.use[unused].sum() / review.use.sum()
    evidence = f"{evidence}; the fastest lap found takes it in {taken:.0%} of its steps"
    return [_unused_symptom(label, evidence, _cost_without(case, review, unused))], []


def examine_foresight(foresight: Foresight) -> Iterator[Symptom]:
    """Whether the driving that the reward pays best is not fast."""
    if foresight.asks_for_speed or foresight.fastest_lap_time_s is None:
        return
    title = "the reward does not want what the clock wants"
    evidence = f"{foresight.summary}; {foresight.wish}"
    fastest_s = foresight.fastest_lap_time_s
    if foresight.lap_time_s is None:
        lost = 100.0 - foresight.best.completion
        basis = "what the driving that it pays best lacks to a complete lap, where training leads"
        cost = Cost(lost, None, basis)
    else:
        seconds = foresight.lap_time_s - fastest_s
        basis = (
            f"the lap that it pays best, {foresight.lap_time_s:.2f} s, less the fastest known, "
            f"{fastest_s:.2f} s"
        )
        cost = Cost(None, seconds, basis)
    yield Symptom("foreseen reward", title, evidence, cost, "foresight")


def _title_of(review: Review) -> str:
    lap = "no lap is known with its actions"
    if review.best is not None:
        lap = "its actions do not allow a fast lap"
    for bend, tightest in review.turns:
        if tightest is None or tightest.radius > bend.radius:
            return f"{lap}: none drives the tightest bend, {bend.corner.name}"
    return lap


def _unused_symptom(label: str, evidence: str, cost: Cost) -> Symptom:
    return Symptom("unused action", f"{label} was never used", evidence, cost, "actions")


def _cost_without(case: Case, review: Review, unused: np.ndarray) -> Cost:
    """What the fastest lap loses where it must do without actions."""
    space = review.space
    kept = [k for k in range(space.size) if k not in unused]
    smaller = ActionSpace(
        False,
        tuple(space.steering_deg[k] for k in kept),
        tuple(space.speed[k] for k in kept),
    )
    without = review_space(review.track, review.car, smaller, review.line, review.free)
    if without.best is None or review.best is None:
        cost = lacking(case, None)
        return replace(cost, basis=f"no lap was found without it; {cost.basis}")
    seconds = max(without.best.pace - review.best.pace, 0.0)
    basis = (
        f"the fastest lap found without it, {without.best.lap_time:.2f} s, "
        f"less the one with it, {review.best.lap_time:.2f} s"
    )
    return Cost(None, seconds, basis)


def _name_actions(actions: np.ndarray, steer: np.ndarray, speed: np.ndarray) -> str:
    """`action 7 (+30°, 1 m/s)`; the numbers alone of many."""
    if len(actions) == 1:
        return f"action {action_label(int(actions[0]), float(steer[0]), float(speed[0]))}"
    if len(actions) > MAX_NAMED_ACTIONS:
        return f"{len(actions)} actions ({', '.join(map(str, actions))})"
    labels = [
        action_label(int(action), float(angle), float(pace))
        for action, angle, pace in zip(actions, steer, speed, strict=True)
    ]
    return f"{len(actions)} actions, {', '.join(labels)}"
