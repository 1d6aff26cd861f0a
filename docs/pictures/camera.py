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
from racer.sim import placement as scene
from racer.sim.obstacles import obstacles_before, obstacles_on
from racer.track.library import load_track
from racer.track.spatial_index import pack_tracks

HERE = Path(__file__).resolve().parent
CARS = 5


def main() -> None:
    """Write the picture of the settings of randomization: a row each, of the same places."""
    track = load_track("reinvent_2018")
    ways = scene.both_directions(track)
    car = scene.placed_rows(track, np.array([0.6, 3.7, 7.2, 10.4, 14.2]))
    stand = np.concatenate([obstacles_on(track, [(s / track.length, 1)], kind) for s, kind in
                            ((1.9, "box"), (5.1, "bot"), (8.5, "box"), (11.6, "bot"), (15.5, "box"))])  # fmt: skip
    bodies = obstacles_before(car, stand, pack_tracks(ways))
    camera = replace(FRONT_CAMERA, width=256, height=192, gray=False)
    ground = map_ground(ways, cell=0.0025)
    rows = []
    for how in VISUAL_RANDOMIZATIONS.values():
        look = draw_appearances(how, [np.random.default_rng(k) for k in range(CARS)])
        rows.append(
            np.concatenate(
                list(render_camera(car, bodies, ground, camera, appearance=look)), axis=1
            )
        )
    Image.fromarray(np.concatenate(rows)).save(HERE / "camera_looks.jpg", quality=88)


if __name__ == "__main__":
    main()
