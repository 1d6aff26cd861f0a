"""What a training is told: which reward, track, car and actions, how long, and PPO's settings."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from racer.errors import UsageError, did_you_mean
from racer.sensors.observation import has_pictures, parse_observations
from racer.vehicle.action_space import DEFAULT_CAMERA

PICTURE_DEFAULTS = {
    "envs": 32,
    "n_steps": 64,
    "batch_size": 256,
    "n_epochs": 4,
    "lr": 5e-4,
    "sac_memory": 10_000,
}
"""Settings that are the default where a network sees pictures: fewer passes, for each costs a hundred times as much."""

FINE_TUNING_DEFAULTS = {"lr": 1e-4, "log_std_init": -1.5}
"""The same where a policy that can drive already is fine-tuned after a teacher's lessons."""
LESSONS, VARIED_LESSONS, LESSONS_AMONG_OBJECTS = 6_144, 24_576, 73_728
"""Steps of lessons unless told otherwise: on one track, on several or with looks that vary, among objects."""


class LearnerSettings(BaseModel):
    """PPO's settings. The defaults were chosen by `benchmarks/learning.py`; docs/training.md says
    why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    envs: int = Field(64, ge=1, description="cars that drive at once")
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
        description="share of the learning rate that is left at the end, falling linearly",
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
    sac_memory: int = Field(
        50_000, ge=1, description="SAC: steps that it learns from again and again"
    )
    sac_steps: int = Field(64, ge=1, description="SAC: steps of all cars for each update")


class TrainConfig(BaseModel):
    """One training run. Names and paths only, so that it is JSON as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reward: str = Field(description="a shipped reward function's name, or a file")
    track: str = Field("reinvent_2018", description="a track's name, .toml or .npy file")
    reverse: bool = Field(False, description="drive the track the other way")
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
        description="none, boxes, random_boxes, bots, or a .toml file or table of the simulator's words about them",
    )
    seed: int = Field(0, ge=0, description="of everything random")
    steps: int = Field(300_000, ge=1, description="steps of all cars together")
    minutes: float | None = Field(None, gt=0, description="train for so long instead")
    start_offset: float = Field(
        0.0, ge=0, lt=1, description="share of the lap where the first episode starts"
    )
    start_advance: float = Field(
        0.05, ge=0, lt=1, description="share of the lap by which the start moves on each episode"
    )
    alternate_direction: bool = Field(
        False, description="drive every other episode the other way round"
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
        8, ge=0, description="cars whose steps are written to the training log"
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
    def _known_sensors(cls, words: str) -> str:
        try:
            parse_observations(words, (DEFAULT_CAMERA,))
        except UsageError as error:
            raise ValueError(str(error)) from None
        return words

    @model_validator(mode="before")
    @classmethod
    def _suited_to_pictures(cls, table: Any) -> Any:
        """The table with the settings that pictures need, where it says nothing else."""
        if not isinstance(table, dict):
            return table
        words, settings = table.get("observation", "features"), table.get("settings", {})
        if not isinstance(words, str) or not isinstance(settings, dict):
            return table
        usual: dict[str, Any] = PICTURE_DEFAULTS if _shows_pictures(words) else {}
        if table.get("teacher"):
            table = {"steps": _lessons(table)} | table
            usual = usual | FINE_TUNING_DEFAULTS
        return table | {"settings": usual | settings} if usual else table

    @model_validator(mode="after")
    def _taught(self) -> Self:
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


def _lessons(table: dict[str, Any]) -> int:
    """How many steps of lessons are usual for what a table says."""
    if table.get("objects") not in (None, "none"):
        return LESSONS_AMONG_OBJECTS
    return (
        VARIED_LESSONS
        if table.get("also_tracks") or table.get("look", "none") != "none"
        else LESSONS
    )


def _shows_pictures(words: str) -> bool:
    """Whether an observation has pictures; False for one that there is not."""
    try:
        return has_pictures(parse_observations(words, (DEFAULT_CAMERA,)))
    except UsageError:
        return False


def parse_config(table: dict[str, Any], source: str, model: type[BaseModel] = TrainConfig) -> Any:
    """`table` as a validated `model`; UsageError with a sentence for each thing that is wrong in
    `where`.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise UsageError(
            f"{source}: " + "; ".join(_sentence(model, e) for e in error.errors())
        ) from None


def _sentence(model: type[BaseModel], error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = (
            list(LearnerSettings.model_fields)
            if error["loc"][0] == "settings"
            else list(model.model_fields)
        )
        return f"unknown key {place!r}{did_you_mean(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{place!r} is missing"
    return f"{place!r}: {error['msg'][:1].lower()}{error['msg'][1:]}, not {error['input']!r}"
