"""The facts of a job, from the small files beside its logs, the names of its folders, and the logs'
own lines.

What a text log prints (settings, world, action space, the trainer's epochs) is listed in
docs/simulator.md 6.4.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from racer.errors import UsageError
from racer.files import parse_json, parse_yaml
from racer.logs.log import EPOCH_DTYPES, Job, no_epochs
from racer.logs.metrics import TRAINER_FILE, parse_metrics, parse_trainer_table
from racer.vehicle import ActionSpace, Metadata, car_generation, parse_metadata

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

_PRINTED_HYPERPARAMETERS = b"Using the following hyper-parameters"
_SETTING = re.compile(rb'"(\w{1,60})"\s*:\s*("[^"\n]*"|[-+.\w]+)\s*,?\s*$')
_CLOSING_BRACE = re.compile(rb"(?:^|[\s\]|])\}\s*$")
_MAX_SETTING_LINES = 200  # after which hyperparameters that have not ended are given up

MAX_FACT_FILE_BYTES = 32 << 20
_MAX_YAML_BYTES = 256 << 10  # a larger one holds no settings of a job, and takes long to parse

_METADATA = "model_metadata.json"
_HYPERPARAMETERS = "hyperparameters.json"
_CHECKPOINTS = "deepracer_checkpoints.json"
_RUN = "run.json"
_BEST = "best.json"
_TRAINER = "trainer"
_JSON_FILES = (_METADATA, _HYPERPARAMETERS, _CHECKPOINTS, _RUN, _BEST)
_REWARD_FILES = ("reward_function.py", "reward.py")
_YAML_ENDINGS = (".yaml", ".yml")

# Names that only one platform gives to files: the layouts of docs/simulator.md 6.5.
_PLATFORM_NAMES = {
    "DeepRacer on AWS": r"deepracerindy|sim-trace/training/[^/]+/training-simtrace/|-simulation\.log",
    "console": r"sim-trace/|-robomaker\.log|-sagemaker\.log",
    "DeepRacer for Cloud": (
        r"TrainingMetrics(_\d+)?\.json|training_params\.yaml|"
        r"(^|/)\d+/training-simtrace/|EvaluationMetrics-"
    ),
}
# Names that together show a folder of DeepRacer for Cloud.
_DRFC_STEPS = r"(^|/)training-simtrace/"
_DRFC_FOLDERS = r"(^|/)(model|ip|metrics)/"


@dataclass
class PrintedFactsCollector:
    """What one log has said so far, filled as blocks of lines go by; empty where it says nothing.

    `epochs` has a row an epoch: iteration, epoch, loss, KL divergence, entropy, learning rate.
    `actions` is the action space as it was printed, `name` that of the log.
    """

    epochs: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    world: str = ""
    race_type: str = ""
    simulator: str = ""
    best_checkpoint: str = ""
    actions: Any = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    _pending_lines: int = 0  # that may still belong to the hyperparameters

    def take(self, block: bytes) -> None:
        """Add what a block of whole lines says."""
        if self._pending_lines or _PRINTED_HYPERPARAMETERS in block:
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
            start = block.index(_PRINTED_HYPERPARAMETERS)
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


class FactFile(NamedTuple):
    """A small file of a job, with the number of folders above it and what was read from it."""

    depth: int
    name: str
    content: Any


@dataclass
class JobFactsCollector:
    """What the files of a job have said so far, filled file by file.

    `files` are by kind: a name of `_JSON_FILES`, `yaml` or `reward`; the shallowest of a kind
    counts. `metrics` are the tables of metrics files, `names` the paths of all files that were met,
    `printed` what each text log says of the job.
    """

    files: dict[str, list[FactFile]] = field(default_factory=dict)
    metrics: dict[str, pd.DataFrame] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    printed: list[PrintedFactsCollector] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, name: str, content: bytes) -> None:
        """Add what a small file says; one that cannot be understood becomes a note."""
        kind = PurePosixPath(name).name.lower()
        try:
            if TRAINER_FILE.search(name):
                self._keep(_TRAINER, name, parse_trainer_table(content))
            elif kind in _REWARD_FILES:
                self._keep("reward", name, content.decode("utf-8-sig", "replace"))
            elif kind.endswith(_YAML_ENDINGS):
                self._keep("yaml", name, _yaml_settings(content, name))
            else:
                self._take_json(kind, name, parse_json(content, name))
        except UsageError as error:
            self.notes.append(f"not understood: {error}")

    def job(self) -> Job:
        """The facts as a record."""
        metadata: Metadata | None = self._shallowest(_METADATA)
        run = _object(self._shallowest(_RUN))
        if "config" not in run:
            run = {}
        settings = self._yaml_settings()
        simulator = self._simulator(metadata, run)
        hyperparameters = self._shallowest(_HYPERPARAMETERS) or self._printed("hyperparameters")
        return Job(
            platform="racer" if run else platform_of(list(self.names)),
            simulator=simulator,
            car=_car(run, metadata, simulator),
            world=self._world(settings, run),
            race_type=settings.get("RACE_TYPE") or self._printed("race_type") or _race_type(run),
            action_space=self._action_space(metadata),
            hyperparameters=hyperparameters or {},
            reward=self._shallowest("reward") or "",
            ppo=self._ppo(),
            metrics=dict(self.metrics),
            best_checkpoint=self._best_checkpoint(),
            started_from=_started_from(run),
            trainer=self._trainer(),
        )

    def of_files(self, is_kept: Callable[[str], bool]) -> JobFactsCollector:
        """What the files say whose names are kept."""
        files = {}
        for kind, some in self.files.items():
            files[kind] = [file for file in some if is_kept(file.name)]
        metrics = {name: table for name, table in self.metrics.items() if is_kept(name)}
        names = [name for name in self.names if is_kept(name)]
        printed = [log for log in self.printed if is_kept(log.name)]
        return JobFactsCollector(files, metrics, dict.fromkeys(names), printed)

    def _take_json(self, kind: str, name: str, content: Any) -> None:
        if kind == _METADATA:
            metadata = parse_metadata(content, name)
            self.notes += metadata.notes
            self._keep(kind, name, metadata)
        elif kind in _JSON_FILES:
            if not isinstance(content, dict):
                raise UsageError(f"{name}: expected an object")
            self._keep(kind, name, content)
        elif isinstance(content, dict) and isinstance(content.get("metrics"), list):
            self.metrics[name] = parse_metrics(content, name)

    def _keep(self, kind: str, name: str, content: Any) -> None:
        self.files.setdefault(kind, []).append(FactFile(name.count("/"), name, content))

    def _shallowest(self, kind: str) -> Any:
        """The content of the shallowest file of a kind, None where there is none.

        A note says which other file differs from it.
        """
        files = sorted(self.files.get(kind, []), key=_depth_and_name)
        if not files:
            return None
        first = files[0]
        for other in files[1:]:
            if other.content != first.content and kind != _BEST:
                note = f"{other.name} differs from {first.name}, which is taken for the job's"
                if note not in self.notes:
                    self.notes.append(note)
                break
        return first.content

    def _yaml_settings(self) -> dict[str, str]:
        """The settings of all yaml files; those of a training's count first, then the shallowest."""
        files = sorted(self.files.get("yaml", []), key=_depth_and_name)
        files.sort(key=lambda file: "train" not in file.name.lower())
        settings: dict[str, str] = {}
        for file in reversed(files):
            settings |= file.content
        return settings

    def _printed(self, name: str) -> Any:
        """The attribute `name` of the first log that has printed it, None where none has."""
        for log in self.printed:
            value = getattr(log, name)
            if value:
                return value
        return None

    def _world(self, settings: dict[str, str], run: dict[str, Any]) -> str:
        world = settings.get("WORLD_NAME") or self._printed("world")
        return world or str(run.get("track", ""))

    def _simulator(self, metadata: Metadata | None, run: dict[str, Any]) -> str:
        if run:
            return str(_object(run.get("versions")).get("racer", ""))
        printed = self._printed("simulator")
        if printed:
            return str(printed)
        return f"{metadata.version:.1f}" if metadata else ""

    def _action_space(self, metadata: Metadata | None) -> ActionSpace | None:
        if metadata:
            return metadata.action_space
        for log in self.printed:
            space = log.action_space()
            if space:
                return space
        return None

    def _ppo(self) -> pd.DataFrame:
        """The epochs of the log that has most of them: the simulator's log repeats some of the
        trainer's.
        """
        tables = [log.ppo() for log in self.printed if log.epochs]
        return max(tables, key=len, default=no_epochs())

    def _trainer(self) -> pd.DataFrame:
        """The trainer's statistics of the worker that has most of them."""
        tables = [file.content for file in self.files.get(_TRAINER, [])]
        return max(tables, key=len, default=pd.DataFrame())

    def _best_checkpoint(self) -> str:
        checkpoints = _object(self._shallowest(_CHECKPOINTS))
        name = _object(checkpoints.get("best_checkpoint")).get("name")
        name = name or _object(self._shallowest(_BEST)).get("checkpoint")
        return str(name or self._printed("best_checkpoint") or "")


