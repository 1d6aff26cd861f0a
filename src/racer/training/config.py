"""The configuration of a training: which reward, track, car and actions, how long, and how to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from racer.errors import UsageError, did_you_mean
from racer.sensors import has_pictures, parse_observations
from racer.track import DEFAULT_TRACK
from racer.vehicle import DEFAULT_CAMERA

Model = TypeVar("Model", bound=BaseModel)

PICTURE_DEFAULTS = {
    "envs": 32,
    "n_steps": 64,
    "batch_size": 256,
    "n_epochs": 4,
    "lr": 5e-4,
    "sac_memory": 10_000,
}
"""Defaults of the settings where a network sees pictures: fewer passes, as each costs a hundred times as much."""

SERVICE = "service"
"""How a training is like that of the service, as `like` names it."""

SERVICE_SETTINGS = {
    "envs": 20,
    "batch_size": 64,
    "n_epochs": 10,
    "lr": 3e-4,
    "lr_end": 1.0,
    "gamma": 0.999,
    "ent_coef": 0.01,
    "log_std_init": 0.0,
    "net_arch": (512,),
    "normalize_reward": False,
}
"""Defaults of the settings like the service's (docs/simulator.md 7.2, 7.3, 9.8)."""

SERVICE_DEFAULTS = {
    "observation": "sensors",
    "noise": "jitter",
    "trial_starts": "round_robin",
    "traced_cars": 1_000,
    "steps": 100_000,
}
"""Other defaults like the service's: what the job's metadata says it sees, and all its episodes in the log."""

FINE_TUNING_DEFAULTS = {"lr": 1e-4, "log_std_init": -1.5}
"""Defaults where a policy that can drive already is fine-tuned after a teacher's lessons."""

LESSON_STEPS = 6_144
"""Default steps of lessons on one track."""

VARIED_LESSON_STEPS = 24_576
"""Default steps of lessons on several tracks, or with visual randomization."""

OBSTACLE_LESSON_STEPS = 73_728
"""Default steps of lessons among obstacles."""


