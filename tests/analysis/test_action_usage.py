"""How much each action was used."""

from __future__ import annotations

import pytest

from racer.analysis import action_use, unused_actions
from racer.vehicle.action_space import ActionSpace

SPACE = ActionSpace(False, (-30.0, -15.0, 0.0, 15.0, 30.0, 0.0), (1.0, 1.0, 2.0, 1.0, 1.0, 4.0))


def test_shares_of_actions_sum_up_to_one_and_prepare_counts_for_nothing(drive) -> None:
    trace = drive(episodes=1, step=0.3)
    use = action_use(trace)
    assert use["count"].sum() == len(trace) - 1
    assert use["share"].sum() == pytest.approx(1.0)
    assert use["action"].tolist() == [0, 1, 2, 3, 4]


def test_actions_that_were_never_used_are_named_with_their_command(drive) -> None:
    trace = drive(episodes=1)
    assert unused_actions(action_use(trace, SPACE)) == ["5 (+0°, 4 m/s)"]
    assert unused_actions(action_use(trace[trace["action"] != 1], SPACE)) == [
        "1 (-15°, 1 m/s)",
        "5 (+0°, 4 m/s)",
    ]


def test_without_a_space_a_gap_in_the_indices_is_a_never_used_action(drive) -> None:
    trace = drive(episodes=1)
    assert unused_actions(action_use(trace[trace["action"] != 2])) == ["2"]
    assert unused_actions(action_use(trace)) == []


def test_a_continuous_space_is_looked_at_in_cells_of_its_limits(drive) -> None:
    trace = drive(episodes=1, discrete=False).assign(throttle=1.0)
    use = action_use(trace, ActionSpace(True, (-30.0, 30.0), (0.5, 3.5)))
    assert len(use) == 15
    assert use["share"].sum() == pytest.approx(1.0)
    assert use.loc[use["throttle"] > 1.6, "count"].eq(0).all()
    assert "around +0°, 3 m/s" in unused_actions(use)


def test_a_trace_without_rows_used_nothing(drive) -> None:
    assert len(action_use(drive().head(0))) == 0
    assert unused_actions(action_use(drive().head(0), SPACE))[0] == "0 (-30°, 1 m/s)"
