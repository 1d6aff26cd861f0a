"""`racer explain`: which lines of a reward function pay how much, and where; or where a trained
policy looks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_rewards_and_runs, offer_runs, offer_tracks
from racer.cli.inputs import (
    load_track_with_note,
    place_log,
    read_action_space,
    resolve_logs,
    resolve_runs,
)
from racer.cli.tables import (
    ActionSpaceOption,
    CarOfActionsOption,
    JsonOption,
    PictureOption,
    ReverseOption,
    RewardTimeoutOption,
    echo,
    echo_json,
    new_table,
    print_record,
    print_table,
    refuse_if,
)
from racer.errors import UsageError, need
from racer.records import RecordTable, format_number, format_percent
from racer.track import DEFAULT_TRACK
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.diagnostics import PolicyLap
    from racer.diagnostics.attribution import Attribution, DriveParams
    from racer.track import Track

USUAL_DRIVERS = ("medium", "racing_line", "weaving")

MAX_INPUTS_SHOWN = 12


RewardOrRunArgument = Annotated[
    str,
    typer.Argument(
        metavar="REWARD|RUN",
        help="A reward file, the name of a shipped one, or a run: its folder, @1, @best; a model: .tar.gz, .pb.",
        callback=resolve_runs,
        autocompletion=offer_rewards_and_runs,
    ),
]
ExplainedTrackOption = Annotated[
    str,
    typer.Option(
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file.",
        show_default=f"{DEFAULT_TRACK}; of a log: recognized",
    ),
]
DriverOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A scripted driver, or all; may be repeated.",
        show_default=", ".join(USUAL_DRIVERS),
    ),
]
TraceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="LOG",
        help="Explain recorded laps instead: a simtrace csv, a folder of them, a run.",
        callback=resolve_logs,
        autocompletion=offer_runs,
    ),
]
LogRoutesOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A folder of routes to recognize the log's track among."),
]


def explain_command(
    reward: RewardOrRunArgument,
    track: ExplainedTrackOption = "",
    driver: DriverOption = None,
    trace: TraceOption = None,
    tracks: LogRoutesOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="How many of the log's best episodes.")] = 3,
    car: CarOfActionsOption = None,
    action_space: ActionSpaceOption = None,
    reverse: ReverseOption = False,
    output: PictureOption = None,
    as_json: JsonOption = False,
    reward_timeout: RewardTimeoutOption = 5.0,
    checkpoint: Annotated[
        str,
        typer.Option(
            help="Of a run: best, service, last, or the number of steps.", show_default="best"
        ),
    ] = "",
) -> None:
    """Say which lines and terms of a reward function pay how much over a lap, and where on the
    track.

    Of a run: what its policy looks at and how sure it is, over a lap.

    racer explain my_racer/reward.py -o pay.png
    racer explain @best
    """
    from racer.training import is_run_folder

    if is_run_folder(reward):
        refuse_if(
            track or driver or trace or tracks or car or action_space or reverse,
            "a run is explained on its own track, with its own car: give it with -o, --json or --checkpoint",
        )
        explain_policy(Path(reward).expanduser(), checkpoint or "best", output, as_json)
        return
    refuse_if(checkpoint, f"--checkpoint is for a run's folder, and {reward} is none")
    refuse_if(
        trace and (driver or reverse or car or action_space),
        "--trace explains what was driven: give it without --driver, --car, --action-space and --reverse",
    )
    from racer.diagnostics.attribution import attribute_reward
    from racer.reward import load_reward

    function = load_reward(reward)
    if trace is not None:
        driven_track, drives = _recorded_drives(trace, track, tracks, episodes)
    else:
        drivers = driver or list(USUAL_DRIVERS)
        driven_track, drives = _scripted_drives(track, drivers, car, action_space, reverse)
    attribution = attribute_reward(function, drives, timeout=reward_timeout)
    _show_attribution(replace(attribution, track=driven_track), driven_track, output, as_json)


def _show_attribution(
    attribution: Attribution, track: Track, output: Path | None, as_json: bool
) -> None:
    """Print which terms pay how much, and draw it to `output` if given."""
    if as_json:
        echo_json(attribution.to_dict())
    else:
        print_record(attribution)
    if output:
        from racer.plotting import attribution_figure, save_figure

        figure = attribution_figure(attribution, track)
        echo(str(save_figure(figure, output, dpi=110)), err=as_json)


def _scripted_drives(
    track: str, drivers: list[str], car: str | None, action_space: Path | None, reverse: bool
) -> tuple[Track, DriveParams]:
    """The track, and the params of every step of the drivers on it."""
    from racer.diagnostics.attribution import drive_params
    from racer.drivers import DRIVER_FAMILY

    metadata = read_action_space(action_space)
    if "all" in drivers:
        drivers = list(DRIVER_FAMILY)
    return drive_params(
        load_track_with_note(track or DEFAULT_TRACK),
        list(dict.fromkeys(drivers)),
        car or (metadata.car if metadata else DEFAULT_CAR),
        metadata.action_space if metadata else None,
        reverse,
    )


def _recorded_drives(
    path: Path, track: str, routes: Path | None, count: int
) -> tuple[Track, DriveParams]:
    """The track that a log was driven on, and the params of the steps of its best episodes."""
    from racer.diagnostics.attribution import episode_params
    from racer.logs import read_log

    log = read_log(path)
    on_track = place_log(log, path, track, routes)
    if on_track.track is None:
        raise UsageError(on_track.sentence)
    echo(on_track.sentence, err=True)
    trace = log.trace[on_track.is_on_track].reset_index(drop=True)
    drives = episode_params(trace, on_track.track, count)
    if not any(steps for _, steps in drives):
        raise UsageError(f"{path} holds no step that a reward function is called for")
    return on_track.track, drives


def explain_policy(folder: Path, checkpoint: str, output: Path | None, as_json: bool) -> None:
    """Print what a run's policy looks at and does over a lap, and draw it to `output` if given."""
    need("train")
    from racer.training import explain_run

    lap, name = explain_run(folder, checkpoint)
    title = f"{folder}, checkpoint {name}, on {lap.track.title}: {_describe_end(lap)}"
    if as_json:
        echo_json(_lap_as_dict(lap, name))
    else:
        echo(title)
        _print_lap(lap)
    if output:
        from racer.plotting import policy_figure, save_figure

        picture = save_figure(policy_figure(lap, title), output, dpi=110)
        echo(str(picture), err=as_json)


