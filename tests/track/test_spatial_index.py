"""The compiled view of roads against shapely."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numba import njit
from numpy.typing import NDArray

from racer import resources as shipped
from racer.errors import UsageError
from racer.sim.placement import begin_episodes
from racer.sim.state import STATE, State
from racer.sim.step import locate_cars
from racer.track import layout as layout_file
from racer.track import load_track, route
from racer.track.spatial_index import PackedTracks, nearest_segment, on_road, pack_tracks
from racer.track.track import Track

SHIPPED = ("oval", "reinvent_2018", "hairpin_school", "clover")
Array = NDArray[np.float64]


@njit
def _nearest(packed: Any, line: Any, xy: Any) -> Any:
    first, fraction = np.empty(len(xy), np.int64), np.empty(len(xy))
    for k in range(len(xy)):
        first[k], fraction[k] = nearest_segment(
            packed.vertices, packed.cells, packed.candidates, line, xy[k, 0], xy[k, 1]
        )
    return first, fraction


@njit
def _on_road(packed: Any, number: int, xy: Any) -> Any:
    is_on_road = np.empty(len(xy), np.bool_)
    for k in range(len(xy)):
        is_on_road[k] = on_road(
            packed.cells, packed.bands, packed.edges, packed.tracks[number], xy[k, 0], xy[k, 1]
        )
    return is_on_road


def shipped_track(name: str) -> Track:
    return layout_file.load_layout_track(shipped.tracks_folder() / f"{name}.toml")


def polygon(track: Track) -> shapely.Polygon:
    """The road as the simulator builds it."""
    if track.is_loop:
        outside, hole = sorted(
            (shapely.Polygon(track.outer), shapely.Polygon(track.inner)), key=lambda p: -p.area
        )
        return shapely.Polygon(outside.exterior, [hole.exterior])
    return shapely.Polygon(np.concatenate([track.outer, track.inner[::-1]]))


def points(track: Track, generator: np.random.Generator, n: int = 300) -> Array:
    """Points on the road, near its edges, away from it and far beyond the grid."""
    on = track.center[generator.integers(0, len(track.center), n)] + generator.normal(
        0.0, 0.4, (n, 2)
    )
    low, high = track.outer.min(axis=0), track.outer.max(axis=0)
    around = generator.uniform(low - 1.0, high + 1.0, (n // 3, 2))
    return np.concatenate(
        [on, around, generator.uniform(low - 300.0, high + 300.0, (n // 10, 2)), track.center[:20]]
    )


def clear_of_edges(track: Track, xy: Array) -> Array:
    """Those of the points for which rounding cannot decide whether they are on the road."""
    return xy[shapely.distance(polygon(track).boundary, shapely.points(xy)) > 1e-9]


def check_against_shapely(
    tracks: list[Track], road: int, generator: np.random.Generator, n: int = 300
) -> None:
    roads, track = pack_tracks(tracks), tracks[road]
    xy = points(track, generator, n)
    for name in ("center", "inner", "outer"):
        check_nearest(roads, roads.tracks[road][name], getattr(track, name), xy)
    xy = clear_of_edges(track, xy)
    area = polygon(track)
    shapely.prepare(area)
    assert np.array_equal(_on_road(roads, road, xy), shapely.contains_xy(area, xy[:, 0], xy[:, 1]))


def check_nearest(packed: PackedTracks, line: np.void, points: Array, xy: Array) -> None:
    """The spot found is as near as shapely's, and its arc length is shapely's unless another spot
    is equally near.
    """
    first, fraction = _nearest(packed, line, xy)
    start, end = packed.vertices[first], packed.vertices[first + 1]
    spot = np.column_stack(
        [start["x"] + fraction * start["dx"], start["y"] + fraction * start["dy"]]
    )
    along = start["s"] + fraction * (end["s"] - start["s"])
    oracle = shapely.LineString(points)
    expected = shapely.line_locate_point(oracle, shapely.points(xy))
    distance = shapely.distance(oracle, shapely.points(xy))
    assert np.allclose(np.hypot(*(spot - xy).T), distance, rtol=1e-12, atol=1e-9)
    foot = shapely.get_coordinates(shapely.line_interpolate_point(oracle, expected))
    tie = np.hypot(*(foot - spot).T) > 1e-6
    assert tie.sum() <= 2 + 0.01 * len(xy)
    off = np.abs(along - expected)[~tie]
    # where a loop closes, both of its ends are right
    assert np.minimum(off, np.abs(off - oracle.length)).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SHIPPED)
def test_nearest_and_on_road_equal_shapely_on_shipped_tracks(name: str, reverse: bool):
    track = shipped_track(name)
    check_against_shapely([track.reversed() if reverse else track], 0, np.random.default_rng(1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in line_locate_point")  # shapely 2.0
def test_nearest_and_on_road_equal_shapely_on_every_real_route(shared_data: Path):
    paths = sorted((shared_data / "tracks").rglob("*.npy"))
    generator = np.random.default_rng(2)
    for path in paths:
        check_against_shapely(
            [route.load_route(path, keep_seam=bool(generator.integers(2)))], 0, generator, 90
        )
    assert len(paths) >= 50


@pytest.mark.slow
def test_several_roads_packed_together_do_not_disturb_each_other():
    tracks = [shipped_track(name) for name in SHIPPED[:3]]
    tracks.insert(1, tracks[0].reversed())
    for road in range(len(tracks)):
        check_against_shapely(tracks, road, np.random.default_rng(3 + road))


def straight(reverse: bool = False) -> Track:
    """An open road of 6 m along x."""
    x = np.linspace(0.0, 6.0, 22)
    center, inner, outer = (np.column_stack([x, np.full(22, y)]) for y in (0.0, 0.3, -0.3))
    track = Track("straight", "Straight", center, inner, outer)
    return track.reversed() if reverse else track


@pytest.mark.parametrize("reverse", [False, True])
def test_open_road_equals_shapely_and_ends_where_its_lines_end(reverse: bool):
    track = straight(reverse)
    check_against_shapely([track], 0, np.random.default_rng(4))
    beyond = np.array([[-0.01, 0.0], [6.01, 0.0], [0.01, 0.0], [5.99, 0.29], [5.99, 0.31]])
    assert _on_road(pack_tracks([track]), 0, beyond).tolist() == [False, False, True, True, False]


def with_seam(track: Track, row: int) -> Track:
    rows = np.insert(np.hstack([track.center, track.inner, track.outer]), row, 0.0, axis=0)
    rows[row] = rows[row + 1]
    return route.track_from_rows(rows, "seam", keep_seam=True)


def test_a_seam_moves_no_point_and_counts_as_a_waypoint():
    track = shipped_track("oval")
    seamed = with_seam(track, 40)
    assert len(seamed.center) == len(track.center) + 1
    check_against_shapely([seamed], 0, np.random.default_rng(5))
    cars = begin_episodes(
        [track], pack_tracks([track]), np.zeros(50, np.int32), np.linspace(0.0, 0.98, 50)
    )
    same = locate_cars(cars, pack_tracks([seamed]))
    for name in ("s", "distance", "width", "progress", "wheels", "left"):
        assert np.allclose(same[name], cars[name], atol=1e-9), name
    behind = cars["previous"] < 39
    assert np.array_equal(same["previous"][behind], cars["previous"][behind])
    ahead = cars["previous"] >= 41
    assert np.array_equal(same["previous"][ahead], cars["previous"][ahead] + 1)


def test_the_band_and_the_cell_of_a_point_beyond_all_roads_are_no_index():
    roads = pack_tracks([shipped_track("oval")])
    far = np.array([[1e9, 1e9], [-1e9, 0.0], [0.0, -1e9], [np.nan, 0.0], [np.inf, np.inf]])
    assert not _on_road(roads, 0, far).any()
    first, fraction = _nearest(roads, roads.tracks[0]["center"], far)
    assert ((first >= 0) & (first < len(roads.vertices))).all()
    assert np.isfinite(fraction).all()


def random_cars(track: Track, generator: np.random.Generator, n: int = 200) -> State:
    """Cars near the road, at any angle."""
    cars = np.zeros(n, STATE)
    xy = track.center[generator.integers(0, len(track.center), n)] + generator.normal(
        0.0, 0.4, (n, 2)
    )
    cars["x"], cars["y"] = xy.T
    cars["yaw"] = generator.uniform(-np.pi, np.pi, n)
    return cars


def slow_place(track: Track, car: np.void) -> dict[str, Any]:
    """What the simulator's own code would say of one car, with shapely."""
    c, s = np.cos(car["yaw"]), np.sin(car["yaw"])
    front = shapely.Point(car["x"] + 0.14 * c, car["y"] + 0.14 * s)
    center, inner, outer = (
        shapely.LineString(line) for line in (track.center, track.inner, track.outer)
    )
    along = center.project(front)
    foot = center.interpolate(along)
    near_inner, near_outer = (line.interpolate(line.project(foot)) for line in (inner, outer))
    wheels = [
        (-0.081663, 0.08105),
        (-0.081663, -0.08105),
        (0.082311, 0.079601),
        (0.082311, -0.079601),
    ]
    where = [shapely.Point(car["x"] + c * x - s * y, car["y"] + s * x + c * y) for x, y in wheels]
    shares = [*(track.s[:-1] / track.s[-1]), 1.0]
    after = int(np.searchsorted(shares, along / track.s[-1], side="right"))
    return {
        "s": along,
        "distance": front.distance(foot),
        "width": near_inner.distance(near_outer),
        "inner_distance": front.distance(near_inner),
        "outer_distance": front.distance(near_outer),
        "left": (front.distance(near_inner) < front.distance(near_outer)) != (not track.is_ccw),
        "wheels": sum(polygon(track).contains(wheel) for wheel in where),
        "previous": after - 1,
        "next": after % len(shares),
        "closest": min(
            (after - 1, after % len(shares)),
            key=lambda k: front.distance(shapely.Point(track.center[k])),
        ),
    }


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["reinvent_2018", "hairpin_school", "straight"])
def test_place_equals_what_shapely_says_of_every_car(name: str, reverse: bool):
    track = straight(reverse) if name == "straight" else shipped_track(name)
    if reverse and name != "straight":
        track = track.reversed()
    cars = locate_cars(random_cars(track, np.random.default_rng(6)), pack_tracks([track]))
    check_places(track, cars)


