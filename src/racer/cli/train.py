"""`racer train`: from a reward function to a driver."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import INTERRUPTED_EXIT_CODE
from racer.errors import UsageError, need
from racer.track.library import user_home

if TYPE_CHECKING:
    from rich.console import Console

    from racer.training import Run

Option = typer.Option


def train_command(
    reward: Annotated[
        str, typer.Argument(help="A reward file, a shipped reward's name, or an experiment .toml.")
    ] = "",
    track: Annotated[
        str | None,
        Option(
            help="A track's name, .toml or .npy file; several with --teacher: A,B.  [default: reinvent_2018]"
        ),
    ] = None,
    steps: Annotated[
        int | None, Option(help="Steps of all cars together.  [default: 300000]")
    ] = None,
    minutes: Annotated[float | None, Option(help="Train for so long instead.")] = None,
    seed: Annotated[int | None, Option(help="Of everything random.  [default: 0]")] = None,
    car: Annotated[
        str | None, Option(help="v4, v5 or v6.  [default: what the action space says, else v6]")
    ] = None,
    action_space: Annotated[
        str | None, Option(help="A model_metadata.json.  [default: continuous]")
    ] = None,
    hyperparameters: Annotated[str | None, Option(help="A DeepRacer hyperparameters.json.")] = None,
    envs: Annotated[int | None, Option(help="Cars that drive at once.  [default: 64]")] = None,
    reverse: Annotated[
        bool | None, Option("--reverse", help="Drive the track the other way.")
    ] = None,
    noise: Annotated[str | None, Option(help="none, jitter or robust.  [default: none]")] = None,
    observation: Annotated[
        str | None,
        Option(
            help="What the policy sees: features, camera, camera:80x60, stereo,lidar or sensors.  [default: features]"
        ),
    ] = None,
    network: Annotated[
        str | None,
        Option(help="SMALL or a name of model_metadata.json.  [default: by the pictures]"),
    ] = None,
    objects: Annotated[
        str | None,
        Option(help="none, boxes, random_boxes, bots, or a .toml file.  [default: none]"),
    ] = None,
    look: Annotated[
        str | None, Option(help="How pictures vary: none, simulator or strong.  [default: none]")
    ] = None,
    teacher: Annotated[
        bool | None, Option("--teacher", help="Learn from a policy that was trained on features.")
    ] = None,
    fine_tune: Annotated[
        int | None, Option(help="Steps of PPO after the lessons of the teacher.")
    ] = None,
    reward_timeout: Annotated[
        float | None,
        Option(help="Seconds that one call of the reward function may take; 0: any.  [default: 5]"),
    ] = None,
    out: Annotated[
        Path | None, Option(help="Folder of the run.  [default: runs/REWARD-TRACK-TIME]")
    ] = None,
    resume: Annotated[Path | None, Option(help="Go on with the training in this folder.")] = None,
    jobs: Annotated[
        int | None, Option(help="Runs of an experiment at a time.  [default: one a core]")
    ] = None,
) -> None:
    """Train a PPO agent with your reward function, and evaluate it on the way.

    With an experiment .toml that lists several rewards, tracks, action spaces, hyperparameters or
    seeds, train all.
    """
    need("train")
    given = {
        name: value for name, value in locals().items() if name in _OPTIONS and value is not None
    }
    if track is not None and "," in track:
        given["track"], *more = [name.strip() for name in track.split(",")]
        given["also_tracks"] = more
    if envs is not None:
        given["settings"] = {"envs": envs}
    _refuse(
        jobs and not reward.endswith(".toml"),
        "--jobs is for an experiment .toml, which holds several runs",
    )
    if resume is not None:
        _refuse(
            reward or given or out,
            f"--resume {resume} goes on as the run began: give it without other options",
        )
        _train(_open(resume), resumed=True)
    elif reward.endswith(".toml"):
        _refuse(
            given, "an experiment says all this itself: give it with --out, --jobs or --resume only"
        )
        _experiment(Path(reward), out, jobs)
    elif not reward:
        raise UsageError(
            "which reward function? racer train my_reward.py --track reinvent_2018 (racer train --help)"
        )
    else:
        _train(_create({"reward": reward, **given}, out), resumed=False)


_OPTIONS = (
    "track", "steps", "minutes", "seed", "car", "action_space", "hyperparameters", "reverse", "noise", "objects",
    "reward_timeout", "observation", "network", "look", "teacher", "fine_tune",
)  # fmt: skip


def _refuse(wrong: object, sentence: str) -> None:
    if wrong:
        raise UsageError(sentence)


def _open(folder: Path) -> Run:
    from racer.training import Run

    return Run.open(folder)


def _create(given: dict[str, Any], out: Path | None) -> Run:
    from racer.training import Run, parse_config

    config = parse_config(given, "racer train")
    name = f"{Path(config.reward).stem}-{Path(config.track).stem}-{datetime.now():%Y%m%d-%H%M%S}"
    return Run.create(config, out or Path("runs") / name, home=user_home())


def _train(run: Run, resumed: bool) -> None:
    from rich.console import Console

    from racer.cli.progress import describe_evaluation, show_training_progress
    from racer.training import beyond_logs_notes, open_session

    console = Console(soft_wrap=True)
    _say(console, _headline(run))
    session = open_session(run)
    if resumed:
        session.resume()
        _say(console, f"going on after {session.progress.steps:,} steps")
    _say(console, *(f"note: {note}" for note in (*session.notes, *run.metadata.notes)))
    with show_training_progress(session, console) as report:
        progress = session.train(report)
    _say(console, *(f"note: {note}" for note in session.setup.reward_notes()))
    if session.was_stopped:
        typer.echo(
            f"stopped after {progress.steps:,} steps; go on with: racer train --resume {run.folder}",
            err=True,
        )
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
    best = run.best()
    if progress.best is not None and best is not None:
        _say(
            console,
            f"best checkpoint, after {best['steps']:,} steps: {describe_evaluation(progress.best)}",
        )
        _say(
            console,
            *(
                f"note: {text}"
                for text in beyond_logs_notes(session.setup.cars, progress.best.beyond_logs)
            ),
        )
    _say(console, f"{run.folder}  (racer evaluate {run.folder} --save)")


def _headline(run: Run) -> str:
    """What is about to be trained. (Said first: the first run on a machine compiles the simulator
    for some seconds.)
    """
    config = run.config
    budget = f"{config.minutes:g} minutes" if config.minutes else f"{config.steps:,} steps"
    car = config.car or run.metadata.car
    return (
        f"training {run.reward.name} on {run.track.title}, car {car}, seed {config.seed}: {budget}"
    )


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _experiment(path: Path, out: Path | None, jobs: int | None) -> None:
    """A grid of runs, which goes on where it was left; an experiment without a list is a run like
    any other.
    """
    from racer.cli.experiment import train_grid
    from racer.training.sweep import read_experiment

    found = read_experiment(path)
    if found.is_single:
        _train(_create(next(iter(found.runs.values())).model_dump(), out), resumed=False)
    else:
        train_grid(found, out or Path("runs") / path.stem, jobs, user_home())
