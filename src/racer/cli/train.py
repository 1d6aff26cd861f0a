"""`racer train`: from a reward function to a driver, or the runs of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import INTERRUPTED_EXIT_CODE
from racer.cli.completion import offer_rewards, offer_runs, offer_tracks
from racer.cli.inputs import resolve_runs
from racer.cli.tables import CarOfActionsOption, echo, echo_json, refuse_if
from racer.cli.train_grid import train_grid
from racer.errors import UsageError, need
from racer.track import DEFAULT_TRACK, user_home

if TYPE_CHECKING:
    from racer.training import ProgressCallback, Run, Session


CONFIG_OPTIONS = (
    "like",
    "track",
    "steps",
    "minutes",
    "iterations",
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
    str,
    typer.Argument(
        autocompletion=offer_rewards,
        help="A reward file, a shipped reward's name, or an experiment .toml.",
    ),
]
TrainingTracksOption = Annotated[
    str | None,
    typer.Option(
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file; several with --teacher: A,B.",
        show_default=DEFAULT_TRACK,
    ),
]
StepsOption = Annotated[
    int | None, typer.Option(help="Steps of all cars together.", show_default="300000")
]
SeedOption = Annotated[
    int | None, typer.Option(help="Seed of every random generator.", show_default="0")
]
ActionSpaceFileOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="A model_metadata.json.", show_default="continuous"),
]
HyperparametersOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="A DeepRacer hyperparameters.json.")
]
EnvsOption = Annotated[int | None, typer.Option(help="Cars that drive at once.", show_default="64")]
TrainReverseOption = Annotated[
    bool | None, typer.Option("--reverse", help="Drive the track the other way.")
]
NoiseOption = Annotated[
    str | None, typer.Option(help="none, jitter or robust.", show_default="none")
]
ObservationOption = Annotated[
    str | None,
    typer.Option(
        help="What the policy sees: features, camera, camera:80x60, stereo,lidar or sensors.",
        show_default="features",
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(help="SMALL or a name of model_metadata.json.", show_default="by the pictures"),
]
ObjectsOption = Annotated[
    str | None,
    typer.Option(help="none, boxes, random_boxes, bots or a .toml file.", show_default="none"),
]
LookOption = Annotated[
    str | None,
    typer.Option(help="How pictures vary: none, simulator or strong.", show_default="none"),
]
TeacherOption = Annotated[
    bool | None,
    typer.Option("--teacher", help="Learn from a policy that was trained on features."),
]
FineTuneOption = Annotated[
    int | None,
    typer.Option(help="Steps of PPO after the lessons of the teacher.", show_default="0"),
]
LikeOption = Annotated[
    str | None,
    typer.Option(
        help="How to learn: racer, which is sooner there, or service, as a job of the service does.",
        show_default="racer",
    ),
]
TrainTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        help="Seconds that one call of the reward function may take; 0: any time.",
        show_default="5",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of the run.",
        show_default="runs/REWARD-TRACK-TIME",
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start from the policy of this run; what is not said otherwise is as there.",
        callback=resolve_runs,
        autocompletion=offer_runs,
    ),
]
StartCheckpointOption = Annotated[
    str | None,
    typer.Option(
        help="Of --from: best, service, last, or the number of steps.", show_default="best"
    ),
]
ResumeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Go on with this training; beyond its end with --steps, --minutes or --iterations, of all.",
        callback=resolve_runs,
        autocompletion=offer_runs,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(help="Runs of an experiment at a time.", show_default="one a core"),
]
TrainJsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print JSON: a line for each evaluation, and one at the end."),
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
    like: LikeOption = None,
    iterations: Annotated[
        int | None, typer.Option(help="Like the service: train for so many iterations instead.")
    ] = None,
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
    as_json: TrainJsonOption = False,
) -> None:
    """Train a PPO agent with your reward function, and evaluate it on the way.

    --resume goes on with a training, --from starts another one from its policy: with another
    reward, track, settings. With an experiment .toml that lists several rewards, tracks, action spaces, hyperparameters or
    seeds, train all.

    racer train my_racer/reward.py --steps 100000
    racer train my_racer/reward.py --from @best --track oval
    """
    arguments = locals()
    need("train")
    config = _config_of_options(arguments)
    is_experiment = reward.endswith(".toml")
    ends = {"--steps": steps, "--minutes": minutes, "--iterations": iterations}
    given = [name for name, end in ends.items() if end is not None]
    refuse_if(len(given) > 1, f"{' and '.join(given)} both say how long: give one of them")
    refuse_if(checkpoint and from_run is None, "--checkpoint is for --from RUN: which run's?")
    refuse_if(
        jobs and not is_experiment, "--jobs is for an experiment .toml, which holds several runs"
    )
    if resume is not None:
        others = set(config) - {"steps", "minutes", "iterations"}
        refuse_if(
            reward or others or out or from_run,
            f"--resume {resume} goes on as the run began: give it with --steps, --minutes or --iterations only; "
            f"racer train {reward or 'REWARD'} --from {resume} starts another training from its policy",
        )
        extended = _open_to_resume(resume, steps, minutes, iterations)
        _train(extended, is_resumed=True, as_json=as_json)
    elif is_experiment:
        refuse_if(
            config or from_run,
            "an experiment says all this itself: give it with --out or --jobs only",
        )
        _train_experiment(Path(reward), out, jobs, as_json)
    elif reward or from_run:
        start = {"reward": reward, "from_run": from_run and str(from_run)}
        start["from_checkpoint"] = checkpoint
        config |= {name: value for name, value in start.items() if value}
        _train(_create_run(config, out), is_resumed=False, as_json=as_json)
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


def _open_to_resume(
    folder: Path, steps: int | None, minutes: float | None, iterations: int | None
) -> Run:
    """A run that is not at its end, or is made longer. Raises UsageError for one that is."""
    from racer.training import Run, check_can_resume, extend_run, is_finished, next_end

    run = Run.open(folder)
    check_can_resume(run)
    if any(end is not None for end in (steps, minutes, iterations)):
        return extend_run(run, steps, minutes, iterations)
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


def _train_experiment(path: Path, out: Path | None, jobs: int | None, as_json: bool) -> None:
    """A grid of runs, which goes on where it was left; an experiment without a list is a run like
    any other.
    """
    from racer.training.sweep import read_experiment

    experiment = read_experiment(path)
    if experiment.is_single:
        [config] = experiment.runs.values()
        _train(_create_run(config.model_dump(), out), is_resumed=False, as_json=as_json)
    else:
        folder = out or Path("runs") / path.stem
        train_grid(experiment, folder, jobs, user_home(), as_json)


def _train(run: Run, is_resumed: bool, as_json: bool) -> None:
    """Train a run to its end. With `as_json`, what is for people goes to standard error."""
    from racer.cli.progress import describe_evaluation
    from racer.training import beyond_logs_notes, next_end, open_session

    say = partial(echo, err=as_json)
    # said first: the first run on a machine compiles the simulator for some seconds
    say(_describe_training(run))
    for line in _describe_start(run):
        say(line)
    session = open_session(run)
    notes: list[str] = []
    if is_resumed:
        session.resume()
        say(f"going on after {session.progress.steps:,} steps")
    else:
        say(_describe_learning(session))
        notes += _changed_actions(run)
    notes += [*session.notes, *run.metadata.notes, *_rounding_notes(session)]
    _echo_notes(notes, say)
    with _show_training(session, as_json) as report:
        progress = session.train(report)
    _echo_notes(session.setup.reward_notes(), say)
    best = run.best()
    if as_json:
        _print_end(session, best, notes)
    if session.was_stopped:
        command = f"racer train --resume {run.folder}"
        echo(f"stopped after {progress.steps:,} steps; go on with: {command}", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
    if progress.best is not None and best is not None:
        laps = describe_evaluation(progress.best)
        say(f"best checkpoint, after {best['steps']:,} steps: {laps}")
        _echo_notes(_service_notes(run, best), say)
        _echo_notes(beyond_logs_notes(session.setup.cars, progress.best.beyond_logs), say)
    longer = f"racer train --resume {run.folder} {next_end(run.config)}"
    say(f"to go on: {longer}, or from its policy: racer train REWARD --from {run.folder}")
    say(f"{run.folder}  (racer evaluate {run.folder} --save)")


@contextmanager
def _show_training(session: Session, as_json: bool) -> Iterator[ProgressCallback]:
    """A report function for people, or one that prints evaluations as JSON."""
    from rich.console import Console

    from racer.cli.progress import (
        EvaluationReports,
        print_evaluation_as_json,
        show_training_progress,
    )

    if not as_json:
        with show_training_progress(session, Console(soft_wrap=True)) as report:
            yield report
        return
    reports = EvaluationReports(print_evaluation_as_json)
    reports.skip(session.progress.phase, session.progress.evaluations)
    yield reports.show_training


def _print_end(session: Session, best: dict[str, Any] | None, notes: Sequence[str]) -> None:
    """Print what a training came to as a line of JSON."""
    run = session.run
    end = {
        "event": "end",
        "run": str(run.folder),
        "state": "stopped" if session.was_stopped else "finished",
        "steps": session.progress.steps,
        "seconds": round(session.progress.seconds, 3),
        "best": best,
        "notes": list(notes),
    }
    echo_json(end, indent=None)


def _service_notes(run: Run, best: dict[str, Any]) -> list[str]:
    """Which checkpoint the service would keep, where that is another one."""
    kept = run.service_pick()
    if kept is None or kept["checkpoint"] == best["checkpoint"]:
        return []
    lap = kept["lap_time"]
    laps = f"laps of {lap:.2f} s" if lap == lap else f"{kept['completion']:.0f} % of a lap"
    return [
        f"the service would keep the newest of those that got furthest, after {kept['steps']:,} steps: "
        f"{laps} (--checkpoint service)"
    ]


def _describe_training(run: Run) -> str:
    """What is about to be trained, and for how long."""
    config = run.config
    car = config.car or run.metadata.car
    return (
        f"training {run.reward.name} on {run.track.title}, car {car}, seed {config.seed}: "
        f"{_describe_budget(run)}"
    )


def _describe_learning(session: Session) -> str:
    """Which of the two ways of learning this is, and what follows from it."""
    settings = session.setup.settings
    if session.run.config.is_like_service:
        return (
            f"learning like the service: {settings.envs} whole episodes an iteration, then "
            f"{settings.n_epochs} passes over their steps; its iterations are those of a job there"
        )
    return (
        "learning racer's way, which is the sooner one; how far a job of the service gets in an "
        "iteration, --like service shows"
    )


def _describe_budget(run: Run) -> str:
    config = run.config
    if config.minutes:
        return f"{config.minutes:g} minutes"
    if config.iterations:
        return f"{config.iterations} iterations"
    return f"{config.steps + config.fine_tune:,} steps"


def _describe_start(run: Run) -> Iterator[str]:
    """What a run starts from, and what differs from there."""
    if not run.lineage:
        return
    yield f"from {run.lineage[0].sentence}"
    for ancestor in run.lineage[1:]:
        yield f"  which started from {ancestor.sentence}"
    if run.keeps_value:
        yield "reward and discount factor are its parent's: the value network is taken over, too"
    else:
        yield "reward or discount factor are not its parent's: at first the value network alone learns"


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
    if (
        config.is_like_service
        or config.minutes
        or config.teacher
        or steps <= MAX_UNTOLD_STEPS_FACTOR * config.steps
    ):
        return []
    return [
        f"{config.steps:,} steps become {steps:,}: the policy learns after every {rollout:,}, "
        f"{settings.n_steps} of each of {settings.envs} cars (fewer cars: --envs)"
    ]


def _echo_notes(notes: Iterable[str], say: Callable[[str], None]) -> None:
    for note in notes:
        say(f"note: {note}")
