"""What an examination finds: symptoms, what each costs, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from racer.records import Record, RecordTable, format_number
from racer.track import Track

if TYPE_CHECKING:
    from racer.action_design import Review
    from racer.diagnostics.foresight import Foresight

SHOWN = 3
"""Symptoms that are shown: who mends three things has enough to do."""
MIN_COST_FRACTION = 0.02
"""Of a lap: what costs less holds nothing back."""

ADVICE: dict[str, tuple[str, str]] = {
    "corner": ("see what was paid there", "racer plot rewards {log}{of_track}"),
    "everywhere": (
        "see whether speed or steering loses the road",
        "racer plot telemetry {log}{of_track}",
    ),
    "seldom driven": ("see where the cars were", "racer plot visits {log}{of_track}"),
    "one action": ("see what it does where", "racer actions check --run {log}{of_track}"),
    "no entropy": ("see when it went", "racer plot entropy {log}{of_track}"),
    "collapse": ("see from when on", "racer plot progress {log}{of_track}"),
    "behind its best": (
        "set the best laps against the last",
        "racer plot laptimes {log}{of_track}",
    ),
    "reward": ("see what the reward pays best", "racer foresee {reward}{track}{car}"),
    "foreseen reward": ("see which slow laps it pays most", "racer score {reward}{track}{car}"),
    "actions": (
        "design actions for this track",
        "racer actions design{track}{car} -o actions.json",
    ),
    "unused action": (
        "see which actions a fast lap needs",
        "racer actions check --run {log}{of_track}",
    ),
    "still improving": ("see how it rose", "racer plot progress {log}{of_track}"),
    "too short": ("see how far it got", "racer plot progress {log}{of_track}"),
}
"""By the kind of a symptom: what to do next, and the command for it."""
_START_AGAIN = ("start again from its best policy", "racer train --from {log} --checkpoint best")
_GO_ON = ("let it go on", "racer train --resume {log} --minutes 10")
RUN_ADVICE: dict[str, tuple[str, str]] = {
    "collapse": _START_AGAIN,
    "behind its best": _START_AGAIN,
    "no entropy": _START_AGAIN,
    "still improving": _GO_ON,
    "too short": _GO_ON,
}
"""The same for runs of racer, which can go on."""


@dataclass(frozen=True)
class Cost:
    """What a symptom costs: `points` of completion (0 to 100) and `seconds` of a lap, None where
    nothing tells; `basis` says how that was estimated.
    """

    points: float | None
    seconds: float | None
    basis: str

    def fraction(self, lap_s: float | None) -> float:
        """Of a lap: a point of completion counts as much as a hundredth of the lap's time."""
        lost = (self.points or 0.0) / 100.0
        if self.seconds and lap_s:
            lost += self.seconds / lap_s
        return lost

    def __str__(self) -> str:
        parts = []
        if self.points:
            parts.append(f"{self.points:.0f} points of completion")
        if self.seconds:
            parts.append(f"{self.seconds:.2f} s a lap")
        if not parts:
            return "nothing that could be estimated"
        return " and ".join(parts)


@dataclass(frozen=True)
class Symptom:
    """Something that holds a training back.

    `kind` is a key of ADVICE, `title` what it is, `evidence` what shows it. `picture` is a kind of
    `racer plot`, `review` (that of `racer actions check`) or `foresight`.
    """

    kind: str
    title: str
    evidence: str
    cost: Cost
    picture: str


