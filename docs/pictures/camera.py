"""Draw the pictures of docs/camera.md, beside this file: python docs/pictures/camera.py

The outlines of real frames (camera_fit.png) are drawn by benchmarks/camera_fit.py.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from racer.sensors.camera.camera import FRONT_CAMERA, render_camera
from racer.sensors.camera.ground_map import map_ground
from racer.sensors.camera.randomization import VISUAL_RANDOMIZATIONS, draw_appearances
from racer.sim.obstacles import obstacles_before, obstacles_on
from racer.sim.params import both_directions, placed_rows
from racer.track import load_track
from racer.track.spatial_index import pack_tracks

FOLDER = Path(__file__).resolve().parent
CARS_AT_M = np.array([0.6, 3.7, 7.2, 10.4, 14.2])
OBSTACLES_AT_M = ((1.9, "box"), (5.1, "bot"), (8.5, "box"), (11.6, "bot"), (15.5, "box"))


def main() -> None:
    """Write the picture of the settings of randomization: a row each, of the same places."""
    track = load_track("reinvent_2018")
    tracks = both_directions(track)
    cars = placed_rows(track, CARS_AT_M)
    obstacles = []
    for distance, kind in OBSTACLES_AT_M:
        obstacles.append(obstacles_on(track, [(distance / track.length, 1)], kind))
    before = obstacles_before(cars, np.concatenate(obstacles), pack_tracks(tracks))
    camera = replace(FRONT_CAMERA, width=256, height=192, gray=False)
    ground_map = map_ground(tracks, cell=0.0025)
    rows = []
    for randomization in VISUAL_RANDOMIZATIONS.values():
        generators = [np.random.default_rng(seed) for seed in range(len(CARS_AT_M))]
        appearance = draw_appearances(randomization, generators)
        pictures = render_camera(cars, before, ground_map, camera, appearance=appearance)
        rows.append(np.concatenate(list(pictures), axis=1))
    Image.fromarray(np.concatenate(rows)).save(FOLDER / "camera_looks.jpg", quality=88)


if __name__ == "__main__":
    main()
