"""Records show the same blocks as text and as HTML; numbers have one format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import pytest

from racer.records import (
    Record,
    RecordTable,
    format_amount,
    format_number,
    format_percent,
    format_seconds,
    known_number,
)


@dataclass(frozen=True)
class Result(Record):
    """A result with a sentence and a table."""

    name: str

    def blocks(self) -> Sequence[str | RecordTable]:
        table = RecordTable(("what", "count"), text_heads=frozenset({"what"}))
        table.add_row(self.name, "12")
        return [f"one {self.name}", table]


def test_text_has_sentences_and_tables_in_their_order() -> None:
    assert str(Result("lap")) == "one lap\nwhat  count\n----  -----\nlap      12"


def test_a_notebook_shows_the_same_blocks_escaped() -> None:
    shown = Result("<b>")._repr_html_()
    assert "<p>one &lt;b&gt;</p>" in shown
    assert '<td style="text-align: left">&lt;b&gt;</td>' in shown
    assert '<td style="text-align: right">12</td>' in shown


def test_a_row_has_a_cell_for_each_head() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        RecordTable(("a", "b")).add_row("1")


def test_a_table_without_rows_has_its_heads() -> None:
    assert RecordTable(("a", "bc")).to_text() == "a  bc\n-  --"


@pytest.mark.parametrize("missing", [nan, None])
def test_a_missing_number_is_a_dash(missing: float | None) -> None:
    shown = {form(missing) for form in (format_number, format_seconds, format_amount)}
    assert shown | {format_percent(missing)} == {"-"}


def test_numbers_have_their_decimals() -> None:
    assert format_number(1.005, 1) == "1.0"
    assert format_seconds(9.8) == "9.800"
    assert [format_amount(value) for value in (1999.9, 12.345, 0.012345)] == [
        "2000",
        "12.3",
        "0.0123",
    ]
    assert format_percent(0.256) == "26%"
    assert format_percent(0.256, 1) == "25.6%"


def test_json_gets_none_for_nan() -> None:
    assert known_number(nan) is None
    assert known_number(0.0) == 0.0
