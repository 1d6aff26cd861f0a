"""`racer init`: a starter project, ready to be changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer import resources as shipped
from racer.errors import UsageError
from racer.track import library
from racer.track.library import DEFAULT_TRACK
from racer.vehicle.car import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.vehicle.car import Car

FILES_NAMING_TRACK = (
    "pytest.ini",
    ".github/workflows/reward.yml",
)  # files of the starter that name the track


def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made if need be.", show_default="here")
    ] = Path(),
    line: Annotated[
        bool, typer.Option("--line", help="Begin with rewards built on a track's racing line.")
    ] = False,
    track: Annotated[str, typer.Option(help="The track of --line.")] = DEFAULT_TRACK,
    car: Annotated[str, typer.Option(help="The car of --line: v4, v5 or v6.")] = DEFAULT_CAR,
) -> None:
    """Write a starter project: a reward function, its tests, an action space, an experiment and a
    CI workflow.
    """
    folder = folder.expanduser()
    for path in write_starter(folder, _lined(track, car) if line else {}):
        typer.echo(f"wrote {path}")
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    typer.echo(f"\nnext: {step}racer watch reward.py   (all commands: {folder / 'README.md'})")


def _lined(name: str, model: str) -> dict[str, str]:
    """The files, as text, that differ in a project that begins with the racing line of a track for
    a car.

    Raises UsageError for a track that has no name, as the project could not be carried elsewhere.
    """
    from racer.raceline import reward_templates as pay
    from racer.raceline.minimum_time import racing_line
    from racer.vehicle.car import car_preset

    if name not in [entry.name for entry in library.track_entries()]:
        library.load_track(name)  # says what is wrong with a name; a file is none
        raise UsageError(
            f"--track {name}: a project needs a track with a name; racer tracks import {name} gives it one"
        )
    track, car = library.load_track(name), car_preset(model)
    bound, line = racing_line(track, car), racing_line(track, car, pay.FOLLOWING_MARGIN_M)
    files = {
        file: (shipped.starter_folder() / file).read_text("utf-8") for file in FILES_NAMING_TRACK
    }
    files |= {
        path.name: path.read_text("utf-8")
        for path in shipped.shipped_folder("starter_line").iterdir()
        if _belongs(path)
    }
    files["model_metadata.json"] = _space(car)
    texts = {file: _on(text, name, car) for file, text in files.items()}
    return texts | {
        "reward.py": pay.following_reward(line, track, car),
        "pace.py": pay.pace_reward(bound, track, car),
    }


def _on(text: str, track: str, car: Car) -> str:
    """The text of a starter file for another track and car."""
    to = track if car.name == DEFAULT_CAR else f"{track} --car {car.name}"
    return text.replace(f"design --track {DEFAULT_TRACK}", f"design --track {to}").replace(
        DEFAULT_TRACK, track
    )


def _space(car: Car) -> str:
    """A continuous action space for a car, from 1 m/s to the fastest command that logs of it cover."""
    from racer.vehicle.action_space import ActionSpace
    from racer.vehicle.car import STEERING_LIMIT_DEG
    from racer.vehicle.metadata import Metadata, metadata_as_json

    space = ActionSpace(
        True, (-STEERING_LIMIT_DEG, STEERING_LIMIT_DEG), (1.0, car.identified_speed)
    )
    return (
        json.dumps(metadata_as_json(Metadata(space, version=float(car.name[1:]))), indent=2) + "\n"
    )


def write_starter(folder: Path, instead: dict[str, str] | None = None) -> list[Path]:
    """The files of the starter project, written to a folder, some with the texts that are given
    `instead`.

    Raises UsageError rather than overwrite one.
    """
    source = shipped.starter_folder()
    texts = instead or {}
    names = sorted(
        {path.relative_to(source) for path in source.rglob("*") if _belongs(path)}
        | set(map(Path, texts))
    )
    there = [
        str(name) for name in names if (folder / name).exists() or (folder / name).is_symlink()
    ]
    if there:
        raise UsageError(
            f"nothing was written: {', '.join(there)} is there already in {folder.resolve()}"
        )
    try:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            beside = folder / name.parent / f".{name.name}.new"
            if name.as_posix() in texts:
                beside.write_text(texts[name.as_posix()], encoding="utf-8")
            else:
                shutil.copyfile(source / name, beside)
            beside.replace(folder / name)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from None
    return [folder / name for name in names]


def _belongs(path: Path) -> bool:
    """Whether a file is part of the project, and not what a test run left there."""
    return path.is_file() and not {"__pycache__", ".pytest_cache", ".hypothesis"} & set(path.parts)
