"""What tests of pictures share: an Axes on a bare Figure, and a log in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.logs import Job, Log, Source
from racer.plotting import style


@pytest.fixture
def ax():
    with style.style_context():
        yield Figure().add_subplot()


@pytest.fixture(scope="session")
def log_of() -> Callable[..., Log]:
    """A function that makes a log of a trace; what else it is given are facts of the job."""

    def log(trace: pd.DataFrame, phase: str = "training", **facts: object) -> Log:
        from racer.logs.schema import episode_ids

        whole = trace.assign(source=0, iteration=-1, phase=phase, episode_id=episode_ids(trace))
        return Log(whole, (Source("a.csv", phase, 19, len(whole)),), job=Job(**facts))

    return log


@pytest.fixture(scope="session")
def ppo() -> pd.DataFrame:
    """Ten iterations of three epochs, in which entropy falls from 2 to 1."""
    iteration = np.repeat(np.arange(10), 3)
    fall = 2.0 - np.arange(30) / 29.0
    facts = {
        "iteration": iteration,
        "epoch": np.tile(np.arange(3), 10),
        "loss": 0.1,
        "kl": 0.01 + 0.001 * iteration,
    }
    return pd.DataFrame(facts | {"entropy": fall, "learning_rate": 3e-4})


@pytest.fixture
def trace(drive) -> pd.DataFrame:
    """Twelve episodes, every other one complete, of which each fifth begins at the same place."""
    return drive(episodes=12)


@pytest.fixture(scope="session")
def rounded_laps() -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A function that gives the laps of a trace, timed to the hundredth, so that laps driven alike
    are equally fast and the first one is the best.
    """

    def table(trace: pd.DataFrame) -> pd.DataFrame:
        lap_table = laps(trace)
        return lap_table.assign(time=lap_table["time"].round(2))

    return table


@pytest.fixture(scope="session")
def texts() -> Callable[[Axes], list[str]]:
    """A function that gives what is written on an Axes."""
    return lambda ax: [text.get_text() for text in ax.texts]
