"""Clocks on the wall that a file takes for the simulator's."""

from __future__ import annotations

from dataclasses import replace

from racer.checker.findings import Finding, RuleContext
from racer.reward import RewardFunction, clock_that_decides

CODES_BY_CLOCK = ("RW203", "RW204")
"""Of what dividing by a time that hardly passes leads to."""
STEP_SECONDS = "a step is 1/15 s there: write params['steps'] / 15"


def find_clock_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW305: seconds of the clock on the wall that decide on the reward."""
    clock = clock_that_decides(reward.syntax.tree)
    if clock is None:
        return []
    message = (
        f"{clock.name}() is the clock on the wall, not the simulator's: here a step takes "
        f"microseconds, and {STEP_SECONDS.partition(':')[0]}"
    )
    remedy = STEP_SECONDS.partition(": ")[2] + " for seconds of the episode"
    place = (reward.filename, clock.line, clock.call.col_offset + 1)
    return [Finding("RW305", message, *place, remedy)]


def name_clock(reward: RewardFunction, finding: Finding) -> Finding:
    """A finding of the trial with the clock that a reward reads, if a difference of times may be it."""
    may_be = finding.code in CODES_BY_CLOCK or finding.exception == "ZeroDivisionError"
    for clock in find_clock_use(reward, RuleContext(reward.path)) if may_be else []:
        circumstances = f"the clock of line {clock.line} runs on by microseconds a step here"
        circumstances = "; ".join(filter(None, (circumstances, finding.circumstances)))
        return replace(finding, circumstances=circumstances, remedy=clock.remedy)
    return finding
