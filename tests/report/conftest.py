"""What tests of the report share: logs of several kinds on the ring, and hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from racer.logs import Job, Log, Source
from racer.logs.schema import episode_ids


def log_of(
    trace: pd.DataFrame,
    phase: str = "training",
    job: Job | None = None,
    name: str = "0-iteration.csv",
) -> Log:
    """A log as the reader gives it, of one file; 10 episodes an iteration in training."""
    trace = trace.assign(source=0, phase=phase, episode_id=episode_ids(trace))
    trace["iteration"] = trace["episode"] // 10 if phase == "training" else -1
    return Log(trace, (Source(name, phase, 19, len(trace)),), (), job or Job())


@pytest.fixture(scope="session")
def training(drive: Callable[..., pd.DataFrame]) -> Log:
    """40 episodes that start in five places; every other one completes its lap."""
    return log_of(drive(episodes=40, ends=(100.0, 40.0)))


@pytest.fixture(scope="session")
def race(drive: Callable[..., pd.DataFrame]) -> Log:
    """10 laps, two of them cut short, of continuous actions."""
    return log_of(
        drive(episodes=10, ends=(100.0, 100.0, 100.0, 100.0, 70.0), discrete=False), "evaluation"
    )


@pytest.fixture(scope="session")
def make_log() -> Callable[..., Log]:
    """The function `log_of`."""
    return log_of


EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>$$x^2$$"


@pytest.fixture(scope="session")
def hostile(drive: Callable[..., pd.DataFrame]) -> Log:
    """A log whose every word tries to run: file names, statuses, notes, hyperparameters, the
    reward's source.
    """
    trace = drive(episodes=12)
    words = trace["episode_status"].astype(object)
    trace["episode_status"] = words.where(words != "off_track", EVIL).astype("category")
    known: dict[str, Any] = {
        "platform": EVIL,
        "car": EVIL,
        "race_type": EVIL,
        "world": EVIL,
        "best_checkpoint": EVIL,
    }
    log = log_of(
        trace, job=Job(reward=f"# {EVIL}", hyperparameters={EVIL: EVIL}, **known), name=EVIL
    )
    return Log(log.trace, log.sources, (EVIL,), log.job)
