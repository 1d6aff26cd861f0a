"""Recorded steps, priced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.diagnostics import (
    RebuildProof,
    displaced_laps,
    log_replay,
    rank_laps,
    wrong_pair_fraction,
)
from racer.errors import RacerError
from racer.logs import schema
from racer.logs.to_state import state_rows
from racer.logs.track_matching import match_track
from racer.reward import RewardFunction, RewardRefused, load_reward
from racer.sim.params import build_params
from racer.track import route
from racer.track.track import Track

CENTER = """
def reward_function(params):
    share = params["distance_from_center"] / params["track_width"]
    return 1.0 if share <= 0.1 else 0.5 if share <= 0.25 else 0.1 if share <= 0.5 else 1e-3
"""
SCORED_WITH_IT = (
    "console22/eval0.csv.gz", "console22/eval1.csv.gz", "console22/leaderboard0.simtrace.log.gz",
    "console22/leaderboard1.simtrace.log.gz", "console22/training.csv.gz", "drfc3/eval0.csv.gz", "drfc3/eval1.csv.gz",
    "drfc3/eval2.csv.gz", "drfc3/worker0_training.csv.gz", "drfc3/worker1_training.csv.gz",
    "drfc3/worker2_training.csv.gz", "therayg20/training.simtrace.log.gz", "workshops20/training.csv.gz",
)  # fmt: skip

Written = Callable[[str], RewardFunction]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A function that loads a reward file of that text."""

    def load_text(text: str) -> RewardFunction:
        path = tmp_path / f"reward_{abs(hash(text))}.py"
        path.write_text(text, "utf-8")
        return load_reward(path)

    return load_text


@pytest.fixture(scope="session")
def real_tracks(shared_data: Path) -> list[Track]:
    return [
        route.load_route(path, keep_seam=True) for path in (shared_data / "tracks").rglob("*.npy")
    ]


@pytest.mark.parametrize("log", SCORED_WITH_IT)
def test_the_default_reward_is_recomputed_on_every_log_scored_with_it(
    shared_data: Path, real_tracks: list[Track], written: Written, log: str
) -> None:
    trace = logs.read_log(shared_data / "logs" / log).trace
    found = match_track(trace, real_tracks)
    assert found
    proof = log_replay.prove_rebuild(
        trace, log_replay.price_trace(trace, found.track, written(CENTER))
    )
    assert proof.fraction >= 0.999, proof
    assert proof.rows == log_replay.scored_rows(trace).sum() > 0.93 * len(trace)


def test_rewards_are_those_of_an_obvious_loop(ring: Track, drive, written: Written) -> None:
    text = """
seen = 0
def reward_function(params):
    global seen
    seen += 1
    return seen * 1000 + params["progress"] + params["heading"] / 1e3 + params["steering_angle"] / 1e6
"""
    trace = drive(episodes=5)
    expected = np.full(len(trace), np.nan)
    for k, p in enumerate(build_params(state_rows(trace, ring), [ring])):
        seen = 1 if trace["steps"].iloc[k] == 2 else seen + 1 if k else 0  # noqa: F821 the first row is step 1
        if trace["episode_status"].iloc[k] != "prepare":
            expected[k] = (
                seen * 1000 + p["progress"] + p["heading"] / 1e3 + p["steering_angle"] / 1e6
            )
    np.testing.assert_array_equal(log_replay.price_trace(trace, ring, written(text)), expected)


def test_pieces_of_a_long_log_are_cut_between_episodes(
    ring: Track, drive, written: Written, monkeypatch
) -> None:
    text = "seen = []\ndef reward_function(params):\n    seen.append(1)\n    return len(seen)\n"
    trace = drive(episodes=7)
    whole = log_replay.price_trace(trace, ring, written(text))
    monkeypatch.setattr(log_replay, "CHUNK_ROWS", 10)
    np.testing.assert_array_equal(log_replay.price_trace(trace, ring, written(text)), whole)


def test_held_rows_are_not_scored(ring: Track, drive, written: Written) -> None:
    trace = drive(episodes=1)
    words = trace["episode_status"].astype(object)
    words[5:8] = "pause"
    trace["episode_status"] = schema.to_status_category(words)
    rewards = log_replay.price_trace(
        trace, ring, written("def reward_function(params):\n    return params['steps']\n")
    )
    assert np.flatnonzero(np.isnan(rewards)).tolist() == [0, 5, 6, 7]
    assert np.array_equal(np.isfinite(rewards), log_replay.scored_rows(trace))


