"""What a replay says: recorded laps with what they are paid, ranked by the clock and by pay, and how
well the two agree.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import write_file
from racer.logs import LogTrack
from racer.records import Record, RecordTable, format_number, format_seconds, known_number
from racer.stats import rank_correlation

Array = NDArray[np.float64]

# of equal rows, from which a rebuild counts as proven; real logs reach 0.996 to 1 (docs/replay.md)
PROVEN_FRACTION = 0.99
MAX_LAPS_SHOWN = 10
ALIKE_FRACTION = 0.01  # of the pay: a difference that is not worth a sentence

LAP_COLUMNS = (
    "log",
    "file",
    "track",
    "episode",
    "lap",
    "status",
    "complete",
    "completion",
    "time",
    "steps",
    "scored",
    "paid",
    "logged",
    "pay",
    "logged_pay",
    "clock_rank",
    "paid_rank",
)
"""Columns of the laps of a replay, in the files that it is written to."""


@dataclass(frozen=True)
class RebuildProof:
    """How many scored rows were compared with the logged reward, and how many are equal; the first
    that is not.
    """

    rows: int
    equal: int
    episode: int = 0  # of the first row that differs
    step: float = 0.0
    logged: float = np.nan
    priced: float = np.nan

    @property
    def fraction(self) -> float:
        """Equal rows, 0 to 1; 0 when there was no row."""
        if not self.rows:
            return 0.0
        return self.equal / self.rows

    @property
    def holds(self) -> bool:
        """Whether the rebuild is proven."""
        return self.fraction >= PROVEN_FRACTION

    def to_dict(self) -> dict[str, Any]:
        """The facts for JSON."""
        first = None
        if self.equal < self.rows:
            first = {
                "episode": self.episode,
                "step": self.step,
                "logged": known_number(self.logged),
                "priced": known_number(self.priced),
            }
        return {
            "rows": self.rows,
            "equal": self.equal,
            "share": self.fraction,
            "first_difference": first,
            "sentence": str(self),
        }

    def __str__(self) -> str:
        if not self.rows:
            return "no row is scored, so nothing can be compared"
        text = f"{self.fraction:.2%} of {self.rows:,} scored rows equal the logged reward"
        if self.equal == self.rows:
            return text
        place = f"episode {self.episode}, step {self.step:g}"
        rewards = f"logged {self.logged:.6g}, priced {self.priced:.6g}"
        return f"{text}; the first that differs: {place}, {rewards}"


@dataclass(frozen=True, eq=False)
class ReplayedLog:
    """The rows of one log that were driven on one track, priced.

    `steps` of them there are, `scored` of them the job called its reward function for. `laps` are
    those of `racer.analysis.laps` with `paid` and `logged`, sums of rewards, `pay` and `logged_pay`,
    the same as discounted returns around the lap, `scored`, `log` and `file`; empty where the track
    is unknown. `proof` is that of the reward `own`, if the log's own one was given.
    """

    name: str
    steps: int
    scored: int
    log_track: LogTrack
    laps: pd.DataFrame
    proof: RebuildProof | None = None
    own: str = ""

    def lines(self) -> list[str]:
        """What was read, on which track, and how well the rebuild is proven."""
        lines = [
            f"{self.name}: {self.steps:,} steps, {self.scored:,} of them scored",
            f"  {self.log_track.sentence}",
        ]
        if self.proof is not None:
            lines.append(f"  proof with {self.own}: {self.proof}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The facts for JSON."""
        proof = None
        if self.proof is not None:
            proof = {"own": self.own, **self.proof.to_dict()}
        return {
            "log": self.name,
            "track": self.log_track.label or None,
            "agreement": self.log_track.agreement,
            "track_sentence": self.log_track.sentence,
            "steps": self.steps,
            "scored": self.scored,
            "proof": proof,
        }


