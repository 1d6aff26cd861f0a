"""What an attribution says: what each piece and each term paid, which term dominates a drive and
where on the lap, as numbers, sentences and a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.attribution.plans import Term
from racer.records import Record, RecordTable, format_amount, format_percent, known_number
from racer.reward import RewardFunction
from racer.track import Track

Array = NDArray[np.float64]

LAP_PARTS = 24  # in each of which one term dominates
SMALL_TERM_FRACTION = 0.01  # of all amounts: a term that moves less goes without saying
SMALL_PIECE_FRACTION = 0.001  # of all amounts: a row that moves less is counted, not shown
ROUNDING_FRACTION = 1e-9  # of all amounts, below which a sum is rounding
MAX_DRIVE_COLUMNS = 4  # drives up to which each has a column
MAX_OTHER_TERMS = 3  # that a sentence names


@dataclass(frozen=True)
class Piece:
    """A term, and the term of another line through which it reached the result, if there was one."""

    term: Term
    through: Term | None


@dataclass(frozen=True, eq=False)
class AttributedDrive:
    """One drive or episode as the reward function saw it: T steps of P pieces.

    `reward` (T,) is what was paid, `amounts` (T, P) what each piece put in (rows sum to the
    reward), `ran` (T, P) whether the piece was executed; `distance` (T,) m along the center line,
    counting on over the start line, and `xy` (T, 2) m are where.
    """

    name: str
    reward: Array
    amounts: Array
    ran: NDArray[np.bool_]
    distance: Array
    xy: Array

    @property
    def short_name(self) -> str:
        """The name without what is in parentheses behind it."""
        return self.name.partition(" (")[0]


@dataclass(frozen=True, eq=False)
class Attribution(Record):
    """What every piece of a reward function paid in some drives.

    `notes` are sentences for the user; `track` is the one that was driven on, in that direction,
    where it is known.
    """

    reward: RewardFunction
    pieces: tuple[Piece, ...]
    drives: tuple[AttributedDrive, ...]
    notes: tuple[str, ...] = ()
    track: Track | None = None

    def blocks(self) -> Sequence[str | RecordTable]:
        """The dominant terms of each drive, and what each piece paid."""
        blocks: list[str | RecordTable] = [self._title()]
        blocks += [f"note: {note}" for note in (*self.reward.notes, *self.notes)]
        for drive in self.drives:
            blocks += ["", describe_dominant_term(self, drive)]
            stretches = describe_stretches(self, drive)
            if stretches:
                blocks.append(f"  {stretches}")
        pays = pay_by_piece(self)
        shown = [pay for pay in pays if pay.moved_fraction >= SMALL_PIECE_FRACTION] or pays[:1]
        blocks += ["", self._piece_table(shown)]
        if len(shown) < len(pays):
            more = len(pays) - len(shown)
            limit = f"{SMALL_PIECE_FRACTION:.1%} of what is moved"
            blocks.append(f"{more} more below {limit} (--json has them)")
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The attribution as plain data; what is missing is None."""
        track = self.track
        return {
            "reward": self.reward.filename,
            "track": track.name if track else None,
            "reversed": track.is_reversed if track else None,
            "notes": [*self.reward.notes, *self.notes],
            "lines": [pay.to_dict() for pay in pay_by_piece(self)],
            "runs": [_drive_as_dict(self, drive) for drive in self.drives],
        }

    def _title(self) -> str:
        if self.track is None:
            return self.reward.filename
        direction = " (reversed)" if self.track.is_reversed else ""
        return f"{self.reward.filename} on {self.track.name}{direction}"

    def _piece_table(self, shown: Sequence[PiecePay]) -> RecordTable:
        """Pieces by what they move; a column of fractions for each drive, if there are not too
        many.
        """
        columns = {"share": {pay.key: pay.fraction for pay in shown}}
        if 1 < len(self.drives) <= MAX_DRIVE_COLUMNS:
            columns = {}
            for drive in self.drives:
                pays = pay_by_piece(self, [drive])
                columns[drive.short_name] = {pay.key: pay.fraction for pay in pays}
        heads = ("line", "source", *columns, "mean", "executed")
        table = RecordTable(heads, text_heads=frozenset({"source"}))
        for pay in shown:
            fractions = [format_percent(column[pay.key], 1) for column in columns.values()]
            mean = format_amount(pay.mean, 4)
            table.add_row(
                str(pay.line), pay.described_source, *fractions, mean, f"{pay.executed:.0%}"
            )
        return table


