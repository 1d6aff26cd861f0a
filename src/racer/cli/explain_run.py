"""`racer explain RUN`: where a trained policy looks, and how sure it is, over a lap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from racer.cli.tables import new_table, print_table
from racer.errors import need
from racer.records import RecordTable, format_number, format_percent

if TYPE_CHECKING:
    from racer.diagnostics import PolicyLap

MAX_INPUTS_SHOWN = 12


def is_run_folder(path: str) -> bool:
    """Whether a path is the folder of a run, and no reward."""
    return (Path(path).expanduser() / "run.json").is_file()


def explain_policy(folder: Path, checkpoint: str, output: Path | None, as_json: bool) -> None:
    """Print what a run's policy looks at and does over a lap, and draw it to `output` if given."""
    need("train")
    from racer.training import explain_run

    lap, name = explain_run(folder, checkpoint)
    title = f"{folder}, checkpoint {name}, on {lap.track.title}: {_describe_end(lap)}"
    if as_json:
        typer.echo(json.dumps(_as_dict(lap, name), indent=2))
    else:
        typer.echo(title)
        _print_lap(lap)
    if output:
        from racer.plotting import policy_figure, save_figure

        picture = save_figure(policy_figure(lap, title), output, dpi=110)
        typer.echo(str(picture), err=as_json)


def _describe_end(lap: PolicyLap) -> str:
    if lap.is_complete:
        return f"a lap in {lap.time:.2f} s"
    return f"{lap.distance[-1] / lap.track.length:.0%} of a lap, then {lap.ended}"


def _print_lap(lap: PolicyLap) -> None:
    from racer.diagnostics import input_weights, least_sure_place

    weights = input_weights(lap)
    table = new_table(
        "what the answer hangs on", "share", "most", "at m", text=("what the answer hangs on",)
    )
    for weight in weights[:MAX_INPUTS_SHOWN]:
        fractions = [format_percent(weight.fraction, 1), format_percent(weight.most)]
        table.add_row(weight.name, *fractions, format_number(weight.at, 1))
    print_table(table)
    others = weights[MAX_INPUTS_SHOWN:]
    if others:
        rest = sum(weight.fraction for weight in others)
        typer.echo(f"{len(others)} more come to {rest:.0%} (--json has them)")
    if not lap.is_discrete:
        print_table(_command_table(lap))
        return
    print_table(_action_table(lap))
    distance, probability = least_sure_place(lap)
    action = f"an action of {probability:.0%}"
    typer.echo(f"least sure at {distance:.1f} m, where it takes {action}")


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


def _as_dict(lap: PolicyLap, checkpoint: str) -> dict[str, Any]:
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
