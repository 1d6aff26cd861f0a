"""Whole figures of a log, composed from the functions that draw on an Axes: one a kind of `racer
plot`.

Every figure is made from a `PlotRequest`; the functions raise UsageError, with the reason, where
the laps do not hold what the figure shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.analysis import discrete_action_usage
from racer.errors import UsageError
from racer.logs import Log
from racer.plotting import (
    actions,
    animation,
    ghosts,
    heat_maps,
    lap_times,
    laps,
    selection,
    style,
    telemetry,
    training,
)
from racer.plotting.track import border_points
from racer.track import Track

DEFAULT_GAMMA = 0.99  # discount factor, where neither the user nor the job says it
WIDTH_IN = 7.5  # fills the text width of A4, and A5 lying
MAX_GHOSTS = len(ghosts.GHOST_COLORS)
MAX_SECTOR_ROWS = 36
BEST_SECTOR_ROWS = 12  # where the user chooses no laps


@dataclass(frozen=True, eq=False)
class Rival:
    """A second log to set a lap against: its laps on the same track, and its name beside that of
    the first.
    """

    log: Log
    laps: pd.DataFrame
    names: tuple[str, str] = ("A", "B")


@dataclass(frozen=True, eq=False)
class PlotRequest:
    """What a figure is made from.

    `laps` are rows of `racer.analysis.laps(log.trace)` that were driven on `track`, None where it is
    unknown. `chosen_by_user`: the laps were chosen one by one, so all of them are shown, in their
    order. `color` is one of `racer.plotting.laps.LAP_COLORINGS`, `gamma` a discount factor; nan
    takes the job's, or 0.99.
    """

    log: Log
    laps: pd.DataFrame
    track: Track | None = None
    chosen_by_user: bool = False
    color: str = "speed"
    gamma: float = nan
    rival: Rival | None = None

    @property
    def trace(self) -> pd.DataFrame:
        """The steps of the log."""
        return self.log.trace

    def laps_or_best(self, count: int) -> pd.DataFrame:
        """The laps that the user chose, or else the `count` best."""
        if self.chosen_by_user:
            return self.laps
        return selection.best_or_farthest(self.laps, count)


def progress_figure(request: PlotRequest) -> Figure:
    """Completion, reward and lap times by iteration."""
    _require_laps(request)
    return training.training_figure(request.laps)


def lap_time_figure(request: PlotRequest) -> Figure:
    """The distribution of lap times, and the best so far."""
    _require_complete_lap(request, "lap times")
    with style.style_context():
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 5.8))
        top, bottom = figure.subplots(2, 1)
        lap_times.draw_time_distribution(request.laps, top)
        lap_times.draw_best_so_far(request.laps, bottom)
    return figure


def laps_on_track_figure(request: PlotRequest) -> Figure:
    """Laps on the track, colored by `request.color`: the three best, unless the user chose some."""
    _require_laps(request)
    shown = request.laps_or_best(3)
    _require_movement(request, shown)
    with style.style_context():
        figure, ax = _map_figure(request.trace, shown, request.track)
        laps.draw_laps(request.trace, shown, ax, request.track, color=request.color)
    return figure


def telemetry_figure(request: PlotRequest) -> Figure:
    """Speed and steering over distance with the corners marked: of the best lap, unless the user
    chose others.
    """
    _require_laps(request)
    shown = request.laps_or_best(1)
    if len(shown) > MAX_GHOSTS:
        raise UsageError(
            f"{len(shown)} laps over each other cannot be told apart: "
            f"choose up to {MAX_GHOSTS} with --laps"
        )
    aligned = _align(request, shown)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 5.4))
        top, bottom = figure.subplots(2, 1, sharex=True)
        telemetry.draw_lap_speeds(aligned.telemetry, top, command=len(shown) == 1)
        telemetry.draw_lap_steering(aligned.telemetry, bottom)
        _mark_corners(request.track, aligned, [top, bottom])
        _name_track(request.track, figure)
    return figure


def versus_figure(request: PlotRequest) -> Figure:
    """Lap against lap: speed, steering and the time between them. Two laps, or one of each log
    where there is a rival.

    Unless the user chose others they are the best lap and the next one that began where it did; of
    two logs the best of each.
    """
    aligned = _align_duel(request)
    names = [name.split(" (")[0] for name in aligned.telemetry]
    first, second = aligned.telemetry.values()
    with style.style_context():
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 7.0))
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 1.0, 1.0])
        telemetry.draw_lap_speeds(aligned.telemetry, top)
        telemetry.draw_lap_steering(aligned.telemetry, middle)
        telemetry.draw_lap_delta(first, second, bottom, names)
        if request.track is not None and np.isfinite(aligned.start):
            telemetry.draw_corner_gains(request.track, first, second, bottom, aligned.start)
        _mark_corners(request.track, aligned, [top, middle, bottom])
        _name_track(request.track, figure)
    return figure


def action_usage_figure(request: PlotRequest) -> Figure:
    """How the action space is used: bars and a grid of discrete actions, a 2-D histogram of
    continuous ones.
    """
    _require_laps(request)
    space = request.log.job.action_space
    usage = discrete_action_usage(request.trace, request.laps, space)
    if not len(selection.driving_rows(request.trace, request.laps)):
        raise UsageError("these laps hold no step in which the car acts")
    with style.style_context():
        if not len(usage):
            figure = style.NotebookFigure(figsize=(WIDTH_IN, 4.2))
            actions.draw_commands(request.trace, request.laps, figure.add_subplot(), space)
            return figure
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 6.2))
        top, bottom = figure.subplots(2, 1)
        actions.draw_action_bars(usage, top)
        actions.draw_action_grid(usage, bottom)
    return figure


def exit_figure(request: PlotRequest) -> Figure:
    """Where cars left the track, on the road by section."""
    _require_laps(request)
    return _heat_map(request, heat_maps.draw_exits)


def visit_figure(request: PlotRequest) -> Figure:
    """Where the cars were."""
    _require_driving(request)
    return _heat_map(request, heat_maps.draw_visits)


def mean_reward_figure(request: PlotRequest) -> Figure:
    """What a step was paid, by place."""
    _require_driving(request)
    return _heat_map(request, heat_maps.draw_mean_rewards)


def sector_figure(request: PlotRequest) -> Figure:
    """The sector times of the best laps as a table, unless the user chose others."""
    _require_complete_lap(request, "sector times")
    shown = request.laps_or_best(BEST_SECTOR_ROWS)
    shown = shown[shown["complete"]]
    if len(shown) > MAX_SECTOR_ROWS:
        raise UsageError(
            f"{len(shown)} laps are too many for one table: "
            f"choose up to {MAX_SECTOR_ROWS} with --laps"
        )
    times = lap_times.sector_time_table(request.trace, shown, request.track)
    width = max(2.6 + 0.78 * times.shape[1], 5.0)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(width, 1.3 + 0.3 * (len(times) + 1)))
        lap_times.draw_sector_times(times, figure.add_subplot())
    return figure


def reward_time_figure(request: PlotRequest) -> Figure:
    """The reward of laps against their times: the plain sum, and discounted."""
    _require_complete_lap(request, "rewards against lap times")
    gamma = request.gamma
    if isnan(gamma):
        gamma = request.log.job.hyperparameters.get("discount_factor", DEFAULT_GAMMA)
    gammas = sorted({1.0, float(gamma)}, reverse=True)
    with style.style_context():
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 0.4 + 2.8 * len(gammas)))
        panels = np.atleast_1d(figure.subplots(len(gammas), 1, sharex=True))
        for ax, factor in zip(panels, gammas, strict=True):
            lap_times.draw_reward_time(request.trace, request.laps, ax, factor).label_outer()
    return figure


def entropy_figure(request: PlotRequest) -> Figure:
    """Entropy and KL divergence of the policy by iteration, from the trainer's log."""
    ppo = request.log.job.ppo
    if not len(ppo):
        raise UsageError(
            "this log says nothing of entropy and KL divergence: they stand in the trainer's log "
            "(sagemaker.log, lines 'Policy training>'): open the folder that holds it"
        )
    with style.style_context():
        figure = style.NotebookFigure(figsize=(WIDTH_IN, 5.4))
        top, bottom = figure.subplots(2, 1, sharex=True)
        training.draw_entropy(ppo, top).set_xlabel("")
        training.draw_kl(ppo, bottom)
    return figure


