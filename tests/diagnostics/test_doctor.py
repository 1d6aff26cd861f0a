"""`racer.doctor`: each symptom is planted in a training that is made here, and found; a healthy one
is not accused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import racer
from racer.analysis import corner_numbers, corner_sectors
from racer.diagnostics import Diagnosis
from racer.diagnostics.checkup.case import open_case
from racer.diagnostics.checkup.driving import find_passages
from racer.errors import UsageError
from racer.logs import Job, KnownTracks, Log, Source, find_log_track, read_log
from racer.logs.schema import TRACE_COLUMNS, episode_ids, normalize_trace
from racer.track import Track, load_track
from racer.vehicle import ActionSpace

EPISODES = 20  # in an iteration
STEP_S = 1.0 / 15.0


@dataclass(frozen=True)
class Lap:
    """An episode: where it begins and how much it covers, fractions of a lap; m/s; its reward."""

    start: float = 0.0
    covered: float = 1.0
    speed: float = 2.0
    reward: float = 100.0


def oval() -> Track:
    return load_track("oval")


def episode_rows(track: Track, lap: Lap, number: int, rng: np.random.Generator) -> pd.DataFrame:
    """The steps of an episode along the center line; actions 0 to 2 in turn."""
    distance = np.arange(0.0, lap.covered * track.length, lap.speed * STEP_S)
    distance = np.append(distance, lap.covered * track.length)
    s = np.mod(lap.start * track.length + distance, track.length)
    xy = [np.interp(s, track.s, track.center[:, axis]) for axis in (0, 1)]
    count = len(s)
    is_whole = lap.covered >= 1.0
    action = rng.integers(0, 3, count)
    rows = {
        "episode": number,
        "steps": np.arange(1.0, count + 1.0),
        "X": xy[0],
        "Y": xy[1],
        "yaw": 0.0,
        "steer": np.array([-20.0, 0.0, 20.0])[action],
        "throttle": lap.speed,
        "action": action,
        "reward": lap.reward / count,
        "done": np.arange(count) == count - 1,
        "all_wheels_on_track": True,
        "progress": np.minimum(100.0 * distance / track.length, 100.0),
        "closest_waypoint": np.searchsorted(track.s, s) % (len(track.center) - 1),
        "track_len": track.length,
        "tstamp": 100.0 * number + np.arange(1.0, count + 1.0) * STEP_S,
        "episode_status": ["in_progress"] * (count - 1)
        + ["lap_complete" if is_whole else "off_track"],
        "pause_duration": 0.0,
        "obstacle_crash_counter": 0.0,
        "wall_clock": 1.7e9 + 100.0 * number,
    }
    return pd.DataFrame(rows)[list(TRACE_COLUMNS)]


def training(laps: Sequence[Lap], job: Job | None = None, phase: str = "training") -> Log:
    """A log of these laps, EPISODES to an iteration."""
    rng = np.random.default_rng(0)
    track = oval()
    rows = [episode_rows(track, lap, number, rng) for number, lap in enumerate(laps)]
    trace = normalize_trace(pd.concat(rows, ignore_index=True))
    trace = trace.assign(source=0, phase=phase, episode_id=episode_ids(trace))
    trace["iteration"] = trace["episode"] // EPISODES
    return Log(trace, (Source("all.csv", phase, 19, len(trace)),), (), job or Job())


def healthy_laps(iterations: int = 12) -> list[Lap]:
    """Laps that begin all around the track; one in twenty ends, somewhere."""
    rng = np.random.default_rng(1)
    laps = []
    for k in range(iterations * EPISODES):
        covered = 1.0 if rng.random() < 0.95 else float(rng.uniform(0.1, 0.9))
        laps.append(Lap(start=0.05 * k % 1.0, covered=covered, speed=float(rng.normal(2.0, 0.05))))
    return laps


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [symptom.kind for symptom in diagnosis.symptoms]


def doctored(laps: Sequence[Lap], job: Job | None = None) -> Diagnosis:
    return racer.doctor(training(laps, job), oval())


def test_a_healthy_training_is_not_accused() -> None:
    diagnosis = doctored(healthy_laps())
    assert diagnosis.symptoms == ()
    assert diagnosis.headline.endswith("nothing found that holds it back")
    assert diagnosis.completion > 90.0


def test_a_healthy_race_is_not_accused() -> None:
    log = training(healthy_laps(2)[:20], phase="evaluation")
    assert racer.doctor(log, oval()).symptoms == ()


def ending_at(corner: int, fraction: float) -> list[Lap]:
    """Laps that end in the middle of a corner's sector, as many of those that come to it."""
    rng = np.random.default_rng(2)
    track = oval()
    sector = corner_sectors(track)[corner]
    middle = (sector.start + 0.5 * sector.length(track.length)) / track.length
    laps = []
    for lap in healthy_laps():
        to_middle = (middle - lap.start) % 1.0
        if rng.random() < fraction and to_middle < lap.covered:
            lap = replace(lap, covered=to_middle)
        laps.append(lap)
    return laps


