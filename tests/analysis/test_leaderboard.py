"""Where a lap would place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from racer import track as tracks
from racer.analysis.leaderboard import (
    RANK_PERCENTAGES,
    RaceResult,
    RaceStanding,
    percentage_at_least_as_fast,
    race_results,
    race_results_on,
    race_standing,
)


def test_every_race_of_the_table_is_in_order() -> None:
    assert len(race_results()) == 68
    for race in race_results():
        assert list(race.times) == sorted(race.times), race
        assert len(race.times) == len(RANK_PERCENTAGES)
        assert race.racers > 30
        assert race.measure in ("best", "mean")
    assert list(race_results()) == sorted(
        race_results(), key=lambda race: (race.world.lower(), race.closed)
    )


def test_a_time_between_two_quantiles_beats_a_share_between_theirs() -> None:
    race = race_standing("red_star_pro", 43.234)
    assert race is not None
    assert race.beaten == pytest.approx(95.0)
    between = race_standing("red_star_pro", (43.234 + 52.258) / 2)
    assert between is not None
    assert 90.0 < between.beaten < 95.0
    share = int(between.beaten)
    assert (
        between.sentence
        == f"47.75 s: faster than about {share} % of 2,313 racers on that track in 2023"
    )


def racers_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Best laps, s, of 2,500 made-up racers."""
    if kind == "skewed":
        return 10.0 + rng.lognormal(3.3, 0.7, 2500)
    is_fast = rng.random(2500) < 0.4
    return np.where(is_fast, 12.0 + rng.gamma(4.0, 3.0, 2500), 8.0 + rng.lognormal(3.8, 0.35, 2500))


@pytest.mark.parametrize("kind", ["skewed", "two groups"])
def test_places_between_the_known_times_are_not_flattered(kind: str) -> None:
    rng = np.random.default_rng(5)
    errors, straight = [], []
    for _ in range(40):
        racers = np.sort(racers_of(kind, rng))
        times = np.quantile(racers, np.array(RANK_PERCENTAGES) / 100.0)
        race = RaceResult("made-up", "2026-01", len(racers), "best", tuple(times))
        for time in rng.choice(racers[10:2200], 20):
            truth = 100.0 * float(np.mean(racers <= time))
            errors.append(truth - percentage_at_least_as_fast(race, time))
            straight.append(truth - np.interp(time, times, RANK_PERCENTAGES))
    assert abs(np.mean(errors)) < 0.15
    assert np.mean(straight) > 0.3  # a straight line is: what was mended
    assert np.mean(np.abs(errors)) < 0.7 * np.mean(np.abs(straight))


def test_of_equal_times_the_last_counts() -> None:
    times = (10.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0)
    race = RaceResult("made-up", "2026-01", 900, "best", times)
    assert percentage_at_least_as_fast(race, 9.9) == 0.0
    assert percentage_at_least_as_fast(race, 11.0) == pytest.approx(1.0)
    assert np.isnan(percentage_at_least_as_fast(race, 17.5))


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (20.0, "20.00 s: faster than all 2,313 racers on that track in 2023"),
        (20.46, "20.46 s: faster than about 99.9 % of"),
        (21.5, "21.50 s: faster than about 99.8 % of"),
        (90.0, "90.00 s: faster than about 37 % of"),
        (171.0, "171.00 s: slower than 90 % of 2,313 racers"),
    ],
)
def test_beyond_what_is_known_nothing_is_promised(time: float, words: str) -> None:
    found = race_standing("red_star_pro", time)
    assert found is not None
    assert found.sentence.startswith(words)


@pytest.mark.parametrize(
    ("track", "world"),
    [
        ("hot_rod_speedway", "arctic_open"),
        ("arctic_open_ccw", "arctic_open"),
        ("european_seaside", "Monaco"),
        ("Monaco_building", "Monaco"),
        ("Singapore", "Singapore_building"),
        ("smile_speedway", "reInvent2019_track"),
        ("baadal", "AmericasGeneratedInclStart"),
        ("2022_reinvent_champ_cw", "2022_reinvent_champ"),
    ],
)
def test_variants_and_reconstructions_share_the_races_of_their_road(track: str, world: str) -> None:
    assert {race.world for race in race_results_on(track)} == {world}


@pytest.mark.parametrize(
    "track", ["ring", "skid_pad", "", "reInvent2019_wide", "Tokyo_Training_track"]
)
def test_a_road_without_races_has_no_standing(track: str) -> None:
    assert race_standing(track, 9.0) is None


def test_a_lap_that_was_not_completed_has_no_standing() -> None:
    assert race_standing("arctic_open", float("nan")) is None


def test_the_latest_race_of_best_laps_is_taken() -> None:
    found = race_standing("smile_speedway", 8.0)
    assert found is not None
    assert (found.race.closed, found.race.measure) == ("2020-09", "best")
    vegas = race_standing("vegas", 12.346)
    assert vegas is not None
    assert vegas.sentence.endswith(
        "54 racers on that track in 2019, who were ranked by the mean of several laps"
    )


def test_more_of_the_racers_are_beaten_by_a_faster_lap() -> None:
    shares = [
        found.beaten
        for time in range(20, 170, 3)
        if (found := race_standing("red_star_pro", float(time)))
    ]
    assert shares == sorted(shares, reverse=True)


def test_a_winner_is_not_faster_than_all() -> None:
    race = RaceResult("x", "2024-01", 50, "best", tuple(10.0 + level for level in RANK_PERCENTAGES))
    assert "faster than all" not in RaceStanding(race, 10.0, 100.0).sentence


def test_every_reconstructed_world_is_one_that_ships() -> None:
    assert {track for track in tracks.available_tracks() if race_results_on(track)} >= {
        "hot_rod_speedway",
        "sola_speedway",
        "vegas",
    }


def test_the_figures_are_those_of_the_races(shared_data: Path) -> None:
    with (shared_data / "leaderboards.csv").open() as file:
        rows = {(row["track"], row["closed"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(race_results())
    for race in race_results():
        row = rows[race.world, race.closed]
        assert int(row["racers"]) == race.racers
        assert [float(row[f"p{level:g}"]) for level in RANK_PERCENTAGES] == list(race.times)


def test_a_lap_is_set_beside_races_of_its_own_type_alone() -> None:
    assert race_standing("red_star_pro", 43.0, "TIME_TRIAL") == race_standing("red_star_pro", 43.0)
    assert race_standing("red_star_pro", 43.0, "") is not None
    assert race_standing("red_star_pro", 43.0, "OBJECT_AVOIDANCE") is None
    assert race_standing("red_star_pro", 43.0, "HEAD_TO_BOT") is None
