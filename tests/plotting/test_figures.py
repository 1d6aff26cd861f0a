"""Whole figures of a log, one a kind of `racer plot`."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.errors import UsageError
from racer.files import make_folder
from racer.plotting.figures import Rival
from racer.plotting.kinds import PLOT_KINDS, plot
from racer.track import library


def test_one_call_gives_a_figure_of_every_kind(trace, ring, log_of, ppo) -> None:
    log = log_of(trace, ppo=ppo)
    for kind in PLOT_KINDS:
        assert isinstance(plot(log, kind, track=ring), Figure), kind


def test_without_a_track_it_is_recognized_among_those_with_a_name(drive, log_of) -> None:
    track = library.load_track("oval")
    figure = plot(log_of(drive(track=track, episodes=2)), "track")
    assert figure.axes[0].get_title(loc="left").startswith("Oval")


def test_a_rival_may_be_a_whole_log(drive, ring, log_of) -> None:
    first, second = log_of(drive(episodes=3)), log_of(drive(episodes=3, step=0.4))
    for rival in (second, Rival(second, laps(second.trace))):
        figure = plot(first, "versus", track=ring, rival=rival)
        assert (
            figure.axes[2].get_title(loc="left") == "B lap 3 is 1.00 s ahead of A lap 3 at the end"
        )


def test_the_jobs_discount_factor_is_taken_unless_another_is_given(trace, ring, log_of) -> None:
    log = log_of(trace, hyperparameters={"discount_factor": 0.95})
    assert plot(log, "reward-time", track=ring).axes[1].get_ylabel() == "reward of a lap, γ = 0.95"
    assert (
        plot(log, "reward-time", track=ring, gamma=0.5).axes[1].get_ylabel()
        == "reward of a lap, γ = 0.5"
    )
    assert len(plot(log, "reward-time", track=ring, gamma=1.0).axes) == 1


def test_a_training_is_meant_where_there_is_one(trace, ring, log_of) -> None:
    log = log_of(trace)
    mixed = log.trace.assign(phase=np.where(log.trace["episode"] < 9, "training", "evaluation"))
    figure = plot(type(log)(mixed, log.sources), "visits", track=ring)
    assert figure.axes[0].get_title(loc="left").startswith("Where the cars were: 9 laps")


def test_an_unknown_kind_is_refused_with_the_nearest(trace, log_of) -> None:
    with pytest.raises(UsageError, match="did you mean 'rewards'"):
        plot(log_of(trace), "reward")


def test_a_route_with_a_name_that_cannot_be_read_is_named(
    trace, log_of, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(library, "user_home", lambda: tmp_path)
    make_folder(library.imported_folder(tmp_path))
    (library.imported_folder(tmp_path) / "broken.npy").write_text("no route")
    with pytest.raises(UsageError, match=r"broken\.npy"):
        plot(log_of(trace), "track")
