"""`racer score`: whether a reward function agrees with the clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    VerboseOption,
    check_gamma,
    echo,
    echo_json,
    echo_verdict,
    print_blocks,
    print_table,
    verdict_style,
)
from racer.errors import RacerError
from racer.track import DEFAULT_TRACK, load_track
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.diagnostics import RewardScore, UnscoredReward
    from racer.drivers import Driver
    from racer.track import Track


ScoredRewardsArgument = Annotated[
    list[str],
    typer.Argument(
        autocompletion=offer_rewards,
        help="Reward files, or names of shipped ones.",
        show_default=False,
    ),
]
ScoredGammaOption = Annotated[
    float | None,
    typer.Option(
        help="Your discount factor.", show_default="0.9, 0.99, 0.999; the verdict is at 0.99"
    ),
]
ScoredObjectsOption = Annotated[
    str | None,
    typer.Option(
        help="none, boxes, random_boxes or a .toml file.",
        show_default="boxes if a reward reads objects",
    ),
]
ExpertOption = Annotated[
    bool,
    typer.Option(
        "--expert", help="Let the driver of racer line race, too: nearly what the car can do."
    ),
]


def score_command(
    rewards: ScoredRewardsArgument,
    track: TrackOption = DEFAULT_TRACK,
    gamma: ScoredGammaOption = None,
    car: CarOfActionsOption = None,
    action_space: ActionSpaceOption = None,
    reverse: ReverseOption = False,
    objects: ScoredObjectsOption = None,
    expert: ExpertOption = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Without the search for the driving that is paid best of all."
        ),
    ] = False,
    output: PictureOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let scripted drivers lap a track, and compare what a reward pays them with what the clock
    says; and foresee what the reward asks for.

    Exit code 1 when a reward fails: when the best paid driver, or the best paid driving that a search
    finds, is not nearly the fastest, or the ranks do not correlate.

    racer score my_racer/reward.py
    racer score center_line speed_aware --track oval -o ranks.png
    """
    check_gamma(gamma)
    road = load_track(track)
    metadata = read_action_space(action_space)
    model = car or (metadata.car if metadata else DEFAULT_CAR)
    if objects is None:
        objects = "boxes" if road.is_loop and _any_reads_objects(rewards) else "none"
    if not as_json:
        echo(_describe_drives(road, reverse, model, objects))
    from racer.diagnostics import (
        GAMMAS,
        VERDICT_GAMMA,
        ScoreSettings,
        UnscoredReward,
        score_each,
    )

    settings = ScoreSettings(
        gammas=GAMMAS if gamma is None else (gamma,),
        verdict_gamma=VERDICT_GAMMA if gamma is None else gamma,
        car=model,
        action_space=metadata.action_space if metadata else None,
        reverse=reverse,
        drivers=_with_expert(objects) if expert else None,
        objects=objects,
        foresees=not quick,
    )
    results = score_each(rewards, road, settings)
    unscored = [result for result in results if isinstance(result, UnscoredReward)]
    if len(results) == 1 and unscored:
        raise unscored[0].error
    scores = [result for result in results if not isinstance(result, UnscoredReward)]
    if as_json:
        echo_json([_as_dict(result) for result in results])
    else:
        _print_scores(scores, is_alone=len(results) == 1, is_verbose=verbose)
    for result in unscored:
        echo(f"{result.reward} is not scored: {result.error}", err=as_json)
    if output and scores:
        _draw_ranks(scores, road.name, output)
    _check_verdicts(scores, unscored)


def _describe_drives(track: Track, reverse: bool, car: str, objects: str) -> str:
    direction = ", reversed" if reverse else ""
    among = "" if objects == "none" else f", objects: {objects}"
    return f"{track.name}{direction}, car {car}{among}: drivers set off from the start line"


def _as_dict(result: RewardScore | UnscoredReward) -> dict[str, Any]:
    from racer.diagnostics import RewardScore

    if isinstance(result, RewardScore):
        return {**result.to_dict(), "error": None}
    return {"reward": result.reward, "passed": False, "error": str(result.error)}


def _any_reads_objects(rewards: list[str]) -> bool:
    """Whether one of the rewards asks for objects; one that is no reward does not."""
    from racer.reward import load_reward, reads_objects

    for reward in rewards:
        try:
            function = load_reward(reward)
        except RacerError:
            continue  # scoring says what is wrong with it
        if reads_objects(function):
            return True
    return False


def _with_expert(objects: str) -> list[str | Driver]:
    from racer.diagnostics import score_drivers
    from racer.drivers import EXPERT

    return [*score_drivers(objects), EXPERT]


def _print_scores(scores: list[RewardScore], is_alone: bool, is_verbose: bool) -> None:
    from racer.diagnostics import compare_scores

    for score in scores:
        echo_verdict(score.summary, verdict_style(score.verdict.passed))
    if scores and not is_alone:
        echo("rank correlation of pay and clock by gamma, and pairs of drivers in the wrong order")
        print_table(compare_scores(scores))
    for score in scores:
        if is_alone or is_verbose:
            print_blocks(score.details(is_brief=not is_verbose))


def _check_verdicts(scores: list[RewardScore], unscored: list[UnscoredReward]) -> None:
    """Raise what the exit code of rewards without a score, or without a good one, comes from."""
    if unscored:
        raise typer.Exit(max(result.error.exit_code for result in unscored))
    if not all(score.verdict.passed for score in scores):
        raise typer.Exit(1)


def _draw_ranks(scores: list[RewardScore], track: str, path: Path) -> None:
    from racer.plotting import rank_figure, save_figure, style_context

    with style_context():
        save_figure(rank_figure(scores, track), path)
    echo(str(path), err=True)
