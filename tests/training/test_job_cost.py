"""What a job of the service costs, and which part of it is worth its price."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer.errors import UsageError
from racer.training import Offer, cost_job, read_offers
from racer.training.job_cost import RESET_S, UPDATE_S

STEPS = (150, 300, 450)  # of the four episodes of each iteration together
OFFER = Offer(
    name="here", usd_per_hour=2.0, real_time_factor=0.5, date=date(2026, 1, 1), source="the test"
)


class _Run:
    """A run as far as its cost is concerned."""

    def __init__(self, kept: list[tuple[float, float]], is_like_service: bool = True) -> None:
        self.folder = Path("runs/a")
        self.config = type("Config", (), {"is_like_service": is_like_service})
        self._kept = kept

    def evaluations(self) -> pd.DataFrame:
        rows = [
            {"trials": 5, "completion": completion, "median_lap": lap, "steps": k}
            for k, (completion, lap) in enumerate(self._kept)
        ]
        return pd.DataFrame(rows)

    def laps(self) -> pd.DataFrame:
        rows = [
            {
                "iteration": iteration,
                "phase": "training",
                "source": 0,
                "steps": STEPS[iteration] // 4 + (episode < STEPS[iteration] % 4),
                "completion": 50.0,
            }
            for iteration in range(len(self._kept))
            for episode in range(4)
        ]
        return pd.DataFrame(rows)


LAPS = [(40.0, np.nan), (100.0, 10.0), (100.0, 9.95)]


def test_hours_are_those_worked_out_by_hand():
    cost = cost_job(_Run(LAPS), offers=[OFFER])  # type: ignore[arg-type]
    driven = np.array(STEPS) / 15.0
    # five laps of an evaluation take as long as training does for as much of the lap
    evaluated = driven * np.array([200.0, 500.0, 500.0]) / 200.0
    seconds = ((driven + evaluated) / 0.5 + 4 * RESET_S + UPDATE_S).sum()
    assert cost.jobs[0].hours == pytest.approx(seconds / 3600.0)
    assert cost.jobs[0].usd == pytest.approx(2.0 * seconds / 3600.0)


def test_workers_share_the_episodes_and_not_the_evaluation():
    two = OFFER.model_copy(update={"workers": 2})
    one, shared = cost_job(_Run(LAPS), offers=[OFFER, two]).jobs  # type: ignore[arg-type]
    saved = (np.array(STEPS) / 15.0 / 0.5 + 4 * RESET_S).sum() / 2.0
    assert (one.hours - shared.hours) * 3600.0 == pytest.approx(saved)


def test_a_longer_job_goes_on_as_the_last_iteration_did():
    run: Any = _Run(LAPS)
    hours = [cost_job(run, count, [OFFER]).jobs[0].hours for count in (3, 4, 5)]
    assert hours[2] - hours[1] == pytest.approx(hours[1] - hours[0])
    assert hours[1] > hours[0]


def test_the_plan_stops_where_laps_are_as_good_as_they_get():
    cost = cost_job(_Run(LAPS), offers=[OFFER])  # type: ignore[arg-type]
    assert cost.enough == 2
    assert "stop after 2 iterations" in cost.plan
    assert "the other 1 gain 0.05 s" in cost.plan
    assert cost.enough_jobs[0].usd < cost.jobs[0].usd


def test_laps_that_get_slower_are_said_to():
    cost = cost_job(_Run([(100.0, 9.0), (100.0, 12.0), (100.0, 14.0)]), offers=[OFFER])  # type: ignore[arg-type]
    assert cost.enough == 1
    assert "the other 2 lose 5.00 s" in cost.plan


def test_a_checkpoint_that_the_service_would_not_keep_counts_for_nothing():
    # the newest of those that got furthest is kept: the slower one
    cost = cost_job(_Run([(100.0, 9.0), (90.0, np.nan), (100.0, 12.0)]), offers=[OFFER])  # type: ignore[arg-type]
    assert cost.kept_laps == (9.0, 9.0, 12.0)


def test_without_a_lap_no_plan_is_worth_its_price():
    cost = cost_job(_Run([(40.0, np.nan)]), offers=[OFFER])  # type: ignore[arg-type]
    assert cost.enough is None
    assert not cost.enough_jobs
    assert "no iteration of the run completes a lap" in cost.plan
    assert json.loads(json.dumps(cost.to_dict()))["kept_laps"] == [None]


def test_a_run_that_learned_otherwise_has_no_iterations_of_the_service():
    with pytest.raises(UsageError, match="--like service"):
        cost_job(_Run(LAPS, is_like_service=False))  # type: ignore[arg-type]


def test_every_price_has_its_date_and_source():
    for offer in read_offers():
        assert offer.usd_per_hour > 0.0
        assert offer.source
        assert date(2020, 1, 1) < offer.date < date(2030, 1, 1)


def test_prices_of_one_s_own_are_taken_and_mistakes_in_them_named(tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[offers]]\nname = "shed"\nusd_per_hour = 0.1\ndate = 2026-11-01\nsource = "the meter"\n'
    )
    (offer,) = read_offers(file)
    assert (offer.name, offer.workers) == ("shed", 1)
    file.write_text('[[offers]]\nname = "shed"\nusd_per_hour = -1\n')
    with pytest.raises(UsageError, match="usd_per_hour"):
        read_offers(file)
