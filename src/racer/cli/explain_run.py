"""`racer explain RUN`: where a trained policy looks, and how sure it is, over a lap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from racer.errors import need

if TYPE_CHECKING:
    from rich.table import Table

    from racer.diagnostics.policy import PolicyLap

MAX_PARTS_SHOWN = 12  # parts that are shown


def is_run_folder(path: str) -> bool:
    """Whether a path is the folder of a run, and no reward."""
    return (Path(path).expanduser() / "run.json").is_file()


def print_policy_explanation(
    folder: Path, checkpoint: str, output: Path | None, as_json: bool
) -> None:
    """Print what a run's policy looks at and does over a lap, and draw it to `output` if given."""
    need("train")
    from racer.training import explain_run as look

    lap, name = look(folder, checkpoint)
    title = f"{folder}, checkpoint {name}, on {lap.track.title}: {_outcome(lap)}"
    if as_json:
        typer.echo(json.dumps(_as_json(lap, name), indent=2))
    else:
        _show(lap, title)
    if output:
        typer.echo(str(_drawn(lap, title, output)), err=as_json)


def _outcome(lap: PolicyLap) -> str:
    if lap.is_complete:
        return f"a lap in {lap.time:.2f} s"
    return f"{lap.distance[-1] / lap.track.length:.0%} of a lap, then {lap.ended}"


def _show(lap: PolicyLap, title: str) -> None:
    from rich.console import Console

    from racer.diagnostics.policy import input_weights, least_sure_place

    console = Console(soft_wrap=True)
    console.print(title, markup=False, highlight=False)
    console.print(_parts_table(lap))
    if len(lap.parts) > MAX_PARTS_SHOWN:
        rest = sum(part.share for part in input_weights(lap)[MAX_PARTS_SHOWN:])
        console.print(
            f"{len(lap.parts) - MAX_PARTS_SHOWN} more come to {rest:.0%} (--json has them)",
            highlight=False,
        )
    console.print(_choices_table(lap) if lap.is_discrete else _command_table(lap))
    if lap.is_discrete:
        at, chance = least_sure_place(lap)
        console.print(
            f"least sure at {at:.1f} m, where it takes an action of {chance:.0%}", highlight=False
        )


def _parts_table(lap: PolicyLap) -> Table:
    from racer.diagnostics.policy import input_weights

    table = _table("what the answer hangs on", "share", "most", "at m")
    for part in input_weights(lap)[:MAX_PARTS_SHOWN]:
        table.add_row(part.name, f"{part.share:.1%}", f"{part.most:.0%}", f"{part.at:.1f}")
    return table


def _choices_table(lap: PolicyLap) -> Table:
    from racer.diagnostics.policy import action_choices

    table = _table("action", "steering deg", "m/s", "taken", "mean probability")
    for one in action_choices(lap):
        words = (
            f"{one.steering_deg:g}",
            f"{one.speed:g}",
            f"{one.taken:.0%}",
            f"{one.probability:.3f}",
        )
        table.add_row(str(one.number), *words)
    return table


def _command_table(lap: PolicyLap) -> Table:
    table = _table("command", "mean", "least", "most", "deviation in training")
    for name, values, spread in zip(
        ("steering deg", "speed m/s"), lap.mean.T, lap.deviation.T, strict=True
    ):
        table.add_row(
            name, *(f"{x:.2f}" for x in (values.mean(), values.min(), values.max(), spread.mean()))
        )
    return table


def _table(*heads: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for k, head in enumerate(heads):
        table.add_column(head, justify="right" if k else "left", no_wrap=True)
    return table


def _drawn(lap: PolicyLap, title: str, output: Path) -> Path:
    from racer.plotting import style
    from racer.plotting.policy import policy_figure

    return style.save_figure(policy_figure(lap, title), output, dpi=110)


def _as_json(lap: PolicyLap, name: str) -> dict[str, Any]:
    from racer.diagnostics.policy import action_choices, input_weights

    steps = {
        "distance": lap.distance,
        "steering_deg": lap.mean[:, 0],
        "speed": lap.mean[:, 1],
        "steering_deviation_deg": lap.deviation[:, 0],
        "speed_deviation": lap.deviation[:, 1],
    }
    return {
        "checkpoint": name,
        "track": lap.track.name,
        "reversed": lap.track.is_reversed,
        "ended": lap.ended,
        "time": lap.time,
        "parts": [part._asdict() for part in input_weights(lap)],
        "actions": [one._asdict() for one in action_choices(lap)] if lap.is_discrete else [],
        "steps": {key: values.round(6).tolist() for key, values in steps.items()},
        "probabilities": lap.probabilities.round(6).tolist(),
    }
