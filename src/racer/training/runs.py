"""The runs under a folder: what each is and where it stands, and the names by which commands call
them.

| name | which run |
|---|---|
| `@3` | the third one under `runs`, in the order in which they were begun |
| `@last` | the one that was begun last |
| `@best` | the one whose best lap is nearest to its lap-time bound |
| `FOLDER@3` | the same, of the runs under another folder |

A run folder is read here without PyTorch, and as data: it may be a stranger's.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from racer.errors import UsageError
from racer.files import decode_text, is_folder_held, read_bytes, read_json
from racer.track import Track, load_route, user_home
from racer.training.kept_checkpoint import service_pick
from racer.training.lineage import FAILURE_FILE, IMPORTED_KEY, parse_lineage
from racer.vehicle import car_preset

RUNS_FOLDER = "runs"
"""Where `racer train` puts its runs, and where names such as `@1` look for them."""

HANDLE = re.compile(r"(?P<folder>.*)@(?P<which>\d+|best|last)")
MAX_DEPTH = 6
"""Folders between the one that is searched and a run."""

TrainingState = Literal["training", "finished", "interrupted", "failed", "imported", "damaged"]


@dataclass(frozen=True)
class RunSummary:
    """A run as `racer runs` lists it.

    Attributes
    ----------
    number
        Its place in the order in which the runs under the folder were begun, from 1.
    folder
        Its folder.
    reward, track, car
        Names; of the track its title.
    steps, seconds
        Of training, as of the latest evaluation.
    iterations
        Evaluations until now, which are the iterations of its log.
    planned_steps, planned_minutes, planned_iterations
        When it is to end; all but one of them are None.
    best_lap
        s, the fastest lap of the best checkpoint's evaluation; None without a complete one.
    service_lap
        s, the same of the checkpoint that the service would keep.
    is_clean
        Whether all laps of that evaluation are complete.
    bound
        The lap-time bound of the car on the track, s; None until it was looked for.
    begun
        When it was made.
    parent
        The folder of the run that it started from, empty where it began with nothing.
    state
        training, finished, interrupted, failed; damaged where it cannot be read.
    message
        Why it failed, or what is damaged.
    """

    number: int
    folder: Path
    begun: datetime
    state: TrainingState
    reward: str = ""
    track: str = ""
    car: str = ""
    steps: int = 0
    seconds: float = 0.0
    planned_steps: int | None = None
    planned_minutes: float | None = None
    planned_iterations: int | None = None
    iterations: int = 0
    best_lap: float | None = None
    service_lap: float | None = None
    is_clean: bool = False
    bound: float | None = None
    parent: str = ""
    message: str = ""

    @property
    def bound_fraction(self) -> float | None:
        """The best lap as a fraction of the bound; None where one of them is not known."""
        if self.best_lap is None or not self.bound:
            return None
        return self.best_lap / self.bound

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        facts = asdict(self) | {"bound_fraction": self.bound_fraction}
        return facts | {"folder": str(self.folder), "begun": self.begun.isoformat()}


def list_runs(folder: str | Path = RUNS_FOLDER) -> list[RunSummary]:
    """The runs under a folder, those of grids too, in the order in which they were begun.

    Their bounds are left to `with_bounds`. Raises UsageError where there is no such folder.

    Examples
    --------
    >>> from racer.training import list_runs, train
    >>> run = train("center_line", track="oval", steps=2_000, folder="runs/first")
    >>> [(line.number, line.folder.name, line.state, line.steps) for line in list_runs("runs")]
    [(1, 'first', 'finished', 4096)]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: racer train makes runs under {RUNS_FOLDER}")
    runs = [_summarize(path) for path in _run_folders(folder, MAX_DEPTH)]
    runs.sort(key=lambda run: (run.begun, str(run.folder)))
    return [replace(run, number=number) for number, run in enumerate(runs, start=1)]


def find_run(handle: str) -> Path:
    """The folder of the run that is called `@3`, `@last`, `@best` or `FOLDER@3`.

    Raises UsageError where there is no such run.
    """
    match = HANDLE.fullmatch(handle)
    if match is None:
        raise UsageError(f"{handle!r} is no name of a run: @1, @last and @best are (racer runs)")
    folder = match["folder"] or RUNS_FOLDER
    runs = list_runs(folder)
    if not runs:
        raise UsageError(f"{handle}: there is no run under {folder} yet (racer train makes one)")
    if match["which"] == "last":
        return runs[-1].folder
    if match["which"] == "best":
        return _best_run(runs, handle).folder
    number = int(match["which"])
    if not 1 <= number <= len(runs):
        count = "is one run" if len(runs) == 1 else f"are {len(runs)} runs"
        raise UsageError(f"{handle}: there {count} under {folder} (racer runs lists them)")
    return runs[number - 1].folder


def with_bounds(
    runs: Sequence[RunSummary], home: Path, on_search: Callable[[str], None] | None = None
) -> list[RunSummary]:
    """The runs with their lap-time bounds, those that have a lap.

    A bound that is not remembered in racer's data folder `home` is found now, which takes seconds
    for each road and car; `on_search` is told the name of the road before.
    """
    from racer.raceline import lap_time_bound, remembered_bound

    bounds: dict[BoundKey, float] = {}

    def bound_of(run: RunSummary) -> float | None:
        try:
            road = _road_of(run)
            if road in bounds:
                return bounds[road]
            track = _track_of(run, road)
            car = car_preset(run.car)
        except UsageError:  # its track is damaged: the run is listed without its bound
            return None
        if on_search is not None and remembered_bound(track, car, home) is None:
            on_search(track.title)
        bounds[road] = lap_time_bound(track, car, home)
        return bounds[road]

    bounded = []
    for run in runs:
        bound = None if run.best_lap is None else bound_of(run)
        bounded.append(replace(run, bound=bound))
    return bounded


