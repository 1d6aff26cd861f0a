"""What the commands read: runs by name, logs with their laps and their track, tracks by name,
action spaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_runs
from racer.cli.tables import echo
from racer.errors import need
from racer.files import make_folder, write_folder
from racer.track import TrackEntry, check_extent, find_track, open_entry, user_home

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from racer.logs import Log, LogTrack
    from racer.track import Track
    from racer.vehicle import Metadata

SAVED_LOG = Path("evaluation-simtrace") / "0-iteration.csv"
"""The log of a race, in a folder of its run."""
LENGTH_TOLERANCE_M = 0.02  # of tracks whose logs can be laid over each other


def resolve_runs(ctx: typer.Context, value: Any) -> Any:
    """What a user gave for a run, with the folder in the place of a run's name or of a model; what
    that is goes to stderr.

    While a shell completes a line, names stay as they are. Raises UsageError for a name that no run
    has, and for what is no model of DeepRacer.
    """
    from racer.training.interop import may_be_model

    if ctx.resilient_parsing or value is None or not may_be_model(value):
        return resolve_names(ctx, value)
    return type(value)(_run_of_model(Path(value)))


def resolve_logs(ctx: typer.Context, value: Any) -> Any:
    """What a user gave for a log, or a list of that, as `resolve_runs` has it; a model that brings no
    log drives a race for one.
    """
    if isinstance(value, list):
        return [resolve_logs(ctx, one) for one in value]
    from racer.training.interop import holds_log, holds_model, may_be_model

    is_model = value is not None and not ctx.resilient_parsing and may_be_model(value)
    if not is_model or holds_log(value) or not holds_model(value):
        return resolve_names(ctx, value)
    folder = _run_of_model(Path(value))
    if not holds_log(folder):
        _drive_race(folder)
    return type(value)(folder)


def _run_of_model(path: Path) -> Path:
    """The run that is made of a model, or was before."""
    need("train")
    from racer.training.interop import run_of_model

    made = run_of_model(path, Path("runs"), user_home())
    if isinstance(made, Path):
        echo(f"{path} is {made}", err=True)
        return made
    for note in made.notes:
        echo(f"note: {note}", err=True)
    echo(f"{path} is {made.folder} now", err=True)
    return made.folder


def _drive_race(folder: Path) -> None:
    """Write the log of a race into a run."""
    from racer.logs import write_csv
    from racer.training import evaluate

    echo(f"{folder} has no log yet: it drives a race", err=True)
    result = evaluate(folder, home=user_home())
    write_folder(
        folder / f"evaluation-{result.stamp}",
        lambda place: write_csv(
            result.trace, make_folder(place / SAVED_LOG.parent) / SAVED_LOG.name
        ),
    )


def resolve_names(ctx: typer.Context, value: Any) -> Any:
    """What a user gave for a run or a log, or a list of that, with the folder in the place of a
    run's name; what that is goes to stderr.

    While a shell completes a line, names stay as they are. Raises UsageError for a name that no run
    has.
    """
    if ctx.resilient_parsing:
        return value
    if isinstance(value, list):
        return [resolve_names(ctx, one) for one in value]
    text = str(value)
    if "@" not in text or "://" in text or Path(text).exists():
        return value
    from racer.training import HANDLE, find_run

    if not HANDLE.fullmatch(text):
        return value
    folder = find_run(text)
    echo(f"{text} is {folder}", err=True)
    return type(value)(folder)


LogsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG...",
        help="Logs: files, folders, archives, globs, s3:// addresses; runs, also as @1.",
        callback=resolve_names,
        autocompletion=offer_runs,
    ),
]
LogsOrModelsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG...",
        help="Logs: files, folders, archives, globs, s3:// addresses; runs, also as @1; models.",
        callback=resolve_logs,
        autocompletion=offer_runs,
    ),
]
RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="Folder of a run, or its name: @1, @best, @last (racer runs); or a model: .tar.gz, .pb.",
        show_default=False,
        callback=resolve_runs,
        autocompletion=offer_runs,
    ),
]


@dataclass(frozen=True, eq=False)
class LogOnTrack:
    """A log, its laps, and the track that most of its steps were driven on.

    `is_on_track` (N,) tells for each row of the log whether it was driven there.
    """

    path: Path
    log: Log
    laps: pd.DataFrame
    log_track: LogTrack
    is_on_track: NDArray[np.bool_]
    note: str

    @property
    def track(self) -> Track | None:
        """The track, None where it is unknown."""
        return self.log_track.track

    @property
    def sentence(self) -> str:
        """What is known of the track."""
        return self.log_track.sentence + self.note

    @property
    def notes(self) -> list[str]:
        """What was converted, left out or guessed in the log and in its files, each once."""
        notes = list(self.log.notes)
        for source in self.log.sources:
            notes += source.notes
        return list(dict.fromkeys(notes))

    @property
    def laps_on_track(self) -> pd.DataFrame:
        """The laps that were driven on the track."""
        return self.laps[self.is_on_track[self.laps["first_row"]]]

    @property
    def standing(self) -> str:
        """A sentence that sets the best lap beside race results, empty where there are none of the
        track.
        """
        world = self.track.name if self.track else self.log.job.world
        sentence = describe_standing(
            world, best_lap_time(self.laps_on_track), self.log.job.race_type
        )
        if sentence and self.log.stamp_unit_s:
            return (
                f"{sentence}; its times are rounded to {self.log.stamp_unit_s:g} s, so not surely"
            )
        return sentence

    @property
    def against_bound(self) -> str:
        """A sentence that sets the best lap beside the car's lap-time bound, if that is known; else
        how to know it.
        """
        from racer.raceline import bound_sentence, remembered_bound
        from racer.vehicle import CARS

        best_time = best_lap_time(self.laps_on_track)
        car = CARS.get(self.log.job.car)
        if self.track is None or car is None or best_time is None:
            return ""
        bound = remembered_bound(self.track, car, user_home())
        if bound is None:
            reverse = " --reverse" if self.track.is_reversed else ""
            command = f"racer line {self.track.name} --car {car.name}{reverse}"
            return f"how fast a lap could be: {command}"
        return bound_sentence(best_time, bound, car.name)


def read_log_on_track(
    path: str | Path, track: str, routes: Path | None, *, with_line_deviation: bool = False
) -> LogOnTrack:
    """The log at `path` with its track: the one called `track`, or without a name one of the known
    ones and of the folder `routes` that the numbers fit.

    `with_line_deviation` fills that column of the laps, which takes a moment.
    """
    from racer import logs

    return _placed(logs.read_log(path), Path(path), track, routes, with_line_deviation)


def read_jobs_on_track(
    path: str | Path, track: str, routes: Path | None, *, with_line_deviation: bool = False
) -> list[LogOnTrack]:
    """What `read_log_on_track` gives, apart for each job where several lie in one folder."""
    from racer import logs

    log = logs.read_log(path)
    jobs = logs.read_jobs(path) if log.jobs else {"": log}
    return [
        _placed(log, Path(path) / job, track, routes, with_line_deviation)
        for job, log in jobs.items()
    ]


def _placed(
    log: Log, path: Path, track: str, routes: Path | None, with_line_deviation: bool
) -> LogOnTrack:
    on_track = place_log(log, path, track, routes)
    if with_line_deviation and on_track.track is not None:
        _fill_line_deviation(on_track, on_track.track)
    return on_track


def place_log(log: Log, path: Path, track: str, routes: Path | None) -> LogOnTrack:
    """A log that was read, with its laps and the track of most of its steps."""
    from racer.analysis import laps

    length = log.trace["track_len"].round(2)
    lengths = length.mode()
    is_on_track = length.notna().to_numpy()
    if len(lengths):
        is_on_track = (length == lengths.iloc[0]).to_numpy()
    log_track = track_of_log(log.trace[is_on_track], track, tracks_to_try(track, routes))
    note = ""
    if length.nunique() > 1:
        note = f" ({length.nunique()} tracks in these logs: this is the one of most steps)"
    return LogOnTrack(path, log, laps(log.trace), log_track, is_on_track, note)


def tracks_to_try(track: str, routes: Path | None) -> list[Track]:
    """The tracks among which that of a log is looked for; none where the user names it.

    What cannot be read is said on stderr.
    """
    if track:
        return []
    from racer.logs import KnownTracks

    known = KnownTracks(routes)
    tracks = list(known)
    for sentence in known.unreadable:
        echo(f"not tried: {sentence}", err=True)
    return tracks


def track_of_log(rows: pd.DataFrame, track: str, candidates: Sequence[Track]) -> LogTrack:
    """The track of rows that were driven on one; see `racer.logs.log_track.find_log_track`."""
    from racer.logs import find_log_track

    return find_log_track(rows, track, candidates)


def best_lap_time(laps: pd.DataFrame) -> float | None:
    """The time of the fastest complete lap, s; None without one."""
    from racer.analysis import fastest_laps

    fastest = fastest_laps(laps, 1)
    if not len(fastest):
        return None
    return float(fastest["time"].iloc[0])


def describe_standing(world: str, best_time: float | None, race_type: str = "") -> str:
    """A sentence that sets a lap time beside results of races of the same type, empty where there
    are none of the world.
    """
    from racer.analysis import race_standing

    if best_time is None:
        return ""
    standing = race_standing(world, best_time, race_type)
    return standing.sentence if standing else ""


def load_track_with_note(name: str, reverse: bool = False) -> Track:
    """The track of that name or file; what there is to say about it goes to stderr."""
    track = open_entry(find_track_with_note(name))
    if track.note:
        echo(f"note: {track.note}", err=True)
    check_extent(track)
    return track.reversed() if reverse else track


def find_track_with_note(name: str) -> TrackEntry:
    """Where the track of that name is; what there is to say about it goes to stderr."""
    entry = find_track(name)
    if entry.note:
        echo(f"note: {entry.note}", err=True)
    return entry


def read_action_space(path: Path | None) -> Metadata | None:
    """What a model_metadata.json says, None without one."""
    if path is None:
        return None  # and no time is spent on importing what reads it
    from racer.vehicle import read_metadata

    return read_metadata(path)


def laps_by_phase(laps: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The laps of training, and of races, as far as there are such."""
    from racer.analysis import lap_phases

    phases = lap_phases(laps)
    for phase in ("training", "evaluation"):
        is_in_phase = phases == phase
        if is_in_phase.any():
            yield phase, laps[is_in_phase]


def _fill_line_deviation(on_track: LogOnTrack, track: Track) -> None:
    from racer.analysis import line_deviation

    laps = on_track.laps_on_track
    first_rows, last_rows = laps["first_row"].to_numpy(), laps["last_row"].to_numpy()
    deviation = line_deviation(on_track.log.trace, first_rows, last_rows, track)
    on_track.laps.loc[laps.index, "line_deviation"] = deviation
