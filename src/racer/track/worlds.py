"""The simulator's own routes: their names, and the hashes of those that racer has seen
(`routes.txt`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


def world_names() -> list[str]:
    """The simulator's 127 world names, in alphabetical order."""
    return list(route_hashes())


@cache
def route_hashes() -> dict[str, str | None]:
    """World name to the SHA-256 of its route; None where racer has never seen the file."""
    table = Path(__file__).with_name("routes.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    return {name: None if digest == "?" else digest for digest, name in rows}
