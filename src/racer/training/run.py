"""A run on disk: a folder that holds the whole story of a training, laid out as DeepRacer for Cloud
lays out its own.

| file | what it holds |
|---|---|
| `run.json` | the configuration, written before step 0, with versions and git hash |
| `reward_function.py`, `track.npy`, `model/model_metadata.json` | copies of what was trained with |
| `hyperparameters.json` | the same, where one was given |
| `checkpoints/N.pt` | the policy after N steps |
| `checkpoints/best.json` | which of them is best, with its evaluation |
| `checkpoints/state.pt` | everything that a resumed training needs |
| `evaluations.csv` | one row an evaluation |
| `training-simtrace/N-iteration.csv`, `metrics/TrainingMetrics.json` | the log in the simulator's own format |
| `logs/trainer.log` | a line for each update of the policy, in the words of the real trainer's log |
| `tensorboard/` | curves |
"""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from racer import __version__
from racer.errors import UsageError
from racer.files import make_folder, write_file, write_json
from racer.reward import load_reward as load_reward
from racer.sensors.camera.randomization import find_randomization
from racer.sensors.observation import (
    METADATA_OBSERVATIONS,
    PICTURE_KINDS,
    PICTURE_SIZE_PX,
    parse_observations,
    picture_size,
    sensor_kind,
)
from racer.sim.noise import read_noise
from racer.sim.obstacle_layout import ObstacleLayout, read_obstacle_layout
from racer.track import library, route
from racer.track.track import Track
from racer.training.config import TrainConfig, parse_config
from racer.training.interop import hyperparameters
from racer.training.networks import SMALL, convolved_size, find_network
from racer.vehicle.action_space import (
    DEFAULT_NETWORK,
    ActionSpace,
    Metadata,
    read_metadata,
    write_metadata,
)
from racer.vehicle.car import car_preset

RECORDED_PACKAGES = ("numpy", "numba", "gymnasium", "torch", "stable-baselines3")
REQUIRED_FILES = ("reward_function.py", "track.npy", "model/model_metadata.json")  # in every run
METADATA_VERSIONS = {
    "v4": 4.0,
    "v5": 5.0,
    "v6": 6.0,
}  # of model_metadata.json, for each car generation


@dataclass(frozen=True)
class Run:
    """A run folder and the configuration that it was made with."""

    folder: Path
    config: TrainConfig

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def state(self) -> Path:
        return self.checkpoints / "state.pt"

    @property
    def track(self) -> Track:
        story = self._story
        return route.load_route(
            self.folder / "track.npy", name=story["track"], title=story["track_title"]
        )

    @property
    def _story(self) -> dict[str, Any]:
        story: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return story

    @property
    def metadata(self) -> Metadata:
        return read_metadata(self.folder / "model" / "model_metadata.json")

    @property
    def observation(self) -> tuple[str, ...]:
        """The sensors that the policy perceives, as `racer.sensors.observation` names them."""
        return parse_observations(self.config.observation, self.metadata.sensor)

    @property
    def network(self) -> str | None:
        """The network's name where the policy has sensors; None for the one that sees features
        only.
        """
        return self.metadata.neural_network if self.observation != ("features",) else None

    @property
    def more_tracks(self) -> tuple[Path, ...]:
        """The files of the other tracks that a teacher teaches on."""
        return tuple(sorted((self.folder / "tracks").glob("*.npy")))

    @property
    def objects(self) -> ObstacleLayout | None:
        """The objects of the race, as they were when the run began."""
        return read_obstacle_layout(self._story.get("objects"))

    @property
    def hyperparameters(self) -> Path | None:
        """The copy of the hyperparameters.json that was given, None when none was."""
        file = self.folder / "hyperparameters.json"
        return file if file.is_file() else None

    @property
    def reward(self) -> Path:
        """The reward file: the original if it is still there, else the run's copy."""
        origin = Path(self._story["reward_file"])
        return origin if origin.is_file() else self.folder / "reward_function.py"

    @property
    def reward_has_changed(self) -> bool:
        """Whether the reward file is no longer what the run began with."""
        return self.reward.read_bytes() != (self.folder / "reward_function.py").read_bytes()

    def best(self) -> dict[str, Any] | None:
        """The evaluation of the best checkpoint, with its `checkpoint` file's name; None when there
        is none yet.
        """
        file = self.checkpoints / "best.json"
        return json.loads(file.read_text()) if file.exists() else None


