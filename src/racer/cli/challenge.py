"""`racer challenge`: medals for laps on a track, a leaderboard that stays, the record as a ghost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.analysis import (
    Challenge,
    ChallengeEntry,
    challenge_folder,
    read_challenge,
    write_challenge,
)
from racer.cli.completion import offer_runs, offer_tracks
from racer.cli.ghosts import draw_best_laps
from racer.cli.inputs import best_lap_time, load_track_with_note, resolve_runs
from racer.cli.tables import JsonOption, echo, echo_json, print_record
from racer.errors import need
from racer.files import hold_folder, make_folder
from racer.track import user_home
from racer.vehicle import DEFAULT_CAR, car_preset

if TYPE_CHECKING:
    from racer.training import EvaluationResult

RECORD_NAME = "record.csv"
RACE_LAPS = 5


def challenge_command(
    track: Annotated[
        str,
        typer.Argument(
            metavar="TRACK",
            autocompletion=offer_tracks,
            help="A track's name, or a .toml or .npy file.",
        ),
    ],
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run that is to drive (also as @1); without one the leaderboard is shown.",
            show_default=False,
            callback=resolve_runs,
            autocompletion=offer_runs,
        ),
    ] = None,
    car: Annotated[
        str | None,
        typer.Option(
            help="v4, v5 or v6.",
            show_default=f"the run's, else {DEFAULT_CAR}",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder of the pictures: the run beside the record.",
            show_default="here",
        ),
    ] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show what there is to win on a track, or let a trained car drive for it.

    A run drives five laps in one go; its best complete lap goes onto the leaderboard.

    racer challenge reinvent_2018
    racer challenge reinvent_2018 runs/first
    """
    from racer.raceline import lap_time_bound

    road = load_track_with_note(track)
    home = user_home()
    if run is None:
        model = car_preset(car or DEFAULT_CAR)
        bound = lap_time_bound(road, model, home)
        folder = challenge_folder(home, road.name, model.name)
        challenge = read_challenge(folder, road.name, model.name, bound)
        _show(challenge, None, [], as_json)
        return
    need("train")
    from racer.training import evaluate

    result = evaluate(run, track=track, laps=RACE_LAPS, car=car, home=home)
    bound = lap_time_bound(road, result.car, home)
    folder = make_folder(challenge_folder(home, road.name, result.car.name))
    with hold_folder(folder):
        challenge = read_challenge(folder, road.name, result.car.name, bound)
        files = draw_best_laps(_traces(result, folder, challenge), road, out.expanduser())
        lap_time = best_lap_time(result.laps)
        if lap_time is not None:
            challenge = _enter(challenge, result, run, lap_time, folder)
    _show(challenge, (lap_time, str(run)), files, as_json)


def _traces(result: EvaluationResult, folder: Path, challenge: Challenge) -> dict[str, Any]:
    """The steps of the run, and those of the record where there is one, by their names."""
    from racer.logs import read_log

    traces = {"this run": result.trace}
    record = challenge.record
    if record is not None and (folder / RECORD_NAME).is_file():
        traces[f"the record ({record.reward})"] = read_log(folder / RECORD_NAME).trace
    return traces


def _enter(
    challenge: Challenge, result: EvaluationResult, run: Path, lap_time: float, folder: Path
) -> Challenge:
    """The challenge with the run's best lap, written; a new record's log goes beside it."""
    from racer.logs import write_csv
    from racer.training import Run

    reward = Path(str(Run.open(run).config.reward)).stem
    day = datetime.now(UTC).date().isoformat()
    is_record = challenge.place(lap_time) == 1
    challenge = challenge.with_entry(ChallengeEntry(lap_time, str(run), reward, day))
    if is_record:
        complete = result.laps[result.laps["complete"]]
        lap = complete.nsmallest(1, "time").iloc[0]
        rows = result.trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
        write_csv(rows, folder / RECORD_NAME)
    write_challenge(challenge, folder)
    return challenge


def _show(
    challenge: Challenge,
    driven: tuple[float | None, str] | None,
    files: list[Path],
    as_json: bool,
) -> None:
    """Print the challenge, and what the run that has just driven comes to; `driven` has its best
    lap in s and its folder.
    """
    if as_json:
        plain = {**challenge.to_dict(), "files": [str(file) for file in files]}
        if driven is not None:
            plain["lap_time"] = driven[0]
        echo_json(plain)
        return
    print_record(challenge)
    if driven is not None:
        echo(challenge_sentence(challenge, *driven))
    for file in files:
        echo(str(file))


def challenge_sentence(challenge: Challenge, lap_time: float | None, run: str) -> str:
    """What a lap has won, and what the next medal asks for.

    >>> challenge = Challenge("oval", "v6", 10.0)
    >>> challenge_sentence(challenge, 11.5, "runs/a")
    'runs/a: 11.50 s, silver; gold is 0.50 s away (11.00 s)'
    """
    if lap_time is None:
        return f"{run}: no complete lap in {RACE_LAPS}, so there is nothing to enter"
    medal = challenge.medal(lap_time) or "no medal yet"
    sentence = f"{run}: {lap_time:.2f} s, {medal}"
    better = challenge.next_medal(lap_time)
    if better is None:
        return f"{sentence}; what is left is the bound, {challenge.bound:.2f} s"
    limit = challenge.medal_time(better)
    return f"{sentence}; {better} is {lap_time - limit:.2f} s away ({limit:.2f} s)"
