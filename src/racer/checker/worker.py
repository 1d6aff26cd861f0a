"""What a child process does with one file: it tries it on everything there is, and sends each finding
as it comes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from racer.checker import behavior, coverage, search
from racer.checker.best_paid import find_best_paid_without_lap
from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    TimeIsUp,
    TrialClock,
    distinct_failures,
    finding_from_failure,
    load_failure_finding,
    looks_up_table,
    steps_in,
    thinned,
    tracks_of_kind,
    without_traceback,
)
from racer.checker.cases import (
    NumberTable,
    TrialCases,
    TrialEpisode,
    lap_episodes,
    literal_tables,
    probe_episodes,
    tracks_of_tables,
    with_objects,
)
from racer.checker.coverage import LineRecorder
from racer.checker.findings import Finding, Severity
from racer.checker.sandbox import AuditGuard, MessagePipe
from racer.errors import RacerError
from racer.reward import (
    RefusalReason,
    RewardFunction,
    RewardRefused,
    describe_refusal,
    reads_objects,
)
from racer.track import Track, own_tracks

Array = NDArray[np.float64]

SMOKE_STEPS = 24
"""Steps that are called first, with every line on record."""
RANDOM_STEPS = 400
"""Places at random on each of six tracks."""
MIN_RANDOM_STEPS = 20
RANDOM_TRACKS = 6
DRIVE_OVERTIME_S = 6.0
"""Beyond its part of the work: only a slow reward is not tried everywhere."""
MIN_DRIVEN_STEPS = 300
MAX_TRACED_CALLS = 100_000
TRACING_FACTOR = 4.0
"""How many times longer a traced call takes, about."""
LOOKUP_ERRORS = ("IndexError", "KeyError")
EMPTY_ROAD_CURE = (
    "ask whether params['objects_location'] is empty first; or, for a race that always has objects: "
    "racer check --objects boxes (or bots)"
)
MAX_NAMED_TABLES = 6
UNREPEATABLE_CODES = ("RW301", "RW305", "RW306")
"""With one of these equal steps pay differently anyway."""


@dataclass(frozen=True, eq=False)
class TrialOrder:
    """One file to try, with about `seconds` of work and `timeout` seconds for a call.

    `longest`: after so many seconds, waiting not counted, the trial ends with what it has.
    `is_slow_motion`: every line goes on record, to know where the process dies.
    """

    reward: RewardFunction
    cases: TrialCases
    timeout: float
    seconds: float
    recorder: LineRecorder
    longest: float
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
    trial = RewardTrial(pipe, order)
    try:
        with trace:
            trial.run()
    finally:
        for (code, line), action in guard.noticed.items():
            is_blocked = (code, line) in guard.blocked
            _send(pipe, trial.finding_of_action(code, line, action, is_blocked))
    pipe.send(stage="done")


class RewardTrial:
    """One file under trial. What one part of it finds decides on the next."""

    def __init__(self, pipe: MessagePipe, order: TrialOrder) -> None:
        self._pipe = pipe
        self._order = order
        self._reward = order.reward
        self._cases = order.cases
        self._caller = RewardCaller(
            order.reward,
            order.timeout,
            pipe.beat,
            self._say_last_words,
            TrialClock(order.longest),
        )
        self._known: set[tuple[str, int]] = set()
        self._excused: set[tuple[str, int]] = set()
        self._is_silenced = False
        self._has_error = False
        self._has_driven = False
        self._priced_steps = 0
        self._driven_tracks: set[str] = set()
        self._is_whole = False

    def run(self) -> None:
        """Every part of the trial, as long as no finding silences the file and its time is not up."""
        try:
            self._run_parts()
        except RewardRefused as error:  # it loads at one time and not at another
            self._report_refusal(error)
        except TimeIsUp:
            if not self._has_driven:
                self._note_driven([], [], steps_in(self._cases.episodes))
            self._pipe.send(facts={"limit_s": self._order.longest})

    def finding_of_action(self, code: str, line: int, action: str, is_blocked: bool) -> Finding:
        """What the guard noticed. It is an error where it kept every step from being tried."""
        message = f"the reward function {action}"
        severity = Severity.ERROR if is_blocked else None
        if self._has_driven and not self._priced_steps and not self._has_error:
            severity = Severity.ERROR
            message += "; no step could be tried beyond that, so nothing else is known of it"
        return Finding(code, message, self._reward.filename, line, severity=severity)

    def _run_parts(self) -> None:
        try:
            self._smoke()
            if not self._is_silenced:
                self._caller.work = coverage.count_work(self._caller, self._cases.episodes[0])
        except RewardRefused:
            raise
        except RacerError as error:
            self._send(load_failure_finding(error, self._reward))
            return
        if self._is_silenced:
            return
        self._choose_tracks()
        rewards, failures = self._drive()
        self._report(self._without_excused(failures))
        if not self._priced_steps and not self._has_error:
            self._report_untried(failures)
        for part in (partial(self._look, rewards), self._try_random_places):
            if not self._is_silenced:
                part()

    def _smoke(self) -> None:
        """The first calls, under trace: a call that ends the process is found here, with its line."""
        self._pipe.send(stage="smoke")
        with self._order.recorder.tracing(self._reward.filename):
            for episode in self._cases.episodes[:3]:
                stride = max(len(episode.params) // (SMOKE_STEPS // 3), 1)
                some_steps = episode.only(slice(None, None, stride))
                failures = self._caller.run_episode(some_steps)[1]
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
        own = own_tracks()
        routes: list[Track] = []
        for table in [table for table in tables if table.points is not None][:MAX_NAMED_TABLES]:
            of_table = tracks_of_tables([table], cases.tracks) or []
            own_of_table = tracks_of_tables([table], own) or []
            self._send(self._finding_of_table(table, [*of_table, *own_of_table]))
            if not of_table:
                routes += [track for track in own_of_table if track not in routes]
        episodes = [episode for episode in cases.episodes if episode.track in fitting]
        for route in routes:
            episodes += probe_episodes(route)
        fitting += routes
        if fitting:
            if not any(episode.driver for episode in episodes):
                episodes = [*lap_episodes(fitting[0]), *episodes]
            if cases.objects:
                episodes = [with_objects(episode, cases.objects) for episode in episodes]
            self._cases = TrialCases(fitting, episodes, True, cases.objects)

    def _finding_of_table(self, table: NumberTable, fitting: Sequence[Track]) -> Finding:
        """RW309 of one table, with the tracks that it fits."""
        name = f"the table {table.name}" if table.name else "the table"
        count = len(self._cases.tracks)
        purpose = f"made for none of these {count} tracks: name its own with --track"
        if fitting:
            names = ", ".join(track.name for track in fitting)
            purpose = f"made for {names}: the file is tried there only"
        message = f"{name} of {table.rows} rows is {purpose}"
        return Finding("RW309", message, self._reward.filename, table.line)

    def _drive(self) -> tuple[list[Array], list[CallFailure]]:
        """Rewards of every episode, each by an instance of its own, and all failures. Of a slow reward
        fewer steps are tried; episodes that there was no time for get no rewards.
        """
        self._pipe.send(stage="drive")
        all_episodes = self._cases.episodes
        all_steps = steps_in(all_episodes)
        seconds = 0.4 * self._order.seconds + DRIVE_OVERTIME_S
        affordable = self._caller.affordable(seconds, MIN_DRIVEN_STEPS, all_steps)
        if affordable < all_steps:
            self._cases = replace(self._cases, episodes=thinned(all_episodes, affordable))
        rewards: list[Array] = []
        failures: list[CallFailure] = []
        is_silenced = False
        is_late = False
        for episode in self._cases.episodes:
            paid = np.empty(0)
            if not is_silenced and not is_late:
                try:
                    paid, failed = self._caller.run_episode(episode)
                    failures += failed
                    is_silenced = any(failure.code in SILENCING_CODES for failure in failed)
                except TimeIsUp:
                    is_late = True
            rewards.append(paid)
        self._note_driven(rewards, failures, all_steps)
        return rewards, failures

    def _note_driven(
        self, rewards: Sequence[Array], failures: Sequence[CallFailure], all_steps: int
    ) -> None:
        """Send on how much of what the reward was tried, and keep where it did without a failure."""
        self._has_driven = True
        self._is_whole = all_steps == steps_in(self._cases.episodes) and all(map(len, rewards))
        tried = [f for f in failures if f.refusal.reason is not RefusalReason.BLOCKED]
        tracks = {failure.episode.track.name for failure in tried if failure.episode is not None}
        for episode, paid in zip(self._cases.episodes, rewards, strict=False):
            count = int(np.isfinite(paid).sum())
            self._priced_steps += count
            if count:
                tracks.add(episode.track.name)
        self._driven_tracks = tracks
        facts = {
            "steps": self._priced_steps + len(tried),
            "tracks": len(tracks),
            "of_steps": all_steps,
            "of_tracks": len({track.name for track in self._cases.tracks}),
        }
        self._pipe.send(facts=facts)

    def _try_random_places(self) -> None:
        self._pipe.send(stage="search")
        seconds = 0.5 * self._order.seconds / RANDOM_TRACKS
        count = self._caller.affordable(seconds, MIN_RANDOM_STEPS, RANDOM_STEPS)
        tracks = self._cases.tracks[:RANDOM_TRACKS]
        failures = search.random_failures(self._caller, tracks, count, self._cases.objects)
        self._report(self._without_excused(failures, search_is_on=True))

    def _without_excused(
        self, failures: Sequence[CallFailure], *, search_is_on: bool = False
    ) -> list[CallFailure]:
        """One failure of each kind, without those beyond a table on a track that it was not made for
        (RW309). Only what was driven without the failure on another track is excused.
        """
        kept = []
        excused: list[tuple[CallFailure, list[str]]] = []
        for failure in distinct_failures(failures):
            if failure.kind in self._excused | self._known:
                continue
            tracks = tracks_of_kind(failures, failure.kind)
            if self._is_beyond_table(failure) and self._has_track_without(
                failure, tracks, search_is_on
            ):
                excused.append((failure, sorted(tracks)))
                self._excused.add(failure.kind)
            else:
                kept.append(failure)
        tables = literal_tables(self._reward)
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

    def _is_beyond_table(self, failure: CallFailure) -> bool:
        """Whether a failure is an index or key that a table of the file does not have."""
        if self._cases.is_named or failure.exception not in LOOKUP_ERRORS:
            return False
        return looks_up_table(self._reward, failure.line)

    def _has_track_without(
        self, failure: CallFailure, tracks: set[str], search_is_on: bool
    ) -> bool:
        """Whether another track was driven without a failure of that kind: as a whole, or, for what a
        search found, at the same place.
        """
        if not search_is_on:
            return bool(self._driven_tracks - tracks)
        if failure.episode is None:
            return False
        step = failure.episode.places[failure.k]
        return search.has_track_without(self._caller, step, failure.kind, self._cases.tracks)

    def _report_untried(self, failures: Sequence[CallFailure]) -> None:
        """Send why no step could be priced, unless the guard says it."""
        for failure in distinct_failures(failures):
            if failure.refusal.reason is not RefusalReason.BLOCKED:
                self._send(finding_from_failure(failure, self._reward))
                return

    def _report_refusal(self, error: RewardRefused) -> None:
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
            try:
                finding = self._smallest_finding(failure)
            except TimeIsUp:
                self._send(finding_from_failure(failure, self._reward))
                raise
            if finding is not None:
                self._known.add(failure.kind)
                self._send(finding)

    def _smallest_finding(self, failure: CallFailure) -> Finding | None:
        """As `minimize_failure`, but with objects where these stand on every road, and with the cause
        where only the lack of them makes a call fail.
        """
        finding = search.minimize_failure(self._caller, failure)
        if finding is None or failure.episode is None or failure.code in SILENCING_CODES:
            return finding
        place = failure.episode.places[failure.k]
        if self._cases.objects:
            if finding.params and finding.params["objects_location"]:
                return finding
            params = failure.episode.params[failure.k]
            return finding_from_failure(
                failure, self._reward, circumstances=place.description, params=params
            )
        if place.objects or not place.track.is_loop or not reads_objects(self._reward):
            return finding
        step = failure.episode.only([failure.k])
        among_objects = [with_objects(step, kind) for kind in ("box", "bot")]
        if not self._fails_so(step, failure) or all(
            self._fails_so(episode, failure) for episode in among_objects
        ):
            return finding
        circumstances = f"without objects on the road; {finding.circumstances}"
        return replace(finding, circumstances=circumstances, remedy=EMPTY_ROAD_CURE)

    def _fails_so(self, episode: TrialEpisode, failure: CallFailure) -> bool:
        """Whether an episode, by a new instance, has a failure of that kind, with that exception."""
        failures = self._caller.run_episode(episode)[1]
        alike = [one for one in failures if one.exception == failure.exception]
        return failure.kind in [one.kind for one in alike]

    def _look(self, rewards: Sequence[Array]) -> None:
        """Everything that is not a failure, on the steps that did not fail."""
        episodes: list[TrialEpisode] = []
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
        most = caller.affordable(seconds / TRACING_FACTOR, MIN_DRIVEN_STEPS, MAX_TRACED_CALLS)
        observed = coverage.observe_calls(caller, self._cases.episodes, most)
        observed.lines |= {line for _, line in self._known}
        observed.is_whole &= self._is_whole
        findings = [
            *coverage.find_unknown_keys(observed, self._reward),
            *coverage.find_unreached_code(observed, self._reward),
            *coverage.find_constant_terms(observed, self._reward),
            *behavior.find_side_effects(caller, episodes, seconds / 6.0),
            *behavior.find_constant_reward(paid, caller),
            *behavior.find_jackpot(episodes, paid, caller),
            *find_best_paid_without_lap(episodes, paid, caller),
            *behavior.find_punished_direction(caller, episodes),
            *behavior.find_milestone_windows(caller, episodes),
        ]
        is_repeatable = not any(finding.code in UNREPEATABLE_CODES for finding in findings)
        tables = literal_tables(self._reward)
        if is_repeatable and tracks_of_tables(tables, self._cases.tracks) is None:
            findings += behavior.find_asymmetry(caller, episodes, seconds / 20.0)
        for finding in findings:
            self._send(finding)

    def _measure_times(self, episode: TrialEpisode, seconds: float) -> None:
        """Send how long calls take, and how many were made; RW207."""
        caller = self._caller
        facts: dict[str, float] = {"calls": caller.calls}
        count = caller.affordable(seconds, behavior.MIN_TIMED_CALLS, behavior.MAX_TIMED_CALLS)
        try:
            times = behavior.single_call_times(caller, episode, count)
            call_s = behavior.batched_call_time(caller, episode)
        except RewardRefused:
            times = np.empty(0)
        if len(times):
            median, most = map(float, np.quantile(times, [0.5, behavior.SLOW_QUANTILE]))
            facts |= {
                "call_s": call_s,
                "median_s": median,
                "p95_s": most,
                "slowest_s": float(times.max()),
            }
            for finding in coverage.find_slow_calls(caller, most, behavior.SLOW_CALL_S):
                self._send(finding)
        self._pipe.send(facts=facts)

    def _send(self, finding: Finding) -> None:
        self._has_error |= finding.is_error
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
