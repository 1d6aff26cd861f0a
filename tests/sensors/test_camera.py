"""The camera against a slow and obvious twin, against pinhole geometry, and against itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image

from racer.sensors.camera import colors
from racer.sensors.camera.arena import field_rectangle, wall_segments
from racer.sensors.camera.camera import (
    FRONT_CAMERA,
    LEFT_CAMERA,
    RIGHT_CAMERA,
    Camera,
    render_camera,
    render_stereo,
)
from racer.sensors.camera.ground_map import GroundMap, map_ground
from racer.sensors.camera.randomization import VISUAL_RANDOMIZATIONS, draw_appearances
from racer.sim import params as scene
from racer.sim.obstacles import BOT, BOX, OBSTACLE_DTYPE, VISIBLE_SIZE_M
from racer.sim.state import State
from racer.track.library import load_track
from racer.track.track import Track

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def road() -> Track:
    return load_track("reinvent_2018")


@pytest.fixture(scope="module")
def flat(road: Track) -> GroundMap:
    """The ground without texture."""
    return map_ground([road, road.reversed()], grainy=False)


@pytest.fixture(scope="module")
def cars(road: Track) -> State:
    return scene.placed_rows(
        road,
        [0.4, 5.0, 8.0, 13.1],
        offset=[0.0, 0.2, -0.25, 0.1],
        heading_deg=[0.0, 12.0, -20.0, 5.0],
    )


def before(state: State, *placed: tuple[float, float, float, int]) -> NDArray[np.void]:
    """(N, K) bodies m ahead and to the left of each car, turned by rad, of a kind."""
    table = np.zeros((len(state), len(placed)), OBSTACLE_DTYPE)
    c, s = np.cos(state["yaw"]), np.sin(state["yaw"])
    for k, (ahead, left, turn, kind) in enumerate(placed):
        table[:, k]["x"] = state["x"] + ahead * c - left * s
        table[:, k]["y"] = state["y"] + ahead * s + left * c
        table[:, k]["yaw"], table[:, k]["kind"] = state["yaw"] + turn, kind
    return table


# --- the slow twin: every pixel is a ray


def rays(camera: Camera, car: np.void) -> tuple[Array, Array]:
    """The lens (3,) and the directions (H, W, 3) of all pixels."""
    right, down = np.meshgrid(
        (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal,
        (np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal,
    )
    ahead = np.cos(camera.pitch) - down * np.sin(camera.pitch)
    up = -np.sin(camera.pitch) - down * np.cos(camera.pitch)
    c, s = np.cos(car["yaw"]), np.sin(car["yaw"])
    lens = np.array(
        [car["x"] + c * camera.x - s * camera.y, car["y"] + s * camera.x + c * camera.y, camera.z],
    )
    return lens, np.stack([c * ahead + s * right, s * ahead - c * right, up], axis=-1)


def slow(track: Track, camera: Camera, car: np.void, bodies: NDArray[np.void]) -> NDArray[np.uint8]:
    """(H, W, 3) what every ray meets first, in plain colors."""
    lens, way = rays(camera, car)
    color = np.broadcast_to(colors.PLAIN_COLORS[colors.SKY], way.shape).copy()
    near = np.full(way.shape[:2], np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(way[..., 2] < 0, -lens[2] / way[..., 2], np.inf)
        hit = np.isfinite(t)
        spot = lens[:2] + t[hit][:, None] * way[hit][:, :2]
        color[hit], near[hit] = colors.PLAIN_COLORS[ground(track, spot)], t[hit]
        for k, (x0, y0, x1, y1) in enumerate(wall_segments(track)):
            normal = np.array([y1 - y0, x0 - x1])
            t = (normal @ (np.array([x0, y0]) - lens[:2])) / (way[..., :2] @ normal)
            height = lens[2] + t * way[..., 2]
            hit = (t > 0) & (t < near) & (height > 0.0) & (height < 1.0)
            color[hit], near[hit] = (
                colors.PLAIN_COLORS[colors.WALL] * colors._WALL_SHADES[k],
                t[hit],
            )
        for body in bodies:
            paint_box(body, lens, way, color, near)
    return np.rint(color).astype(np.uint8)


def ground(track: Track, spot: Array) -> NDArray[np.int64]:
    """Material of every place (P, 2)."""
    road = shapely.Polygon(track.outer, [track.inner])
    sides = shapely.MultiLineString([track.outer, track.inner])
    what = np.full(len(spot), colors.FIELD)
    low, high = track.outer.min(axis=0), track.outer.max(axis=0)
    near = np.flatnonzero(np.all((spot > low) & (spot < high), axis=1))
    asphalt = road.difference(sides.buffer(0.0762, join_style="mitre"))
    shapely.prepare([road, asphalt])
    point = shapely.points(spot[near])
    inside = shapely.contains(road, point)
    what[near[inside]] = colors.BORDER
    deep = shapely.contains(asphalt, point)
    what[near[deep]] = colors.ROAD
    line = shapely.LineString(track.center)
    middle = np.flatnonzero(deep)[shapely.dwithin(line, point[deep], 0.0127)]
    along = shapely.line_locate_point(line, point[middle])
    pitch = track.length / round(track.length / 0.1016)
    what[near[middle[(along - 0.04) % pitch < 0.0508]]] = colors.CENTER
    return what


def paint_box(body: np.void, lens: Array, way: Array, color: Array, near: Array) -> None:
    """A box by slabs: where a ray is within all three of them."""
    length, width, height = VISIBLE_SIZE_M[body["kind"]]
    c, s = np.cos(body["yaw"]), np.sin(body["yaw"])
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    start = turn @ (lens - np.array([body["x"], body["y"], height / 2]))
    step, half = way @ turn.T, np.array([length, width, height]) / 2
    one, other = (-half - start) / step, (half - start) / step
    enter, leave = np.minimum(one, other), np.maximum(one, other)
    t = enter.max(axis=-1)
    hit = (t < leave.min(axis=-1)) & (t > 0) & (t < near)
    axis = enter.argmax(axis=-1)
    face = np.where(axis == 1, np.where(step[..., 1] < 0, 0, 2), np.where(step[..., 0] < 0, 3, 1))
    shade = colors._FACE_SHADES[face][hit][:, None]
    color[hit], near[hit] = (
        np.minimum(colors.PLAIN_COLORS[colors.BOX + body["kind"]] * shade, 255.0),
        t[hit],
    )


def reduced(picture: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """What the simulator makes of a frame of 640 x 480."""
    small = Image.fromarray(picture).resize(
        (camera.width, camera.height), Image.Resampling.BILINEAR
    )
    if not camera.gray:
        return np.asarray(small)
    if camera.is_luma:
        return np.asarray(small.convert("L"))
    return np.floor(np.asarray(small) @ np.array([0.2989, 0.5870, 0.1140])).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("camera", "k"),
    [
        (FRONT_CAMERA, 0),
        (FRONT_CAMERA, 2),
        (replace(LEFT_CAMERA, width=80, height=60), 1),
        (replace(FRONT_CAMERA, gray=False), 3),
    ],
)
def test_a_picture_is_what_a_ray_for_every_pixel_sees_made_small(
    camera: Camera, k: int, road: Track, flat: GroundMap, cars: State
) -> None:
    bodies = before(cars, (0.8, 0.25, 0.3, BOX), (1.6, -0.1, 0.0, BOX), (1.2, 0.0, 1.0, BOX))
    drawn = render_camera(cars, bodies, flat, camera)[k]
    large = replace(camera, width=640, height=480)
    off = np.abs(drawn.astype(float) - reduced(slow(road, large, cars[k], bodies[k]), camera))
    assert off.mean() < 1.8  # of 255
    assert np.percentile(off, 95) <= 8
    assert np.percentile(off, 99) <= 36  # hard edges near the car


# --- pinhole


def project(camera: Camera, car: np.void, point: Array) -> Array:
    """(P, 2) px of points (P, 3), by rotation and division."""
    c, s = np.cos(car["yaw"]), np.sin(car["yaw"])
    away = point - np.array(
        [car["x"] + c * camera.x - s * camera.y, car["y"] + s * camera.x + c * camera.y, camera.z]
    )
    ahead, left, up = c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0], away[:, 2]
    depth = ahead * np.cos(camera.pitch) - up * np.sin(camera.pitch)
    height = ahead * np.sin(camera.pitch) + up * np.cos(camera.pitch)
    aside = 0.5 * camera.width - camera.focal * left / depth
    return np.column_stack([aside, 0.5 * camera.height - camera.focal * height / depth])


def share_of(
    part: int, state: State, bodies: NDArray[np.void] | None, ground: GroundMap, camera: Camera
) -> Array:
    """(N, H, W) how much of each pixel is of one part: white is 254 in gray, whose weights add up
    to 0.9999.
    """
    look = draw_appearances(
        VISUAL_RANDOMIZATIONS["none"], [np.random.default_rng(0) for _ in state]
    )
    look["gain"] = 0.0
    look["gain"][:, part] = 255.0 / colors.PLAIN_COLORS[part]
    return render_camera(state, bodies, ground, camera, appearance=look) / 254.0


@pytest.mark.parametrize(
    "camera",
    [FRONT_CAMERA, LEFT_CAMERA, replace(FRONT_CAMERA, width=320, height=240, pitch=0.3, z=0.2)],
)
def test_a_box_is_where_a_pinhole_puts_its_corners(
    camera: Camera, flat: GroundMap, cars: State
) -> None:
    bodies = before(cars, (1.5, 0.05, 0.35, BOX))
    seen = share_of(colors.BOX, cars, bodies, flat, camera) > 0.3
    for k, body in enumerate(bodies[:, 0]):
        c, s = np.cos(body["yaw"]), np.sin(body["yaw"])
        corner = (
            0.5 * np.array(VISIBLE_SIZE_M[BOX][:2]) * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        )
        base = np.column_stack(
            [body["x"] + corner @ [c, -s], body["y"] + corner @ [s, c], np.zeros(4)]
        )
        points = project(
            camera, cars[k], np.concatenate([base, base + [0.0, 0.0, VISIBLE_SIZE_M[BOX][2]]])
        )
        rows, columns = np.nonzero(seen[k])
        assert columns.min() == pytest.approx(points[:, 0].min(), abs=1.0)
        assert columns.max() + 1 == pytest.approx(points[:, 0].max(), abs=1.0)
        assert rows.max() + 1 == pytest.approx(points[:, 1].max(), abs=1.0)
        assert (
            seen[k].sum() == pytest.approx(shapely.MultiPoint(points).convex_hull.area, rel=0.05)
            or rows.min() == 0
        )


def test_a_dash_is_where_a_pinhole_puts_it_to_half_a_pixel(road: Track, flat: GroundMap) -> None:
    car = scene.placed_rows(road, road.length - 0.5)
    share = share_of(colors.CENTER, car, None, flat, FRONT_CAMERA)[0]
    way = (road.center[1] - road.center[0]) / np.hypot(*(road.center[1] - road.center[0]))
    aside = np.array([-way[1], way[0]])
    u, v = np.meshgrid(np.linspace(0.04, 0.0908, 21), np.linspace(-0.0127, 0.0127, 21))
    spot = road.center[0] + u.reshape(-1, 1) * way + v.reshape(-1, 1) * aside
    pixel = project(FRONT_CAMERA, car[0], np.column_stack([spot, np.zeros(len(spot))]))
    (left, top), (right, low) = (
        np.floor(pixel.min(axis=0)).astype(int) - 1,
        np.ceil(pixel.max(axis=0)).astype(int) + 1,
    )
    window = share[top:low, left:right]
    rows, columns = np.mgrid[top:low, left:right]
    middle = (
        np.array([(window * (columns + 0.5)).sum(), (window * (rows + 0.5)).sum()]) / window.sum()
    )
    outline = pixel.reshape(21, 21, 2)
    expected = 0.25 * (outline[0, 0] + outline[0, -1] + outline[-1, 0] + outline[-1, -1])
    np.testing.assert_allclose(middle, expected, atol=0.5)


def test_the_horizon_is_29_and_a_half_rows_below_the_top(flat: GroundMap) -> None:
    horizon = 60.0 - FRONT_CAMERA.focal * np.tan(FRONT_CAMERA.pitch)
    assert horizon == pytest.approx(29.5, abs=0.1)
    open_field = flat._replace(grounds=flat.grounds.copy())
    open_field.grounds["walls"] = [
        [-1e4, -1e4, 1e4, -1e4],
        [1e4, -1e4, 1e4, 1e4],
        [1e4, 1e4, -1e4, 1e4],
        [-1e4, 1e4, -1e4, -1e4],
    ]
    car = scene.placed_rows(load_track("reinvent_2018"), 1.0)
    sky = share_of(colors.SKY, car, None, open_field, replace(FRONT_CAMERA, width=640, height=480))[
        0
    ].sum(axis=0)
    np.testing.assert_allclose(sky, 4.0 * horizon, atol=0.5)


def test_the_stereo_cameras_see_a_box_apart_by_their_distance(flat: GroundMap, cars: State) -> None:
    bodies = before(cars, (1.5, 0.0, 0.0, BOX))
    depth = 1.5 - 0.2 - FRONT_CAMERA.x  # of its near side, at the height of the lens
    row = round(60.0 - FRONT_CAMERA.focal * np.tan(FRONT_CAMERA.pitch)) + 4
    left, right = (
        share_of(colors.BOX, cars, bodies, flat, camera)[:, row]
        for camera in (LEFT_CAMERA, RIGHT_CAMERA)
    )
    column = np.arange(160) + 0.5
    shift = (left * column).sum(axis=1) / left.sum(axis=1) - (right * column).sum(
        axis=1
    ) / right.sum(axis=1)
    np.testing.assert_allclose(
        shift, FRONT_CAMERA.focal * 0.06 / (depth * np.cos(FRONT_CAMERA.pitch)), atol=0.5
    )
    both = render_stereo(cars, bodies, flat)
    assert both.shape == (4, 120, 160, 2)
    assert (both[..., 0] == render_camera(cars, bodies, flat, LEFT_CAMERA)).all()


@pytest.mark.slow
def test_what_is_nearer_hides_what_is_behind_it(flat: GroundMap, cars: State) -> None:
    far = before(cars, (2.0, 0.0, 0.0, BOT))
    both = before(cars, (0.9, 0.0, 0.0, BOX), (2.0, 0.0, 0.0, BOT))
    assert share_of(colors.BOT, cars, far, flat, FRONT_CAMERA).sum() > 100
    assert share_of(colors.BOT, cars, both, flat, FRONT_CAMERA).sum() == 0
    assert share_of(colors.BOT, cars, both[:, ::-1], flat, FRONT_CAMERA).sum() == 0


# --- as a sensor


def test_a_car_in_a_batch_sees_what_it_sees_alone(road: Track, cars: State) -> None:
    ground, bodies = (
        map_ground([road, road.reversed()]),
        before(cars, (0.9, 0.1, 0.2, BOX), (1.4, -0.1, 0.0, BOT)),
    )
    look = draw_appearances(
        VISUAL_RANDOMIZATIONS["strong"], [np.random.default_rng(k) for k in range(len(cars))]
    )
    for given in (None, look):
        together = render_camera(cars, bodies, ground, FRONT_CAMERA, appearance=given)
        again = render_camera(cars, bodies, ground, FRONT_CAMERA, np.full_like(together, 77), given)
        assert (together == again).all()
        for k in range(len(cars)):
            one = slice(k, k + 1)
            alone = render_camera(
                cars[one],
                bodies[one],
                ground,
                FRONT_CAMERA,
                appearance=None if given is None else given[one],
            )
            assert (alone[0] == together[k]).all()


def test_the_far_field_does_not_shimmer(road: Track) -> None:
    ground = map_ground([road, road.reversed()])
    state = scene.placed_rows(road, np.linspace(0.0, road.length - 0.1, 60))
    moved = state.copy()
    moved["x"] += 0.01 * np.cos(state["yaw"])
    moved["y"] += 0.01 * np.sin(state["yaw"])
    here, there = (render_camera(cars, None, ground).astype(float) for cars in (state, moved))
    change = np.abs(there - here)[:, 31:46]
    assert change.mean() < 2.0
    whole = np.abs((there - here)[:, 31:46].mean(axis=(1, 2)))
    assert np.percentile(whole, 95) < 0.5
    assert whole.max() < 2.0  # where a border lies across the view along the squares of the map


def test_plain_looks_change_nothing(flat: GroundMap, cars: State) -> None:
    look = draw_appearances(
        VISUAL_RANDOMIZATIONS["none"], [np.random.default_rng(k) for k in range(len(cars))]
    )
    assert (
        render_camera(cars, None, flat, FRONT_CAMERA, appearance=look)
        == render_camera(cars, None, flat)
    ).all()


def test_the_simulator_varies_lamps_and_solids_but_not_where_the_camera_is(
    flat: GroundMap, cars: State
) -> None:
    look = draw_appearances(
        VISUAL_RANDOMIZATIONS["simulator"], [np.random.default_rng(k) for k in range(len(cars))]
    )
    for name in ("left", "up", "pitch", "yaw", "noise", "blur"):
        assert (look[name] == 0.0).all()
    assert (look["gain"][:, colors.SKY] == 1.0).all()
    assert len(np.unique(look["gain"][:, colors.BOX], axis=0)) == len(cars)
    np.testing.assert_allclose(look["gain"][:, colors.FIELD], look["gain"][:, colors.ROAD])


def test_a_car_draws_its_look_from_its_own_generator() -> None:
    many = draw_appearances(
        VISUAL_RANDOMIZATIONS["strong"], [np.random.default_rng(k) for k in (5, 6, 7)]
    )
    assert (
        draw_appearances(VISUAL_RANDOMIZATIONS["strong"], [np.random.default_rng(6)])[0] == many[1]
    )
    assert many[0] != many[1]


def test_both_ways_of_a_track_share_one_map(road: Track, flat: GroundMap) -> None:
    assert len(flat.grounds) == 1
    assert flat.ground.tolist() == [0, 0]


def test_the_field_is_as_measured_and_walls_stand_around_it(road: Track) -> None:
    assert field_rectangle(replace(road, name="reinvent_base")) == (-0.587, -0.613, 8.575, 5.795)
    np.testing.assert_allclose(
        field_rectangle(road), field_rectangle(replace(road, name="reinvent_base")), atol=0.02
    )
    assert field_rectangle(replace(road, name="2022_something")) == (-12.5, -12.5, 12.5, 12.5)
    ring = wall_segments(road)
    assert (ring[:, 2:] == np.roll(ring[:, :2], -1, axis=0)).all()


def test_every_real_route_has_a_map(shared_data: object) -> None:
    from pathlib import Path

    for name in ("penbay_pro", "Straight_track", "2022_summit_speedway"):
        track = load_track(Path(str(shared_data)) / "tracks" / f"{name}.npy")
        picture = render_camera(
            scene.placed_rows(track, 1.0),
            None,
            map_ground([track], cell=0.01),
            replace(FRONT_CAMERA, gray=False),
        )[0]
        road = np.median(picture[70:, 60:100].reshape(-1, 3), axis=0)
        np.testing.assert_allclose(road, colors.world_colors(name)[colors.ROAD], atol=6.0)


def test_worlds_have_the_colors_of_their_textures(road: Track) -> None:
    """A track of 2022 has no bluish road and no bluish green field; each ground of a scenery has
    its own colors.
    """
    later = replace(road, name="2022_something")
    both = map_ground([road, later], grainy=False)
    car = scene.placed_rows(road, [0.5, 0.5])
    car["track"] = [0, 1]
    color = replace(FRONT_CAMERA, gray=False)
    old, new = (render_camera(car[k : k + 1], None, both, color)[0, -1, 40] for k in (0, 1))
    assert old.tolist() == np.round(colors.PLAIN_COLORS[colors.ROAD]).tolist()
    assert new.tolist() == np.round(colors.LATER_COLORS[colors.ROAD]).tolist()
    assert old[2] > old[0] + 20
    assert new[0] > new[2]
    look = draw_appearances(VISUAL_RANDOMIZATIONS["none"], [np.random.default_rng(0)] * 2)
    assert (
        render_camera(car, None, both, FRONT_CAMERA, appearance=look)
        == render_camera(car, None, both, FRONT_CAMERA)
    ).all()
    assert colors.world_colors("reInvent2019_wide") is colors.LATER_COLORS
    assert colors.world_colors("reinvent_base") is colors.PLAIN_COLORS
