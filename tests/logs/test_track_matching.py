"""Telling the track of a log from its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from racer import logs
from racer.logs.track_matching import match_track
from racer.track import route

ROUTES = {
    "console22": "reinvent_base", "drfc3": "reinvent_base", "workshops20": "reInvent2019_track",
    "therayg20": "reinvent_base_71pts", "lg_fsjune": "FS_June2020", "lg_champ22": "2022_reinvent_champ",
    "lg_oa": "2022_reinvent_champ", "lg_rb22": "reinvent_base", "lg_redstarpro": "red_star_pro",
    "droa26_cont": "reInvent2019_wide_cw",
}  # fmt: skip


@pytest.fixture(scope="session")
def routes(shared_data: Path):
    return [
        route.load_route(path, keep_seam=True)
        for path in sorted((shared_data / "tracks").rglob("*.npy"))
    ]


def test_the_road_and_its_direction_are_told(ring, drive) -> None:
    forward = match_track(drive(episodes=5), [ring.mirrored(), ring])
    back = match_track(drive(track=ring.reversed(), episodes=5), [ring])
    assert (forward.track.name, forward.direction) == ("ring", "forward")
    assert (back.track.is_reversed, back.direction) == (True, "reversed")
    assert min(forward.agreement, back.agreement) > 0.98


def test_a_seam_is_found_by_the_waypoints_that_were_counted(ring, drive) -> None:
    lines = {
        name: np.insert(getattr(ring, name), 20, getattr(ring, name)[20], axis=0)
        for name in ("center", "inner", "outer")
    }
    seamed = replace(ring, **lines)
    old = drive(episodes=5)
    old["closest_waypoint"] += old["closest_waypoint"] >= 20
    assert len(match_track(old, [seamed]).track.center) == 62
    assert len(match_track(drive(episodes=5), [seamed]).track.center) == 61


def test_worlds_of_one_geometry_give_the_plainest_name(ring, drive) -> None:
    same = [replace(ring, name=name) for name in ("ring_wood", "ring", "ring_base", "ming")]
    assert match_track(drive(), same).track.name == "ming"


@pytest.mark.parametrize(
    "change", [{"X": 1.2, "Y": 1.2}, {"progress": 0.5}, {"closest_waypoint": 2}, {"track_len": 1.1}]
)
def test_a_foreign_log_is_unknown(ring, drive, change: dict) -> None:
    trace = drive(episodes=5)
    for name, factor in change.items():
        trace[name] = trace[name] * factor
    assert match_track(trace, [ring]) is None


def test_a_handful_of_rows_is_not_enough(ring, drive) -> None:
    assert match_track(drive().head(8), [ring]) is None
    assert match_track(drive().head(0), [ring]) is None
    assert match_track(drive(), []) is None


@pytest.mark.parametrize("folder", sorted(ROUTES))
def test_every_real_log_is_recognised_with_its_direction(
    shared_data: Path, routes, folder: str
) -> None:
    for path in sorted((shared_data / "logs" / folder).glob("*.gz")):
        found = match_track(logs.read_log(path).trace, routes)
        assert (found.track.name, found.direction) == (ROUTES[folder], "forward"), path
        assert found.agreement > 0.99


@pytest.mark.parametrize("folder", sorted(ROUTES))
def test_a_real_log_is_unknown_without_its_route(shared_data: Path, routes, folder: str) -> None:
    others = [one for one in routes if ROUTES[folder].split("_")[0] not in one.name]
    for path in sorted((shared_data / "logs" / folder).glob("*.gz"))[:2]:
        assert match_track(logs.read_log(path).trace, others) is None
