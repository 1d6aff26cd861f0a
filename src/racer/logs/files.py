"""Every trace in a place, and what its files say of the job: all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs import places, rows
from racer.logs.facts import Facts, is_fact
from racer.logs.places import Place
from racer.logs.readings import is_broken, is_steps, is_table, iteration_of, nothing, readings, worker_of
from racer.logs.repeats import Seen, stamps
from racer.logs.trace import PHASES, Log, Source, numbered, with_statuses
from racer.logs.weave import strands

SAME = 0.9  # share of a text log's steps that csv files hold too, above which it is the same job
GAP = (3, 1.0)  # steps and s that may lie between the halves of a log that was cut in two


class Read(NamedTuple):
    """What one file held."""

    frame: pd.DataFrame
    source: Source


def open(path: str | Path, endpoint: str = "") -> Log:
    """Every step found in a place: one trace, with an account of the lines and what is known of the job.

    `path` is a file, a folder (searched to its depth), an archive (`.tar.gz`, `.tgz`, `.tar`, `.zip`; read in place), a
    glob such as `runs/*/training-simtrace`, or an address such as `s3://bucket/prefix` (`pip install 'racer[s3]'`;
    `endpoint` is the URL of a MinIO server, AWS_ENDPOINT_URL without it). docs/logs.md says what is read and how.
    Raises UsageError when there is no such thing or no step in it.
    """
    place, facts = places.find(path, endpoint), Facts()
    found = []
    for account, pieces in readings(place, facts, lambda name: is_steps(name) or is_fact(name)):
        frames = list(pieces)
        found.append(Read(rows.stacked(frames) if frames else pd.DataFrame(), account.source))
    notes = [f"left out: {one.name} holds no step ({one.bad} bad lines)" for _, one in found if is_broken(one)]
    kept = sorted((one for one in found if one.source.rows), key=lambda one: places.natural(one.source.name))
    if not kept:
        raise nothing(place, len(found), notes)
    kept, doubled = _without_doubles(kept)
    kept, repeated = _without_repeats(kept)
    kept = [_unwoven(one) for one in kept]
    kept, goes_on, joined = _linked(kept)
    job = facts.job()
    every = [*place.notes, *facts.notes, *notes, *doubled, *repeated, *joined]
    return Log(_trace(kept, goes_on, place), tuple(source for _, source in kept), tuple(every), job)


def origin(place: Place, sources: Sequence[Source], lengths: Sequence[int], first: int = 0) -> dict[str, Any]:
    """The columns that tell where rows come from: `lengths` rows of each of `sources`, numbered from `first`."""
    codes: NDArray[np.int64] = np.repeat(
        np.array([PHASES.index(source.phase) for source in sources], np.int64), lengths
    )
    iterations = [iteration_of(source.name, source.phase) for source in sources]
    return {
        "source": np.repeat(np.arange(first, first + len(sources)), lengths),
        "phase": pd.Categorical.from_codes(codes, pd.Index(PHASES)),
        "iteration": np.repeat(iterations, lengths),
        "worker": np.repeat([worker_of(place, source.name) for source in sources], lengths),
    }


def goes_on(before: pd.Series, after: pd.Series) -> bool:
    """Whether a step follows another in the same episode, although it stands in another file."""
    steps, time = after["steps"] - before["steps"], after["tstamp"] - before["tstamp"]
    near = 0 < steps <= GAP[0] and 0 < time <= GAP[1]
    return bool(near and before["episode"] == after["episode"] and not before["done"])


def _without_doubles(found: list[Read]) -> tuple[list[Read], list[str]]:
    """Without text logs of a job whose csv files are there as well."""
    tables = [one for one in found if is_table(one.source.name)]
    if not 0 < len(tables) < len(found):
        return found, []
    seen = np.concatenate([stamps(one.frame) for one in tables])
    kept, notes = [], []
    for one in found:
        known = np.isin(stamps(one.frame), seen) if not is_table(one.source.name) else np.zeros(1)
        if known.mean() < SAME:
            kept.append(one)
        else:
            notes.append(f"left out: {one.source.name} holds the same steps as the csv files ({len(one.frame)} rows)")
    return kept, notes


def _without_repeats(found: list[Read]) -> tuple[list[Read], list[str]]:
    """Without steps that stand twice; the account of each file says how many were dropped."""
    seen, kept, notes = Seen(), [], []
    for frame, source in found:
        again = seen.repeated(frame)
        count = int(again.sum())
        if count == len(frame):
            notes.append(f"left out: every step of {source.name} ({count} rows) stands in the files before it")
        elif count:
            kept.append(Read(frame[~again].reset_index(drop=True), without(source, count)))
        else:
            kept.append(Read(frame, source))
    return kept, notes


def without(source: Source, count: int) -> Source:
    """The account of a file of which `count` rows were dropped because they had been read before."""
    note = f"{count} rows stand twice: the second ones were dropped"
    return replace(source, rows=source.rows - count, repeated=count, notes=(*source.notes, note))


def _unwoven(one: Read) -> Read:
    """A file's steps with those of each worker behind each other, where they stood in turn."""
    worker = strands(one.frame)
    if not worker.any():
        return one
    frame = one.frame.iloc[np.argsort(worker, kind="stable")].reset_index(drop=True)
    note = f"steps of {int(worker.max()) + 1} workers stand in turn: they were sorted apart"
    return Read(frame, replace(one.source, notes=(*one.source.notes, note)))


def _linked(found: list[Read]) -> tuple[list[Read], NDArray[np.bool_], list[str]]:
    """The files in order, halves of a log that was cut in two behind each other; whether each goes on from the last."""
    if len(found) == 1:
        return found, np.zeros(1, bool), []
    heirs, notes = {}, []
    ends = [one.frame.iloc[-1] for one in found]
    for number, one in enumerate(found):
        first = one.frame.iloc[0]
        if first["steps"] <= 1:
            continue
        same = [k for k in range(len(found)) if k != number and k not in heirs]
        same = [k for k in same if found[k].source.phase == one.source.phase and goes_on(ends[k], first)]
        if same:
            nearest = min(same, key=lambda k: float(first["tstamp"] - ends[k]["tstamp"]))
            heirs[nearest] = number
            notes.append(
                f"{one.source.name} goes on in the middle of an episode of {found[nearest].source.name}: joined"
            )
    order = _chains(len(found), heirs)
    later = set(heirs.values())
    return [found[k] for k in order], np.array([k in later for k in order]), notes


def _chains(count: int, heirs: dict[int, int]) -> list[int]:
    """Numbers from 0 to count in order, but each followed by its heir."""
    order: list[int] = []
    for start in [*sorted(set(range(count)) - set(heirs.values())), *range(count)]:
        number: int | None = start
        while number is not None and number not in order:
            order.append(number)
            number = heirs.get(number)
    return order


def _trace(found: Sequence[Read], goes_on: NDArray[np.bool_], place: Place) -> pd.DataFrame:
    """All rows with the columns that the reader adds."""
    lengths = [len(one.frame) for one in found]
    trace = rows.stacked([one.frame for one in found])
    chains = np.repeat(np.cumsum(~goes_on), lengths)
    ids = numbered(trace["episode"].to_numpy(), trace["steps"].to_numpy(), chains)
    columns = origin(place, [one.source for one in found], lengths)
    added = pd.DataFrame({**columns, "episode_id": ids}, copy=False)
    return pd.concat([with_statuses(trace), added], axis=1)