@pytest.mark.parametrize("corner", [0, 1])
def test_a_corner_that_was_never_learned_is_named_with_what_it_costs(corner: int) -> None:
    diagnosis = doctored(ending_at(corner, 0.7))
    [symptom] = diagnosis.symptoms
    assert symptom.title == f"corner T{corner + 1} was never learned"
    without = np.mean([100.0 * lap.covered for lap in healthy_laps()[-4 * EPISODES :]])
    assert symptom.cost.points == pytest.approx(without - diagnosis.completion, abs=8.0)


def test_a_corner_that_ends_some_laps_is_not_called_never_learned() -> None:
    [symptom] = doctored(ending_at(1, 0.35)).symptoms
    assert symptom.title.startswith("corner T2 ends ")


def test_corners_without_endings_promise_nothing() -> None:
    log = training(healthy_laps())
    case = open_case(log, oval(), None)
    passages = find_passages(case, case.recent)
    assert passages is not None
    whole = np.ones(len(passages.names))
    assert passages.expected_completion(whole) == pytest.approx(100.0)
    assert passages.came.sum() > 0
    places = corner_numbers(oval(), np.array([0.0, oval().length / 2]))
    assert set(places.tolist()) <= set(range(len(passages.names)))


def test_laps_that_end_everywhere_are_no_corners_fault() -> None:
    rng = np.random.default_rng(3)
    laps = [Lap(0.05 * k % 1.0, float(rng.uniform(0.02, 0.15))) for k in range(12 * EPISODES)]
    assert "everywhere" in kinds(doctored(laps))


def test_a_training_of_few_iterations_that_does_not_lap_has_hardly_begun() -> None:
    rng = np.random.default_rng(3)
    laps = [Lap(0.05 * k % 1.0, float(rng.uniform(0.02, 0.15))) for k in range(3 * EPISODES)]
    diagnosis = doctored(laps)
    assert diagnosis.symptoms[0].title == (
        "it has hardly begun: 3 iterations are too few to learn a lap"
    )
    assert "everywhere" not in kinds(diagnosis)


def test_a_training_from_one_place_that_loses_the_rest_of_the_road() -> None:
    rng = np.random.default_rng(4)
    laps = []
    for _ in range(12 * EPISODES):
        covered = float(rng.uniform(0.6, 0.66))
        laps.append(Lap(0.02 * rng.random(), covered))
    assert "seldom driven" in kinds(doctored(laps))
    moved = [replace(lap, start=k * 0.05 % 1.0) for k, lap in enumerate(laps)]
    assert "seldom driven" not in kinds(doctored(moved))