def create_run(config: TrainConfig, folder: Path, home: Path | None = None) -> Run:
    """A new run folder, with everything in it that is known before step 0.

    UsageError when there is a run already, and when something in `config` is wrong: then nothing is
    written.
    """
    if (folder / "run.json").exists():
        raise UsageError(
            f"{folder} holds a run already: continue it with --resume {folder}, or name another folder with --out"
        )
    track = library.load_track(config.track, home=home)
    reward = load_reward(config.reward)
    metadata = _metadata(config)
    _check(config, metadata)
    more = [library.load_track(name, home=home) for name in config.also_tracks]
    _make_folders(folder)
    route.save_route(track, folder / "track.npy")
    if more:
        (folder / "tracks").mkdir(exist_ok=True)
    for other in more:
        route.save_route(other, make_folder(folder / "tracks") / f"{other.name}.npy")
    write_metadata(metadata, folder / "model" / "model_metadata.json")
    write_file(folder / "reward_function.py", reward.path.read_bytes())
    if config.hyperparameters is not None:
        write_file(folder / "hyperparameters.json", Path(config.hyperparameters).read_bytes())
    found = read_obstacle_layout(config.objects)
    story = {
        "config": config.model_dump(),
        "reward_file": str(reward.path.resolve()),
        "track": track.name,
        "track_title": track.title,
        "car": config.car or metadata.car,
        "objects": None if found is None else asdict(found),
        "versions": {"racer": __version__} | {name: version(name) for name in RECORDED_PACKAGES},
        "python": platform.python_version(),
        "git": _git(folder),
    }
    write_json(folder / "run.json", story)
    return Run(folder, config)


def open_run(folder: Path) -> Run:
    """The run in a folder. UsageError when there is none."""
    file = folder / "run.json"
    try:
        story = json.loads(file.read_bytes())
        if "config" not in story:
            raise ValueError("it lacks config")
        config = parse_config(story["config"], str(file))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} is no run of racer: it holds no run.json (racer train makes one)"
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is damaged ({error}): train anew") from None
    return Run(folder, config)


def check_run_files(run: Run) -> None:
    """UsageError when a run folder lacks something that driving needs."""
    lacking = [part for part in REQUIRED_FILES if not (run.folder / part).is_file()]
    lacking += [
        f"{name} in run.json"
        for name in ("reward_file", "track", "track_title")
        if name not in run._story
    ]
    if lacking:
        raise UsageError(f"{run.folder} is damaged: it lacks {', '.join(lacking)}; train anew")


def _check(config: TrainConfig, metadata: Metadata) -> None:
    """UsageError for what would otherwise come to light when the cars are made, after the run was."""
    car_preset(config.car or metadata.car)
    if config.network is not None:
        find_network(config.network)
    if config.teacher and metadata.training_algorithm == "sac":
        raise UsageError(
            "a teacher and its student learn with PPO's networks; this action space says sac"
        )
    read_noise(config.noise)
    find_randomization(config.look)
    read_obstacle_layout(config.objects)
    if config.hyperparameters is not None:
        hyperparameters.read_hyperparameters(
            config.hyperparameters, config.settings, metadata.training_algorithm
        )


def _make_folders(folder: Path) -> None:
    try:
        for part in ("checkpoints", "model", "metrics", "training-simtrace"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from None


def _metadata(config: TrainConfig) -> Metadata:
    car = car_preset(config.car or "v6")
    given = read_metadata(config.action_space) if config.action_space is not None else None
    found = given or Metadata(ActionSpace.default(car), version=METADATA_VERSIONS[car.name])
    names = parse_observations(config.observation, found.sensor)
    if names == ("features",):
        if config.network is not None:
            raise UsageError(
                f"--network {config.network} is for sensors: name them with --observation camera"
            )
        return found
    whole = any(
        sensor_kind(name) in PICTURE_KINDS and picture_size(name) == PICTURE_SIZE_PX
        for name in names
    )
    chosen = config.network or (
        (given.neural_network if given else DEFAULT_NETWORK) if whole else SMALL
    )
    for name in names:
        if sensor_kind(name) in PICTURE_KINDS:
            sizes = find_network(chosen)
            convolved_size(
                *picture_size(name)[::-1],
                sizes.stereo if sensor_kind(name) == "stereo" else sizes.camera,
            )
    return replace(found, sensor=_worn(names) or found.sensor, neural_network=chosen)


def _worn(names: tuple[str, ...]) -> tuple[str, ...]:
    """The sensors in the words of `model_metadata.json`; empty where these have no words for them."""
    words = {
        called: sensor
        for sensor, called in METADATA_OBSERVATIONS.items()
        if sensor not in ("observation", "LEFT_CAMERA")
    }
    has_camera = any(sensor_kind(name) in PICTURE_KINDS for name in names)
    return (
        tuple(words[sensor_kind(name)] for name in names)
        if has_camera and not {"features", "objects"} & {*names}
        else ()
    )


def _git(folder: Path) -> str | None:
    """The commit that the folder is in, if it is in a git checkout and git is here."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
