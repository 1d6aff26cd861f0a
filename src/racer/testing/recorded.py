"""Rewards written down beside the tests: what a reward function paid once, and whether it still
does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.errors import UsageError
from racer.testing import words
from racer.testing.placed import DrivenLap, PlacedParams
from racer.testing.subject import Reward

Params = dict[str, Any]
# relative difference that counts as none: the libraries of two machines differ in the last bit
SNAPSHOT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class PaidRewards:
    """What was paid: for which steps, in words, and how much for each."""

    of: str
    rewards: tuple[float, ...]


def compare_snapshot(
    reward: Reward, steps: Params | DrivenLap | Sequence[Params], path: Path, *, update: bool
) -> None:
    """Nothing, when `reward` pays for these steps what the snapshot at `path` says, or when
    `update` writes it.

    Raises AssertionError naming the first step that differs, or saying that there is no snapshot
    yet.
    """
    __tracebackhide__ = True
    several = [steps] if isinstance(steps, dict) else steps
    told: Sequence[Any] = several.params if isinstance(several, DrivenLap) else several
    now = PaidRewards(_named(steps), tuple(reward.prices(told)))
    if update:
        write_snapshot(now, path)
        return
    before = read_snapshot(path)
    if before is None:
        raise AssertionError(
            f"there is no snapshot {_short(path)} yet: pytest --reward-update writes it"
        )
    if before.of != now.of or len(before.rewards) != len(now.rewards):
        raise AssertionError(
            f"the snapshot {_short(path)} is of {before.of} ({len(before.rewards)} steps), "
            f"not of {now.of} ({len(now.rewards)} steps): pytest --reward-update writes it anew"
        )
    off = [
        k
        for k, (old, new) in enumerate(zip(before.rewards, now.rewards, strict=True))
        if not _alike(old, new)
    ]
    if off:
        raise AssertionError(_difference(reward.name, path, before, now, off, told))


def read_snapshot(path: Path) -> PaidRewards | None:
    """The snapshot in a file, None where there is none. Raises UsageError when the file holds
    something else.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        return PaidRewards(found["of"], tuple(map(float, found["rewards"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no snapshot of rewards ({error}): delete it, then pytest --reward-update"
        ) from None


def write_snapshot(snapshot: PaidRewards, path: Path) -> None:
    """Write a snapshot, beside and then renamed. Raises UsageError when that cannot be done."""
    text = json.dumps({"of": snapshot.of, "rewards": snapshot.rewards}, indent=1) + "\n"
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write the snapshot {path}: {error.strerror or error}") from None


def _difference(
    name: str,
    path: Path,
    before: PaidRewards,
    now: PaidRewards,
    off: list[int],
    told: Sequence[Params],
) -> str:
    k = off[0]
    place = f"  {told[k]!r}\n" if isinstance(told[k], PlacedParams) else ""
    paid = f"step {k + 1} of {len(now.rewards)} is paid {now.rewards[k]:.6g}, and was {before.rewards[k]:.6g}"
    head = f"{name} pays otherwise than {_short(path)} says, for {len(off)} of {len(now.rewards)} steps; the first:"
    listed = "\n".join(words.list_params(told[k]))
    return f"{head}\n{place}  {paid}\n{listed}\nif that is meant: pytest --reward-update"


def _named(steps: Params | DrivenLap | Sequence[Params]) -> str:
    if isinstance(steps, DrivenLap):
        return f"{steps.driver} on {steps.track}"
    if isinstance(steps, dict):
        return repr(steps) if isinstance(steps, PlacedParams) else "a dict of params"
    return f"{len(steps)} params"


def _alike(old: float, new: float) -> bool:
    return math.isclose(old, new, rel_tol=SNAPSHOT_TOLERANCE, abs_tol=1e-12)


def _short(path: Path) -> str:
    return (
        "/".join(path.parts[-3:])
        if path.parts[-3:-2] == ("snapshots",)
        else "/".join(path.parts[-2:])
    )
