"""The kinds of pictures of a log, as `racer plot --list` names them, and `plot`, which draws one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from racer import analysis
from racer.errors import UsageError, did_you_mean
from racer.logs import HasTrace, KnownTracks, Log, as_log, find_log_track
from racer.plotting import selection
from racer.plotting.actions import review_figure
from racer.plotting.figures import (
    PlotRequest,
    Rival,
    action_usage_figure,
    entropy_figure,
    exit_figure,
    ghost_figure,
    lap_time_figure,
    laps_on_track_figure,
    mean_reward_figure,
    progress_figure,
    reward_time_figure,
    sector_figure,
    telemetry_figure,
    versus_figure,
    visit_figure,
    write_ghost_animation,
)
from racer.plotting.foresight import foresight_figure
from racer.track import Track

if TYPE_CHECKING:
    from racer.diagnostics import Diagnosis, Symptom

COURSE_PICTURES = ("progress", "laptimes", "entropy")
"""Pictures of a whole training, where others are of its last laps."""


@dataclass(frozen=True)
class PlotKind:
    """A kind of picture: its line in the list, what draws it, and the phase it is about where the
    log has it.

    `animate` writes an animation where the kind has one. `needs_trace` is False where the laps
    alone are enough.
    """

    summary: str
    draw: Callable[[PlotRequest], Figure]
    phase: str = ""
    animate: Callable[[PlotRequest, Path], Path] | None = None
    needs_trace: bool = True


PLOT_KINDS = {
    "progress": PlotKind(
        "completion, reward and lap times by iteration",
        progress_figure,
        "training",
        needs_trace=False,
    ),
    "laptimes": PlotKind(
        "how lap times spread, and the best so far",
        lap_time_figure,
        "training",
        needs_trace=False,
    ),
    "track": PlotKind(
        "laps on the track, by speed, reward, throttle, steering or time (--color)",
        laps_on_track_figure,
    ),
    "telemetry": PlotKind("speed and steering over distance, corners marked", telemetry_figure),
    "versus": PlotKind(
        "lap against lap (--laps 3,7) or log against log, with the time between them",
        versus_figure,
    ),
    "sectors": PlotKind("sector times of the best laps as a table", sector_figure),
    "actions": PlotKind(
        "use of the action space, with the actions never taken", action_usage_figure, "training"
    ),
    "exits": PlotKind("where cars left the track or crashed", exit_figure, "training"),
    "visits": PlotKind("heat map of where the cars were", visit_figure, "training"),
    "rewards": PlotKind("heat map of the mean reward of a step", mean_reward_figure, "training"),
    "reward-time": PlotKind(
        "reward of laps against their times, plain and discounted (--gamma)",
        reward_time_figure,
        "training",
    ),
    "entropy": PlotKind("entropy and KL divergence of the policy by iteration", entropy_figure),
    "ghosts": PlotKind(
        "laps racing each other: .gif or .mp4, or a still picture",
        ghost_figure,
        animate=write_ghost_animation,
    ),
}


def plot(
    log: Log | HasTrace | pd.DataFrame | str | Path,
    kind: str = "track",
    *,
    track: Track | str | None = None,
    laps: pd.DataFrame | str | None = None,
    color: str = "speed",
    gamma: float = nan,
    rival: Log | HasTrace | Rival | str | Path | None = None,
) -> Figure:
    """A matplotlib figure of a log: the same pictures as those of the command `racer plot`.

    | kind | shows |
    |---|---|
    | progress | completion, reward and lap times by iteration |
    | laptimes | how lap times spread, and the best so far |
    | track | laps on the track, colored by `color` |
    | telemetry | speed and steering over distance, corners marked |
    | versus | lap against lap, or the best lap of `log` against that of `rival` |
    | sectors | sector times of the best laps as a table |
    | actions | use of the action space, with the actions never taken |
    | exits | where cars left the track or crashed |
    | visits | heat map of where the cars were |
    | rewards | heat map of the mean reward of a step |
    | reward-time | reward of laps against their times, plain and discounted by `gamma` |
    | entropy | entropy and KL divergence of the policy by iteration |
    | ghosts | laps racing each other |

    `log` is a log, what `racer.evaluate` or `racer.drive` gave, or the path of a file, folder or
    archive of a log; for `progress` and `laptimes`
    also a table of laps. `track` is the track that it was driven on (a name or a file will do); left
    out, it is recognized among those with a name. `laps` are rows of `racer.analysis.laps`, or text
    as of `racer plot --laps`: `"3,7"`, `"best:2"`, `"first:5"`, `"last:5"`, `"all"`; left out, the
    kind takes those that fit it. `color` is `speed`, `reward`, `throttle`, `steering` or `time`;
    `gamma` a discount factor, by default the job's or 0.99; all laps of `rival` count.

    Raises UsageError for an unknown kind, and where the log does not hold what the kind shows.

    >>> from racer import drive
    >>> figure = plot(drive("oval", "fast"), "track")
    >>> figure.axes[0].get_xlabel()
    'x (m)'
    """
    plot_kind = find_plot_kind(kind)
    if isinstance(log, pd.DataFrame):
        if plot_kind.needs_trace:
            raise UsageError(f"a picture of the kind {kind!r} needs the log, not its laps alone")
        return plot_kind.draw(PlotRequest(Log(pd.DataFrame(), ()), log))
    if track is None:
        track = getattr(log, "track", None)
    log = as_log(log)
    track = _track_of(log, track)
    if isinstance(laps, pd.DataFrame):
        table = laps
    elif laps is None:
        table = selection.prefer_phase(analysis.laps(log.trace), plot_kind.phase)
    else:
        table = selection.select_laps(analysis.laps(log.trace), laps)
    if rival is not None and not isinstance(rival, Rival):
        other = as_log(rival)
        rival = Rival(other, analysis.laps(other.trace))
    request = PlotRequest(log, table, track, laps is not None, color, gamma, rival)
    return plot_kind.draw(request)


def symptom_figure(log: Log, diagnosis: Diagnosis, symptom: Symptom) -> Figure:
    """What a symptom of a diagnosis of `log` looks like: a picture of `plot`, of its actions, or of
    the driving that the reward pays best.
    """
    if symptom.picture == "review" and diagnosis.review is not None:
        return review_figure(diagnosis.review)
    if symptom.picture == "foresight" and diagnosis.foresight is not None:
        return foresight_figure(diagnosis.foresight)
    laps = diagnosis.recent_laps
    if symptom.picture in COURSE_PICTURES:
        on_track = analysis.laps_on_main_track(log.trace, log.laps)
        laps = selection.prefer_phase(on_track, "training")
    return plot(log, symptom.picture, track=diagnosis.track, laps=laps)


def find_plot_kind(name: str) -> PlotKind:
    """The kind with that name. Raises UsageError with the nearest one."""
    if name not in PLOT_KINDS:
        guess = did_you_mean(name, list(PLOT_KINDS))
        raise UsageError(f"no picture is called {name!r}{guess} (racer plot --list)")
    return PLOT_KINDS[name]


def _track_of(log: Log, track: Track | str | None) -> Track | None:
    """The track in the log's direction: the given one, or the one with a name that fits; None where
    none does. Raises UsageError where a track that cannot be read might be the one.
    """
    if isinstance(track, Track):
        return track
    known = KnownTracks()
    log_track = find_log_track(log.trace, track or "", known)
    if log_track.track is None and known.unreadable:
        raise UsageError(known.unreadable[0])
    return log_track.track
