"""The corners of tracks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from racer import track as tracks
from racer.track.corners import Corner, find_corners, is_inside_corner
from racer.track.layout import Segment, TrackLayout, build_track
from racer.track.track import Track


def angles(track: Track) -> list[float]:
    return [round(float(np.degrees(corner.angle))) for corner in find_corners(track)]


def layout(*segments: tuple[float, float]) -> Track:
    pieces = tuple(Segment(size, np.radians(turn)) for size, turn in segments)
    return build_track(TrackLayout("made", "Made", 0.8, (0.0, 0.0, 0.0), pieces))


def stadium(radius: float = 1.5, straight: float = 4.0) -> Track:
    half = straight / 2
    return layout((half, 0), (radius, 180), (straight, 0), (radius, 180), (half, 0))


@pytest.mark.parametrize(
    ("name", "turns"),
    [
        ("reinvent_2018", [180, -51, 52, 101, 76]),
        ("oval", [90, 90, 90, 88]),
        ("grand_prix", [-150, 150, -90, -90, 40, -40, -90, -110, 110, -90]),
        ("european_seaside", [-76, 119, -55, -179, 187, -190, 38, -65, 106, 57, -157, -50]),
        ("hairpin_school", [180, -180, 180, -180, 180, 90, 90]),
        ("skid_pad", [360]),
    ],
)
def test_shipped_tracks_have_the_corners_that_one_sees(name: str, turns: list[float]) -> None:
    assert angles(tracks.load_track(name)) == pytest.approx(turns, abs=3)


def test_a_round_end_is_one_corner_with_the_apex_in_its_middle() -> None:
    one, two = find_corners(stadium())
    assert (one.name, two.name) == ("T1", "T2")
    middle = 2.0 + np.pi * 1.5 / 2
    assert one.apex == pytest.approx(middle, abs=0.1)
    assert one.start == pytest.approx(middle - np.pi * 1.5 / 2, abs=0.4)
    assert one.end == pytest.approx(middle + np.pi * 1.5 / 2, abs=0.4)
    assert np.degrees(one.angle) == pytest.approx(180, abs=3)
    assert one.radius == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize(("between", "count"), [(0.0, 2), (0.3, 2), (2.0, 4)])
def test_two_bends_to_one_side_are_one_corner_until_the_road_between_is_straight(
    between: float, count: int
) -> None:
    parts = [(1.2, 90), (between, 0), (1.2, 90), (4.0, 0)] * 2
    assert len(find_corners(layout(*[part for part in parts if part[0] > 0]))) == count


def test_a_kink_is_no_corner() -> None:
    kinked = layout((1.0, 0), (3.0, 12), (1.0, 0), (1.5, 168), (np.nan, 0), (np.nan, 180), (1.0, 0))
    assert len(find_corners(kinked)) == 2


@pytest.mark.parametrize("name", tracks.available_tracks())
def test_corners_of_every_track_are_apart_and_in_order(name: str) -> None:
    road = tracks.load_track(name)
    found = find_corners(road)
    assert [corner.name for corner in found] == [f"T{k}" for k in range(1, len(found) + 1)]
    assert all(one.apex < two.apex for one, two in pairwise(found))
    s = np.linspace(0.0, road.length, 2000, endpoint=False)
    assert np.sum([is_inside_corner(corner, s) for corner in found], axis=0).max() == 1
    assert all(is_inside_corner(corner, np.array([corner.apex]))[0] for corner in found)
    assert (sum(corner.angle for corner in found) > 0) == road.is_ccw


def test_the_road_driven_backwards_has_the_same_corners_backwards() -> None:
    road = tracks.load_track("grand_prix")
    forward, backward = find_corners(road), find_corners(road.reversed())[::-1]
    assert [-c.angle for c in backward] == pytest.approx([c.angle for c in forward], abs=0.03)
    assert [road.length - c.apex for c in backward] == pytest.approx(
        [c.apex for c in forward], abs=0.1
    )
    assert [road.length - c.end for c in backward] == pytest.approx(
        [c.start for c in forward], abs=0.1
    )


def test_the_mirrored_road_turns_the_other_way() -> None:
    road = tracks.load_track("reinvent_2018")
    assert angles(road.mirrored()) == [-angle for angle in angles(road)]


def test_a_start_line_within_a_corner_does_not_cut_it() -> None:
    road = stadium()
    k = int(np.searchsorted(road.s, 3.5))
    lines = {
        line: np.roll(getattr(road, line)[:-1], -k, axis=0)[[*range(len(road.center) - 1), 0]]
        for line in ("center", "inner", "outer")
    }
    found = find_corners(replace(road, **lines))
    assert len(found) == 2
    spanning = [corner for corner in found if corner.end < corner.start]
    assert [round(float(np.degrees(corner.angle))) for corner in spanning] == pytest.approx(
        [180], abs=3
    )
    assert is_inside_corner(spanning[0], np.array([0.0, road.length / 2])).tolist() == [True, False]


def test_a_straight_open_road_has_no_corner() -> None:
    x = np.linspace(0.0, 6.0, 31)
    line = np.column_stack([x, 0.0 * x])
    assert find_corners(Track("line", "Line", line, line + [0.0, 0.5], line - [0.0, 0.5])) == ()


def test_an_open_road_keeps_its_places() -> None:
    angle = np.linspace(0.0, np.pi / 2, 20)
    arc = np.column_stack([3.0 + np.sin(angle), 1.0 - np.cos(angle)])
    run_up = np.column_stack([np.linspace(0, 3, 30)[:-1], np.zeros(29)])
    line = np.vstack([run_up, arc, [[4.0, 2.0], [4.0, 3.0]]])
    [corner] = find_corners(Track("bend", "Bend", line, line, line))
    assert isinstance(corner, Corner)
    assert corner.apex == pytest.approx(3.0 + np.pi / 4, abs=0.15)
    assert np.degrees(corner.angle) == pytest.approx(90, abs=5)
