"""The predictive driver, in the true dynamics, and lines as text and files."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from racer.drivers.mpc import Care
from racer.drivers.rollout import drive
from racer.raceline import lap_bound as bound
from racer.raceline.files import COLUMNS, as_csv, as_npy, columns, snippet
from racer.raceline.lap_bound import passages
from racer.raceline.minimum_time import Line
from racer.sim.state import Status
from racer.track import library
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import V5, V6

TRACK = "reinvent_2018"


@pytest.mark.parametrize("car", [V5, V6], ids=lambda car: car.name)
def test_the_driver_laps_a_track_near_the_line_s_time(quick: Line, car) -> None:
    found = drive(library.load(TRACK), car, quick, laps=2, cares=(Care(tries=20),))
    assert found.status == Status.LAP_COMPLETE
    assert found.best_lap < 1.1 * quick.lap_time
    assert found.best_lap < found.lap_time  # the first lap begins from standstill


def test_the_driver_gives_only_what_the_action_space_has(quick: Line) -> None:
    space = ActionSpace(False, (-25.0, -12.0, 0.0, 12.0, 25.0), (1.0, 1.0, 2.0, 1.0, 1.0))
    found = drive(library.load(TRACK), V6, quick, space, laps=1, cares=(Care(tries=20),))
    given = set(
        zip(found.rows["steer_command_deg"][1:], found.rows["speed_command"][1:], strict=True)
    )
    assert given <= set(zip(space.steering_deg, space.speed, strict=True))
    assert found.completion == 100.0


def test_a_line_is_told_corner_by_corner(quick: Line) -> None:
    found = passages(library.load(TRACK), quick)
    assert [one.name for one in found] == [f"T{k}" for k in range(1, len(found) + 1)]
    for one in found:
        assert one.apex_speed <= min(one.entry_speed, one.exit_speed) + 1e-9
        if not math.isnan(one.brake):
            at = np.argmin(np.abs(quick.place - one.brake))
            assert quick.speed[at] > one.apex_speed


def test_the_snippet_tells_the_line_in_both_directions_from_any_start(quick: Line) -> None:
    text = snippet(quick, V5)
    assert len(text) < 300 * library.load(TRACK).length
    track = library.load(TRACK)
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


def test_a_line_is_written_as_a_table(quick: Line) -> None:
    read = np.loadtxt(io.BytesIO(as_csv(quick)), delimiter=",", skiprows=1)
    assert as_csv(quick).decode().splitlines()[0] == ",".join(COLUMNS)
    assert read == pytest.approx(columns(quick), abs=1e-5)
    assert np.array_equal(np.load(io.BytesIO(as_npy(quick))), columns(quick))


def test_a_bound_is_remembered_by_road_and_car(tmp_path) -> None:
    track = library.load(TRACK)
    assert bound.known(track, V5, tmp_path) is None
    bound.keep(track, V5, 5.5, tmp_path)
    assert bound.bound(track, V5, tmp_path) == 5.5
    assert bound.known(track.reversed(), V5, tmp_path) is None
    assert bound.known(track, V6, tmp_path) is None
    assert bound.sentence(5.665, 5.5, "v5") == "5.67 s: 103 % of the bound of car v5, 5.50 s"


def test_a_broken_memory_is_no_bound(tmp_path) -> None:
    track = library.load(TRACK)
    bound.keep(track, V5, 5.5, tmp_path)
    for file in (tmp_path / "bounds").iterdir():
        file.write_text("[]")
    assert bound.known(track, V5, tmp_path) is None
