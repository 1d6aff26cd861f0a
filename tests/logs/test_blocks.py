"""Blocks of lines into columns: to the last bit, and whatever else stands between the steps."""

from __future__ import annotations

import numpy as np
import pytest

from racer.logs.blocks import parse_block
from racer.logs.schema import TRACE_COLUMNS, parse_row

LINE = "{episode},{steps},{x},2.25,90.0,-10.5,1.25,3,0.5,False,True,12.5,3,17.7,6.0,{status},0.0"
NAMES = TRACE_COLUMNS[:17]


def line(
    episode: object = 0, steps: object = 1.0, x: object = 1.5, status: str = "in_progress"
) -> str:
    return LINE.format(episode=episode, steps=steps, x=x, status=status)


def block(lines: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in lines).encode()


@pytest.mark.slow
def test_numbers_come_back_to_the_last_bit() -> None:
    dice = np.random.default_rng(1)
    exponents = range(-12, 13)
    values = np.concatenate([dice.normal(0, 10.0**k, 2000) for k in exponents]).tolist()
    texts = [repr(value) for value in values]
    texts += [f"{value:.{places}f}" for places in (2, 4, 6) for value in values]
    texts += [f"{value:.{places}e}" for places in (15, 17, 25) for value in values]
    parsed = parse_block(block([line(x=text) for text in texts]), NAMES)
    expected = np.array([float(text) for text in texts])
    assert len(parsed.bad) == 0
    assert np.array_equal(parsed.frame["X"].to_numpy().view(np.int64), expected.view(np.int64))


@pytest.mark.parametrize("bad", ["x", "", "1.2.3", "nan", "inf", "1e400", "0x1", "\0", "1e16"])
def test_a_line_that_is_none_does_not_take_others_with_it(bad: str) -> None:
    texts = [line(steps=k) for k in range(1, 2001)]
    texts[700] = line(x=bad)
    parsed = parse_block(block(texts), NAMES)
    assert parsed.bad.tolist() == [700]
    assert parsed.line.tolist() == [k for k in range(2000) if k != 700]
    assert parsed.frame["steps"].tolist() == [k + 1.0 for k in range(2000) if k != 700]


def test_whole_numbers_may_be_written_with_a_point() -> None:
    parsed = parse_block(block([line(episode=text) for text in ("3", "4.0", "5e0", "3.5")]), NAMES)
    assert parsed.frame["episode"].tolist() == [3, 4, 5]
    assert parsed.frame["episode"].dtype == np.int64
    assert parsed.bad.tolist() == [3]


def test_statuses_that_no_simulator_writes_are_kept_and_numbers_are_none() -> None:
    statuses = ["in_progress", "abducted", "0", "off_track", "7.5"]
    parsed = parse_block(block([line(status=status) for status in statuses]), NAMES)
    assert parsed.frame["episode_status"].tolist() == ["in_progress", "abducted", "off_track"]
    assert parsed.line.tolist() == [0, 1, 3]
    assert parsed.bad.tolist() == [2, 4]


def test_a_block_of_statuses_that_are_numbers_has_no_step() -> None:
    parsed = parse_block(block([line(status="0")] * 3), NAMES)
    assert len(parsed.frame) == 0
    assert parsed.bad.tolist() == [0, 1, 2]


def test_a_line_by_itself_and_a_line_among_others_are_the_same_step() -> None:
    text = line(x="0.1234567890123456789")
    row = parse_row(text.encode(), NAMES)
    frame = parse_block(block([text, text]), NAMES).frame
    assert row is not None
    assert row.names == tuple(frame.columns)
    assert row.values == frame.iloc[1].tolist()