def _describe_end(lap: PolicyLap) -> str:
    if lap.is_complete:
        return f"a lap in {lap.time:.2f} s"
    return f"{lap.distance[-1] / lap.track.length:.0%} of a lap, then {lap.ended}"


def _print_lap(lap: PolicyLap) -> None:
    from racer.diagnostics import input_weights, least_sure_place

    weights = input_weights(lap)
    table = new_table(
        "what the action depends on", "share", "most", "at m", text=("what the action depends on",)
    )
    for weight in weights[:MAX_INPUTS_SHOWN]:
        fractions = [format_percent(weight.fraction, 1), format_percent(weight.most)]
        table.add_row(weight.name, *fractions, format_number(weight.at, 1))
    print_table(table)
    others = weights[MAX_INPUTS_SHOWN:]
    if others:
        rest = sum(weight.fraction for weight in others)
        echo(f"{len(others)} more come to {rest:.0%} (--json has them)")
    if not lap.is_discrete:
        print_table(_command_table(lap))
        return
    print_table(_action_table(lap))
    distance, probability = least_sure_place(lap)
    action = f"an action of {probability:.0%}"
    echo(f"least sure at {distance:.1f} m, where it takes {action}")


def _action_table(lap: PolicyLap) -> RecordTable:
    from racer.diagnostics import action_choices

    table = new_table("action", "steering deg", "m/s", "taken", "mean probability")
    for choice in action_choices(lap):
        table.add_row(
            str(choice.number),
            f"{choice.steering_deg:g}",
            f"{choice.speed:g}",
            format_percent(choice.taken),
            format_number(choice.probability, 3),
        )
    return table


def _command_table(lap: PolicyLap) -> RecordTable:
    heads = ("command", "mean", "least", "most", "deviation in training")
    table = new_table(*heads, text=("command",))
    for column, name in enumerate(("steering deg", "speed m/s")):
        values = lap.mean[:, column]
        deviation = lap.deviation[:, column].mean()
        numbers = (values.mean(), values.min(), values.max(), deviation)
        table.add_row(name, *map(format_number, numbers))
    return table


def _lap_as_dict(lap: PolicyLap, checkpoint: str) -> dict[str, Any]:
    from racer.diagnostics import action_choices, input_weights

    steps = {
        "distance": lap.distance,
        "steering_deg": lap.mean[:, 0],
        "speed": lap.mean[:, 1],
        "steering_deviation_deg": lap.deviation[:, 0],
        "speed_deviation": lap.deviation[:, 1],
    }
    parts = []
    for weight in input_weights(lap):
        parts.append(
            {"name": weight.name, "share": weight.fraction, "most": weight.most, "at": weight.at}
        )
    actions = [choice._asdict() for choice in action_choices(lap)] if lap.is_discrete else []
    return {
        "checkpoint": checkpoint,
        "track": lap.track.name,
        "reversed": lap.track.is_reversed,
        "ended": lap.ended,
        "time": lap.time,
        "parts": parts,
        "actions": actions,
        "steps": {key: values.round(6).tolist() for key, values in steps.items()},
        "probabilities": lap.probabilities.round(6).tolist(),
    }