def may_hold_facts(name: str) -> bool:
    """Whether a file of this name may hold facts of a job."""
    kind = PurePosixPath(name).name.lower()
    if TRAINER_FILE.search(name):
        return True
    return kind in _REWARD_FILES or kind.endswith((".json", *_YAML_ENDINGS))


def platform_of(names: Sequence[str]) -> str:
    """The platform that wrote files of these names; empty where they do not tell."""
    for platform, pattern in _PLATFORM_NAMES.items():
        if _any_matches(pattern, names):
            return platform
    if _any_matches(_DRFC_STEPS, names) and _any_matches(_DRFC_FOLDERS, names):
        return "DeepRacer for Cloud"
    return ""


def _any_matches(pattern: str, names: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for name in names)


def _depth_and_name(file: FactFile) -> tuple[int, str]:
    return file.depth, file.name


def _car(run: dict[str, Any], metadata: Metadata | None, simulator: str) -> str:
    if run.get("car"):
        return str(run["car"])
    if metadata:
        return metadata.car
    version = re.match(r"\d+(\.\d+)?", simulator)
    return car_generation(float(version[0])) if version else ""


def _started_from(run: dict[str, Any]) -> str:
    """The run that a run of racer started from; empty where it began with nothing."""
    lineage = run.get("lineage")
    if not isinstance(lineage, list) or not lineage:
        return ""
    parent = _object(lineage[0])
    facts = f"{parent.get('reward')} on {parent.get('track')}"
    return f"{parent.get('folder')}, checkpoint {parent.get('checkpoint')} ({facts})"


def _race_type(run: dict[str, Any]) -> str:
    """The race type of a run of racer, which its objects tell; empty for what is no such run."""
    if "config" not in run:
        return ""
    layout = run.get("objects")
    if not isinstance(layout, dict):
        return "TIME_TRIAL"
    return "HEAD_TO_BOT" if layout.get("number_of_bot_cars") else "OBJECT_AVOIDANCE"


def _yaml_settings(content: bytes, name: str) -> dict[str, str]:
    """The settings of a flat yaml file, of lists the first value; those that are empty are left
    out.
    """
    if len(content) > _MAX_YAML_BYTES:
        raise UsageError(f"{name} is larger than {_MAX_YAML_BYTES >> 10} KiB")
    settings = {}
    for key, value in _object(parse_yaml(content.decode("utf-8-sig", "replace"), name)).items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str | int | float) and first != "":
            settings[str(key)] = str(first)
    return settings


def _object(content: Any) -> dict[str, Any]:
    """A JSON or yaml object; an empty one in place of anything else."""
    return content if isinstance(content, dict) else {}