@dataclass(frozen=True, eq=False)
class LogReplay(Record):
    """What a reward function would have paid for recorded laps.

    `logs` are the pieces that were priced, `notes` sentences for the user. `tables` holds the
    ranked laps of each track, by its name; laps of several logs are ranked together, by their pay at
    discount factor `gamma`.
    """

    reward: str
    logs: tuple[ReplayedLog, ...]
    notes: tuple[str, ...]
    gamma: float

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The laps of each track, ranked; see `rank_laps`."""
        pieces: dict[str, list[pd.DataFrame]] = {}
        for log in self.logs:
            if len(log.laps):
                track = log.log_track.label
                pieces.setdefault(track, []).append(log.laps.assign(track=track))
        return {
            track: rank_laps(pd.concat(laps, ignore_index=True)) for track, laps in pieces.items()
        }

    @cached_property
    def laps(self) -> pd.DataFrame:
        """All laps, a row each, with the columns of LAP_COLUMNS."""
        columns = list(LAP_COLUMNS)
        if not self.tables:
            return pd.DataFrame(columns=columns)
        return pd.concat([table[columns] for table in self.tables.values()], ignore_index=True)

    def require_laps(self) -> None:
        """Raise UsageError when nothing was priced."""
        if not self.tables:
            raise UsageError("nothing was priced: no log's track is known")

    def write_csv(self, path: str | Path) -> Path:
        """Write every lap, a row each, whole or not at all. Raises UsageError."""
        return write_file(path, self.laps.to_csv(index=False))

    def blocks(self) -> Sequence[str | RecordTable]:
        """What was read, and for each track where pay and clock disagree most."""
        blocks: list[str | RecordTable] = []
        for log in self.logs:
            blocks += log.lines()
        return [*blocks, *self.summary_blocks()]

    def summary_blocks(self) -> Sequence[str | RecordTable]:
        """The notes, and for each track where pay and clock disagree most."""
        blocks: list[str | RecordTable] = [f"note: {note}" for note in self.notes]
        for track, table in self.tables.items():
            blocks += _track_blocks(track, table, self.gamma)
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The replay as plain data; what is missing is None."""
        return {
            "reward": self.reward,
            "gamma": self.gamma,
            "notes": list(self.notes),
            "logs": [log.to_dict() for log in self.logs],
            "tracks": [_track_as_dict(track, table) for track, table in self.tables.items()],
        }


def rank_laps(table: pd.DataFrame) -> pd.DataFrame:
    """The laps of one track with their places, `clock_rank` and `paid_rank`: 1 is best, equals
    share their mean place.

    By the clock complete laps come first, the fastest ahead; then the others, by how far they came.
    """
    slowness = pd.Series(_slowness(table), index=table.index)
    return table.assign(
        clock_rank=slowness.round(6).rank(),
        paid_rank=table["pay"].round(9).rank(ascending=False),
    )


def wrong_pair_fraction(table: pd.DataFrame) -> float:
    """Fraction (0 to 1) of pairs of laps of which the one that is worse by the clock is paid more;
    nan without a pair.
    """
    clock_ranks = table["clock_rank"].to_numpy()
    pay = table["pay"].to_numpy()
    wrong = 0
    total = 0
    for k in range(len(table) - 1):
        better = np.sign(clock_ranks[k + 1 :] - clock_ranks[k])  # +1: lap k is better by the clock
        paid_more = np.sign(pay[k] - pay[k + 1 :])
        wrong += int(np.sum(better * paid_more < 0))
        total += int(np.count_nonzero(better))
    if not total:
        return float("nan")
    return wrong / total


def displaced_laps(table: pd.DataFrame, count: int = MAX_LAPS_SHOWN) -> pd.DataFrame:
    """The laps whose place by pay is farthest from their place by the clock, farthest first; none
    that is in place. `shift` is positive for what is paid better than it drove.
    """
    shifted = table.assign(shift=table["clock_rank"] - table["paid_rank"])
    moved = shifted[shifted["shift"] != 0]
    order = moved["shift"].abs().sort_values(ascending=False, kind="stable").index
    return moved.loc[order].head(count)


def describe_best_laps(table: pd.DataFrame) -> str:
    """The best lap by the clock against the best paid one, in words; empty when they are the same,
    or paid alike.
    """
    fastest = table.iloc[int(table["clock_rank"].to_numpy().argmin())]
    richest = table.iloc[int(table["pay"].to_numpy().argmax())]
    extra = richest["pay"] - fastest["pay"]
    is_alike = extra <= ALIKE_FRACTION * abs(richest["pay"])
    if is_alike or fastest["clock_rank"] == richest["clock_rank"]:
        return ""
    return (
        f"it pays {_describe_lap(richest)} {richest['pay']:.4g}, but the best by the clock, "
        f"{_describe_lap(fastest)}, only {fastest['pay']:.4g}"
    )


def _slowness(table: pd.DataFrame) -> Array:
    """(L,) what the clock ranks by, the smaller the better: seconds, and beyond all seconds the
    percentage not driven.
    """
    complete = table["complete"].to_numpy(bool)
    slowest = 0.0
    if complete.any():
        slowest = table["time"][complete].max()
    return np.where(complete, table["time"], slowest + 1.0 + 100.0 - table["completion"])


