"""How training went."""

from __future__ import annotations

import pytest

from racer.analysis import laps, laps_by_iteration
from racer.plotting import training


def test_progress_shows_both_kinds_of_completion(drive, ax) -> None:
    training.draw_completion_by_iteration(laps_by_iteration(laps(drive(episodes=40, step=1.0))), ax)
    covered, completed = (line.get_ydata() for line in ax.lines)
    assert covered.tolist() == pytest.approx([70.0, 70.0])
    assert completed.tolist() == [50.0, 50.0]


def test_entropy_says_from_where_to_where_it_fell(ppo, ax) -> None:
    training.draw_entropy(ppo, ax)
    assert ax.get_title(loc="left") == "Entropy of the policy: from 1.93 to 1.00"
