"""A run on disk: a folder with everything about a training, laid out as DeepRacer for Cloud lays out
its own.

| file | what it holds |
|---|---|
| `run.json` | the configuration, written before step 0, with versions and git hash |
| `reward_function.py`, `track.npy`, `model/model_metadata.json` | copies of what was trained with |
| `hyperparameters.json` | a copy too, where one was given |
| `tracks/NAME.npy` | the other tracks of a teacher |
| `checkpoints/N.pt` | the policy after N steps |
| `checkpoints/best.json` | which of them is best, with its evaluation |
| `checkpoints/0.pt` | the policy that it started from, where that is another run's |
| `checkpoints/state.pt` | everything that a resumed training needs |
| `checkpoints/longer.pt` | at its end: everything that a longer training needs |
| `evaluations.csv` | one row an evaluation |
| `training-simtrace/N-iteration.csv`, `metrics/TrainingMetrics.json` | the log in the simulator's own format |
| `logs/trainer.log` | a line for each update of the policy, as in the real trainer's log |
| `tensorboard/` | curves |
| `failed.json` | why it ended before its time, until it goes on |
| `.lock` | held while a training writes here |

Before a new folder is made, everything that its configuration names is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from racer.analysis import laps
from racer.errors import RacerError, UsageError
from racer.files import read_json, write_file, write_json
from racer.logs import read_log
from racer.records import Record, RecordTable, format_number, format_percent
from racer.reward import RewardRefused
from racer.sensors import parse_observations
from racer.sim import ObstacleLayout, read_obstacle_layout
from racer.track import Track, load_route
from racer.training.config import TrainConfig, parse_config
from racer.training.kept_checkpoint import service_pick
from racer.training.lineage import FAILURE_FILE, Ancestor, parse_lineage
from racer.training.run_folder import START_FILE, StartPolicy, check_is_free, write_run_folder
from racer.vehicle import ActionSpace, Metadata, read_metadata

REQUIRED_FILES = ("reward_function.py", "track.npy", "model/model_metadata.json")
REQUIRED_KEYS = ("reward_file", "track", "track_title")
EVALUATION_COLUMNS = ("steps", "seconds", "complete", "trials", "completion", "lap_time")
"""The columns of evaluations.csv that a table of none has too."""
BEST_KEYS = {"steps", "checkpoint"}
"""What best.json holds at least."""


@dataclass(frozen=True, eq=False)
class Run(Record):
    """A run folder, as it was when it was opened: what was trained with, read once.

    `Run.open` reads one, `Run.create` makes one, and `racer.train` makes and trains one. What a
    training adds is read when it is asked for, by `best` and `evaluations`.

    Attributes
    ----------
    folder
        The run folder.
    config
        The configuration that the run was made with.
    reward
        The reward file: the original while it is still there, else the run's copy.
    track
        The track of the training, not reversed.
    other_track_files
        Route files of the other tracks that a teacher teaches on.
    metadata
        The actions, the sensors, and the version that tells the car generation.
    car
        The car generation: v4, v5 or v6.
    observation
        The sensors of the policy, as `racer.sensors` names them: `("features",)` for example.
    network
        The name of the policy's network where it has sensors; None where it has features only.
    obstacle_layout
        The obstacles of the training, as they were when it began; None when there were none.
    hyperparameters
        The copy of the hyperparameters.json that was given; None when none was.
    lineage
        The runs that it goes back to, its parent first; none where it began with nothing.
    keeps_value
        Whether it took its parent's value network, too.

    Examples
    --------
    >>> from racer.training import Run, train
    >>> run = train("center_line", track="oval", steps=2_000)
    >>> run.track.name, run.car, run.observation
    ('oval', 'v6', ('features',))
    >>> Run.open(run.folder).best()["steps"]
    4096
    """

    folder: Path
    config: TrainConfig
    reward: Path
    track: Track
    other_track_files: tuple[Path, ...]
    metadata: Metadata
    car: str
    observation: tuple[str, ...]
    network: str | None
    obstacle_layout: ObstacleLayout | None
    hyperparameters: Path | None
    lineage: tuple[Ancestor, ...] = ()
    keeps_value: bool = False

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in a folder. Raises UsageError when there is none, or when parts of it are lacking."""
        folder = Path(folder)
        story = read_story(folder)
        config = parse_config(story["config"], str(folder / "run.json"))
        _check_whole(folder, story)
        metadata = read_metadata(folder / "model" / "model_metadata.json")
        observation = parse_observations(config.observation, metadata.sensor)
        return cls(
            folder=folder,
            config=config,
            reward=_reward_of_run(Path(str(story["reward_file"])), folder / "reward_function.py"),
            track=load_route(folder / "track.npy", name=story["track"], title=story["track_title"]),
            other_track_files=tuple(sorted((folder / "tracks").glob("*.npy"))),
            metadata=metadata,
            car=config.car or metadata.car,
            observation=observation,
            network=None if observation == ("features",) else metadata.neural_network,
            obstacle_layout=read_obstacle_layout(story.get("objects")),
            hyperparameters=_file_or_none(folder / "hyperparameters.json"),
            lineage=parse_lineage(story.get("lineage"), str(folder / "run.json")),
            keeps_value=bool(story.get("keeps_value", False)),
        )

    @classmethod
    def create(
        cls,
        config: TrainConfig,
        folder: str | Path,
        home: Path | None = None,
        start: StartPolicy | None = None,
    ) -> Run:
        """A new run in `folder`, with everything in it that is known before step 0.

        `home` is racer's data folder, where tracks are looked for. `start` is what it starts from
        where `config` says `from_run`; `racer.training.create_run` finds it. Raises UsageError when
        there is a run already, and when something in `config` is wrong; then nothing is written.
        """
        folder = Path(folder)
        check_is_free(folder)
        write_run_folder(config, folder, home, start)
        return cls.open(folder)

    @property
    def action_space(self) -> ActionSpace:
        """The actions of the policy."""
        return self.metadata.action_space

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def state(self) -> Path:
        """The file that a resumed training goes on from."""
        return self.checkpoints / "state.pt"

    @property
    def longer_state(self) -> Path:
        """The file that a training goes on from beyond its end, where that differs from `state`."""
        return self.checkpoints / "longer.pt"

    @property
    def start_file(self) -> Path:
        """The checkpoint that the run started from; it is there where `lineage` is."""
        return self.checkpoints / START_FILE

    def best(self) -> dict[str, Any] | None:
        """The evaluation of the best checkpoint, with the `checkpoint`'s file name; None before the
        first.
        """
        file = self.checkpoints / "best.json"
        if not file.exists():
            return None
        evaluation: dict[str, Any] = read_json(file)
        if not isinstance(evaluation, dict) or not set(evaluation).issuperset(BEST_KEYS):
            raise UsageError(f"{file} is damaged: train anew")
        return evaluation

    def service_pick(self) -> dict[str, Any] | None:
        """The evaluation of the checkpoint that the service would keep, as `service_pick` finds it."""
        return service_pick(self.evaluations().to_dict("records"))

    def laps(self) -> pd.DataFrame:
        """The laps of the training's log, as `racer.laps` gives them: one row an episode.

        Raises UsageError where no episode has been logged yet.

        Examples
        --------
        >>> from racer.training import train
        >>> run = train("center_line", track="oval", steps=2_000)
        >>> run.laps()[["phase", "iteration"]].drop_duplicates().values.tolist()
        [['training', 0]]
        """
        return laps(read_log(self.folder / "training-simtrace"))

    def evaluations(self) -> pd.DataFrame:
        """The evaluations so far, one a row, as evaluations.csv holds them."""
        return read_evaluations(self.folder)

    @property
    def brings_own_reward(self) -> bool:
        """Whether the reward file is the copy in the folder, which may be a stranger's."""
        return self.reward == self.folder / "reward_function.py"

    def reward_has_changed(self) -> bool:
        """Whether the reward file is no longer what the run began with."""
        return self.reward.read_bytes() != (self.folder / "reward_function.py").read_bytes()

    def env_arguments(self) -> dict[str, Any]:
        """Arguments of `racer.DeepRacerVectorEnv` for cars on the track of the run, without noise."""
        return {
            "track": self.track,
            "reward": self.reward,
            "action_space": self.metadata,
            "observation": self.observation,
            "car": self.car,
            "objects": self.obstacle_layout,
            "reverse": self.config.reverse,
            "reward_timeout": self.config.reward_timeout,
        }

    def blocks(self) -> Sequence[str | RecordTable]:
        """A line about the run, and a table of its evaluations."""
        headline = (
            f"{self.folder}: {self.reward.name} on {self.track.title}, car {self.car}, "
            f"seed {self.config.seed}"
        )
        best = self.best()
        if best is None:
            return [f"{headline}; no evaluation yet"]
        table = RecordTable(("steps", "laps", "completion", "mean lap s", "best lap s"))
        for row in self.evaluations().to_dict("records"):
            table.add_row(
                f"{row['steps']:,}",
                f"{row['complete']} of {row['trials']}",
                format_percent(row["completion"] / 100.0),
                format_number(row["lap_time"]),
                format_number(row["best_lap"]),
            )
        kept = self.service_pick() or best
        headline += f"; the best checkpoint is {best['checkpoint']}"
        if kept["checkpoint"] != best["checkpoint"]:
            headline += f", the service would keep {kept['checkpoint']}"
        return [headline, table]

    def to_dict(self) -> dict[str, Any]:
        """The folder, the configuration, and the evaluation of the best checkpoint."""
        return {
            "folder": str(self.folder),
            "config": self.config.model_dump(mode="json"),
            "best": self.best(),
        }


