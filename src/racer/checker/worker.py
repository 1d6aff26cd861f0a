"""What the child process does with one file: it tries it on everything there is, and says each
finding as it comes.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.checker import behavior
from racer.checker import coverage as traced
from racer.checker import minimize as crashes
from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    TimeBudget,
    distinct_failures,
    failure_from_refusal,
    load_failure_finding,
)
from racer.checker.cases import TrialCases, TrialEpisode, build_trial_cases, lap_episodes
from racer.checker.findings import Finding, Severity
from racer.checker.sandbox import AuditGuard, LineRecorder, confine_process
from racer.checker.tables import literal_tables, tracks_of_tables
from racer.errors import RacerError
from racer.reward import RewardFunction, RewardRefused, load_reward

Array = NDArray[np.float64]

SMOKE_STEPS = 24  # steps that are priced first, with every line on record
RANDOM_STEPS = 800  # places at random on each of three tracks
SLOW_CALL_S = 0.005  # s a call from which on a reward is called slow
# s beyond its share that the drive may take: only a slow reward is not tried everywhere
DRIVE_OVERTIME_S = 1.5
HEARTBEAT_S = 0.1  # s between two signs of life, at least


@dataclass(frozen=True, eq=False)
class TrialOrder:
    """One file to try: in how many seconds, about, and with how many seconds for a call.

    `is_slow_motion`: every line goes on record, to know where the process dies.
    """

    reward: RewardFunction
    ground: TrialCases
    timeout: float
    seconds: float
    folder: str
    is_slow_motion: bool = False


class ReportPipe:
    """The way to the parent (a class: it keeps the time between signs of life, and what was said)."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._last = connection, 0.0
        self.stage("begin")

    def beat(self) -> None:
        if time.monotonic() - self._last > HEARTBEAT_S:
            self._send({"beat": 1})

    def stage(self, name: str) -> None:
        self._send({"stage": name})

    def say(self, found: Finding) -> None:
        self._send({"finding": asdict(found)})

    def crashed(self, trace: str) -> None:
        self._send({"crashed": trace})

    def facts(self, **facts: Any) -> None:
        self._send({"facts": facts})

    def _send(self, what: dict[str, Any]) -> None:
        self._last = time.monotonic()
        with contextlib.suppress(OSError):  # the parent is gone, and this process will be, too
            self._connection.send_bytes(json.dumps(what, default=float).encode())


def run_trial(order: TrialOrder, connection: Connection, recorder: LineRecorder) -> None:
    """Try the file of an order; the process ends with this."""
    confine_process(order.folder)
    line = ReportPipe(connection)
    guard = AuditGuard(order.reward.filename, order.folder)
    shop = RewardCaller(
        order.reward,
        order.timeout,
        line.beat,
        lambda error: line.say(_last_words(error, order.reward)),
    )
    guard.raise_up()
    trace = (
        recorder.tracing(order.reward.filename, set())
        if order.is_slow_motion
        else contextlib.nullcontext()
    )
    with trace:
        try:
            _Trial(order, shop, line, recorder).run()
        except Exception:  # a bug of racer's own: the parent raises it
            line.crashed(traceback.format_exc())
        finally:
            for (code, at), what in guard.seen.items():
                line.say(Finding(code, f"the reward function {what}", order.reward.filename, at))
    line.stage("done")
    connection.close()
    os._exit(0)  # what the file left behind (threads, exit handlers) does not run on


def run_trial_spawned(
    path: str,
    names: Sequence[str],
    is_named: bool,
    timeout: float,
    seconds: float,
    folder: str,
    its: Connection,
) -> None:
    """The same in a process that begins with nothing: where the system cannot fork."""
    run_trial(
        TrialOrder(load_reward(path), build_trial_cases(names, is_named), timeout, seconds, folder),
        its,
        LineRecorder(),
    )


