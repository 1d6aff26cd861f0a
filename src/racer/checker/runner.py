"""Check reward files: read each, apply the rules, and let a child process try it out."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.checker import static as syntax_rules
from racer.checker import static_imports as imports
from racer.checker.findings import Finding, RuleContext
from racer.errors import UsageError
from racer.reward import RewardFunction
from racer.reward.load import find_reward, read_reward_text

if TYPE_CHECKING:
    from racer.checker.cases import TrialCases
    from racer.checker.sandbox import LineRecorder

CALL_TIMEOUT_S = 2.0  # s for one call
TRIAL_TIME_S = 1.6  # s that the trial of an ordinary file may take
LONGEST_TRIAL_S = 90.0  # s after which a trial is ended, whatever it says
SILENCE_GRACE_S = 12.0  # s beyond the timeout of a call without a sign of life

STATIC_RULES = (*syntax_rules.RULES, *imports.RULES)


@dataclass(frozen=True)
class CheckOptions:
    """What to check with. `tracks`: names or files; empty: all that ship, with whole laps on one of
    them.
    """

    tracks: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    timeout: float = CALL_TIMEOUT_S
    seconds: float = TRIAL_TIME_S
    jobs: int = 0  # child processes at a time; 0: as many as there are cores


@dataclass
class CheckReport:
    """What is known about one file: findings in the order of their lines, and numbers of the trial."""

    path: str
    source: str = ""
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        return any(found.is_error for found in self.findings)


def check(
    files: Sequence[str | os.PathLike[str]],
    orders: CheckOptions | None = None,
    on_report: Callable[[CheckReport], None] = lambda report: None,
) -> list[CheckReport]:
    """A report a file, in their order; `on_report` gets each as soon as it and those before it are
    there.

    A file may be a path or the name of a shipped reward. Raises UsageError when there is no such
    file or track.
    """
    orders = orders or CheckOptions()
    reports = [_static(name, orders) for name in files]
    trials = [(report, reward) for report, reward in reports if reward is not None]
    waiting = [report for report, _ in reports]
    done: set[int] = {id(report) for report, reward in reports if reward is None}
    _hand_out(waiting, done, on_report)
    if trials:
        for report in _tried(trials, orders):
            done.add(id(report))
            _hand_out(waiting, done, on_report)
    return [report for report, _ in reports]


def check_static(name: str | os.PathLike[str], orders: CheckOptions | None = None) -> CheckReport:
    """The report of one file as far as it can be written without running the file. UsageError as
    for `check`.
    """
    return _static(name, orders or CheckOptions())[0]


def _hand_out(
    waiting: list[CheckReport], done: set[int], on_report: Callable[[CheckReport], None]
) -> None:
    while waiting and id(waiting[0]) in done:
        report = waiting.pop(0)
        report.findings = merge_findings(report.findings)
        on_report(report)


def _static(
    name: str | os.PathLike[str], orders: CheckOptions
) -> tuple[CheckReport, RewardFunction | None]:
    reward, found = syntax_rules.read_reward_file(name)
    if reward is None:
        return CheckReport(
            found[0].path if found else os.fspath(name), _text(name), list(found)
        ), None
    context = RuleContext(reward.path, orders.profiles)
    for rule in (*STATIC_RULES, *_profile_rules(orders)):
        found = [*found, *rule(reward, context)]
    return CheckReport(reward.filename, reward.source, list(found)), reward


def _profile_rules(orders: CheckOptions) -> Sequence[Any]:
    if not orders.profiles:
        return ()
    from racer.checker import validators as profiles

    return tuple(profiles.RULES)


def _text(name: str | os.PathLike[str]) -> str:
    try:
        return read_reward_text(find_reward(name))[0]
    except UsageError:  # the finding about the file says it
        return ""


def merge_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Findings in the order of their lines, each fact once: what a trial finds again of a rule's is
    left out.
    """
    kept: dict[tuple[str, str, int], Finding] = {}
    for found in findings:
        once = found.code in ("RW102", "RW103", "RW104", "RW106")
        kept.setdefault((found.code, found.profile, 0 if once else found.line), found)
    unique = kept.values()
    return sorted(unique, key=lambda f: (f.line, f.column, f.code, f.profile))


@dataclass
class _Trial:
    """A child process and what it said so far."""

    report: CheckReport
    reward: RewardFunction
    process: Any
    connection: Connection
    recorder: LineRecorder
    is_slow_motion: bool
    folder: str
    stage: str = "begin"
    heard: float = field(default_factory=time.monotonic)
    started: float = field(default_factory=time.monotonic)
    spoke: bool = False  # whether it said a finding of a call that does not come back

    @property
    def is_done(self) -> bool:
        return self.stage == "done"


def _tried(
    trials: Sequence[tuple[CheckReport, RewardFunction]], orders: CheckOptions
) -> Iterator[CheckReport]:
    """The reports, each when its trial is over."""
    from racer.checker.cases import build_trial_cases, trial_track_names

    there = build_trial_cases(
        trial_track_names(orders.tracks), bool(orders.tracks) and "all" not in orders.tracks
    )
    waiting = list(trials)
    jobs = max(orders.jobs or os.cpu_count() or 1, 1)
    running: list[_Trial] = []
    with ExitStack() as stack:
        if len(trials) > jobs:
            import hypothesis  # noqa: F401 once here, and not once in every child
        from racer.checker.sandbox import sandbox_folder

        stack.callback(_end_all, running)
        while waiting or running:
            while waiting and len(running) < jobs:
                report, reward = waiting.pop(0)
                running.append(
                    _begin(report, reward, there, orders, stack.enter_context(sandbox_folder()))
                )
            _listen(running, orders)
            for trial in [t for t in running if _is_over(t, orders)]:
                running.remove(trial)
                _end(trial)
                again = _again(trial, there, orders)
                if again is not None:
                    running.append(again)
                else:
                    yield trial.report


