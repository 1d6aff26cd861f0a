"""`racer train`: from a reward function to a driver, or the runs of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import INTERRUPTED_EXIT_CODE
from racer.cli.inputs import resolve_runs
from racer.cli.tables import CarOfActionsOption, echo, new_table, print_table, refuse_if
from racer.errors import RacerError, UsageError, need
from racer.track import user_home

if TYPE_CHECKING:
    from racer.records import RecordTable
    from racer.training import Run, Session
    from racer.training.sweep import Experiment, RunComparison, RunStatus


CONFIG_OPTIONS = (
    "track",
    "steps",
    "minutes",
    "seed",
    "car",
    "action_space",
    "hyperparameters",
    "reverse",
    "noise",
    "objects",
    "reward_timeout",
    "observation",
    "network",
    "look",
    "teacher",
    "fine_tune",
)
"""Options of the command that are fields of the run's configuration."""
MAX_UNTOLD_STEPS_FACTOR = 1.1
"""Up to so many times as many steps as were asked for, nothing is said of it."""

RewardOrExperimentArgument = Annotated[
    str, typer.Argument(help="A reward file, a shipped reward's name, or an experiment .toml.")
]
TrainingTracksOption = Annotated[
    str | None,
    typer.Option(
        help="A track's name, .toml or .npy file; several with --teacher: A,B.  [default: reinvent_2018]"
    ),
]
StepsOption = Annotated[
    int | None, typer.Option(help="Steps of all cars together.  [default: 300000]")
]
SeedOption = Annotated[
    int | None, typer.Option(help="Seed of every random generator.  [default: 0]")
]
ActionSpaceFileOption = Annotated[
    str | None, typer.Option(help="A model_metadata.json.  [default: continuous]")
]
HyperparametersOption = Annotated[
    str | None, typer.Option(help="A DeepRacer hyperparameters.json.")
]
EnvsOption = Annotated[int | None, typer.Option(help="Cars that drive at once.  [default: 64]")]
TrainReverseOption = Annotated[
    bool | None, typer.Option("--reverse", help="Drive the track the other way.")
]
NoiseOption = Annotated[str | None, typer.Option(help="none, jitter or robust.  [default: none]")]
ObservationOption = Annotated[
    str | None,
    typer.Option(
        help="What the policy sees: features, camera, camera:80x60, stereo,lidar or sensors.  [default: features]"
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(help="SMALL or a name of model_metadata.json.  [default: by the pictures]"),
]
ObjectsOption = Annotated[
    str | None,
    typer.Option(help="none, boxes, random_boxes, bots, or a .toml file.  [default: none]"),
]
LookOption = Annotated[
    str | None,
    typer.Option(help="How pictures vary: none, simulator or strong.  [default: none]"),
]
TeacherOption = Annotated[
    bool | None,
    typer.Option("--teacher", help="Learn from a policy that was trained on features."),
]
FineTuneOption = Annotated[
    int | None, typer.Option(help="Steps of PPO after the lessons of the teacher.")
]
TrainTimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="Seconds that one call of the reward function may take; 0: any.  [default: 5]"
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Folder of the run.  [default: runs/REWARD-TRACK-TIME]")
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start from the policy of this run; what is not said otherwise is as there.",
        callback=resolve_runs,
    ),
]
StartCheckpointOption = Annotated[
    str | None,
    typer.Option(help="Of --from: best, last, or the number of steps.  [default: best]"),
]
ResumeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Go on with this training; beyond its end with --steps or --minutes, of all.",
        callback=resolve_runs,
    ),
]
JobsOption = Annotated[
    int | None, typer.Option(help="Runs of an experiment at a time.  [default: one a core]")
]


