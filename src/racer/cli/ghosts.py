"""Best laps of several drives racing each other, as commands draw them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from racer.track import Track

PICTURE_NAME = "ghosts.png"
ANIMATION_NAME = "ghosts.gif"


def draw_best_laps(traces: Mapping[str, pd.DataFrame], track: Track, folder: Path) -> list[Path]:
    """Paths of a picture and an animation, in `folder`, of the best complete lap of each trace.

    `traces` are columns of the simulator's log, under the names in the pictures. Without a complete
    lap there are no pictures.
    """
    from racer.plotting import animate_laps, ghosts_figure, save_figure

    trace, laps = _best_laps_together(traces)
    if not len(laps):
        return []
    names = [f"{name}, {time:.2f} s" for name, time in laps["time"].items()]
    picture = folder / PICTURE_NAME
    save_figure(ghosts_figure(trace, laps, track, names), picture)
    return [picture, animate_laps(trace, laps, folder / ANIMATION_NAME, track, names=names)]


def _best_laps_together(
    traces: Mapping[str, pd.DataFrame],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The steps of all traces one after another, and of each its best complete lap."""
    import pandas as pd

    from racer.analysis import laps as lap_table

    best_laps: dict[str, Any] = {}
    first_row = 0
    for name, trace in traces.items():
        laps = lap_table(trace)
        complete = laps[laps["complete"]]
        if len(complete):
            lap = complete.nsmallest(1, "time").iloc[0].copy()
            lap[["first_row", "last_row"]] += first_row
            best_laps[name] = lap
        first_row += len(trace)
    return pd.concat(list(traces.values()), ignore_index=True), pd.DataFrame(best_laps).T
