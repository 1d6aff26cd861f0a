"""`racer cost`: what a job of the service costs that goes as a training here did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from racer.cli.inputs import resolve_runs
from racer.cli.tables import JsonOption, echo_json, print_record
from racer.errors import need


def cost_command(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run of --like service, also as @1.", callback=resolve_runs
        ),
    ],
    iterations: Annotated[
        int | None,
        typer.Option(min=1, help="Of the job.", show_default="those of the run"),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .toml of your own prices.", show_default="racer's"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a job of the service costs that goes as a training here did, where, and after how many
    iterations to stop it.

    racer cost runs/calm
    racer cost @last --iterations 100 --json
    """
    need("train")
    from racer.training import Run, cost_job, read_offers

    offers = read_offers(prices) if prices else read_offers()
    cost = cost_job(Run.open(run), iterations, offers)
    if as_json:
        echo_json(cost.to_dict())
        return
    print_record(cost)
