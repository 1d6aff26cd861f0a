"""What tests of commands share: a home of their own, and routes to recognize the ring among."""

from __future__ import annotations

from pathlib import Path

import pytest

from racer.track import Track, save_route


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty: nothing that this machine remembers is in a test. What a
    command writes beside itself lands in `tmp_path`.
    """
    folder = tmp_path / "home"
    monkeypatch.setenv("RACER_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def tracks(tmp_path: Path, ring: Track) -> Path:
    """A folder of routes that holds the ring's."""
    folder = tmp_path / "tracks"
    folder.mkdir()
    save_route(ring, folder / "ring.npy")
    return folder