def train_command(
    reward: RewardOrExperimentArgument = "",
    track: TrainingTracksOption = None,
    steps: StepsOption = None,
    minutes: Annotated[float | None, typer.Option(help="Train for so long instead.")] = None,
    seed: SeedOption = None,
    car: CarOfActionsOption = None,
    action_space: ActionSpaceFileOption = None,
    hyperparameters: HyperparametersOption = None,
    envs: EnvsOption = None,
    reverse: TrainReverseOption = None,
    noise: NoiseOption = None,
    observation: ObservationOption = None,
    network: NetworkOption = None,
    objects: ObjectsOption = None,
    look: LookOption = None,
    teacher: TeacherOption = None,
    fine_tune: FineTuneOption = None,
    reward_timeout: TrainTimeoutOption = None,
    out: OutOption = None,
    from_run: FromOption = None,
    checkpoint: StartCheckpointOption = None,
    resume: ResumeOption = None,
    jobs: JobsOption = None,
) -> None:
    """Train a PPO agent with your reward function, and evaluate it on the way.

    --resume goes on with a training, --from starts another one from its policy: with another
    reward, track, settings. With an experiment .toml that lists several rewards, tracks, action spaces, hyperparameters or
    seeds, train all.
    """
    arguments = locals()
    need("train")
    config = _config_of_options(arguments)
    is_experiment = reward.endswith(".toml")
    refuse_if(
        steps is not None and minutes is not None,
        "--steps and --minutes both say how long: give one of them",
    )
    refuse_if(checkpoint and from_run is None, "--checkpoint is for --from RUN: which run's?")
    refuse_if(
        jobs and not is_experiment, "--jobs is for an experiment .toml, which holds several runs"
    )
    if resume is not None:
        others = set(config) - {"steps", "minutes"}
        refuse_if(
            reward or others or out or from_run,
            f"--resume {resume} goes on as the run began: give it with --steps or --minutes only; "
            f"racer train {reward or 'REWARD'} --from {resume} starts another training from its policy",
        )
        _train(_open_to_resume(resume, steps, minutes), is_resumed=True)
    elif is_experiment:
        refuse_if(
            config or from_run,
            "an experiment says all this itself: give it with --out or --jobs only",
        )
        _train_experiment(Path(reward), out, jobs)
    elif reward or from_run:
        start = {"reward": reward, "from_run": from_run and str(from_run)}
        start["from_checkpoint"] = checkpoint
        config |= {name: value for name, value in start.items() if value}
        _train(_create_run(config, out), is_resumed=False)
    else:
        raise UsageError(
            "which reward function? racer train my_reward.py --track reinvent_2018 (racer train --help)"
        )


def _config_of_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """What the options of the command say of the run's configuration."""
    config = {name: arguments[name] for name in CONFIG_OPTIONS if arguments[name] is not None}
    track = arguments["track"]
    if track is not None and "," in track:
        config["track"], *also_tracks = [name.strip() for name in track.split(",")]
        config["also_tracks"] = also_tracks
    if arguments["envs"] is not None:
        config["settings"] = {"envs": arguments["envs"]}
    return config


def _open_to_resume(folder: Path, steps: int | None, minutes: float | None) -> Run:
    """A run that is not at its end, or is made longer. Raises UsageError for one that is."""
    from racer.training import Run, check_can_resume, extend_run, is_finished, next_end

    run = Run.open(folder)
    check_can_resume(run)
    if steps is not None or minutes is not None:
        return extend_run(run, steps, minutes)
    refuse_if(
        is_finished(folder),
        f"{folder} is finished, after {_describe_budget(run)}. To go on: racer train --resume {folder} "
        f"{next_end(run.config)}. To start another training from its policy: racer train REWARD --from {folder}",
    )
    return run


def _create_run(options: dict[str, Any], out: Path | None) -> Run:
    from racer.training import create_run, inherit_config, parse_config

    config = parse_config(inherit_config(options), "racer train")
    if out is None:
        reward, track = Path(config.reward).stem, Path(config.track).stem
        out = Path("runs") / f"{reward}-{track}-{datetime.now():%Y%m%d-%H%M%S}"
    return create_run(config, out, home=user_home())


def _train_experiment(path: Path, out: Path | None, jobs: int | None) -> None:
    """A grid of runs, which goes on where it was left; an experiment without a list is a run like
    any other.
    """
    from racer.training.sweep import read_experiment

    experiment = read_experiment(path)
    if experiment.is_single:
        [config] = experiment.runs.values()
        _train(_create_run(config.model_dump(), out), is_resumed=False)
    else:
        train_grid(experiment, out or Path("runs") / path.stem, jobs, user_home())


