"""What the simulator's and the trainer's logs say beside their steps (SIMULATOR.md 6.4), gathered block by block."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from racer.actions import ActionSpace, parse
from racer.errors import UsageError
from racer.logs.job import PPO

_NUMBER = rb"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|-?inf)"
_EPOCH = re.compile(
    rb"Policy training> Surrogate loss=\s*" + _NUMBER + rb",\s*KL divergence=\s*" + _NUMBER + rb",\s*Entropy=\s*"
    + _NUMBER + rb",\s*training epoch=\s*(\d{1,9}),\s*learning_rate=\s*" + _NUMBER
)  # fmt: skip
_WORLD = re.compile(rb"(?:World name passed in YAML: *|\* /WORLD_NAME: *)([\w.-]+)")
_RACE = re.compile(rb"\* /RACE_TYPE: *([A-Z_]+)")
_SENSORS = re.compile(rb"Sensor list (\[[^\]\n]{0,200}\]), network (\w+), simapp_version ([\d.]+)")
_ACTIONS = re.compile(rb"ction space from file: *([\[{][^\n]{2,20000})")
_BEST = re.compile(rb"Updating the best checkpoint to \"([^\"\n]{1,200})\"|Best checkpoint number: (\d{1,9})")
_HYPER = b"Using the following hyper-parameters"
_SETTING = re.compile(rb'"(\w{1,60})"\s*:\s*("[^"\n]*"|[-+.\w]+)\s*,?\s*$')
_CLOSED = re.compile(rb"(?:^|[\s\]|])\}\s*$")
_LINES = 200  # lines after which hyper-parameters that have not ended are given up
_SIGNS = (b"Policy training>", b"WORLD_NAME", b"World name passed", b"RACE_TYPE", b"Sensor list", b"ction space from",
          b"est checkpoint")  # fmt: skip


@dataclass
class Journal:
    """What has been found so far in one log; empty where it says nothing (a record that is filled as blocks go by)."""

    epochs: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    world: str = ""
    race_type: str = ""
    simulator: str = ""
    best_checkpoint: str = ""
    actions: Any = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    _pending: int = 0  # lines that may still belong to the hyper-parameters

    def take(self, block: bytes) -> None:
        """Adds what a block of whole lines says."""
        if self._pending or _HYPER in block:
            self._settings(block)
        if not any(sign in block for sign in _SIGNS):
            return
        for found in _EPOCH.finditer(block):
            self._epoch(found)
        self.world = self.world or _first(_WORLD, block)
        self.race_type = self.race_type or _first(_RACE, block)
        if sensors := _SENSORS.search(block):
            self.simulator = self.simulator or sensors[3].decode()
        if actions := _ACTIONS.search(block):
            self.actions = self.actions or _literal(actions[1])
        for best in _BEST.finditer(block):
            self.best_checkpoint = (best[1] or best[2]).decode("utf-8", "replace")

    def ppo(self) -> pd.DataFrame:
        """The policy-training epochs: columns and dtypes of `job.PPO`."""
        return pd.DataFrame(self.epochs, columns=list(PPO)).astype(PPO)

    def space(self) -> ActionSpace | None:
        """The action space that was printed, None where none was or it makes no sense."""
        kind = "continuous" if isinstance(self.actions, dict) else "discrete"
        try:
            sheet = {"action_space": self.actions, "action_space_type": kind}
            return parse(sheet, "the log").action_space if self.actions else None
        except UsageError:
            return None

    def _epoch(self, found: re.Match[bytes]) -> None:
        loss, kl, entropy, rate = (float(found[group]) for group in (1, 2, 3, 5))
        epoch = int(found[4])
        last = self.epochs[-1] if self.epochs else (0, -1)
        iteration = last[0] + (epoch <= last[1])  # epochs begin again with each iteration
        self.epochs.append((iteration, epoch, loss, kl, entropy, rate))

    def _settings(self, block: bytes) -> None:
        """Lines of the JSON that follow the announcement, whatever other processes print in between."""
        start = 0
        if not self._pending:
            start, self._pending = block.index(_HYPER), _LINES
        for line in block[start:].split(b"\n", self._pending)[: self._pending]:
            self._pending -= 1
            if setting := _SETTING.search(line):
                self.hyperparameters.setdefault(setting[1].decode(), _value(setting[2]))
            if _CLOSED.search(line) and self.hyperparameters:
                self._pending = 0
                return


def _first(pattern: re.Pattern[bytes], block: bytes) -> str:
    found = pattern.search(block)
    return found[1].decode("utf-8", "replace") if found else ""


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _literal(text: bytes) -> Any:
    """The list or dict that a Python repr begins with, None where it is none."""
    words = text.decode("utf-8", "replace")
    closed = max(words.rfind("]"), words.rfind("}")) + 1
    try:
        return ast.literal_eval(words[:closed])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
