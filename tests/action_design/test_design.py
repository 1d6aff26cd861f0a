"""Designed spaces: valid for the real service, made of the fastest drive's commands, no slower than
their clusters.
"""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.design import (
    DesignTrack,
    cluster_commands,
    design_space,
    fill_commands,
    round_commands,
)
from racer.errors import UsageError


@pytest.fixture(scope="module")
def course(ring, line, found):
    return DesignTrack(ring, line, found)


def test_two_heaps_of_commands_have_their_means_as_clusters():
    wishes = np.array([(10.0, 1.0)] * 3 + [(14.0, 1.0)] + [(-20.0, 2.0)] * 5)
    found = cluster_commands(wishes, 2)
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], [(-20.0, 2.0), (11.0, 1.0)])


def test_there_are_no_more_clusters_than_different_commands():
    assert len(cluster_commands(np.array([(1.0, 1.0), (2.0, 1.0), (1.0, 1.0)]), 12)) == 2


def test_commands_are_rounded_to_what_people_write_and_the_car_takes(car):
    np.testing.assert_array_equal(
        round_commands(np.array([(31.0, 9.0), (-0.2, 1.04), (0.3, 0.98)]), car),
        [(0.0, 1.0), (30.0, 2.5)],
    )


@pytest.mark.parametrize("size", [2, 7, 30])
def test_a_space_is_filled_up_to_its_size_with_different_actions(size, car):
    wishes = np.array([(10.0, 1.0), (20.0, 2.0), (-10.0, 2.0)])
    found = fill_commands(round_commands(wishes, car)[:2], wishes, size, car)
    assert len(np.unique(found, axis=0)) == size


@pytest.mark.parametrize("size", [1, 31])
def test_a_size_that_the_real_service_refuses_is_a_sentence(size, course, car):
    with pytest.raises(UsageError, match="2 to 30"):
        design_space([course], car, size)


@pytest.mark.slow
def test_a_design_is_no_slower_than_its_clusters(course, car):
    heard = []
    made = design_space(
        [course], car, 5, trials=4, report=lambda done, total: heard.append((done, total))
    )
    assert made.space.size == 5
    assert len(set(zip(made.space.steering_deg, made.space.speed, strict=True))) == 5
    assert made.after[0].pace <= made.before[0].pace
    assert heard[-1] == (4, 4)
