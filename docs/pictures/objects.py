"""Draw the picture of docs/objects.md, beside this file: python docs/pictures/objects.py"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from racer import analysis as laps
from racer.drivers.scripted import drive
from racer.plotting import style
from racer.plotting.laps import draw_laps
from racer.plotting.track import draw_obstacles, draw_track
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.simulation import START_LINE, Scenario, Simulation
from racer.sim.state import trace_columns
from racer.track import load_track
from racer.vehicle.car import V6

HERE = Path(__file__).resolve().parent
TRACK = load_track("reinvent_2018")
BOTS = ObstacleLayout(number_of_bot_cars=3, bot_car_speed=0.8, is_lane_change=True)


def main() -> None:
    """Write the picture: a lap around six boxes, and bot cars with the way that they have driven."""
    with style.style_context():
        figure = Figure(figsize=(11.0, 4.4))
        boxes, bots = figure.subplots(1, 2, width_ratios=[1.2, 1.0])
        _lap_among_boxes(style.format_map_axes(boxes))
        _traffic(style.format_map_axes(bots))
    style.save_figure(figure, HERE / "objects.png", dpi=110)


def _lap_among_boxes(ax) -> None:
    import pandas as pd

    driven = drive(TRACK, "avoiding_fast", obstacles="boxes")
    none = np.zeros(len(driven.rows))
    steps = pd.DataFrame(trace_columns(driven.rows, none - 1, none, driven.tracks))
    table = laps.laps(steps)
    draw_obstacles(driven.objects, draw_laps(steps, table, ax, TRACK))
    ax.set_title(f"--objects boxes: a scripted lap of {driven.lap_time:.1f} s")


def _traffic(ax) -> None:
    field = Simulation(Scenario(TRACK, V6, starts=START_LINE, obstacle_layout=BOTS), 1, seed=3)
    field.state["x"] += 50.0  # nobody is in their way
    ways = []
    for _ in range(130):
        field.step(np.zeros((1, 2)))
        ways.append(np.column_stack([field.obstacles["x"][0], field.obstacles["y"][0]]))
    draw_track(TRACK, ax, center=False)
    for way in np.stack(ways, axis=1):
        ax.plot(*way.T, color=style.BOT_COLOR, linewidth=1.4, zorder=5)
    draw_obstacles(field.obstacles[0], ax)
    ax.set_title("bot cars that change lanes, and their last 8.7 s")


if __name__ == "__main__":
    main()
