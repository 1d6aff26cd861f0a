"""Logs beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import track as tracks
from racer.analysis import comparison, laps
from racer.analysis.compared_logs import ComparedLog, joined_side, joined_sides
from racer.analysis.comparison import compare, compare_laps
from racer.analysis.pairs import POLICIES, REWARDS
from racer.analysis.units import RUNS, Units, joint_differences, time_difference
from racer.errors import UsageError
from racer.logs import read_log, write_csv
from racer.track.track import Track


@pytest.fixture
def side(drive, ring):
    """A function that makes a side of laps of given steps (m a row), which set lap times."""

    def make(
        name: str,
        steps: list[float],
        track: Track | None = ring,
        ends: tuple[float, ...] = (100.0,),
    ) -> ComparedLog:
        parts = [
            drive(track=ring, episodes=1, step=step, ends=(ends[k % len(ends)],))
            for k, step in enumerate(steps)
        ]
        trace = pd.concat(
            [part.assign(episode=k) for k, part in enumerate(parts)], ignore_index=True
        )
        return ComparedLog(name, trace, laps(trace), track)

    return make


STEPS = np.linspace(0.19, 0.21, 12).tolist()
FASTER = [step * 1.05 for step in STEPS]


def test_the_faster_one_is_named_with_its_interval_and_its_laps(side) -> None:
    [pair] = compare_laps([side("A", STEPS), side("B", FASTER)]).pairs
    assert pair.time.high < 0.0 < pair.complete_laps[1] == 12
    gap = abs(pair.time.value)
    low, high = sorted((-pair.time.high, -pair.time.low))
    words = f"B is faster by {gap:.2f} s (95 % interval {low:.2f} to {high:.2f}), 12 against 12 complete laps"
    assert pair.sentence == words
    assert (
        compare_laps([side("B", FASTER), side("A", STEPS)])
        .pairs[0]
        .sentence.startswith("A is slower by")
    )


def test_the_same_laps_say_nothing(side) -> None:
    [pair] = compare_laps([side("A", STEPS), side("B", STEPS[::-1])]).pairs
    assert pair.sentence.startswith(
        "nothing can be said: B was 0.00 s slower than A here (95 % interval -"
    )
    assert pair.completion_sentence == ""


def test_few_complete_laps_say_nothing(side) -> None:
    [pair] = compare_laps([side("A", STEPS), side("B", FASTER[:3])]).pairs
    assert (
        pair.sentence
        == "nothing can be said of the lap times of B and A: 3 against 12 complete laps"
    )


def test_no_complete_lap_is_compared_by_completion_alone(side) -> None:
    found = compare_laps([side("A", STEPS), side("B", STEPS, ends=(40.0,))])
    [pair] = found.pairs
    assert pair.sentence.endswith("0 against 12 complete laps")
    assert pair.completion_sentence.startswith(
        "B completes fewer laps: 0 of 12 against 12 of 12 (95 % interval "
    )
    assert found.profiles == {}
    assert np.isnan(found.table["median"].iloc[1])


def test_the_table_has_a_row_a_side(side) -> None:
    table = compare_laps([side("A", STEPS, ends=(100.0, 100.0, 40.0)), side("B", FASTER)]).table
    assert table["laps"].tolist() == [12, 12]
    assert table["complete"].tolist() == [8, 12]
    assert table["completion"].tolist() == pytest.approx([80.0, 100.0])
    assert (table["median_low"] <= table["median"]).all()
    assert (table["best"] <= table["median"]).all()
    assert "best_low" not in table
    assert table["unit"].tolist() == ["laps", "laps"]


def test_every_two_of_several_are_compared(side) -> None:
    found = compare_laps([side("A", STEPS), side("B", FASTER), side("C", STEPS)])
    assert [(pair.reference, pair.other) for pair in found.pairs] == [
        ("A", "B"),
        ("A", "C"),
        ("B", "C"),
    ]
    assert set(found.sectors["name"]) == {"B", "C"}


def test_time_is_won_where_the_car_was_faster(drive) -> None:
    road = tracks.load_track("oval")
    slow, fast = (drive(track=road, episodes=8, step=step, ends=(100.0,)) for step in (0.2, 0.2))
    early = (fast["progress"] > 0) & (np.mod(fast["progress"] + 20 * fast["episode"], 100) < 20)
    fast = fast[~early | (fast["steps"] % 2 == 0)].reset_index(
        drop=True
    )  # twice as fast in the first fifth of the track
    fast["steps"] = fast.groupby("episode").cumcount() + 1.0
    fast["tstamp"] = 6.0 + (np.arange(len(fast)) + fast["episode"]) / 15.0
    found = compare_laps(
        [ComparedLog("A", slow, laps(slow), road), ComparedLog("B", fast, laps(fast), road)]
    )
    profile = found.profiles["B"]
    won = profile.loc[profile["distance"] <= 0.2 * road.length, "delta"].iloc[-1]
    expected = -0.5 * 0.2 * road.length / (0.2 * 15)
    assert won == pytest.approx(expected, abs=0.1)
    assert profile["delta"].iloc[-1] == pytest.approx(expected, abs=0.15)
    best = found.sectors.loc[found.sectors["difference"].idxmin()]
    assert best["sector"] == "T1"
    assert comparison.describe_gains(found.sectors, "B").startswith(
        f"B wins {abs(best['difference']):.2f} s at T1"
    )


def test_the_delta_ends_with_the_difference_of_the_medians(side) -> None:
    found = compare_laps([side("A", STEPS), side("B", FASTER)])
    assert found.profiles["A"]["delta"].abs().max() == 0.0
    assert found.profiles["B"]["delta"].iloc[-1] == pytest.approx(
        found.pairs[0].time.value, abs=0.05
    )
    assert found.profiles["A"]["time"].sum() == pytest.approx(
        found.table["median"].iloc[0], abs=0.05
    )


def test_without_a_track_laps_from_one_place_are_compared_by_equal_sectors(side) -> None:
    found = compare_laps([side("A", STEPS, track=None), side("B", FASTER, track=None)])
    assert found.sectors["sector"].tolist() == [f"S{k}" for k in range(1, 7)]
    assert found.sectors["difference"].sum() == pytest.approx(found.pairs[0].time.value, abs=0.05)


def test_without_a_track_laps_from_all_around_it_are_not(drive) -> None:
    trace = drive(episodes=10, ends=(100.0,))
    found = compare_laps(
        [ComparedLog("A", trace, laps(trace)), ComparedLog("B", trace, laps(trace))]
    )
    assert len(found.sectors) == 0
    assert found.profiles == {}


def test_logs_of_different_tracks_are_refused(side, drive) -> None:
    road = tracks.load_track("oval")
    other = drive(track=road)
    with pytest.raises(
        UsageError, match=r"A was driven on a track of 18.84 m, B on one of 19.\d+ m"
    ):
        compare_laps([side("A", STEPS), ComparedLog("B", other, laps(other), road)])


def test_a_clock_that_stands_still_has_no_profile(side) -> None:
    stopped = side("B", STEPS)
    trace = stopped.trace.assign(tstamp=5.0)
    found = compare_laps([side("A", STEPS), ComparedLog("B", trace, laps(trace), stopped.track)])
    assert found.profiles == {}
    assert found.pairs[0].time.value < -4.0


def test_a_track_without_length_is_refused(side) -> None:
    trace = side("B", STEPS).trace.assign(track_len=0.0)
    with pytest.raises(UsageError, match="B says that its track is 0 m long"):
        compare_laps([side("A", STEPS), ComparedLog("B", trace, laps(trace))])


def test_one_log_is_no_comparison(side) -> None:
    with pytest.raises(UsageError, match="needs two"):
        compare_laps([side("A", STEPS)])
    with pytest.raises(UsageError, match="needs two"):
        compare("runs/a")


def test_no_sure_sector_is_said(side) -> None:
    found = compare_laps([side("A", STEPS), side("B", STEPS)])
    assert (
        comparison.describe_gains(found.sectors, "B")
        == "B: no sector in which the difference is sure"
    )


@pytest.fixture
def runs(drive, tmp_path: Path) -> tuple[Path, Path]:
    """Folders of two logs with four evaluation laps each, the second a bit faster."""
    folders = (tmp_path / "first", tmp_path / "second")
    for folder, step in zip(folders, (0.2, 0.21), strict=True):
        parts = [drive(episodes=1, step=step + 0.001 * k).assign(episode=k) for k in range(4)]
        write_csv(pd.concat(parts), folder / "evaluation" / "0-iteration.csv")
    return folders


def test_logs_are_compared_by_their_paths(runs: tuple[Path, Path], ring: Track) -> None:
    found = compare(*runs, track=ring)
    assert found.table["name"].tolist() == ["first", "second"]
    assert found.pairs[0].sentence.startswith("second is faster by")
    assert found.logs[1].track is not None


def test_logs_that_were_read_are_compared_by_their_numbers(runs: tuple[Path, Path]) -> None:
    found = compare(*map(read_log, runs))
    assert found.table["name"].tolist() == ["log 1", "log 2"]
    assert found.table["complete"].tolist() == [4, 4]


def test_a_comparison_shows_tables_and_verdicts(runs: tuple[Path, Path], ring: Track) -> None:
    found = compare(*runs, track=ring)
    text = str(found)
    assert found.pairs[0].sentence in text
    assert "second wins" in text
    assert repr(found) == f"<LogComparison: {found.pairs[0].sentence}>"
    assert "<table>" in found._repr_html_()


def test_the_plain_data_of_a_comparison_survive_json(runs: tuple[Path, Path]) -> None:
    data = json.loads(json.dumps(compare(*runs).to_dict()))
    assert [row["complete"] for row in data["logs"]] == [4, 4]
    assert data["pairs"][0]["time"]["value"] < 0.0
    assert set(data["profiles"]) == {"first", "second"}


LAP, ITERATION, RUN = 0.024, 0.013, 0.042
"""Deviations of the logarithm of a lap time in console22 and drfc3, and of their evaluated laps from
each other: benchmarks/results/comparisons.txt."""
COMPLETE = (1, 5, 8, 9, 13)
"""Complete laps of console22's last iterations."""
NO_TRACE = pd.DataFrame()


