"""What a text log prints about its job: settings, world, action space, and the trainer's epochs.

docs/simulator.md 6.4 lists the lines.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from racer.errors import UsageError
from racer.logs.log import EPOCH_DTYPES
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.metadata import parse_metadata

_NUMBER = rb"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|-?inf)"
_EPOCH = re.compile(
    rb"Policy training> Surrogate loss=\s*"
    + _NUMBER
    + rb",\s*KL divergence=\s*"
    + _NUMBER
    + rb",\s*Entropy=\s*"
    + _NUMBER
    + rb",\s*training epoch=\s*(\d{1,9}),\s*learning_rate=\s*"
    + _NUMBER
)
_WORLD = re.compile(rb"(?:World name passed in YAML: *|\* /WORLD_NAME: *)([\w.-]+)")
_RACE_TYPE = re.compile(rb"\* /RACE_TYPE: *([A-Z_]+)")
_SIMULATOR = re.compile(rb"Sensor list \[[^\]\n]{0,200}\], network \w+, simapp_version ([\d.]+)")
_ACTION_SPACE = re.compile(rb"ction space from file: *([\[{][^\n]{2,20000})")
_BEST_CHECKPOINT = re.compile(
    rb"Updating the best checkpoint to \"([^\"\n]{1,200})\"|Best checkpoint number: (\d{1,9})"
)
# Parts of the lines above: a block without any of them is passed over quickly.
_SIGNS = (
    b"Policy training>",
    b"WORLD_NAME",
    b"World name passed",
    b"RACE_TYPE",
    b"Sensor list",
    b"ction space from",
    b"est checkpoint",
)

_HYPERPARAMETERS = b"Using the following hyper-parameters"
_SETTING = re.compile(rb'"(\w{1,60})"\s*:\s*("[^"\n]*"|[-+.\w]+)\s*,?\s*$')
_CLOSING_BRACE = re.compile(rb"(?:^|[\s\]|])\}\s*$")
_MAX_SETTING_LINES = 200  # after which hyperparameters that have not ended are given up


@dataclass
class PrintedFactsCollector:
    """What one log has said so far, filled as blocks of lines go by; empty where it says nothing.

    `epochs` has a row an epoch: iteration, epoch, loss, KL divergence, entropy, learning rate.
    `actions` is the action space as it was printed.
    """

    epochs: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    world: str = ""
    race_type: str = ""
    simulator: str = ""
    best_checkpoint: str = ""
    actions: Any = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    _pending_lines: int = 0  # that may still belong to the hyperparameters

    def take(self, block: bytes) -> None:
        """Add what a block of whole lines says."""
        if self._pending_lines or _HYPERPARAMETERS in block:
            self._take_hyperparameters(block)
        if not any(sign in block for sign in _SIGNS):
            return
        for match in _EPOCH.finditer(block):
            self._take_epoch(match)
        self.world = self.world or _first_group(_WORLD, block)
        self.race_type = self.race_type or _first_group(_RACE_TYPE, block)
        self.simulator = self.simulator or _first_group(_SIMULATOR, block)
        actions = _ACTION_SPACE.search(block)
        if actions and not self.actions:
            self.actions = _python_literal(actions[1])
        for match in _BEST_CHECKPOINT.finditer(block):
            self.best_checkpoint = _decoded(match[1] or match[2])

    def ppo(self) -> pd.DataFrame:
        """The policy-training epochs: the columns and dtypes of EPOCH_DTYPES."""
        return pd.DataFrame(self.epochs, columns=list(EPOCH_DTYPES)).astype(EPOCH_DTYPES)

    def action_space(self) -> ActionSpace | None:
        """The action space that was printed, None where none was or it makes no sense."""
        if not self.actions:
            return None
        kind = "continuous" if isinstance(self.actions, dict) else "discrete"
        metadata = {"action_space": self.actions, "action_space_type": kind}
        try:
            return parse_metadata(metadata, "the log").action_space
        except UsageError:
            return None

    def _take_epoch(self, match: re.Match[bytes]) -> None:
        loss, kl, entropy, rate = (float(match[group]) for group in (1, 2, 3, 5))
        epoch = int(match[4])
        iteration = 0
        if self.epochs:
            last_iteration, last_epoch = self.epochs[-1][:2]
            begins_again = epoch <= last_epoch
            iteration = last_iteration + begins_again
        self.epochs.append((iteration, epoch, loss, kl, entropy, rate))

    def _take_hyperparameters(self, block: bytes) -> None:
        """Take the lines of JSON that follow the announcement, whatever other processes print in
        between.
        """
        start = 0
        if not self._pending_lines:
            start = block.index(_HYPERPARAMETERS)
            self._pending_lines = _MAX_SETTING_LINES
        lines = block[start:].split(b"\n", self._pending_lines)[: self._pending_lines]
        for line in lines:
            self._pending_lines -= 1
            setting = _SETTING.search(line)
            if setting:
                self.hyperparameters.setdefault(setting[1].decode(), _json_value(setting[2]))
            if _CLOSING_BRACE.search(line) and self.hyperparameters:
                self._pending_lines = 0
                return


def _first_group(pattern: re.Pattern[bytes], block: bytes) -> str:
    match = pattern.search(block)
    return _decoded(match[1]) if match else ""


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _json_value(text: bytes) -> Any:
    """The JSON value that is printed for a setting, or its text where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _decoded(text)


def _python_literal(text: bytes) -> Any:
    """The list or dict that a Python repr begins with, None where it is none."""
    words = _decoded(text)
    end = max(words.rfind("]"), words.rfind("}")) + 1
    try:
        return ast.literal_eval(words[:end])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
