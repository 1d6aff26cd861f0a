"""Which laps a picture shows."""

from __future__ import annotations

import pytest

from racer.analysis import laps
from racer.errors import UsageError
from racer.plotting import selection


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3,1", [3, 1]),
        (" 2 ", [2]),
        ("best:2", [1, 3]),
        ("best2", [1, 3]),
        ("first:3", [1, 2, 3]),
        ("last:2", [11, 12]),
        ("all", list(range(1, 13))),
    ],
)
def test_laps_are_chosen_by_text(trace, rounded_laps, text: str, numbers: list[int]) -> None:
    assert [
        selection.lap_number(label)
        for label in selection.select_laps(rounded_laps(trace), text).index
    ] == numbers


@pytest.mark.parametrize("text", ["13", "0", "1,,2", "best", "best:0", "-1", "1-3", ""])
def test_text_that_names_no_lap_are_refused(trace, rounded_laps, text: str) -> None:
    with pytest.raises(UsageError):
        selection.select_laps(laps(trace), text)


def test_a_lap_keeps_its_number_when_others_are_left_out(trace) -> None:
    complete = laps(trace).query("complete")
    assert selection.lap_labels(selection.select_laps(complete, "3")) == ["lap 3 (4.33 s)"]
    with pytest.raises(UsageError, match="no lap 2 among these"):
        selection.select_laps(complete, "2")


def test_the_farthest_laps_are_taken_where_none_is_complete(drive) -> None:
    table = laps(drive(episodes=4, ends=(30.0, 60.0)))
    assert selection.best_or_farthest(table, 1)["completion"].tolist() == [60.0]


def test_the_best_lap_meets_one_that_began_where_it_did(trace, rounded_laps, ring) -> None:
    # episodes begin a fifth of the lap apart: the 1st, 6th and 11th at the same place, complete are
    # the odd ones
    table = rounded_laps(trace)
    assert [label + 1 for label in selection.comparable_pair(trace, table).index] == [1, 11]
    assert [label + 1 for label in selection.comparable_pair(trace, table.iloc[:6]).index] == [1, 6]
    assert [
        label + 1 for label in selection.comparable_pair(trace, table.iloc[:6], ring).index
    ] == [1, 3]
