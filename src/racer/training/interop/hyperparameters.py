"""DeepRacer's `hyperparameters.json` as settings of PPO or SAC here, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from racer.errors import UsageError, did_you_mean
from racer.files import read_json
from racer.training.config import LearnerSettings, parse_model

PPO_KEYS = {
    "batch_size": "batch_size",
    "num_epochs": "n_epochs",
    "lr": "lr",
    "beta_entropy": "ent_coef",
    "discount_factor": "gamma",
}
"""DeepRacer's keys for PPO, and the settings that they are here."""

EPISODES_KEY = {"num_episodes_between_training": "envs"}
"""The key that counts only in a training like the service's, whose cars drive an episode each."""

EPISODES_DEFAULT = {"num_episodes_between_training": 20}

SAC_KEYS = {
    "batch_size": "batch_size",
    "lr": "lr",
    "discount_factor": "gamma",
    "sac_alpha": "sac_alpha",
}

PPO_IGNORED = {
    "stack_size": "the simulator ignores it, and so does racer",
    "term_cond_avg_score": "the simulator ignores it, and so does racer",
    "term_cond_max_episodes": "racer trains for --steps or --minutes",
    "exploration_type": "racer samples from the policy, which is what categorical means",
    "e_greedy_value": "racer samples from the policy",
    "epsilon_steps": "racer samples from the policy",
    "sac_alpha": "racer trains with PPO",
    "loss_type": "the value loss here is the mean squared error",
}
"""DeepRacer's keys that have no counterpart for PPO, and why (docs/simulator.md 7.3)."""

SAC_IGNORED = PPO_IGNORED | {
    "num_epochs": "SAC has no passes over an update's steps",
    "beta_entropy": "SAC weighs entropy by sac_alpha",
    "loss_type": "the loss of the critics here is the mean squared error",
    "num_episodes_between_training": "racer moves SAC's target network a little with every update",
}

PPO_CONSTANTS = {
    "loss_type": "mean squared error",
    "num_episodes_between_training": 20,
    "exploration_type": "categorical",
    "e_greedy_value": 0.05,
    "epsilon_steps": 10000,
    "stack_size": 1,
    "term_cond_max_episodes": 100000,
    "term_cond_avg_score": 100000,
}
"""What a DeepRacer file holds beside the settings that are here too: the simulator's own defaults."""

SAC_CONSTANTS = {
    "loss_type": "mean squared error",
    "num_episodes_between_training": 1,
    "stack_size": 1,
    "term_cond_max_episodes": 100000,
    "term_cond_avg_score": 100000,
}

PPO_DEFAULTS = {
    "batch_size": 64,
    "num_epochs": 10,
    "lr": 3e-4,
    "beta_entropy": 0.01,
    "discount_factor": 0.999,
}
"""What the simulator takes for keys that a file lacks (docs/simulator.md 9.8)."""

SAC_DEFAULTS = {"batch_size": 64, "lr": 3e-4, "discount_factor": 0.999, "sac_alpha": 0.2}

DEEPRACER_DEFAULTS = {"gae_lambda": 0.95, "clip_range": 0.2}
"""Settings of PPO that no DeepRacer file holds, and their values there."""

LEARNER_DIFFERENCES = (
    "an update has the same number of steps of every car here, and whole episodes there",
    "the end of an episode that was cut is worth what the value network says here, and 0 there",
    "advantages are standardized in each minibatch here, and over all steps of an update there",
    "gradients are clipped to a norm of 0.5 here, and not there",
)
"""What PPO does otherwise here, the greatest effect first (docs/simulator.md 9.9)."""

