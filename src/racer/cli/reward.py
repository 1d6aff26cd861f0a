"""`racer reward`: one call of a reward function with saved params, to reproduce what stopped a
training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from racer.errors import UsageError


def reward_command(
    file: Annotated[
        str, typer.Argument(help="A reward file, or the name of a shipped one.", show_default=False)
    ],
    params: Annotated[
        Path, typer.Argument(help="A JSON file with the params of one call.", show_default=False)
    ],
    reward_timeout: Annotated[
        float, typer.Option(help="Seconds that the call may take; 0: any time.")
    ] = 5.0,
) -> None:
    """Call a reward function once, with the params in a JSON file, and print what it returns."""
    from racer.reward import RewardBatch, RewardRefused, load_reward

    given = read_params(params)
    try:
        batch = RewardBatch(load_reward(file), 1, timeout=reward_timeout)
        value = batch([given])
    except RewardRefused as error:
        if error.trace:
            typer.echo(error.trace, err=True, nl=False)
        raise
    if batch.printed:
        typer.echo(batch.printed, nl=not batch.printed.endswith("\n"))
    typer.echo(repr(float(value[0])))


def read_params(path: Path) -> dict[str, Any]:
    """The params of one call from a JSON file, with waypoints as the tuples that a reward function
    gets.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} does not hold an object with the params of one call")
    if isinstance(found.get("waypoints"), list):
        found["waypoints"] = [
            tuple(point) if isinstance(point, list) else point for point in found["waypoints"]
        ]
    return found