def trained_side(
    rng: np.random.Generator, runs: int, run_deviation: float = RUN, gain: float = 0.0
) -> ComparedLog:
    """The complete laps of the last iterations of several trainings with one reward."""
    levels = np.log(15.0) - gain + run_deviation * rng.standard_normal((runs, 1))
    bases = levels + ITERATION * rng.standard_normal((runs, len(COMPLETE)))
    each = np.tile(COMPLETE, runs)
    table = {
        "time": np.exp(np.repeat(bases, each) + LAP * rng.standard_normal(each.sum())),
        "complete": True,
        "run": np.repeat(np.arange(runs), sum(COMPLETE)),
        "iteration": np.repeat(np.tile(np.arange(len(COMPLETE)), runs), each),
        "episode": 0,
    }
    return ComparedLog("side", NO_TRACE, pd.DataFrame(table))


def claim_rate(count: int, runs: int, seed: int, **keywords: float) -> float:
    """The fraction of comparisons in which the lap times are told apart."""
    rng = np.random.default_rng(seed)
    gain = keywords.pop("gain", 0.0)
    claimed = 0
    for _ in range(count):
        first = trained_side(rng, runs, **keywords)
        other = trained_side(rng, runs, gain=gain, **keywords)
        claimed += time_difference(first.time_units, other.time_units).excludes_zero
    return claimed / count


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2, 3])
def test_runs_of_one_reward_are_told_apart_once_in_twenty_times(runs: int) -> None:
    assert 0.03 <= claim_rate(1000, runs, seed=20) <= 0.07


