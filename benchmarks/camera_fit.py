"""Fit the pose of real camera frames, and compare what they show with what is rendered there, class
by class.

    python benchmarks/camera_fit.py ../shared/data [-o outlines.png]

The folder holds `camera/front_*.png` (640 x 480, on reinvent_base) and `tracks/reinvent_base.npy`.
Pixels of a frame are told apart by color; the pose (x, y, heading, pitch and height of the lens) is
the one whose rendered picture, in the frame's own colors, differs least. The search begins all over
the track, in both directions, as bends of a track look alike: the best of many coarse places are
fitted, and the best one elsewhere is told too. Nothing of a frame is written: the picture shows
what is rendered, and outlines of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import minimize

from racer.sensors.camera.camera import FRONT_CAMERA, Camera, render_camera
from racer.sensors.camera.colors import MIXTURES, PLAIN_COLORS
from racer.sensors.camera.ground_map import FIRST_DASH_M, map_ground
from racer.sensors.camera.randomization import APPEARANCE
from racer.sim.params import placed_rows
from racer.track.library import load_track

PHASES = (0.0, 0.02, 0.04, 0.06, 0.08)
"""m after the first waypoint where dashes may begin: the route does not tell."""
NOMINAL = (np.radians(13.6), 0.133)
"""Pitch, rad, and height of the lens, m, that a search begins with: the model of the car, nose up by its wheels."""
MODEL = (0.2618, 0.13033)  # as the model of the car says
COARSE = (80, 60)  # px of the pictures of the first search
APART = 0.5  # m between places that it takes for different ones
HORIZON = 150  # a row below which there are neither walls nor sky in these frames
CLASSES = ("road", "border", "center line", "field")
NEEDED = (0.95, 0.85, 0.70, 0.95)
SHARES = 255.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], *[[99, 99, 99]] * 4])
"""Colors that tell shares of border, center line and field; what is road is black, walls and sky are
white, however dark a wall is."""


def classes_of(frame):
    """(H, W) class of every pixel of a real frame by its color, -1 for walls and sky."""
    r, g, b = (frame[..., k].astype(int) for k in range(3))
    what = np.full(frame.shape[:2], -1)
    what[(b > r + 12) & (b < 130) & (b >= g + 6) & (r + g + b > 95)] = 0
    what[(r > 130) & (g > 130) & (b > 110) & (abs(r - b) < 40)] = 1
    what[(r > 100) & (r > b + 50) & (r > g + 15)] = 2
    what[(g > r + 21) & (g > b + 8) & (g > 87)] = 3
    sky = np.all(np.abs(frame.astype(int) - 178) < 12, axis=-1)
    sky[200:] = False
    what[sky] = -1
    # what is mixed along edges, below the walls: the largest share of the nearest mixture of what
    # can meet there (the nearest pure color will not do: halfway between road and border, or road
    # and center line, that is field)
    # is field)
    mixed = (what < 0) & (np.arange(len(what))[:, None] > HORIZON)
    away = ((frame[mixed][:, None, :].astype(float) - MIXTURES @ PLAIN_COLORS[:4]) ** 2).sum(
        axis=-1
    )
    what[mixed] = np.argmax(MIXTURES[np.argmin(away, axis=-1)], axis=-1)
    return what


class Eye:
    """The track's ground with squares of 1 mm or so, and pictures of it from any pose."""

    def __init__(self, data, phase=FIRST_DASH_M):
        self.track = load_track(data / "tracks" / "reinvent_base.npy")
        self.ground = map_ground(
            [self.track, self.track.reversed()], cell=0.002, grainy=False, phase=phase
        )
        self.look = np.zeros(1, APPEARANCE)
        self.state = placed_rows(self.track, [0.0])

    def picture(self, pose, width, height, colors=None, gray=True):
        x, y, yaw, pitch, z = pose
        self.state["x"], self.state["y"], self.state["yaw"] = x, y, yaw
        camera = Camera(width, height, gray=gray, pitch=pitch, z=z)
        if colors is None:
            return render_camera(self.state, None, self.ground, camera)[0]
        self.look["gain"] = colors / PLAIN_COLORS
        return render_camera(self.state, None, self.ground, camera, appearance=self.look)[0]

    def classes(self, pose):
        share = self.picture(pose, 640, 480, SHARES, gray=False) / 255.0
        most = np.argmax(
            np.concatenate([1.0 - share.sum(axis=-1, keepdims=True), share], axis=-1), axis=-1
        )
        # what is half a wall and half one of the three has 2
        return np.where(share.sum(axis=-1) > 2.0, -1, most)


