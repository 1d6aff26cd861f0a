"""`racer watch`."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console, Group
from typer.testing import CliRunner, Result

from racer.checker import runner
from racer.cli import watch as watching
from racer.cli.watch_foresight import ForesightProcess, WatchedForesight, foresee_watched
from racer.diagnostics import ScoredTrack, ScoreSettings
from racer.errors import UsageError

GOOD = "def reward_function(params):\n    return float(params['speed'] ** 3)\n"
CONSTANT = "def reward_function(params):\n    return 1.0\n"
CRASH = "def reward_function(params):\n    return 1.0 / (params['steps'] > 40)\n"

app = typer.Typer()
app.command()(watching.watch_command)


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """A trial is not given up, however long a busy machine keeps its process from a sign of life:
    none of these files is ever stuck.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "SILENCE_GRACE_S", math.inf)
        patch.setattr(runner, "LONGEST_TRIAL_S", math.inf)
        yield


@pytest.fixture(scope="module")
def few() -> ScoredTrack:
    settings = ScoreSettings(gammas=(0.99,), drivers=["slow", "medium", "fast"])
    return ScoredTrack("oval", settings)


@pytest.fixture(scope="module")
def looks(
    few: ScoredTrack, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, watching.WatchResult]:
    """What a look at each of the files comes to."""
    path = tmp_path_factory.mktemp("looks") / "reward.py"
    return {text: look(path, text, few) for text in (GOOD, CONSTANT, CRASH)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reward.py"


FOUND = WatchedForesight("it asks for laps of 8.0 s", True, 8.0)
WORSE = WatchedForesight("it asks for laps of 40.0 s", False, 40.0)


class Answers:
    """A search that is done when it is asked for its answer."""

    def __init__(self, *facts: object) -> None:
        self.asked = 0
        self.answers: list[WatchedForesight] = []

    def ask(self, path: Path) -> None:
        self.asked += 1
        self.answers = [WORSE if "return 1.0" in path.read_text("utf-8") else FOUND]

    def poll(self, seconds: float = 0.0) -> WatchedForesight | None:
        return self.answers.pop() if self.answers else None

    def forget(self) -> None:
        self.answers = []

    def stop(self) -> None:
        self.answers = []


def look(file: Path, text: str, few: ScoredTrack) -> watching.WatchResult:
    file.write_text(text, "utf-8")
    return watching.check_and_score(file, "oval", few)


def drawn(group: Group) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(group)
    return console.export_text()


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_once_says_what_is_found_and_leaves_with_its_verdict(file: Path) -> None:
    file.write_text(CONSTANT, "utf-8")
    result = run(file, "--track", "oval", "--once")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith("reward.py on oval   ")
    assert any(
        line.startswith("clock: does not agree: at gamma 0.99 the best paid is a crawling lap")
        for line in lines
    )
    assert any(line.endswith("pairs are paid the wrong way round, the worst:") for line in lines)


def test_a_file_that_cannot_be_parsed_is_shown_and_not_scored(file: Path, few: ScoredTrack) -> None:
    now = look(file, "def reward_function(params)\n    return 1\n", few)
    assert not now.is_fine
    assert now.score is None
    text = drawn(watching.render_screen(file, "oval", now, None))
    assert "check: 1 error" in text
    assert "clock: not scored before the errors are mended" in text


def test_a_file_that_is_gone_is_a_sentence(file: Path, few: ScoredTrack) -> None:
    now = watching.check_and_score(file, "oval", few)
    assert (
        "no reward file" in drawn(watching.render_screen(file, "oval", now, None)) or now.findings
    )


def test_a_crash_is_found_and_then_gone(looks: dict[str, watching.WatchResult]) -> None:
    before, now = looks[CRASH], looks[GOOD]
    assert before.score is None
    assert any(found.is_error for found in before.findings)
    assert now.is_fine
    assert any(line.startswith("gone: RW201 ") for line in watching.describe_changes(before, now))
    assert any(line.startswith("new: RW201 ") for line in watching.describe_changes(now, before))


def test_changes_tell_of_the_verdict_and_the_ranks(
    file: Path, looks: dict[str, watching.WatchResult]
) -> None:
    before, now = looks[CONSTANT], looks[GOOD]
    lines = watching.describe_changes(before, now)
    assert "it agrees with the clock now" in lines
    assert "rank correlation -1.00 -> 1.00" in lines
    assert "best paid: slow -> fast" in lines
    assert "pairs paid the wrong way round: 3 -> 0" in lines
    assert watching.describe_changes(now, now) == ["nothing has changed"]
    assert "since the last save: it agrees with the clock now" in drawn(
        watching.render_screen(file, "oval", now, before)
    )


def test_saves_are_seen_and_so_is_a_file_that_goes_away(file: Path) -> None:
    file.write_text("a", "utf-8")
    seen = watching.watch_saves(file, lambda: None)
    assert next(seen) is not None
    for text in ("ab", "abc"):
        file.write_text(text, "utf-8")
        found = next(seen)
        assert found is not None
        assert found[1] == len(text)
    file.unlink()
    assert next(seen) is None


def test_a_file_that_stays_as_it_is_is_no_save(file: Path) -> None:
    file.write_text("a", "utf-8")
    waits: list[int] = []

    def wait() -> None:
        waits.append(1)
        if len(waits) == 5:
            file.write_text("other", "utf-8")

    seen = watching.watch_saves(file, wait)
    next(seen)
    next(seen)
    assert len(waits) == 5


def test_it_draws_a_screen_a_save_and_ends_quietly(
    file: Path, looks: dict[str, watching.WatchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(CONSTANT, "utf-8")

    def saves(path: Path, wait: object):
        yield 1
        path.write_text(GOOD, "utf-8")
        yield 2
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch_saves", saves)
    monkeypatch.setattr(
        watching, "check_and_score", lambda path, *_: looks[path.read_text("utf-8")]
    )
    monkeypatch.setattr(watching, "ForesightProcess", Answers)
    result = run(file, "--track", "oval")
    assert result.exit_code == 0
    assert result.output.count("reward.py on oval   ") >= 2
    assert "since the last save: it agrees with the clock now" in result.output


def test_what_is_foreseen_is_shown_once_it_is_known_and_gray_after_the_next_save(
    file: Path, looks: dict[str, watching.WatchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(GOOD, "utf-8")
    drawn_lines: list[watching.Text] = []

    def saves(path: Path, wait: Callable[[], None]):
        yield 1
        wait()
        path.write_text(CONSTANT, "utf-8")
        yield 2
        wait()
        raise KeyboardInterrupt

    def render(foreseen: WatchedForesight | None, is_searching: bool) -> watching.Text:
        line = render_foreseen(foreseen, is_searching)
        drawn_lines.append(line)
        return line

    render_foreseen = watching.render_foreseen
    monkeypatch.setattr(watching, "render_foreseen", render)
    monkeypatch.setattr(watching, "POLL_S", 0.0)
    monkeypatch.setattr(watching, "watch_saves", saves)
    monkeypatch.setattr(
        watching, "check_and_score", lambda path, *_: looks[path.read_text("utf-8")]
    )
    monkeypatch.setattr(watching, "ForesightProcess", Answers)
    assert run(file, "--track", "oval").exit_code == 0
    shown = [(line.plain, str(line.style)) for line in drawn_lines]
    searching = ("foreseen: searching ...", "dim")
    first = ("foreseen: it asks for laps of 8.0 s", "green")
    old = ("foreseen: it asks for laps of 8.0 s (before this save; searching ...)", "dim")
    last = ("foreseen: it asks for laps of 40.0 s", "red")
    order = [shown.index(line) for line in (searching, first, old, last)]
    assert order == sorted(order)


def test_a_file_with_errors_is_not_foreseen(
    file: Path, few: ScoredTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(CRASH, "utf-8")
    search = Answers()
    screen = watching.WatchScreen(file, "oval", lambda: look(file, CRASH, few), search)
    assert not screen.show_once()
    assert search.asked == 1


def test_once_fails_for_what_is_foreseen_alone(
    file: Path, looks: dict[str, watching.WatchResult]
) -> None:
    file.write_text(CONSTANT, "utf-8")
    screen = watching.WatchScreen(file, "oval", lambda: looks[GOOD], Answers())
    assert not screen.show_once()
    file.write_text(GOOD, "utf-8")
    assert watching.WatchScreen(file, "oval", lambda: looks[GOOD], Answers()).show_once()


@pytest.mark.slow
def test_a_search_answers_the_last_question_and_not_the_one_before(file: Path) -> None:
    crawls = file.with_name("crawls.py")
    crawls.write_text(CONSTANT, "utf-8")
    file.write_text(GOOD, "utf-8")
    search = ForesightProcess("oval", "v6", 0.99)
    try:
        search.ask(crawls)
        search.ask(file)
        found = search.poll(60.0)
        assert found is not None
        assert found.is_fine
        assert found.lap_time_s is not None
        assert found.lap_time_s < 10.0
        assert search.poll() is None
        search.ask(crawls)
        found = search.poll(60.0)
        assert found is not None
        assert not found.is_fine
    finally:
        search.stop()


def test_a_reward_that_ends_the_search_is_a_sentence(file: Path) -> None:
    file.write_text("import os\ndef reward_function(params):\n    os._exit(0)\n", "utf-8")
    search = ForesightProcess("oval", "v6", 0.99)
    try:
        search.ask(file)
        found = search.poll(60.0)
        assert found is not None
        assert not found.is_found
        assert "ended from inside" in found.sentence
    finally:
        search.stop()


def test_a_file_that_is_no_reward_is_the_sentence_of_the_search(file: Path) -> None:
    file.write_text("x = 1\n", "utf-8")
    found = foresee_watched(str(file), "oval", "v6", 0.99)
    assert not found.is_found
    assert "defines no reward_function" in found.sentence


def test_an_unknown_file_or_track_is_told_at_once(file: Path) -> None:
    with pytest.raises(UsageError, match="no reward file"):
        run(file, "--once")
    with pytest.raises(UsageError, match="unknown track 'ovall': did you mean 'oval'"):
        run("center_line", "--track", "ovall", "--once")