def test_place_equals_what_shapely_says_on_real_routes(shared_data: Path):
    for name in (
        "reInvent2019_track",
        "AWS_track",
        "Bowtie_track",
        "Aragon",
        "Straight_track",
        "2022_march_pro_cw",
    ):
        path = shared_data / "tracks" / f"{name}.npy"
        if path.exists():
            track = route.load_route(path, keep_seam=name == "AWS_track")
            check_places(
                track,
                locate_cars(random_cars(track, np.random.default_rng(7), 60), pack_tracks([track])),
            )


def check_places(track: Track, cars: State) -> None:
    tied = 0
    for car in cars:
        slow = slow_place(track, car)
        if abs(slow["s"] - car["s"]) > 1e-6:  # two spots of the line are equally near
            assert slow["distance"] == pytest.approx(car["distance"], abs=1e-9)
            tied += 1
            continue
        assert car["distance"] == pytest.approx(slow["distance"], abs=1e-7)
        assert car["wheels"] == slow["wheels"]
        if np.abs(track.s - slow["s"]).min() < 1e-9:
            # rounding decides the segment, and which of two equally near spots of a border counts
            continue
        for name in ("width", "inner_distance", "outer_distance"):
            assert car[name] == pytest.approx(slow[name], abs=1e-7), name
        for name in ("previous", "next", "closest", "left"):
            assert car[name] == slow[name], name
    assert tied <= 2


