"""`racer tune`: better constants for a reward file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_tracks
from racer.cli.inputs import load_track_with_note, read_action_space
from racer.cli.tables import (
    ActionSpaceOption,
    CarOfActionsOption,
    JsonOption,
    RewardArgument,
    check_gamma,
    echo,
    echo_json,
    print_record,
    refuse_if,
)
from racer.errors import UsageError, need
from racer.files import read_text, write_file
from racer.track import DEFAULT_TRACK, user_home
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from racer.reward import RewardFunction
    from racer.tuning import OnSetting, Setting, TrainedComparison, Tuning


def tune_command(
    reward: RewardArgument,
    track: Annotated[
        str,
        typer.Option(
            autocompletion=offer_tracks,
            help="A track's name, or a .toml or .npy file; several with commas.",
        ),
    ] = DEFAULT_TRACK,
    trials: Annotated[
        int, typer.Option(min=2, help="Settings in the study, the file's own among them.")
    ] = 40,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Of search for each setting and track, as in foresee.")
    ] = 2.0,
    gamma: Annotated[float, typer.Option(help="The discount factor of the training.")] = 0.99,
    car: CarOfActionsOption = None,
    action_space: ActionSpaceOption = None,
    objects: Annotated[
        str, typer.Option(help="none, boxes, random_boxes or a .toml file.")
    ] = "none",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the searches.")] = 0,
    study: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the study.", show_default="runs/tune-REWARD"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The tuned file.",
            show_default="REWARD_tuned.py",
        ),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train the best settings beside the file as it is.")
    ] = False,
    compared: Annotated[int, typer.Option(min=1, help="Settings to train with --train.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each with --train.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 150_000,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings at a time.", show_default="one a core"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a reward's constants for those that ask for the fastest laps, and write the tuned file.

    Constants are numbers assigned to names in capitals at the top of the file, or those with a
    range: FAST = 2.5  # tune: 0.5 .. 4. Ctrl-C keeps what was tried; the same command goes on.

    racer tune my_racer/reward.py
    racer tune my_racer/reward.py --trials 10 --seconds 1 -o tuned.py
    """
    need("tune")
    if train:
        need("train")
    check_gamma(gamma)
    from racer.reward import load_reward
    from racer.tuning import train_settings, tune, tuned_path

    function = load_reward(reward)
    target = output or tuned_path(function)
    _check_target(target, function)
    names = [name.strip() for name in track.split(",")]
    refuse_if(len(set(names)) < len(names), f"--track {track} names a track twice")
    tracks = [load_track_with_note(name) for name in names]
    metadata = read_action_space(action_space)
    folder = study or Path("runs") / f"tune-{function.path.stem}"
    with _say_how_to_go_on(folder), _show_settings(trials, is_quiet=as_json) as report:
        tuning = tune(
            function,
            tracks,
            folder,
            trials=trials,
            seconds=seconds,
            gamma=gamma,
            car=car or (metadata.car if metadata else DEFAULT_CAR),
            action_space=metadata.action_space if metadata else None,
            objects=None if objects == "none" else objects,
            seed=seed,
            on_setting=report,
        )
    trained = None
    best = tuning.best
    if not as_json:
        print_record(tuning)
    if train:
        with _say_how_to_go_on(folder), _show_trainings(is_quiet=as_json) as watch:
            trained = train_settings(
                tuning,
                folder,
                compared=compared,
                seeds=seeds,
                steps=steps,
                tracks=names,
                action_space=action_space,
                jobs=jobs,
                home=user_home(),
                on_status=watch,
            )
        best = trained.best.setting
        if not as_json:
            print_record(trained)
    written = _write_tuned(tuning, best, target)
    if as_json:
        echo_json(_as_dict(tuning, trained, best, written, folder))
        return
    _say_written(tuning, best, written)
    echo(f"{folder / 'study.db'}  (optuna-dashboard sqlite:///{folder / 'study.db'} opens it)")


def _check_target(target: Path, reward: RewardFunction) -> None:
    """Refuse to overwrite what is no tuned file of this reward."""
    from racer.tuning import differs_in_numbers_only

    if target.resolve() == reward.path.resolve():
        raise UsageError(f"-o {target}: is the reward itself, which stays as it is")
    if target.exists() and not differs_in_numbers_only(read_text(target), reward.source):
        raise UsageError(
            f"{target} is there already and differs from {reward.filename} in more than numbers: "
            "name another file with -o"
        )


@contextmanager
def _say_how_to_go_on(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        echo(f"stopped: {folder} keeps what was tried; the same command goes on", err=True)
        raise


@contextmanager
def _show_settings(trials: int, is_quiet: bool) -> Iterator[OnSetting]:
    """A function that shows how far a study is, and its best laps so far."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(24), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    is_disabled = is_quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=is_disabled, transient=True) as bar:
        task = bar.add_task("the file as it is", total=trials)

        def report(tried: Sequence[Setting]) -> None:
            laps = [entry for entry in tried if entry.has_laps and entry.state == "tried"]
            words = f"{len(tried)} of {trials} settings"
            if laps:
                best = min(laps, key=lambda entry: entry.slowness)
                words += f", best foreseen lap {best.lap_times_s[0]:.2f} s"
            bar.update(task, completed=len(tried), description=words)

        yield report


@contextmanager
def _show_trainings(is_quiet: bool) -> Iterator[Any]:
    from rich.console import Console

    from racer.cli.progress import show_run_board

    if is_quiet:
        yield None
        return
    with show_run_board(Console(stderr=True)) as watch:
        yield watch


def _write_tuned(tuning: Tuning, best: Setting, target: Path) -> Path | None:
    """The tuned file, None where the file as it is is the best known."""
    if best is tuning.original:
        return None
    return write_file(target, tuning.source(best))


def _say_written(tuning: Tuning, best: Setting, written: Path | None) -> None:
    if written is None:
        echo(f"{tuning.reward.path.name} as it is asks for the fastest laps: no file was written")
        return
    for line in tuning.diff(best, written.name):
        echo(line)
    echo(f"wrote {written}")


def _as_dict(
    tuning: Tuning,
    trained: TrainedComparison | None,
    best: Setting,
    written: Path | None,
    folder: Path,
) -> dict[str, Any]:
    diff: list[str] = []
    if written is not None:
        diff = tuning.diff(best, written.name)
    return {
        **tuning.to_dict(),
        "study": str(folder / "study.db"),
        "trained": None if trained is None else trained.to_dict(),
        "written": None if written is None else str(written),
        "diff": diff,
    }
