"""The predictive driver, in the true dynamics, and lines as text and files."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from racer.drivers.mpc import MpcWeights
from racer.drivers.rollout import follow_line
from racer.raceline import lap_bound as bound
from racer.raceline.files import LINE_COLUMNS, line_as_csv, line_as_npy, line_snippet, line_table
from racer.raceline.lap_bound import corner_passages
from racer.raceline.minimum_time import RacingLine
from racer.sim.state import Status
from racer.track import library
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import V5, V6

TRACK = "reinvent_2018"


@pytest.mark.parametrize("car", [V5, V6], ids=lambda car: car.name)
def test_the_driver_laps_a_track_near_the_line_s_time(quick: RacingLine, car) -> None:
    found = follow_line(
        library.load_track(TRACK), car, quick, laps=2, weights=(MpcWeights(tries=20),)
    )
    assert found.status == Status.LAP_COMPLETE
    assert found.best_lap < 1.1 * quick.lap_time
    assert found.best_lap < found.lap_time  # the first lap begins from standstill


def test_the_driver_gives_only_what_the_action_space_has(quick: RacingLine) -> None:
    space = ActionSpace(False, (-25.0, -12.0, 0.0, 12.0, 25.0), (1.0, 1.0, 2.0, 1.0, 1.0))
    found = follow_line(
        library.load_track(TRACK), V6, quick, space, laps=1, weights=(MpcWeights(tries=20),)
    )
    given = set(
        zip(found.rows["steer_command_deg"][1:], found.rows["speed_command"][1:], strict=True)
    )
    assert given <= set(zip(space.steering_deg, space.speed, strict=True))
    assert found.completion == 100.0


def test_a_line_is_told_corner_by_corner(quick: RacingLine) -> None:
    found = corner_passages(library.load_track(TRACK), quick)
    assert [one.name for one in found] == [f"T{k}" for k in range(1, len(found) + 1)]
    for one in found:
        assert one.apex_speed <= min(one.entry_speed, one.exit_speed) + 1e-9
        if not math.isnan(one.brake):
            at = np.argmin(np.abs(quick.s_center - one.brake))
            assert quick.speed[at] > one.apex_speed


def test_the_snippet_tells_the_line_in_both_directions_from_any_start(quick: RacingLine) -> None:
    text = line_snippet(quick, V5)
    assert len(text) < 300 * library.load_track(TRACK).length
    track = library.load_track(TRACK)
    for road, sign in ((track, 1.0), (track.reversed(), -1.0)):
        space: dict = {}
        exec(compile(text, "snippet", "exec"), space)
        for k in np.random.default_rng(1).integers(0, len(quick.s), 40):
            heading = math.atan2(*(sign * (quick.xy[(k + 1) % len(quick.s)] - quick.xy[k]))[::-1])
            left = 0.1 * np.array([-math.sin(heading), math.cos(heading)])
            x, y = quick.xy[k] + left + 0.14 * np.array([math.cos(heading), math.sin(heading)])
            ahead = int(np.argmin(np.hypot(*(road.center[:-1] - [x, y]).T)))
            params = {
                "x": x, "y": y, "heading": math.degrees(heading) + 5.0, "waypoints": road.waypoints,
                "closest_waypoints": [ahead, ahead + 1],
            }  # fmt: skip
            aside, turn, speed = space["racing_line"](params)
            assert aside == pytest.approx(0.1, abs=0.04)
            assert turn == pytest.approx(-5.0, abs=12.0)
            assert 0.5 < speed < 4.1
            if sign > 0.0:
                assert speed == pytest.approx(quick.speed[k], abs=0.5)


def test_a_line_is_written_as_a_table(quick: RacingLine) -> None:
    read = np.loadtxt(io.BytesIO(line_as_csv(quick)), delimiter=",", skiprows=1)
    assert line_as_csv(quick).decode().splitlines()[0] == ",".join(LINE_COLUMNS)
    assert read == pytest.approx(line_table(quick), abs=1e-5)
    assert np.array_equal(np.load(io.BytesIO(line_as_npy(quick))), line_table(quick))


def test_a_bound_is_remembered_by_road_and_car(tmp_path) -> None:
    track = library.load_track(TRACK)
    assert bound.remembered_bound(track, V5, tmp_path) is None
    bound.remember_bound(track, V5, 5.5, tmp_path)
    assert bound.lap_time_bound(track, V5, tmp_path) == 5.5
    assert bound.remembered_bound(track.reversed(), V5, tmp_path) is None
    assert bound.remembered_bound(track, V6, tmp_path) is None
    sentence = bound.bound_sentence(5.665, 5.5, "v5")
    assert sentence.startswith("5.67 s: 103 % of the bound of car v5, 5.50 s (the fastest lap that")
    assert "which is no bound then" in bound.bound_sentence(4.33, 5.89, "v5")


def test_a_broken_memory_is_no_bound(tmp_path) -> None:
    track = library.load_track(TRACK)
    bound.remember_bound(track, V5, 5.5, tmp_path)
    for file in (tmp_path / "bounds").iterdir():
        file.write_text("[]")
    assert bound.remembered_bound(track, V5, tmp_path) is None
