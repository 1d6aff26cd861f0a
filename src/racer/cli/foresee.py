"""`racer foresee`: the driving that a reward function pays best."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.completion import offer_rewards
from racer.cli.inputs import read_action_space
from racer.cli.tables import (
    ActionSpaceOption,
    CarOfActionsOption,
    JsonOption,
    PictureOption,
    ReverseOption,
    TrackOption,
    check_gamma,
    echo,
    echo_json,
    print_record,
    print_table,
    refuse_if,
)
from racer.records import format_amount, format_number
from racer.track import DEFAULT_TRACK, load_track
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.diagnostics import Foresight
    from racer.diagnostics.foresight import ForesightProgress
    from racer.track import Track
    from racer.vehicle import Metadata

LINE_EVERY_S = 1.0  # of the search, on a terminal
PIPE_FRACTIONS = (0.0, 0.25, 0.5, 0.75)  # of the search at which a pipe gets a line


def foresee_command(
    rewards: Annotated[
        list[str],
        typer.Argument(
            autocompletion=offer_rewards,
            help="Reward files, or names of shipped ones.",
            show_default=False,
        ),
    ],
    track: TrackOption = DEFAULT_TRACK,
    gamma: Annotated[
        float | None, typer.Option(help="Your discount factor.", show_default="0.99")
    ] = None,
    car: CarOfActionsOption = None,
    action_space: ActionSpaceOption = None,
    reverse: ReverseOption = False,
    objects: Annotated[
        str | None,
        typer.Option(
            help="none, boxes, random_boxes or a .toml file.",
            show_default="boxes if a reward reads objects",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long to search: processor seconds of a usual machine.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    output: PictureOption = None,
    animation: Annotated[
        Path | None,
        typer.Option("--animation", metavar="FILE", help="Animate it there (gif, mp4)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the driving that a reward pays best, without any training.

    Exit code 1 when the best paid driving completes no laps within 1.25 of the fastest. Ctrl-C ends
    the search, and what was found so far is shown.

    racer foresee my_racer/reward.py
    racer foresee center_line --track oval --seconds 2 -o foreseen.png
    """
    check_gamma(gamma)
    refuse_if(not seconds > 0.0, f"--seconds {seconds:g}: a search takes more than 0 s")
    refuse_if(
        (output or animation) and len(rewards) > 1, "a picture is of one reward: name only one"
    )
    road = load_track(track)
    metadata = read_action_space(action_space)
    model = car or (metadata.car if metadata else DEFAULT_CAR)
    stands = _objects(rewards, objects, road)
    if not as_json:
        direction = ", reversed" if reverse else ""
        among = f", objects: {stands}" if stands else ""
        echo(f"{road.name}{direction}, car {model}{among}: looking for what is paid best")
    foresights = []
    for reward in rewards:
        foresights.append(
            _foresee(reward, road, gamma, model, metadata, reverse, stands, seconds, seed)
        )
        if foresights[-1].interrupted:
            break
    _show(foresights, len(rewards), as_json)
    for file in _draw(foresights[0], output, animation):
        echo(str(file), err=True)
    if not all(foresight.asks_for_speed for foresight in foresights):
        raise typer.Exit(1)


def _foresee(
    reward: str,
    track: Track,
    gamma: float | None,
    car: str,
    metadata: Metadata | None,
    reverse: bool,
    objects: str | None,
    seconds: float,
    seed: int,
) -> Foresight:
    from racer.diagnostics import VERDICT_GAMMA, foresee

    return foresee(
        reward,
        track,
        gamma=VERDICT_GAMMA if gamma is None else gamma,
        car=car,
        action_space=metadata.action_space if metadata else None,
        reverse=reverse,
        objects=objects,
        seconds=seconds,
        seed=seed,
        on_progress=_line_printer(Path(reward).stem),
    )


def _objects(rewards: list[str], objects: str | None, track: Track) -> str | None:
    """What stands on the road: boxes if a reward reads objects and nothing else was asked for."""
    from racer.reward import load_reward, reads_objects

    if objects == "none":
        return None
    if objects is not None or not track.is_loop:
        return objects
    for reward in rewards:
        if reads_objects(load_reward(reward)):
            return "boxes"
    return None


def _line_printer(name: str) -> Callable[[ForesightProgress], None]:
    """What prints, on stderr, how far a search is: a line a second on a terminal, a few in a pipe."""
    is_terminal = sys.stderr.isatty()
    due = list(PIPE_FRACTIONS)
    printed_at = -LINE_EVERY_S

    def report(progress: ForesightProgress) -> None:
        nonlocal printed_at
        fraction = progress.work / progress.total_work
        if is_terminal:
            if time.monotonic() - printed_at < LINE_EVERY_S:
                return
            printed_at = time.monotonic()
        else:
            if not due or fraction < due[0]:
                return
            while due and fraction >= due[0]:
                due.pop(0)
        echo(f"{name}: {_describe_progress(progress, fraction)}", err=True)

    return report


def _describe_progress(progress: ForesightProgress, fraction: float) -> str:
    """`so far laps of 6.53 s, pay 58.1 (34 % of the search)`."""
    driving = "no lap"
    if progress.lap_time_s is not None:
        driving = f"laps of {format_number(progress.lap_time_s, 2)} s"
    done = f"{min(fraction, 1.0):.0%} of the search"
    return f"so far best paid: {driving}, pay {format_amount(progress.pay, 4)} ({done})"


def _show(foresights: list[Foresight], wanted: int, as_json: bool) -> None:
    from racer.diagnostics import compare_foresights

    if as_json:
        echo_json([foresight.to_dict() for foresight in foresights])
        return
    if wanted == 1:
        print_record(foresights[0])
        return
    print_table(compare_foresights(foresights))
    for foresight in foresights:
        echo(foresight.summary)
    if len(foresights) < wanted:
        echo(f"interrupted: {wanted - len(foresights)} of {wanted} rewards were not looked at")


def _draw(foresight: Foresight, output: Path | None, animation: Path | None) -> list[Path]:
    """The files that were asked for, after writing them."""
    files: list[Path] = []
    if output:
        from racer.plotting import foresight_figure, save_figure, style_context

        with style_context():
            files.append(save_figure(foresight_figure(foresight), output))
    if animation:
        from racer.plotting import animate_foresight

        files.append(animate_foresight(foresight, animation))
    return files
