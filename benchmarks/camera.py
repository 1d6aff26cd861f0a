"""Camera frames a second on one core and on two, beside cv2.warpPerspective and a published GPU
row.

    python benchmarks/camera.py [--quick]

One-core figures are frames per CPU second of this process (`time.process_time`), medians of several
calls; two threads are wall time, which tells something on an idle machine only. CartPole-v1 says
how fast the machine is: the targets were set on one where it does 180,000 steps/s. cv2 is measured
where opencv-python-headless is installed; it draws the ground only, from a gray picture of the map,
without walls, bodies and smoothing.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy as np

from racer.sensors.camera.camera import FRONT_CAMERA, LEFT_CAMERA, Camera, render_camera
from racer.sensors.camera.ground_map import map_ground
from racer.sensors.camera.randomization import VISUAL_RANDOMIZATIONS, draw_appearances
from racer.sim import params as scene
from racer.sim.obstacles import obstacles_before, obstacles_on
from racer.track.library import load_track
from racer.track.spatial_index import pack_tracks

N = 256
PUBLISHED = (
    "deepracer-genesis on an RTX 4060 Ti, 256 cars, whole camera steps (published)",
    27_548,
)


def median(call, clock, repeats):
    """Seconds of a call by a clock, the median and the least."""
    call()
    times = []
    for _ in range(repeats):
        begin = clock()
        call()
        times.append(clock() - begin)
    return float(np.median(times)), min(times)


def row(name, frames, seconds):
    usual, best = seconds
    print(f"{name:<78} {frames / usual:>10,.0f} {frames / best:>10,.0f}", flush=True)


def cars(track, n=N):
    generator = np.random.default_rng(0)
    s, aside, turn = (
        generator.uniform(0, 17, n),
        generator.uniform(-0.3, 0.3, n),
        generator.uniform(-40, 40, n),
    )
    return scene.placed_rows(track, s, offset=aside, heading_deg=turn)


def ours(repeats):
    track = load_track("reinvent_2018")
    ground, state = map_ground(scene.both_directions(track)), cars(track)
    boxes = obstacles_before(
        state,
        obstacles_on(track, [(k / 6, (-1) ** k) for k in range(6)]),
        pack_tracks(scene.both_directions(track)),
    )
    strong = draw_appearances(
        VISUAL_RANDOMIZATIONS["strong"], [np.random.default_rng(k) for k in range(N)]
    )
    lamps = draw_appearances(
        VISUAL_RANDOMIZATIONS["simulator"], [np.random.default_rng(k) for k in range(N)]
    )
    kinds = (
        ("160 x 120 gray", FRONT_CAMERA, None, None),
        ("160 x 120 gray, 6 boxes", FRONT_CAMERA, boxes, None),
        ("160 x 120 gray, randomized as the simulator does", FRONT_CAMERA, None, lamps),
        ("160 x 120 gray, randomized strongly (noise, blur)", FRONT_CAMERA, None, strong),
        ("160 x 120 luma (one of the stereo pair)", LEFT_CAMERA, None, None),
        ("160 x 120 RGB", Camera(gray=False), None, None),
        ("80 x 60 gray", Camera(80, 60), None, None),
    )
    for name, camera, bodies, look in kinds:
        out = np.empty((N, *camera.shape), dtype=np.uint8)

        def draw(out=out, camera=camera, bodies=bodies, look=look):
            render_camera(state, bodies, ground, camera, out, look)

        row(f"racer, one core, {name}", N, median(draw, time.process_time, repeats))
    out, half = np.empty((N, 120, 160), dtype=np.uint8), N // 2
    parts = (slice(None, half), slice(half, None))
    with ThreadPoolExecutor(2) as pool:

        def both():
            list(
                pool.map(
                    lambda part: render_camera(state[part], None, ground, FRONT_CAMERA, out[part]),
                    parts,
                )
            )

        row(
            "racer, two threads (wall time), 160 x 120 gray",
            N,
            median(both, time.perf_counter, repeats),
        )
    return ground, state


def theirs(ground, state, repeats):
    try:
        import cv2
    except ImportError:
        print("cv2.warpPerspective: not measured (pip install opencv-python-headless)")
        return
    cv2.setNumThreads(1)
    row_of = ground.grounds[0]
    rows, stride = row_of["rows"], int(row_of["stride"][0])
    flat = ground.gray[row_of["first"][0] : row_of["first"][0] + rows * stride].reshape(
        rows, stride
    )
    f, p, z = FRONT_CAMERA.focal, FRONT_CAMERA.pitch, FRONT_CAMERA.z
    # pixel to ground in the frame of the lens, then to the map
    lens = np.array([[1 / f, 0, -79.5 / f], [0, 1 / f, -59.5 / f], [0, 0, 1.0]])
    plane = np.array([[0, -z * np.sin(p), z * np.cos(p)], [-z, 0, 0], [0, np.cos(p), np.sin(p)]])
    out = np.empty((120, 160), dtype=np.uint8)
    for name, how in (("nearest", cv2.INTER_NEAREST), ("linear", cv2.INTER_LINEAR)):

        def draw(how=how):
            for car in state:
                c, s = np.cos(car["yaw"]), np.sin(car["yaw"])
                x, y = car["x"] + c * FRONT_CAMERA.x, car["y"] + s * FRONT_CAMERA.x
                place = np.array(
                    [[c, -s, x - row_of["x"]], [s, c, y - row_of["y"]], [0, 0, ground.cell]]
                )
                matrix = place @ plane @ lens
                cv2.warpPerspective(flat, matrix, (160, 120), out, how | cv2.WARP_INVERSE_MAP)

        row(
            f"cv2.warpPerspective, one core, {name}, ground only",
            N,
            median(draw, time.process_time, max(repeats // 3, 3)),
        )


def cart_pole(repeats):
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=0)

    def drive():
        for k in range(5000):
            if any(env.step(k % 2)[2:4]):
                env.reset()

    row(
        "CartPole-v1, one core, steps (the targets' machine: 180,000)",
        5000,
        median(drive, time.process_time, repeats),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    repeats = 5 if parser.parse_args().quick else 31
    print(
        f"{'frames a second of CPU time, N = 256 on reinvent_2018':<78} {'median':>10} {'best':>10}"
    )
    theirs(*ours(repeats), repeats)
    cart_pole(min(repeats, 9))
    print(f"{PUBLISHED[0]:<78} {PUBLISHED[1]:>10,}")


if __name__ == "__main__":
    main()