class LearnerSettings(BaseModel):
    """Settings of PPO and SAC. `benchmarks/learning.py` chose the defaults; docs/training.md says why."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    envs: int = Field(
        64,
        ge=1,
        description="cars that drive at once; like the service, the episodes of an iteration",
    )
    n_steps: int = Field(
        64, ge=1, description="steps of each car between two updates of the policy"
    )
    batch_size: int = Field(1024, ge=2, description="steps of a minibatch")
    n_epochs: int = Field(10, ge=1, description="passes over the steps of an update")
    lr: float = Field(1e-3, gt=0, description="learning rate of Adam")
    lr_end: float = Field(
        0.1,
        ge=0,
        le=1,
        description="fraction of the learning rate that is left at the end, falling linearly",
    )
    lr_steps: int | None = Field(
        None, ge=1, description="steps over which it falls; by default those of the training"
    )
    gamma: float = Field(0.99, ge=0, le=1, description="discount factor")
    gae_lambda: float = Field(
        0.95, ge=0, le=1, description="bias against variance of the advantage"
    )
    clip_range: float = Field(0.2, gt=0, description="how far an update may move the policy")
    ent_coef: float = Field(0.0, ge=0, description="weight of the entropy bonus")
    log_std_init: float = Field(
        -0.5, description="log of the initial exploration of continuous actions"
    )
    net_arch: tuple[int, ...] = Field((64, 64), description="units of the hidden layers")
    normalize_reward: bool = Field(
        True, description="divide rewards by the running deviation of the discounted return"
    )
    sac_alpha: float = Field(0.2, ge=0, description="SAC: weight of the entropy")
    sac_memory: int = Field(50_000, ge=1, description="SAC: steps in the replay memory")
    sac_steps: int = Field(64, ge=1, description="SAC: steps of all cars for each update")


class TrainConfig(BaseModel):
    """The configuration of one run. It holds names and paths only, so that it is JSON as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reward: str = Field(description="a shipped reward function's name, or a file")
    from_run: str | None = Field(
        None, description="the folder of a run whose policy the training starts from"
    )
    from_checkpoint: str = Field(
        "best", description="which policy of that run: best, service, last, or a number of steps"
    )
    like: Literal["racer", "service"] = Field(
        "racer",
        description="how to learn: racer's own way, the sooner one, or as the service does, "
        "iteration by iteration",
    )
    track: str = Field(DEFAULT_TRACK, description="a track's name, .toml or .npy file")
    reverse: bool = Field(False, description="drive the track in the other direction")
    car: str | None = Field(
        None, description="v4, v5 or v6; by default what the action space's version says, else v6"
    )
    action_space: str | None = Field(
        None, description="a model_metadata.json; by default continuous over the car's known range"
    )
    hyperparameters: str | None = Field(None, description="a DeepRacer hyperparameters.json")
    noise: str = Field("none", description="none, jitter or robust")
    objects: str | dict[str, Any] | None = Field(
        None,
        description="none, boxes, random_boxes, bots, or a .toml file or table of the simulator's settings of them",
    )
    seed: int = Field(0, ge=0, description="seed of every random generator")
    steps: int = Field(300_000, ge=1, description="steps of all cars together")
    minutes: float | None = Field(None, gt=0, description="train for so long instead")
    iterations: int | None = Field(
        None, ge=1, description="like the service: train for so many iterations instead"
    )
    start_offset: float = Field(
        0.0, ge=0, lt=1, description="fraction of the lap where the first episode starts"
    )
    start_advance: float = Field(
        0.05, ge=0, lt=1, description="fraction of the lap by which the start moves on each episode"
    )
    trial_starts: Literal["spread", "round_robin"] = Field(
        "spread",
        description="where the laps of evaluations begin: spread around the track, or round_robin: "
        "all where the next episode would, without a time limit, as in the simulator",
    )
    alternate_direction: bool = Field(
        False, description="drive every other episode in the other direction"
    )
    reward_timeout: float = Field(
        5.0, ge=0, description="s that one call of the reward function may take, 0 for no limit"
    )
    evaluate_every: int = Field(
        16_384,
        ge=1,
        description="steps between two evaluations, which are also the iterations of the log",
    )
    traced_cars: int = Field(
        8,
        ge=0,
        description="cars whose steps are written to the training log; more where they bring fewer than 20 episodes",
    )
    observation: str = Field(
        "features",
        description="what the policy sees: features, camera, camera:80x60, stereo, lidar, ... or sensors",
    )
    network: str | None = Field(
        None, description="by default what the action space's file says, else by the pictures"
    )
    look: str = Field(
        "none",
        description="how pictures vary between episodes of training: none, simulator or strong",
    )
    teacher: bool = Field(False, description="learn from a policy that was trained on features")
    also_tracks: tuple[str, ...] = Field((), description="more tracks that a teacher teaches on")
    fine_tune: int = Field(0, ge=0, description="steps of PPO after the teacher's lessons")
    settings: LearnerSettings = Field(default_factory=lambda: LearnerSettings.model_validate({}))

    @field_validator("observation")
    @classmethod
    def _check_observation(cls, text: str) -> str:
        try:
            parse_observations(text, (DEFAULT_CAMERA,))
        except UsageError as error:
            raise ValueError(str(error)) from None
        return text

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, table: Any) -> Any:
        """Add the defaults that depend on other keys: those for pictures and those for lessons."""
        if not isinstance(table, dict):
            return table
        if table.get("like") == SERVICE:
            table = SERVICE_DEFAULTS | table
        observation = table.get("observation", "features")
        settings = table.get("settings", {})
        if not isinstance(observation, str) or not isinstance(settings, dict):
            return table
        defaults: dict[str, Any] = {}
        if table.get("like") == SERVICE:
            defaults |= SERVICE_SETTINGS
        elif _shows_pictures(observation):
            defaults |= PICTURE_DEFAULTS
        if table.get("teacher"):
            table = {"steps": _default_lesson_steps(table)} | table
            defaults |= FINE_TUNING_DEFAULTS
        if not defaults:
            return table
        return table | {"settings": defaults | settings}

    @property
    def is_like_service(self) -> bool:
        """Whether the policy learns as the service's does."""
        return self.like == SERVICE

    @model_validator(mode="after")
    def _check_iterations(self) -> Self:
        if self.iterations is not None and not self.is_like_service:
            raise ValueError("iterations are the service's: --like service, or say --steps")
        if self.iterations is not None and self.minutes is not None:
            raise ValueError("iterations and minutes both say how long: give one of them")
        return self

    @model_validator(mode="after")
    def _check_teacher(self) -> Self:
        if self.teacher and self.is_like_service:
            raise ValueError("the service has no teacher: leave out --teacher, or --like service")
        if self.teacher and self.observation == "features":
            raise ValueError(
                "a teacher sees features itself: name what its student sees with --observation camera"
            )
        for name in ("fine_tune", "also_tracks"):
            if getattr(self, name) and not self.teacher:
                raise ValueError(f"{name} needs a teacher: --teacher")
        if self.fine_tune and (self.minutes or self.also_tracks):
            raise ValueError("fine_tune goes on after a number of --steps, on one track")
        return self


