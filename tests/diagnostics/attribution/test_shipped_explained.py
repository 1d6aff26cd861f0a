"""The shipped rewards, taken apart: behavior is kept to the last bit, and everything that is paid
is explained.
"""

from itertools import pairwise

import numpy as np
import pytest

from racer import track
from racer.diagnostics.attribution import (
    attribute_reward,
    describe_dominant_term,
    explain,
    find_stretches,
    pay_by_term,
)
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
    for drive in found.drives:
        assert drive.amounts.sum(axis=1) == pytest.approx(drive.reward, rel=1e-9)
        assert (drive.ran | (drive.amounts == 0.0)).all()
        assert sum(group.amounts for group in pay_by_term(found, [drive])) == pytest.approx(
            drive.reward
        )
        assert describe_dominant_term(found, drive).startswith(drive.name)


def test_the_params_of_the_caller_stay_as_they_are(driven, tmp_path):
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n    params['waypoints'].clear()\n    return params.pop('speed')\n"
    )
    attribute_reward(load_reward(path), driven)
    assert all("speed" in p and p["waypoints"] for _, steps in driven for p in steps)


def test_stretches_cover_the_way_in_order(driven):
    found = attribute_reward(load_reward("center_line"), driven)
    parts = find_stretches(found, found.drives[0])
    assert len(parts) > 1
    assert all(one.end == pytest.approx(other.start) for one, other in pairwise(parts))
    whole = found.drives[0].distance
    assert (parts[0].start, parts[-1].end) == pytest.approx((whole.min(), whole.max()))
    assert {one.term.name for one in parts} <= {
        "return 1.0",
        "return 0.5",
        "return 0.1",
        "return 1e-3",
    }


def test_distance_goes_on_over_the_start_line(driven):
    drive = attribute_reward(load_reward("stay_on_track"), driven).drives[0]
    length = track.load_track("oval").length
    assert drive.distance[-1] == pytest.approx(length, abs=0.5)
    assert np.abs(np.diff(drive.distance)).max() < 0.5


def test_the_front_door_explains_a_driver_on_a_track_by_names():
    found = explain("center_line", "oval", drivers=["medium"])
    lines = str(found).splitlines()
    assert lines[0].endswith("center_line.py on oval")
    assert lines[2].startswith("medium (13.00 s): `return 1.0` (line ")
    assert found.to_dict()["track"] == "oval"
    assert "return 1.0" in found._repr_html_()
