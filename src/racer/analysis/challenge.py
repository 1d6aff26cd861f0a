"""A challenge: laps on one track with one car, the medals they earn, and a leaderboard that stays.

Medals are fractions of the lap-time bound, so a track is as hard as its physics and no harder. The
leaderboard is a folder of the user's own; beside it lies the log of the record, to race against.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from racer.errors import UsageError
from racer.files import read_json, write_json
from racer.records import Record, RecordTable, format_number

MEDAL_LIMITS = {"gold": 1.10, "silver": 1.25, "bronze": 1.50}
"""The slowest lap of each medal, as a fraction of the bound."""
MAX_ENTRIES = 100
LEADERBOARD_FILE = "leaderboard.json"


@dataclass(frozen=True)
class ChallengeEntry:
    """A lap on a leaderboard: s, who drove it, for which reward, and the day as `2026-11-30`."""

    lap_time: float
    run: str
    reward: str
    day: str


@dataclass(frozen=True)
class Challenge(Record):
    """A track, a car, the lap-time `bound` in s, and the laps so far, fastest first.

    >>> challenge = Challenge("oval", "v6", 10.0)
    >>> challenge = challenge.with_entry(ChallengeEntry(11.5, "runs/a", "center_line", "2026-11-30"))
    >>> challenge.medal(11.5), challenge.medal(16.0), challenge.record.run
    ('silver', None, 'runs/a')
    """

    track: str
    car: str
    bound: float
    entries: tuple[ChallengeEntry, ...] = ()

    @property
    def record(self) -> ChallengeEntry | None:
        """The fastest lap so far; None before the first."""
        return self.entries[0] if self.entries else None

    def medal(self, lap_time: float) -> str | None:
        """`gold`, `silver`, `bronze`, or None for a slower lap."""
        for medal, limit in MEDAL_LIMITS.items():
            if lap_time <= limit * self.bound:
                return medal
        return None

    def medal_time(self, medal: str) -> float:
        """The slowest lap, s, that earns a medal."""
        return MEDAL_LIMITS[medal] * self.bound

    def next_medal(self, lap_time: float | None) -> str | None:
        """The medal above a lap's; None above gold."""
        earned = None if lap_time is None else self.medal(lap_time)
        better = list(MEDAL_LIMITS)
        if earned is not None:
            better = better[: better.index(earned)]
        return better[-1] if better else None

    def place(self, lap_time: float) -> int:
        """The place, from 1, that a lap would take; behind those that were as fast before it."""
        return 1 + sum(entry.lap_time <= lap_time for entry in self.entries)

    def with_entry(self, entry: ChallengeEntry) -> Challenge:
        """The challenge with one lap more. A run keeps only its fastest lap."""
        entries = [*self.entries, entry]
        entries.sort(key=lambda one: one.lap_time)
        fastest_of_run: dict[str, ChallengeEntry] = {}
        for one in entries:
            fastest_of_run.setdefault(one.run, one)
        return replace(self, entries=tuple(fastest_of_run.values())[:MAX_ENTRIES])

    def blocks(self) -> list[str | RecordTable]:
        """What there is to win, and who is where."""
        limits = RecordTable(("medal", "lap s", "% of the bound"), text_heads=frozenset({"medal"}))
        for medal, limit in MEDAL_LIMITS.items():
            limits.add_row(medal, format_number(self.medal_time(medal)), f"{100.0 * limit:.0f}")
        heading = f"{self.track}, car {self.car}: physics allows {self.bound:.2f} s (the bound)"
        if not self.entries:
            return [heading, limits, "nobody has driven here yet"]
        heads = ("place", "lap s", "% of the bound", "medal", "reward", "run", "day")
        board = RecordTable(heads, text_heads=frozenset({"medal", "reward", "run", "day"}))
        for place, entry in enumerate(self.entries, start=1):
            board.add_row(
                str(place),
                format_number(entry.lap_time),
                f"{100.0 * entry.lap_time / self.bound:.0f}",
                self.medal(entry.lap_time) or "",
                entry.reward,
                entry.run,
                entry.day,
            )
        return [heading, limits, board]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "track": self.track,
            "car": self.car,
            "bound": self.bound,
            "medals": {medal: self.medal_time(medal) for medal in MEDAL_LIMITS},
            "entries": [
                {**vars(entry), "medal": self.medal(entry.lap_time)} for entry in self.entries
            ],
        }


def challenge_folder(home: Path, track: str, car: str) -> Path:
    """Where the leaderboard and the record of a track and car are, in the user's data folder."""
    return home / "challenges" / f"{track}-{car}"


def read_challenge(folder: Path, track: str, car: str, bound: float) -> Challenge:
    """The challenge with the laps that are remembered in `folder`; without laps before the first.

    Raises UsageError for a leaderboard that cannot be read.
    """
    challenge = Challenge(track, car, bound)
    file = folder / LEADERBOARD_FILE
    if not file.exists():
        return challenge
    rows = read_json(file)
    if not isinstance(rows, list):
        raise UsageError(f"{file}: a leaderboard is a list of laps; delete the file to begin anew")
    for row in rows:
        challenge = challenge.with_entry(_parse_entry(row, file))
    return challenge


def write_challenge(challenge: Challenge, folder: Path) -> Path:
    """The leaderboard's file, after writing it whole."""
    return write_json(folder / LEADERBOARD_FILE, [vars(entry) for entry in challenge.entries])


def _parse_entry(row: Any, file: Path) -> ChallengeEntry:
    names = ("lap_time", "run", "reward", "day")
    if isinstance(row, dict) and set(row) == set(names):
        lap_time = row["lap_time"]
        texts = [row[name] for name in names[1:]]
        is_time = isinstance(lap_time, int | float) and isfinite(lap_time) and lap_time > 0.0
        if is_time and all(isinstance(text, str) for text in texts):
            return ChallengeEntry(float(lap_time), *texts)
    raise UsageError(f"{file}: a lap in it lacks {', '.join(names)}; delete the file to begin anew")
