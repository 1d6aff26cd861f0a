"""`racer replay`: what a reward function would have paid for recorded laps; `racer reward`: one call
of it with saved params, to reproduce what stopped a training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from racer.cli.completion import offer_rewards
from racer.cli.inputs import LogsOrModelsArgument, tracks_to_try
from racer.cli.tables import (
    JsonOption,
    LapsCsvOption,
    LogTrackOption,
    RewardArgument,
    RewardTimeoutOption,
    RoutesOption,
    check_gamma,
    echo,
    echo_as_is,
    echo_json,
    print_blocks,
)
from racer.errors import UsageError
from racer.files import read_json


def replay_command(
    reward: RewardArgument,
    logs: LogsOrModelsArgument,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    own: Annotated[
        str,
        typer.Option(
            "--own",
            metavar="REWARD",
            autocompletion=offer_rewards,
            help="The reward that the log was scored with: proves the rebuild.",
        ),
    ] = "",
    gamma: Annotated[
        float, typer.Option(help="The discount factor of the pay that laps are ranked by.")
    ] = 0.99,
    csv: LapsCsvOption = None,
    as_json: JsonOption = False,
    reward_timeout: RewardTimeoutOption = 5.0,
) -> None:
    """Price the steps of logs with a reward function, and compare what laps are paid with the
    clock.

    racer replay my_racer/reward.py @last
    racer replay speed_aware @last --csv laps.csv
    """
    check_gamma(gamma)
    from racer.diagnostics import collect_replay, replay_log
    from racer.reward import load_reward

    function = load_reward(reward)
    own_function = load_reward(own) if own else None
    candidates = tracks_to_try(track, tracks)
    pieces = []
    for path in logs:
        for piece in replay_log(
            function,
            path,
            track,
            candidates,
            own=own_function,
            gamma=gamma,
            timeout=reward_timeout,
        ):
            pieces.append(piece)
            if not as_json:
                print_blocks(piece.lines())
    result = collect_replay(function, pieces, gamma)
    if csv:
        result.write_csv(csv)
    if as_json:
        echo_json({**result.to_dict(), "reward": reward})
    else:
        print_blocks(result.summary_blocks())
    result.require_laps()


def reward_command(
    file: RewardArgument,
    params: Annotated[
        Path, typer.Argument(help="A JSON file with the params of one call.", show_default=False)
    ],
    reward_timeout: RewardTimeoutOption = 5.0,
) -> None:
    """Call a reward function once, with the params in a JSON file, and print what it returns.

    racer reward my_racer/reward.py params.json
    racer reward center_line params.json --timeout 1
    """
    from racer.reward import RewardBatch, RewardRefused, load_reward

    call = read_params(params)
    try:
        batch = RewardBatch(load_reward(file), 1, timeout=reward_timeout)
        [reward] = batch([call])
    except RewardRefused as error:
        if error.trace:
            echo_as_is(error.trace, err=True)
        raise
    if batch.printed:
        echo_as_is(batch.printed)
    echo(repr(float(reward)))


def read_params(path: Path) -> dict[str, Any]:
    """The params of one call from a JSON file, with waypoints as the tuples that a reward function
    gets.
    """
    params = read_json(path)
    if not isinstance(params, dict):
        raise UsageError(f"{path} does not hold an object with the params of one call")
    waypoints = params.get("waypoints")
    if isinstance(waypoints, list):
        params["waypoints"] = [tuple(p) if isinstance(p, list) else p for p in waypoints]
    return params
