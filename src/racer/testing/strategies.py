"""Hypothesis strategies: cars anywhere on a track, and laps. They shrink to a car on the start
line, in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from racer.drivers.scripted import DRIVER_FAMILY
from racer.sim import placement as scene
from racer.testing.placed import DrivenLap, PlacedParams, TrackLike, as_track, lap, placed
from racer.track.track import Track

_ASIDE = 0.8  # of the width: a car that far from the center line is off the track with all wheels
_LANES = (-1, 1)
DEFAULT_TRACK = "reinvent_2018"  # the track, where none is named


def params(
    track: TrackLike = DEFAULT_TRACK, *, objects: bool = True, **fixed: Any
) -> st.SearchStrategy[PlacedParams]:
    """Params of a car placed anywhere on and beside a track, in any direction; what is `fixed` is
    an argument of `at`.

    Steps, progress and objects vary too (`objects=False`: none). Examples print as the call of `at`
    that makes them.
    """
    way = as_track(track)
    return place_arguments(way, objects=objects, **fixed).map(lambda place: placed(way, **place))


def place_arguments(
    track: Track, *, objects: bool = True, **fixed: Any
) -> st.SearchStrategy[dict[str, Any]]:
    """The arguments of `at` for such cars; those with their usual value are left out."""
    ways = {**_ways(track), **({"objects": _boxes()} if objects else {})}
    if "distance" in fixed:
        ways.pop("waypoint")
    chosen = {name: way for name, way in ways.items() if name not in fixed}
    return st.fixed_dictionaries(chosen).map(lambda place: {**_told(place), **fixed})


def laps(
    track: TrackLike = DEFAULT_TRACK,
    drivers: Sequence[str] | None = None,
    car: str = "v6",
    *,
    whole: bool = False,
) -> st.SearchStrategy[DrivenLap]:
    """Laps of scripted drivers (all of `racer.drivers.scripted.DRIVER_FAMILY` unless named), forward and
    reversed.

    Some are cut short after a few steps, as an episode may be, unless `whole`.
    """
    way = as_track(track)
    ways = st.tuples(
        st.sampled_from(list(drivers or DRIVER_FAMILY)), st.sampled_from([False, True])
    )
    driven = ways.map(lambda one: lap(one[0], way, car, one[1]))
    return driven if whole else st.one_of(driven, driven.flatmap(_cut))


def _ways(track: Track) -> dict[str, st.SearchStrategy[Any]]:
    aside = int(100 * _ASIDE * float(track.width.max()))
    count = len(scene.both_directions(track)[0].center) - 1
    return {
        "waypoint": st.integers(0, count - 1),
        "offset": st.integers(-aside, aside).map(lambda k: k / 100),
        "heading_deg": st.one_of(st.integers(-30, 30), st.integers(-180, 180)),
        "speed": st.integers(-5, 30).map(lambda k: 1.0 + k / 10),
        "steering_deg": st.integers(-30, 30),
        "progress": st.one_of(
            st.none(), st.none(), st.sampled_from([0, 100, -3.5]), st.integers(0, 100)
        ),
        "steps": st.one_of(st.just(2), st.integers(2, 500)),
        "reverse": st.booleans(),
    }


def _boxes() -> st.SearchStrategy[list[tuple[float, int]] | None]:
    one = st.tuples(st.integers(0, 19).map(lambda k: k / 20), st.sampled_from(_LANES))
    return st.one_of(st.none(), st.none(), st.lists(one, min_size=1, max_size=6))


def _told(place: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that say what goes without saying."""
    usual = {
        "offset": 0.0, "heading_deg": 0, "speed": 1.0, "steering_deg": 0, "progress": None, "steps": 2,
        "reverse": False, "objects": None,
    }  # fmt: skip
    return {
        name: value for name, value in place.items() if name not in usual or value != usual[name]
    }


def _cut(whole: DrivenLap) -> st.SearchStrategy[DrivenLap]:
    def after(steps: int) -> DrivenLap:
        end = whole.params[steps - 1]["progress"]
        return replace(whole, params=whole.params[:steps], lap_time=float("nan"), completion=end)

    return st.integers(1, len(whole)).map(after)


Example = TypeVar("Example")
PlaceArguments = dict[str, Any]

ARGUMENT_RANGES = {
    "speed": (0.5, 4.0, 0.1),
    "progress": (0.0, 100.0, 1.0),
    "steps": (2.0, 500.0, 1.0),
    "offset": (-0.5, 0.5, 0.01),
    "heading_deg": (-60.0, 60.0, 1.0),
    "steering_deg": (-30.0, 30.0, 1.0),
    "distance": (0.0, 10.0, 0.1),
}
"""Least value, greatest value and step of the arguments of `at` that can be varied alone."""


def find_smallest_example(
    examples: st.SearchStrategy[Example], holds: Callable[[Example], bool], count: int
) -> Example | None:
    """The simplest of up to `count` examples for which `holds` is true, or None when there was
    none.
    """
    rules = settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        return find(examples, holds, settings=rules)
    except NoSuchExample:
        return None


def place_pairs(
    track: Track, argument: str, between: tuple[float, float] | None, fixed: PlaceArguments
) -> st.SearchStrategy[tuple[PlaceArguments, PlaceArguments]]:
    """Two places on a track that differ in one argument alone, the one with less of it first."""
    low, high, step = ARGUMENT_RANGES[argument]
    low, high = between or (low, high)
    most = max(1, round((high - low) / step))
    levels = st.lists(st.integers(0, most), min_size=2, max_size=2, unique=True).map(sorted)
    whole = argument == "steps"

    def both(rest: PlaceArguments, ranks: list[int]) -> tuple[PlaceArguments, PlaceArguments]:
        values = [round(min(low + rank * step, high), 6) for rank in ranks]
        values[1] = high if ranks[1] == most else values[1]
        first, second = ({**rest, argument: int(value) if whole else value} for value in values)
        return first, second

    others = place_arguments(track, objects=False, **fixed, **{argument: low})
    return st.builds(both, others, levels)


@lru_cache(maxsize=32)
def mirror_track(track: Track) -> Track:
    """The mirror image of a track, the same one each time: what is known of tracks is kept by
    identity.
    """
    return track.mirrored()
