"""`racer watch`: a reward function checked and scored again on every save, on one small screen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from racer.cli.inputs import load_track_with_note
from racer.cli.tables import CarOption, RewardArgument, TrackOption, echo_json, format_count
from racer.cli.watch_foresight import ForesightProcess, WatchedForesight
from racer.errors import RacerError
from racer.track import DEFAULT_TRACK
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.checker import Finding
    from racer.diagnostics import RewardScore, ScoredTrack

POLL_S = 0.2  # s between two looks at the file
SEARCH_PATIENCE_S = 120.0  # s that --once waits for the search: it takes some two of processor time
TRIAL_S = 0.3  # s that the check may try the file for; racer check takes longer, and finds more
MAX_FINDINGS_SHOWN = 6
MAX_INVERSIONS_SHOWN = 3
CORRELATION_CHANGE = 5e-3  # that is worth a line
COLORS = {"error": "red", "warning": "yellow", "info": "cyan"}
"""Colors of severities, the worst first."""


@dataclass(frozen=True, eq=False)
class WatchResult:
    """What one save of the file came to.

    `trouble` is a sentence when it could not be read or scored; `seconds` is how long it took,
    `time_of_day` when.
    """

    findings: tuple[Finding, ...]
    score: RewardScore | None
    trouble: str
    seconds: float
    time_of_day: str

    @property
    def is_fine(self) -> bool:
        """Whether nothing speaks against the reward."""
        if not self.is_scored:
            return False
        return self.score is not None and self.score.verdict.passed

    @property
    def is_scored(self) -> bool:
        """Whether it could be scored: there is no error in it."""
        return self.score is not None and not any(finding.is_error for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """What a save came to, for JSON."""
        from racer.checker import finding_as_dict

        return {
            "event": "look",
            "passed": self.is_fine,
            "findings": [finding_as_dict(finding) for finding in self.findings],
            "score": None if self.score is None else self.score.to_dict(),
            "trouble": self.trouble or None,
            "seconds": round(self.seconds, 3),
        }


def watch_command(
    reward: RewardArgument,
    track: TrackOption = DEFAULT_TRACK,
    gamma: Annotated[
        float, typer.Option("--gamma", min=0.0, max=1.0, help="The discount factor of the verdict.")
    ] = 0.99,
    car: CarOption = DEFAULT_CAR,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, and leave with 1 if something is wrong.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON: a line for each look, and for what is foreseen."),
    ] = False,
) -> None:
    """Check and score a reward function on every save, and foresee what it asks for, until Ctrl-C.

    racer watch my_racer/reward.py
    racer watch center_line --track oval --once
    """
    from racer.diagnostics import ScoredTrack, ScoreSettings
    from racer.reward import find_reward

    path = find_reward(reward)
    known_track = load_track_with_note(track)
    settings = ScoreSettings(gammas=(gamma,), verdict_gamma=gamma, car=car)
    scored_track = ScoredTrack(known_track, settings)
    search = ForesightProcess(track, car, gamma)
    screen = WatchScreen(
        path, known_track.name, lambda: check_and_score(path, track, scored_track), search, as_json
    )
    try:
        if once:
            raise typer.Exit(0 if screen.show_once() else 1)
        screen.follow()
    except KeyboardInterrupt:
        return
    finally:
        search.stop()


class WatchScreen:
    """The screen of a file that is watched (a class: it knows the look before, and what is foreseen).

    `look` checks and scores the file; `search` foresees meanwhile what it asks for. With `as_json`
    each result is a line of JSON instead.
    """

    def __init__(
        self,
        path: Path,
        track: str,
        look: Callable[[], WatchResult],
        search: ForesightProcess,
        as_json: bool = False,
    ) -> None:
        self._as_json = as_json
        self._path = path
        self._track = track
        self._look = look
        self._search = search
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False)
        self._looked = Group(Text(f"{path.name} on {track}", "bold"))
        self._foreseen: WatchedForesight | None = None
        self._is_searching = False

    def show_once(self) -> bool:
        """Look once, draw all, and say whether nothing speaks against the reward."""
        self._search.ask(self._path)
        result = self._look()
        self._show_result(result, None)
        is_fine = result.is_fine
        if result.is_scored:
            foreseen = self._search.poll(SEARCH_PATIENCE_S)
            self._show_foreseen(foreseen)
            is_fine = is_fine and foreseen is not None and foreseen.is_fine
        return is_fine

    def follow(self) -> None:
        """Draw a screen a save, over the one before it on a terminal and below it in a pipe."""
        before: WatchResult | None = None
        with nullcontext() if self._as_json else self._live:
            for _ in watch_saves(self._path, self._wait):
                self._search.ask(self._path)
                self._is_searching = True
                self._draw(Text("looking again ...", "dim"))
                result = self._look()
                self._looked = render_screen(self._path, self._track, result, before)
                seen_before, before = before, result
                if not result.is_scored:
                    self._search.forget()
                    self._is_searching = False
                    self._foreseen = None
                self._draw()
                if self._is_followed_below:
                    self._show_result(result, seen_before)

    def _wait(self) -> None:
        """Pass the time between two looks at the file, and show what was found meanwhile."""
        time.sleep(POLL_S)
        foreseen = self._search.poll()
        if foreseen is None:
            return
        self._foreseen = foreseen
        self._is_searching = False
        self._draw()
        if self._is_followed_below:
            self._show_foreseen(foreseen)

    @property
    def _is_followed_below(self) -> bool:
        """Whether results stand below each other: in a pipe, and as JSON."""
        return self._as_json or not self._console.is_terminal

    def _show_result(self, result: WatchResult, before: WatchResult | None) -> None:
        if self._as_json:
            echo_json(result.to_dict(), indent=None, default=float)
        else:
            self._console.print(render_screen(self._path, self._track, result, before))

    def _show_foreseen(self, foreseen: WatchedForesight | None) -> None:
        if not self._as_json:
            self._console.print(render_foreseen(foreseen, is_searching=False))
        elif foreseen is not None:
            echo_json({"event": "foreseen", **asdict(foreseen)}, indent=None)

    def _draw(self, *more: Text) -> None:
        if self._as_json:
            return
        foreseen = render_foreseen(self._foreseen, self._is_searching)
        self._live.update(Group(self._looked, foreseen, *more), refresh=self._console.is_terminal)


def watch_saves(
    path: Path, wait: Callable[[], None] = lambda: time.sleep(POLL_S)
) -> Iterator[tuple[int, int] | None]:
    """Yields at once and then after each change of a file: its time and size, None while it is not
    there. `wait` is called between two looks at the file.
    """
    last: object = ()
    while True:
        now = _time_and_size(path)
        if now != last:
            last = now
            yield now
        wait()


def check_and_score(path: Path, track: str, scored_track: ScoredTrack) -> WatchResult:
    """The file checked on a track for a moment and, unless it has errors, scored there."""
    from racer.checker import check
    from racer.diagnostics import UnscoredReward

    start = time.perf_counter()
    findings: Sequence[Finding] = ()
    score = None
    trouble = ""
    try:
        [report] = check(path, tracks=[track], seconds=TRIAL_S, timeout=1.0).reports
        findings = report.findings
        if not report.has_errors:
            [result] = scored_track.score_each([path])
            if isinstance(result, UnscoredReward):
                trouble = str(result.error)
            else:
                score = result
    # the file may be half written, or gone for a moment: the next save may mend it
    except RacerError as error:
        trouble = str(error)
    seconds = time.perf_counter() - start
    return WatchResult(tuple(findings), score, trouble, seconds, time.strftime("%H:%M:%S"))


def render_screen(path: Path, track: str, result: WatchResult, before: WatchResult | None) -> Group:
    """The lines to draw for a save, with what has changed since the one before it."""
    when = f"{result.time_of_day}, {result.seconds:.1f} s"
    parts: list[Table | Text] = [Text(f"{path.name} on {track}   {when}", "bold")]
    parts += _render_findings(result)
    if result.trouble:
        parts.append(Text(result.trouble, "red"))
    elif result.score is None:
        parts.append(Text("clock: not scored before the errors are mended", "dim"))
    if result.score is not None:
        parts += _render_verdict(result.score)
    if before is not None:
        for change in describe_changes(before, result):
            parts.append(Text(f"since the last save: {change}", "magenta"))
    return Group(*parts)


def render_foreseen(foreseen: WatchedForesight | None, is_searching: bool) -> Text:
    """The line about what the reward asks for: gray as long as it is that of the save before."""
    if foreseen is None:
        return Text("foreseen: searching ..." if is_searching else "", "dim")
    if is_searching:
        return Text(f"foreseen: {foreseen.sentence} (before this save; searching ...)", "dim")
    color = "green" if foreseen.is_fine else "red"
    return Text(f"foreseen: {foreseen.sentence}", color)


def describe_changes(before: WatchResult, now: WatchResult) -> list[str]:
    """What differs between two looks, a sentence each."""
    old, new = _count_findings(before), _count_findings(now)
    changes = [f"gone: {code} {message}" for code, message in old - new]
    changes += [f"new: {code} {message}" for code, message in new - old]
    if before.score is not None and now.score is not None:
        changes += _score_changes(before.score, now.score)
    return changes or ["nothing has changed"]


def _count_findings(result: WatchResult) -> Counter[tuple[str, str]]:
    """Findings by code and message, whatever their circumstances."""
    return Counter((finding.code, finding.message) for finding in result.findings)


def _score_changes(before: RewardScore, now: RewardScore) -> list[str]:
    changes = []
    if now.verdict.passed and not before.verdict.passed:
        changes.append("it agrees with the clock now")
    if before.verdict.passed and not now.verdict.passed:
        changes.append("it no longer agrees with the clock")
    old, new = before.correlation(), now.correlation()
    if abs(old - new) > CORRELATION_CHANGE:
        changes.append(f"rank correlation {old:.2f} -> {new:.2f}")
    if before.best_paid.name != now.best_paid.name:
        changes.append(f"best paid: {before.best_paid.name} -> {now.best_paid.name}")
    old_count, new_count = len(before.inversions()), len(now.inversions())
    if old_count != new_count:
        changes.append(f"pairs paid the wrong way round: {old_count} -> {new_count}")
    return changes


def _render_findings(result: WatchResult) -> list[Table | Text]:
    counts = Counter(str(finding.severity) for finding in result.findings)
    severities = [severity for severity in COLORS if counts[severity]]
    if not severities:
        return [] if result.trouble else [Text("check: nothing found", "green")]
    table = Table.grid(padding=(0, 1))
    order = list(COLORS)
    worst_first = sorted(result.findings, key=lambda finding: order.index(str(finding.severity)))
    for finding in worst_first[:MAX_FINDINGS_SHOWN]:
        line = Text(f"  {finding.line or ''}", "dim")
        code = Text(finding.code, COLORS[str(finding.severity)])
        table.add_row(line, code, Text(finding.sentence))
    summary = ", ".join(format_count(counts[severity], severity) for severity in severities)
    color = "red" if counts["error"] else "yellow"
    parts: list[Table | Text] = [Text(f"check: {summary}", color), table]
    more = len(worst_first) - MAX_FINDINGS_SHOWN
    if more > 0:
        parts.append(Text(f"  and {more} more: racer check", "dim"))
    return parts


def _render_verdict(score: RewardScore) -> list[Text]:
    agrees, color = ("agrees", "green") if score.verdict.passed else ("does not agree", "red")
    parts = [Text(f"clock: {agrees}: {score.verdict.sentence}", color)]
    inversions = score.inversions()
    if inversions:
        parts.append(Text(f"{len(inversions)} pairs are paid the wrong way round, the worst:"))
    for inversion in inversions[:MAX_INVERSIONS_SHOWN]:
        parts.append(Text(f"  {inversion.sentence(score.gamma)}"))
    return parts


def _time_and_size(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
