"""Check reward files: read what the project says, apply the rules to each, and let a child process
try it.

What a project says about checks in its pyproject.toml: `[tool.racer]`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.checker import misreadings, static, validators
from racer.checker.findings import Finding, RuleContext
from racer.checker.results import (
    CheckReport,
    CheckResult,
    merge_findings,
    parse_selection,
    select_findings,
)
from racer.errors import UsageError, did_you_mean
from racer.files import make_folder, read_toml
from racer.reward import RewardFunction, RewardUnusable, find_reward, read_reward_text

if TYPE_CHECKING:
    from racer.checker.cases import TrialCases
    from racer.checker.coverage import LineRecorder
    from racer.checker.sandbox import ChildProcess, Message


MAX_TIMEOUT_S = 1e6
OBJECT_KINDS = {"boxes": "box", "bots": "bot"}
"""What may stand on every road of a trial."""

CALL_TIMEOUT_S = 2.0
TRIAL_TIME_S = 1.6
"""Seconds that the trial of an ordinary file may take."""
LONGEST_TRIAL_S = 90.0
"""After so many seconds, waiting for a busy machine not counted, a trial ends with what it has."""
MAX_WAIT_FACTOR = 20.0
"""So many times as long by the clock on the wall, it is ended."""
SLOW_MOTION_FACTOR = 3.0
"""How much longer a trial in slow motion may take."""
SILENCE_GRACE_S = 12.0
"""Beyond the timeout of a call without a sign of life."""
ALONE_GRACE_S = 60.0
"""The same before a file is accused, when no other is tried beside it."""

RewardSource = str | os.PathLike[str] | RewardFunction


@dataclass(frozen=True)
class ProjectSettings:
    """The table's keys. Tables within it belong to other commands and are left alone."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    track: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    timeout: float | None = None
    objects: str = ""


def read_project_settings(start: Path) -> ProjectSettings:
    """The settings that hold for a file or folder: of the nearest pyproject.toml with
    `[tool.racer]`, from it upwards.

    Raises UsageError with the file and the key where it is not what it should be.
    """
    start = start.absolute()
    for folder in [start, *start.parents]:
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        table = read_toml(path).get("tool", {}).get("racer")
        if table is not None:
            return _parse_settings(table, path)
    return ProjectSettings()


