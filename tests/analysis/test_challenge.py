"""A challenge: medals as fractions of the bound, places, and a leaderboard that is read as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from racer.analysis import (
    Challenge,
    ChallengeEntry,
    challenge_folder,
    read_challenge,
    write_challenge,
)
from racer.analysis.challenge import LEADERBOARD_FILE
from racer.errors import UsageError

CHALLENGE = Challenge("oval", "v6", 10.0)


def entry(lap_time: float, run: str = "runs/a") -> ChallengeEntry:
    return ChallengeEntry(lap_time, run, "center_line", "2026-11-30")


@pytest.mark.parametrize(
    ("lap_time", "medal", "next_medal"),
    [
        (10.5, "gold", None),
        (11.0, "gold", None),
        (11.01, "silver", "gold"),
        (12.51, "bronze", "silver"),
        (15.01, None, "bronze"),
    ],
)
def test_medals_are_fractions_of_the_bound(
    lap_time: float, medal: str | None, next_medal: str | None
) -> None:
    assert CHALLENGE.medal(lap_time) == medal
    assert CHALLENGE.next_medal(lap_time) == next_medal


def test_a_run_keeps_its_fastest_lap_only() -> None:
    challenge = CHALLENGE.with_entry(entry(12.0)).with_entry(entry(13.0)).with_entry(entry(11.0))
    assert [one.lap_time for one in challenge.entries] == [11.0]


def test_who_was_as_fast_before_stays_ahead() -> None:
    challenge = CHALLENGE.with_entry(entry(12.0, "first")).with_entry(entry(12.0, "second"))
    assert [one.run for one in challenge.entries] == ["first", "second"]
    assert challenge.place(12.0) == 3
    assert challenge.place(11.9) == 1


def test_a_leaderboard_is_read_as_it_was_written(tmp_path: Path) -> None:
    challenge = CHALLENGE.with_entry(entry(12.0)).with_entry(entry(11.0, "runs/b"))
    folder = challenge_folder(tmp_path, "oval", "v6")
    write_challenge(challenge, folder)
    assert read_challenge(folder, "oval", "v6", 10.0) == challenge


@pytest.mark.parametrize(
    "rows",
    [
        {},
        ["x"],
        [{"lap_time": "fast", "run": "a", "reward": "b", "day": "c"}],
        [{"lap_time": float("nan"), "run": "a", "reward": "b", "day": "c"}],
        [{"lap_time": 1.0, "run": "a", "reward": "b"}],
    ],
)
def test_a_broken_leaderboard_is_refused_by_its_name(tmp_path: Path, rows: object) -> None:
    (tmp_path / LEADERBOARD_FILE).write_text(json.dumps(rows))
    with pytest.raises(UsageError, match=LEADERBOARD_FILE):
        read_challenge(tmp_path, "oval", "v6", 10.0)


def test_the_board_says_place_and_medal() -> None:
    text = str(CHALLENGE.with_entry(entry(11.0)))
    assert "gold" in text.splitlines()[-1]
    assert "nobody has driven here yet" in str(CHALLENGE)