def test_a_level_border_divides_the_cells_that_it_crosses():
    """Its edges are never counted by the even-odd rule, and were once forgotten when cells were
    sorted.
    """
    track = straight()
    shifted = Track("up", "", track.center, track.inner + np.array([0.0, 0.07]), track.outer)
    beside = np.array([[3.0, 0.37 - 0.01], [3.0, 0.37 + 0.01]])
    assert _on_road(pack_tracks([shifted]), 0, beside).tolist() == [True, False]


def test_on_a_vertex_the_next_waypoint_counts_and_at_the_very_end_they_are_the_last_and_the_first():
    x = np.arange(9.0) * 0.5  # exact in binary
    track = Track("exact", "", *(np.column_stack([x, np.full(9, y)]) for y in (0.0, 0.5, -0.5)))
    pairs = {
        0.0: (0, 1),
        0.25: (0, 1),
        0.5: (1, 2),
        0.75: (1, 2),
        3.5: (7, 8),
        3.75: (7, 8),
        4.0: (8, 0),
        4.5: (8, 0),
    }
    for s, pair in pairs.items():
        car = np.zeros(1, STATE)
        car["x"], car["yaw"], car["y"] = s, np.pi / 2, -0.14
        placed = locate_cars(car, pack_tracks([track]))[0]
        assert (placed["previous"], placed["next"]) == pair, s


