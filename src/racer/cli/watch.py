"""`racer watch`: a reward function checked and scored again on every save, on one small screen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from racer.errors import RacerError
from racer.track import library
from racer.track.library import DEFAULT_TRACK
from racer.vehicle.car import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.checker import Finding
    from racer.diagnostics import RewardScore
    from racer.drivers.scripted import Drive

POLL_S = 0.2  # s between two looks at the file
TRIAL_S = 0.3  # s that the check may try the file for; racer check takes longer, and finds more
_MOST = 6  # findings that are shown
_WORST = 3  # inversions that are shown
_COLORS = {"error": "red", "warning": "yellow", "info": "cyan"}


@dataclass(frozen=True, eq=False)
class WatchResult:
    """What one save of the file came to. `trouble` is a sentence when it could not be read or
    scored.
    """

    findings: tuple[Finding, ...]
    score: RewardScore | None
    trouble: str
    seconds: float
    at: str  # time of day

    @property
    def is_fine(self) -> bool:
        """Whether nothing speaks against the reward."""
        bad = any(found.is_error for found in self.findings)
        return not bad and self.score is not None and self.score.verdict.passed


def watch_command(
    reward: Annotated[
        str, typer.Argument(metavar="REWARD", help="A reward file, or the name of a shipped one.")
    ],
    track: Annotated[
        str, typer.Option("--track", help="Where it is scored: a name, a .toml or .npy file.")
    ] = DEFAULT_TRACK,
    gamma: Annotated[
        float, typer.Option("--gamma", min=0.0, max=1.0, help="The discount factor of the verdict.")
    ] = 0.99,
    car: Annotated[str, typer.Option("--car", help="v4, v5 or v6.")] = DEFAULT_CAR,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, and leave with 1 if something is wrong.")
    ] = False,
) -> None:
    """Check and score a reward function on every save, until Ctrl-C."""
    from racer.drivers.scripted import DRIVER_FAMILY, drive_all
    from racer.reward import find_reward

    path, console = find_reward(reward), Console()
    road = library.open_entry(library.find_track(track))
    found = drive_all(road, list(DRIVER_FAMILY), car)

    def look() -> WatchResult:
        return check_and_score(path, track, found, gamma)

    if once:
        only = look()
        console.print(render_screen(path, road.name, only, None))
        raise typer.Exit(0 if only.is_fine else 1)
    try:
        _follow(path, road.name, look, console)
    except KeyboardInterrupt:
        return


def _follow(path: Path, road: str, look: Callable[[], WatchResult], console: Console) -> None:
    """Draw a screen a save, over the one before it on a terminal and below it in a pipe."""
    before: WatchResult | None = None
    drawn = Group(Text(f"{path.name} on {road}", "bold"))
    with Live(drawn, console=console, auto_refresh=False) as live:
        for _ in watch_saves(path):
            live.update(Group(drawn, Text("looking again ...", "dim")), refresh=console.is_terminal)
            now = look()
            drawn, before = render_screen(path, road, now, before), now
            live.update(drawn, refresh=console.is_terminal)
            if not console.is_terminal:
                console.print(drawn)


def watch_saves(path: Path, poll: float = POLL_S) -> Iterator[tuple[int, int] | None]:
    """Yields at once and then after each change of a file: its time and size, None while it is not
    there.
    """
    last: object = ()
    while True:
        now = _stamp(path)
        if now != last:
            last = now
            yield now
        time.sleep(poll)


def check_and_score(path: Path, track: str, drives: list[Drive], gamma: float) -> WatchResult:
    """The file checked on a track for a moment and, unless it has errors, scored with these drives."""
    from racer.checker import check
    from racer.diagnostics import score_drives
    from racer.reward import load_reward

    start, findings, scored, trouble = time.perf_counter(), [], None, ""
    try:
        [report] = check(path, tracks=[track], seconds=TRIAL_S, timeout=1.0).reports
        findings = report.findings
        if not report.has_errors:
            scored = score_drives(load_reward(path), drives, (gamma,), gamma)
    # the file may be half written, or gone for a moment: the next save may mend it
    except RacerError as error:
        trouble = str(error)
    return WatchResult(
        tuple(findings), scored, trouble, time.perf_counter() - start, time.strftime("%H:%M:%S")
    )


def render_screen(path: Path, track: str, now: WatchResult, before: WatchResult | None) -> Group:
    """The lines to draw for a save, with what has changed since the one before it."""
    parts: list[Table | Text] = [
        Text(f"{path.name} on {track}   {now.at}, {now.seconds:.1f} s", "bold")
    ]
    parts += _findings(now)
    if now.trouble:
        parts.append(Text(now.trouble, "red"))
    if now.score is not None:
        parts += _verdict(now.score)
    elif not now.trouble:
        parts.append(Text("clock: not scored before the errors are mended", "dim"))
    parts += (
        [Text(f"since the last save: {line}", "magenta") for line in describe_changes(before, now)]
        if before
        else []
    )
    return Group(*parts)


def describe_changes(before: WatchResult, now: WatchResult) -> list[str]:
    """What differs between two looks, a sentence each."""
    old, new = (Counter((f.code, f.message) for f in look.findings) for look in (before, now))
    lines = [f"gone: {code} {message}" for code, message in old - new]
    lines += [f"new: {code} {message}" for code, message in new - old]
    if before.score is None or now.score is None:
        return lines or ["nothing has changed"]
    one, two = before.score, now.score
    if one.verdict.passed != two.verdict.passed:
        lines.append(
            "it agrees with the clock now"
            if two.verdict.passed
            else "it no longer agrees with the clock"
        )
    if abs(one.correlation() - two.correlation()) > 5e-3:
        lines.append(f"rank correlation {one.correlation():.2f} -> {two.correlation():.2f}")
    if one.best_paid.name != two.best_paid.name:
        lines.append(f"best paid: {one.best_paid.name} -> {two.best_paid.name}")
    counts = len(one.inversions()), len(two.inversions())
    if counts[0] != counts[1]:
        lines.append(f"pairs paid the wrong way round: {counts[0]} -> {counts[1]}")
    return lines or ["nothing has changed"]


def _findings(now: WatchResult) -> list[Table | Text]:
    counts = Counter(str(found.severity) for found in now.findings)
    words = [f"{counts[word]} {word}{'s' * (counts[word] > 1)}" for word in _COLORS if counts[word]]
    if not words:
        return [] if now.trouble else [Text("check: nothing found", "green")]
    table = Table.grid(padding=(0, 1))
    worst = sorted(now.findings, key=lambda found: list(_COLORS).index(str(found.severity)))
    for found in worst[:_MOST]:
        color = _COLORS[str(found.severity)]
        table.add_row(
            Text(f"  {found.line or ''}", "dim"), Text(found.code, color), Text(found.sentence)
        )
    more = len(worst) - _MOST
    rest = [Text(f"  and {more} more: racer check", "dim")] if more > 0 else []
    return [
        Text(f"check: {', '.join(words)}", "red" if counts["error"] else "yellow"),
        table,
        *rest,
    ]


def _verdict(score: RewardScore) -> list[Text]:
    verdict = score.verdict
    wrong = score.inversions()
    agrees, color = ("agrees", "green") if verdict.passed else ("does not agree", "red")
    lines = [Text(f"clock: {agrees}: {verdict.sentence}", color)]
    if wrong:
        lines.append(Text(f"{len(wrong)} pairs are paid the wrong way round, the worst:"))
    return lines + [Text(f"  {inversion.sentence(score.gamma)}") for inversion in wrong[:_WORST]]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