def _track_blocks(track: str, table: pd.DataFrame, gamma: float) -> list[str | RecordTable]:
    """All laps in a few lines, and where pay and clock disagree most: among the complete laps, if
    there are some.
    """
    compared, kind = _compared_laps(table)
    blocks: list[str | RecordTable] = [
        "",
        f"{track}: {len(table):,} laps, {int(table['complete'].sum()):,} complete; "
        f"pay is the discounted return around the lap at gamma {gamma:g}",
        _describe_agreement("all laps", table),
    ]
    if compared is not table:
        blocks.append(_describe_agreement(kind, compared))
    best_laps = describe_best_laps(compared)
    if best_laps:
        blocks.append(best_laps)
    moved = displaced_laps(compared)
    if not len(moved):
        return [*blocks, "every lap is in its place"]
    heading = f"the {kind} that it ranks most differently from the clock"
    return [*blocks, heading, _lap_table(moved)]


def _compared_laps(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The laps of which the differences are told, and what they are called: the complete ones,
    ranked anew, or all where there is no second one.
    """
    complete = table[table["complete"]]
    if len(complete) < 2:
        return table, "laps"
    return rank_laps(complete), "complete laps"


def _describe_agreement(kind: str, table: pd.DataFrame) -> str:
    agreement = _agreement(table)
    paid = format_number(agreement["correlation"])
    logged = format_number(agreement["logged_correlation"])
    text = f"{kind}: rank correlation of pay and clock {paid}, of the rewards in the log {logged}"
    wrong = agreement["wrong_pairs"]
    if np.isnan(wrong):
        return text
    return f"{text}; of all pairs the worse is paid more in {wrong:.1%}"


def _agreement(table: pd.DataFrame) -> dict[str, float]:
    clock = -table["clock_rank"].to_numpy(float)
    return {
        "correlation": rank_correlation(clock, table["pay"].to_numpy(float)),
        "logged_correlation": rank_correlation(clock, table["logged_pay"].to_numpy(float)),
        "wrong_pairs": wrong_pair_fraction(table),
    }


def _lap_table(laps: pd.DataFrame) -> RecordTable:
    has_several_files = len(laps[["log", "file"]].drop_duplicates()) > 1
    file_heads = ("file",) if has_several_files else ()
    heads = ("episode", "lap", "status", "covered %", "time s", "sum", "pay")
    table = RecordTable(
        (*file_heads, *heads, "by clock", "by pay"), text_heads=frozenset({"file", "status"})
    )
    for lap in laps.to_dict("records"):
        file_cells = (_file_name(lap["log"], lap["file"]),) if has_several_files else ()
        table.add_row(
            *file_cells,
            str(lap["episode"]),
            str(lap["lap"]),
            str(lap["status"]),
            format_number(lap["completion"], 1),
            format_seconds(lap["time"] if lap["complete"] else None),
            format_number(lap["paid"]),
            format_number(lap["pay"]),
            f"{lap['clock_rank']:g}",
            f"{lap['paid_rank']:g}",
        )
    return table


def _file_name(log: str, file: str) -> str:
    """What tells the files of a table apart: a log's folder, and the file in it."""
    folder = Path(log).name
    if folder == file:
        return file
    return f"{folder}/{file}"


def _describe_lap(lap: pd.Series) -> str:
    how_far = f"{lap['completion']:.1f} % of a lap"
    if lap["complete"]:
        how_far = f"a lap of {lap['time']:.3f} s"
    return f"episode {lap['episode']} ({how_far})"


def _track_as_dict(track: str, table: pd.DataFrame) -> dict[str, Any]:
    complete = rank_laps(table[table["complete"]])
    compared, kind = _compared_laps(table)
    return {
        "track": track,
        "lap_count": len(table),
        "complete_count": len(complete),
        "all": _known_numbers(_agreement(table)),
        "complete": _known_numbers(_agreement(complete)),
        "best_laps": describe_best_laps(compared) or None,
        "displaced": {
            "among": kind,
            "laps": _laps_as_dicts(displaced_laps(compared), (*LAP_COLUMNS, "shift")),
        },
        "laps": _laps_as_dicts(table, LAP_COLUMNS),
    }


def _laps_as_dicts(table: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    laps: list[dict[str, Any]] = json.loads(
        table[list(columns)].to_json(orient="records", double_precision=9)
    )
    return laps


def _known_numbers(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: known_number(number) for name, number in numbers.items()}
