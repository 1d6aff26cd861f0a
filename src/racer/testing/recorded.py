"""Rewards written down beside the tests: what a reward function paid once, and whether it still
does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.errors import UsageError
from racer.files import read_json, write_json
from racer.testing import messages
from racer.testing.messages import DrivenLap, PlacedParams

if TYPE_CHECKING:
    from racer.testing.subject import Reward

Params = dict[str, Any]
# relative difference that counts as none: the libraries of two machines differ in the last bit
SNAPSHOT_TOLERANCE = 1e-9
REWRITE = "pytest --reward-update"


@dataclass(frozen=True)
class PaidRewards:
    """What was paid: a description of the steps, and how much for each."""

    of: str
    rewards: tuple[float, ...]


def compare_snapshot(
    reward: Reward, steps: Params | DrivenLap | Sequence[Params], path: Path, *, update: bool
) -> None:
    """Do nothing when `reward` pays for these steps what the snapshot at `path` says; with
    `update`, write it.

    Raises AssertionError naming the first step that differs, or saying that there is no snapshot
    yet.
    """
    __tracebackhide__ = True
    calls = _params_of(steps)
    now = PaidRewards(_describe_steps(steps), tuple(reward.prices(calls)))
    if update:
        write_snapshot(now, path)
        return
    before = read_snapshot(path)
    if before is None:
        raise AssertionError(f"there is no snapshot {_short_path(path)} yet: {REWRITE} writes it")
    if before.of != now.of or len(before.rewards) != len(now.rewards):
        raise AssertionError(
            f"the snapshot {_short_path(path)} is of {before.of} ({len(before.rewards)} steps), "
            f"not of {now.of} ({len(now.rewards)} steps): {REWRITE} writes it anew"
        )
    changed = _changed_steps(before, now)
    if changed:
        first = changed[0]
        where = f"  {calls[first]!r}\n" if isinstance(calls[first], PlacedParams) else ""
        listed = "\n".join(messages.list_params(calls[first]))
        raise AssertionError(
            f"{reward.name} no longer pays what {_short_path(path)} says, for {len(changed)} of "
            f"{len(calls)} steps; the first:\n"
            f"{where}  step {first + 1} of {len(calls)} is paid {now.rewards[first]:.6g}, "
            f"and was {before.rewards[first]:.6g}\n"
            f"{listed}\nif that is meant: {REWRITE}"
        )


def read_snapshot(path: Path) -> PaidRewards | None:
    """The snapshot in a file, None where there is none. Raises UsageError when the file holds
    something else.
    """
    if not path.exists():
        return None
    try:
        snapshot = read_json(path)
        return PaidRewards(snapshot["of"], tuple(map(float, snapshot["rewards"])))
    except (UsageError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no snapshot of rewards ({error}): delete it, then {REWRITE}"
        ) from None


def write_snapshot(snapshot: PaidRewards, path: Path) -> None:
    """Write a snapshot, whole or not at all. Raises UsageError when that cannot be done."""
    write_json(path, asdict(snapshot))


def _params_of(steps: Params | DrivenLap | Sequence[Params]) -> Sequence[Params]:
    if isinstance(steps, DrivenLap):
        return steps.params
    if isinstance(steps, dict):
        return [steps]
    return steps


def _describe_steps(steps: Params | DrivenLap | Sequence[Params]) -> str:
    if isinstance(steps, DrivenLap):
        return f"{steps.driver} on {steps.track}"
    if isinstance(steps, PlacedParams):
        return repr(steps)
    if isinstance(steps, dict):
        return "a dict of params"
    return f"{len(steps)} params"


def _changed_steps(before: PaidRewards, now: PaidRewards) -> list[int]:
    """The indices of the steps that are paid differently."""
    changed = []
    for step, (old, new) in enumerate(zip(before.rewards, now.rewards, strict=True)):
        if not math.isclose(old, new, rel_tol=SNAPSHOT_TOLERANCE, abs_tol=1e-12):
            changed.append(step)
    return changed


def _short_path(path: Path) -> str:
    """`snapshots/test_file/test.json`, or the last two parts of another path."""
    if path.parts[-3:-2] == ("snapshots",):
        return "/".join(path.parts[-3:])
    return "/".join(path.parts[-2:])