def test_a_log_without_a_scored_row_is_priced_with_nothing(
    ring: Track, drive, written: Written
) -> None:
    trace = drive(episodes=1).iloc[:1]
    rewards = log_replay.price_trace(trace, ring, written(CENTER))
    assert np.isnan(rewards).all()
    assert (
        str(log_replay.prove_rebuild(trace, rewards))
        == "no row is scored, so nothing can be compared"
    )
    assert log_replay.paid_laps(trace, rewards)["paid"].tolist() == [0.0]


def test_no_row_gives_no_lap(ring: Track, drive, written: Written) -> None:
    trace = drive().iloc[:0]
    table = rank_laps(
        log_replay.paid_laps(trace, log_replay.price_trace(trace, ring, written(CENTER)))
    )
    assert len(table) == 0
    assert {"paid", "pay", "scored", "clock_rank", "paid_rank"} <= set(table)


def test_a_refusal_names_the_row_of_the_log(ring: Track, drive, written: Written) -> None:
    text = "def reward_function(params):\n    return 1 / (params['progress'] < 30 or params['steps'] != 21)\n"
    with pytest.raises(
        RewardRefused, match=r"ZeroDivisionError.*\(episode \d, step 21 of the log\)$"
    ) as caught:
        log_replay.price_trace(drive(episodes=3), ring, written(text))
    assert "(car" not in str(caught.value)
    assert caught.value.params
    assert caught.value.params["steps"] == 21.0


def test_a_proof_counts_rows_and_names_the_first_that_differs(drive) -> None:
    trace = drive(episodes=2)
    rewards = np.where(log_replay.scored_rows(trace), trace["reward"], np.nan)
    assert log_replay.prove_rebuild(trace, rewards).holds
    log_replay.require_proof(log_replay.prove_rebuild(trace, rewards), "a.py")
    rewards[10] += 0.5
    rewards[12] = np.inf  # what is not finite was not priced
    proof = log_replay.prove_rebuild(trace, rewards)
    assert (proof.rows, proof.equal) == (
        log_replay.scored_rows(trace).sum() - 1,
        log_replay.scored_rows(trace).sum() - 2,
    )
    assert str(proof).endswith(
        "the first that differs: episode 0, step 11, logged 0.333333, priced 0.833333"
    )
    assert not proof.holds


def test_a_proof_that_fails_says_what_to_look_for() -> None:
    with pytest.raises(RacerError, match=r"not those of a\.py: 50\.00% of 10 scored rows .* --own"):
        log_replay.require_proof(RebuildProof(10, 5, 1, 2.0, 0.1, 0.2), "a.py")


def test_a_proof_leaves_races_out_when_there_is_training(drive) -> None:
    trace = drive(episodes=2)
    trace["phase"] = np.where(trace["episode"] == 0, "evaluation", "training")
    rewards = np.where(trace["episode"] == 1, trace["reward"], 77.0)
    assert log_replay.prove_rebuild(trace, rewards).fraction == 1.0
    trace["phase"] = "evaluation"
    assert log_replay.prove_rebuild(trace, rewards).fraction < 1.0


def test_complete_laps_rank_by_time_and_before_all_others() -> None:
    table = pd.DataFrame(
        {
            "complete": [False, True, True, False, True],
            "completion": [99.0, 100.0, 100.0, 5.0, 100.0],
            "time": [3.0, 12.0, 10.0, 1.0, 12.0],
            "pay": [1.0, 5.0, 4.0, 9.0, 0.0],
        }
    )
    found = rank_laps(table)
    assert found["clock_rank"].tolist() == [4.0, 2.5, 1.0, 5.0, 2.5]
    assert found["paid_rank"].tolist() == [4.0, 2.0, 3.0, 1.0, 5.0]


def test_wrong_pairs_are_those_of_two_loops() -> None:
    random = np.random.default_rng(5)
    table = pd.DataFrame(
        {"clock_rank": random.integers(0, 6, 30).astype(float), "pay": random.integers(0, 6, 30)}
    )
    clock, paid = table["clock_rank"], table["pay"]
    pairs = [(i, j) for i in range(30) for j in range(30) if clock[i] < clock[j]]
    wrong = sum(paid[i] < paid[j] for i, j in pairs)
    assert wrong_pair_fraction(table) == pytest.approx(wrong / len(pairs))
    assert np.isnan(wrong_pair_fraction(table[:1]))


def test_displaced_laps_come_farthest_first_and_without_those_in_place() -> None:
    table = pd.DataFrame({"clock_rank": [1.0, 2.0, 3.0, 4.0], "paid_rank": [1.0, 4.0, 2.0, 3.0]})
    assert displaced_laps(table)["shift"].tolist() == [-2.0, 1.0, 1.0]
    assert displaced_laps(table, count=1).index.tolist() == [1]
