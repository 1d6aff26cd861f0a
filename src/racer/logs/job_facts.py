"""The facts of a job, from the small files beside its logs, the names of its folders, and the logs'
own lines.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from racer.errors import UsageError
from racer.logs import metrics
from racer.logs.log import EPOCH_DTYPES, Job, no_epochs
from racer.vehicle.action_space import ActionSpace, Metadata, car_generation, parse_metadata

_NUMBER = rb"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|-?inf)"
_EPOCH = re.compile(
    rb"Policy training> Surrogate loss=\s*" + _NUMBER + rb",\s*KL divergence=\s*" + _NUMBER + rb",\s*Entropy=\s*"
    + _NUMBER + rb",\s*training epoch=\s*(\d{1,9}),\s*learning_rate=\s*" + _NUMBER
)  # fmt: skip
_WORLD = re.compile(rb"(?:World name passed in YAML: *|\* /WORLD_NAME: *)([\w.-]+)")
_RACE = re.compile(rb"\* /RACE_TYPE: *([A-Z_]+)")
_SENSORS = re.compile(rb"Sensor list (\[[^\]\n]{0,200}\]), network (\w+), simapp_version ([\d.]+)")
_ACTIONS = re.compile(rb"ction space from file: *([\[{][^\n]{2,20000})")
_BEST = re.compile(
    rb"Updating the best checkpoint to \"([^\"\n]{1,200})\"|Best checkpoint number: (\d{1,9})"
)
_HYPER = b"Using the following hyper-parameters"
_SETTING = re.compile(rb'"(\w{1,60})"\s*:\s*("[^"\n]*"|[-+.\w]+)\s*,?\s*$')
_CLOSED = re.compile(rb"(?:^|[\s\]|])\}\s*$")
_LINES = 200  # lines after which hyper-parameters that have not ended are given up
_SIGNS = (b"Policy training>", b"WORLD_NAME", b"World name passed", b"RACE_TYPE", b"Sensor list", b"ction space from",
          b"est checkpoint")  # fmt: skip


@dataclass
class PrintedFactsCollector:
    """What has been found so far in one log; empty where it says nothing (a record that is filled
    as blocks go by).
    """

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
        return pd.DataFrame(self.epochs, columns=list(EPOCH_DTYPES)).astype(EPOCH_DTYPES)

    def space(self) -> ActionSpace | None:
        """The action space that was printed, None where none was or it makes no sense."""
        kind = "continuous" if isinstance(self.actions, dict) else "discrete"
        try:
            sheet = {"action_space": self.actions, "action_space_type": kind}
            return parse_metadata(sheet, "the log").action_space if self.actions else None
        except UsageError:
            return None

    def _epoch(self, found: re.Match[bytes]) -> None:
        loss, kl, entropy, rate = (float(found[group]) for group in (1, 2, 3, 5))
        epoch = int(found[4])
        last = self.epochs[-1] if self.epochs else (0, -1)
        iteration = last[0] + (epoch <= last[1])  # epochs begin again with each iteration
        self.epochs.append((iteration, epoch, loss, kl, entropy, rate))

    def _settings(self, block: bytes) -> None:
        """Lines of the JSON that follow the announcement, whatever other processes print in
        between.
        """
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


MAX_FACT_FILE_BYTES = 32 << 20  # bytes of a file that holds facts

_JSON = (
    "model_metadata.json",
    "hyperparameters.json",
    "deepracer_checkpoints.json",
    "run.json",
    "best.json",
)
_REWARDS = ("reward_function.py", "reward.py")
_FLAT = re.compile(r"^([A-Z][A-Z0-9_]*) *: *[\"']?([^\"'#\n]*?)[\"']?[ \r]*(?:#.*)?$", re.MULTILINE)
_LISTED = re.compile(
    r"^([A-Z][A-Z0-9_]*) *:[ \r]*\n *- *[\"']?([^\"'#\n]+?)[\"']?[ \r]*$", re.MULTILINE
)
_DROA = re.compile(r"deepracerindy|sim-trace/training/[^/]+/training-simtrace/|-simulation\.log")
_CONSOLE = re.compile(r"sim-trace/|-robomaker\.log|-sagemaker\.log")
_DRFC = re.compile(
    r"TrainingMetrics(_\d+)?\.json|training_params\.yaml|(^|/)\d+/training-simtrace/|EvaluationMetrics-"
)


@dataclass
class JobFactsCollector:
    """What has been found so far (a record that is filled file by file); the shallowest file of a
    kind counts.
    """

    # kind: depth, name, contents
    sheets: dict[str, list[tuple[int, str, Any]]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)  # of all files that were met
    journals: list[tuple[str, PrintedFactsCollector]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, name: str, data: bytes) -> None:
        """Adds what a small file says; one that cannot be understood becomes a note."""
        kind = PurePosixPath(name).name.lower()
        try:
            if kind in _REWARDS:
                self._keep("reward", name, data.decode("utf-8-sig", "replace"))
            elif kind.endswith((".yaml", ".yml")):
                self._keep("yaml", name, _flat(data.decode("utf-8", "replace")))
            else:
                self._take_json(kind, name, json.loads(data.decode("utf-8-sig")))
        except (UsageError, ValueError, RecursionError) as error:
            self.notes.append(
                f"not understood: {error}"
                if name in str(error)
                else f"not understood: {name}: {error}"
            )

    def job(self) -> Job:
        """The facts as a record."""
        metadata: Metadata | None = self._first("model_metadata.json")
        run = _table(self._first("run.json"))
        run = run if "config" in run else {}
        settings = self._settings()
        simulator = self._simulator(metadata, run)
        spaces = [journal.space() for _, journal in self.journals]
        return Job(
            platform="racer" if run else platform_of(self.names),
            simulator=simulator,
            car=_car(run, metadata, simulator),
            world=self._word(settings, "WORLD_NAME", "world") or str(run.get("track", "")),
            race_type=self._word(settings, "RACE_TYPE", "race_type"),
            action_space=metadata.action_space
            if metadata
            else next((one for one in spaces if one), None),
            hyperparameters=self._first("hyperparameters.json")
            or self._printed("hyperparameters")
            or {},
            reward=self._first("reward") or "",
            ppo=self._ppo(),
            metrics=dict(self.tables),
            best_checkpoint=self._best(),
        )

    def _take_json(self, kind: str, name: str, found: Any) -> None:
        if kind == "model_metadata.json":
            metadata = parse_metadata(found, name)
            self.notes += metadata.notes
            self._keep(kind, name, metadata)
        elif kind in _JSON:
            if not isinstance(found, dict):
                raise UsageError(f"{name}: expected an object")
            self._keep(kind, name, found)
        elif isinstance(found, dict) and isinstance(found.get("metrics"), list):
            self.tables[name] = metrics.parse_metrics(found, name)

    def _keep(self, kind: str, name: str, contents: Any) -> None:
        self.sheets.setdefault(kind, []).append((name.count("/"), name, contents))

    def _first(self, kind: str) -> Any:
        """The contents of the shallowest file of a kind; None where there is none. Others that
        differ are noted.
        """
        known = sorted(self.sheets.get(kind, []), key=lambda one: one[:2])
        if not known:
            return None
        other = next((one for one in known[1:] if one[2] != known[0][2]), None)
        if other and kind not in ("yaml", "best.json"):
            note = f"{other[1]} differs from {known[0][1]}, which is taken for the job's"
            self.notes += [note] if note not in self.notes else []
        return known[0][2]

    def _settings(self) -> dict[str, str]:
        """Keys of all yaml files, those of a training's first."""
        sheets = sorted(
            self.sheets.get("yaml", []), key=lambda one: ("train" not in one[1].lower(), *one[:2])
        )
        return {key: value for _, _, sheet in reversed(sheets) for key, value in sheet.items()}

    def _word(self, settings: dict[str, str], key: str, printed: str) -> str:
        return settings.get(key) or self._printed(printed) or ""

    def _printed(self, name: str) -> Any:
        """What the first log that says it has printed."""
        return next(
            (value for _, journal in self.journals if (value := getattr(journal, name))), None
        )

    def _simulator(self, metadata: Metadata | None, run: dict[str, Any]) -> str:
        if run:
            return str(_table(run.get("versions")).get("racer", ""))
        return self._printed("simulator") or (f"{metadata.version:.1f}" if metadata else "")

    def _ppo(self) -> pd.DataFrame:
        """The epochs of the log that has most of them: the simulator's log repeats some of the
        trainer's.
        """
        tables = [journal.ppo() for _, journal in self.journals if journal.epochs]
        return max(tables, key=len) if tables else no_epochs()

    def _best(self) -> str:
        sheet = _table(_table(self._first("deepracer_checkpoints.json")).get("best_checkpoint"))
        found = sheet.get("name") or _table(self._first("best.json")).get("checkpoint")
        return str(found or self._printed("best_checkpoint") or "")