def _default_lesson_steps(table: dict[str, Any]) -> int:
    """How many steps of lessons the other keys of a table call for."""
    if table.get("objects") not in (None, "none"):
        return OBSTACLE_LESSON_STEPS
    if table.get("also_tracks") or table.get("look", "none") != "none":
        return VARIED_LESSON_STEPS
    return LESSON_STEPS


def _shows_pictures(observation: str) -> bool:
    """Whether an observation has pictures; False where it cannot be parsed."""
    try:
        return has_pictures(parse_observations(observation, (DEFAULT_CAMERA,)))
    except UsageError:
        return False


class ConfigErrors(UsageError):
    """A table that is no configuration: `source` is its name, `sentences` say what is wrong."""

    def __init__(self, source: str, sentences: Sequence[str]) -> None:
        super().__init__(f"{source}: {'; '.join(sentences)}")
        self.source = source
        self.sentences = tuple(sentences)


def parse_config(table: dict[str, Any], source: str) -> TrainConfig:
    """`table` as a configuration. Raises ConfigErrors, whose text begins with `source`.

    Examples
    --------
    >>> parse_config({"reward": "center_line", "seed": 3}, "my experiment").seed
    3
    >>> parse_config({"reward": "center_line", "sede": 3}, "my experiment")
    Traceback (most recent call last):
    racer.training.config.ConfigErrors: my experiment: unknown key 'sede': did you mean 'seed'?
    """
    return parse_model(table, source, TrainConfig)


def parse_model(
    table: dict[str, Any],
    source: str,
    model: type[Model],
    key_names: Mapping[str, str] | None = None,
) -> Model:
    """`table` as a validated `model`. Raises ConfigErrors with a sentence for each mistake.

    The sentences call a key by its name in `key_names`, where it has one there.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        sentences = [_sentence(model, details, key_names or {}) for details in error.errors()]
        raise ConfigErrors(source, sentences) from None


def _sentence(model: type[BaseModel], details: Any, key_names: Mapping[str, str]) -> str:
    key = ".".join(map(str, details["loc"]))
    key = key_names.get(key, key)
    if details["type"] == "extra_forbidden":
        is_setting = details["loc"][0] == "settings"
        fields = LearnerSettings.model_fields if is_setting else model.model_fields
        return f"unknown key {key!r}{did_you_mean(str(details['loc'][-1]), list(fields))}"
    if details["type"] == "missing":
        return f"{key!r} is missing"
    message = details["msg"]
    return f"{key!r}: {message[:1].lower()}{message[1:]}, not {details['input']!r}"
