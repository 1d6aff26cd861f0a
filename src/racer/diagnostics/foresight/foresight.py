"""What a foresight says: the driving that a reward pays best, beside the fastest lap, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from racer.diagnostics.foresight.kinds import SPEEDY_RATIO, DriveFacts, Kind
from racer.drivers import Drive
from racer.records import Record, RecordTable, format_amount, format_number, known_number
from racer.track import Track
from racer.vehicle import ActionSpace

MIDDLE_FRACTION = 0.12  # of the width of the road: nearer to its middle a car drives in the middle
EVERY_STEP_FRACTION = 0.98
MAX_LINES_SHOWN = 5
LEAST_SHOWN_FRACTION = 0.05  # of the pay: a line that pays less goes without saying

WISHES: dict[Kind, str] = {
    "lap": "a car that laps fast, {speed}",
    "slow lap": "a car that drives {speed} {place}",
    "crawling": "a car that crawls at {speed} {place}",
    "stopping": "a car that stops after {completion}",
    "waiting": "a car that waits at {dwell}",
    "parking": "a car that dallies at {dwell}, before it completes the lap",
    "weaving": "a car that weaves from side to side at {speed}",
    "oscillating": "a car that flicks its wheels to and fro at {speed}",
    "cutting": "a car that cuts corners, with {wheels} on the road",
    "circling": "a car that drives in circles at {speed}",
    "wrong way": "a car that drives the wrong way",
    "leaving": "a car that leaves the track after {completion}",
    "crashing": "a car that crashes after {completion}",
}


@dataclass(frozen=True)
class ForesightSettings:
    """What a foresight is about, besides the reward and the track."""

    car: str
    gamma: float
    action_space: ActionSpace
    objects: str  # what stands on the road, in words; empty for nothing
    seconds: float  # of search on the machine that CAR_STEPS_PER_SECOND was measured on
    seed: int


@dataclass(frozen=True)
class ForesightProgress:
    """How far a search has come: car-steps done and to do, and the best pay so far with its lap."""

    work: int
    total_work: int
    pay: float
    lap_time_s: float | None


@dataclass(frozen=True)
class PaidLine:
    """A line of the reward file, and what it pays for a driving."""

    line: int
    source: str  # the term that pays
    text: str  # the whole line
    fraction: float  # of the pay of all steps; negative for what is taken away
    executed: float  # fraction of the steps


@dataclass(frozen=True, eq=False)
class Foresight(Record):
    """The driving that a reward pays best, as far as a search has found it.

    `pay` is that of `racer.diagnostics.pay_around_lap`, of a drive from the start line. `spread` is
    the difference between the best and the worst of the searches, as a fraction of the best pay;
    `history` holds car-steps and the best pay then.
    """

    reward: str
    track: Track
    settings: ForesightSettings
    best: Drive
    rewards: np.ndarray = field(repr=False)  # (T,) of the steps of `best`
    pay: float
    kind: Kind
    facts: DriveFacts
    fastest: Drive | None
    fastest_pay: float | None
    paid_lines: tuple[PaidLine, ...]
    found_by: int
    searches: int
    spread: float
    pay_by_start: tuple[float, ...]
    work: int
    history: tuple[tuple[int, float], ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def reward_name(self) -> str:
        """The name of the reward file without `.py`."""
        return Path(self.reward).stem

    @property
    def car(self) -> str:
        """The car's name."""
        return self.settings.car

    @property
    def gamma(self) -> float:
        """The discount factor."""
        return self.settings.gamma

    @property
    def seed(self) -> int:
        """The seed of the search."""
        return self.settings.seed

    @property
    def lap_time_s(self) -> float | None:
        """The lap time of the best paid driving; None where it completes no lap."""
        return known_number(self.best.lap_time)

    @property
    def fastest_lap_time_s(self) -> float | None:
        """The fastest lap that is known; None where nobody completes one."""
        if self.fastest is None:
            return None
        return known_number(self.fastest.lap_time)

    @property
    def completes_laps(self) -> bool:
        """Whether the best paid driving completes a lap."""
        return self.lap_time_s is not None

    @property
    def slowdown(self) -> float | None:
        """How many times the fastest lap the best paid one takes; None where one is missing."""
        if self.lap_time_s is None or self.fastest_lap_time_s is None:
            return None
        return self.lap_time_s / self.fastest_lap_time_s

    @property
    def asks_for_speed(self) -> bool:
        """Whether the best paid driving completes laps within 1.25 of the fastest."""
        return self.slowdown is not None and self.slowdown <= SPEEDY_RATIO

    @property
    def extra_fraction(self) -> float | None:
        """How much more than the fastest lap it is paid, as a fraction of the fastest lap's pay; None
        where that is nothing, or less.
        """
        if self.fastest_pay is None or self.fastest_pay <= 0.0:
            return None
        return self.pay / self.fastest_pay - 1.0

    @property
    def summary(self) -> str:
        """What the reward asks for, in a sentence."""
        start = f"at gamma {self.gamma:g} {self.reward_name} is best paid by {self._driving()}"
        return f"{start}{self._comparison()}"

    @property
    def wish(self) -> str:
        """What kind of car it wants, and because of which line, in a sentence."""
        sentence = f"it wants {describe_wish(self)}"
        paying = [line for line in self.paid_lines if line.fraction > 0.0]
        if not paying:
            return f"{sentence}, because everything else costs more"
        first = paying[0]
        return f"{sentence}, because `{first.text}` (line {first.line}) {_how_often(first)}"

    def blocks(self) -> Sequence[str | RecordTable]:
        """The sentences, the lines that pay, the fastest lap beside it, and how sure that is."""
        blocks: list[str | RecordTable] = [self.summary, self.wish]
        blocks += self._line_sentences()
        blocks.append(self._driving_table())
        blocks.append(self._certainty())
        blocks += [f"note: {note}" for note in self.notes]
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The foresight as plain data; what is missing is None."""
        return {
            "reward": self.reward,
            "track": self.track.name,
            "reversed": self.track.is_reversed,
            "car": self.car,
            "gamma": self.gamma,
            "objects": self.settings.objects or None,
            "seconds": self.settings.seconds,
            "seed": self.seed,
            "kind": self.kind,
            "sentence": self.summary,
            "wish": self.wish,
            "pay": self.pay,
            "lap_time": self.lap_time_s,
            "completion": round(self.best.completion, 2),
            "status": self.best.status.word,
            "steps": len(self.rewards),
            "mean_speed": self.facts.mean_speed,
            "mean_offset": self.facts.mean_offset_m,
            "fewest_wheels": self.facts.fewest_wheels,
            "fastest_lap_time": self.fastest_lap_time_s,
            "fastest_pay": self.fastest_pay,
            "slowdown": self.slowdown,
            "completes_laps": self.completes_laps,
            "asks_for_speed": self.asks_for_speed,
            "lines": [_line_as_dict(line) for line in self.paid_lines],
            "found_by": self.found_by,
            "searches": self.searches,
            "spread": self.spread,
            "pay_by_start": list(self.pay_by_start),
            "work": self.work,
            "history": [list(entry) for entry in self.history],
            "notes": list(self.notes),
            "interrupted": self.interrupted,
        }

    def _driving(self) -> str:
        if self.lap_time_s is not None:
            return f"laps of {self.lap_time_s:.1f} s"
        return f"a car that completes no lap ({self.best.completion:.0f} % of one)"

    def _comparison(self) -> str:
        if self.fastest is None or self.fastest_pay is None or self.fastest_lap_time_s is None:
            return "; nobody completes a lap here"
        if self.fastest is self.best:
            return ", the fastest that were found"
        lap = f"the fastest lap, {self.fastest_lap_time_s:.1f} s"
        extra = self.extra_fraction
        if extra is None:
            pays = f"{format_amount(self.pay)} against {format_amount(self.fastest_pay)}"
            return f": it gets {pays} for {lap}"
        if extra < 9.995:
            return f": {100.0 * extra:.0f} % more than for {lap}"
        return f": {1.0 + extra:.0f} times as much as for {lap}"

    def _line_sentences(self) -> list[str]:
        sentences = []
        for line in self.paid_lines[:MAX_LINES_SHOWN]:
            if abs(line.fraction) < LEAST_SHOWN_FRACTION:
                continue
            verb = "pays" if line.fraction >= 0.0 else "takes"
            often = f"in {line.executed:.0%} of the steps"
            sentences.append(
                f"  line {line.line} {verb} {abs(line.fraction):.0%}, {often}: {line.source}"
            )
        return sentences

    def _driving_table(self) -> RecordTable:
        table = RecordTable(
            ("driving", "kind", "lap s", "%", "mean m/s", "pay"),
            text_heads=frozenset({"driving", "kind"}),
        )
        table.add_row(
            "best paid",
            self.kind,
            format_number(self.lap_time_s, 2),
            format_number(self.best.completion, 0),
            format_number(self.facts.mean_speed, 2),
            format_amount(self.pay, 4),
        )
        if self.fastest is not None and self.fastest is not self.best:
            speed = np.hypot(self.fastest.rows["vx"], self.fastest.rows["vy"])
            table.add_row(
                "fastest lap",
                "lap",
                format_number(self.fastest_lap_time_s, 2),
                format_number(self.fastest.completion, 0),
                format_number(float(speed[1:].mean()), 2),
                format_amount(self.fastest_pay, 4),
            )
        return table

    def _certainty(self) -> str:
        again = f"found by {self.found_by} of {self.searches} searches"
        if not self.found_by:
            again = f"found by putting together what {self.searches} searches found"
        return (
            f"{again}, whose pay differs by {self.spread:.1%}; {self.work:,} car-steps were tried"
        )


def describe_wish(foresight: Foresight) -> str:
    """`a car that drives 1.2 m/s in the middle of the road`."""
    facts = foresight.facts
    width = float(np.median(foresight.best.rows["width"]))
    place = "off the middle of the road"
    if facts.mean_offset_m < MIDDLE_FRACTION * width:
        place = "in the middle of the road"
    return WISHES[foresight.kind].format(
        speed=f"{facts.mean_speed:.1f} m/s",
        place=place,
        completion=f"{foresight.best.completion:.0f} % of the lap",
        dwell=f"{100.0 * facts.dwell_at:.0f} % of the lap",
        wheels=_count_wheels(facts.fewest_wheels),
    )


def _count_wheels(count: int) -> str:
    return "1 wheel" if count == 1 else f"{count} wheels"


def compare_foresights(foresights: Sequence[Foresight]) -> RecordTable:
    """Several rewards, a row each: what each of them asks for."""
    heads = ("reward", "asks for", "lap s", "fastest s", "pay", "fastest's", "found by")
    table = RecordTable(heads, text_heads=frozenset({"reward", "asks for"}))
    for foresight in foresights:
        table.add_row(
            foresight.reward_name,
            foresight.kind,
            format_number(foresight.lap_time_s, 2),
            format_number(foresight.fastest_lap_time_s, 2),
            format_amount(foresight.pay, 4),
            format_amount(foresight.fastest_pay, 4),
            f"{foresight.found_by} of {foresight.searches}",
        )
    return table


def _how_often(line: PaidLine) -> str:
    if line.executed >= EVERY_STEP_FRACTION:
        return "is paid in every step"
    return f"is paid in {line.executed:.0%} of the steps"


def _line_as_dict(line: PaidLine) -> dict[str, Any]:
    return {
        "line": line.line,
        "source": line.source,
        "text": line.text,
        "share": known_number(line.fraction),
        "executed": known_number(line.executed),
    }