def may_hold_facts(name: str) -> bool:
    """Whether a file of this name may hold facts of a job."""
    kind = PurePosixPath(name).name.lower()
    return kind in _REWARDS or kind.endswith((".json", ".yaml", ".yml"))


def platform_of(names: Sequence[str]) -> str:
    """What wrote files of these names: the layouts of SIMULATOR.md 6.5; empty where they do not
    tell.
    """
    for pattern, platform in (
        (_DROA, "DeepRacer on AWS"),
        (_CONSOLE, "console"),
        (_DRFC, "DeepRacer for Cloud"),
    ):
        if any(pattern.search(name) for name in names):
            return platform
    signs = (r"(^|/)training-simtrace/", r"(^|/)(model|ip|metrics)/")
    plain = all(any(re.search(sign, name) for name in names) for sign in signs)
    return "DeepRacer for Cloud" if plain else ""


def _car(run: dict[str, Any], metadata: Metadata | None, simulator: str) -> str:
    if run.get("car"):
        return str(run["car"])
    if metadata:
        return metadata.car
    version = re.match(r"\d+(\.\d+)?", simulator)
    return car_generation(float(version[0])) if version else ""


def _flat(text: str) -> dict[str, str]:
    """The `KEY: value` lines of a yaml file, and the first value of its lists."""
    return {key: value for key, value in [*_LISTED.findall(text), *_FLAT.findall(text)] if value}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
