"""Which runs a run goes back to, as its run.json remembers them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.errors import UsageError

FAILURE_FILE = "failed.json"
"""Why a training ended before its time, until it goes on."""
IMPORTED_KEY = "imported_from"
"""In run.json: the model that a run was made of, by its path and a stamp of its files."""


@dataclass(frozen=True)
class Ancestor:
    """A run that another one started from, as it was then.

    `folder` is absolute, `checkpoint` the name of a file in its folder `checkpoints`, `reward` and
    `track` are names, and `best_lap`, s, is that of the checkpoint's evaluation.
    """

    folder: str
    checkpoint: str
    reward: str
    track: str
    best_lap: float | None = None

    @property
    def sentence(self) -> str:
        """`runs/first, checkpoint 98304.pt (center_line.py on Oval, best lap 9.81 s)`."""
        lap = "" if self.best_lap is None else f", best lap {self.best_lap:.2f} s"
        facts = f"{self.reward} on {self.track}{lap}"
        return f"{shown_path(self.folder)}, checkpoint {self.checkpoint} ({facts})"


def parse_lineage(entries: Any, where: str) -> tuple[Ancestor, ...]:
    """The ancestors that a run.json lists, its parent first. Raises UsageError for anything else."""
    try:
        ancestors = tuple(Ancestor(**entry) for entry in entries or ())
    except TypeError:
        raise UsageError(f"{where} is damaged (its lineage): train anew") from None
    for ancestor in ancestors:
        texts = (ancestor.folder, ancestor.checkpoint, ancestor.reward, ancestor.track)
        if not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{where} is damaged (its lineage): train anew")
        if ancestor.best_lap is not None and not isinstance(ancestor.best_lap, int | float):
            raise UsageError(f"{where} is damaged (its lineage): train anew")
    return ancestors


def shown_path(path: str | Path) -> str:
    """A path as a user would type it here: relative where it lies below this folder."""
    path = Path(path)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return str(path)
