"""The tracks that ship: enough of them, all sound, and true to the routes that they reconstruct."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from racer import geometry
from racer import resources as shipped
from racer.track import layout as layout_file
from racer.track import library, load_track, route
from racer.track.corners import track_facts

PATHS = sorted(shipped.tracks_folder().glob("*.toml"))
WITHIN = {"reinvent_2018": 0.005, "european_seaside": 0.04}
"""RMS distance from the real center line, m; two centimeters where nothing else is said."""


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_there_are_enough_tracks_of_every_kind() -> None:
    every = [track_facts(load_track(name)) for name in names(PATHS)]
    assert len(every) >= 14
    assert sum(each.direction == "clockwise" for each in every) >= 2
    assert min(each.length for each in every) < 18
    assert max(each.length for each in every) > 60


@pytest.mark.parametrize("path", PATHS, ids=names(PATHS))
def test_each_is_a_sound_road(path: Path) -> None:
    layout, track = layout_file.read_layout(path), layout_file.load_layout_track(path)
    assert track.name == layout.name == path.stem
    assert layout.title
    assert layout.teaches.endswith((".", "?"))
    assert track.is_loop
    assert np.isfinite(np.hstack([track.center, track.inner, track.outer])).all()
    assert shapely.Polygon(track.outer, [track.inner]).is_valid
    assert track.width.min() > 0.98 * layout.width
    assert np.hypot(*np.diff(track.center, axis=0).T) == pytest.approx(0.15, abs=0.003)


def test_each_reconstruction_names_a_world_of_the_simulator() -> None:
    known = library.world_reconstructions()
    assert len(known) == 10
    assert set(known) <= set(library.world_names())


@pytest.mark.parametrize("world", sorted(library.world_reconstructions()))
def test_each_reconstruction_lies_on_the_real_route(real_routes: Path, world: str) -> None:
    made, real = (
        library.open_entry(library.world_reconstructions()[world]),
        route.load_route(real_routes / f"{world}.npy"),
    )
    along = geometry.point_at(made.center, real.s * made.length / real.length)
    off = np.hypot(*(along - real.center).T)
    assert np.sqrt(np.mean(off**2)) < WITHIN.get(made.name, 0.02)
    assert made.length == pytest.approx(real.length, rel=0.002)
    assert made.is_ccw == real.is_ccw
    assert np.median(made.width) == pytest.approx(np.median(real.width), abs=0.005)
