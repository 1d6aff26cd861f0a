"""Where the prints of a reward function go: counted, the first of them kept, with the line they came from."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from threading import get_ident
from types import CodeType
from typing import TextIO

from racer.reward.refusal import line_in

KEPT = 4096  # characters of text that are kept
PER_CALL = 16384  # bytes a call that never count against the limit: all of a params dict is printed in less


class PrintFlood(BaseException):
    """More was printed than the budget allows. Not an Exception, so that `except Exception` lets it pass."""


@dataclass
class Line:
    """What one print statement wrote so far."""

    line: int
    writes: int = 0
    size: int = 0
    first: str = ""


class Sink(io.TextIOBase):
    """Stands in for `sys.stdout` and `sys.stderr` while rewards are priced (a foreign contract: a text stream).

    Other threads, such as a progress display, keep writing to the real stream. `size` is what was printed so far, in
    characters; beyond `limit + PER_CALL * calls` a write raises PrintFlood.
    """

    def __init__(self, filename: str, limit: int) -> None:
        super().__init__()
        self.filename, self.limit = filename, limit
        self.calls = self.size = self.lines = 0
        self.kept = ""
        self.last_line = 0  # where the budget was spent
        self.places: dict[tuple[CodeType, int], Line] = {}
        self.thread = get_ident()
        self.outside: TextIO | None = sys.stdout
        self.buffer = _Bytes(self)

    @property
    def flooded(self) -> bool:
        """Whether the budget is spent."""
        return self.size > self.limit + PER_CALL * self.calls

    def write(self, text: str) -> int:
        if get_ident() != self.thread and self.outside is not None:
            return self.outside.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        frame = sys._getframe(1)
        key = (frame.f_code, frame.f_lasti)
        place = self.places.get(key)
        if place is None:
            place = self.places[key] = Line(line_in(frame, self.filename))
        self._count(place, text)
        if self.flooded:
            self.last_line = place.line
            raise PrintFlood(place.line)
        return len(text)

    def _count(self, place: Line, text: str) -> None:
        place.writes += 1
        place.size += len(text)
        if not place.first:
            place.first = text.strip()[:80]
        self.size += len(text)
        self.lines += text.count("\n")
        if len(self.kept) < KEPT:
            self.kept += text[: KEPT - len(self.kept)]

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        """True only for another thread whose real stream is a terminal: it may be drawing a progress bar."""
        return get_ident() != self.thread and self.outside is not None and self.outside.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def close(self) -> None:
        """A reward function may close its stdout; ours stays open."""

    def notes(self) -> list[str]:
        """One sentence on what was printed, and one for each of the first places. Empty when nothing was."""
        if not self.size:
            return []
        places = sorted({p.line: p for p in reversed(self.places.values()) if p.first}.values(), key=lambda p: p.line)
        head = f"{self.filename} printed {self.lines:,} lines ({_size(self.size)}) in {self.calls:,} calls"
        return [head, *(f"{self.filename}:{p.line}: first printed {p.first!r}" for p in places[:5])]


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`, for those who write bytes."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, raw: bytes) -> int:  # type: ignore[override]
        self._sink.write(bytes(raw).decode("utf-8", "replace"))
        return len(raw)


def _size(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1e3:,.0f} kB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"
