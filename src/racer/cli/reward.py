"""`racer reward`: one call of a reward function with saved params, to reproduce what stopped a
training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from racer.cli.tables import RewardArgument, RewardTimeoutOption
from racer.errors import UsageError
from racer.files import read_json


def reward_command(
    file: RewardArgument,
    params: Annotated[
        Path, typer.Argument(help="A JSON file with the params of one call.", show_default=False)
    ],
    reward_timeout: RewardTimeoutOption = 5.0,
) -> None:
    """Call a reward function once, with the params in a JSON file, and print what it returns."""
    from racer.reward import RewardBatch, RewardRefused, load_reward

    call = read_params(params)
    try:
        batch = RewardBatch(load_reward(file), 1, timeout=reward_timeout)
        [reward] = batch([call])
    except RewardRefused as error:
        if error.trace:
            typer.echo(error.trace, err=True, nl=False)
        raise
    if batch.printed:
        typer.echo(batch.printed, nl=not batch.printed.endswith("\n"))
    typer.echo(repr(float(reward)))


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
