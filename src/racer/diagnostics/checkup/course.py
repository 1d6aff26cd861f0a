"""Symptoms in the course of a training: it was better before, explores no more, or ended early."""

from __future__ import annotations

from collections.abc import Iterator

from racer.analysis import (
    BEHIND,
    COLLAPSING,
    DISAGREEING,
    IMPROVING,
    SLOWING,
    TOO_SHORT,
    lap_iterations,
)
from racer.diagnostics.checkup.case import Case
from racer.diagnostics.checkup.diagnosis import Cost, Symptom

FEW_COMPLETE_FRACTION = 0.5
"""Of the laps: with fewer complete ones a training does not lap yet."""

TITLES = {
    COLLAPSING: "it lost what it had learned",
    BEHIND: "its laps were faster before",
    SLOWING: "its laps get slower",
    DISAGREEING: "the reward does not want what the clock wants",
    IMPROVING: "it stopped while it was still improving",
}
KINDS = {
    COLLAPSING: "collapse",
    BEHIND: "behind its best",
    SLOWING: "behind its best",
    DISAGREEING: "reward",
    IMPROVING: "still improving",
}
BASES = {
    COLLAPSING: "what it has lost since its best iterations",
    BEHIND: "what its laps have lost since its best iterations",
    SLOWING: "what its laps have lost",
    DISAGREEING: "what its laps have lost while the reward rose",
    IMPROVING: "as much again as in the last iterations, if it goes on as it did",
}
PICTURES = {BEHIND: "laptimes", SLOWING: "laptimes"}


def examine_course(case: Case, reachable_s: float | None) -> Iterator[Symptom]:
    """What the verdict of `racer analyze` says that holds a training back."""
    verdict = case.verdict
    kind = verdict.trend
    if kind not in TITLES:
        return
    points = abs(verdict.points)
    seconds = abs(verdict.seconds)
    if kind == IMPROVING:  # no further than a complete lap, and the fastest that is known
        most = lacking(case, reachable_s)
        points = min(points, most.points or 0.0)
        if most.seconds is not None:
            seconds = min(seconds, most.seconds)
    cost = Cost(points or None, seconds or None, BASES[kind])
    picture = PICTURES.get(kind, "progress")
    yield Symptom(KINDS[kind], TITLES[kind], verdict.sentence, cost, picture)


def examine_length(case: Case) -> Iterator[Symptom]:
    """Whether a training that does not lap yet is too short to have learned it."""
    if not case.is_training or case.verdict.kind != TOO_SHORT:
        return
    if case.recent["complete"].mean() >= FEW_COMPLETE_FRACTION:
        return
    count = lap_iterations(case.laps).nunique()
    iterations = "1 iteration is" if count == 1 else f"{count} iterations are"
    title = f"it has hardly begun: {iterations} too few to learn a lap"
    evidence = describe_complete(case)
    yield Symptom("too short", title, evidence, lacking(case, None), "progress")


def describe_complete(case: Case) -> str:
    """`8 of the 90 laps in iterations 8 to 11 are complete`."""
    complete = int(case.recent["complete"].sum())
    return f"{complete} of the {len(case.recent)} laps in {case.window} are complete"


def examine_entropy(case: Case, reachable_s: float | None) -> Iterator[Symptom]:
    """Whether it hardly explores any more, and how much there is left to learn."""
    since = case.verdict.no_entropy_since
    if since is None:
        return
    entropy = float(case.log.job.ppo["entropy"].iloc[-1])
    evidence = (
        f"the entropy of the policy, {entropy:.2f} at the end, has been too low to explore "
        f"since iteration {since}"
    )
    title = f"its entropy was gone at iteration {since}: it hardly tries anything new"
    yield Symptom("no entropy", title, evidence, lacking(case, reachable_s), "entropy")


def lacking(case: Case, reachable_s: float | None) -> Cost:
    """What the recent laps lack to complete laps of `reachable_s`, the fastest that is known."""
    points = 100.0 - case.completion
    if reachable_s is None or case.lap_s is None:
        return Cost(points, None, "what its laps lack to complete ones, at most")
    seconds = max(case.lap_s - reachable_s, 0.0)
    basis = (
        f"what its laps lack to complete ones of {reachable_s:.2f} s, the fastest found, at most"
    )
    return Cost(points, seconds, basis)
