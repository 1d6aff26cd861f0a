"""Where laps ended."""

from __future__ import annotations

import numpy as np
import pytest

from racer import geometry
from racer import track as tracks
from racer.analysis import corner_labels, endings_by_corner, laps
from racer.track.corners import find_corners


def test_a_place_is_at_before_or_after_its_corner() -> None:
    road = tracks.load_track("reinvent_2018")
    one, two, *_, last = find_corners(road)
    s = np.array(
        [one.apex, one.start - 0.3, one.end + 0.3, two.apex, (last.end + 0.1) % road.length]
    )
    assert corner_labels(road, geometry.point_at(road.center, s)) == [
        "T1",
        "T1 entry",
        "T1 exit",
        "T2",
        "T5 exit",
    ]


@pytest.mark.parametrize("name", tracks.available_tracks())
def test_every_place_of_every_track_has_a_name(name: str) -> None:
    road = tracks.load_track(name)
    found = corner_labels(road, road.center)
    assert {word.split()[0] for word in found} == {corner.name for corner in find_corners(road)}


def test_laps_that_ended_are_counted_by_place(drive) -> None:
    road = tracks.load_track("oval")
    trace = drive(track=road, episodes=10, step=0.5, ends=(20.0, 100.0))
    found = endings_by_corner(trace, laps(trace), road)
    assert found["count"].sum() == 5
    assert found["share"].sum() == pytest.approx(1.0)
    assert set(found["status"]) == {"off_track"}
    assert found["count"].is_monotonic_decreasing


def test_no_lap_ended_where_all_were_completed(drive, ring) -> None:
    trace = drive(ends=(100.0,))
    assert list(endings_by_corner(trace, laps(trace), ring).columns) == [
        "status",
        "place",
        "count",
        "share",
    ]
    assert len(endings_by_corner(trace, laps(trace), ring)) == 0


def test_a_road_without_corners_is_one_place() -> None:
    x = np.linspace(0.0, 6.0, 31)
    line = np.column_stack([x, 0.0 * x])
    road = tracks.Track("line", "Line", line, line + [0.0, 0.5], line - [0.0, 0.5])
    assert corner_labels(road, line[:2]) == ["the road", "the road"]
