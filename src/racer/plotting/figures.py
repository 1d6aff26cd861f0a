"""Whole figures of a log, composed from the functions that draw on an Axes: one a kind of `racer
plot`.

All take a log, rows of `racer.analysis.laps(log.trace)` that were driven on one track, that track
(None where it is unknown) and a `Wish`; they raise UsageError, with the reason, where the laps do
not hold what the figure shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.analysis import laps as lap_table
from racer.errors import UsageError, did_you_mean
from racer.logs import Log, read_log
from racer.logs.track_matching import match_track
from racer.plotting import actions as action_plots
from racer.plotting import animation, heat_maps, lap_times, policy, selection, style, telemetry
from racer.plotting import laps as lap_plots
from racer.plotting.track import border_points
from racer.track import library
from racer.track.track import Track

DEFAULT_GAMMA = 0.99  # discount factor, where neither the user nor the job says it
WIDTH_IN = 7.5  # inches: fills the text width of A4, and A5 lying
MAX_GHOSTS = len(animation.CAR_COLORS)
MAX_SECTOR_ROWS = 12


@dataclass(frozen=True, eq=False)
class Rival:
    """A second log to set a lap against: its laps on the same track, and its name beside that of
    the first.
    """

    log: Log
    laps: pd.DataFrame
    names: tuple[str, str] = ("A", "B")


@dataclass(frozen=True, eq=False)
class PlotOptions:
    """What one may ask of a figure.

    `color`: one of `racer.plotting.laps.LAP_COLORINGS`. `gamma`: a discount factor; nan takes the job's, or
    0.99. `by_hand`: the laps were chosen one by one, so all of them are shown, in their order.
    """

    color: str = "speed"
    gamma: float = nan
    chosen_by_user: bool = False
    rival: Rival | None = None


DEFAULT_OPTIONS = PlotOptions()


def progress_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Completion, reward and lap times by iteration."""
    return lap_plots.training_figure(_some(laps))


def lap_time_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """The distribution of lap times, and the best so far."""
    _complete(laps, "lap times")
    with style.style_context():
        figure = Figure(figsize=(WIDTH_IN, 5.8))
        top, bottom = figure.subplots(2, 1)
        lap_times.draw_time_distribution(laps, top)
        lap_times.draw_best_so_far(laps, bottom)
    return figure


def laps_on_track_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Laps on the track, colored by one of `racer.plotting.laps.LAP_COLORINGS`: the three best, unless
    chosen by hand.
    """
    shown = _picked(_some(laps), 3, wish)
    _moved(log, shown)
    with style.style_context():
        figure, ax = _map(log, shown, track)
        lap_plots.draw_laps(log.trace, shown, ax, track, color=wish.color)
    return figure


def telemetry_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Speed and steering over distance with the corners marked: of the best lap, unless others are
    chosen by hand.
    """
    shown = _picked(_some(laps), 1, wish)
    if len(shown) > MAX_GHOSTS:
        raise UsageError(
            f"{len(shown)} laps over each other cannot be told apart: choose up to {MAX_GHOSTS} with --laps"
        )
    found = _aligned(log, shown, selection.lap_labels(shown), track)
    with style.style_context():
        figure = Figure(figsize=(WIDTH_IN, 5.4))
        top, bottom = figure.subplots(2, 1, sharex=True)
        telemetry.draw_lap_speeds(found.trips, top, command=len(shown) == 1)
        telemetry.draw_lap_steering(found.trips, bottom)
        _finish(track, found, [top, bottom])
    return figure


