"""Logs beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import track as tracks
from racer.analysis import comparison, laps
from racer.analysis.compared_logs import ComparedLog
from racer.analysis.comparison import compare, compare_laps
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
    assert (table["best"] <= table["median_low"]).all()


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