def is_run_folder(path: str | Path) -> bool:
    """Whether a path is the folder of a run."""
    return (Path(path).expanduser() / "run.json").is_file()


def is_finished(folder: str | Path) -> bool:
    """Whether the training in a run folder has come to its end."""
    return _summarize(Path(folder)).state == "finished"


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    """The run folders under a folder; what lies in them, such as a teacher's, are parts of them."""
    if is_run_folder(folder):
        yield folder
        return
    if not depth:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # it may not be read, or was moved meanwhile
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _run_folders(folder / entry.name, depth - 1)


def _summarize(folder: Path) -> RunSummary:
    """What the files of a run say, without its number."""
    file = folder / "run.json"
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        story = read_json(file)
        return _summary_of(folder, story, made)
    except UsageError as error:
        message = str(error)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        message = f"{file} or a file beside it is damaged ({error})"
    return RunSummary(0, folder, made, "damaged", message=message)


def _summary_of(folder: Path, story: dict[str, Any], made: datetime) -> RunSummary:
    config = story["config"]
    begun = story.get("created")
    lineage = parse_lineage(story.get("lineage"), str(folder / "run.json"))
    run = RunSummary(
        number=0,
        folder=folder,
        begun=made if begun is None else datetime.fromisoformat(begun).astimezone(UTC),
        state="interrupted",
        reward=Path(str(story["reward_file"])).name,
        track=str(story["track_title"]),
        car=str(story["car"]),
        parent=lineage[0].folder if lineage else "",
    )
    if config.get("minutes") is not None:
        run = replace(run, planned_minutes=float(config["minutes"]))
    elif config.get("iterations") is not None:
        run = replace(run, planned_iterations=int(config["iterations"]))
    else:
        run = replace(run, planned_steps=int(config["steps"]) + int(config.get("fine_tune", 0)))
    if story.get(IMPORTED_KEY):
        return replace(run, state="imported", steps=run.planned_steps or 0)
    run = _with_evaluations(run)
    return _with_state(run)


def _with_evaluations(run: RunSummary) -> RunSummary:
    """The run as its latest and its best evaluation show it."""
    file = run.folder / "evaluations.csv"
    if file.is_file():
        rows = list(csv.DictReader(decode_text(read_bytes(file), str(file)).splitlines()))
        if rows:
            latest = rows[-1]
            kept = service_pick(rows) or latest
            run = replace(
                run,
                steps=int(latest["steps"]),
                iterations=len(rows),
                seconds=float(latest["seconds"]),
                service_lap=_lap_time(kept["best_lap"] or None),
            )
    best_file = run.folder / "checkpoints" / "best.json"
    if best_file.is_file():
        best = read_json(best_file)
        is_clean = best.get("complete") == best.get("trials")
        run = replace(run, best_lap=_lap_time(best.get("best_lap")), is_clean=is_clean)
    return run


def _lap_time(value: Any) -> float | None:
    """A lap time, s, as best.json has it. Raises ValueError for what is none."""
    if value is None:
        return None
    time = float(value)
    if not math.isfinite(time) or time <= 0.0:
        raise ValueError(f"best_lap {time:g}")
    return time


def _with_state(run: RunSummary) -> RunSummary:
    failure = run.folder / FAILURE_FILE
    if is_folder_held(run.folder):
        return replace(run, state="training")
    if failure.is_file():
        return replace(run, state="failed", message=str(read_json(failure).get("message", "")))
    if run.planned_steps is not None:
        is_over = run.steps >= run.planned_steps
    elif run.planned_iterations is not None:
        is_over = run.iterations >= run.planned_iterations
    else:
        is_over = run.seconds >= 60.0 * (run.planned_minutes or 0.0)
    return replace(run, state="finished" if is_over else "interrupted")


class BoundKey(NamedTuple):
    """What a lap-time bound belongs to: the points of a track, its direction, and a car."""

    points: bytes
    is_reversed: bool
    car: str


def _road_of(run: RunSummary) -> BoundKey:
    config = read_json(run.folder / "run.json")["config"]
    points = read_bytes(run.folder / "track.npy")
    return BoundKey(points, bool(config.get("reverse", False)), run.car)


def _track_of(run: RunSummary, road: BoundKey) -> Track:
    """The track of a run in the direction of its training."""
    track = load_route(run.folder / "track.npy", name=run.track, title=run.track)
    return track.reversed() if road.is_reversed else track


def _best_run(runs: Sequence[RunSummary], handle: str) -> RunSummary:
    """The run whose lap is nearest to its bound: of the clean ones, where there are some."""
    with_lap = [run for run in runs if run.best_lap is not None]
    clean = [run for run in with_lap if run.is_clean]
    candidates = clean or with_lap
    if not candidates:
        raise UsageError(f"{handle}: none of the {len(runs)} runs has completed a lap yet")
    if len(set(map(_road_of, candidates))) == 1:
        return min(candidates, key=lambda run: run.best_lap or math.inf)
    bounded = with_bounds(candidates, user_home())
    return min(bounded, key=lambda run: run.bound_fraction or math.inf)