def _train(run: Run, is_resumed: bool) -> None:
    from rich.console import Console

    from racer.cli.progress import describe_evaluation, show_training_progress
    from racer.training import beyond_logs_notes, next_end, open_session

    # said first: the first run on a machine compiles the simulator for some seconds
    echo(_describe_training(run))
    for line in _describe_start(run):
        echo(line)
    if not is_resumed:
        _echo_notes(_changed_actions(run))
    session = open_session(run)
    if is_resumed:
        session.resume()
        echo(f"going on after {session.progress.steps:,} steps")
    _echo_notes((*session.notes, *run.metadata.notes, *_rounding_notes(session)))
    with show_training_progress(session, Console(soft_wrap=True)) as report:
        progress = session.train(report)
    _echo_notes(session.setup.reward_notes())
    if session.was_stopped:
        command = f"racer train --resume {run.folder}"
        echo(f"stopped after {progress.steps:,} steps; go on with: {command}", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
    best = run.best()
    if progress.best is not None and best is not None:
        laps = describe_evaluation(progress.best)
        echo(f"best checkpoint, after {best['steps']:,} steps: {laps}")
        _echo_notes(beyond_logs_notes(session.setup.cars, progress.best.beyond_logs))
    longer = f"racer train --resume {run.folder} {next_end(run.config)}"
    echo(f"to go on: {longer}, or from its policy: racer train REWARD --from {run.folder}")
    echo(f"{run.folder}  (racer evaluate {run.folder} --save)")


def _describe_training(run: Run) -> str:
    """What is about to be trained, and for how long."""
    config = run.config
    car = config.car or run.metadata.car
    return (
        f"training {run.reward.name} on {run.track.title}, car {car}, seed {config.seed}: "
        f"{_describe_budget(run)}"
    )


def _describe_budget(run: Run) -> str:
    config = run.config
    if config.minutes:
        return f"{config.minutes:g} minutes"
    return f"{config.steps + config.fine_tune:,} steps"


def _describe_start(run: Run) -> Iterator[str]:
    """What a run starts from, and what is otherwise than there."""
    if not run.lineage:
        return
    yield f"from {run.lineage[0].sentence}"
    for ancestor in run.lineage[1:]:
        yield f"  which started from {ancestor.sentence}"
    if run.keeps_value:
        yield "reward and discount are as there: the value network is taken over, too"
    else:
        yield "reward or discount are not as there: at first the value network alone learns"


def _changed_actions(run: Run) -> list[str]:
    """A sentence where the actions of a new run are others than those that its policy has learned."""
    from racer.training import Run, changes_of_actions

    if not run.lineage:
        return []
    changes = changes_of_actions(Run.open(run.lineage[0].folder).action_space, run.action_space)
    return [changes] if changes else []


def _rounding_notes(session: Session) -> list[str]:
    """That more steps are driven than were asked for, where it is a good part more: the policy learns
    after whole rollouts.
    """
    config = session.run.config
    settings = session.setup.settings
    rollout = settings.envs * settings.n_steps
    steps = -(-config.steps // rollout) * rollout
    if config.minutes or config.teacher or steps <= MAX_UNTOLD_STEPS_FACTOR * config.steps:
        return []
    return [
        f"{config.steps:,} steps become {steps:,}: the policy learns after every {rollout:,}, "
        f"{settings.n_steps} of each of {settings.envs} cars (fewer cars: --envs)"
    ]


def _echo_notes(notes: Any) -> None:
    for note in notes:
        echo(f"note: {note}")


def train_grid(experiment: Experiment, folder: Path, jobs: int | None, home: Path | None) -> None:
    """Train what is missing of an experiment in `folder`, and print what all runs come to.

    Raises KeyboardInterrupt after Ctrl-C, with the way to go on printed; RacerError when runs
    failed.
    """
    from rich.console import Console

    from racer.cli.progress import show_run_board
    from racer.training.sweep import compare_runs, run_grid, write_run_comparison

    echo(f"{experiment.title}: {len(experiment.runs)} runs in {folder}")
    if experiment.question:
        echo(experiment.question)
    with show_run_board(Console()) as watch:
        runs = run_grid(experiment, folder, jobs, home, watch)
    for run in runs:
        if run.message:
            echo(f"{run.name} failed: {run.message}")
    if any(run.evaluations for run in runs):
        comparison = compare_runs(folder)
        print_table(_comparison_table(comparison))
        for path in write_run_comparison(comparison, folder):
            echo(str(path))
    _check_all_finished(runs, experiment, folder)


def _comparison_table(comparison: RunComparison) -> RecordTable:
    from racer.training.sweep import run_comparison_cells

    heads, rows = run_comparison_cells(comparison)
    table = new_table(*heads, text=heads[: len(comparison.differing)])
    for row in rows:
        table.add_row(*row)
    return table


def _check_all_finished(runs: list[RunStatus], experiment: Experiment, folder: Path) -> None:
    """Raise what the exit code of unfinished or failed runs comes from."""
    unfinished = sum(run.state in ("waiting", "stopped") for run in runs)
    failed = sum(run.state == "failed" for run in runs)
    command = f"racer train {experiment.path} --out {folder}"
    if unfinished:
        count = f"{unfinished} of {len(runs)} runs are not finished"
        echo(f"stopped: {count}; go on with: {command}")
        raise KeyboardInterrupt
    if failed:
        raise RacerError(
            f"{failed} of {len(runs)} runs failed; when they are mended, go on with: {command}"
        )
