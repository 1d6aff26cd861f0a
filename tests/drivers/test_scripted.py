"""Scripted drivers: those who mean to finish do, and each does what its name says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from racer.drivers.scripted import DRIVER_FAMILY, Drive, drive, drive_all
from racer.errors import UsageError
from racer.raceline.corridor import build_rough_corridor, relaxed_offsets
from racer.resources import tracks_folder
from racer.sim.params import build_params
from racer.sim.state import TRAINING, Phase, Status
from racer.sim.step import step_cars
from racer.track.library import load_track
from racer.track.spatial_index import pack_tracks
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import STEP_S, V6, car_table

TRACKS = sorted(path.stem for path in tracks_folder().glob("*.toml"))
FINISHERS = [name for name, driver in DRIVER_FAMILY.items() if driver.finishes]


@cache
def family(track: str, car: str = "v6", reverse: bool = False) -> dict[str, Drive]:
    return {d.name: d for d in drive_all(load_track(track), car=car, reverse=reverse)}


def aside(d: Drive) -> np.ndarray:
    """m to the left of the center line."""
    return d.rows["distance"] * np.where(d.rows["left"], 1.0, -1.0)


@pytest.mark.parametrize("track", TRACKS)
def test_who_means_to_finish_completes_the_lap_on_every_shipped_track(track: str) -> None:
    drove = family(track)
    assert {name: drove[name].status.word for name in FINISHERS} == dict.fromkeys(
        FINISHERS, "lap_complete"
    )
    assert {d.completion for d in drove.values() if d.name in FINISHERS} == {100.0}


@pytest.mark.parametrize("track", ["reinvent_2018", "hairpin_school", "vegas"])
def test_the_other_way_round_too(track: str) -> None:
    drove = family(track, reverse=True)
    assert {name for name in FINISHERS if np.isnan(drove[name].lap_time)} == set()
    assert all(d.tracks[0].is_reversed for d in drove.values())


@pytest.mark.parametrize("car", ["v4", "v5"])
def test_older_cars_finish_on_the_center_line(car: str) -> None:
    drove = family("reinvent_2018", car)
    assert {name for name in FINISHERS if np.isnan(drove[name].lap_time)} == set()


def test_slow_medium_fast_and_fastest_are_in_that_order() -> None:
    drove = family("reinvent_2018")
    times = [drove[name].lap_time for name in ("slow", "medium", "fast", "racing_line", "fastest")]
    assert times == sorted(times, reverse=True)
    assert drove["slow"].rows["speed_command"].max() == pytest.approx(0.5)


@pytest.mark.parametrize("track", ["reinvent_2018", "vegas", "grand_prix"])
def test_nobody_is_faster_than_the_fastest(track: str) -> None:
    drove = family(track)
    assert (
        min(d.lap_time for d in drove.values() if not np.isnan(d.lap_time))
        == drove["fastest"].lap_time
    )


def test_the_weaving_driver_swings_from_side_to_side() -> None:
    drove = family("grand_prix")
    changes = np.count_nonzero(np.diff(np.sign(aside(drove["weaving"]))))
    assert np.ptp(aside(drove["weaving"])) > 0.3
    assert changes > 2.0 * 60.0 / 2.4 * 0.7
    assert aside(drove["weaving"]).std() > 1.5 * aside(drove["fast"]).std()


@pytest.mark.parametrize("track", ["reinvent_2018", "hot_rod_speedway"])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_edge_drivers_are_on_the_inner_and_the_outer_side(track: str, reverse: bool) -> None:
    drove = family(track, reverse=reverse)
    for name, near, far in (
        ("inner_edge", "inner_distance", "outer_distance"),
        ("outer_edge", "outer_distance", "inner_distance"),
    ):
        rows = drove[name].rows[40:]
        assert (rows[near] < rows[far]).mean() > 0.9
        assert np.median(rows[near]) < 0.5 * np.median(rows[far])


def test_the_cutting_driver_has_wheels_outside_but_never_all() -> None:
    for track in ("reinvent_2018", "hairpin_school", "vegas"):
        assert 1 <= family(track)["cutting"].fewest_wheels <= 2


def test_the_center_line_drivers_keep_all_wheels_on_the_road() -> None:
    for name in ("slow", "medium", "fast"):
        assert family("reinvent_2018")[name].fewest_wheels == 4


def test_who_stops_is_immobilized_halfway() -> None:
    d = family("reinvent_2018")["stopping"]
    assert d.status == Status.IMMOBILIZED
    assert 45.0 < d.completion < 60.0


def test_who_leaves_is_off_the_track_early() -> None:
    d = family("reinvent_2018")["leaving"]
    assert d.status == Status.OFF_TRACK
    assert d.completion < 25.0


def test_who_drives_in_circles_turns_round_and_gets_nowhere() -> None:
    d = family("skid_pad", "v5")["circling"]
    turned = np.abs(np.unwrap(d.rows["yaw"]) - d.rows["yaw"][0]).max()
    assert turned > np.pi
    assert np.isnan(d.lap_time)


def test_drives_are_those_of_the_simulator_step_by_step() -> None:
    d = drive(load_track("reinvent_2018"), "racing_line")
    roads, car = pack_tracks(d.tracks), car_table(V6, 1)
    state = d.rows[:1].copy()
    state["steps"], state["phase"] = 0, Phase.PREPARE
    for k in range(len(d.rows)):
        command = np.column_stack([d.rows["steer_command_deg"], d.rows["speed_command"]])[k : k + 1]
        row, state = step_cars(state, command, np.array([STEP_S]), roads, car, TRAINING)
        for name in ("x", "y", "yaw", "progress", "steps", "status"):
            assert row[name][0] == d.rows[name][k]


def test_the_first_row_is_the_prepare_step_and_params_follow() -> None:
    d = drive(load_track("oval"), "fast")
    told = build_params(d.rows, d.tracks)
    assert d.rows["phase"][0] == Phase.PREPARE
    assert [p["steps"] for p in told] == [float(k) for k in range(1, len(d.rows) + 1)]
    assert told[-1]["progress"] == 100
    assert d.lap_time == pytest.approx(len(d.rows) * STEP_S)


def test_a_mirrored_track_takes_as_long() -> None:
    track = load_track("reinvent_2018")
    one, other = (
        drive_all(road, ["fast", "racing_line", "outer_edge"]) for road in (track, track.mirrored())
    )
    for a, b in zip(one, other, strict=True):
        assert a.lap_time == pytest.approx(b.lap_time, abs=2.5 * STEP_S)
        assert aside(a)[20:60] == pytest.approx(-aside(b)[20:60], abs=0.05)


def test_of_a_discrete_action_space_only_its_actions_are_chosen() -> None:
    space = ActionSpace(False, (-30.0, -15.0, 0.0, 15.0, 30.0), (1.0, 1.5, 2.0, 1.5, 1.0))
    for d in drive_all(
        load_track("reinvent_2018"), ["slow", "fast", "stopping", "leaving"], action_space=space
    ):
        used = set(
            zip(d.rows["steer_command_deg"].tolist(), d.rows["speed_command"].tolist(), strict=True)
        )
        assert used <= set(zip(space.steering_deg, space.speed, strict=True))


def test_a_continuous_action_space_limits_commands() -> None:
    space = ActionSpace(True, (-20.0, 25.0), (0.8, 1.6))
    for d in drive_all(load_track("oval"), ["slow", "fast", "racing_line"], action_space=space):
        assert d.rows["steer_command_deg"].min() >= -20.0
        assert d.rows["steer_command_deg"].max() <= 25.0
        assert d.rows["speed_command"].min() >= 0.8
        assert d.rows["speed_command"].max() <= 1.6
        assert d.completion == 100.0


def test_two_laps_are_two_laps() -> None:
    d = drive(load_track("oval"), "fast", laps=2)
    assert np.count_nonzero(~np.isnan(d.rows["lap_time"])) == 2


def test_a_driver_is_the_same_alone_and_in_company() -> None:
    alone, together = drive(load_track("oval"), "weaving"), family("oval")["weaving"]
    assert np.array_equal(alone.rows["x"], together.rows["x"])


def test_an_unknown_driver_is_told_who_is_meant() -> None:
    with pytest.raises(UsageError, match="did you mean 'weaving'"):
        drive(load_track("oval"), "weeving")


@pytest.mark.parametrize("margin", [0.2, 0.1, -0.05])
def test_the_line_of_least_curvature_keeps_its_margin_and_bends_less(margin: float) -> None:
    corridor = build_rough_corridor(load_track("reinvent_2018"))
    line = relaxed_offsets(corridor, margin)
    assert (corridor.left - line).min() >= margin - 1e-9
    assert (corridor.right + line).min() >= margin - 1e-9
    bends = [np.square(np.diff(corridor.points_at(a), 2, axis=0)).sum() for a in (0.0, line)]
    assert bends[1] < 0.8 * bends[0]


def test_among_boxes_those_who_mind_them_come_round_and_the_others_crash():
    found = {d.name: d for d in drive_all(load_track("reinvent_2018"), obstacles="boxes")}
    assert {name for name, d in found.items() if d.lap_time > 0.0} == {"avoiding", "avoiding_fast"}
    assert found["fast"].status == Status.CRASHED
    assert found["avoiding_fast"].lap_time < found["avoiding"].lap_time
    assert found["fast"].obstacles(found["fast"].rows).shape == (len(found["fast"].rows), 6)


def test_drivers_mind_no_bot_cars():
    with pytest.raises(UsageError, match="not among bot cars"):
        drive_all(load_track("oval"), obstacles="bots")