def test_laps_that_still_improve_ended_too_early() -> None:
    rng = np.random.default_rng(5)
    laps = []
    for k, lap in enumerate(healthy_laps(20)):
        covered = min(1.0, 0.2 + 0.75 * k / (20 * EPISODES) + 0.1 * rng.random())
        laps.append(replace(lap, covered=covered))
    diagnosis = doctored(laps)
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "still improving"]
    assert 0.0 < (symptom.cost.points or 0.0) <= 100.0 - diagnosis.completion + 1e-9


def test_a_training_that_forgot_is_said_to_have_lost_it() -> None:
    laps = healthy_laps(20)
    for k in range(14 * EPISODES, len(laps)):
        laps[k] = replace(laps[k], covered=0.3)
    diagnosis = doctored(laps)
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "collapse"]
    assert symptom.cost.points == pytest.approx(68.0, abs=6.0)


def test_reward_that_rises_while_laps_get_slower_disagrees_with_the_clock() -> None:
    laps = []
    for k, lap in enumerate(healthy_laps(24)):
        is_late = k > 10 * EPISODES
        laps.append(
            replace(
                lap,
                covered=1.0,
                speed=lap.speed * (0.7 if is_late else 1.0),
                reward=150.0 if is_late else 100.0,
            )
        )
    [symptom] = doctored(laps).symptoms
    assert symptom.kind == "reward"
    length = oval().length
    assert symptom.cost.seconds == pytest.approx(length / 1.4 - length / 2.0, rel=0.15)


def entropy_job(entropies: Sequence[float], space: ActionSpace | None = None) -> Job:
    count = len(entropies)
    ppo = pd.DataFrame({"iteration": np.arange(count), "epoch": 0, "entropy": entropies})
    return Job(ppo=ppo, action_space=space)


def test_entropy_that_is_gone_is_named_with_its_iteration_where_laps_lack_something() -> None:
    gone = [1.0] * 6 + [0.01] * 6
    rng = np.random.default_rng(6)
    laps = [replace(lap, covered=float(rng.uniform(0.5, 0.9))) for lap in healthy_laps()]
    diagnosis = doctored(laps, entropy_job(gone))
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "no entropy"]
    assert "gone at iteration 6" in symptom.title


def test_entropy_that_is_gone_at_the_end_of_a_good_training_costs_nothing() -> None:
    laps = [replace(lap, covered=1.0, speed=2.0) for lap in healthy_laps()]
    assert doctored(laps, entropy_job([1.0] * 6 + [0.01] * 6)).symptoms == ()


def with_action(log: Log, action: int, every: int) -> Log:
    """The log, with one action in all but one in `every` steps."""
    trace = log.trace.copy()
    is_it = np.arange(len(trace)) % every > 0
    trace.loc[is_it, "action"] = action
    trace.loc[is_it, "steer"] = 20.0
    return replace(log, trace=trace)


def test_an_action_that_is_all_a_policy_does_is_named() -> None:
    rng = np.random.default_rng(7)
    laps = [replace(lap, covered=float(rng.uniform(0.3, 0.9))) for lap in healthy_laps()]
    diagnosis = racer.doctor(with_action(training(laps), 2, 12), oval())
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "one action"]
    assert symptom.title.startswith("it takes action 2 (+20°")


SPACE = ActionSpace(False, (-20.0, 0.0, 20.0, 0.0, 20.0), (2.0, 2.0, 2.0, 4.0, 3.5))
"""Three actions that the laps above take, and two fast ones that they do not."""


@pytest.mark.slow
def test_unused_actions_cost_what_a_lap_takes_longer_without_them() -> None:
    job = Job(action_space=SPACE, car="v6")
    laps = [replace(lap, covered=1.0) for lap in healthy_laps()]
    diagnosis = doctored(laps, job)
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "unused action"]
    assert symptom.title.startswith("2 actions, 3 (+0°, 4 m/s), 4 (+20°, 3.5 m/s)")
    assert (symptom.cost.seconds or 0.0) > 1.0
    assert "actions" not in kinds(diagnosis)  # with the fast ones the space is good