def versus_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Lap against lap: speed, steering and the time between them. Two laps, or one of each log
    where there is a rival.

    Unless chosen by hand they are the best lap and the next one that began where it did; of two
    logs the best of each.
    """
    found = _duel(log, laps, track, wish)
    names = list(found.trips)
    with style.style_context():
        figure = Figure(figsize=(WIDTH_IN, 7.0))
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 1.0, 1.0])
        telemetry.draw_lap_speeds(found.trips, top)
        telemetry.draw_lap_steering(found.trips, middle)
        short = [name.split(" (")[0] for name in names]
        telemetry.draw_lap_delta(found.trips[names[0]], found.trips[names[1]], bottom, short)
        _finish(track, found, [top, middle, bottom])
    return figure


def action_usage_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """How the action space is used: bars and a grid of discrete actions, a 2-D histogram of
    continuous ones.
    """
    space = log.job.action_space
    use = action_plots.discrete_action_usage(log.trace, _some(laps), space)
    if not len(action_plots.acting_rows(log.trace, laps)):
        raise UsageError("these laps hold no step in which the car acts")
    with style.style_context():
        if not len(use):
            figure = Figure(figsize=(WIDTH_IN, 4.2))
            action_plots.draw_commands(log.trace, laps, figure.add_subplot(), space)
            return figure
        figure = Figure(figsize=(WIDTH_IN, 6.2))
        top, bottom = figure.subplots(2, 1)
        action_plots.draw_action_bars(use, top)
        action_plots.draw_action_grid(use, bottom)
    return figure


def exit_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Where cars left the track, on the road by section."""
    with style.style_context():
        figure, ax = _map(log, _some(laps), track)
        heat_maps.draw_exits(log.trace, laps, ax, track)
    return figure


def visit_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Where the cars were."""
    _drove(log, laps)
    with style.style_context():
        figure, ax = _map(log, laps, track)
        heat_maps.draw_visits(log.trace, laps, ax, track)
    return figure


def mean_reward_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """What a step was paid, by place."""
    _drove(log, laps)
    with style.style_context():
        figure, ax = _map(log, laps, track)
        heat_maps.draw_mean_rewards(log.trace, laps, ax, track)
    return figure


def sector_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """The sector times of the best laps as a table, unless others are chosen by hand."""
    whole = _complete(laps, "sector times")
    shown = _picked(whole[whole["complete"]], MAX_SECTOR_ROWS, wish)
    if len(shown) > 3 * MAX_SECTOR_ROWS:
        raise UsageError(
            f"{len(shown)} laps are too many for one table: choose up to {3 * MAX_SECTOR_ROWS} with --laps"
        )
    found = lap_times.sector_time_table(log.trace, shown, track)
    with style.style_context():
        wide = 2.6 + 0.78 * found.shape[1]
        figure = Figure(figsize=(max(wide, 5.0), 1.3 + 0.3 * (len(found) + 1)))
        lap_times.draw_sector_times(found, figure.add_subplot())
    return figure


def reward_time_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """The reward of laps against their times: the plain sum, and discounted."""
    _complete(laps, "rewards against lap times")
    told = (
        log.job.hyperparameters.get("discount_factor", DEFAULT_GAMMA)
        if isnan(wish.gamma)
        else wish.gamma
    )
    gammas = sorted({1.0, float(told)}, reverse=True)
    with style.style_context():
        figure = Figure(figsize=(WIDTH_IN, 0.4 + 2.8 * len(gammas)))
        panels = np.atleast_1d(figure.subplots(len(gammas), 1, sharex=True))
        for ax, gamma in zip(panels, gammas, strict=True):
            lap_times.draw_reward_time(log.trace, laps, ax, gamma).label_outer()
    return figure


def entropy_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Entropy and KL divergence of the policy by iteration, from the trainer's log."""
    ppo = log.job.ppo
    if not len(ppo):
        raise UsageError(
            "this log says nothing of entropy and KL divergence: they stand in the trainer's log (sagemaker.log, lines "
            "'Policy training>'): open the folder that holds it"
        )
    with style.style_context():
        figure = Figure(figsize=(WIDTH_IN, 5.4))
        top, bottom = figure.subplots(2, 1, sharex=True)
        policy.draw_entropy(ppo, top).set_xlabel("")
        policy.draw_kl(ppo, bottom)
    return figure


def ghost_figure(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions = DEFAULT_OPTIONS
) -> Figure:
    """Laps racing each other, as a still picture: their lines with a dot for every second."""
    shown = _raced(log, laps, wish)
    with style.style_context():
        figure, ax = _map(log, shown, track)
        lap_plots.draw_ghosts(log.trace, shown, ax, track, names=selection.lap_labels(shown))
    return figure


