"""Lines: how fast they are found, what they are worth, and how near the driver comes: `python
benchmarks/line.py`.

`--peer PYTHON` names the Python of an environment with trajectory-planning-helpers 0.79
(docs/line.md tells how to make one); its minimum-curvature lines are then rated with our envelope,
beside ours. `--routes FOLDER` drives every route there.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from racer import resources as shipped
from racer.drivers.rollout import follow_line
from racer.raceline.corridor import build_corridor
from racer.raceline.ggv import build_ggv
from racer.raceline.minimum_time import LINE_METHODS, RacingLine, line_from_offsets, racing_line
from racer.track import library
from racer.track.track import Track
from racer.vehicle.car import Car, car_preset

FIVE = ("reinvent_2018", "oval", "vegas", "hot_rod_speedway", "grand_prix")
PEER = """
import sys, time
import numpy as np
import trajectory_planning_helpers as tph
data = np.load(sys.argv[1])
track, margin = data["track"], float(data["margin"])
began = time.process_time()
closed = np.vstack([track[:, :2], track[:1, :2]])
_, _, A, normal = tph.calc_splines.calc_splines(path=closed)
alpha, _ = tph.opt_min_curv.opt_min_curv(
    reftrack=track, normvectors=normal, A=A, kappa_bound=5.0, w_veh=2.0 * margin, print_debug=False, plot_debug=False)
took = time.process_time() - began
np.savez(sys.argv[2], line=track[:, :2] + alpha[:, None] * normal, took=took)
"""


def timed(track: Track, car: Car, margin: float, method: str) -> tuple[RacingLine, float]:
    """A line, and the s of processor that it took, the median of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        line = racing_line(track, car, margin, method)
        took.append(time.process_time() - began)
    return line, float(np.median(took))


def peer(python: str, track: Track, car: Car, margin: float) -> tuple[float, float]:
    """Lap time, s, of the peer's line, rated as ours are, and s of processor that finding it took."""
    road = build_corridor(track, 0.2)
    with tempfile.TemporaryDirectory() as folder:
        given, made, script = (Path(folder) / name for name in ("given.npz", "made.npz", "peer.py"))
        script.write_text(PEER, encoding="utf-8")
        np.savez(given, track=np.column_stack([road.xy, road.right, road.left]), margin=margin)
        subprocess.run(
            [python, str(script), str(given), str(made)], check=True, stdout=subprocess.DEVNULL
        )
        found = np.load(made)
        aside = np.sum((found["line"] - road.xy) * road.normal, axis=1)
        return line_from_offsets(
            track, road, aside, build_ggv(car), "peer", margin
        ).lap_time, float(found["took"])


def methods(car: Car, python: str) -> None:
    """The table of methods on five tracks, margin 0."""
    print("lap time s (s of processor) by method, margin 0 m")
    heads = [*LINE_METHODS[1:], *(["trajectory-planning-helpers"] if python else [])]
    print("| track | m | " + " | ".join(heads) + " |")
    print("|---|---:|" + "---:|" * len(heads))
    for name in FIVE:
        track = library.load_track(name)
        cells = [
            (line.lap_time, took)
            for line, took in (timed(track, car, 0.0, method) for method in LINE_METHODS[1:])
        ]
        cells += [peer(python, track, car, 0.0)] if python else []
        print(
            f"| {name} | {track.length:.1f} | "
            + " | ".join(f"{lap:.2f} ({took:.2f})" for lap, took in cells)
            + " |"
        )


def drives(paths: list[Path], car: Car) -> None:
    """The table of bounds and drives."""
    print("| track | m | bound s | driven s | gap | fewest wheels on the road |")
    print("|---|---:|---:|---:|---:|---:|")
    for path in paths:
        track = library.load_track(path)
        line = racing_line(track, car)
        found = follow_line(track, car, line)
        gap = f"{100.0 * (found.best_lap / line.lap_time - 1.0):+.1f} %"
        print(
            f"| {path.stem} | {track.length:.1f} | {line.lap_time:.2f} | {found.best_lap:.2f} | {gap} "
            f"| {found.fewest_wheels} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--car", default="v5")
    parser.add_argument("--peer", default="", metavar="PYTHON")
    parser.add_argument("--routes", type=Path)
    parser.add_argument("--part", choices=("methods", "drives", "all"), default="all")
    told = parser.parse_args()
    car = car_preset(told.car)
    racing_line(library.load_track("oval"), car, 0.0, "iterated")  # compiles
    if told.part in ("methods", "all"):
        methods(car, told.peer)
    if told.part in ("drives", "all"):
        folder = told.routes or shipped.tracks_folder()
        drives(sorted(folder.glob("*.npy" if told.routes else "*.toml")), car)


if __name__ == "__main__":
    main()
