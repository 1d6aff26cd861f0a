"""Lines around tracks: they stay on the road, and no simpler one, or finer grid, is faster."""

from __future__ import annotations

import numpy as np
import pytest

from racer import geometry
from racer.errors import UsageError
from racer.raceline import minimum_time as lines
from racer.raceline.corridor import build_corridor
from racer.raceline.ggv import build_ggv, fastest_speeds, passing_times
from racer.raceline.minimum_time import RacingLine, racing_line
from racer.track import library
from racer.track.track import Track
from racer.vehicle.car import V4, V5, V6, Car


@pytest.mark.parametrize("car", [V4, V5, V6], ids=lambda car: car.name)
def test_a_circle_is_lapped_at_the_settled_cornering_limit(car: Car, ring: Track) -> None:
    found = racing_line(ring, car, 0.0, "least_curvature")
    radius = np.hypot(*found.xy.T)
    assert radius == pytest.approx(np.full(len(radius), radius.mean()), rel=1e-3)
    assert found.lap_time == pytest.approx(
        2.0 * np.pi * radius.mean() / _held(car, float(radius.mean())), rel=0.01
    )


def _held(car: Car, radius: float) -> float:
    """m/s at which a car corners and gains or loses no speed."""
    limits = build_ggv(car)
    speed = np.linspace(limits.slowest, limits.fastest, 4000)
    held = (limits.across[:, None] * speed**2 / radius <= limits.reach(speed) + 1e-9).all(axis=0)
    return float(speed[held].max())


def test_an_oval_is_driven_as_braking_and_accelerating_at_the_limit_say() -> None:
    straight, radius, gap = 4.0, 0.8, 0.01
    bend = np.full(round(np.pi * radius / gap), 1.0 / radius)
    kappa = np.concatenate([np.zeros(round(straight / gap)), bend] * 2)
    gaps = np.full(len(kappa), gap)
    speed = fastest_speeds(kappa, gaps, build_ggv(V5), True)
    assert passing_times(speed, gaps, True)[1] == pytest.approx(
        _by_hand(straight, radius), rel=0.02
    )


def _by_hand(straight: float, radius: float) -> float:
    """s of a lap: both bends at the speed that can be held, the straights by small steps of time,
    from both ends.
    """
    limits = build_ggv(V5)
    forward, backward = limits.along > 0.999, limits.along < -0.999
    speeds, corner = np.linspace(limits.slowest, limits.fastest, 4000), _held(V5, radius)
    gain, loss = (
        np.interp(speeds, limits.speed, limits.limit[which][0]) for which in (forward, backward)
    )
    way, speed, time, step = 0.0, corner, 0.0, 1e-3
    while True:
        brakes = np.sum(np.where((speeds > corner) & (speeds <= speed), speeds / loss, 0.0)) * (
            speeds[1] - speeds[0]
        )
        if way + brakes >= straight:
            break
        way, speed, time = (
            way + speed * step,
            speed + np.interp(speed, speeds, gain) * step,
            time + step,
        )
    slows = (speeds > corner) & (speeds <= speed)
    time += float(np.sum(np.where(slows, 1.0 / loss, 0.0)) * (speeds[1] - speeds[0]))
    return 2.0 * (np.pi * radius / corner + time)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oval", "vegas"])
def test_the_fastest_line_is_no_slower_than_simple_ones(name: str) -> None:
    track = library.load_track(name)
    simple = [
        racing_line(track, V5, 0.0, method).lap_time for method in ("least_curvature", "shortest")
    ]
    assert racing_line(track, V5, 0.0, "iterated").lap_time <= min(simple)
    if lines.has_solver():
        assert racing_line(track, V5, 0.0, "collocation").lap_time <= 0.97 * min(simple)


@pytest.mark.skipif(not lines.has_solver(), reason="needs CasADi")
def test_a_finer_grid_finds_the_same_lap_time(monkeypatch: pytest.MonkeyPatch) -> None:
    track = library.load_track("oval")
    usual = racing_line(track, V5, 0.0)
    monkeypatch.setitem(lines.GRID_SPACING_M, "collocation", 0.05)
    assert usual.method == "collocation"
    assert usual.lap_time == pytest.approx(racing_line(track, V5, 0.0).lap_time, rel=0.01)


@pytest.mark.parametrize("method", ["auto", "least_curvature", "shortest"])
def test_lines_stay_within_their_margin(method: str) -> None:
    track = library.load_track("vegas")
    found = racing_line(track, V6, 0.1, method)
    away = [geometry.distance_to_line(border, found.xy) for border in (track.inner, track.outer)]
    assert np.min(away) > 0.1 - 0.025  # the reference line is smooth, borders are not


@pytest.mark.slow
def test_without_casadi_the_line_is_found_by_descent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "has_solver", lambda: False)
    track = library.load_track("oval")
    found = racing_line(track, V5)
    assert found.method == "iterated"
    assert found.lap_time < racing_line(track, V5, method="least_curvature").lap_time


def test_times_places_and_speeds_of_a_line_agree(quick: RacingLine) -> None:
    gap = np.hypot(*(np.roll(quick.xy, -1, axis=0) - quick.xy).T)
    mean = 0.5 * (quick.speed + np.roll(quick.speed, -1))
    assert np.sum(gap / mean) == pytest.approx(quick.lap_time, rel=1e-9)
    assert np.diff(quick.time) == pytest.approx((gap / mean)[:-1])
    track = library.load_track("reinvent_2018")
    assert geometry.distance_to_line(track.center, quick.xy) == pytest.approx(
        np.abs(quick.offset), abs=1e-9
    )


def test_a_lap_flies_and_an_open_road_begins_at_standstill(shared_data) -> None:
    road = library.load_track(shared_data / "tracks" / "Straight_track.npy")
    found = racing_line(road, V5, 0.0, "least_curvature")
    assert not found.is_loop
    assert found.speed[0] == 0.0
    assert np.all(np.diff(found.speed) >= -1e-9)


def test_the_other_way_is_the_same_line_and_another_lap_time_only_by_the_car() -> None:
    track = library.load_track("oval")
    one, other = (racing_line(t, V5, 0.0, "least_curvature") for t in (track, track.reversed()))
    assert one.lap_time == pytest.approx(other.lap_time, rel=0.01)
    assert np.sign(np.median(one.kappa)) == -np.sign(np.median(other.kappa))


def test_a_corridor_ends_at_the_borders() -> None:
    track = library.load_track("hairpin_school")
    corridor = build_corridor(track)
    inside = track.inner if track.is_ccw else track.outer
    outside = track.outer if track.is_ccw else track.inner
    for line, offset in ((inside, corridor.left), (outside, -corridor.right)):
        assert geometry.distance_to_line(line, corridor.points_at(offset)).max() < 0.02


@pytest.mark.parametrize(
    ("options", "says"), [({"method": "colocation"}, "did you mean"), ({"margin": -0.3}, "-0.08")]
)
def test_what_cannot_be_asked_for_is_said(options, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        racing_line(library.load_track("oval"), V5, **options)