@dataclass(frozen=True, eq=False)
class Diagnosis(Record):
    """What holds a training back, the costliest first.

    `completion` (%) and `lap_s` (None without a complete lap) are the mean and the median of the
    laps of `window`, in which it was looked at: `recent_laps`, rows of `racer.laps`. `notes` say what could not be looked at, and what
    costs nothing. `reward` is its file where that is known, `is_run` says that it is a run of racer,
    which can go on. `review` and `foresight` are there where they were made. `log_options` are the
    words that name the log's track to a command, such as `--tracks DIR`, `track_source` is what names
    it elsewhere: both are empty where the track's own name does.
    """

    name: str
    track: Track | None
    car: str
    window: str
    verdict: str
    laps: int
    completion: float
    lap_s: float | None
    symptoms: tuple[Symptom, ...]
    notes: tuple[str, ...] = ()
    reward: str = ""
    is_run: bool = False
    log_options: tuple[str, ...] = ()
    track_source: str = ""
    recent_laps: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    review: Review | None = field(default=None, repr=False)
    foresight: Foresight | None = field(default=None, repr=False)

    @property
    def shown(self) -> tuple[Symptom, ...]:
        """The three that cost most."""
        return self.symptoms[:SHOWN]

    @property
    def costs_overlap(self) -> bool:
        """Whether the symptoms that are shown cost more completion together than the laps lack."""
        points = sum(symptom.cost.points or 0.0 for symptom in self.shown)
        return points > 100.0 - self.completion + 0.5

    @property
    def headline(self) -> str:
        """How far its laps get, and how many things hold it back."""
        lap = "no complete lap"
        if self.lap_s is not None:
            lap = f"median lap {format_number(self.lap_s, 2)} s"
        state = f"{self.laps:,} laps in {self.window}: completion {self.completion:.0f} %, {lap}"
        if not self.symptoms:
            return f"{state}; nothing found that holds it back"
        count = len(self.symptoms)
        things = "1 thing holds" if count == 1 else f"{count} things hold"
        return f"{state}; {things} it back"

    def blocks(self) -> Sequence[str | RecordTable]:
        """The headline, the three symptoms that cost most, and the notes."""
        blocks: list[str | RecordTable] = [self.headline]
        for number, symptom in enumerate(self.shown, 1):
            purpose, command = next_command(self, symptom)
            blocks += [
                f"{number}. {symptom.title}: that costs {symptom.cost}",
                f"   evidence: {symptom.evidence}",
                f"   estimate: {symptom.cost.basis}",
                f"   next, to {purpose}: {command}",
            ]
        rest = self.symptoms[SHOWN:]
        if rest:
            blocks.append(f"less costly: {'; '.join(symptom.title for symptom in rest)}")
        if self.costs_overlap:
            lacking = f"{100.0 - self.completion:.0f} points in all"
            blocks.append(f"these costs overlap and do not add up: its laps lack {lacking}")
        blocks.append(f"verdict of racer analyze: {self.verdict}")
        return [*blocks, *(f"note: {note}" for note in self.notes)]

    def to_dict(self) -> dict[str, Any]:
        """The symptoms with their costs, and where the training stands; what is missing is None."""
        symptoms = []
        for symptom in self.symptoms:
            purpose, command = next_command(self, symptom)
            row = {
                "kind": symptom.kind,
                "title": symptom.title,
                "evidence": symptom.evidence,
                "points": symptom.cost.points,
                "seconds": symptom.cost.seconds,
                "fraction": symptom.cost.fraction(self.lap_s),
                "basis": symptom.cost.basis,
                "picture": symptom.picture,
                "purpose": purpose,
                "command": command,
            }
            symptoms.append(row)
        return {
            "log": self.name,
            "track": self.track.name if self.track else None,
            "car": self.car or None,
            "window": self.window,
            "laps": self.laps,
            "completion": self.completion,
            "lap_time": self.lap_s,
            "verdict": self.verdict,
            "symptoms": symptoms,
            "notes": list(self.notes),
        }


def rank_symptoms(symptoms: Sequence[Symptom], lap_s: float | None) -> tuple[Symptom, ...]:
    """Those that cost enough, or of which nothing tells what they cost; the costliest first."""
    kept = []
    for symptom in symptoms:
        is_unknown = symptom.cost.points is None and symptom.cost.seconds is None
        if is_unknown or symptom.cost.fraction(lap_s) >= MIN_COST_FRACTION:
            kept.append(symptom)
    return tuple(sorted(kept, key=lambda symptom: -symptom.cost.fraction(lap_s)))


def next_command(diagnosis: Diagnosis, symptom: Symptom) -> tuple[str, str]:
    """What to do about a symptom, and the command for it, with the names of this log filled in."""
    advice = ADVICE[symptom.kind]
    if diagnosis.is_run:
        advice = RUN_ADVICE.get(symptom.kind, advice)
    purpose, command = advice
    names = {
        "log": shlex.quote(diagnosis.name),
        "reward": shlex.quote(diagnosis.reward or "REWARD"),
        "of_track": "".join(f" {shlex.quote(word)}" for word in diagnosis.log_options),
        "track": _track_options(diagnosis.track, diagnosis.track_source),
        "car": f" --car {diagnosis.car}" if diagnosis.car else "",
    }
    return purpose, command.format(**names)


def _track_options(track: Track | None, source: str) -> str:
    if track is None:
        return ""
    reverse = " --reverse" if track.is_reversed else ""
    return f" --track {shlex.quote(source or track.name)}{reverse}"
