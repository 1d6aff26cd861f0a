"""The screens of commands at 60, 80 and 120 columns and in a pipe: no line is too long, no number is
cut, and what is said is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text
from typer.testing import CliRunner

from racer import cli

SCREENS = {
    "check": "check bad.py --track oval",
    "check, verbose": "check bad.py --track oval -v",
    "score": "score center_line --track oval --quick",
    "score, verbose": "score center_line --track oval --quick -v",
    "scores": "score center_line time_trial --track oval --quick",
    "explain": "explain center_line --track oval",
    "tracks": "tracks list",
    "track": "tracks show oval",
    "rules": "rule RW3",
    "rule": "rule RW309",
    "plots": "plot --list",
    "line": "line oval",
}
"""Of commands with a table that need no training; their names here are those of the tests."""
WIDTHS = (60, 80, 120)
BAD = """def reward_function(params):
    if params["steps"] > 3:
        return 1 / (params["speed"] - params["speed"])
    return params["headng"]
"""
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?")
TIMED = re.compile(
    r"[\d.,]+ us a call|in [\d.]+ s\b|[\d,]+ of [\d,]+ steps"
)  # differs from run to run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(BAD)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def screen(words: str, width: int | None, *, colors: bool = True) -> str:
    """What a command prints on a terminal so wide, or without `width` in a pipe."""
    environment = {"FORCE_COLOR": "1", "COLUMNS": str(width)} if width else {"COLUMNS": None}
    if not colors:
        environment["NO_COLOR"] = "1"
    done = CliRunner().invoke(cli.app, words.split(), env=environment)
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def plain(text: str) -> str:
    """Without colors, and without what differs from run to run."""
    return TIMED.sub("", "\n".join(Text.from_ansi(line).plain for line in text.splitlines()))


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(" ".join(text.split())))


@pytest.mark.slow
@pytest.mark.parametrize("words", SCREENS.values(), ids=SCREENS)
def test_a_screen_is_whole_at_every_width(words: str) -> None:
    piped = plain(screen(words, None))
    assert "\x1b" not in screen(words, None)
    assert "…" not in piped
    for width in WIDTHS:
        shown = plain(screen(words, width))
        assert "…" not in shown
        too_long = [line for line in shown.splitlines() if len(line.rstrip()) > width]
        # a path and a command to copy are left whole
        assert [line for line in too_long if "/" not in line and "racer " not in line] == []
        new = numbers(shown) - numbers(piped)
        assert new == set(), f"at {width} columns there are numbers that the pipe has not"
        if "no room for" not in shown:
            assert numbers(piped) - numbers(shown) == set()


@pytest.mark.parametrize("words", ["rule RW3", "tracks list", "plot --list"])
def test_colors_are_for_terminals_that_want_them(words: str) -> None:
    assert "\x1b[" in screen("rule RW3", 80)
    for text in (screen(words, None), screen(words, 80, colors=False)):
        assert not re.search(r"\x1b\[[0-9;]*3[1-6]m", text)


def test_color_that_is_forced_upon_a_pipe_makes_no_narrow_terminal_of_it() -> None:
    forced = CliRunner().invoke(
        cli.app, ["tracks", "list"], env={"FORCE_COLOR": "1", "COLUMNS": None}
    )
    piped = CliRunner().invoke(cli.app, ["tracks", "list"], env={"COLUMNS": None})
    assert plain(forced.stdout) == plain(piped.stdout)


def test_a_verdict_stands_first_in_its_color() -> None:
    fails = screen("score center_line --track oval --quick", 80).splitlines()
    passes = screen("score time_trial --track oval --quick", 80).splitlines()
    checked = screen("check bad.py --track oval", 80).splitlines()
    assert fails[1].startswith("\x1b[1;31mcenter_line fails: ")
    assert passes[1].startswith("\x1b[1;32mtime_trial passes: ")
    assert checked[1].startswith("\x1b[1;31mbad.py: 1 error")
