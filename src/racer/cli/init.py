"""`racer init`: a starter project, ready to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from racer import shipped
from racer.errors import UsageError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made if need be.", show_default="here")
    ] = Path(),
) -> None:
    """Write a starter project: a reward function, its tests, an action space, an experiment and a CI workflow."""
    folder = folder.expanduser()
    for path in written(folder):
        typer.echo(f"wrote {path}")
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    typer.echo(f"\nnext: {step}racer watch reward.py   (all commands: {folder / 'README.md'})")


def written(folder: Path) -> list[Path]:
    """The files of the starter project, written to a folder. Raises UsageError rather than overwrite one."""
    source = shipped.starter()
    names = sorted(path.relative_to(source) for path in source.rglob("*") if _belongs(path))
    there = [str(name) for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise UsageError(f"nothing was written: {', '.join(there)} is there already in {folder.resolve()}")
    try:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            beside = folder / name.parent / f".{name.name}.new"
            shutil.copyfile(source / name, beside)
            beside.replace(folder / name)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from None
    return [folder / name for name in names]


def _belongs(path: Path) -> bool:
    """Whether a file is part of the project, and not what a test run left there."""
    return path.is_file() and not {"__pycache__", ".pytest_cache", ".hypothesis"} & set(path.parts)