OTHER_NAMES = {
    "batch_size": (
        "batchsize", "minibatch_size", "mini_batch_size", "gradient_descent_batch_size", "sgd_minibatch_size",
    ),
    "num_epochs": (
        "epochs", "n_epochs", "number_of_epochs", "nb_epochs", "ppo_epochs", "update_epochs", "optimization_epochs",
        "num_sgd_iter",
    ),
    "lr": ("learning_rate", "learningrate", "adam_lr", "actor_lr", "step_size"),
    "beta_entropy": ("beta", "ent_coef", "entcoef"),
    "discount_factor": ("gamma", "discount", "discount_rate"),
    "loss_type": ("loss", "loss_function"),
    "num_episodes_between_training": (
        "num_episodes", "episodes_per_iteration", "episodes_between_training",
        "number_of_experience_episodes_between_each_policy_updating_iteration",
    ),
}  # fmt: skip
"""DeepRacer's keys, and what the console and other libraries call them."""

MAX_NAMED_KEYS = 4
CLIP_NAMES = (
    "epsilon", "eps", "clip", "clip_range", "cliprange", "clip_epsilon", "clip_param", "clip_ratio", "clip_coef",
    "ppo_clip",
)  # fmt: skip
LAMBDA_NAMES = ("gae_lambda", "lam", "lambda", "gae_lam")

AS_HERE = (
    ("stack_size", 1),
    ("loss_type", "mean squared error"),
    ("loss_type", "mean_squared_error"),  # docs/simulator.md 9.20
    ("exploration_type", "categorical"),
)
"""Keys without counterpart, and the values by which they say what racer does anyway."""


@dataclass(frozen=True)
class Hyperparameters:
    """Settings from a DeepRacer file; `notes` say what was not taken over and why."""

    settings: LearnerSettings
    notes: tuple[str, ...]


def read_hyperparameters(
    path: str,
    settings: LearnerSettings,
    algorithm: str = "clipped_ppo",
    is_like_service: bool = False,
) -> Hyperparameters:
    """`settings` changed by a `hyperparameters.json`, with a note for every key that has no
    counterpart here. Keys that the file lacks are the simulator's defaults.

    `algorithm` is clipped_ppo or sac. Where the training is like the service's, the episodes of an
    iteration are taken over, too. Raises UsageError.
    """
    table = _check_table(read_json(path), path)
    keys, ignored, defaults = PPO_KEYS, PPO_IGNORED, PPO_DEFAULTS
    if is_like_service:
        keys = PPO_KEYS | EPISODES_KEY
        defaults = PPO_DEFAULTS | EPISODES_DEFAULT
    if algorithm == "sac":
        keys, ignored, defaults = SAC_KEYS, SAC_IGNORED, SAC_DEFAULTS
    values = defaults | table
    changes = {keys[key]: _as_number(value) for key, value in values.items() if key in keys}
    changes["lr_end"] = 1.0  # the real trainer does not lower it
    deepracer_keys = {setting: key for key, setting in (PPO_KEYS | SAC_KEYS | EPISODES_KEY).items()}
    changed = parse_model(
        settings.model_dump() | changes, path, LearnerSettings, key_names=deepracer_keys
    )
    notes = _notes(table, keys, ignored)
    missing = [f"{key} {value:g}" for key, value in defaults.items() if key not in table]
    if missing:
        notes.append(f"not in the file, so as in the simulator: {', '.join(missing)}")
    if is_like_service and table.get("loss_type") == "huber":
        notes.append("loss_type huber: the value loss here is the mean squared error")
    rollout = changed.envs * changed.n_steps
    if changed.batch_size > rollout and not is_like_service:
        notes.append(
            f"batch_size {changed.batch_size} is more than the {rollout} steps of an update: {rollout} is used"
        )
        changed = changed.model_copy(update={"batch_size": rollout})
    return Hyperparameters(changed, tuple(f"{path}: {note}" for note in notes))


