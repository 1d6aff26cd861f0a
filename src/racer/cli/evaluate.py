"""`racer evaluate`: race a trained car, and show its laps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_tracks
from racer.cli.inputs import SAVED_LOG, RunArgument, best_lap_time, describe_standing
from racer.cli.tables import (
    BAD,
    DOUBTFUL,
    GOOD,
    JsonOption,
    echo,
    echo_json,
    echo_verdict,
    print_blocks,
    refuse_if,
)
from racer.errors import need
from racer.files import write_folder
from racer.track import user_home

if TYPE_CHECKING:
    import pandas as pd

    from racer.training import EvaluationResult

SAVED_PICTURE = "laps.png"
PICTURE_WIDTH_PX = 720  # of the animation
PICTURE_WIDTH_WITH_VIEW_PX = 560  # where the car's view stands beside it
BY_RULES = "as --rules has it"

OtherTrackOption = Annotated[
    str | None,
    typer.Option(
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file.",
        show_default="the run's",
    ),
]
RulesOption = Annotated[
    str,
    typer.Option(
        help="racer (5 laps in one go, 100 resets), simulator, drfc, aws, league or event; "
        "the options below change them."
    ),
]
LapsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Laps of the race, driven in one go.", show_default=BY_RULES),
]
PenaltyOption = Annotated[
    float | None,
    typer.Option(min=0.0, help="Seconds held after leaving the track.", show_default=BY_RULES),
]
ResetsOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Incidents that are forgiven; the next one ends the race.",
        show_default=BY_RULES,
    ),
]
TrialsOption = Annotated[
    bool, typer.Option("--trials", help="Every lap from standstill instead of one race.")
]
OtherDirectionOption = Annotated[
    bool, typer.Option("--reverse", help="The other way than in training.")
]
OtherCarOption = Annotated[
    str | None,
    typer.Option(help="v4, v5 or v6.", show_default="the run's"),
]
ObjectsOption = Annotated[
    str | None,
    typer.Option(
        help="none, boxes, random_boxes, bots or a .toml file.",
        show_default="as in training",
    ),
]
CrashPenaltyOption = Annotated[
    float | None,
    typer.Option(min=0.0, help="Seconds held after a crash into an object.", show_default=BY_RULES),
]
OwnRewardOption = Annotated[
    bool,
    typer.Option(
        "--own-reward",
        help="The run's own reward function pays; without it the service's center-line reward.",
    ),
]
ChosenCheckpointOption = Annotated[
    str | None,
    typer.Option(
        help="best, service, last, or the number of steps.",
        show_default="best",
    ),
]
SaveOption = Annotated[
    bool,
    typer.Option("--save", help="Write log, metrics, picture and animation into the run."),
]
OnboardOption = Annotated[
    bool,
    typer.Option(
        "--onboard",
        help="The animation shows the car's own view too, as it does where it sees pictures.",
    ),
]


def evaluate_command(
    run: RunArgument,
    track: OtherTrackOption = None,
    rules: RulesOption = "racer",
    laps: LapsOption = None,
    penalty: PenaltyOption = None,
    resets: ResetsOption = None,
    trials: TrialsOption = False,
    reverse: OtherDirectionOption = False,
    car: OtherCarOption = None,
    noise: Annotated[str, typer.Option(help="none, jitter or robust.")] = "none",
    objects: ObjectsOption = None,
    crash_penalty: CrashPenaltyOption = None,
    own_reward: OwnRewardOption = False,
    seed: Annotated[int, typer.Option(help="Seed of the noise, and of objects at random.")] = 0,
    checkpoint: ChosenCheckpointOption = None,
    save: SaveOption = False,
    onboard: OnboardOption = False,
    video: Annotated[str, typer.Option(help="Kind of the animation: gif or mp4.")] = "gif",
    as_json: JsonOption = False,
) -> None:
    """Drive laps with a run's best checkpoint, without exploration, and print the lap table.

    racer evaluate @last
    racer evaluate @best --track oval --laps 3
    """
    need("train")
    refuse_if(video not in ("gif", "mp4"), f"--video {video}: there are gif and mp4")
    refuse_if(onboard and not save, "--onboard is about the animation, which --save writes")
    if video == "mp4" and save:
        need("video")
    from racer.training import evaluate

    result = evaluate(
        run,
        track=track,
        rules=rules,
        laps=laps,
        penalty=penalty,
        resets=resets,
        trials=trials,
        reverse=reverse,
        car=car,
        noise=noise,
        objects=objects,
        crash_penalty=crash_penalty,
        own_reward=own_reward,
        seed=seed,
        checkpoint=checkpoint,
        home=user_home(),
    )
    files = _save_result(run, result, video, onboard) if save else []
    if as_json:
        echo_json(_as_dict(result, files))
        return
    _print_result(result)
    for file in files:
        echo(str(file))


def _print_result(result: EvaluationResult) -> None:
    """Print how many laps were completed, in its color; how good they are, and the laps."""
    headline, *rest = result.blocks()
    complete = result.laps["complete"]
    style = GOOD if complete.all() else DOUBTFUL
    echo_verdict(str(headline), style if complete.any() else BAD)
    for sentence in (_describe_bound(result), _describe_standing(result)):
        if sentence:
            echo(sentence)
    print_blocks(rest)


def _describe_standing(result: EvaluationResult) -> str:
    """The best lap beside the results of races on that track; empty where there are none, no lap,
    or where there were objects: the races that are known were time trials.
    """
    if result.has_obstacles:
        return ""
    return describe_standing(result.track.name, best_lap_time(result.laps))


def _describe_bound(result: EvaluationResult) -> str:
    """The best lap beside the lap-time bound of the car; empty without a lap."""
    from racer.raceline import bound_sentence, lap_time_bound

    best_time = best_lap_time(result.laps)
    if best_time is None:
        return ""
    bound = lap_time_bound(result.track, result.car, user_home())
    return bound_sentence(best_time, bound, result.car.name)


def _as_dict(result: EvaluationResult, files: list[Path]) -> dict[str, Any]:
    return {
        **result.to_dict(),
        "standing": _describe_standing(result) or None,
        "bound": _describe_bound(result) or None,
        "files": [str(file) for file in files],
    }


def _save_result(run: Path, result: EvaluationResult, video: str, onboard: bool) -> list[Path]:
    """Write everything about a race into a new folder of the run; the paths of what was written."""
    from racer.logs import evaluation_metrics, write_metrics

    name = f"evaluation-{result.stamp}"
    folder = write_folder(run / name, partial(_fill_folder, result, video, onboard))
    metrics_file = run / "metrics" / "evaluation" / f"{name}.json"
    metrics_file.parent.mkdir(parents=True, exist_ok=True)
    write_metrics(evaluation_metrics(result.laps, result.is_race), metrics_file)
    log = folder / SAVED_LOG
    return [log, metrics_file, folder / f"laps.{video}", folder / SAVED_PICTURE]


def _fill_folder(result: EvaluationResult, video: str, onboard: bool, folder: Path) -> None:
    """Write the log, the picture and the animation of a race into a folder."""
    from racer.logs import write_csv
    from racer.plotting import race_figure, save_figure, style_context

    write_csv(result.trace, folder / SAVED_LOG)
    shown = result.laps
    if result.laps["complete"].any():
        shown = result.laps[result.laps["complete"]]
    with style_context():
        figure = race_figure(result.trace, result.laps, shown, result.track, result.obstacles)
        save_figure(figure, folder / SAVED_PICTURE)
    film = folder / f"laps.{video}"
    _animate(result, shown.nsmallest(1, "time"), film, onboard or result.sees_pictures)


def _animate(result: EvaluationResult, lap: pd.DataFrame, film: Path, with_view: bool) -> None:
    """An animation of the one lap in `lap`, with the car's view beside it if asked for."""
    from racer.plotting import animate_laps

    view = None
    width = PICTURE_WIDTH_PX
    if with_view:
        view = _onboard_view(result, lap, grainy=film.suffix == ".mp4")
        width = PICTURE_WIDTH_WITH_VIEW_PX
    animate_laps(
        result.trace,
        lap,
        film,
        result.track,
        onboard=view,
        obstacles=result.obstacles,
        width=width,
    )


def _onboard_view(result: EvaluationResult, lap: pd.DataFrame, grainy: bool) -> Any:
    """Pictures from the car on the one lap in `lap`."""
    from racer.plotting import MAX_ANIMATION_FRAMES, onboard_frames

    first, last = int(lap["first_row"].iloc[0]), int(lap["last_row"].iloc[0])
    rows = slice(first, min(last + 1, first + MAX_ANIMATION_FRAMES))
    tracks = (result.track, result.track.reversed())
    return onboard_frames(result.drive.rows[rows], result.drive.obstacles[rows], tracks, grainy)