def read_config(folder: Path) -> TrainConfig:
    """The configuration of the run in a folder, whatever else the folder lacks. Raises UsageError."""
    return parse_config(read_story(folder)["config"], str(folder / "run.json"))


def read_evaluations(folder: Path) -> pd.DataFrame:
    """The rows of a run's evaluations.csv; a table of none where there is no such file yet.

    Raises UsageError for a file that is no such table.
    """
    file = folder / "evaluations.csv"
    if not file.exists():
        return pd.DataFrame(columns=EVALUATION_COLUMNS, dtype=float)
    try:
        table = pd.read_csv(file)
    except (ValueError, pd.errors.ParserError) as error:
        raise UsageError(f"{file} is damaged ({error}): train anew") from None
    if not set(EVALUATION_COLUMNS).issubset(table.columns):
        raise UsageError(f"{file} is damaged: it is no table of evaluations; train anew")
    return table


def write_failing_step(run: Run, error: RewardRefused) -> str:
    """How to reproduce what the reward function failed on, which is written into the run, and how
    to go on: lines of text.
    """
    resume = f"when it is mended, go on with: racer train --resume {run.folder}"
    if error.params is None:
        return resume
    file = run.folder / "failing_step.json"
    write_file(file, json.dumps(error.params, default=str, indent=1) + "\n")
    return f"to see it again: racer reward {error.path} {file}\n{resume}"


