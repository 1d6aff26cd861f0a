"""The shipped rewards, taken apart: behavior is kept to the last bit, and everything that is paid
is explained.
"""

from itertools import pairwise

import numpy as np
import pytest

from racer import track
from racer.diagnostics.attribution import attribute_reward, pay_by_term
from racer.diagnostics.attribution.summary import describe_dominant_term, find_stretches
from racer.drivers.scripted import drive_all
from racer.reward import load_reward, shipped_rewards
from racer.sim.params import build_params
from racer.sim.state import Phase


@pytest.fixture(scope="module")
def driven():
    made = drive_all(track.load_track("oval"), ["medium", "leaving"])
    return [
        (one.name, build_params(one.rows[one.rows["phase"] == Phase.RUN], one.tracks))
        for one in made
    ]


@pytest.mark.parametrize("name", shipped_rewards())
def test_a_shipped_reward_pays_the_same_when_it_is_watched(driven, name):
    found = attribute_reward(load_reward(name), driven)
    assert found.notes == ()
    for run in found.runs:
        assert run.amounts.sum(axis=1) == pytest.approx(run.reward, rel=1e-9)
        assert (run.ran | (run.amounts == 0.0)).all()
        assert sum(group.amounts for group in pay_by_term(found, [run])) == pytest.approx(
            run.reward
        )
        assert describe_dominant_term(found, run).startswith(run.name)


def test_the_params_of_the_caller_stay_as_they_are(driven, tmp_path):
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n    params['waypoints'].clear()\n    return params.pop('speed')\n"
    )
    attribute_reward(load_reward(path), driven)
    assert all("speed" in p and p["waypoints"] for _, steps in driven for p in steps)


def test_stretches_cover_the_way_in_order(driven):
    found = attribute_reward(load_reward("center_line"), driven)
    parts = find_stretches(found, found.runs[0])
    assert len(parts) > 1
    assert all(one.end == pytest.approx(other.start) for one, other in pairwise(parts))
    whole = found.runs[0].distance
    assert (parts[0].start, parts[-1].end) == pytest.approx((whole.min(), whole.max()))
    assert {one.group.name for one in parts} <= {
        "return 1.0",
        "return 0.5",
        "return 0.1",
        "return 1e-3",
    }


def test_distance_goes_on_over_the_start_line(driven):
    run = attribute_reward(load_reward("stay_on_track"), driven).runs[0]
    length = track.load_track("oval").length
    assert run.distance[-1] == pytest.approx(length, abs=0.5)
    assert np.abs(np.diff(run.distance)).max() < 0.5
