"""What a search for better constants came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from racer.errors import UsageError
from racer.records import Record, RecordTable, format_number, format_percent
from racer.reward import RewardFunction
from racer.tuning.constants import Constant, Number, diff_lines, replace_constants

SettingState = Literal["tried", "pruned", "refused"]

NO_LAP_RATIO = 4.0  # how much slower than the fastest lap a setting without a lap counts as
SLOW_RATIO = 1.25  # a setting is slow whose laps take so many times those of the best
MAX_SETTINGS_SHOWN = 5
MAX_RULES_SHOWN = 3
LEAST_RULE_SETTINGS = 3  # that a rule holds of
LEAST_RULE_PURITY = 0.8  # of the settings on its side that are slow
MOST_SLOW_OTHERS = 0.4  # of the settings on the other side


@dataclass(frozen=True)
class TuningSettings:
    """What a setting is tried with."""

    tracks: tuple[str, ...]
    car: str
    gamma: float
    objects: str
    seconds: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "tracks": list(self.tracks)}


@dataclass(frozen=True)
class Setting:
    """Values for the constants, and the laps that the reward asks for with them.

    `lap_times_s` and `kinds` are by track; fewer for what was pruned. `slowness` is the mean of the
    lap times in laps of the fastest driver known: the smaller the better.
    """

    number: int
    values: Mapping[str, Number]
    state: SettingState
    slowness: float
    lap_times_s: tuple[float | None, ...]
    kinds: tuple[str, ...]
    trouble: str = ""

    @property
    def has_laps(self) -> bool:
        """Whether laps are foreseen on every track that was looked at."""
        return bool(self.lap_times_s) and None not in self.lap_times_s and not self.trouble


@dataclass(frozen=True)
class SlowRule:
    """Where one constant alone makes a reward slow: `slow` of `total` settings on that side."""

    name: str
    is_above: bool
    limit: Number
    slow: int
    total: int
    kind: str

    @property
    def sentence(self) -> str:
        """`SLOW above 2.1: 7 of 8 settings are slow, most of them crawling`."""
        side = "above" if self.is_above else "below"
        return (
            f"{self.name} {side} {self.limit:.3g}: {self.slow} of {self.total} settings are slow, "
            f"mostly {self.kind}"
        )


@dataclass(frozen=True, eq=False)
class Tuning(Record):
    """The settings that were tried, in order; the first one is the file as it stands.

    `references_s` has, by track, the fastest lap that was known when the search began; `importances`
    how much of the differences each constant makes, 0 to 1, empty where too few settings were tried.
    """

    reward: RewardFunction
    constants: tuple[Constant, ...]
    settings: TuningSettings
    tried: tuple[Setting, ...]
    references_s: dict[str, float]
    importances: dict[str, float]

    @property
    def original(self) -> Setting:
        """The file as it stands."""
        return self.tried[0]

    @cached_property
    def ranking(self) -> tuple[Setting, ...]:
        """What was tried to its end and laps, the fastest first; of equal ones the earlier."""
        laps = [entry for entry in self.tried if entry.state == "tried" and entry.has_laps]
        return tuple(sorted(laps, key=lambda entry: (entry.slowness, entry.number)))

    @property
    def best(self) -> Setting:
        """The setting with the fastest foreseen laps. Raises UsageError where none laps."""
        if not self.ranking:
            names = ", ".join(constant.name for constant in self.constants)
            raise UsageError(
                f"{self.reward.filename}: with none of {len(self.tried)} settings of {names} does it "
                "ask for a lap: what it pays for must change, not how much (racer foresee says what "
                "it asks for), or give wider ranges"
            )
        return self.ranking[0]

    def source(self, setting: Setting) -> str:
        """The text of the file with the values of a setting, and nothing else changed."""
        return replace_constants(self.reward.source, self.constants, setting.values)

    def diff(self, setting: Setting, new_name: str) -> list[str]:
        """Lines of the difference between the file and the one with another setting."""
        return diff_lines(self.reward.source, self.source(setting), self.reward.path.name, new_name)

    @cached_property
    def slow_rules(self) -> tuple[SlowRule, ...]:
        """Where one constant alone makes the reward slow, what holds of most settings first."""
        rules = []
        for constant in self.constants:
            rule = self._slow_rule(constant)
            if rule is not None:
                rules.append(rule)
        return tuple(sorted(rules, key=lambda rule: -rule.slow))

    def _slow_rule(self, constant: Constant) -> SlowRule | None:
        """The side of a limit on which most settings are slow and beyond which few are, with the
        most of them.
        """
        if not self.ranking:
            return None
        known = [entry for entry in self.tried if entry.kinds]
        best: SlowRule | None = None
        for is_above in (True, False):
            order = sorted(known, key=lambda entry: entry.values[constant.name], reverse=is_above)
            for count in range(LEAST_RULE_SETTINGS, len(order)):
                rule = self._rule_of(constant.name, is_above, order, count)
                if rule is not None and (best is None or rule.slow > best.slow):
                    best = rule
        return best

    def _rule_of(
        self, name: str, is_above: bool, order: Sequence[Setting], count: int
    ) -> SlowRule | None:
        """The rule about the first `count` settings of an order by one constant, if it holds."""
        side = order[:count]
        others = order[count:]
        edge = others[0].values[name]
        slow = [entry for entry in side if self._is_slow(entry)]
        slow_others = sum(map(self._is_slow, others))
        is_pure = len(slow) >= LEAST_RULE_PURITY * count
        is_telling = slow_others <= MOST_SLOW_OTHERS * len(others)
        if not is_pure or not is_telling or edge == side[-1].values[name]:
            return None
        kinds = [entry.kinds[0] for entry in slow]
        kind = max(sorted(set(kinds)), key=kinds.count)
        return SlowRule(name, is_above, edge, len(slow), count, kind)

    def _is_slow(self, entry: Setting) -> bool:
        return entry.slowness > SLOW_RATIO * self.ranking[0].slowness

    def blocks(self) -> Sequence[str | RecordTable]:
        """The settings with the fastest foreseen laps, what matters, and what makes it slow."""
        where = ", ".join(self.settings.tracks)
        blocks: list[str | RecordTable] = [
            f"{len(self.tried)} settings of {self.reward.path.name} on {where}, car "
            f"{self.settings.car}, gamma {self.settings.gamma:g}",
            self._setting_table(),
        ]
        if self.importances:
            parts = [f"{name} {format_percent(part)}" for name, part in self.importances.items()]
            blocks.append(f"what matters: {', '.join(parts)}")
        blocks += [rule.sentence for rule in self.slow_rules[:MAX_RULES_SHOWN]]
        counts = {state: self._count(state) for state in ("pruned", "refused")}
        for state, count in counts.items():
            if count:
                blocks.append(f"{count} of {len(self.tried)} settings were {state}")
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The search as plain data; what is missing is None."""
        return {
            "reward": str(self.reward.path),
            **self.settings.to_dict(),
            "constants": [asdict(constant) for constant in self.constants],
            "references": self.references_s,
            "original": _setting_as_dict(self.original),
            "best": _setting_as_dict(self.best),
            "importances": self.importances,
            "slow_rules": [{**asdict(rule), "sentence": rule.sentence} for rule in self.slow_rules],
            "tried": [_setting_as_dict(entry) for entry in self.tried],
        }

    def _count(self, state: str) -> int:
        return sum(entry.state == state for entry in self.tried)

    def _setting_table(self) -> RecordTable:
        laps = [f"{track} lap s" for track in self.settings.tracks]
        if len(laps) == 1:
            laps = ["lap s"]
        names = [constant.name for constant in self.constants]
        table = RecordTable(
            ("setting", *names, *laps, "asks for"), text_heads=frozenset({"setting", "asks for"})
        )
        self._add_setting(table, "as it is", self.original)
        for entry in self.ranking[:MAX_SETTINGS_SHOWN]:
            if entry is not self.original:
                self._add_setting(table, str(entry.number), entry)
        return table

    def _add_setting(self, table: RecordTable, name: str, entry: Setting) -> None:
        missing: list[float | None] = [None] * len(self.settings.tracks)
        times = [*entry.lap_times_s, *missing][: len(self.settings.tracks)]
        table.add_row(
            name,
            *(f"{entry.values[constant.name]:g}" for constant in self.constants),
            *(format_number(time) for time in times),
            ", ".join(dict.fromkeys(entry.kinds)) or entry.state,
        )


def _setting_as_dict(entry: Setting) -> dict[str, Any]:
    return {
        "number": entry.number,
        "values": dict(entry.values),
        "state": entry.state,
        "slowness": entry.slowness,
        "lap_times": list(entry.lap_times_s),
        "kinds": list(entry.kinds),
        "trouble": entry.trouble or None,
    }