@pytest.mark.slow
def test_actions_that_cannot_drive_the_tightest_bend_are_named_with_it() -> None:
    space = ActionSpace(False, (-3.0, 0.0, 3.0), (2.0, 2.0, 2.0))
    rng = np.random.default_rng(8)
    laps = [replace(lap, covered=float(rng.uniform(0.2, 0.9))) for lap in healthy_laps()]
    diagnosis = doctored(laps, Job(action_space=space, car="v6"))
    [symptom] = [symptom for symptom in diagnosis.symptoms if symptom.kind == "actions"]
    assert "none drives the tightest bend, T" in symptom.title


def test_what_the_reward_pays_best_is_looked_at_where_it_is_named() -> None:
    log = training([replace(lap, covered=1.0) for lap in healthy_laps()])
    diagnosis = racer.doctor(log, oval(), reward="center_line", car="v6", seconds=0.5)
    assert kinds(diagnosis) == ["foreseen reward"]
    assert (diagnosis.symptoms[0].cost.seconds or 0.0) > 5.0
    quick = racer.doctor(log, oval(), reward="progress_gained", car="v6", seconds=0.5)
    assert quick.foresight is not None
    assert quick.foresight.asks_for_speed
    assert kinds(quick) == []


def test_the_costliest_is_the_first_and_only_three_are_shown() -> None:
    rng = np.random.default_rng(9)
    laps = [replace(lap, covered=float(rng.uniform(0.1, 0.9))) for lap in ending_at(0, 0.9)]
    gone = entropy_job([1.0] * 6 + [0.01] * 6)
    diagnosis = racer.doctor(with_action(training(laps, gone), 2, 12), oval())
    costs = [symptom.cost.fraction(diagnosis.lap_s) for symptom in diagnosis.symptoms]
    assert costs == sorted(costs, reverse=True)
    assert len(diagnosis.shown) <= 3
    assert diagnosis.to_dict()["symptoms"][0]["fraction"] == costs[0]
    text = str(diagnosis)
    for symptom in diagnosis.shown:
        assert symptom.title in text


def test_a_log_of_an_unknown_track_says_what_was_not_looked_at(
    drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = drive(episodes=4)
    diagnosis = racer.doctor(Log(trace.assign(source=0, phase="evaluation"), ()))
    assert diagnosis.track is None
    assert any("the track is unknown" in note for note in diagnosis.notes)


def test_a_log_without_a_lap_is_wrong_use(drive) -> None:
    trace = drive(episodes=1).iloc[:0]
    with pytest.raises(UsageError, match="no lap"):
        racer.doctor(Log(trace, ()), oval())


REAL = {
    "console22": ("still improving", {"actions", "everywhere", "corner"}),
    "workshops20": ("actions", set()),
    "therayg20": ("too short", {"corner"}),
    "droa26_cont": ("still improving", {"corner", "everywhere"}),
    "lg_champ22": ("too short", {"corner"}),
}
"""What is found first in real logs, and what else may be."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_trainings_are_diagnosed(shared_data: Path, name: str) -> None:
    log = read_log(shared_data / "logs" / name)
    known = list(KnownTracks(shared_data / "tracks"))
    length = log.trace["track_len"].round(2)
    track = find_log_track(log.trace[length == length.mode().iloc[0]], "", known).track
    first, others = REAL[name]
    found = kinds(racer.doctor(log, track))
    assert found[0] == first
    assert set(found[1:]) <= others


def test_a_real_training_that_laps_well_is_not_accused(shared_data: Path) -> None:
    log = read_log(shared_data / "logs" / "lg_rb22")
    known = list(KnownTracks(shared_data / "tracks"))
    diagnosis = racer.doctor(log, find_log_track(log.trace, "", known).track)
    assert diagnosis.track is not None
    assert diagnosis.symptoms == ()
