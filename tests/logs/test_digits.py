"""Decimal text to doubles, against Python's own float()."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.logs import digits

WORDS = np.array([list(b"ok ")], np.uint8)


def read(texts: list[str], kind: int = digits.FLOAT) -> tuple[np.ndarray, np.ndarray]:
    """Values and whether they fit, of texts that each are a line of one field."""
    lines = [text.encode() for text in texts]
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = ends - [len(line) for line in lines]
    data = np.frombuffer(b"\n".join(lines) + b"\n", np.uint8)
    values, good = np.empty((1, len(lines))), np.empty(len(lines), bool)
    digits.fields(
        data, starts, ends, np.array([kind]), WORDS, np.array([2]), digits.POWERS, values, good
    )
    return values[0], good


def test_a_million_reprs_come_back_to_the_last_bit() -> None:
    dice = np.random.default_rng(1)
    plain = np.concatenate([dice.normal(0, 10.0**k, 30_000) for k in range(-12, 13)])
    texts = [
        *map(repr, plain.tolist()),
        *(f"{value:.{k}f}" for k in (2, 4, 6) for value in plain[::10].tolist()),
    ]
    values, good = read(texts)
    assert good.all()
    assert np.array_equal(
        values.view(np.int64), np.array([float(text) for text in texts]).view(np.int64)
    )


@settings(max_examples=500, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), places=st.integers(0, 25))
def test_what_is_decided_is_what_float_says(value: float, places: int) -> None:
    texts = [repr(value), f"{value:.{places}e}", f"{value:.{places}g}"]
    values, good = read(texts)
    for text, found, decided in zip(texts, values, good, strict=True):
        if decided:
            assert struct.pack("d", found) == struct.pack("d", float(text)), text


def test_halfway_cases_round_to_even() -> None:
    dice = random.Random(2)
    texts = []
    for _ in range(20_000):
        odd = dice.getrandbits(52) | (1 << 52) | 1
        texts += [str((odd << 1) + half) for half in (-1, 0, 1)]
        texts += [f"{(2 * dice.getrandbits(53) + 1)}e{dice.randint(-20, 3)}"]
    values, good = read(texts)
    assert good.mean() > 0.9
    assert all(
        found == float(text)
        for text, found, fits in zip(texts, values.tolist(), good, strict=True)
        if fits
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "0x1",
        "nan",
        "inf",
        "1 ",
        " 1",
        "--1",
        "+1",
        "1e400",
        "1" * 25,
    ],
)
def test_what_is_no_plain_number_is_left_to_others(text: str) -> None:
    assert not read([text])[1][0]


def test_words_and_whole_numbers() -> None:
    assert read(["True", "False", "true", "Tru", "Falsy", ""], digits.TRUTH)[1].tolist() == [
        True,
        True,
        *[False] * 4,
    ]
    assert read(["ok", "o", "ok2"], digits.STATUS)[1].tolist() == [True, False, False]
    values, good = read(["3", "-1", "3.0", "3.5"], digits.WHOLE)
    assert good.tolist() == [True, True, True, False]
    assert values[:3].tolist() == [3.0, -1.0, 3.0]