@pytest.mark.slow
def test_iterations_of_one_policy_level_are_told_apart_once_in_twenty_times() -> None:
    assert 0.03 <= claim_rate(1000, 1, seed=21, run_deviation=0.0) <= 0.07


def test_a_true_difference_is_found() -> None:
    assert claim_rate(40, 4, seed=22, run_deviation=0.01, gain=0.06) >= 0.9


@pytest.mark.slow
def test_of_many_sectors_none_is_claimed_in_nineteen_of_twenty_comparisons() -> None:
    rng = np.random.default_rng(23)
    claimed = 0
    for _ in range(500):
        times = rng.normal(2.0, 0.1, size=(2, 8, 3))
        units = [(Units(RUNS, times[0, k]), Units(RUNS, times[1, k])) for k in range(8)]
        intervals = joint_differences(units)
        claimed += any(interval.excludes_zero for interval in intervals)
    assert claimed / 500 <= 0.08


def test_one_run_a_side_says_policies_and_several_say_rewards(side) -> None:
    single = compare_laps([side("A", STEPS), side("B", FASTER)])
    assert single.pairs[0].about == POLICIES
    assert "these policies, not these rewards" in str(single)
    sides = [
        joined_side([side(f"{name}-{k}", [step + 0.001 * k for step in steps]) for k in range(3)])
        for name, steps in (("A", STEPS), ("B", FASTER))
    ]
    several = compare_laps(sides)
    [pair] = several.pairs
    assert pair.about == REWARDS
    assert (pair.reference, pair.other, pair.units) == ("A", "B", (3, 3))
    assert pair.sentence.endswith("3 against 3 runs of 36 against 36 complete laps")
    assert pair.time.high < 0.0
    assert "these policies" not in str(several)
    assert several.table["units"].tolist() == [3, 3]
    assert several.profiles["B"]["delta"].iloc[-1] == pytest.approx(pair.time.value, abs=0.1)


