"""The fields of log lines as numbers, compiled: decimal text to the nearest double, as Python's own
float() gives it.

The conversion is that of Lemire, Number Parsing at a Gigabyte per Second (2021): 64 bits of the
decimal digits times 128 bits of the power of ten decide the nearest double. What it cannot decide,
and everything that is not a plain number, is left to the caller.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FLOAT, WHOLE, TRUTH, STATUS, SKIP = range(5)  # kinds of columns

_LOWEST, _HIGHEST = -40, 40  # powers of ten that are decided here


def _powers() -> NDArray[np.uint64]:
    """(P, 2) the upper and lower 64 bits of each power of five, scaled to 128 bits."""
    table = []
    for q in range(_LOWEST, _HIGHEST + 1):
        power = 5 ** abs(q)
        bits = (power - 1).bit_length()
        scale = bits + 127 if q >= -27 else 2 * bits + 128
        value = 2**scale // power + 1 if q < 0 else power << 128
        value >>= max(0, value.bit_length() - 128)
        table.append((value >> 64, value & (2**64 - 1)))
    return np.array(table, np.uint64)


POWERS = _powers()
_ONE, _LOW = np.uint64(1), np.uint64(0xFFFFFFFF)
_ZERO, _TWO, _THREE, _TEN = np.uint64(0), np.uint64(2), np.uint64(3), np.uint64(10)
_NOUGHT, _DOT = np.uint64(48), np.uint64(2**64 - 2)  # "0", and what "." is less than it
_NOWHERE = np.uint64(2**64 - 1)
_TOP_BYTE, _TOP_BIT = np.uint64(1 << 56), np.uint64(1 << 63)
_32, _MASK = np.uint64(32), np.uint64(0x1FF)
_TENS = 10.0 ** np.arange(23)


@njit(cache=True, error_model="numpy")
def lines(text: NDArray[np.uint8], spans: NDArray[np.int64]) -> None:
    """Fills `spans` (3, N) with start, end and number of fields of the N lines of `text`, each
    ended by a newline.
    """
    row, start, commas = 0, 0, 0
    for at in range(len(text)):
        commas += text[at] == 44
        if text[at] == 10:
            spans[0, row], spans[1, row], spans[2, row] = start, at, commas + 1
            row, start, commas = row + 1, at + 1, 0


@njit(cache=True, error_model="numpy")
def fields(
    text: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], kinds: NDArray[np.int64],
    words: NDArray[np.uint8], lengths: NDArray[np.int64], powers: NDArray[np.uint64],
    values: NDArray[np.float64], good: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Fills `values` (columns, N) from the N lines between `start` and `end`, and `good` (N,):
    whether a line fits.

    `kinds` are those of the columns; a status becomes the index of its word among `words` (S,
    longest), of `lengths`.
    """
    for row in range(len(start)):
        at, stop = np.uint64(start[row]), np.uint64(end[row])
        good[row] = False
        for column in range(len(kinds)):
            kind = kinds[column]
            if kind <= 1:
                value, at = _number(text, at, stop, powers)
                fits = value == value and (kind == 0 or value == np.floor(value))
            else:
                begin = at
                while at < stop and text[at] != 44:
                    at += _ONE
                value = _named(text, begin, at, kind, words, lengths)
                fits = value >= 0.0
            values[column, row] = value
            if (
                not fits
                or (at < stop) == (column == len(kinds) - 1)
                or (at < stop and text[at] != 44)
            ):
                break
            at += _ONE
            good[row] = column == len(kinds) - 1


@njit(cache=True, error_model="numpy")
def _named(text, at, close, kind, words, lengths):  # type: ignore[no-untyped-def]
    """The value of the word between `at` and `close`: a truth, or the index of a status; -1 where
    it is none.
    """
    if kind == 4:
        return 0.0
    if kind == 3:
        return _word(text, at, close, words, lengths)
    size = close - at
    if (
        size == 4
        and text[at] == 84
        and text[at + _ONE] == 114
        and text[at + _TWO] == 117
        and text[at + _THREE] == 101
    ):
        return 1.0
    false = size == 5 and text[at] == 70 and text[at + _ONE] == 97 and text[at + _TWO] == 108
    return 0.0 if false and text[at + _THREE] == 115 and text[at + np.uint64(4)] == 101 else -1.0