def _parse_settings(table: Any, path: Path) -> ProjectSettings:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.racer must be a table")
    known = [field.name for field in fields(ProjectSettings)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            continue
        if key not in known:
            suggestion = did_you_mean(key, known) or f": there are {', '.join(known)}"
            raise UsageError(f"{path}: [tool.racer] has no {key!r}{suggestion}")
        if key == "timeout":
            values[key] = _parse_timeout(value, path)
        elif key == "objects":
            values[key] = _parse_objects(value, path)
        else:
            values[key] = _parse_words(key, value, path)
    return ProjectSettings(**values)


def _parse_timeout(value: Any, path: Path) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0.0 < value < MAX_TIMEOUT_S:
        raise UsageError(f"{path}: timeout in [tool.racer] is a number of seconds, not {value!r}")
    return float(value)


def _parse_objects(value: Any, path: Path) -> str:
    if value not in ("none", *OBJECT_KINDS):
        kinds = ", ".join(OBJECT_KINDS)
        raise UsageError(f"{path}: objects in [tool.racer] is none, {kinds}, not {value!r}")
    return str(value)


def _parse_words(key: str, value: Any, path: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{path}: {key} in [tool.racer] is a list of words, not {value!r}")
    return tuple(value)


@dataclass(frozen=True)
class CheckOptions:
    """What to check with.

    `tracks` are names or files; with none it is all that ship, and whole laps on one of them.
    `timeout` is in seconds for a call, `seconds` about what the trial of a file may take, `jobs` the
    number of child processes at a time, 0 for as many as there are cores. `objects` is "none",
    "boxes" or "bots".
    """

    tracks: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    timeout: float = CALL_TIMEOUT_S
    seconds: float = TRIAL_TIME_S
    jobs: int = 0
    objects: str = "none"


def check(
    rewards: RewardSource | Sequence[RewardSource],
    *,
    tracks: Sequence[str] = (),
    profiles: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    timeout: float = CALL_TIMEOUT_S,
    seconds: float = TRIAL_TIME_S,
    jobs: int = 0,
    objects: str = "none",
    on_report: Callable[[CheckReport], None] = lambda report: None,
) -> CheckResult:
    """Everything that can be known about reward functions without training.

    Parameters
    ----------
    rewards
        A file, the name of a shipped reward, a loaded one, or several of these.
    tracks
        Names or files of tracks to try it on; none: all that ship, with whole laps on one of them.
    profiles
        Validators to ask, too: "aws", "community".
    select, ignore
        Codes of findings that count and that do not, such as "RW2" or "RW301"; none: all count.
    timeout
        Seconds for one call.
    seconds
        Seconds that the trial of a file may take, about.
    jobs
        Files that are tried at a time; 0: as many as there are cores.
    objects
        "boxes" or "bots": these stand on every road, as in object avoidance and head-to-bot races;
        "none": roads are tried with and without.
    on_report
        Gets each report as soon as it and those before it are there.

    Raises UsageError when there is no such file, track, profile or code.

    Examples
    --------
    >>> result = check("center_line", tracks=["oval"], seconds=0.2)
    >>> result.verdict, result.exit_code
    ('passed', 0)
    >>> [finding.code for finding in result.findings if finding.is_error]
    []
    """
    if isinstance(rewards, str | os.PathLike | RewardFunction):
        rewards = [rewards]
    if not 0.0 < timeout < MAX_TIMEOUT_S:
        raise UsageError(
            f"the timeout of a call (--timeout) is a number of seconds above 0, not {timeout:g}"
        )
    for profile in profiles:
        validators.find_profile(profile)
    if objects not in ("none", *OBJECT_KINDS):
        kinds = ", ".join(OBJECT_KINDS)
        raise UsageError(f"there are no objects {objects!r} (--objects): none, {kinds}")
    options = CheckOptions(tuple(tracks), tuple(profiles), timeout, seconds, jobs, objects)
    selection = parse_selection(select, ignore)
    reports: list[CheckReport] = []
    for report in _reports_in_order(rewards, options):
        reports.append(select_findings(report, selection))
        on_report(reports[-1])
    return CheckResult(reports)


def expand_paths(names: Sequence[str]) -> list[str]:
    """Files and shipped names as they are, folders as the Python files in them."""
    paths: list[str] = []
    for name in names:
        files = sorted(Path(name).glob("*.py")) if Path(name).is_dir() else []
        paths += map(os.fspath, files) if files else [name]
    return paths


def _reports_in_order(
    rewards: Sequence[RewardSource], options: CheckOptions
) -> Iterator[CheckReport]:
    """The reports in the order of the files, each as soon as it and those before it are whole."""
    waiting: list[CheckReport] = []
    trials = []
    whole: set[int] = set()
    for source in rewards:
        report, reward = _read_and_apply_rules(source, options)
        waiting.append(report)
        if reward is None:
            whole.add(id(report))
        else:
            trials.append((report, reward))
    tried = _run_trials(trials, options) if trials else iter(())
    while waiting:
        while id(waiting[0]) not in whole:
            whole.add(id(next(tried)))
        report = waiting.pop(0)
        report.findings = merge_findings(report.findings)
        yield report
    for _ in tried:  # to its end, where it says what failed
        pass


def _read_and_apply_rules(
    source: RewardSource, options: CheckOptions
) -> tuple[CheckReport, RewardFunction | None]:
    """The report as far as rules go, and the reward, which is None for a file that is none."""
    if isinstance(source, RewardFunction):
        reward: RewardFunction | None = source
        findings: list[Finding] = []
    else:
        reward, findings = static.read_reward_file(source)
    if reward is None:
        path = findings[0].path if findings else os.fspath(source)  # type: ignore[arg-type]
        return CheckReport(path, _text_of(path), findings), None
    context = RuleContext(reward.path, options.profiles)
    for rule in (*static.RULES, *misreadings.RULES, *validators.RULES):
        findings += rule(reward, context)
    return CheckReport(reward.filename, reward.source, findings), reward


def _text_of(name: str) -> str:
    try:
        return read_reward_text(find_reward(name))[0]
    except RewardUnusable:  # the finding about the file says it
        return ""


class _FileTrial:
    """The trial of one file: a child process, what it sent so far, and how it ended.

    A file that seems not to come back is tried once more, alone, before it is accused.
    """

    def __init__(
        self,
        report: CheckReport,
        reward: RewardFunction,
        cases: TrialCases,
        options: CheckOptions,
        folder: str,
    ) -> None:
        self.report = report
        self.error: RuntimeError | None = None
        self._reward = reward
        self._cases = cases
        self._options = options
        self._folder = folder
        self._rule_findings = list(report.findings)
        self._stage: str = "begin"
        self._is_hung: bool = False
        self._is_late: bool = False
        self._says_stuck: bool = False
        self._is_slow_motion: bool = False
        self._is_alone: bool = False
        self._first_end: Finding | None = None
        self._start()

    @property
    def child(self) -> ChildProcess:
        """The process that tries the file."""
        return self._child

    def listen(self) -> None:
        """Take in what the process has sent."""
        try:
            for message in self._child.messages():
                self._take_in(message)
        except RuntimeError as error:  # racer's own: the other files are tried all the same
            self.error = error
            self._stage = "done"

    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        now = time.monotonic()
        grace = ALONE_GRACE_S if self._is_alone else SILENCE_GRACE_S
        is_silent = now - self._child.heard > self._options.timeout + grace
        self._is_late = now - self._child.started > MAX_WAIT_FACTOR * self._longest
        is_gone = self._child.connection.closed or not self._child.is_alive
        return self._is_done or is_silent or self._is_late or is_gone

    def end(self) -> None:
        """End the process and everything that it started."""
        if not self._is_done and self._child.is_alive:
            self._child.join(0.3 if self._child.connection.closed else 0.0)
            self._is_hung = self._child.is_alive and not self._is_late
        self._child.end()

    def goes_on(self) -> bool:
        """Whether the file, whose process has ended, is to be tried again, by `start_again`: alone when
        it seems not to come back, and in slow motion when the process died where its line was not on
        record. If not, the report gets its last finding.
        """
        if self._is_done and not self._says_stuck:
            if self._first_end is not None and "limit_s" in self.report.facts:
                self.report.findings.append(self._first_end)
            return False
        if self._is_late:
            self.report.facts["limit_s"] = self._longest
            return False
        if self._says_stuck and self._is_alone:
            return False
        finding = None if self._says_stuck else self._finding_of_end()
        is_stuck = finding is None or finding.code == "RW206"
        lacks_line = finding is not None and self._stage not in ("begin", "smoke")
        if (is_stuck and not self._is_alone) or (lacks_line and not self._is_slow_motion):
            self._is_slow_motion = lacks_line
            self._first_end = finding
            return True
        if finding is not None:
            self.report.findings.append(finding)
        return False

    def start_again(self) -> None:
        """Try the file once more, when no other is tried."""
        self._is_alone = True
        self.report.findings[:] = self._rule_findings
        self.report.facts.clear()
        self._start()

    @property
    def _is_done(self) -> bool:
        return self._stage == "done"

    @property
    def _longest(self) -> float:
        return LONGEST_TRIAL_S * (SLOW_MOTION_FACTOR if self._is_slow_motion else 1.0)

    def _start(self) -> None:
        from racer.checker.coverage import LineRecorder
        from racer.checker.sandbox import ChildProcess
        from racer.checker.worker import TrialOrder, run_trial

        self._stage = "begin"
        self._is_hung = False
        self._says_stuck = False
        self._recorder: LineRecorder = LineRecorder()
        order = TrialOrder(
            self._reward,
            self._cases,
            self._options.timeout,
            self._options.seconds,
            self._recorder,
            self._longest,
            self._is_slow_motion,
        )
        self._child: ChildProcess = ChildProcess(run_trial, (order,), self._folder)

    def _take_in(self, message: Message) -> None:
        self._stage = message.get("stage", self._stage)
        self.report.facts.update(message.get("facts", {}))
        if "finding" in message:
            finding = misreadings.name_cause(self._reward, Finding(**message["finding"]))
            self._says_stuck |= finding.code == "RW206"
            self.report.findings.append(finding)

    def _finding_of_end(self) -> Finding:
        """Why the process is gone: a call that did not come back, or one that ended the program."""
        line = self._recorder.line
        text = self._reward.text_of(line)
        source = f", at `{text[:100]}`" if text else ""
        exit_code = self._child.exit_code
        silence = time.monotonic() - self._child.heard
        # the hard timeout of a call ends the process with exit code 1
        timed_out = exit_code == 1 and silence > self._options.timeout + 3.0
        if self._is_hung or timed_out:
            message = (
                f"the reward function does not come back within {self._options.timeout:g} s "
                f"and cannot be interrupted{source}"
            )
            return Finding("RW206", message, self._reward.filename, line)
        message = (
            f"the reward function ends the whole program ({_describe_exit(exit_code)}){source}"
        )
        return Finding("RW208", message, self._reward.filename, line)


def _run_trials(
    trials: Sequence[tuple[CheckReport, RewardFunction]], options: CheckOptions
) -> Iterator[CheckReport]:
    """The reports, each when its trial is over. Files that are to be tried again come last, one by one.

    Raises RuntimeError behind the last one when racer's own code failed.
    """
    from racer.checker.cases import build_trial_cases, shipped_trial_cases, trial_track_names
    from racer.checker.sandbox import sandbox_folder, wait_for_messages

    kind = OBJECT_KINDS.get(options.objects, "")
    if options.tracks and "all" not in options.tracks:
        cases = build_trial_cases(list(dict.fromkeys(options.tracks)), is_named=True, objects=kind)
    elif kind:
        cases = build_trial_cases(trial_track_names(()), is_named=False, objects=kind)
    else:
        cases = shipped_trial_cases()
    jobs = max(options.jobs or os.cpu_count() or 1, 1)
    waiting = list(trials)
    running: list[_FileTrial] = []
    again: list[_FileTrial] = []
    failed: list[RuntimeError] = []
    with sandbox_folder() as home, ExitStack() as stack:
        stack.callback(_end_all, running)
        while waiting or running or again:
            while waiting and len(running) < jobs:
                report, reward = waiting.pop(0)
                folder = make_folder(Path(home) / str(len(waiting)))
                running.append(_FileTrial(report, reward, cases, options, str(folder)))
            if not running:
                running.append(again.pop(0))
                running[0].start_again()
            wait_for_messages([trial.child for trial in running])
            for trial in list(running):
                trial.listen()
                if not trial.is_over():
                    continue
                trial.listen()  # to what was sent meanwhile
                trial.end()
                running.remove(trial)
                if trial.goes_on():
                    again.append(trial)
                    continue
                if trial.error is not None:
                    failed.append(trial.error)
                yield trial.report
    if failed:
        raise failed[0]


def _end_all(running: Sequence[_FileTrial]) -> None:
    for trial in running:
        trial.end()


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
