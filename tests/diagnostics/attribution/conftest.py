"""Reward files written on the spot, and cars on the ring that are explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from racer.diagnostics.attribution import Attribution, attribute_reward
from racer.reward import load_reward
from racer.sim import params as scene
from racer.sim.params import build_params
from racer.track.track import Track

STEPS = 24


@pytest.fixture(scope="session")
def lap(ring: Track) -> list[dict[str, Any]]:
    """Params of a car that goes once around the ring, weaving, faster and faster, and leaves the
    road at times.
    """
    turn = np.arange(STEPS) / STEPS
    rows = scene.placed_rows(
        ring,
        turn * ring.length,
        offset=0.6 * np.sin(9.0 * turn),
        speed=1.0 + turn,
        steering_deg=30.0 * np.cos(20.0 * turn),
        steps=np.arange(2, STEPS + 2),
    )
    return [dict(p) for p in build_params(rows, scene.both_directions(ring))]


@pytest.fixture
def explained(tmp_path: Path, lap: list[dict[str, Any]]) -> Callable[..., Attribution]:
    """A function that explains a source text over one lap, or several."""

    def explain(source: str, laps: int = 1) -> Attribution:
        path = tmp_path / "reward.py"
        path.write_text(dedent(source))
        return attribute_reward(load_reward(path), [(f"lap {k}", lap) for k in range(laps)])

    return explain


@pytest.fixture
def paid(explained: Callable[..., Attribution]) -> Callable[[str], dict[str, float]]:
    """A function that says what each term of a source text paid over the lap, by its text."""

    def pay(source: str) -> dict[str, float]:
        found = explained(source)
        assert found.notes == ()
        amounts = found.drives[0].amounts.sum(axis=0)
        return {
            piece.term.text: float(amount)
            for piece, amount in zip(found.pieces, amounts, strict=True)
        }

    return pay
