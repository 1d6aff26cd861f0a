"""The kinds of pictures of a log by their names: what `racer plot KIND LOG` draws, and a notebook in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from racer.errors import UsageError, did_you_mean
from racer.laps import laps as lap_table
from racer.logs import Log
from racer.logs.recognise import recognise
from racer.plot import figures, selection
from racer.plot.figures import Rival, Wish
from racer.track import library
from racer.track.record import Track


@dataclass(frozen=True)
class Kind:
    """A kind of picture: its line in the list, what draws it, and the phase it is about where the log has it.

    `draw(log, laps, track, wish=Wish())` returns a figure; `film(log, laps, track, path, wish=Wish())` writes an
    animation. `laps` are rows of `racer.laps.laps(log.trace)` that were driven on `track`, which may be None.
    """

    line: str
    draw: Callable[..., Figure]
    phase: str = ""
    film: Callable[..., Path] | None = None


KINDS = {
    "progress": Kind("completion, reward and lap times by iteration", figures.progress, "training"),
    "laptimes": Kind("how lap times spread, and the best so far", figures.lap_times, "training"),
    "track": Kind("laps on the track, by speed, reward, throttle, steering or time (--color)", figures.on_track),
    "telemetry": Kind("speed and steering over distance, corners marked", figures.over_distance),
    "versus": Kind("lap against lap (--laps 3,7) or log against log, with the time between them", figures.versus),
    "sectors": Kind("sector times of the best laps as a table", figures.sectors),
    "actions": Kind("use of the action space, with the actions never taken", figures.actions, "training"),
    "exits": Kind("where cars left the track or crashed", figures.exits, "training"),
    "visits": Kind("heat map of where the cars were", figures.visits, "training"),
    "rewards": Kind("heat map of the mean reward of a step", figures.rewards, "training"),
    "reward-time": Kind("reward of laps against their times, plain and discounted (--gamma)", figures.reward_time,
                        "training"),
    "entropy": Kind("entropy and KL divergence of the policy by iteration", figures.entropy, "training"),
    "ghosts": Kind("laps racing each other: .gif or .mp4, or a still picture", figures.ghosts, film=figures.race),
}  # fmt: skip


def picture(
    kind: str, log: Log, track: Track | None = None, laps: pd.DataFrame | str | None = None, **wishes: Any
) -> Figure:
    """A figure of a log, of one of `KINDS`: `picture("track", log, laps="best:2", color="reward")`.

    Without `track` it is recognized among those with a name. `laps` are rows of `racer.laps.laps(log.trace)`, or words
    as of `racer plot --laps`; without them the kind takes those that fit it. `wishes` are the fields of `Wish`; a log
    as `rival` stands for all of its laps.
    Raises UsageError for an unknown kind, and where the log does not hold what the kind shows.
    """
    found = kind_of(kind)
    if track is None:
        known = recognise(log.trace, (library.open_entry(entry, keep_seam=True) for entry in library.entries()))
        track = known.track if known else None
    table = lap_table(log.trace) if laps is None or isinstance(laps, str) else laps
    if isinstance(laps, str):
        table = selection.chosen(table, laps)
    elif laps is None:
        table = selection.mostly(table, found.phase)
    if isinstance(wishes.get("rival"), Log):
        other = wishes["rival"]
        wishes["rival"] = Rival(other, lap_table(other.trace))
    return found.draw(log, table, track, Wish(by_hand=laps is not None, **wishes))


def kind_of(name: str) -> Kind:
    """The kind with that name. Raises UsageError with the nearest one."""
    if name not in KINDS:
        raise UsageError(f"no picture is called {name!r}{did_you_mean(name, list(KINDS))} (racer plot --list)")
    return KINDS[name]