@dataclass(frozen=True)
class PiecePay:
    """What a piece paid over all steps of some drives.

    `fraction` of the size of the sum of rewards (nan where that is nothing): positive for what
    pays, also where the sum is negative. `moved_fraction` of all that was moved up or down. `mean`
    amount when executed, nan when never; `executed` fraction of steps; `total` amount.
    """

    line: int
    source: str
    through: Term | None
    fraction: float
    moved_fraction: float
    mean: float
    executed: float
    total: float

    @property
    def key(self) -> tuple[int, str, Term | None]:
        """What tells pieces apart."""
        return self.line, self.source, self.through

    @property
    def described_source(self) -> str:
        """The source, and the term through which it came."""
        if self.through is None:
            return self.source
        return f"{self.source}   in `{self.through.text}`, line {self.through.line}"

    def to_dict(self) -> dict[str, Any]:
        """The facts for JSON."""
        through = None
        if self.through is not None:
            through = {"line": self.through.line, "source": self.through.text}
        return {
            "line": self.line,
            "source": self.source,
            "through": through,
            "share": known_number(self.fraction),
            "part": known_number(self.moved_fraction),
            "mean": known_number(self.mean),
            "executed": known_number(self.executed),
            "total": known_number(self.total),
        }


@dataclass(frozen=True, eq=False)
class TermPay:
    """Pieces that are one term of the result, with their `amounts` (T,) in the steps of one drive,
    or of several.
    """

    name: str
    lines: tuple[int, ...]
    amounts: Array

    @property
    def total(self) -> float:
        """The sum of the amounts."""
        return float(self.amounts.sum())

    @property
    def moved(self) -> float:
        """The sum of the sizes of the amounts."""
        return float(np.abs(self.amounts).sum())

    def __str__(self) -> str:
        return f"`{self.name}` ({format_lines(self.lines)})"


@dataclass(frozen=True)
class TermStretch:
    """Where one term moves the reward most: from and to, m from where the drive began along the
    center line.
    """

    start: float
    end: float
    term: TermPay


def pay_by_piece(
    attribution: Attribution, drives: Sequence[AttributedDrive] | None = None
) -> list[PiecePay]:
    """What each piece paid over all steps of `drives` (all of them unless given), the one that moved
    most first.
    """
    drives = attribution.drives if drives is None else drives
    amounts = np.concatenate([drive.amounts for drive in drives])
    counts = np.concatenate([drive.ran for drive in drives]).sum(axis=0)
    size = abs(float(amounts.sum()))
    all_moved = float(np.abs(amounts).sum())
    if size <= ROUNDING_FRACTION * all_moved:
        size = 0.0
    pays = []
    for k, piece in enumerate(attribution.pieces):
        paid = float(amounts[:, k].sum())
        moved = float(np.abs(amounts[:, k]).sum())
        pays.append(
            PiecePay(
                line=piece.term.line,
                source=piece.term.text,
                through=piece.through,
                fraction=_ratio(paid, size),
                moved_fraction=_ratio(moved, all_moved, default=0.0),
                mean=_ratio(paid, int(counts[k])),
                executed=_ratio(int(counts[k]), len(amounts), default=0.0),
                total=paid,
            )
        )
    return sorted(pays, key=lambda pay: (-pay.moved_fraction, pay.line))


def pay_by_term(
    attribution: Attribution, drives: Sequence[AttributedDrive] | None = None
) -> list[TermPay]:
    """The terms of the result, the one that moves most first: pieces that came through the same
    term are one.
    """
    drives = attribution.drives if drives is None else drives
    amounts = np.concatenate([drive.amounts for drive in drives])
    columns: dict[Term, list[int]] = {}
    for k, piece in enumerate(attribution.pieces):
        columns.setdefault(piece.through or piece.term, []).append(k)
    pays = []
    for term, pieces in columns.items():
        lines = {term.line, *(attribution.pieces[k].term.line for k in pieces)}
        pays.append(TermPay(term.text, tuple(sorted(lines)), amounts[:, pieces].sum(axis=1)))
    return sorted(pays, key=lambda pay: -pay.moved)