class _Trial:
    """One file under trial (a class: what one look finds decides on the next)."""

    def __init__(
        self, order: TrialOrder, shop: RewardCaller, line: ReportPipe, recorder: LineRecorder
    ) -> None:
        self.order, self.shop, self.line, self.recorder = order, shop, line, recorder
        self.reward = order.reward
        self.ground = order.ground
        self.known: set[tuple[str, int]] = set()
        self.is_silent = False

    def run(self) -> None:
        try:
            self._smoke()
        except RewardRefused as error:
            self._report(
                [failure_from_refusal(error, self.reward, 0, None)] if error.at >= 0 else [], error
            )
        except RacerError as error:
            self.line.say(load_failure_finding(error, self.reward))
            return
        if self.is_silent:
            return
        self._settle_ground()
        values, failures = self._drive()
        self._report(self._ours(failures))
        if not self.is_silent:
            self._look(values)
        if not self.is_silent:
            self.line.stage("search")
            count = int(min(RANDOM_STEPS, 0.2 * self.order.seconds / self.shop.pace / 3.0))
            self._report(
                self._ours(crashes.random_failures(self.shop, self.ground.tracks[:3], count))
            )
        if not self.is_silent:
            found = crashes.search_failures(
                self.shop, self.ground.tracks[:6], self.known, self.order.seconds / 4.0
            )
            self._report(self._ours(found))

    def _smoke(self) -> None:
        """The first calls, under trace: a call that ends the process is found here, with its line."""
        self.line.stage("smoke")
        with self.recorder.tracing(self.reward.filename, set()):
            batch = self.shop.instance()
            for episode in self.ground.episodes[:3]:
                step = max(len(episode.params) // (SMOKE_STEPS // 3), 1)
                failures = self.shop.run(batch, _every(episode, step))[1]
                silent = [f for f in failures if f.code in SILENCING_CODES]
                if silent:
                    self._report(silent)
                    return

    def _settle_ground(self) -> None:
        """On what tracks to try it: those that its tables were made for, where there are such
        (RW309).
        """
        found, ground = literal_tables(self.reward), self.ground
        fitting = tracks_of_tables(found, ground.tracks)
        if fitting is None or ground.is_named or len(fitting) == len(ground.tracks):
            return
        table = next(t for t in found if t.places is not None)
        names = ", ".join(track.name for track in fitting)
        where = f"made for {names} and is tried on {'it' if len(fitting) == 1 else 'them'} only" if names else (
            f"made for none of these {len(ground.tracks)} tracks: name its own with --track")  # fmt: skip
        message = f"the table {table.name or ''} of {table.rows} rows is {where}".replace("  ", " ")
        self.line.say(Finding("RW309", message, self.reward.filename, table.line))
        if fitting:
            kept = [e for e in ground.episodes if e.track in fitting]
            if not any(e.driver for e in kept):
                kept = [*lap_episodes(fitting[0]), *kept]
            self.ground = TrialCases(fitting, kept, True)

    def _drive(self) -> tuple[list[Array], list[CallFailure]]:
        """Every episode by an instance of its own."""
        self.line.stage("drive")
        budget = TimeBudget(0.4 * self.order.seconds)
        values: list[Array] = []
        failures: list[CallFailure] = []
        for episode in self.ground.episodes:
            if budget.left < -DRIVE_OVERTIME_S or any(f.code in SILENCING_CODES for f in failures):
                values.append(np.empty(0))
                continue
            paid, bad = self.shop.run(self.shop.instance(), episode)
            values.append(paid)
            failures += bad
        return values, failures

    def _ours(self, failures: Sequence[CallFailure]) -> list[CallFailure]:
        """The failures that are the reward's, without those of a table on a track that it was not
        made for (RW309).
        """
        found = literal_tables(self.reward)
        names = {track.name for track in self.ground.tracks}
        kept, excused = [], []
        for failure in distinct_failures(failures):
            where = {f.episode.track.name for f in failures if f.kind == failure.kind and f.episode}
            is_lookup = failure.raised in ("IndexError", "KeyError")
            excused_now = found and not self.ground.is_named and where < names
            if excused_now and (is_lookup or any(t.places is not None for t in found)):
                excused.append((failure, sorted(where)))
            else:
                kept.append(failure)
        for failure, where_it_fails in excused[:1]:
            message = f"{failure.message}; on {', '.join(where_it_fails[:4])}, for a table of {found[0].rows} rows"
            self.line.say(Finding("RW309", message, self.reward.filename, failure.line))
        return kept

    def _report(self, failures: Sequence[CallFailure], error: RewardRefused | None = None) -> None:
        if error is not None and not failures:
            self.line.say(load_failure_finding(error, self.reward))
            self.is_silent = True
        for failure in distinct_failures(failures):
            if failure.raised == "Blocked" or failure.kind in self.known:
                continue
            self.is_silent |= failure.code in SILENCING_CODES
            found = crashes.minimize_failure(self.shop, failure)
            if found is not None:
                self.known.add(failure.kind)
                self.line.say(found)

    def _look(self, values: list[Array]) -> None:
        """Everything that is not a failure, on the steps that did not fail."""
        shop, seconds = self.shop, self.order.seconds
        pairs = [
            _healthy(e, paid)
            for e, paid in zip(self.ground.episodes, values, strict=True)
            if len(paid)
        ]
        episodes, values = (
            [e for e, _ in pairs if e.params],
            [paid for e, paid in pairs if e.params],
        )
        if not episodes:
            return
        self.line.stage("look")
        self._timing(episodes[0], seconds / 20.0)
        seen = traced.observe_calls(shop, episodes, seconds / 6.0)
        seen.lines |= {at for _, at in self.known}
        said = [
            *traced.find_unknown_keys(seen, self.reward),
            *traced.find_unreached_code(seen, self.reward),
        ]
        said += traced.find_constant_terms(seen, self.reward)
        said += behavior.find_side_effects(shop, episodes, seconds / 6.0)
        said += behavior.find_constant_reward(values, shop)
        said += behavior.find_jackpot(episodes, values, shop)
        if tracks_of_tables(
            literal_tables(self.reward), self.ground.tracks
        ) is None and not is_reward_random(said):
            said += behavior.find_asymmetry(shop, episodes, seconds / 20.0)
        for one in said:
            self.line.say(one)

    def _timing(self, episode: TrialEpisode, seconds: float) -> None:
        try:
            spent = behavior.single_call_times(self.shop, episode, seconds)
        except RewardRefused:
            spent = np.empty(0)
        steps = sum(len(e.params) for e in self.ground.episodes)
        facts: dict[str, float] = {
            "steps": steps,
            "tracks": len({e.track.name for e in self.ground.episodes}),
            "calls": self.shop.calls,
        }
        if len(spent):
            half, most, longest = (
                float(x) for x in (*np.quantile(spent, [0.5, 0.95]), spent.max())
            )
            facts |= {
                "call_s": behavior.batched_call_time(self.shop, episode),
                "median_s": half,
                "p95_s": most,
                "slowest_s": longest,
            }
            if most > SLOW_CALL_S:
                what = (
                    f"calls take {_ms(half)} in the middle, {_ms(most)} at the 95th percentile, "
                    f"{_ms(longest)} at most"
                )
                entry = self.reward.syntax.entry
                self.line.say(
                    Finding("RW207", what, self.reward.filename, entry.lineno if entry else 0)
                )
        self.line.facts(**facts)


def _healthy(episode: TrialEpisode, paid: Array) -> tuple[TrialEpisode, Array]:
    """An episode and its rewards without the steps that failed."""
    good = np.flatnonzero(np.isfinite(paid)).tolist()
    if len(good) == len(paid) == len(episode.params):
        return episode, paid
    told, places = [episode.params[k] for k in good], [episode.places[k] for k in good]
    return replace(episode, params=told, places=places, completes=False), paid[good]


def is_reward_random(said: Sequence[Finding]) -> bool:
    """Whether equal steps pay differently anyway."""
    return any(one.code in ("RW301", "RW305", "RW306") for one in said)


def _every(episode: TrialEpisode, step: int) -> TrialEpisode:
    return replace(
        episode, params=episode.params[::step], places=episode.places[::step], completes=False
    )


def _last_words(error: RewardRefused, reward: RewardFunction) -> Finding:
    message = failure_from_refusal(error, reward, 0, None).message
    return Finding(
        "RW206", message, reward.filename, error.line, params=error.params, severity=Severity.ERROR
    )


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
