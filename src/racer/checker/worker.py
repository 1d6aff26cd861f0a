"""What a child process does with one file: it tries it on everything there is, and sends each finding
as it comes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from racer.checker import behavior, coverage, search
from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    TimeBudget,
    distinct_failures,
    load_failure_finding,
    minimize_failure,
    without_traceback,
)
from racer.checker.cases import (
    TrialCases,
    TrialEpisode,
    lap_episodes,
    literal_tables,
    tracks_of_tables,
)
from racer.checker.coverage import LineRecorder
from racer.checker.findings import Finding, Severity
from racer.checker.sandbox import AuditGuard, MessagePipe
from racer.errors import RacerError
from racer.reward import RefusalReason, RewardFunction, RewardRefused, describe_refusal

Array = NDArray[np.float64]

SMOKE_STEPS = 24
"""Steps that are called first, with every line on record."""
RANDOM_STEPS = 800
"""Places at random on each of three tracks."""
RANDOM_TRACKS = 3
SEARCHED_TRACKS = 6
SLOW_CALL_S = 0.005
"""From so many seconds a call on a reward is called slow."""
DRIVE_OVERTIME_S = 1.5
"""Beyond its part of the time: only a slow reward is not tried everywhere."""
UNREPEATABLE_CODES = ("RW301", "RW305", "RW306")
"""With one of these equal steps pay differently anyway."""


@dataclass(frozen=True, eq=False)
class TrialOrder:
    """One file to try, in about `seconds` and with `timeout` seconds for a call.

    `is_slow_motion`: every line goes on record, to know where the process dies.
    """

    reward: RewardFunction
    cases: TrialCases
    timeout: float
    seconds: float
    recorder: LineRecorder
    is_slow_motion: bool = False


def run_trial(pipe: MessagePipe, order: TrialOrder) -> None:
    """Try the file of an order. Sends stages, findings and numbers to the parent."""
    pipe.send(stage="begin")
    filename = order.reward.filename
    guard = AuditGuard(filename, os.getcwd())  # noqa: PTH109
    guard.raise_up()
    trace: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if order.is_slow_motion:
        trace = order.recorder.tracing(filename)
    try:
        with trace:
            trial = RewardTrial(pipe, order)
            try:
                trial.run()
            except RewardRefused as error:  # a file that loads at times, and at times does not
                trial.report_refusal(error)
    finally:
        for (code, line), action in guard.noticed.items():
            severity = Severity.ERROR if (code, line) in guard.blocked else None
            message = f"the reward function {action}"
            _send(pipe, Finding(code, message, filename, line, severity=severity))
    pipe.send(stage="done")


class RewardTrial:
    """One file under trial. What one part of it finds decides on the next."""

    def __init__(self, pipe: MessagePipe, order: TrialOrder) -> None:
        self._pipe = pipe
        self._order = order
        self._reward = order.reward
        self._cases = order.cases
        self._caller = RewardCaller(order.reward, order.timeout, pipe.beat, self._say_last_words)
        self._known: set[tuple[str, int]] = set()
        self._is_silenced = False

    def run(self) -> None:
        """Every part of the trial, as long as no finding silences the file."""
        try:
            self._smoke()
        except RewardRefused as error:
            self.report_refusal(error)
        except RacerError as error:
            self._send(load_failure_finding(error, self._reward))
            return
        if self._is_silenced:
            return
        self._choose_tracks()
        rewards, failures = self._drive()
        self._report(self._without_excused(failures))
        if not self._is_silenced:
            self._look(rewards)
        if not self._is_silenced:
            self._try_random_places()
        if not self._is_silenced:
            self._search()

    def _smoke(self) -> None:
        """The first calls, under trace: a call that ends the process is found here, with its line."""
        self._pipe.send(stage="smoke")
        with self._order.recorder.tracing(self._reward.filename):
            batch = self._caller.instance()
            for episode in self._cases.episodes[:3]:
                stride = max(len(episode.params) // (SMOKE_STEPS // 3), 1)
                some_steps = episode.only(slice(None, None, stride))
                failures = self._caller.run_episode(batch, some_steps)[1]
                silencing = [f for f in failures if f.code in SILENCING_CODES]
                if silencing:
                    self._report(silencing)
                    return

    def _choose_tracks(self) -> None:
        """Try the file on those tracks only that its tables were made for, where there are such
        (RW309).
        """
        tables = literal_tables(self._reward)
        cases = self._cases
        fitting = tracks_of_tables(tables, cases.tracks)
        if fitting is None or cases.is_named or len(fitting) == len(cases.tracks):
            return
        table = next(table for table in tables if table.points is not None)
        name = f"the table {table.name}" if table.name else "the table"
        if fitting:
            names = ", ".join(track.name for track in fitting)
            object_ = "it" if len(fitting) == 1 else "them"
            purpose = f"made for {names} and is tried on {object_} only"
        else:
            purpose = (
                f"made for none of these {len(cases.tracks)} tracks: name its own with --track"
            )
        message = f"{name} of {table.rows} rows is {purpose}"
        self._send(Finding("RW309", message, self._reward.filename, table.line))
        if fitting:
            episodes = [episode for episode in cases.episodes if episode.track in fitting]
            if not any(episode.driver for episode in episodes):
                episodes = [*lap_episodes(fitting[0]), *episodes]
            self._cases = TrialCases(fitting, episodes, is_named=True)

    def _drive(self) -> tuple[list[Array], list[CallFailure]]:
        """Rewards of every episode, each by an instance of its own, and all failures. Those that
        there is no time for get no rewards.
        """
        self._pipe.send(stage="drive")
        budget = TimeBudget(0.4 * self._order.seconds)
        rewards: list[Array] = []
        failures: list[CallFailure] = []
        is_silenced = False
        for episode in self._cases.episodes:
            if is_silenced or budget.left < -DRIVE_OVERTIME_S:
                rewards.append(np.empty(0))
                continue
            paid, failed = self._caller.run_episode(self._caller.instance(), episode)
            rewards.append(paid)
            failures += failed
            is_silenced = any(failure.code in SILENCING_CODES for failure in failed)
        return rewards, failures

    def _try_random_places(self) -> None:
        self._pipe.send(stage="search")
        affordable = 0.2 * self._order.seconds / self._caller.pace / RANDOM_TRACKS
        count = int(min(RANDOM_STEPS, affordable))
        tracks = self._cases.tracks[:RANDOM_TRACKS]
        failures = search.random_failures(self._caller, tracks, count)
        self._report(self._without_excused(failures))

    def _search(self) -> None:
        tracks = self._cases.tracks[:SEARCHED_TRACKS]
        seconds = self._order.seconds / 4.0
        failures = search.search_failures(self._caller, tracks, self._known, seconds)
        self._report(self._without_excused(failures))

    def _without_excused(self, failures: Sequence[CallFailure]) -> list[CallFailure]:
        """One failure of each kind, without those of a table on a track that it was not made for
        (RW309).
        """
        tables = literal_tables(self._reward)
        may_be_excused = bool(tables) and not self._cases.is_named
        has_points = any(table.points is not None for table in tables)
        all_tracks = {track.name for track in self._cases.tracks}
        kept = []
        excused: list[tuple[CallFailure, list[str]]] = []
        for failure in distinct_failures(failures):
            tracks = _tracks_of_kind(failures, failure.kind)
            is_lookup = failure.exception in ("IndexError", "KeyError")
            if may_be_excused and tracks < all_tracks and (is_lookup or has_points):
                excused.append((failure, sorted(tracks)))
            else:
                kept.append(failure)
        for failure, names in excused[:1]:
            finding = Finding(
                "RW309",
                describe_refusal(failure.refusal),
                self._reward.filename,
                failure.line,
                circumstances=f"on {', '.join(names[:4])}, for a table of {tables[0].rows} rows",
            )
            self._send(finding)
        return kept

    def report_refusal(self, error: RewardRefused) -> None:
        """Send what happened while the file was loaded, or in a call of no episode."""
        if error.call >= 0:
            self._report([CallFailure(without_traceback(error), 0)])
        else:
            self._send(load_failure_finding(error, self._reward))
            self._is_silenced = True

    def _report(self, failures: Sequence[CallFailure]) -> None:
        for failure in distinct_failures(failures):
            # what was blocked is sent by the guard
            if failure.refusal.reason is RefusalReason.BLOCKED or failure.kind in self._known:
                continue
            self._is_silenced |= failure.code in SILENCING_CODES
            finding = minimize_failure(self._caller, failure)
            if finding is not None:
                self._known.add(failure.kind)
                self._send(finding)

    def _look(self, rewards: Sequence[Array]) -> None:
        """Everything that is not a failure, on the steps that did not fail."""
        episodes = []
        paid = []
        for episode, of_episode in zip(self._cases.episodes, rewards, strict=True):
            healthy = np.flatnonzero(np.isfinite(of_episode)).tolist()
            if not healthy:
                continue
            if len(healthy) < len(episode.params):
                episode = episode.only(healthy)
            episodes.append(episode)
            paid.append(of_episode[healthy])
        if not episodes:
            return
        self._pipe.send(stage="look")
        caller = self._caller
        seconds = self._order.seconds
        self._measure_times(episodes[0], seconds / 20.0)
        observed = coverage.observe_calls(caller, episodes, seconds / 6.0)
        observed.lines |= {line for _, line in self._known}
        findings = [
            *coverage.find_unknown_keys(observed, self._reward),
            *coverage.find_unreached_code(observed, self._reward),
            *coverage.find_constant_terms(observed, self._reward),
            *behavior.find_side_effects(caller, episodes, seconds / 6.0),
            *behavior.find_constant_reward(paid, caller),
            *behavior.find_jackpot(episodes, paid, caller),
        ]
        is_repeatable = not any(finding.code in UNREPEATABLE_CODES for finding in findings)
        tables = literal_tables(self._reward)
        if is_repeatable and tracks_of_tables(tables, self._cases.tracks) is None:
            findings += behavior.find_asymmetry(caller, episodes, seconds / 20.0)
        for finding in findings:
            self._send(finding)

    def _measure_times(self, episode: TrialEpisode, seconds: float) -> None:
        """Send how long calls take, and how many were made; RW207."""
        try:
            times = behavior.single_call_times(self._caller, episode, seconds)
        except RewardRefused:
            times = np.empty(0)
        episodes = self._cases.episodes
        facts: dict[str, float] = {
            "steps": sum(len(episode.params) for episode in episodes),
            "tracks": len({episode.track.name for episode in episodes}),
            "calls": self._caller.calls,
        }
        if len(times):
            median, most = map(float, np.quantile(times, [0.5, 0.95]))
            slowest = float(times.max())
            facts |= {
                "call_s": behavior.batched_call_time(self._caller, episode),
                "median_s": median,
                "p95_s": most,
                "slowest_s": slowest,
            }
            if most > SLOW_CALL_S:
                message = (
                    f"calls take {_milliseconds(median)} in the middle, "
                    f"{_milliseconds(most)} at the 95th percentile, {_milliseconds(slowest)} at most"
                )
                entry = self._reward.syntax.entry
                line = entry.lineno if entry else 0
                self._send(Finding("RW207", message, self._reward.filename, line))
        self._pipe.send(facts=facts)

    def _send(self, finding: Finding) -> None:
        _send(self._pipe, finding)

    def _say_last_words(self, error: RewardRefused) -> None:
        """Send what the process is about to be ended for."""
        finding = Finding(
            "RW206",
            describe_refusal(error),
            self._reward.filename,
            error.line,
            params=error.params,
            severity=Severity.ERROR,
        )
        self._send(finding)


def _send(pipe: MessagePipe, finding: Finding) -> None:
    pipe.send(finding=asdict(finding))


def _tracks_of_kind(failures: Sequence[CallFailure], kind: tuple[str, int]) -> set[str]:
    """Names of the tracks on which failures of a kind were seen."""
    names = set()
    for failure in failures:
        if failure.kind == kind and failure.episode is not None:
            names.add(failure.episode.track.name)
    return names


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