def write_ghost_animation(
    log: Log,
    laps: pd.DataFrame,
    track: Track | None,
    path: Path,
    wish: PlotOptions = DEFAULT_OPTIONS,
) -> Path:
    """`path`, after writing an animation of laps racing each other there, .gif or .mp4; see
    `animate`.
    """
    shown = _raced(log, laps, wish)
    return animation.animate_laps(log.trace, shown, path, track, names=selection.lap_labels(shown))


def _some(laps: pd.DataFrame) -> pd.DataFrame:
    if not len(laps):
        raise UsageError("there is no lap to draw")
    return laps


def _complete(laps: pd.DataFrame, what: str) -> pd.DataFrame:
    """`laps`, of which at least one is complete."""
    if not _some(laps)["complete"].any():
        far = float(laps["completion"].max())
        whom = "the lap ends" if len(laps) == 1 else f"the best of these {len(laps)} laps ends"
        raise UsageError(
            f"{what} need a complete lap, and {whom} at {far:.0f} %: racer plot exits shows where"
        )
    return laps


def _moved(log: Log, laps: pd.DataFrame) -> None:
    if not len(lap_plots.lap_lines(log.trace, laps)[0]):
        raise UsageError(
            "there is no line to draw: no car moves from one step to the next in these laps"
        )


def _drove(log: Log, laps: pd.DataFrame) -> None:
    if not len(heat_maps.driving_rows(log.trace, _some(laps))):
        raise UsageError("these laps hold no step in which the car drives")


def _picked(laps: pd.DataFrame, count: int, wish: PlotOptions) -> pd.DataFrame:
    return laps if wish.chosen_by_user else selection.best_or_farthest(laps, count)


def _raced(log: Log, laps: pd.DataFrame, wish: PlotOptions) -> pd.DataFrame:
    """The laps that race: the three best, unless chosen by hand."""
    shown = _picked(_some(laps), 3, wish)
    if len(shown) > MAX_GHOSTS:
        raise UsageError(
            f"{MAX_GHOSTS} laps can race each other, not {len(shown)}: choose some with --laps"
        )
    _moved(log, shown)
    return shown


def _map(log: Log, laps: pd.DataFrame, track: Track | None) -> tuple[Figure, Axes]:
    """A figure with the right room for a map of the track, or of the laps."""
    rows = lap_plots.row_numbers(laps)
    area = log.trace[["X", "Y"]].to_numpy(float)[rows] if track is None else border_points(track)
    figure = Figure(figsize=style.map_figure_size(area, WIDTH_IN))
    return figure, figure.add_subplot()


def _duel(
    log: Log, laps: pd.DataFrame, track: Track | None, wish: PlotOptions
) -> telemetry.AlignedLaps:
    """The two laps that are set against each other."""
    if wish.rival is None:
        two = laps if wish.chosen_by_user else selection.comparable_pair(log.trace, laps, track)
        if len(two) != 2:
            raise UsageError(
                f"a lap against a lap needs two, and here {_are(len(two))}: --laps 3,7 chooses them"
            )
        return _aligned(log, two, selection.lap_labels(two), track)
    one, other = (
        rows if wish.chosen_by_user else selection.best_or_farthest(rows, 1)
        for rows in (laps, wish.rival.laps)
    )
    if len(one) != 1 or len(other) != 1:
        raise UsageError(
            "a lap against a lap of another log needs one of each: --laps 3,7 takes lap 3 and their lap 7"
        )
    names = [
        selection.lap_labels(rows, name)[0]
        for rows, name in zip((one, other), wish.rival.names, strict=True)
    ]
    trips = [
        *telemetry.laps_over_distance(log.trace, one),
        *telemetry.laps_over_distance(wish.rival.log.trace, other),
    ]
    return telemetry.align_laps(trips, names, track)


def _are(count: int) -> str:
    return "is one" if count == 1 else f"are {count or 'none'}"


def _aligned(
    log: Log, laps: pd.DataFrame, names: list[str], track: Track | None
) -> telemetry.AlignedLaps:
    return telemetry.align_laps(telemetry.laps_over_distance(log.trace, laps), names, track)