def overlap(real, drawn):
    """Intersection over union of each class."""
    return [
        np.sum((real == k) & (drawn == k)) / np.sum((real == k) | (drawn == k))
        for k in range(len(CLASSES))
    ]


def confusions(real, drawn, what=3):
    """Name of every other class, with how many pixels of class `what` are drawn as it, and how many
    of it as `what`.
    """
    for k, name in enumerate(("walls or sky", *CLASSES), start=-1):
        if k != what:
            yield f"{name} {np.sum((real == what) & (drawn == k))} and {np.sum((real == k) & (drawn == what))}"


def painted(frame):
    """The frame with black walls and sky, and the eight colors with which racer draws it so."""
    what = classes_of(frame)
    colors = np.array([np.median(frame[what == k], axis=0) for k in range(4)] + [np.zeros(3)] * 4)
    return np.where((what == -1)[..., None], 0, frame).astype(np.uint8), colors


def small(frame, width, height):
    return np.array(
        Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
    ).astype(float)


def places(eye, real, colors, count=12):
    """The `count` best places (x, y, yaw) of a coarse search for a `painted` frame, no two of them
    close together.
    """
    seen = small(real, *COARSE)
    along = np.arange(0.0, eye.track.length, 0.1)
    aside, turned = np.arange(-0.3, 0.31, 0.1), np.arange(-50.0, 51.0, 5.0)
    s, offset, heading = (grid.ravel() for grid in np.meshgrid(along, aside, turned, indexing="ij"))
    at = np.concatenate(
        [
            placed_rows(eye.track, s, offset=offset, heading_deg=heading + way)
            for way in (0.0, 180.0)
        ]
    )
    camera, look = (
        Camera(*COARSE, gray=False, pitch=NOMINAL[0], z=NOMINAL[1]),
        np.zeros(1000, APPEARANCE),
    )
    look["gain"] = colors / PLAIN_COLORS
    off = []
    for k in range(0, len(at), len(look)):
        part = at[k : k + len(look)]
        off.append(
            np.abs(
                render_camera(part, None, eye.ground, camera, appearance=look[: len(part)]) - seen
            ).mean(axis=(1, 2, 3))
        )
    poses, found = np.stack([at["x"], at["y"], at["yaw"]], axis=1), []
    for pose in poses[np.argsort(np.concatenate(off), kind="stable")]:
        if all(np.hypot(*(pose - one)[:2]) > APART for one in found):
            found.append(pose)
        if len(found) == count:
            break
    return found


def fitted(eye, real, colors, start, fixed=None):
    """The pose (x, y, yaw, pitch, z) whose pictures differ least from a `painted` frame; `fixed`
    (pitch, z) or None.
    """
    seen = small(real, 320, 240)

    def loss(p):
        pose = p if fixed is None else (*p, *fixed)
        return np.abs(eye.picture(pose, 320, 240, colors, gray=False) - seen).mean()

    pose = np.array([*start, *NOMINAL] if fixed is None else start)
    for size in (1.0, 0.3, 0.1):
        steps = size * np.array([0.1, 0.1, 0.05, 0.01, 0.003])[: len(pose)]
        simplex = np.vstack([pose, pose + np.diag(steps)])
        options = {"initial_simplex": simplex, "maxfev": 250, "xatol": 1e-5, "fatol": 1e-5}
        pose = minimize(loss, pose, method="Nelder-Mead", options=options).x
    return (pose if fixed is None else np.array([*pose, *fixed])), loss(pose)


