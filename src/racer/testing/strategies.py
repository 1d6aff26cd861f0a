"""Hypothesis strategies: cars anywhere on a track, and laps. They shrink to a car on the start
line, in the middle of the road.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from racer.drivers import DRIVER_FAMILY
from racer.sim import both_directions, least_steps
from racer.testing.messages import DrivenLap, PlacedParams, TrackLike, as_track, lap, placed
from racer.track import DEFAULT_TRACK, Track
from racer.vehicle import DEFAULT_CAR

LANES = (-1, 1)
MAX_BOXES = 6
# of the width: a car that far from the center line is off the track with all wheels
MAX_OFFSET_FRACTION = 0.8

Example = TypeVar("Example")
PlaceArguments = dict[str, Any]
"""Arguments of `at`, the function that places a car."""

USUAL_ARGUMENTS: PlaceArguments = {
    "offset": 0.0,
    "heading_deg": 0,
    "speed": 1.0,
    "steering_deg": 0,
    "progress": None,
    "steps": None,
    "reverse": False,
    "objects": None,
}
"""What `at` takes where nothing is said."""


class ArgumentRange(NamedTuple):
    """Between what an argument is varied, and in which steps."""

    low: float
    high: float
    step: float


ARGUMENT_RANGES = {
    "speed": ArgumentRange(0.5, 4.0, 0.1),
    "progress": ArgumentRange(0.0, 100.0, 1.0),
    "steps": ArgumentRange(2.0, 500.0, 1.0),
    "offset": ArgumentRange(-0.5, 0.5, 0.01),
    "heading_deg": ArgumentRange(-60.0, 60.0, 1.0),
    "steering_deg": ArgumentRange(-30.0, 30.0, 1.0),
    "distance": ArgumentRange(0.0, 10.0, 0.1),
}
"""The arguments of `at` that can be varied alone."""


def params(
    track: TrackLike = DEFAULT_TRACK, *, objects: bool = True, **fixed: Any
) -> st.SearchStrategy[PlacedParams]:
    """Params of a car placed anywhere on and beside a track, in any direction; what is `fixed` is
    an argument of `at`.

    Steps, progress and objects vary too (`objects=False`: none). Examples print as the call of `at`
    that makes them.
    """
    known_track = as_track(track)
    arguments = place_arguments(known_track, objects=objects, **fixed)
    return arguments.map(lambda place: placed(known_track, **place))


def place_arguments(
    track: Track, *, objects: bool = True, **fixed: Any
) -> st.SearchStrategy[PlaceArguments]:
    """The arguments of `at` for such cars; those with their usual value are left out.

    Steps fit the progress, unless both are fixed.
    """
    strategies = _argument_strategies(track)
    if objects:
        strategies["objects"] = _box_strategy()
    if "distance" in fixed:
        strategies.pop("waypoint")
    free = {name: strategies[name] for name in strategies if name not in fixed}
    return st.fixed_dictionaries(free).map(
        lambda place: _possible({**_without_usual(place), **fixed}, track, fixed)
    )


def laps(
    track: TrackLike = DEFAULT_TRACK,
    drivers: Sequence[str] | None = None,
    car: str = DEFAULT_CAR,
    *,
    whole: bool = False,
) -> st.SearchStrategy[DrivenLap]:
    """Laps of scripted drivers (all of `racer.drivers.scripted.DRIVER_FAMILY` unless named),
    forward and reversed.

    Some are cut short after a few steps, as an episode may be, unless `whole`.
    """
    known_track = as_track(track)
    driven = st.builds(
        lambda driver, reverse: lap(driver, known_track, car, reverse),
        st.sampled_from(list(drivers or DRIVER_FAMILY)),
        st.sampled_from([False, True]),
    )
    if whole:
        return driven
    return st.one_of(driven, driven.flatmap(_shortened))


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
    if between is not None:
        low, high = between
    top_level = max(1, round((high - low) / step))

    def argument_at(level: int) -> float:
        number = high if level == top_level else round(min(low + level * step, high), 6)
        return int(number) if argument == "steps" else number

    def pair(rest: PlaceArguments, levels: list[int]) -> tuple[PlaceArguments, PlaceArguments]:
        less, more = (argument_at(level) for level in sorted(levels))
        common = {**_same_episode(rest, argument, less, more, track), **fixed}
        return {**common, argument: less}, {**common, argument: more}

    rest = place_arguments(track, objects=False, **fixed, **{argument: low})
    levels = st.lists(st.integers(0, top_level), min_size=2, max_size=2, unique=True)
    return st.builds(pair, rest, levels)


@lru_cache(maxsize=32)
def mirror_track(track: Track) -> Track:
    """The mirror image of a track, one object for each: what is known of tracks is cached by
    identity.
    """
    return track.mirrored()


def _argument_strategies(track: Track) -> dict[str, st.SearchStrategy[Any]]:
    """How each argument of `at` varies."""
    max_offset_cm = int(100 * MAX_OFFSET_FRACTION * float(track.width.max()))
    waypoints = len(both_directions(track)[0].center) - 1
    odd_progress = st.sampled_from([0, 100, -3.5])
    return {
        "waypoint": st.integers(0, waypoints - 1),
        "offset": st.integers(-max_offset_cm, max_offset_cm).map(lambda cm: cm / 100),
        "heading_deg": st.one_of(st.integers(-30, 30), st.integers(-180, 180)),
        "speed": st.integers(-5, 30).map(lambda tenths: 1.0 + tenths / 10),
        "steering_deg": st.integers(-30, 30),
        "progress": st.one_of(st.none(), st.none(), odd_progress, st.integers(0, 100)),
        "steps": st.one_of(st.none(), st.integers(2, 500)),
        "reverse": st.booleans(),
    }


def _possible(place: PlaceArguments, track: Track, fixed: PlaceArguments) -> PlaceArguments:
    """The place with as many steps as its progress takes, or, where those are fixed, without a
    progress that they do not reach.
    """
    progress = place.get("progress")
    steps = place.get("steps")
    if progress is None or steps is None or ("progress" in fixed and "steps" in fixed):
        return place
    least = _least_steps(progress, track)
    if steps >= least:
        return place
    if "steps" not in fixed:
        return {**place, "steps": least}
    return {name: argument for name, argument in place.items() if name != "progress"}


def _same_episode(
    place: PlaceArguments, argument: str, less: float, more: float, track: Track
) -> PlaceArguments:
    """A place at which one argument can be varied alone: steps and progress do not follow from it."""
    place = dict(place)
    if argument == "steps":
        progress = place.get("progress")
        reachable = progress is not None and _least_steps(progress, track) <= less
        place["progress"] = progress if reachable else 0.0
    elif argument == "progress":
        least = max(_least_steps(progress, track) for progress in (less, more))
        place["steps"] = max(place.get("steps") or 0, least)
    elif argument == "distance" and place.get("progress") is None:
        least = _least_steps(100.0 * more / track.length, track)
        place["steps"] = max(place.get("steps") or 0, least)
    return place


def _least_steps(progress: float, track: Track) -> int:
    return int(least_steps(progress, track)[0])


def _box_strategy() -> st.SearchStrategy[list[tuple[float, int]] | None]:
    lap_fraction = st.integers(0, 19).map(lambda twentieths: twentieths / 20)
    box = st.tuples(lap_fraction, st.sampled_from(LANES))
    return st.one_of(st.none(), st.none(), st.lists(box, min_size=1, max_size=MAX_BOXES))


def _without_usual(place: PlaceArguments) -> PlaceArguments:
    """The arguments without those that `at` takes anyway."""
    missing = object()
    kept = {}
    for name, argument in place.items():
        if argument != USUAL_ARGUMENTS.get(name, missing):
            kept[name] = argument
    return kept


def _shortened(whole: DrivenLap) -> st.SearchStrategy[DrivenLap]:
    def first_steps(count: int) -> DrivenLap:
        steps = whole.params[:count]
        completion = steps[-1]["progress"]
        return replace(whole, params=steps, lap_time=float("nan"), completion=completion)

    return st.integers(1, len(whole)).map(first_steps)
