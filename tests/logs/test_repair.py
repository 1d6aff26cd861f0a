"""Steps that stand twice: in one file, or in two records of one job that differ in their digits."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from racer.logs.repair import RepeatFilter, StepHistory

Drive = Callable[..., pd.DataFrame]


def pieces_of(frame: pd.DataFrame, rows: int) -> list[pd.DataFrame]:
    """A frame cut in pieces of so many rows."""
    return [frame.iloc[k : k + rows] for k in range(0, len(frame), rows)]


def kept_steps(steps: RepeatFilter, pieces: list[pd.DataFrame]) -> pd.DataFrame:
    """What a filter keeps of a file, whose end is reached with the last piece."""
    kept = [steps.take(piece) for piece in pieces]
    held = steps.finish()
    if held is not None:
        assert len(held)
        kept.append(held)
    return pd.concat(kept, ignore_index=True)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 1000])
def test_repeats_do_not_depend_on_where_a_file_is_cut_in_blocks(drive: Drive, rows: int) -> None:
    trace = drive(episodes=3)
    doubled = pd.concat([trace, trace.iloc[:4], trace.iloc[:2], trace.iloc[-7:]], ignore_index=True)
    whole = StepHistory(has_several_files=False).begin_file()
    expected = kept_steps(whole, [doubled])
    steps = StepHistory(has_several_files=False).begin_file()
    kept = kept_steps(steps, pieces_of(doubled, rows))
    pd.testing.assert_frame_equal(kept, expected)
    assert (steps.repeated, steps.kept) == (whole.repeated, whole.kept)
    assert len(kept) == len(trace)


@pytest.mark.parametrize(
    "rows",
    [(2, 3, 4), (2, 3), (3, 0, 1), (3, 4, 0, 1), (1, 2), (2, 3, 9, 4), (3, 3, 2), (0, 1, 3, 4)],
    ids=str,
)
def test_a_run_of_repeats_may_be_cut_anywhere(drive: Drive, rows: tuple[int, ...]) -> None:
    trace = drive(episodes=1)
    new = trace.iloc[[-1]].assign(episode=7)
    again = pd.concat([new, trace.iloc[list(rows)], new.assign(episode=8)], ignore_index=True)
    counts = {}
    kept = {}
    for cuts in itertools.product([False, True], repeat=len(again) - 1):
        edges = [0, *(k + 1 for k, is_cut in enumerate(cuts) if is_cut), len(again)]
        history = StepHistory(has_several_files=True)
        kept_steps(history.begin_file(), [trace])
        steps = history.begin_file()
        pieces = [again.iloc[start:end] for start, end in itertools.pairwise(edges)]
        kept[cuts] = kept_steps(steps, pieces)
        counts[cuts] = (steps.shared, steps.repeated, steps.kept)
    whole = next(iter(kept))
    assert not any(whole)
    for cuts, frame in kept.items():
        pd.testing.assert_frame_equal(frame, kept[whole])
        assert counts[cuts] == counts[whole]


@pytest.mark.parametrize("length", [19, 20, 21, 199, 200, 201, 250])
@pytest.mark.parametrize("rows", [1, 7, 19, 20, 199])
def test_digits_are_told_alike_wherever_a_file_is_cut(drive: Drive, length: int, rows: int) -> None:
    fine = drive(episodes=12)
    assert len(fine) >= length
    coarse = fine.round({"X": 2, "Y": 2, "tstamp": 1}).iloc[:length]
    kept = []
    for size in (rows, length):
        history = StepHistory(has_several_files=True)
        kept_steps(history.begin_file(), [fine])
        kept.append(kept_steps(history.begin_file(), pieces_of(coarse, size)))
    pd.testing.assert_frame_equal(*kept)
    assert (len(kept[0]) == 0) == (length >= 20)


def test_the_wait_that_workers_share_is_kept(drive: Drive) -> None:
    trace = drive(episodes=1)
    other = trace.assign(X=trace["X"] + 0.5 * (trace["steps"] > 1))
    steps = StepHistory(has_several_files=False).begin_file()
    kept = kept_steps(steps, [trace, other])
    assert len(kept) == 2 * len(trace)


@pytest.mark.parametrize(
    ("places", "stamps"),
    [(4, 3), (3, 3), (16, 16), (4, 0), (2, 2)],
    ids=["a text log", "three decimals", "equal", "whole seconds", "two decimals"],
)
@pytest.mark.parametrize("coarse_first", [True, False])
def test_steps_are_found_again_whatever_their_digits(
    drive: Drive, places: int, stamps: int, coarse_first: bool
) -> None:
    fine = drive(episodes=6)
    coarse = fine.round({"X": places, "Y": places, "tstamp": stamps, "steer": 2})
    files = [fine, coarse.iloc[len(coarse) // 3 :]]
    if coarse_first:
        files.reverse()
    history = StepHistory(has_several_files=True)
    kept = [kept_steps(history.begin_file(), pieces_of(file, 30)) for file in files]
    both = pd.concat(kept)
    assert len(both) == len(fine)
    assert not both.duplicated(["episode", "steps"]).any()


def test_a_shorter_record_adds_what_it_alone_holds(drive: Drive) -> None:
    trace = drive(episodes=6)
    log = trace.round({"X": 4, "Y": 4, "tstamp": 3})
    is_last = trace["episode"] == trace["episode"].max()
    history = StepHistory(has_several_files=True)
    kept_steps(history.begin_file(), [trace[~is_last]])
    steps = history.begin_file()
    kept = kept_steps(steps, [log[log["episode"] >= 4]])
    assert np.array_equal(kept["X"], log["X"][is_last])
    assert (steps.kept, steps.repeated) == (int(is_last.sum()), 0)


def test_two_jobs_that_drove_nearly_alike_are_not_taken_for_one(drive: Drive) -> None:
    trace = drive(episodes=2)
    other = trace.assign(tstamp=trace["tstamp"] + 0.004)
    history = StepHistory(has_several_files=True)
    kept_steps(history.begin_file(), [trace])
    assert len(kept_steps(history.begin_file(), [other])) == len(other)