def find_stretches(attribution: Attribution, drive: AttributedDrive) -> list[TermStretch]:
    """Where on the way which term moves the reward most, in order; parts of a 24th of the way,
    joined.
    """
    if not len(drive.reward):
        return []
    terms = pay_by_term(attribution, [drive])
    edges = np.linspace(drive.distance.min(), drive.distance.max(), LAP_PARTS + 1)
    part = np.searchsorted(edges, drive.distance, side="right") - 1
    part = np.clip(part, 0, LAP_PARTS - 1)
    moved = [np.bincount(part, np.abs(term.amounts), minlength=LAP_PARTS) for term in terms]
    dominant = np.argmax(moved, axis=0)
    driven = np.flatnonzero(np.bincount(part, minlength=LAP_PARTS))
    stretches = []
    for term, group in groupby(driven.tolist(), key=lambda k: int(dominant[k])):
        parts = list(group)
        start, end = float(edges[parts[0]]), float(edges[parts[-1] + 1])
        stretches.append(TermStretch(start, end, terms[term]))
    return stretches


def describe_dominant_term(attribution: Attribution, drive: AttributedDrive) -> str:
    """Which term pays most in a drive, and which take most away, in a sentence."""
    terms = pay_by_term(attribution, [drive])
    total = float(drive.reward.sum())
    paying = [term for term in terms if term.total > 0.0]
    if not paying:
        steps = f"{len(drive.reward):,} steps"
        return f"{drive.name}: nothing is paid in {steps} ({total:.4g} in all)"
    first = max(paying, key=lambda term: term.total)
    sentence = f"{drive.name}: {first} {_describe_pay(first, total)}"
    limit = SMALL_TERM_FRACTION * sum(term.moved for term in terms)
    others = [term for term in terms if term is not first and abs(term.total) > limit]
    if not others:
        return sentence
    named = [f"{term} {_describe_pay(term, total)}" for term in others[:MAX_OTHER_TERMS]]
    return f"{sentence}; {', '.join(named)}"


def describe_stretches(attribution: Attribution, drive: AttributedDrive) -> str:
    """The stretches in a sentence; empty where one term dominates all the way."""
    stretches = find_stretches(attribution, drive)
    if len(stretches) < 2:
        return ""
    by_term: dict[int, list[TermStretch]] = {}
    for stretch in stretches:
        by_term.setdefault(id(stretch.term), []).append(stretch)
    places = []
    for of_term in by_term.values():
        spans = [f"{stretch.start:.1f} to {stretch.end:.1f} m" for stretch in of_term[:2]]
        more = ", and elsewhere" if len(of_term) > 2 else ""
        places.append(f"{of_term[0].term} from {', '.join(spans)}{more}")
    return f"most of the reward is moved by {', by '.join(places)}"


def format_lines(lines: Sequence[int]) -> str:
    """`line 3`, `lines 3, 5`, `lines 3 to 9`."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    if len(lines) < 4:
        return f"lines {', '.join(map(str, lines))}"
    return f"lines {lines[0]} to {lines[-1]}"


def _ratio(number: float, divisor: float, default: float = float("nan")) -> float:
    if not divisor:
        return default
    return number / divisor


def _describe_pay(term: TermPay, total: float) -> str:
    """`pays 71%`, `takes 7%`; an amount where the total is nothing."""
    verb = "pays" if term.total >= 0.0 else "takes"
    if abs(total) > ROUNDING_FRACTION * term.moved:
        return f"{verb} {abs(term.total / total):.0%}"
    return f"{verb} {abs(term.total):.4g}"


def _drive_as_dict(attribution: Attribution, drive: AttributedDrive) -> dict[str, Any]:
    terms = []
    for term in pay_by_term(attribution, [drive]):
        terms.append({"term": term.name, "lines": term.lines, "total": term.total})
    strongest = []
    for stretch in find_stretches(attribution, drive):
        strongest.append({"from": stretch.start, "to": stretch.end, "term": stretch.term.name})
    return {
        "name": drive.name,
        "steps": len(drive.reward),
        "reward": float(drive.reward.sum()),
        "sentence": describe_dominant_term(attribution, drive),
        "terms": terms,
        "strongest": strongest,
        "lines": [pay.to_dict() for pay in pay_by_piece(attribution, [drive])],
    }
