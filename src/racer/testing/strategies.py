"""Hypothesis strategies: cars anywhere on a track, and laps. They shrink to a car on the start line, in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from racer import scene
from racer.drivers import FAMILY
from racer.testing.placed import Lap, Placed, Road, lap, placed, road
from racer.track.record import Track

_ASIDE = 0.8  # of the width: a car that far from the center line is off the track with all wheels
_LANES = (-1, 1)
DEFAULT = "reinvent_2018"  # the track, where none is named


def params(track: Road = DEFAULT, *, objects: bool = True, **fixed: Any) -> st.SearchStrategy[Placed]:
    """Params of a car placed anywhere on and beside a track, in any direction; what is `fixed` is an argument of `at`.

    Steps, progress and objects vary too (`objects=False`: none). Examples print as the call of `at` that makes them.
    """
    way = road(track)
    return places(way, objects=objects, **fixed).map(lambda place: placed(way, **place))


def places(track: Track, *, objects: bool = True, **fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    """The arguments of `at` for such cars; those with their usual value are left out."""
    ways = {**_ways(track), **({"objects": _boxes()} if objects else {})}
    if "distance" in fixed:
        ways.pop("waypoint")
    chosen = {name: way for name, way in ways.items() if name not in fixed}
    return st.fixed_dictionaries(chosen).map(lambda place: {**_told(place), **fixed})


def laps(
    track: Road = DEFAULT, drivers: Sequence[str] | None = None, car: str = "v6", *, whole: bool = False
) -> st.SearchStrategy[Lap]:
    """Laps of scripted drivers (all of `racer.drivers.FAMILY` unless named), forward and reversed.

    Some are cut short after a few steps, as an episode may be, unless `whole`.
    """
    way = road(track)
    ways = st.tuples(st.sampled_from(list(drivers or FAMILY)), st.sampled_from([False, True]))
    driven = ways.map(lambda one: lap(one[0], way, car, one[1]))
    return driven if whole else st.one_of(driven, driven.flatmap(_cut))


def _ways(track: Track) -> dict[str, st.SearchStrategy[Any]]:
    aside = int(100 * _ASIDE * float(track.width.max()))
    count = len(scene.ways(track)[0].center) - 1
    return {
        "waypoint": st.integers(0, count - 1),
        "offset": st.integers(-aside, aside).map(lambda k: k / 100),
        "heading_deg": st.one_of(st.integers(-30, 30), st.integers(-180, 180)),
        "speed": st.integers(-5, 30).map(lambda k: 1.0 + k / 10),
        "steering_deg": st.integers(-30, 30),
        "progress": st.one_of(st.none(), st.none(), st.sampled_from([0, 100, -3.5]), st.integers(0, 100)),
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
    return {name: value for name, value in place.items() if name not in usual or value != usual[name]}


def _cut(whole: Lap) -> st.SearchStrategy[Lap]:
    def after(steps: int) -> Lap:
        end = whole.params[steps - 1]["progress"]
        return replace(whole, params=whole.params[:steps], lap_time=float("nan"), completion=end)

    return st.integers(1, len(whole)).map(after)