def _begin(
    report: CheckReport,
    reward: RewardFunction,
    there: TrialCases,
    orders: CheckOptions,
    place: str,
    is_slow_motion: bool = False,
) -> _Trial:
    from racer.checker.cases import trial_track_names
    from racer.checker.sandbox import LineRecorder
    from racer.checker.worker import TrialOrder, run_trial, run_trial_spawned

    mine, its = multiprocessing.Pipe(duplex=False)
    order = TrialOrder(reward, there, orders.timeout, orders.seconds, place, is_slow_motion)
    recorder = LineRecorder()
    target: Callable[..., None] = run_trial
    arguments: tuple[Any, ...] = (order, its, recorder)
    if process_start_method() == "spawn":
        names = trial_track_names(orders.tracks)
        target, arguments = (
            run_trial_spawned,
            (str(reward.path), names, there.is_named, orders.timeout, orders.seconds, place, its),
        )
    context: Any = multiprocessing.get_context(process_start_method())
    process = context.Process(target=target, args=arguments, daemon=True)
    with warnings.catch_warnings():
        # Python 3.12: a fork beside threads; none is held here
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    its.close()
    return _Trial(report, reward, process, mine, recorder, is_slow_motion, place)


def process_start_method() -> str:
    """How child processes begin: as copies of this one, where the system can do that safely."""
    can_fork = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return "fork" if can_fork else "spawn"


def _listen(running: Sequence[_Trial], orders: CheckOptions) -> None:
    by_connection = {trial.connection: trial for trial in running if not trial.connection.closed}
    for ready in wait(list(by_connection), timeout=0.2):
        trial = by_connection[ready]  # type: ignore[index]
        try:
            while trial.connection.poll():
                _hear(trial, json.loads(trial.connection.recv_bytes()))
        except (EOFError, OSError, ValueError):
            trial.connection.close()


def _hear(trial: _Trial, said: dict[str, Any]) -> None:
    trial.heard = time.monotonic()
    trial.stage = said.get("stage", trial.stage)
    trial.report.facts.update(said.get("facts", {}))
    if "crashed" in said:
        raise RuntimeError(f"racer failed while it tried {trial.report.path}:\n{said['crashed']}")
    if "finding" in said:
        found = Finding(**said["finding"])
        trial.spoke |= found.code == "RW206"
        trial.report.findings.append(found)


def _is_over(trial: _Trial, orders: CheckOptions) -> bool:
    now = time.monotonic()
    late = (
        now - trial.heard > orders.timeout + SILENCE_GRACE_S
        or now - trial.started > LONGEST_TRIAL_S
    )
    return trial.is_done or trial.connection.closed or late or not trial.process.is_alive()


def _end(trial: _Trial) -> None:
    """The process and everything it started are gone after this."""
    if not trial.is_done and trial.process.is_alive():
        trial.process.join(0.3 if trial.connection.closed else 0.0)
    if trial.process.is_alive() and not trial.is_done:
        trial.stage = "hung"
    with suppress(OSError, AttributeError):
        if os.getpgid(trial.process.pid) == trial.process.pid:
            os.killpg(trial.process.pid, signal.SIGKILL)
    trial.process.join(1.0)
    if trial.process.is_alive():
        trial.process.kill()
        trial.process.join()
    trial.connection.close()


def _end_all(running: Sequence[_Trial]) -> None:
    for trial in running:
        _end(trial)


def _again(trial: _Trial, there: TrialCases, orders: CheckOptions) -> _Trial | None:
    """A second trial in slow motion when the process died where its line was not on record; else
    the last finding.
    """
    if trial.is_done or trial.spoke:
        return None
    if trial.stage not in ("begin", "smoke") and not trial.is_slow_motion:
        return _begin(trial.report, trial.reward, there, orders, trial.folder, True)
    line = trial.recorder.line
    text = trial.reward.text_of(line)
    at = f", at `{text[:100]}`" if text else ""
    if trial.stage == "hung" or (
        trial.process.exitcode == 1 and time.monotonic() - trial.heard > orders.timeout + 3.0
    ):
        what = f"the reward function does not come back within {orders.timeout:g} s and cannot be interrupted{at}"
        trial.report.findings.append(Finding("RW206", what, trial.reward.filename, line))
    else:
        what = f"the reward function ends the whole program ({_how(trial.process.exitcode)}){at}"
        trial.report.findings.append(Finding("RW208", what, trial.reward.filename, line))
    return None


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def expand_paths(names: Sequence[str]) -> list[str]:
    """Files and shipped names as they are, folders as the Python files in them."""
    found: list[str] = []
    for name in names:
        inside = (
            sorted(os.fspath(p) for p in Path(name).glob("*.py")) if Path(name).is_dir() else []
        )
        found += inside or [name]
    return found
