"""The smallest example for which something holds, found and shrunk by hypothesis, the same one every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from racer.testing.strategies import places
from racer.track.record import Track

Example = TypeVar("Example")
Place = dict[str, Any]

RANGES = {
    "speed": (0.5, 4.0, 0.1),
    "progress": (0.0, 100.0, 1.0),
    "steps": (2.0, 500.0, 1.0),
    "offset": (-0.5, 0.5, 0.01),
    "heading_deg": (-60.0, 60.0, 1.0),
    "steering_deg": (-30.0, 30.0, 1.0),
    "distance": (0.0, 10.0, 0.1),
}
"""Least value, greatest value and step of the arguments of `at` that can be varied alone."""


def smallest(examples: st.SearchStrategy[Example], holds: Callable[[Example], bool], count: int) -> Example | None:
    """The simplest of up to `count` examples for which `holds` is true, or None when there was none."""
    rules = settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=(Phase.generate, Phase.shrink)
    )
    try:
        return find(examples, holds, settings=rules)
    except NoSuchExample:
        return None


def pairs(
    track: Track, argument: str, between: tuple[float, float] | None, fixed: Place
) -> st.SearchStrategy[tuple[Place, Place]]:
    """Two places on a track that differ in one argument alone, the one with less of it first."""
    low, high, step = RANGES[argument]
    low, high = between or (low, high)
    most = max(1, round((high - low) / step))
    levels = st.lists(st.integers(0, most), min_size=2, max_size=2, unique=True).map(sorted)
    whole = argument == "steps"

    def both(rest: Place, ranks: list[int]) -> tuple[Place, Place]:
        values = [round(min(low + rank * step, high), 6) for rank in ranks]
        values[1] = high if ranks[1] == most else values[1]
        first, second = ({**rest, argument: int(value) if whole else value} for value in values)
        return first, second

    others = places(track, objects=False, **fixed, **{argument: low})
    return st.builds(both, others, levels)


@lru_cache(maxsize=32)
def mirrored(track: Track) -> Track:
    """The mirror image of a track, the same one each time: what is known of tracks is kept by identity."""
    return track.mirrored()