def write_failure(run: Run, error: RacerError) -> None:
    """Write why a training ended before its time into the run, for whoever lists runs."""
    with suppress(UsageError):  # the disk is full, say: the error itself is said anyway
        write_json(run.folder / FAILURE_FILE, {"message": str(error).partition("\n")[0]})


def read_story(folder: Path) -> dict[str, Any]:
    """What run.json holds, with a "config" in it."""
    file = folder / "run.json"
    if not file.exists():
        raise UsageError(
            f"{folder} is no run of racer: it holds no run.json (racer train makes one)"
        )
    story = read_json(file)
    if not isinstance(story, dict) or not isinstance(story.get("config"), dict):
        raise UsageError(f"{file} is damaged (it lacks config): train anew")
    return story


def _check_whole(folder: Path, story: Mapping[str, Any]) -> None:
    """Raise UsageError where a run folder lacks something that driving needs."""
    lacking = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    lacking += [f"{key} in run.json" for key in REQUIRED_KEYS if key not in story]
    if lacking:
        raise UsageError(f"{folder} is damaged: it lacks {', '.join(lacking)}; train anew")


def _reward_of_run(original: Path, copy: Path) -> Path:
    """The original, where it is a reward file: a run from elsewhere may name any file there is."""
    try:
        if original.suffix == ".py" and b"reward_function" in original.read_bytes():
            return original
    except (OSError, ValueError):  # it is not there, or that is no name of a file
        return copy
    return copy


def _file_or_none(file: Path) -> Path | None:
    if file.is_file():
        return file
    return None
