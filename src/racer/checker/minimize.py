"""From a failure to the smallest step that shows it, as a test that anybody can run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from racer.checker.calls import (
    SILENCING_CODES,
    CallFailure,
    RewardCaller,
    TimeBudget,
    failure_from_refusal,
    finding_from_failure,
)
from racer.checker.cases import (
    OBSTACLE_PLACES,
    TRIAL_SPEEDS_MPS,
    TRIAL_STEERING_DEG,
    PlacedStep,
    random_episode,
)
from racer.checker.findings import Finding
from racer.reward import RewardFunction, RewardRefused
from racer.track.track import Track

SIMPLIFY_SWEEPS = 3  # over the columns of a place, each made simpler where the failure stays
SEARCH_MARGIN_M = 0.3  # m beside the road that the search goes to


def try_step(shop: RewardCaller, place: PlacedStep) -> CallFailure | None:
    """How a call fails there, on a new instance whose episode has just begun; None when it does
    not.
    """
    told = [one.params() for one in (*_opening(place), place)]
    batch = shop.instance()
    try:
        shop.price(batch, told)
    except RewardRefused as error:
        return failure_from_refusal(error, shop.reward, 0, None)
    return None


def _opening(place: PlacedStep) -> tuple[PlacedStep, ...]:
    """The step before, of a car that comes along the road: the first of the episode. None before a
    first step.
    """
    before = max(place.distance - 0.05, 0.0)
    return (replace(place, distance=before, progress=None, steps=2),) if place.steps > 2 else ()


def minimize_failure(shop: RewardCaller, failure: CallFailure) -> Finding | None:
    """The finding of a failure with the smallest params that show it and a test; None when only a
    car that is put from place to place fails so, which remembers what no real car meets.
    """
    episode = failure.episode
    if episode is None:
        return finding_from_failure(failure, shop.reward)
    if failure.code in SILENCING_CODES:
        return finding_from_failure(failure, shop.reward, params=episode.params[failure.k])
    place = _reproduced(shop, failure)
    if place is None and not episode.driver:
        return None
    if place is None:
        when = f"; in step {failure.k + 2} of {episode.name} on {episode.track.name}, after the steps before it"
        told = episode.params[failure.k]
        return finding_from_failure(
            _with(failure, when), shop.reward, params=told, test=_lap_test(shop, failure)
        )
    small = smallest_step(shop, place, failure.kind)
    again = try_step(shop, small) or failure
    test = _test(shop, again, small)
    return finding_from_failure(
        _with(again, f"; {describe_step(small)}"), shop.reward, params=small.params(), test=test
    )


def smallest_step(shop: RewardCaller, place: PlacedStep, kind: tuple[str, int]) -> PlacedStep:
    """The simplest place near this one at which the same failure is seen."""
    budget = TimeBudget(1.0)
    for _ in range(SIMPLIFY_SWEEPS):
        before = place
        for column, values in _simpler(place):
            if budget.left < 0.0:
                return place
            place = _simplified(shop, place, column, values, kind)
        if place == before:
            break
    return place


def _simplified(
    shop: RewardCaller, place: PlacedStep, column: str, values: Sequence[Any], kind: tuple[str, int]
) -> PlacedStep:
    for value in values:
        if value == getattr(place, column):
            return place
        other = replace(place, **{column: value})
        failure = try_step(shop, other)
        if failure is not None and failure.kind == kind:
            return other
    return place


class _Spent(BaseException):
    """Ends a search that has found nothing in its time. Not an Exception: hypothesis would take it
    for a failure.
    """


def search_failures(
    shop: RewardCaller, tracks: Sequence[Track], known: set[tuple[str, int]], seconds: float
) -> list[CallFailure]:
    """New kinds of failures that random places show, each at the smallest that hypothesis can find."""
    found: list[CallFailure] = []
    budget = TimeBudget(seconds)
    while budget.left > 0.0 and len(found) < 5:
        failure = _searched(shop, tracks, known | {f.kind for f in found}, budget)
        if failure is None:
            break
        found.append(failure)
        if failure.code in SILENCING_CODES:
            break
    return found


def random_failures(shop: RewardCaller, tracks: Sequence[Track], count: int) -> list[CallFailure]:
    """The failures at many random places, which cost little to try."""
    named = numbers_in_source(shop.reward)
    return [
        f
        for k, t in enumerate(tracks)
        for f in shop.run(shop.instance(), random_episode(t, count, named, k))[1]
    ]


def _searched(
    shop: RewardCaller, tracks: Sequence[Track], known: set[tuple[str, int]], budget: TimeBudget
) -> CallFailure | None:
    from random import Random

    import hypothesis

    found: dict[PlacedStep, CallFailure] = {}

    def fails(place: PlacedStep) -> bool:
        shop.alive()
        if budget.left < 0.0 and not found:
            raise _Spent
        if budget.left < 0.0 or any(f.code in SILENCING_CODES for f in found.values()):
            return place in found
        failure = try_step(shop, place)
        if failure is None or failure.kind in known:
            return False
        found[place] = failure
        known_now = next(iter(found.values())).kind
        return failure.kind == known_now

    settings = hypothesis.settings(
        max_examples=150, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )  # fmt: skip
    try:
        place = hypothesis.find(
            placed_steps(tracks, numbers_in_source(shop.reward)),
            fails,
            settings=settings,
            random=Random(0),
        )
    except (
        hypothesis.errors.NoSuchExample,
        hypothesis.errors.Unsatisfiable,
        hypothesis.errors.Flaky,
        _Spent,
    ):
        place = next(iter(found), None)
    return _on_record(place, found.get(place)) if place is not None else None


def _on_record(place: PlacedStep, failure: CallFailure | None) -> CallFailure | None:
    from racer.checker.cases import placed_episode

    return (
        None
        if failure is None
        else replace(failure, k=0, episode=placed_episode("found", place.track, [place]))
    )


def numbers_in_source(reward: RewardFunction) -> list[float]:
    """The numbers that a file names, and their negatives: where its conditions change."""
    nodes = [node.value for node in ast.walk(reward.syntax.tree) if isinstance(node, ast.Constant)]
    found = [
        float(n)
        for n in nodes
        if isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e4
    ]
    return list(dict.fromkeys([*found[:200], *(-n for n in found[:200])]))


def placed_steps(tracks: Sequence[Track], named: Sequence[float] = ()) -> Any:
    """A hypothesis strategy for places on these tracks; it shrinks to a start from the line of the
    first one.

    `named` numbers are tried wherever they fit.
    """
    from hypothesis import strategies as st

    def one_of(plain: Sequence[float], low: float, high: float) -> Any:
        fitting = [*plain, *(n for n in named if low <= n <= high)]
        return st.one_of(st.sampled_from(fitting), st.floats(low, high))

    def on(track: Track) -> Any:
        half = 0.5 * float(track.width.min()) + SEARCH_MARGIN_M
        step = st.floats(0.0, 1.0, exclude_max=True)
        return st.builds(
            lambda waypoint, share, rest: replace(rest, distance=_between(track, waypoint, share)),
            st.integers(0, len(track.s) - 2),
            st.one_of(st.just(0.0), step),
            st.builds(
                PlacedStep, st.just(track), offset=one_of([0.0], -half, half),
                heading_deg=one_of([0.0, 90.0, -90.0, 180.0], -180.0, 180.0),
                speed=one_of([1.0, *TRIAL_SPEEDS_MPS], 0.1, 4.0),
                steering_deg=one_of([0.0, *TRIAL_STEERING_DEG], -30.0, 30.0),
                progress=st.one_of(st.none(), one_of([100.0], -5.0, 100.0)),
                steps=st.one_of(st.integers(2, 1500), st.sampled_from([2, *(int(n) for n in named if 2 <= n < 5000)])),
                reverse=st.booleans(), objects=st.sampled_from(("", "box", "bot") if track.is_loop else ("",)),
            ),
        )  # fmt: skip

    return st.one_of(*(on(track) for track in tracks)) if len(tracks) > 1 else on(tracks[0])


def describe_step(place: PlacedStep) -> str:
    """A place in a few words."""
    words = [f"on {place.track.name}, {place.distance:.4g} m from the line"]
    if place.offset:
        words.append(
            f"{abs(place.offset):.4g} m {'left' if place.offset > 0 else 'right'} of the center"
        )
    if place.heading_deg:
        words.append(f"heading {place.heading_deg:.4g} deg off the road")
    words.append(f"speed {place.speed:.4g}, steering {place.steering_deg:.4g}")
    if place.progress is not None:
        words.append(f"progress {place.progress:.4g}")
    words.append(f"steps {place.steps}")
    if place.reverse:
        words.append("driven in reverse direction")
    if place.objects:
        words.append("with boxes" if place.objects == "box" else "with bot cars")
    return ", ".join(words)


def placement_arguments(place: PlacedStep) -> str:
    """The arguments of `racer.place` for a place, as source text, without those that may be left out."""
    told = [f"distance={place.distance!r}"] if place.distance else []
    fields = ("offset", "heading_deg", "speed", "steering_deg", "progress", "steps", "reverse")
    plain = PlacedStep(place.track)
    told += [
        f"{name}={getattr(place, name)!r}"
        for name in fields
        if getattr(place, name) != getattr(plain, name)
    ]
    return ", ".join(["track", *told, *(["objects=objects"] if place.objects else [])])


def _between(track: Track, waypoint: int, share: float) -> float:
    return float(track.s[waypoint] + share * (track.s[waypoint + 1] - track.s[waypoint]))


def _reproduced(shop: RewardCaller, failure: CallFailure) -> PlacedStep | None:
    """The place of a failure, when a new instance fails there alike: with the steps it had, or as
    the first.
    """
    assert failure.episode is not None
    place = failure.episode.places[failure.k]
    for one in (
        place,
        replace(place, steps=2),
        replace(place, progress=failure.episode.params[failure.k]["progress"]),
    ):
        again = try_step(shop, one)
        if again is not None and again.kind == failure.kind:
            return one
    return None


def _simpler(place: PlacedStep) -> Iterator[tuple[str, list[Any]]]:
    """For every column the values to try, simplest first."""
    along = place.track.s
    before = float(along[max(int(along.searchsorted(place.distance, side="right")) - 1, 0)])
    yield "objects", [""]
    yield "reverse", [False]
    yield "progress", [None, *_rounded(place.progress or 0.0)]
    yield "steps", [2, 3, 10]
    yield "offset", _rounded(place.offset)
    yield "heading_deg", _rounded(place.heading_deg)
    yield "speed", [1.0, 2.0, *_rounded(place.speed)[1:]]
    yield "steering_deg", _rounded(place.steering_deg)
    yield "distance", [0.0, 1.0, before, *_rounded(place.distance)[1:]]


def _rounded(value: float) -> list[float]:
    return [0.0, *(round(value, digits) for digits in (0, 1, 2))]


def _with(failure: CallFailure, more: str) -> CallFailure:
    return replace(failure, message=failure.message + more)


def _test(shop: RewardCaller, failure: CallFailure, place: PlacedStep) -> str:
    """A test file that fails as long as the failure is there."""
    kinds = f'"{place.objects}"'
    lines = [
        "from racer.reward import RewardBatch, load_reward",
        *(["from racer.sim.obstacles import obstacles_on"] if place.objects else []),
        "from racer.sim.placement import place",
        "from racer.track import load_track",
        "", "",
        f"def test_{_named(failure)}():",
        f"    track = load_track({place.track.name!r})",
        *([f"    objects = obstacles_on(track, {list(OBSTACLE_PLACES)!r}, {kinds})"] if place.objects else []),
    ]  # fmt: skip
    steps = (*_opening(place), place)
    told = ", ".join(f"place({placement_arguments(one)})" for one in steps)
    cars = [0] * len(steps)
    return "\n".join(
        [
            *lines,
            f"    reward = RewardBatch(load_reward({_path(shop)!r}), 1)",
            f"    reward([{told}], {cars})",
            "",
        ]
    )


def _lap_test(shop: RewardCaller, failure: CallFailure) -> str:
    episode = failure.episode
    assert episode is not None
    return "\n".join(
        [
            "from racer.drivers.scripted import drive",
            "from racer.reward import RewardBatch, load_reward",
            "from racer.sim.params import build_params",
            "from racer.track import load_track",
            "", "",
            f"def test_{_named(failure)}():",
            f"    lap = drive(load_track({episode.track.name!r}), {episode.driver!r})",
            "    steps = build_params(lap.rows[lap.rows['steps'] > 1], lap.tracks)",
            f"    RewardBatch(load_reward({_path(shop)!r}), 1)(steps, [0] * len(steps))",
            "",
        ]
    )  # fmt: skip


def _path(shop: RewardCaller) -> str:
    return shop.reward.filename


def _named(failure: CallFailure) -> str:
    from racer.checker.findings import CODES

    what = (
        failure.raised.lower()
        if failure.code == "RW201" and failure.raised
        else CODES[failure.code].name
    )
    return f"no_{what.replace('-', '_')}_at_line_{failure.line}"
