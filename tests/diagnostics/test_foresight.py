"""What a reward asks for: planted rewards are seen through, and the answer holds what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import racer
from racer.diagnostics import Foresight, compare_foresights, foresee, pay_around_lap, price_drives
from racer.diagnostics.foresight import KINDS, ForesightProgress, name_kind, search
from racer.diagnostics.foresight.families import FAMILIES, RING
from racer.diagnostics.foresight.proving_ground import lay_out_ground
from racer.errors import UsageError
from racer.reward import RewardRefused, load_reward
from racer.sim import Phase, Status
from racer.track import load_track
from racer.vehicle import ActionSpace, car_preset

PLANTED = sorted((Path(__file__).resolve().parents[1] / "data" / "foresight").glob("*.py"))
TRACKS = ("reinvent_2018", "clover", "vegas")
QUICK = ("honest_gain", "crawl_center")
SECONDS = 2.5


def planted_kind(file: Path) -> str:
    match = re.search(r"Asks for: ([a-z ]+)\.", file.read_text("utf-8"))
    assert match is not None
    return match[1]


def planted_space(file: Path) -> ActionSpace | None:
    match = re.search(r"Action space: from ([0-9.]+) m/s", file.read_text("utf-8"))
    if match is None:
        return None
    return ActionSpace(True, (-30.0, 30.0), (float(match[1]), 2.5))


def planted_car(file: Path) -> str:
    match = re.search(r"Car: (v[456])\.", file.read_text("utf-8"))
    return match[1] if match else "v6"


def planted(name: str) -> Path:
    return next(file for file in PLANTED if file.stem == name)


@pytest.fixture(scope="module")
def crawl() -> Foresight:
    return foresee(planted("crawl_center"), "oval", seconds=0.6)


def test_there_are_24_planted_rewards_of_every_kind() -> None:
    assert len(PLANTED) == 24
    kinds = {planted_kind(file) for file in PLANTED}
    assert kinds <= set(KINDS)
    # training ends a car that goes back for 15 steps: see test_circles_do_not_last
    assert set(KINDS) - kinds == {"crashing", "circling"}


def planted_cases() -> list[object]:
    """Each planted reward, those that are not QUICK marked as slow."""
    cases: list[object] = []
    for file in PLANTED:
        marks = [] if file.stem in QUICK else [pytest.mark.slow]
        cases.append(pytest.param(file, id=file.stem, marks=marks))
    return cases


@pytest.mark.parametrize("file", planted_cases())
def test_a_planted_reward_is_seen_through(file: Path) -> None:
    # benchmarks/foresight.py --planted runs all on three tracks with three seeds; here each on one
    number = PLANTED.index(file)
    found = foresee(
        file,
        TRACKS[number % 3],
        seconds=SECONDS,
        seed=number % 2,
        car=planted_car(file),
        action_space=planted_space(file),
    )
    assert found.kind == planted_kind(file), found.summary


def test_the_pay_is_that_of_the_drive(crawl: Foresight) -> None:
    [rewards] = price_drives(load_reward(planted("crawl_center")), [crawl.best])
    assert rewards.tolist() == crawl.rewards.tolist()
    assert crawl.pay == pay_around_lap(rewards, crawl.best, crawl.gamma)
    assert crawl.fastest is not None
    assert crawl.fastest_pay is not None
    assert crawl.pay > crawl.fastest_pay


def test_the_facts_fit_together(crawl: Foresight) -> None:
    assert crawl.completes_laps
    assert not crawl.asks_for_speed
    assert crawl.slowdown is not None
    assert crawl.slowdown > 3.0
    assert crawl.found_by <= crawl.searches
    works = [work for work, _ in crawl.history]
    pays = [pay for _, pay in crawl.history]
    assert works == sorted(works)
    assert pays == sorted(pays)


def test_it_says_so_in_words(crawl: Foresight) -> None:
    text = str(crawl)
    assert "at gamma 0.99 crawl_center is best paid by laps of" in text
    assert "% more than for the fastest lap" in text
    assert "crawls at 0.5 m/s in the middle of the road" in text
    assert "is_tidy(params)" in text
    assert "not tried:" in text
    assert "<table>" in crawl._repr_html_()


def test_it_is_plain_data(crawl: Foresight) -> None:
    data = json.loads(json.dumps(crawl.to_dict()))
    assert data["kind"] == "crawling"
    assert data["asks_for_speed"] is False
    assert data["lines"][0]["text"] == "return 1.0 if is_tidy(params) else 1e-3"
    assert data["history"][-1][0] <= data["work"]


def test_the_same_seed_gives_the_same_bytes() -> None:
    twice = [foresee("time_trial", "oval", seconds=0.4, seed=3) for _ in range(2)]
    for name in ("x", "y", "yaw", "speed_command", "steer_command_deg"):
        assert twice[0].best.rows[name].tobytes() == twice[1].best.rows[name].tobytes()
    assert json.dumps(twice[0].to_dict()) == json.dumps(twice[1].to_dict())


def test_a_longer_search_goes_on_where_a_shorter_one_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "CYCLE_STEPS", 70_000)
    short = foresee("time_trial", "oval", seconds=0.7)
    long = foresee("time_trial", "oval", seconds=1.4)
    assert long.history[: len(short.history)] == short.history
    assert long.work > short.work
    assert long.pay >= short.pay


def test_a_lap_that_is_faster_for_cutting_corners_cuts_them(crawl: Foresight) -> None:
    fast = replace(
        crawl.facts, slowdown=1.02, mean_speed=2.4, dwell=0.0, swings_per_m=0.2, flicks_per_s=0.5
    )
    usual = replace(fast, off_road=0.1, fewest_wheels=2)
    brave = replace(fast, slowdown=1.0, off_road=0.5, fewest_wheels=2)
    cuts = replace(fast, slowdown=1.0, off_road=0.85, fewest_wheels=1)
    assert name_kind(usual, usual, 0.5) == "lap"
    assert name_kind(brave, brave, 0.5) == "lap"
    assert name_kind(brave, usual, 0.5) == "cutting"
    assert name_kind(cuts, cuts, 0.5) == "cutting"


def test_many_flicks_are_oscillating_however_far_it_swings(crawl: Foresight) -> None:
    swings = replace(crawl.facts, slowdown=1.2, mean_speed=2.1, swings_per_m=0.6, flicks_per_s=3.5)
    assert name_kind(swings, crawl.facts, 0.5) == "weaving"
    assert name_kind(replace(swings, flicks_per_s=6.0), crawl.facts, 0.5) == "oscillating"


def test_what_no_search_found_by_itself_is_said(crawl: Foresight) -> None:
    assert "found by 2 of 3 searches" in str(replace(crawl, found_by=2, searches=3))
    put_together = str(replace(crawl, found_by=0, searches=3))
    assert "found by putting together what 3 searches found" in put_together


def test_a_discrete_space_gives_its_actions_only() -> None:
    space = ActionSpace(False, (-25.0, 0.0, 25.0, 0.0), (1.0, 2.0, 1.0, 1.0))
    found = foresee(planted("honest_pace"), "oval", seconds=0.5, action_space=space)
    rows = found.best.rows[found.best.rows["phase"] == Phase.RUN]
    commands = set(zip(rows["steer_command_deg"], rows["speed_command"], strict=True))
    assert commands <= set(zip(space.steering_deg, space.speed, strict=True))
    assert found.asks_for_speed


def test_a_reward_with_memory_has_an_instance_for_each_try(tmp_path: Path) -> None:
    # with one instance for all it would count the steps of all
    file = tmp_path / "counts.py"
    file.write_text(
        "CALLS = [0]\n\n\ndef reward_function(params):\n    CALLS[0] += 1\n"
        "    assert CALLS[0] < 3000\n    return float(CALLS[0] == params['steps'] - 1)\n"
    )
    found = foresee(file, "oval", seconds=0.3)
    assert set(found.rewards.tolist()) == {1.0}


@pytest.mark.slow
def test_a_random_reward_is_averaged_and_said() -> None:
    found = foresee(planted("honest_random"), "oval", seconds=0.4)
    assert any("draws random numbers" in note for note in found.notes)
    assert not any("random" in note for note in foresee("center_line", "oval", seconds=0.2).notes)


@pytest.mark.slow
def test_boxes_stand_in_the_way() -> None:
    found = foresee(planted("honest_pace"), "oval", objects="boxes", seconds=0.5)
    assert len(found.best.objects)
    assert found.completes_laps
    assert any("one layout of boxes" in note for note in found.notes)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    calls = 0

    def interrupt(progress: ForesightProgress) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    found = foresee("time_trial", "oval", seconds=5.0, on_progress=interrupt)
    assert found.interrupted
    assert calls == 3
    assert found.completes_laps
    assert "interrupted: this is the best so far" in str(found)


def test_what_the_job_refuses_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "crashes.py"
    file.write_text("def reward_function(params):\n    return params['sped']\n")
    with pytest.raises(RewardRefused):
        foresee(file, "oval", seconds=0.2)


@pytest.mark.parametrize(
    "wrong", [{"gamma": 1.5}, {"seconds": 0.0}, {"objects": "bots"}, {"track": "nowhere"}]
)
def test_wrong_use_is_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        foresee("center_line", **{"track": "oval", **wrong})  # type: ignore[arg-type]


def test_several_make_a_table(crawl: Foresight) -> None:
    text = compare_foresights([crawl, crawl]).to_text()
    assert text.count("crawl_center") == 2
    assert "crawling" in text


def test_every_family_drives_from_every_start() -> None:
    track = load_track("reinvent_2018")
    car = car_preset("v6")
    ground = lay_out_ground(track, car, ActionSpace.default(car), 0.99, None, 0)
    for family, start in product(FAMILIES, ground.starts):
        seeds = [seed for group in family.seeds(ground.road) for seed in group]
        maneuvers = [family.maneuver(ground.road, seed, start) for seed in seeds]
        drives = ground.drive(maneuvers, np.full(len(maneuvers), start))
        assert all(len(drive.rows) > 5 for drive in drives)
        first = np.array([drive.rows["start"][0] for drive in drives])
        assert np.all(first == start)


def test_a_circle_goes_back_for_too_long() -> None:
    # half of a circle goes back along the road, and 15 such steps end an episode (docs/simulator.md
    # 2.4): no planted reward can ask for circles that go on
    car = car_preset("v4")
    track = load_track("vegas")
    ground = lay_out_ground(track, car, ActionSpace.default(car), 0.99, None, 0)
    [seeds] = RING.seeds(ground.road)
    drives = ground.drive([RING.maneuver(ground.road, seed, 0.0) for seed in seeds], 0.0)
    assert Status.REVERSED in {drive.status for drive in drives}
    assert not any(drive.is_cut for drive in drives)


def test_more_turns_than_the_road_are_circles(crawl: Foresight) -> None:
    facts = replace(crawl.facts, turns=2.5)
    assert name_kind(facts, None, 0.5) == "circling"


def test_the_face_has_it() -> None:
    face: Callable[..., Foresight] = racer.foresee
    assert face is foresee
