"""A training's course beside that of others, which foretell it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer.analysis import Training, compare_courses, laps
from racer.errors import UsageError


@pytest.fixture
def made(drive: Any) -> Any:
    """A function that makes a training of two iterations with other completions."""

    def make(name: str, ends: Sequence[float]) -> Training:
        parts = []
        for iteration in (0, 1):
            part = drive(episodes=20, ends=tuple(ends[iteration::2]))
            parts.append(part.assign(iteration=iteration, phase="training", source=iteration))
        trace = pd.concat(parts, ignore_index=True)
        trace["episode_id"] = trace["iteration"] * 100 + trace["episode"]
        return Training.of(name, trace, laps(trace))

    return make


def test_a_course_within_the_band_is_said_to_be(made):
    others = [made("a", (20.0, 60.0)), made("b", (30.0, 80.0))]
    comparison = compare_courses(made("job", (25.0, 70.0)), others)
    assert comparison.rows["completion"].tolist() == pytest.approx([25.0, 70.0])
    assert comparison.rows["foretold"].tolist() == pytest.approx([25.0, 70.0])
    assert comparison.inside == 1.0
    assert comparison.points == 0.0
    assert "within the band of 2 trainings in 2 of 2 iterations" in comparison.sentences()[0]


def test_how_far_it_lies_outside_is_a_number(made):
    others = [made("a", (20.0, 60.0)), made("b", (20.0, 60.0))]
    comparison = compare_courses(made("job", (50.0, 60.0)), others)
    assert comparison.rows["outside"].tolist() == pytest.approx([30.0, 0.0])
    assert comparison.inside == 0.5
    assert comparison.points == pytest.approx(15.0)


def test_one_other_training_makes_no_band(made):
    comparison = compare_courses(made("job", (50.0, 60.0)), [made("a", (20.0, 70.0))])
    assert np.isnan(comparison.inside)
    assert comparison.points == pytest.approx(10.0)
    assert "covers 10.0 points more than a" in comparison.sentences()[0]
    assert json.loads(json.dumps(comparison.to_dict()))["inside"] is None


def test_the_same_training_takes_the_same_actions_and_leaves_the_road_where_it_does(made):
    job = made("job", (50.0, 60.0))
    comparison = compare_courses(job, [job])
    assert comparison.actions == 0.0
    assert comparison.exits == pytest.approx(1.0)


def test_too_few_exits_tell_nothing(made):
    job = made("job", (100.0, 100.0))
    assert np.isnan(compare_courses(job, [job]).exits)


def test_evaluations_that_a_run_keeps_beside_its_log_are_put_into_its_curve(drive):
    trace = drive(episodes=3).assign(iteration=0, phase="training")
    evaluations = pd.DataFrame({"completion": [80.0], "median_lap": [12.5]})
    curve = Training.of("run", trace, laps(trace), evaluations).curve
    assert curve[["evaluated_completion", "evaluated_time"]].to_numpy().tolist() == [[80.0, 12.5]]


def test_trainings_without_a_common_iteration_are_refused(made):
    job, other = made("job", (50.0, 60.0)), made("a", (20.0, 60.0))
    other.curve["iteration"] += 7
    with pytest.raises(UsageError, match="no iteration in common"):
        compare_courses(job, [other])
