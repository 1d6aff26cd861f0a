"""`racer init`: a starter project, ready to be changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.tables import echo
from racer.errors import UsageError
from racer.files import read_text, write_file
from racer.resources import shipped_folder, starter_folder
from racer.track import DEFAULT_TRACK, available_tracks, load_track
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.vehicle import Car

# files of the starter that name the track
FILES_NAMING_TRACK = ("pytest.ini", ".github/workflows/reward.yml")
FOLDERS_OF_TEST_RUNS = {"__pycache__", ".pytest_cache", ".hypothesis"}

# commands in files of the starter that drive the default car where none is named
_COMMAND_TAKING_CAR = re.compile(rf"racer (?:score|actions design) .*--track {DEFAULT_TRACK}")


def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made if need be.", show_default="here")
    ] = Path(),
    line: Annotated[
        bool, typer.Option("--line", help="Begin with rewards built on a track's racing line.")
    ] = False,
    track: Annotated[str, typer.Option(help="Of --line: a track's name.")] = DEFAULT_TRACK,
    car: Annotated[str, typer.Option(help="Of --line: v4, v5 or v6.")] = DEFAULT_CAR,
) -> None:
    """Write a starter project: a reward function, its tests, an action space, an experiment and a
    CI workflow.

    racer init my_racer
    racer init my_racer --line --track oval
    """
    folder = folder.expanduser()
    texts = _texts_for_line(track, car) if line else {}
    for path in write_starter(folder, texts):
        echo(f"wrote {path}")
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    commands = f"(all commands: {folder / 'README.md'})"
    echo(f"\nnext: {step}racer watch reward.py   {commands}")


def write_starter(folder: Path, texts: Mapping[str, str] | None = None) -> list[Path]:
    """Write the files of the starter project to a folder, some of them with other `texts`, by name.

    Raises UsageError rather than overwrite one.
    """
    source = starter_folder()
    contents: dict[Path, bytes | str] = {}
    for path in source.rglob("*"):
        if _belongs_to_project(path):
            contents[path.relative_to(source)] = path.read_bytes()
    for name, text in (texts or {}).items():
        contents[Path(name)] = text
    names = sorted(contents)
    existing = [str(name) for name in names if _is_taken(folder / name)]
    if existing:
        raise UsageError(
            f"nothing was written: {', '.join(existing)} is there already in {folder.resolve()}"
        )
    return [write_file(folder / name, contents[name]) for name in names]


def _texts_for_line(track_name: str, car_name: str) -> dict[str, str]:
    """The files, as text, that differ in a project that begins with the racing line of a track for
    a car.

    Raises UsageError for a track that has no name, as the project could not be carried elsewhere.
    """
    from racer.raceline import FOLLOWING_MARGIN_M, following_reward, pace_reward, racing_line
    from racer.vehicle import car_preset

    track = load_track(track_name)
    if track_name not in available_tracks():
        raise UsageError(
            f"--track {track_name}: a project needs a track with a name; "
            f"racer tracks import {track_name} gives it one"
        )
    car = car_preset(car_name)
    texts = {name: read_text(starter_folder() / name) for name in FILES_NAMING_TRACK}
    for path in shipped_folder("starter_line").iterdir():
        if _belongs_to_project(path):
            texts[path.name] = read_text(path)
    texts["model_metadata.json"] = _action_space_text(car)
    texts = {name: _for_track(text, track_name, car) for name, text in texts.items()}
    line = racing_line(track, car, FOLLOWING_MARGIN_M)
    texts["reward.py"] = following_reward(line, track, car)
    texts["pace.py"] = pace_reward(racing_line(track, car), track, car)
    return texts


def _for_track(text: str, track: str, car: Car) -> str:
    """The text of a starter file for another track and car."""
    if car.name != DEFAULT_CAR:
        text = _COMMAND_TAKING_CAR.sub(rf"\g<0> --car {car.name}", text)
        text = text.replace(f'CAR = "{DEFAULT_CAR}"', f'CAR = "{car.name}"')
    return text.replace(DEFAULT_TRACK, track)


def _action_space_text(car: Car) -> str:
    """A continuous action space for a car, from 1 m/s to the fastest command that logs of it cover."""
    from racer.vehicle import STEERING_LIMIT_DEG, ActionSpace, Metadata, metadata_as_json

    steering_deg = (-STEERING_LIMIT_DEG, STEERING_LIMIT_DEG)
    space = ActionSpace(True, steering_deg, (1.0, car.identified_speed))
    metadata = Metadata(space, version=float(car.name.removeprefix("v")))
    return json.dumps(metadata_as_json(metadata), indent=2) + "\n"


def _belongs_to_project(path: Path) -> bool:
    """Whether a file is part of the project, and not what a test run left there."""
    return path.is_file() and not FOLDERS_OF_TEST_RUNS & set(path.parts)


def _is_taken(path: Path) -> bool:
    return path.exists() or path.is_symlink()
