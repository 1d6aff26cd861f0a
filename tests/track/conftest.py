"""Real routes and what was measured on them, where they are. They are never part of the repository."""

import csv
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_routes(shared_data: Path) -> Path:
    """The folder of real routes; the test skips where there is none."""
    return shared_data / "tracks"


@pytest.fixture(scope="session")
def real_table(shared_data: Path) -> dict[str, dict[str, str]]:
    """World name to its row of measured facts."""
    with (shared_data / "tracks.csv").open() as file:
        return {row["world"]: row for row in csv.DictReader(file)}