def ghost_figure(request: PlotRequest) -> Figure:
    """Laps racing each other, as a still picture: their lines with a dot for every second."""
    shown = _ghost_laps(request)
    names = selection.lap_labels(shown)
    return ghosts_figure(request.trace, shown, request.track, names)


def ghosts_figure(
    trace: pd.DataFrame, shown: pd.DataFrame, track: Track | None, names: Sequence[str] = ()
) -> Figure:
    """A figure of the laps `shown` of a trace racing each other on a map; `names` label them."""
    with style.style_context():
        figure, ax = _map_figure(trace, shown, track)
        ghosts.draw_ghosts(trace, shown, ax, track, names=names)
    return figure


def write_ghost_animation(request: PlotRequest, path: Path) -> Path:
    """`path`, after writing an animation of laps racing each other there, .gif or .mp4; see
    `animate_laps`.
    """
    shown = _ghost_laps(request)
    names = selection.lap_labels(shown)
    return animation.animate_laps(request.trace, shown, path, request.track, names=names)


def _require_laps(request: PlotRequest) -> None:
    if not len(request.laps):
        raise UsageError("there is no lap to draw")


def _require_complete_lap(request: PlotRequest, subject: str) -> None:
    """Raises UsageError where none of the laps is complete; `subject` is what needs one."""
    _require_laps(request)
    if request.laps["complete"].any():
        return
    farthest = float(request.laps["completion"].max())
    ending = "the lap ends"
    if len(request.laps) > 1:
        ending = f"the best of these {len(request.laps)} laps ends"
    raise UsageError(
        f"{subject} need a complete lap, and {ending} at {farthest:.0f} %: "
        "racer plot exits shows where"
    )


