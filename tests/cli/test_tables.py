"""Tables of commands in terminals of every width."""

from __future__ import annotations

import pytest
from rich.text import Text

from racer.cli.tables import new_table, print_table

CELLS = ("lap_complete", "32.867", "1,506", "100.0", "-0.0411", "a/folder/of/a/name/too/long.csv")


def printed_lines(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """The lines of a table of six columns in a terminal of `width` characters, without colors."""
    table = new_table(
        "status", "time s", "steps", "%", "off line m", "file", text=("status", "file")
    )
    table.add_row(*CELLS)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(table)
    return [Text.from_ansi(line).plain for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("width", range(40, 121))
def test_no_terminal_cuts_a_number_or_breaks_a_line(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed_lines(width, monkeypatch, capsys)
    words = " ".join(lines).split()
    assert max(map(len, lines)) <= width
    assert set(CELLS[:-1]) <= set(words)
    assert "…" not in "".join(lines)


def test_what_finds_no_room_follows_below_beside_the_first_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed_lines(60, monkeypatch, capsys)
    assert sum("lap_complete" in line for line in lines) == 2
    assert "lap_complete  32.867  1,506  100.0" in " ".join(lines)


def test_heads_break_between_words_before_columns_go_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed_lines(70, monkeypatch, capsys)
    assert sum("lap_complete" in line for line in lines) == 1
    assert not any("off line m" in line for line in lines)
    assert any("off line" in line for line in lines)
