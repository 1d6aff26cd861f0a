"""What a check says: one finding a fact, with a stable code, a place, a sentence and a cure.

A rule that needs no driving is a `Rule`: `rule(reward, context) -> list[Finding]`. Modules of rules offer `RULES`, a
tuple of them; the runner calls each of them once a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from racer.check.codes import CODES
from racer.reward.load import RewardFunction


class Severity(StrEnum):
    """How bad a finding is. Only an error makes `racer check` fail."""

    ERROR = "error"  # the real job would stop, or refuse the file
    WARNING = "warning"  # it runs, and does hardly what was meant
    INFO = "info"  # worth knowing


@dataclass(frozen=True)
class Finding:
    """One fact about a reward file. `line` 0 means the file as a whole; `column` counts from 1, 0 is unknown.

    `remedy` says what to do, and is the code table's where it is left empty. `severity` likewise. `test` is a
    ready-made test that fails while the finding stands; `params` the smallest params that show it; `profile` the
    validator that refuses (codes 4xx).
    """

    code: str
    message: str
    path: str
    line: int = 0
    column: int = 0
    remedy: str = ""
    severity: Severity | None = None
    test: str = ""
    params: dict[str, Any] | None = None
    profile: str = ""
    is_fixable: bool = False

    def __post_init__(self) -> None:
        about = CODES[self.code]
        object.__setattr__(self, "remedy", self.remedy or about.cure)
        object.__setattr__(self, "severity", Severity(self.severity or about.severity))

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


@dataclass(frozen=True)
class Context:
    """What a rule may know besides the reward: where the file is, and which validators are asked."""

    path: Path
    profiles: tuple[str, ...] = ()


Rule = Callable[[RewardFunction, Context], list[Finding]]
