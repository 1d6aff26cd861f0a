"""How much each term of a reward function paid, step by step, over whole runs, and what that sums
up to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.attribution.instrument import instrument_reward
from racer.diagnostics.attribution.ledger import FileLedger, Term
from racer.reward import RewardBatch, RewardFunction
from racer.reward.batch import REWARD_TIMEOUT_S
from racer.sim.params import copy_params

Array = NDArray[np.float64]

TIMEOUT_FACTOR = 5.0  # times the time limit, for keeping books takes time
# of their amounts is what summands leave of each other when they are told as one term
CANCEL_FRACTION = 0.05
ROUNDING_FRACTION = 1e-9  # share of all amounts below which a difference is rounding


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
    unwrapped, and `xy` (T, 2) m are where.
    """

    name: str
    reward: Array
    amounts: Array
    ran: NDArray[np.bool_]
    distance: Array
    xy: Array


@dataclass(frozen=True, eq=False)
class Attribution:
    """What every piece of a reward function paid in some runs. `notes` are sentences for the user."""

    reward: RewardFunction
    pieces: tuple[Piece, ...]
    runs: tuple[AttributedDrive, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PiecePay:
    """A piece over all steps of some runs.

    `share` of the size of the sum of rewards (nan where that is nothing): positive for what pays,
    also where the sum is negative; `part` of all that was moved up or down; `mean` amount when
    executed, nan when never; `executed` share of steps; `total` amount.
    """

    line: int
    source: str
    through: Term | None
    share: float
    part: float
    mean: float
    executed: float
    total: float


@dataclass(frozen=True, eq=False)
class TermPay:
    """Pieces that are one term of the result, with their `amounts` (T,) in the steps of one run, or
    of several.
    """

    name: str
    lines: tuple[int, ...]
    amounts: Array


def attribute_reward(
    reward: RewardFunction,
    drives: Sequence[tuple[str, Sequence[Any]]],
    *,
    timeout: float = REWARD_TIMEOUT_S,
) -> Attribution:
    """What every piece of `reward` paid in these drives: each a name and the params of its steps,
    in order.

    Every drive has its own instance of the file, and every step is priced twice: by the file as it
    is, and by the copy that keeps books. Where the two differ, a note says so. Raises RewardRefused
    as pricing does, UsageError.
    """
    plain = _priced(reward, drives, timeout)
    copy, book = instrument_reward(reward)
    watched = _priced(copy, drives, TIMEOUT_FACTOR * timeout)
    pieces, tables = _tables(book, drives)
    runs = []
    for (name, steps), prices, (amounts, ran) in zip(drives, watched, tables, strict=True):
        amounts[:, 0] += _rest(prices, amounts)
        runs.append(AttributedDrive(name, prices, amounts, ran, _unwrapped(steps), _places(steps)))
    return _plain(Attribution(reward, pieces, tuple(runs), _differences(reward, plain, watched)))


def pay_by_piece(
    attribution: Attribution, runs: Sequence[AttributedDrive] | None = None
) -> list[PiecePay]:
    """A row for each piece, the greatest part first, over all steps of `runs` (all of them unless
    given).
    """
    runs = attribution.runs if runs is None else runs
    amounts = np.concatenate([run.amounts for run in runs])
    ran = np.concatenate([run.ran for run in runs])
    total, moved = float(amounts.sum()), float(np.abs(amounts).sum())
    found = []
    for k, piece in enumerate(attribution.pieces):
        paid, count = float(amounts[:, k].sum()), int(ran[:, k].sum())
        found.append(
            PiecePay(
                line=piece.term.line,
                source=piece.term.text,
                through=piece.through,
                share=paid / abs(total) if abs(total) > ROUNDING_FRACTION * moved else float("nan"),
                part=float(np.abs(amounts[:, k]).sum()) / moved if moved else 0.0,
                mean=paid / count if count else float("nan"),
                executed=count / max(len(ran), 1),
                total=paid,
            )
        )
    return sorted(found, key=lambda row: (-row.part, row.line))


def pay_by_term(
    attribution: Attribution, runs: Sequence[AttributedDrive] | None = None
) -> list[TermPay]:
    """The terms of the result, the one that moves most first: pieces that came through the same
    term are one.
    """
    runs = attribution.runs if runs is None else runs
    amounts = np.concatenate([run.amounts for run in runs])
    members: dict[Term, list[int]] = {}
    for k, piece in enumerate(attribution.pieces):
        members.setdefault(piece.through or piece.term, []).append(k)
    found = [
        TermPay(
            term.text,
            tuple(sorted({term.line, *(attribution.pieces[k].term.line for k in inside)})),
            amounts[:, inside].sum(axis=1),
        )
        for term, inside in members.items()
    ]
    return sorted(found, key=lambda group: -float(np.abs(group.amounts).sum()))


def _priced(
    reward: RewardFunction, drives: Sequence[tuple[str, Sequence[Any]]], timeout: float
) -> list[Array]:
    """(T,) rewards of every drive, one instance a drive; drive after drive, so that the books are
    in that order.
    """
    batch = RewardBatch(reward, len(drives), timeout=timeout)
    return [
        np.concatenate([np.empty(0), *(batch([dict(copy_params(p))], [car]) for p in steps)])
        for car, (_, steps) in enumerate(drives)
    ]


def _tables(
    book: FileLedger, drives: Sequence[tuple[str, Sequence[Any]]]
) -> tuple[tuple[Piece, ...], list[tuple[Array, NDArray[np.bool_]]]]:
    """The pieces that appear anywhere, the whole file's first, and amounts and executions of each
    drive by piece.
    """
    keys = dict.fromkeys([(book.whole, -1), *(key for call in book.calls for key in call.entries)])
    reached = {term for term, _ in keys}
    keys |= dict.fromkeys((t, -1) for call in book.calls for t in call.ran if t not in reached)
    column = {key: k for k, key in enumerate(keys)}
    alone = {term: count == 1 for term, count in Counter(term for term, _ in keys).items()}
    calls = iter(book.calls)
    tables = []
    for _, steps in drives:
        amounts, ran = (
            np.zeros((len(steps), len(keys))),
            np.zeros((len(steps), len(keys)), dtype=np.bool_),
        )
        for at in range(len(steps)):
            call = next(calls)
            for key, amount in call.entries.items():
                amounts[at, column[key]] = amount
            ran[at] = [
                key[0] in call.ran and (alone[key[0]] or key in call.entries) for key in keys
            ]
        tables.append((amounts, ran))
    terms = book.terms
    return tuple(
        Piece(terms[t], terms[via] if isinstance(via, int) and via >= 0 else None)
        for t, via in keys
    ), tables


def _rest(prices: Array, amounts: Array) -> Array:
    """(T,) what the books do not explain; rounding is nothing."""
    rest = prices - amounts.sum(axis=1)
    return np.where(
        np.abs(rest) <= ROUNDING_FRACTION * (np.abs(amounts).sum(axis=1) + np.abs(prices)),
        0.0,
        rest,
    )


def _plain(found: Attribution) -> Attribution:
    """The same with summands that cancel each other as one piece, and without pieces that never
    paid.
    """
    kinds: dict[Any, list[int]] = {}
    for k, piece in enumerate(found.pieces):
        kinds.setdefault(
            (piece.term.line, piece.term.part_of, piece.through) if piece.term.part_of else k, []
        ).append(k)
    amounts = np.concatenate([run.amounts for run in found.runs])
    members = [some for kind in kinds.values() for some in (_as_one(amounts, kind))]
    members = [some for some in members if amounts[:, some].any()] or [[0]]
    runs = tuple(
        replace(
            run,
            amounts=np.column_stack([run.amounts[:, some].sum(axis=1) for some in members]),
            ran=np.column_stack([run.ran[:, some].any(axis=1) for some in members]),
        )
        for run in found.runs
    )
    return replace(
        found, pieces=tuple(_joined([found.pieces[k] for k in some]) for some in members), runs=runs
    )


def _as_one(amounts: Array, kind: list[int]) -> list[list[int]]:
    """The summands of one sum, together where they cancel (`progress - last`), else each alone."""
    moved = float(np.abs(amounts[:, kind]).sum())
    left = float(np.abs(amounts[:, kind].sum(axis=1)).sum())
    return [kind] if len(kind) > 1 and left < CANCEL_FRACTION * moved else [[k] for k in kind]


def _joined(pieces: list[Piece]) -> Piece:
    first = pieces[0]
    return (
        first
        if len(pieces) == 1
        else Piece(Term(first.term.line, first.term.part_of), first.through)
    )


def _differences(
    reward: RewardFunction, plain: list[Array], watched: list[Array]
) -> tuple[str, ...]:
    one, other = np.concatenate([np.empty(0), *plain]), np.concatenate([np.empty(0), *watched])
    differ = int(np.sum(one != other))
    if not differ:
        return ()
    return (
        f"{reward.filename} pays differently when it is called again: {differ:,} of {len(one):,} steps "
        "(time, randomness, or something it keeps outside of itself); the amounts are those of the second time",
    )


def _unwrapped(steps: Sequence[Any]) -> Array:
    """(T,) m along the center line from the first step's place on, counting on over the start line."""
    s = np.array([p["projection_distance"] for p in steps], dtype=np.float64)
    if len(s) < 2:
        return s
    length = float(steps[0]["track_length"])
    return np.asarray(
        s[0] + np.append(0.0, np.cumsum((np.diff(s) + 0.5 * length) % length - 0.5 * length))
    )


def _places(steps: Sequence[Any]) -> Array:
    return np.array([(p["x"], p["y"]) for p in steps], dtype=np.float64).reshape(-1, 2)
