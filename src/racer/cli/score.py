"""`racer score`: whether a reward function agrees with the clock."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.errors import UsageError
from racer.track import library

if TYPE_CHECKING:
    from racer.diagnostics import RewardScore
    from racer.vehicle.action_space import Metadata

Option = typer.Option
VERDICT_GAMMA = 0.99  # what `racer train` and DeepRacer's console begin with
MAX_INVERSIONS_SHOWN = 6  # inversions in words


def score_command(
    rewards: Annotated[
        list[str],
        typer.Argument(help="Reward files, or names of shipped ones.", show_default=False),
    ],
    track: Annotated[str, Option(help="A track's name, .toml or .npy file.")] = "reinvent_2018",
    gamma: Annotated[
        float | None,
        Option(help="Your discount factor.  [default: 0.9, 0.99, 0.999; the verdict is at 0.99]"),
    ] = None,
    car: Annotated[
        str | None, Option(help="v4, v5 or v6.  [default: what the action space says, else v6]")
    ] = None,
    action_space: Annotated[
        Path | None, Option(help="A model_metadata.json.", show_default=False)
    ] = None,
    reverse: Annotated[bool, Option("--reverse", help="Drive the track the other way.")] = False,
    objects: Annotated[
        str | None,
        Option(
            help="none, boxes, random_boxes or a .toml file.  [default: boxes if a reward reads objects]",
            show_default=False,
        ),
    ] = None,
    expert: Annotated[
        bool,
        Option(
            "--expert", help="Let the driver of racer line race, too: nearly what the car can do."
        ),
    ] = False,
    output: Annotated[
        Path | None, Option("-o", "--output", help="Draw the ranks there (png, svg, pdf).")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let scripted drivers lap a track, and compare what a reward pays them with what the clock
    says.

    Exit code 1 when a reward fails: when the best paid driver is not nearly the fastest, or the
    ranks do not correlate.
    """
    if gamma is not None and not 0.0 <= gamma <= 1.0:
        raise UsageError(f"--gamma {gamma:g}: a discount factor is between 0 and 1")
    road, metadata = library.load_track(track), _metadata(action_space)
    model = car or (metadata.car if metadata else "v6")
    what = objects or ("boxes" if _read_objects(rewards) and road.is_loop else "none")
    if not as_json:
        among = "" if what == "none" else f", objects: {what}"
        typer.echo(
            f"{road.name}{', reversed' if reverse else ''}, car {model}{among}: drivers set off from the start line"
        )
    scores = _scored(rewards, road, model, metadata, reverse, gamma, what, expert)
    if as_json:
        typer.echo(json.dumps([score_as_data(s) for s in scores], indent=2))
    else:
        _show(scores)
    if output:
        _draw(scores, road.name, output)
    if not all(s.verdict.passed for s in scores):
        raise typer.Exit(1)


def _metadata(file: Path | None) -> Metadata | None:
    if file is None:
        return None  # and no time is spent on importing what reads it
    from racer.vehicle.action_space import read_metadata

    return read_metadata(file)


def _read_objects(rewards: list[str]) -> bool:
    from racer.reward import load_reward
    from racer.reward.load import reads_objects

    return any(reads_objects(load_reward(reward)) for reward in rewards)


def _scored(
    rewards: list[str],
    road: Any,
    car: str,
    metadata: Metadata | None,
    reverse: bool,
    gamma: float | None,
    objects: str,
    expert: bool,
) -> list[RewardScore]:
    from racer.diagnostics.scoring import GAMMAS, score_rewards
    from racer.drivers.scripted import EXPERT, default_drivers

    return score_rewards(
        rewards,
        road,
        gammas=GAMMAS if gamma is None else (gamma,),
        verdict_gamma=VERDICT_GAMMA if gamma is None else gamma,
        car=car,
        action_space=metadata.action_space if metadata else None,
        reverse=reverse,
        drivers=[*default_drivers(objects), EXPERT] if expert else None,
        objects=objects,
    )


