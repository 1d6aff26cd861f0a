"""A training as files, for tests of what finds and reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from racer.logs import write_csv


@pytest.fixture
def write_iterations(drive: Callable[..., pd.DataFrame]) -> Callable[[Path, int], None]:
    """A function that writes iterations of two episodes each into a folder, as DeepRacer for Cloud
    has them with one worker.
    """

    def write(folder: Path, count: int) -> None:
        for number in range(count):
            part = drive(episodes=2, step=1.0)
            write_csv(
                part.assign(episode=part["episode"] + 2 * number),
                folder / "training-simtrace" / f"{number}-iteration.csv",
            )

    return write
