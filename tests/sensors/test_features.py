"""The short vector of what matters for driving."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from racer import resources as shipped
from racer.sensors.features import FEATURE_NAMES, LOOKAHEAD_M, car_features
from racer.sim.placement import begin_episodes
from racer.sim.state import STATE, State
from racer.sim.step import locate_cars
from racer.track import layout as layout_file
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track

TRACK = layout_file.load_layout_track(shipped.tracks_folder() / "reinvent_2018.toml")


def cars(track: Track, n: int = 100, seed: int = 0) -> State:
    """Cars scattered over the road and beside it, moving in any way."""
    generator = np.random.default_rng(seed)
    state = begin_episodes(
        [track], pack_tracks([track]), np.zeros(n, np.int32), generator.uniform(0.0, 0.99, n)
    )
    state["x"] += generator.normal(0.0, 0.15, n)
    state["y"] += generator.normal(0.0, 0.15, n)
    state["yaw"] += generator.normal(0.0, 0.4, n)
    for name in ("vx", "vy", "yaw_rate", "steer", "steer_command_deg", "speed_command"):
        state[name] = generator.normal(0.0, 1.0, n)
    return locate_cars(state, pack_tracks([track]))


def slow(track: Track, car: np.void) -> list[float]:
    """The same with shapely, one car at a time."""
    line = shapely.LinearRing(track.center)
    s = float(car["s"])
    k = min(int(car["previous"]), len(track.center) - 2)
    along = track.center[k + 1] - track.center[k]
    error = car["yaw"] - np.arctan2(along[1], along[0])
    foot = line.interpolate(s)
    front = shapely.Point(car["front_x"], car["front_y"])
    inner, outer = (
        front.distance(border.interpolate(border.project(foot)))
        for border in (shapely.LinearRing(track.inner), shapely.LinearRing(track.outer))
    )
    left, right = (inner, outer) if track.is_ccw else (outer, inner)
    offset = 2.0 * front.distance(foot) / car["width"] * (1.0 if car["left"] else -1.0)
    out = [
        car["vx"] / 4.0, car["vy"], car["yaw_rate"] / 5.0, car["steer"] / np.radians(30.0),
        car["steer_command_deg"] / 30.0, car["speed_command"] / 4.0, offset, np.sin(error), np.cos(error), left, right,
    ]  # fmt: skip
    c, sn = np.cos(car["yaw"]), np.sin(car["yaw"])
    for ahead in LOOKAHEAD_M:
        spot = line.interpolate((s + ahead) % track.length)
        dx, dy = spot.x - car["x"], spot.y - car["y"]
        out += [(c * dx + sn * dy) / ahead, (c * dy - sn * dx) / ahead]
    return out


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_features_equal_what_shapely_says(reverse: bool, mirror: bool):
    track = TRACK.mirrored() if mirror else TRACK
    track = track.reversed() if reverse else track
    state = cars(track)
    got = car_features(state, pack_tracks([track]))
    expected = np.array([slow(track, car) for car in state])
    # there rounding decides the spot
    at_vertex = np.abs(track.s[None] - state["s"][:, None]).min(axis=1) < 1e-6
    assert np.allclose(got[~at_vertex], expected[~at_vertex], atol=2e-5)
    assert at_vertex.sum() < 40


def test_a_mirrored_track_flips_what_is_left_and_right():
    state, mirrored = cars(TRACK), TRACK.mirrored()
    other = np.zeros(len(state), STATE)
    for name in ("x", "vx", "speed_command"):
        other[name] = state[name]
    for name in ("y", "yaw", "vy", "yaw_rate", "steer", "steer_command_deg"):
        other[name] = -state[name]
    there = car_features(locate_cars(other, pack_tracks([mirrored])), pack_tracks([mirrored]))
    here = car_features(state, pack_tracks([TRACK]))
    at_vertex = np.abs(TRACK.s[None] - state["s"][:, None]).min(axis=1) < 1e-6
    sign = np.array([-1.0 if "side" in n or "yaw rate" in n or "steering" in n or "offset" in n or "sine of" in n
                     or n.endswith(tuple(f"left / {a} m" for a in LOOKAHEAD_M)) else 1.0 for n in FEATURE_NAMES])  # fmt: skip
    sign[FEATURE_NAMES.index("cosine of the heading error")] = 1.0
    order = list(range(len(FEATURE_NAMES)))
    left, right = (
        FEATURE_NAMES.index("distance to the left border / 1 m"),
        FEATURE_NAMES.index("distance to the right border / 1 m"),
    )
    order[left], order[right] = right, left
    assert np.allclose(there[~at_vertex], (here * sign)[:, order][~at_vertex], atol=1e-5)


def test_features_are_one_in_size_on_a_car_that_drives_well():
    state = begin_episodes(
        [TRACK], pack_tracks([TRACK]), np.zeros(50, np.int32), np.linspace(0.0, 0.98, 50)
    )
    state["vx"], state["speed_command"] = 2.0, 2.0
    seen = car_features(state, pack_tracks([TRACK]))
    assert seen.dtype == np.float32
    assert seen.shape == (50, len(FEATURE_NAMES))
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() < 2.0


def test_look_ahead_goes_on_beyond_the_start_line_and_over_several_laps():
    angle = np.append(np.linspace(0.0, 2.0 * np.pi, 41)[:-1], 0.0)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    # 3.1 m round: 4.5 m ahead is in the next lap
    tiny = Track("tiny", "", 0.5 * circle, 0.3 * circle, 0.7 * circle)
    state = cars(tiny, 20)
    expected = np.array([slow(tiny, car) for car in state])
    at_vertex = np.abs(tiny.s[None] - state["s"][:, None]).min(axis=1) < 1e-6
    assert np.allclose(
        car_features(state, pack_tracks([tiny]))[~at_vertex, 11:],
        expected[~at_vertex, 11:],
        atol=2e-5,
    )


def test_look_ahead_on_an_open_road_stops_at_its_end():
    x = np.linspace(0.0, 6.0, 22)
    road = Track("open", "", *(np.column_stack([x, np.full(22, y)]) for y in (0.0, 0.3, -0.3)))
    state = begin_episodes([road], pack_tracks([road]), np.zeros(1, np.int32), np.array([0.9]))
    ahead = car_features(state, pack_tracks([road]))[0, 11::2] * np.array(LOOKAHEAD_M)
    assert np.isfinite(ahead).all()
    assert ahead[0] == pytest.approx(0.14 + 0.2, abs=1e-5)


def test_features_of_no_cars_are_no_rows():
    assert car_features(np.zeros(0, STATE), pack_tracks([TRACK])).shape == (0, len(FEATURE_NAMES))
