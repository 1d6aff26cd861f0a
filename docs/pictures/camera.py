"""Draw the pictures of docs/camera.md, beside this file: python docs/pictures/camera.py

The outlines of real frames (camera_fit.png) are drawn by benchmarks/camera_fit.py.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from racer.sensors.camera.camera import FRONT, render
from racer.sensors.camera.ground_map import scenery
from racer.sensors.camera.randomization import SETTINGS, looks
from racer.sim import placement as scene
from racer.sim.obstacles import before, objects_on
from racer.track.library import load
from racer.track.spatial_index import pack

HERE = Path(__file__).resolve().parent
CARS = 5


def main() -> None:
    """Write the picture of the settings of randomization: a row each, of the same places."""
    track = load("reinvent_2018")
    ways = scene.ways(track)
    car = scene.rows(track, np.array([0.6, 3.7, 7.2, 10.4, 14.2]))
    stand = np.concatenate([objects_on(track, [(s / track.length, 1)], kind) for s, kind in
                            ((1.9, "box"), (5.1, "bot"), (8.5, "box"), (11.6, "bot"), (15.5, "box"))])  # fmt: skip
    bodies = before(car, stand, pack(ways))
    camera = replace(FRONT, width=256, height=192, gray=False)
    ground = scenery(ways, cell=0.0025)
    rows = []
    for how in SETTINGS.values():
        look = looks(how, [np.random.default_rng(k) for k in range(CARS)])
        rows.append(np.concatenate(list(render(car, bodies, ground, camera, look=look)), axis=1))
    Image.fromarray(np.concatenate(rows)).save(HERE / "camera_looks.jpg", quality=88)


if __name__ == "__main__":
    main()