def _finish(track: Track | None, found: telemetry.AlignedLaps, panels: list[Axes]) -> None:
    """Marks the corners, and says from where distance counts."""
    for k, ax in enumerate(panels):
        ax.set_xlabel("")
        if track is not None:
            telemetry.draw_corners(track, ax, found.start, named=k == 0)
    line = (
        track is not None and min(found.start, track.length - found.start) < telemetry.SAME_PLACE_M
    )
    panels[-1].set_xlabel(
        f"distance from {'the start line' if line else 'where the lap began'} (m)"
    )


@dataclass(frozen=True)
class PlotKind:
    """A kind of picture: its line in the list, what draws it, and the phase it is about where the
    log has it.

    `draw(log, laps, track, wish=Wish())` returns a figure; `film(log, laps, track, path,
    wish=Wish())` writes an animation. `laps` are rows of `racer.analysis.laps(log.trace)` that were
    driven on `track`, which may be None.
    """

    line: str
    draw: Callable[..., Figure]
    phase: str = ""
    animate: Callable[..., Path] | None = None


PLOT_KINDS = {
    "progress": PlotKind("completion, reward and lap times by iteration", progress_figure, "training"),
    "laptimes": PlotKind("how lap times spread, and the best so far", lap_time_figure, "training"),
    "track": PlotKind("laps on the track, by speed, reward, throttle, steering or time (--color)", laps_on_track_figure),
    "telemetry": PlotKind("speed and steering over distance, corners marked", telemetry_figure),
    "versus": PlotKind("lap against lap (--laps 3,7) or log against log, with the time between them", versus_figure),
    "sectors": PlotKind("sector times of the best laps as a table", sector_figure),
    "actions": PlotKind("use of the action space, with the actions never taken", action_usage_figure, "training"),
    "exits": PlotKind("where cars left the track or crashed", exit_figure, "training"),
    "visits": PlotKind("heat map of where the cars were", visit_figure, "training"),
    "rewards": PlotKind("heat map of the mean reward of a step", mean_reward_figure, "training"),
    "reward-time": PlotKind("reward of laps against their times, plain and discounted (--gamma)", reward_time_figure,
                        "training"),
    "entropy": PlotKind("entropy and KL divergence of the policy by iteration", entropy_figure, "training"),
    "ghosts": PlotKind("laps racing each other: .gif or .mp4, or a still picture", ghost_figure, animate=write_ghost_animation),
}  # fmt: skip


def plot(
    log: Log | str | Path,
    kind: str = "track",
    *,
    track: Track | None = None,
    laps: pd.DataFrame | str | None = None,
    **options: Any,
) -> Figure:
    """A figure of a log, of one of `PLOT_KINDS`: `plot(log, "track", laps="best:2")`.

    `log` may also be what `read_log` takes: the path of a file, a folder or an archive. Without
    `track` it is recognized among those with a name. `laps` are rows of
    `racer.analysis.laps(log.trace)`, or words as of `racer plot --laps`; without them the kind
    takes those that fit it. `options` are the fields of `PlotOptions`; a log as `rival` stands for
    all of its laps. Raises UsageError for an unknown kind, and where the log does not hold what the
    kind shows.
    """
    plot_kind = find_plot_kind(kind)
    if not isinstance(log, Log):
        log = read_log(log)
    if track is None:
        match = match_track(
            log.trace,
            (library.open_entry(entry, keep_seam=True) for entry in library.track_entries()),
        )
        track = match.track if match else None
    table = lap_table(log.trace) if laps is None or isinstance(laps, str) else laps
    if isinstance(laps, str):
        table = selection.select_laps(table, laps)
    elif laps is None:
        table = selection.prefer_phase(table, plot_kind.phase)
    if isinstance(options.get("rival"), Log):
        other = options["rival"]
        options["rival"] = Rival(other, lap_table(other.trace))
    return plot_kind.draw(
        log, table, track, PlotOptions(chosen_by_user=laps is not None, **options)
    )


def find_plot_kind(name: str) -> PlotKind:
    """The kind with that name. Raises UsageError with the nearest one."""
    if name not in PLOT_KINDS:
        raise UsageError(
            f"no picture is called {name!r}{did_you_mean(name, list(PLOT_KINDS))} (racer plot --list)"
        )
    return PLOT_KINDS[name]
