"""`racer replay`: what a reward function would have paid for recorded laps."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from racer.cli.inputs import tracks_to_try
from racer.cli.tables import (
    JsonOption,
    LapsCsvOption,
    LogsArgument,
    LogTrackOption,
    RewardArgument,
    RewardTimeoutOption,
    RoutesOption,
    print_blocks,
)


def replay_command(
    reward: RewardArgument,
    logs: LogsArgument,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    own: Annotated[
        str,
        typer.Option(
            "--own",
            metavar="REWARD",
            help="The reward that the log was scored with: proves the rebuild.",
        ),
    ] = "",
    csv: LapsCsvOption = None,
    as_json: JsonOption = False,
    reward_timeout: RewardTimeoutOption = 5.0,
) -> None:
    """Price the steps of logs with a reward function, and compare what laps are paid with the
    clock.
    """
    from racer.diagnostics import collect_replay, replay_log
    from racer.reward import load_reward

    function = load_reward(reward)
    own_function = load_reward(own) if own else None
    candidates = tracks_to_try(track, tracks)
    pieces = []
    for path in logs:
        for piece in replay_log(
            function, path, track, candidates, own=own_function, timeout=reward_timeout
        ):
            pieces.append(piece)
            if not as_json:
                print_blocks(piece.lines())
    result = collect_replay(function, pieces)
    if csv:
        result.write_csv(csv)
    if as_json:
        typer.echo(json.dumps({**result.to_dict(), "reward": reward}, indent=2))
    else:
        print_blocks(result.summary_blocks())
    result.require_laps()
