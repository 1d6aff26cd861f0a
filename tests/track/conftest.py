"""Real routes, where they are: beside the checkout, or where RACER_DATA says. They are never part of the repository."""

import csv
import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("RACER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


@pytest.fixture(scope="session")
def real_routes() -> Path:
    """The folder of real routes; the test skips where there is none."""
    if not (DATA / "tracks").is_dir():
        pytest.skip("no real routes here (RACER_DATA)")
    return DATA / "tracks"


@pytest.fixture(scope="session")
def real_table(real_routes: Path) -> dict[str, dict[str, str]]:
    """World name to its row of measured facts."""
    with (real_routes.parent / "tracks.csv").open() as file:
        return {row["world"]: row for row in csv.DictReader(file)}
