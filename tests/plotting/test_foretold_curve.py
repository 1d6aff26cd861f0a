"""The picture of a real training's course beside those of trainings here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from racer.plotting import foretold_curve_figure


def curve_of(completion: list[float], time: float) -> pd.DataFrame:
    count = len(completion)
    times = [np.nan] * (count - 1) + [time]
    return pd.DataFrame(
        {
            "iteration": range(count),
            "completion": completion,
            "time": times,
            "evaluated_time": times,
        }
    )


REAL = curve_of([9.0, 20.0, 60.0], 15.0)
FORETOLD = [curve_of([8.0, 25.0, 70.0], 14.5), curve_of([10.0, 35.0, 90.0], 14.0)]


def legend_of(figure: object, panel: int) -> list[str]:
    axes = figure.axes[panel]  # type: ignore[attr-defined]
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_band_the_mean_and_the_real_course_are_drawn():
    figure = foretold_curve_figure(REAL, FORETOLD, "a job")
    top = figure.axes[0]
    assert top.get_title(loc="left") == "a job and 2 others, by iteration"
    mean, real = (line.get_ydata().tolist() for line in top.get_lines())
    assert mean == [9.0, 30.0, 80.0]
    assert real == [9.0, 20.0, 60.0]
    assert len(top.collections) == 1


def test_one_training_has_no_band_and_each_kind_of_lap_one_name():
    figure = foretold_curve_figure(REAL, FORETOLD[:1])
    assert not figure.axes[0].collections
    assert "where one more would lie" not in " ".join(legend_of(figure, 0))
    kinds = ["others, training", "job, training", "others, evaluation", "job, evaluation"]
    assert sorted(legend_of(figure, 1)) == sorted(kinds)


def test_without_a_complete_lap_that_is_said():
    none = curve_of([5.0], np.nan)
    figure = foretold_curve_figure(none, [none])
    assert "no complete lap" in [text.get_text() for text in figure.axes[1].texts]


@pytest.mark.parametrize("count", [1, 2])
def test_times_are_those_of_the_curves(count):
    figure = foretold_curve_figure(REAL, FORETOLD[:count])
    drawn = np.concatenate([line.get_ydata() for line in figure.axes[1].get_lines()])
    assert set(drawn.tolist()) == {15.0, *(curve["time"].iloc[-1] for curve in FORETOLD[:count])}