def test_on_a_seam_the_waypoint_after_it_counts():
    x = np.array([0.0, 0.5, 1.0, 1.0, 1.5, 2.0])
    track = Track("seam", "", *(np.column_stack([x, np.full(6, y)]) for y in (0.0, 0.5, -0.5)))
    car = np.zeros(1, STATE)
    car["x"], car["yaw"], car["y"] = 1.0, np.pi / 2, -0.14
    placed = locate_cars(car, pack_tracks([track]))[0]
    assert (placed["previous"], placed["next"]) == (3, 4)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_road_packed_beside_its_reverse_is_the_same_as_alone(name: str) -> None:
    road = layout_file.load_layout_track(shipped.tracks_folder() / f"{name}.toml")
    both, alone = pack_tracks([road, road.reversed()]), pack_tracks([road.reversed()])
    cells, candidates = len(alone.cells) - 1, len(alone.candidates)
    before = len(both.vertices) - len(alone.vertices)
    counts = np.diff(both.cells["first"])[-cells:]
    np.testing.assert_array_equal(counts, np.diff(alone.cells["first"]))
    np.testing.assert_array_equal(both.candidates[-candidates:] - before, alone.candidates)
    np.testing.assert_array_equal(both.cells["road"][-cells - 1 :], alone.cells["road"])
    for line in ("center", "inner", "outer"):
        for column in ("x", "y", "columns", "rows"):
            assert both.tracks[line][column][1] == alone.tracks[line][column][0]


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_a_track_that_would_fill_the_memory_is_refused_in_a_sentence(size: float) -> None:
    oval = load_track("oval")
    lines = {name: getattr(oval, name) * size / 10.0 for name in ("center", "inner", "outer")}
    with pytest.raises(UsageError, match=r"racer drives on up to 120,000 m2"):
        pack_tracks([replace(oval, **lines)])


def test_a_track_too_far_from_the_origin_to_tell_millimeters_is_refused() -> None:
    oval = load_track("oval")
    lines = {name: getattr(oval, name) + 1e9 for name in ("center", "inner", "outer")}
    with pytest.raises(UsageError, match=r"oval lies 1e\+09 m from the origin"):
        pack_tracks([replace(oval, **lines)])
