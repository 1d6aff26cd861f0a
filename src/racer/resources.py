"""Where the files that ship with racer are: tracks, reward functions, the starter project."""

from __future__ import annotations

from pathlib import Path

from racer.errors import UsageError


def shipped_folder(kind: str) -> Path:
    """The folder of the shipped `tracks` or `rewards`, of the `starter` project, of what `init
    --line` adds to it, or of the pages of `docs` that a command prints.

    Inside an installed package that is `racer/shipped/<kind>`, in a checkout (editable install) the
    top-level folder.
    """
    package = Path(__file__).resolve().parent
    for place in (package / "shipped" / kind, package.parents[1] / kind):
        if place.is_dir():
            return place
    raise UsageError(
        f"the {kind} that ship with racer are not beside {package}: install racer again"
    )


def tracks_folder() -> Path:
    """The folder of the shipped `<name>.toml` tracks."""
    return shipped_folder("tracks")


def rewards_folder() -> Path:
    """The folder of the shipped reward functions."""
    return shipped_folder("rewards")


def starter_folder() -> Path:
    """The folder of the starter project that `racer init` copies."""
    return shipped_folder("starter")
