"""`racer demo`: the first minute. Two rewards are trained, and their cars race each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from racer.cli.completion import offer_tracks
from racer.cli.ghosts import draw_best_laps
from racer.cli.inputs import best_lap_time, load_track_with_note
from racer.cli.tables import JsonOption, echo, echo_json, new_table, print_table
from racer.errors import RacerError, need
from racer.files import read_text, write_file
from racer.records import format_number
from racer.resources import starter_folder
from racer.track import DEFAULT_TRACK, user_home

if TYPE_CHECKING:
    from racer.training.sweep import RunStatus

DEMO_STEPS = 100_000
BASELINE_REWARD = "center_line"
STARTER_REWARD = "starter"


class DemoLaps(NamedTuple):
    """The best laps of the two cars, and what physics allows; times in s.

    `baseline_s` and `starter_s` are None where that car did not come around.
    """

    baseline_s: float | None
    starter_s: float | None
    bound_s: float


def demo_command(
    track: Annotated[
        str,
        typer.Option(autocompletion=offer_tracks, help="A track's name, or a .toml or .npy file."),
    ] = DEFAULT_TRACK,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = DEMO_STEPS,
    seed: Annotated[int, typer.Option(help="Seed of both trainings.")] = 0,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the two runs and the pictures."),
    ] = Path("runs/demo"),
    as_json: JsonOption = False,
) -> None:
    """Train the reward that everybody starts with and the starter's, race both cars as ghosts, and
    say what physics allows.

    racer demo
    racer demo --track oval -o runs/oval
    """
    need("train")
    from racer.raceline import lap_time_bound
    from racer.training import evaluate

    shown_track = load_track_with_note(track)
    folder = out.expanduser()
    _train_both(folder, track, steps, seed, is_quiet=as_json)
    home = user_home()
    results = {
        name: evaluate(folder / name, home=home) for name in (BASELINE_REWARD, STARTER_REWARD)
    }
    best_times = {name: best_lap_time(result.laps) for name, result in results.items()}
    car = results[STARTER_REWARD].car
    bound = lap_time_bound(shown_track, car, home)
    laps = DemoLaps(best_times[BASELINE_REWARD], best_times[STARTER_REWARD], bound)
    traces = {name: result.trace for name, result in results.items()}
    files = draw_best_laps(traces, shown_track, folder)
    if as_json:
        plain = {**laps._asdict(), "car": car.name, "files": [str(file) for file in files]}
        echo_json(plain)
        return
    _print_laps(laps, car.name)
    for file in files:
        echo(str(file))
    _print_next_commands(folder)


def _train_both(folder: Path, track: str, steps: int, seed: int, is_quiet: bool) -> None:
    """Train the two rewards in `folder/<name>`; what is finished there is not trained again.

    Raises KeyboardInterrupt after Ctrl-C and RacerError when a training failed.
    """
    from rich.console import Console

    from racer.cli.progress import show_run_board
    from racer.training.sweep import read_experiment, run_grid

    write_file(folder / f"{STARTER_REWARD}.py", read_text(starter_folder() / "reward.py"))
    text = _experiment_text(track, steps, seed)
    experiment = read_experiment(write_file(folder / "experiment.toml", text))
    if not is_quiet:
        echo(f"training {BASELINE_REWARD} and the starter reward on {track}, {steps:,} steps each")
    with show_run_board(Console(stderr=is_quiet)) as watch:
        runs = run_grid(experiment, folder, home=user_home(), on_status=watch)
    _require_finished(runs, folder)


def _experiment_text(track: str, steps: int, seed: int) -> str:
    """The experiment file of the demo: `track` by name, or as a path that holds from anywhere."""
    file = Path(track).expanduser()
    track_value = str(file.resolve()) if file.is_file() else track
    lines = [
        'title = "The first minute"',
        'question = "How fast does the reward that everybody starts with lap, and the starter\'s?"',
        "",
        f"reward = {json.dumps([BASELINE_REWARD, f'{STARTER_REWARD}.py'])}",
        f"track = {json.dumps(track_value)}",
        f"steps = {steps}",
        f"seed = {seed}",
    ]
    return "\n".join([*lines, ""])


def _require_finished(runs: list[RunStatus], folder: Path) -> None:
    """Raise what the exit code of stopped or failed runs comes from."""
    for run in runs:
        if run.state == "failed":
            raise RacerError(f"the training of {run.name} failed: {run.message}")
    if any(run.state != "finished" for run in runs):
        echo(f"stopped; go on with: racer demo -o {folder}", err=True)
        raise KeyboardInterrupt


def _print_laps(laps: DemoLaps, car: str) -> None:
    """The two laps beside what physics allows, and what to make of them."""
    table = new_table("reward", "best lap s", "% of the bound", text=["reward"])
    rows = {
        BASELINE_REWARD: laps.baseline_s,
        "the starter's": laps.starter_s,
        f"physics allows (car {car})": laps.bound_s,
    }
    for name, time in rows.items():
        if time is None:
            table.add_row(name, "no lap", "")
        else:
            table.add_row(name, format_number(time, 2), f"{100.0 * time / laps.bound_s:.0f}")
    print_table(table)
    echo(demo_sentence(laps))


def demo_sentence(laps: DemoLaps) -> str:
    """Both laps and the bound in one sentence.

    >>> demo_sentence(DemoLaps(12.13, 7.14, 5.9))
    '12.1 s, 7.1 s; physics allows 5.9 s: now beat it.'
    """
    times = []
    for time in (laps.baseline_s, laps.starter_s):
        times.append("no lap" if time is None else f"{time:.1f} s")
    return f"{', '.join(times)}; physics allows {laps.bound_s:.1f} s: now beat it."


def _print_next_commands(folder: Path) -> None:
    echo("\nnext, a project with that starter reward, and what it is worth while you change it:")
    echo("  racer init my_racer")
    echo("  racer watch my_racer/reward.py")
    echo(f"  racer challenge {DEFAULT_TRACK}")
    echo(f"or look at what was trained: racer report {folder / STARTER_REWARD} -o report.html")
