"""How much each term of a reward function paid, step by step, over the drives of scripted drivers or
recorded laps.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis import laps
from racer.diagnostics.attribution.explanation import AttributedDrive, Attribution, Piece
from racer.diagnostics.attribution.instrument import instrument_reward
from racer.diagnostics.attribution.ledger import FileLedger, RecordedCall, Via
from racer.diagnostics.attribution.plans import NO_TERM, Term
from racer.diagnostics.log_replay import scored_rows
from racer.drivers import Drive, drive_all
from racer.errors import UsageError
from racer.logs import episode_begins, find_log_track, read_log, state_rows
from racer.reward import REWARD_TIMEOUT_S, RewardBatch, RewardFunction, load_reward
from racer.sim import Phase, build_params, copy_params
from racer.track import DEFAULT_TRACK, Track, load_track
from racer.vehicle import DEFAULT_CAR, ActionSpace

StepParams = Any
"""The params of one step: a dict, or what reads like one."""
DriveParams = list[tuple[str, list[StepParams]]]
"""Drives by name, each with the params of its steps in order."""
TrackSource = str | os.PathLike[str] | Track

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
PieceKey = tuple[int, Via]

TIMEOUT_FACTOR = 5.0  # times the time limit, for keeping books takes time
# of their amounts is what summands leave of each other when they are one piece
CANCEL_FRACTION = 0.05
ROUNDING_FRACTION = 1e-9  # of all amounts below which a difference is rounding
DEFAULT_DRIVERS = ("medium", "racing_line", "weaving")


def drive_params(
    track: TrackSource,
    drivers: Sequence[str],
    car: str = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
) -> tuple[Track, DriveParams]:
    """The track in the direction driven, and the params of every step of the drivers on it."""
    known_track = track if isinstance(track, Track) else load_track(track)
    drives: DriveParams = []
    for drive in drive_all(known_track, drivers, car, action_space, reverse=reverse):
        rows = drive.rows[drive.rows["phase"] == Phase.RUN]
        params = list(build_params(rows, drive.tracks))
        drives.append((f"{drive.name} ({_describe_drive_end(drive)})", params))
    return (known_track.reversed() if reverse else known_track), drives


def recorded_params(
    log: str | os.PathLike[str], track: TrackSource = "", episodes: int = 3
) -> tuple[Track, DriveParams]:
    """The track that a log was driven on, and the params of the steps of its best episodes.

    Of logs of several tracks those steps count that were driven on the one of most steps. Raises
    UsageError for an unknown track, and for a log without a step that a reward is called for.
    """
    trace = read_log(os.fspath(log)).trace
    length = trace["track_len"].round(2)
    on_track = trace[length == length.mode().iloc[0]].reset_index(drop=True)
    log_track = find_log_track(on_track, track)
    if log_track.track is None:
        raise UsageError(log_track.sentence)
    drives = episode_params(on_track, log_track.track, episodes)
    if not any(steps for _, steps in drives):
        raise UsageError(f"{log} holds no step that a reward function is called for")
    return log_track.track, drives


def episode_params(trace: pd.DataFrame, track: Track, count: int) -> DriveParams:
    """The params of the scored steps of the `count` best episodes of a trace driven on one track:
    complete ones, the fastest first, or else those that came farthest.
    """
    is_scored = scored_rows(trace)
    episode = np.cumsum(episode_begins(trace)) - 1
    lap_table = laps(trace)
    lap_table = lap_table.assign(number=episode[lap_table["first_row"]])
    lap_table = lap_table.sort_values(["complete", "time"], ascending=[False, True])
    best = lap_table[lap_table["complete"]]
    if not len(best):
        best = lap_table.nlargest(count, "completion")
    state = state_rows(trace, track)
    drives: DriveParams = []
    for lap in best.drop_duplicates("number").head(count).to_dict("records"):
        rows = state[(episode == lap["number"]) & is_scored]
        name = f"episode {lap['episode']} ({_describe_lap_end(lap)})"
        drives.append((name, list(build_params(rows, [track]))))
    return drives


def _describe_drive_end(drive: Drive) -> str:
    if np.isnan(drive.lap_time):
        return f"{drive.completion:.0f} % of a lap"
    return f"{drive.lap_time:.2f} s"


def _describe_lap_end(lap: Mapping[Any, Any]) -> str:
    if lap["complete"]:
        return f"{lap['time']:.2f} s"
    return f"{lap['completion']:.0f} % of a lap"


def explain(
    reward: str | os.PathLike[str] | RewardFunction,
    track: str | os.PathLike[str] | Track = "",
    *,
    drivers: Sequence[str] = DEFAULT_DRIVERS,
    log: str | os.PathLike[str] | None = None,
    episodes: int = 3,
    car: str = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    timeout: float = REWARD_TIMEOUT_S,
) -> Attribution:
    """Which lines and terms of a reward function pay how much over a lap, and where.

    Parameters
    ----------
    reward
        A file, the name of a shipped reward, or a loaded one.
    track
        A name, a file, or a track; reinvent_2018 unless given, that of a log is recognized.
    drivers
        Scripted drivers whose laps are explained.
    log, episodes
        Recorded laps to explain instead: a log, and how many of its best episodes.
    car, action_space, reverse
        What is driven, with which commands, and whether the other way.
    timeout
        Seconds that one call may take.

    Raises RewardRefused as pricing does; UsageError for what is not there.

    Examples
    --------
    >>> from racer.diagnostics.attribution import pay_by_piece
    >>> result = explain("center_line", "oval", drivers=["medium"])
    >>> max(pay_by_piece(result), key=lambda pay: pay.total).source
    'return 1.0'
    """
    function = reward if isinstance(reward, RewardFunction) else load_reward(reward)
    if log is None:
        known_track, drives = drive_params(
            track or DEFAULT_TRACK, drivers, car, action_space, reverse
        )
    else:
        known_track, drives = recorded_params(log, track, episodes)
    attribution = attribute_reward(function, drives, timeout=timeout)
    return replace(attribution, track=known_track)


def attribute_reward(
    reward: RewardFunction,
    drives: Sequence[tuple[str, Sequence[StepParams]]],
    *,
    timeout: float = REWARD_TIMEOUT_S,
) -> Attribution:
    """What every piece of `reward` paid in these drives: each a name and the params of its steps,
    in order.

    Every drive has its own instance of the file, and every step is priced twice: by the file as it
    is, and by the copy that keeps books. Where the two differ, a note says so. Raises RewardRefused
    as pricing does, UsageError.
    """
    plain = _price_drives(reward, drives, timeout)
    copy, ledger = instrument_reward(reward)
    watched = _price_drives(copy, drives, TIMEOUT_FACTOR * timeout)
    table = _PieceTable(ledger)
    calls = iter(ledger.calls)
    attributed = []
    for (name, steps), rewards in zip(drives, watched, strict=True):
        amounts, ran = table.fill([next(calls) for _ in steps])
        amounts[:, 0] += _unexplained(rewards, amounts)
        places = np.array([(params["x"], params["y"]) for params in steps], dtype=np.float64)
        distance = _distance_driven(steps)
        attributed.append(
            AttributedDrive(name, rewards, amounts, ran, distance, places.reshape(-1, 2))
        )
    notes = _describe_differences(reward, plain, watched)
    return _simplify(Attribution(reward, table.pieces(), tuple(attributed), notes), ledger)


def _price_drives(
    reward: RewardFunction, drives: Sequence[tuple[str, Sequence[StepParams]]], timeout: float
) -> list[Array]:
    """(T,) rewards of every drive, one instance a drive; drive after drive, so that the calls are
    recorded in that order.
    """
    batch = RewardBatch(reward, len(drives), timeout=timeout)
    return [_price_steps(batch, car, steps) for car, (_, steps) in enumerate(drives)]


def _price_steps(batch: RewardBatch, car: int, steps: Sequence[StepParams]) -> Array:
    rewards = [np.empty(0)]
    for params in steps:
        rewards.append(batch([dict(copy_params(params))], [car]))
    return np.concatenate(rewards)


class _PieceTable:
    """The pieces of all recorded calls as columns (a class: pieces are found before they are
    filled in).

    A piece is a term and the term through which it came. The first one is the whole file's; then
    come those that paid, then terms that were reached and never paid.
    """

    def __init__(self, ledger: FileLedger) -> None:
        self.terms = ledger.terms
        keys: dict[PieceKey, None] = {(ledger.whole, NO_TERM): None}
        for call in ledger.calls:
            keys.update(dict.fromkeys(call.entries))
        paid = {term for term, _ in keys}
        for call in ledger.calls:
            unpaid = [term for term in call.reached if term not in paid]
            keys.update(dict.fromkeys((term, NO_TERM) for term in unpaid))
        self.keys = tuple(keys)
        self.column = {key: k for k, key in enumerate(self.keys)}
        pieces_of_term = Counter(term for term, _ in self.keys)
        self.is_alone = [pieces_of_term[term] == 1 for term, _ in self.keys]

    def pieces(self) -> tuple[Piece, ...]:
        """The pieces, in the order of the columns."""
        return tuple(Piece(self.terms[term], self._through(via)) for term, via in self.keys)

    def fill(self, calls: Sequence[RecordedCall]) -> tuple[Array, Flags]:
        """(T, P) what each piece paid in the calls of a drive, and whether it was executed."""
        amounts = np.zeros((len(calls), len(self.keys)))
        ran = np.zeros((len(calls), len(self.keys)), dtype=np.bool_)
        for step, call in enumerate(calls):
            for key, amount in call.entries.items():
                amounts[step, self.column[key]] = amount
            ran[step] = list(self._executed(call))
        return amounts, ran

    def _executed(self, call: RecordedCall) -> Iterator[bool]:
        """For each piece, whether a call executed it: its term was reached, and it paid, if the term
        may pay through others, too.
        """
        for key, is_alone in zip(self.keys, self.is_alone, strict=True):
            yield key[0] in call.reached and (is_alone or key in call.entries)

    def _through(self, via: Via) -> Term | None:
        if isinstance(via, int) and via != NO_TERM:
            return self.terms[via]
        return None


def _unexplained(rewards: Array, amounts: Array) -> Array:
    """(T,) what the books do not explain; rounding is nothing."""
    rest = rewards - amounts.sum(axis=1)
    size = np.abs(amounts).sum(axis=1) + np.abs(rewards)
    return np.where(np.abs(rest) <= ROUNDING_FRACTION * size, 0.0, rest)


def _simplify(attribution: Attribution, ledger: FileLedger) -> Attribution:
    """The attribution without pieces that never paid, with summands that cancel each other as one
    piece, and with terms as one piece where a part is larger, or the only one of an update.
    """
    amounts = np.concatenate([drive.amounts for drive in attribution.drives])
    updates = {ledger.terms[term] for term in ledger.plain_updates}
    calls = {ledger.terms[term] for term in ledger.whole_calls}
    whole_terms = []
    for term, columns in _columns_by_term(attribution.pieces).items():
        is_alone = np.count_nonzero(amounts[:, columns].any(axis=0)) == 1
        is_exceeded = term not in calls and _has_larger_part(amounts[:, columns])
        if is_exceeded or (term in updates and is_alone):
            whole_terms.append((columns, Piece(term, None)))
    attribution = _join(attribution, whole_terms)
    pieces = attribution.pieces
    amounts = np.concatenate([drive.amounts for drive in attribution.drives])
    sums = []
    for columns in _summands_of_one_sum(pieces):
        term = pieces[columns[0]].term
        is_update = (term.line, term.part_of) in ledger.update_sums
        is_exceeded = is_update and _has_larger_part(amounts[:, columns])
        if is_exceeded or _cancel_out(amounts[:, columns]):
            sums.append((columns, _sum_piece(pieces[columns[0]])))
    attribution = _join(attribution, sums)
    amounts = np.concatenate([drive.amounts for drive in attribution.drives])
    paying = np.flatnonzero(amounts.any(axis=0)).tolist() or [0]
    kept = [attribution.pieces[column] for column in paying]
    return _keep_columns(attribution, [[column] for column in paying], kept)


def _columns_by_term(pieces: Sequence[Piece]) -> dict[Term, list[int]]:
    """The columns of pieces that came through a term, and of that term itself, by the term."""
    columns: dict[Term, list[int]] = {}
    for k, piece in enumerate(pieces):
        columns.setdefault(piece.through or piece.term, []).append(k)
    return columns


def _has_larger_part(amounts: Array) -> bool:
    """Whether one of several parts moves more than all of them together."""
    if amounts.shape[1] < 2:
        return False
    largest = float(np.abs(amounts).sum(axis=0).max())
    together = float(np.abs(amounts.sum(axis=1)).sum())
    return largest > (1.0 + ROUNDING_FRACTION) * together


def _join(attribution: Attribution, joined: Sequence[tuple[list[int], Piece]]) -> Attribution:
    """The attribution with some columns as one piece, in the place of the first of them."""
    first_columns = {columns[0]: (columns, piece) for columns, piece in joined}
    absorbed = {column for columns, _ in joined for column in columns}
    groups = []
    pieces = []
    for column, piece in enumerate(attribution.pieces):
        if column in first_columns:
            columns, whole = first_columns[column]
            groups.append(columns)
            pieces.append(whole)
        elif column not in absorbed:
            groups.append([column])
            pieces.append(piece)
    return _keep_columns(attribution, groups, pieces)


def _keep_columns(
    attribution: Attribution, groups: Sequence[list[int]], pieces: Sequence[Piece]
) -> Attribution:
    """The attribution with each group of its columns as one, of these pieces."""
    drives = tuple(_join_columns(drive, groups) for drive in attribution.drives)
    return replace(attribution, pieces=tuple(pieces), drives=drives)


def _summands_of_one_sum(pieces: Sequence[Piece]) -> list[list[int]]:
    """The columns of pieces, those of one sum together."""
    columns: dict[Any, list[int]] = {}
    for k, piece in enumerate(pieces):
        term = piece.term
        key = (term.line, term.part_of, piece.through) if term.part_of else k
        columns.setdefault(key, []).append(k)
    return list(columns.values())


def _cancel_out(amounts: Array) -> bool:
    """Whether several summands leave next to nothing of each other, as in `progress - last`."""
    moved = float(np.abs(amounts).sum())
    left = float(np.abs(amounts.sum(axis=1)).sum())
    return amounts.shape[1] > 1 and left < CANCEL_FRACTION * moved


def _join_columns(drive: AttributedDrive, groups: Sequence[list[int]]) -> AttributedDrive:
    amounts = np.column_stack([drive.amounts[:, columns].sum(axis=1) for columns in groups])
    ran = np.column_stack([drive.ran[:, columns].any(axis=1) for columns in groups])
    return replace(drive, amounts=amounts, ran=ran)


def _sum_piece(summand: Piece) -> Piece:
    """The piece of the sum that a summand is part of."""
    return Piece(Term(summand.term.line, summand.term.part_of), summand.through)


def _describe_differences(
    reward: RewardFunction, plain: list[Array], watched: list[Array]
) -> tuple[str, ...]:
    """A note if the copy that keeps books pays otherwise than the file itself."""
    rewards = np.concatenate([np.empty(0), *plain])
    rewards_again = np.concatenate([np.empty(0), *watched])
    count = int(np.sum(rewards != rewards_again))
    if not count:
        return ()
    return (
        f"{reward.filename} pays differently when it is called again: {count:,} of {len(rewards):,} steps "
        "(time, randomness, or something it keeps outside of itself); the amounts are those of the second time",
    )


def _distance_driven(steps: Sequence[StepParams]) -> Array:
    """(T,) m along the center line from the first step's place on, counting on over the start line."""
    s = np.array([params["projection_distance"] for params in steps], dtype=np.float64)
    if len(s) < 2:
        return s
    length = float(steps[0]["track_length"])
    moves = (np.diff(s) + 0.5 * length) % length - 0.5 * length
    return np.asarray(s[0] + np.append(0.0, np.cumsum(moves)))
