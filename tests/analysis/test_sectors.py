"""Sector times, and where laps ended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import geometry, logs
from racer import track as tracks
from racer.analysis import corner_labels, endings_by_corner, lap_sectors, laps
from racer.analysis.sectors import corner_sectors
from racer.track import library
from racer.track.corners import find_corners


def test_equal_sectors_of_an_even_lap_take_equal_times(drive, ring) -> None:
    trace = drive(episodes=1, step=0.1)
    found = lap_sectors(trace, laps(trace))
    assert found["sector"].tolist() == ["S1", "S2", "S3"]
    assert found["start"].tolist() == pytest.approx([0.0, ring.length / 3, 2 * ring.length / 3])
    # the last step is short
    assert found["time"].iloc[1] == pytest.approx(found["time"].iloc[2], abs=0.067)
    assert found["speed"].iloc[1] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_sector_times_sum_up_to_the_laps_time(drive, parts: int) -> None:
    trace = drive(episodes=1, step=0.23)
    assert lap_sectors(trace, laps(trace), parts=parts)["time"].sum() == pytest.approx(
        laps(trace)["time"].iloc[0]
    )


def test_a_sector_that_was_not_covered_has_no_time(drive) -> None:
    trace = drive(episodes=2, ends=(100.0, 40.0))
    found = lap_sectors(trace, laps(trace))
    assert found.loc[found["lap"] == 1, "time"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("name", tracks.available_tracks())
def test_corner_sectors_cover_the_lap_without_a_gap(name: str) -> None:
    road = tracks.load_track(name)
    pieces = corner_sectors(road)
    size = [(piece.end - piece.start) % road.length or road.length for piece in pieces]
    assert sum(size) == pytest.approx(road.length)
    for corner, piece, length in zip(find_corners(road), pieces, size, strict=True):
        assert corner.name == piece.name
        assert 0.0 <= (corner.apex - piece.start) % road.length <= length


@pytest.mark.parametrize("track", ["reinvent_2018", "bowtie"])
def test_corner_times_of_a_real_lap_sum_up_to_its_time(driven_by, track: str) -> None:
    trace = driven_by("fast", track, 3)
    table = laps(trace)
    assert table["complete"].sum() == 3
    found = lap_sectors(trace, table, tracks.load_track(track))
    for index, lap in table.iterrows():
        mine = found[found["lap"] == index]
        assert mine["time"].sum() == pytest.approx(lap["time"], abs=1e-6)
        assert mine["sector"].tolist() == [
            corner.name for corner in find_corners(tracks.load_track(track))
        ]


def test_a_lap_that_began_elsewhere_has_the_same_corners(drive) -> None:
    road = tracks.load_track("oval")
    trace = drive(track=road, episodes=5, step=0.1, ends=(100.0,))
    found = lap_sectors(trace, laps(trace), road).pivot(
        index="lap", columns="sector", values="time"
    )
    spread = found.max() - found.min()
    # a step of waiting at the start, a shorter one at the end, and as much of rounding
    assert (spread < 0.2).all()
    assert found.notna().all(axis=None)


def test_a_car_that_leaves_the_track_early_has_no_times_for_later_corners(drive) -> None:
    road = tracks.load_track("oval")
    trace = drive(track=road, episodes=1, step=0.1, ends=(65.0,))
    found = lap_sectors(trace, laps(trace), road).set_index("sector")["time"]
    assert found.isna().tolist() == [False, False, True, True]


def test_a_road_without_corners_has_equal_sectors() -> None:
    x = np.linspace(0.0, 6.0, 31)
    line = np.column_stack([x, 0.0 * x])
    road = tracks.Track("line", "Line", line, line + [0.0, 0.5], line - [0.0, 0.5])
    assert corner_sectors(road) == ()
    trace = pd.DataFrame(
        {"episode": 0, "steps": np.arange(1.0, 32.0), "X": x, "Y": 0.0, "yaw": 0.0, "steer": 0.0}
    )
    trace = trace.assign(
        throttle=1.0, reward=0.0, progress=x / 6.0 * 100.0, track_len=6.0, tstamp=x
    )
    found = lap_sectors(
        trace.assign(episode_status="in_progress"),
        laps(trace.assign(episode_status="in_progress")),
        road,
    )
    assert found["sector"].tolist() == ["S1", "S2", "S3"]


def test_no_lap_has_no_sector(drive, ring) -> None:
    trace = drive()
    assert list(lap_sectors(trace, laps(trace).head(0), ring).columns) == [
        "lap",
        "sector",
        "start",
        "end",
        "time",
        "speed",
    ]


def test_real_laps_are_the_sum_of_their_corners(shared_data: Path) -> None:
    trace = logs.read_log(shared_data / "logs" / "console22" / "eval0.csv.gz").trace
    from racer.logs.track_matching import match_track

    routes = [
        library.load_track(path, keep_seam=True)
        for path in sorted((shared_data / "tracks").glob("*.npy"))
    ]
    known = match_track(trace, routes)
    assert known is not None
    table = laps(trace)
    whole = table[table["complete"]]
    found = lap_sectors(trace, whole, known.track).groupby("lap")["time"].sum(min_count=1)
    assert found.to_numpy() == pytest.approx(whole["time"].to_numpy(), abs=1e-6)


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