def located(eye, real, colors):
    """The best fit of a `painted` frame in a search all over the track, and the best one elsewhere."""
    fits = sorted(
        (fitted(eye, real, colors, place) for place in places(eye, real, colors)),
        key=lambda fit: fit[1],
    )
    return fits[0], next(fit for fit in fits if np.hypot(*(fit[0][:2] - fits[0][0][:2])) > APART)


def outlines(seen):
    """What is rendered at the poses, with the borders of classes: rendered in black, real in
    orange.
    """
    parts = []
    for eye, frame, pose in seen:
        drawn = eye.picture(pose, 640, 480, gray=False)
        plain = (0.5 * drawn + 127).astype(np.uint8)
        for what, color in ((eye.classes(pose), (0, 0, 0)), (classes_of(frame), (213, 94, 0))):
            edge = np.zeros(what.shape, dtype=bool)
            edge[:, 1:] |= what[:, 1:] != what[:, :-1]
            edge[1:] |= what[1:] != what[:-1]
            plain[edge] = color
        parts.append(np.concatenate([drawn, plain], axis=1))
    return np.concatenate(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with camera/ and tracks/")
    parser.add_argument(
        "-o", "--output", type=Path, help="a picture of what is rendered, with outlines of both"
    )
    arguments = parser.parse_args()
    eye, phases = Eye(arguments.data), [Eye(arguments.data, phase) for phase in PHASES]
    seen = []
    for file in sorted((arguments.data / "camera").glob("front_*.png")):
        frame = np.array(Image.open(file).convert("RGB"))
        target = painted(frame)
        (pose, off), other = located(eye, *target)
        seen.append((eye, frame, pose))
        report(file.stem, eye, frame, target, pose, off, other)
        differ = [fitted(one, *target, pose[:3])[1] for one in phases]
        print(
            "  dashes from "
            + ", ".join(f"{100 * p:.0f} cm: {d:.2f}" for p, d in zip(PHASES, differ, strict=True))
        )
    if arguments.output:
        Image.fromarray(outlines(seen)).save(arguments.output)


def report(name, eye, frame, target, pose, off, other):
    """Print where a frame was taken, how well classes agree there, and with the pose of the lens
    held.
    """
    x, y, yaw, pitch, z = pose
    print(f"{name}: x {x:.3f} m, y {y:.3f} m, heading {np.degrees(yaw):.2f} deg,", end=" ")
    print(
        f"pitch {np.degrees(pitch):.2f} deg, lens {1000 * z:.1f} mm high; mean difference {off:.2f} of 255"
    )
    print(
        f"  the best place elsewhere, {other[0][0]:.2f} m, {other[0][1]:.2f} m, differs by {other[1]:.2f}"
    )
    real, drawn = classes_of(frame), eye.classes(pose)
    shares = overlap(real, drawn)
    print(
        "  "
        + ", ".join(
            f"{n} {s:.3f} (>= {m})" for n, s, m in zip(CLASSES, shares, NEEDED, strict=True)
        )
    )
    print("  field is drawn as, and drawn for: " + ", ".join(confusions(real, drawn)) + " pixels")
    for what, fixed in (
        ("racer's", (FRONT_CAMERA.pitch, FRONT_CAMERA.z)),
        ("13.6 deg, 133 mm", NOMINAL),
        ("15 deg, 130 mm", MODEL),
    ):
        held, off = fitted(eye, *target, pose[:3], fixed)
        shares = overlap(real, eye.classes(held))
        print(f"  {what}: {off:.2f} of 255; " + ", ".join(f"{s:.3f}" for s in shares))


if __name__ == "__main__":
    main()