@njit(cache=True, error_model="numpy")
def _word(text, at, close, words, lengths):  # type: ignore[no-untyped-def]
    """Index of the word between `at` and `close`, -1 where it is none of `words`."""
    for index in range(len(lengths)):
        if lengths[index] == close - at:
            same = True
            for k in range(lengths[index]):
                same &= words[index, k] == text[at + np.uint64(k)]
            if same:
                return float(index)
    return -1.0


@njit(cache=True, error_model="numpy")
def _number(text, at, stop, powers):  # type: ignore[no-untyped-def]
    """The double nearest to the plain decimal number at `at`, nan where it is not decided here; and
    where it ends.
    """
    negative = at < stop and text[at] == 45
    at += _ONE if negative else _ZERO
    begin, point, digits = at, _NOWHERE, _ZERO
    while at < stop:
        letter = np.uint64(text[at]) - _NOUGHT
        if letter < _TEN:
            digits = digits * _TEN + letter
        elif letter == _DOT and point == _NOWHERE:
            point = at
        else:
            break
        at += _ONE
    count = np.int64(at - begin) - (1 if point != _NOWHERE else 0)
    if count == 0:
        return np.nan, at
    # zeros in front do not count
    while count > 19 and begin < at and (text[begin] == 48 or text[begin] == 46):
        count -= 1 if text[begin] == 48 else 0
        begin += _ONE
    power = np.int64(point + _ONE) - np.int64(at) if point != _NOWHERE else 0
    if at < stop and (text[at] == 101 or text[at] == 69):
        exponent, at = _exponent(text, at + _ONE, stop)
        power += exponent
    if count > 19:
        return np.nan, at
    value = _nearest(digits, power, powers)
    return (-value if negative else value), at


@njit(cache=True, error_model="numpy")
def _exponent(text, at, stop):  # type: ignore[no-untyped-def]
    """The power of ten that is written at `at`, out of reach where it is none; and where it ends."""
    negative = at < stop and text[at] == 45
    if at < stop and (text[at] == 45 or text[at] == 43):
        at += _ONE
    begin, exponent = at, np.int64(0)
    while at < stop and text[at] >= 48 and text[at] <= 57 and exponent < 1000:
        exponent = exponent * 10 + np.int64(text[at]) - 48
        at += _ONE
    if at == begin:
        return np.int64(1000), at
    return (-exponent if negative else exponent), at


@njit(cache=True, error_model="numpy")
def _nearest(digits, power, powers):  # type: ignore[no-untyped-def]
    """The double nearest to `digits` times ten to the `power`, nan where that is not decided here."""
    if digits == _ZERO:
        return 0.0 if power < 1000 and power > -1000 else np.nan
    # both are doubles: one rounding
    if digits <= np.uint64(9007199254740992) and -22 <= power <= 22:
        return (
            np.float64(digits) / _TENS[-power] if power < 0 else np.float64(digits) * _TENS[power]
        )
    if power < -40 or power > 40:
        return np.nan
    shift = 0
    while digits < _TOP_BYTE:
        digits = digits << np.uint64(8)
        shift += 8
    while digits < _TOP_BIT:
        digits = digits << _ONE
        shift += 1
    high, low = _product(digits, powers[power + 40, 0])
    if (high & _MASK) == _MASK:
        more, _ = _product(digits, powers[power + 40, 1])
        low = low + more
        if more > low:
            high = high + _ONE
    upper = high >> np.uint64(63)
    drop = upper + np.uint64(9)
    mantissa = high >> drop
    exponent = ((217706 * power) >> 16) + 63 + np.int64(upper) - shift + 1023
    if (
        low <= _ONE
        and -4 <= power <= 23
        and (mantissa & np.uint64(3)) == _ONE
        and (mantissa << drop) == high
    ):
        mantissa = mantissa - _ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    return np.ldexp(np.float64(mantissa), exponent - 1023 - 52)


@njit(cache=True, error_model="numpy")
def _product(one, other):  # type: ignore[no-untyped-def]
    """The upper and lower 64 bits of a product of two numbers of 64 bits."""
    a, b, c, d = one >> _32, one & _LOW, other >> _32, other & _LOW
    middle = a * d + ((b * d) >> _32)
    cross = b * c + (middle & _LOW)
    return a * c + (middle >> _32) + (cross >> _32), (cross << _32) | ((b * d) & _LOW)