def _require_movement(request: PlotRequest, shown: pd.DataFrame) -> None:
    segments, _ = laps.lap_lines(request.trace, shown)
    if not len(segments):
        raise UsageError(
            "there is no line to draw: no car moves from one step to the next in these laps"
        )


def _require_driving(request: PlotRequest) -> None:
    _require_laps(request)
    if not len(selection.driving_rows(request.trace, request.laps)):
        raise UsageError("these laps hold no step in which the car drives")


def _ghost_laps(request: PlotRequest) -> pd.DataFrame:
    """The laps that race each other: the three best, unless the user chose others."""
    _require_laps(request)
    shown = request.laps_or_best(3)
    if len(shown) > MAX_GHOSTS:
        raise UsageError(
            f"{MAX_GHOSTS} laps can race each other, not {len(shown)}: choose some with --laps"
        )
    _require_movement(request, shown)
    return shown


def _heat_map(request: PlotRequest, draw: Callable[..., Axes]) -> Figure:
    """A figure with a map of all laps of a request, which `draw` colors."""
    with style.style_context():
        figure, ax = _map_figure(request.trace, request.laps, request.track)
        draw(request.trace, request.laps, ax, request.track)
    return figure


def _map_figure(
    trace: pd.DataFrame, shown: pd.DataFrame, track: Track | None
) -> tuple[Figure, Axes]:
    """A figure with the right room for a map of the track, or of the laps."""
    if track is not None:
        area = border_points(track)
    else:
        rows = selection.row_numbers(shown)
        area = trace[["X", "Y"]].to_numpy(float)[rows]
    figure = style.NotebookFigure(figsize=style.map_figure_size(area, WIDTH_IN))
    return figure, figure.add_subplot()


def _align(request: PlotRequest, shown: pd.DataFrame) -> telemetry.AlignedLaps:
    return telemetry.align_laps(
        telemetry.laps_over_distance(request.trace, shown),
        selection.lap_labels(shown),
        request.track,
    )


def _align_duel(request: PlotRequest) -> telemetry.AlignedLaps:
    """The two laps that are set against each other, over distance."""
    if request.rival is not None:
        return _align_with_rival(request, request.rival)
    pair = request.laps
    if not request.chosen_by_user:
        pair = selection.comparable_pair(request.trace, request.laps, request.track)
    if len(pair) != 2:
        there_are = "is one" if len(pair) == 1 else f"are {len(pair) or 'none'}"
        raise UsageError(
            f"a lap against a lap needs two, and here {there_are}: --laps 3,7 chooses them"
        )
    return _align(request, pair)


def _align_with_rival(request: PlotRequest, rival: Rival) -> telemetry.AlignedLaps:
    ours = request.laps
    theirs = rival.laps
    if not request.chosen_by_user:
        ours = selection.best_or_farthest(ours, 1)
        theirs = selection.best_or_farthest(theirs, 1)
    if len(ours) != 1 or len(theirs) != 1:
        raise UsageError(
            "a lap against a lap of another log needs one of each: "
            "--laps 3,7 takes lap 3 and their lap 7"
        )
    return telemetry.align_laps(
        [
            *telemetry.laps_over_distance(request.trace, ours),
            *telemetry.laps_over_distance(rival.log.trace, theirs),
        ],
        [
            *selection.lap_labels(ours, rival.names[0]),
            *selection.lap_labels(theirs, rival.names[1]),
        ],
        request.track,
    )


def _name_track(track: Track | None, figure: Figure) -> None:
    """The track, where it is known, above all panels of a figure."""
    if track is not None:
        figure.suptitle(track.title, x=0.01, ha="left", fontweight="bold", fontsize=12)


def _mark_corners(track: Track | None, aligned: telemetry.AlignedLaps, panels: list[Axes]) -> None:
    """Marks the corners, and says from where distance counts."""
    for k, ax in enumerate(panels):
        ax.set_xlabel("")
        if track is not None:
            telemetry.draw_corners(track, ax, aligned.start, named=k == 0)
    origin = "where the lap began"
    if track is not None:
        distance_to_line = min(aligned.start, track.length - aligned.start)
        if distance_to_line < telemetry.SAME_PLACE_M:
            origin = "the start line"
    panels[-1].set_xlabel(f"distance from {origin} (m)")