def test_several_runs_against_one_say_nothing(side) -> None:
    many = joined_side([side("A-1", STEPS), side("A-2", STEPS)])
    [pair] = compare_laps([many, side("B", FASTER)]).pairs
    assert not pair.time.is_known
    assert "two runs a side are needed" in pair.sentence
    assert pair.about == POLICIES


def test_iterations_are_the_units_of_one_training(side) -> None:
    def training(name: str, steps: list[float]) -> ComparedLog:
        log = side(name, steps)
        table = log.laps.assign(iteration=np.arange(len(steps)) // 3, phase="training")
        return ComparedLog(name, log.trace, table, log.track)

    found = compare_laps([training("A", STEPS), training("B", FASTER)])
    [pair] = found.pairs
    assert pair.unit_kinds == ("iterations", "iterations")
    assert pair.units == (4, 4)
    assert "4 against 4 iterations of 12 against 12 complete laps" in pair.sentence
    medians = found.logs[0].laps.groupby("iteration")["time"].median()
    assert found.table["median"].iloc[0] == pytest.approx(medians.mean())


def test_completed_laps_of_runs_count_as_runs(side) -> None:
    def runs(name: str, ends: list[tuple[float, ...]]) -> ComparedLog:
        return joined_side([side(f"{name}-{k}", STEPS, ends=own) for k, own in enumerate(ends, 1)])

    whole, half = (100.0,), (100.0, 40.0)
    one = compare_laps([runs("A", [whole, whole]), runs("B", [whole, (40.0,)])]).pairs[0]
    assert one.completion_sentence == ""  # one of two runs failed: by laps that would be sure
    sure = compare_laps([runs("A", [whole] * 4), runs("B", [half, (40.0,), half, half])]).pairs[0]
    assert sure.completion_sentence.startswith("B completes fewer laps")


def test_runs_of_one_side_are_on_one_track(side) -> None:
    here, there = side("A", STEPS), side("B", STEPS, track=None)
    with pytest.raises(UsageError, match="the runs of a side must be driven on one track"):
        joined_side([here, there])


def test_sides_of_equal_beginnings_have_names_of_their_own(side) -> None:
    sides = joined_sides(
        [[side("run-1", STEPS), side("run-2", STEPS)], [side("run-3", STEPS), side("run-4", STEPS)]]
    )
    assert [each.name for each in sides] == ["run-1 and 1 more", "run-3 and 1 more"]


def test_lists_of_logs_are_sides(runs: tuple[Path, Path], ring: Track) -> None:
    first, second = runs
    found = compare([first, first], [second, second], track=ring)
    assert [log.run_count for log in found.logs] == [2, 2]
    assert found.pairs[0].about == REWARDS
