"""Lap-time bounds beside the records of public races: `python benchmarks/records.py DATA [-o
scatter.png]`.

DATA is a folder with `leaderboards.csv` (a race a row: track, closed, p0 the fastest racer's time
in s) and `tracks`, real routes. Every race whose track's route is there is in the table; both
directions of a road take its base route. One car and one margin serve all.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from racer.analysis.leaderboard import WORLD_VARIANT_ENDINGS
from racer.raceline.minimum_time import LINE_MARGIN_M, racing_line
from racer.track import library
from racer.vehicle.car import car_preset

CAR = "v5"  # the car of the console and of DeepRacer for Cloud from 2022 on
SINCE = ("0000", "2022-01", "2023-01")
FAR = 0.12  # of the record: what is farther off is to be explained


@dataclass(frozen=True)
class Row:
    """A race: its track, when it ended, the record and the bound, both s."""

    track: str
    closed: str
    measure: str
    record: float
    bound: float

    @property
    def off(self) -> float:
        """By what share of the record the bound differs from it; negative: the bound is faster."""
        return self.bound / self.record - 1.0


def rows(data: Path, car: str, margin: float) -> list[Row]:
    """All races whose road is known, in the order of the table."""
    known: dict[Path, float] = {}
    found = []
    with (data / "leaderboards.csv").open(encoding="utf-8") as file:
        races = list(csv.DictReader(file))
    for race in races:
        names = (race["track"], *(race["track"] + end for end in sorted(WORLD_VARIANT_ENDINGS)))
        path = next((p for name in names if (p := data / "tracks" / f"{name}.npy").is_file()), None)
        if path is None:
            continue
        if path not in known:
            known[path] = racing_line(library.load_track(path), car_preset(car), margin).lap_time
        found.append(
            Row(race["track"], race["closed"], race["measure"], float(race["p0"]), known[path])
        )
    return found


def summary(found: list[Row], since: str) -> str:
    """What the races since a month say, as a row of a table."""
    mine = [row for row in found if row.closed >= since]
    off = np.array([row.off for row in mine])
    ranks = [
        np.argsort(np.argsort([getattr(row, name) for row in mine])) for name in ("record", "bound")
    ]
    match = float(np.corrcoef(*ranks)[0, 1])
    far = int((np.abs(off) > FAR).sum())
    since = since if since > "1" else "all"
    return (
        f"| {since} | {len(mine)} | {np.median(np.abs(off)):.1%} | {np.median(off):+.1%} | {match:.3f} "
        f"| {off.max():+.1%} | {far} |"
    )


def table(found: list[Row]) -> str:
    """All races, the latest first."""
    lines = [
        "| track | closed | ranked by | record s | bound s | off |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in sorted(found, key=lambda r: r.closed, reverse=True):
        lines.append(
            f"| {row.track} | {row.closed} | {row.measure} | {row.record:.2f} | {row.bound:.2f} | {row.off:+.1%} |"
        )
    return "\n".join(lines)


def scatter(found: list[Row], path: Path, car: str) -> None:
    """A picture of bounds over records."""
    from matplotlib.figure import Figure

    from racer.plotting import style

    with style.style_context():
        figure = Figure(figsize=(5.6, 5.2))
        ax = figure.subplots()
        top = 1.06 * max(row.record for row in found)
        ax.plot([4, top], [4, top], color=style.FAINT, linewidth=0.9, label="bound = record")
        ax.fill_between(
            [4, top],
            [3.52, 0.88 * top],
            [4.48, 1.12 * top],
            color="#f0f0ee",
            label="12 % to either side",
            zorder=0,
        )
        for low, high, mark, color, words in (
            ("2023-01", "9999", "o", style.PALETTE[0], "races since 2023"),
            ("2022-01", "2023-01", "D", style.PALETTE[1], "races of 2022"),
            ("0000", "2022-01", "x", style.PALETTE[5], "races before"),
        ):
            mine = [row for row in found if low <= row.closed < high]
            ax.plot(
                [r.record for r in mine],
                [r.bound for r in mine],
                mark,
                color=color,
                markersize=5,
                linestyle="none",
                label=words,
            )
        ax.set_xlabel("fastest racer's time (s)")
        ax.set_ylabel(f"bound of car {car} (s)")
        ax.set_xlim(4, top)
        ax.set_ylim(4, top)
        ax.set_title("Bounds and records")
        ax.legend(loc="upper left")
        style.save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--car", default=CAR)
    parser.add_argument("--margin", type=float, default=LINE_MARGIN_M)
    parser.add_argument("-o", "--output", type=Path)
    told = parser.parse_args()
    found = rows(told.data, told.car, told.margin)
    print(f"car {told.car}, margin {told.margin:g} m\n")
    print(
        "| races since | n | median of the sizes | median | rank correlation | slowest bound | farther than 12 % |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for since in SINCE:
        print(summary(found, since))
    print()
    print(table(found))
    if told.output:
        scatter(found, told.output, told.car)


if __name__ == "__main__":
    main()
