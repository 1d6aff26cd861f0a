"""`racer evaluate`: race a trained car, and show its laps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.errors import UsageError, need
from racer.track.library import user_home

if TYPE_CHECKING:
    import pandas as pd

    from racer.training import EvaluationResult

Option = typer.Option


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    track: Annotated[
        str | None, Option(help="Another track than the run's.", show_default=False)
    ] = None,
    laps: Annotated[int, Option(min=1, help="Laps of the race, driven in one go.")] = 5,
    penalty: Annotated[float, Option(min=0.0, help="Seconds held after leaving the track.")] = 2.0,
    resets: Annotated[
        int, Option(min=0, help="Incidents that are forgiven; the next one ends the race.")
    ] = 100,
    trials: Annotated[
        bool, Option("--trials", help="Every lap from standstill instead of one race.")
    ] = False,
    reverse: Annotated[bool, Option("--reverse", help="The other way than in training.")] = False,
    car: Annotated[
        str | None, Option(help="Another car than the run's: v4, v5 or v6.", show_default=False)
    ] = None,
    noise: Annotated[str, Option(help="none, jitter or robust.")] = "none",
    objects: Annotated[
        str | None,
        Option(
            help="none, boxes, random_boxes, bots, or a .toml file.  [default: as in training]",
            show_default=False,
        ),
    ] = None,
    crash_penalty: Annotated[
        float, Option(min=0.0, help="Seconds held after a crash into an object.")
    ] = 5.0,
    seed: Annotated[int, Option(help="Of the noise, and of objects at random.")] = 0,
    checkpoint: Annotated[str, Option(help="best, last, or the number of steps.")] = "best",
    save: Annotated[
        bool, Option("--save", help="Write log, metrics, picture and animation into the run.")
    ] = False,
    onboard: Annotated[
        bool,
        Option(
            "--onboard",
            help="The animation shows the car's own view too, as it does where it sees pictures.",
        ),
    ] = False,
    video: Annotated[str, Option(help="Kind of the animation: gif or mp4.")] = "gif",
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drive laps with a run's best checkpoint, without exploration, and print the lap table."""
    need("train")
    if video not in ("gif", "mp4"):
        raise UsageError(f"--video {video}: there are gif and mp4")
    if onboard and not save:
        raise UsageError("--onboard is about the animation, which --save writes")
    if video == "mp4" and save:
        need("video")
    from racer.training import evaluate

    result = evaluate(
        run,
        track=track,
        laps=laps,
        penalty=penalty,
        resets=resets,
        trials=trials,
        reverse=reverse,
        car=car,
        noise=noise,
        objects=objects,
        crash_penalty=crash_penalty,
        seed=seed,
        checkpoint=checkpoint,
        home=user_home(),
    )
    files = _saved(run, result, video, onboard) if save else []
    if as_json:
        typer.echo(json.dumps(_as_json(result, files), indent=2))
    else:
        _show(result, files)


def _show(result: EvaluationResult, files: list[Path]) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True)
    console.print(result.headline, markup=False, highlight=False)
    console.print(
        _table(result.laps, ("off-tracks", "crashes") if result.has_obstacles else ("off-tracks",))
    )
    for note in result.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    for sentence in (_standing(result), _against_bound(result)):
        if sentence:
            console.print(sentence, markup=False, highlight=False)
    for file in files:
        console.print(str(file), markup=False, highlight=False)


def _standing(result: EvaluationResult) -> str:
    """The best lap beside the results of races on that track; empty where there are none, or no
    lap.
    """
    from racer.analysis import fastest_laps
    from racer.analysis.leaderboard import race_standing

    fastest = fastest_laps(result.laps, 1)
    found = (
        race_standing(result.track.name, float(fastest["time"].iloc[0])) if len(fastest) else None
    )
    return found.sentence if found else ""


def _against_bound(result: EvaluationResult) -> str:
    """The best lap beside the lap-time bound of the car; empty without a lap."""
    from racer.analysis import fastest_laps
    from racer.raceline.lap_bound import bound_sentence, lap_time_bound

    fastest = fastest_laps(result.laps, 1)
    if not len(fastest):
        return ""
    return bound_sentence(
        float(fastest["time"].iloc[0]),
        lap_time_bound(result.track, result.car, user_home()),
        result.car.name,
    )


def _table(laps: pd.DataFrame, incidents: tuple[str, ...]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    heads = ("lap", "time s", "%", "status", *incidents, "resets", "m/s", "reward")
    for head in heads:
        table.add_column(head, justify="left" if head == "status" else "right", no_wrap=True)
    for number, lap in enumerate(laps.to_dict("records"), 1):
        counts = [str(lap[name.replace("-", "_")]) for name in heads[4:-2]]
        means = [f"{lap[name]:.2f}" for name in ("speed", "reward")]
        # in a race the log says so of the last lap only
        status = "lap_complete" if lap["complete"] else lap["status"]
        table.add_row(
            str(number), f"{lap['time']:.2f}", f"{lap['completion']:.1f}", status, *counts, *means
        )
    return table


def _as_json(result: EvaluationResult, files: list[Path]) -> dict[str, Any]:
    laps = json.loads(result.laps.to_json(orient="records"))
    return {
        "headline": result.headline,
        "laps": laps,
        "notes": list(result.notes),
        "standing": _standing(result) or None,
        "bound": _against_bound(result) or None,
        "files": [str(file) for file in files],
    }


def _views(result: EvaluationResult, laps: pd.DataFrame, grainy: bool) -> Any:
    """Pictures from the car on the one lap in `laps`."""
    from racer.plotting.animation import MAX_ANIMATION_FRAMES, onboard_frames

    first, last = int(laps["first_row"].iloc[0]), int(laps["last_row"].iloc[0])
    some = slice(first, min(last + 1, first + MAX_ANIMATION_FRAMES))
    return onboard_frames(
        result.drive.rows[some],
        result.drive.obstacles[some],
        (result.track, result.track.reversed()),
        grainy,
    )


def _saved(run: Path, result: EvaluationResult, video: str, onboard: bool) -> list[Path]:
    """Write everything about a race into a new folder of the run; the paths of what was written."""
    from racer.logs import metrics, write_csv
    from racer.plotting import style
    from racer.plotting.animation import animate_laps
    from racer.plotting.laps import race_figure

    folder = run / f"evaluation-{result.stamp}"
    log, table = folder / "evaluation-simtrace" / "0-iteration.csv", result.laps
    write_csv(result.trace, log)
    numbers = run / "metrics" / "evaluation" / f"evaluation-{result.stamp}.json"
    numbers.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_metrics(metrics.evaluation_metrics(table), numbers)
    picture, film = folder / "laps.png", folder / f"laps.{video}"
    chosen = table[table["complete"]] if table["complete"].any() else table
    with style.style_context():
        style.save_figure(
            race_figure(result.trace, table, chosen, result.track, result.obstacles), picture
        )
    fastest = chosen.nsmallest(1, "time")
    seen = (
        _views(result, fastest, grainy=video == "mp4") if onboard or result.sees_pictures else None
    )
    width = 560 if seen is not None else 720
    animate_laps(
        result.trace,
        fastest,
        film,
        result.track,
        onboard=seen,
        obstacles=result.obstacles,
        width=width,
    )
    return [log, numbers, film, picture]
