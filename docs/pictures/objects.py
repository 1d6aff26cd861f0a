"""Draw the picture of docs/objects.md, beside this file: python docs/pictures/objects.py"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.drivers.scripted import drive
from racer.plotting import draw_laps, draw_obstacles, draw_track, style
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.simulation import START_LINE, Scenario, Simulation
from racer.sim.state import trace_columns
from racer.track import load_track
from racer.vehicle.car import V6

FOLDER = Path(__file__).resolve().parent
TRACK = load_track("reinvent_2018")
BOT_CARS = ObstacleLayout(number_of_bot_cars=3, bot_car_speed=0.8, is_lane_change=True)
TRAFFIC_STEPS = 130


def main() -> None:
    """Write the picture: a lap around six boxes, and bot cars with the paths that they have
    driven.
    """
    with style.style_context():
        figure = Figure(figsize=(11.0, 4.4))
        boxes, bot_cars = figure.subplots(1, 2, width_ratios=[1.2, 1.0])
        draw_lap_among_boxes(style.format_map_axes(boxes))
        draw_traffic(style.format_map_axes(bot_cars))
    style.save_figure(figure, FOLDER / "objects.png", dpi=110)


def draw_lap_among_boxes(ax: Axes) -> None:
    """A lap of a scripted driver around six boxes, colored by speed."""
    result = drive(TRACK, "avoiding_fast", obstacles="boxes")
    no_action = np.full(len(result.rows), -1.0)
    no_reward = np.zeros(len(result.rows))
    trace = pd.DataFrame(trace_columns(result.rows, no_action, no_reward, result.tracks))
    draw_laps(trace, laps(trace), ax, TRACK)
    draw_obstacles(result.objects, ax)
    ax.set_title(f"--objects boxes: a scripted lap of {result.lap_time:.1f} s")


def draw_traffic(ax: Axes) -> None:
    """Bot cars that change lanes, where they are and where they came from."""
    scenario = Scenario(TRACK, V6, starts=START_LINE, obstacle_layout=BOT_CARS)
    simulation = Simulation(scenario, 1, seed=3)
    simulation.state["x"] += 50.0  # the only car is in nobody's way
    positions = []
    for _ in range(TRAFFIC_STEPS):
        simulation.step(np.zeros((1, 2)))
        bot_cars = simulation.obstacles[0]
        positions.append(np.column_stack([bot_cars["x"], bot_cars["y"]]))
    draw_track(TRACK, ax, center=False)
    for path in np.stack(positions, axis=1):
        ax.plot(*path.T, color=style.BOT_COLOR, linewidth=1.4, zorder=5)
    draw_obstacles(bot_cars, ax)
    ax.set_title("bot cars that change lanes, and their last 8.7 s")


if __name__ == "__main__":
    main()
