"""Params of cars that are really placed on a track, and reward files written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from racer.reward import RewardBatch, load_reward


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., RewardBatch]:
    """A function that writes a reward file and gives a batch of `n` instances of it."""

    def write(source: str, n: int = 3, name: str = "reward.py", **options: Any) -> RewardBatch:
        path = tmp_path / name
        path.write_text(dedent(source))
        return RewardBatch(load_reward(path), n, **options)

    return write