def hyperparameters_table(
    settings: LearnerSettings, algorithm: str = "clipped_ppo", is_like_service: bool = False
) -> dict[str, Any]:
    """The settings as the contents of a `hyperparameters.json`. The episodes of an iteration are
    those of a training like the service's, otherwise the simulator's default.
    """
    keys: Mapping[str, str] = PPO_KEYS
    constants: dict[str, Any] = PPO_CONSTANTS
    if algorithm == "sac":
        keys, constants = SAC_KEYS, SAC_CONSTANTS
    table = {key: getattr(settings, setting) for key, setting in keys.items()}
    if is_like_service:
        constants = constants | {"num_episodes_between_training": settings.envs}
    return table | dict(constants)


def hyperparameters_notes(
    settings: LearnerSettings, algorithm: str = "clipped_ppo", is_like_service: bool = False
) -> list[str]:
    """A sentence for each setting that differs from what a `hyperparameters.json` stands for."""
    is_sac = algorithm == "sac"
    notes = []
    if not is_like_service:
        steps = settings.sac_steps if is_sac else settings.envs * settings.n_steps
        notes.append(
            f"the policy is updated every {steps:,} steps here, after num_episodes_between_training episodes there"
        )
    if settings.normalize_reward:
        notes.append("rewards are divided by the deviation of the return here, not there")
    if settings.lr_end < 1.0:
        notes.append(f"the learning rate falls to {settings.lr_end:.0%} here, and stays there")
    if not is_sac:
        for name, default in DEEPRACER_DEFAULTS.items():
            value = getattr(settings, name)
            if value != default:
                notes.append(f"{name} is {value:g} here, {default:g} there")
        if not is_like_service:
            notes += LEARNER_DIFFERENCES
        if settings.log_std_init:
            notes.append(
                f"the log of the deviation starts at {settings.log_std_init:g} here, 0 there"
            )
    return notes


def _notes(
    table: Mapping[str, Any], keys: Mapping[str, str], ignored: Mapping[str, str]
) -> list[str]:
    """A sentence for every key that is not taken over, unless it says what racer does anyway."""
    known = [*keys, *ignored, "num_episodes_between_training"]
    notes = []
    for key, value in table.items():
        if key in keys or (key, value) in AS_HERE:
            continue
        if key in ignored:
            notes.append(f"{key} {value} has no counterpart: {ignored[key]}")
        elif key in known:
            notes.append(
                f"{key} {value}: racer updates its policy after a number of steps, not of episodes (envs x n_steps)"
            )
        else:
            notes.append(f"unknown key {key!r} is ignored{_suggestion(key, known)}")
    return notes


def _suggestion(key: str, known: Sequence[str]) -> str:
    """What an unknown key may stand for: by its meaning, else by its letters."""
    word = re.sub(r"\W+", "_", key.lower()).strip("_")
    if word in CLIP_NAMES:
        return ": the clip range cannot be set, it is 0.2 in the simulator"
    if word in LAMBDA_NAMES:
        return ": the lambda of the advantage cannot be set, it is 0.95 in the simulator"
    if word.startswith("entropy"):
        return ": it is called 'beta_entropy' here"
    for name, others in OTHER_NAMES.items():
        if word in others or word == name:
            return f": it is called {name!r} here"
    return did_you_mean(key, known)


def _check_table(table: object, path: str) -> dict[str, Any]:
    """The table, if it is one of hyperparameters. Raises UsageError."""
    if not isinstance(table, dict):
        raise UsageError(f'{path} must hold a JSON object such as {{"lr": 0.0003}}')
    known = [*(PPO_KEYS | SAC_KEYS), *PPO_IGNORED, "num_episodes_between_training"]
    if not table or not table.keys().isdisjoint(known):
        return table
    hints = [f"{key!r}{_suggestion(key, known)}" for key in list(table)[:MAX_NAMED_KEYS]]
    raise UsageError(
        f"{path}: this is no hyperparameters file: none of its keys is known ({'; '.join(hints)}). "
        f"There are {', '.join(PPO_KEYS)}"
    )


def _as_number(value: Any) -> Any:
    """A number that was written as text, as DeepRacer for Cloud's tools sometimes do."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value