def score_as_data(score: RewardScore) -> dict[str, Any]:
    """A score as plain data; what is missing is None."""
    drives = [
        {
            "driver": drive.name,
            "lap_time": _number(drive.lap_time),
            "completion": round(drive.completion, 2),
            "status": drive.status.word,
            "steps": len(rewards),
            "fewest_wheels": drive.fewest_wheels,
            "sum": float(score.total[k]),
            "per_step": float(score.per_step[k]),
            "pay": {f"{gamma:g}": float(score.pay[gamma][k]) for gamma in score.gammas},
            "from_the_start": {
                f"{gamma:g}": float(score.first[gamma][k]) for gamma in score.gammas
            },
            "rank_by_clock": float(score.clock[k]),
            "rank_by_pay": {f"{gamma:g}": float(score.paid(gamma)[k]) for gamma in score.gammas},
        }
        for k, (drive, rewards) in enumerate(zip(score.drives, score.rewards, strict=True))
    ]
    inversions = [
        {
            "better": i.better.name,
            "worse": i.worse.name,
            "gamma": gamma,
            "sentence": i.sentence(gamma),
        }
        for gamma in score.gammas
        for i in score.inversions(gamma)
    ]
    return {
        "reward": score.reward,
        "gamma": score.gamma,
        "passed": score.verdict.passed,
        "verdict": score.verdict.sentence,
        "rank_correlation": {
            f"{gamma:g}": _number(score.correlation(gamma)) for gamma in score.gammas
        },
        "drives": drives,
        "inversions": inversions,
    }


def _show(scores: list[RewardScore]) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    if len(scores) == 1:
        _show_one(console, scores[0])
    else:
        console.print(
            "rank correlation of pay and clock by gamma, and pairs of drivers in the wrong order"
        )
        console.print(_comparison(scores))
    for score in scores:
        word = "passes" if score.verdict.passed else "fails"
        console.print(f"{reward_label(score)} {word}: {score.verdict.sentence}", markup=False)


def _show_one(console: Any, score: RewardScore) -> None:
    console.print(
        f"what {reward_label(score)} pays: the sum, the mean discounted return by gamma, and a step",
        markup=False,
    )
    console.print(_table(score))
    match = ", ".join(f"{score.correlation(gamma):.2f} at {gamma:g}" for gamma in score.gammas)
    console.print(f"rank correlation of pay and clock: {match}", markup=False)
    wrong = score.inversions()
    for inversion in wrong[:MAX_INVERSIONS_SHOWN]:
        console.print(f"  {inversion.sentence(score.gamma)}", markup=False)
    if len(wrong) > MAX_INVERSIONS_SHOWN:
        console.print(
            f"  and {len(wrong) - MAX_INVERSIONS_SHOWN} more pairs in the wrong order (--json lists them)",
            markup=False,
        )


def _table(score: RewardScore) -> Any:
    """The drivers, fastest first."""
    table = _empty(
        "driver",
        "lap s",
        "%",
        "sum",
        *(f"{gamma:g}" for gamma in score.gammas),
        "a step",
        "clock",
        "pay",
    )
    ranks = score.paid()
    for k in sorted(range(len(score.drives)), key=lambda k: score.clock[k]):
        drive = score.drives[k]
        time = "-" if math.isnan(drive.lap_time) else f"{drive.lap_time:.1f}"
        pays = [_short(score.pay[gamma][k]) for gamma in score.gammas]
        amounts = [_short(score.total[k]), *pays, _short(score.per_step[k])]
        table.add_row(
            drive.name,
            time,
            f"{drive.completion:.0f}",
            *amounts,
            _rank(score.clock[k]),
            _rank(float(ranks[k])),
        )
    return table


def _comparison(scores: list[RewardScore]) -> Any:
    gammas = scores[0].gammas
    table = _empty(
        "reward", "verdict", *(f"{gamma:g}" for gamma in gammas), "inverted", "best paid", "lap s"
    )
    for score in scores:
        best = score.best_paid
        time = "-" if math.isnan(best.lap_time) else f"{best.lap_time:.1f}"
        match = [f"{score.correlation(gamma):.2f}" for gamma in gammas]
        word = "passes" if score.verdict.passed else "fails"
        table.add_row(
            reward_label(score), word, *match, str(len(score.inversions())), best.name, time
        )
    return table


def reward_label(score: RewardScore) -> str:
    """What a reward is called in a table."""
    return Path(score.reward).stem


def _empty(*heads: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in heads:
        is_text = head in ("driver", "reward", "verdict", "best paid")
        wraps = head == "reward"  # names of files can be long
        table.add_column(
            head, justify="left" if is_text else "right", no_wrap=not wraps, overflow="fold"
        )
    return table


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000.0 else f"{value:.3g}"


def _rank(rank: float) -> str:
    return f"{rank:g}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _draw(scores: list[RewardScore], track: str, path: Path) -> None:
    from racer.plotting import style
    from racer.plotting.experiment import rank_figure

    with style.style_context():
        style.save_figure(rank_figure(scores, track), path)
    typer.echo(str(path), err=True)
