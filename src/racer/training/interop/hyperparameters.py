"""DeepRacer's `hyperparameters.json` as settings of PPO or SAC here, and back."""

from __future__ import annotations

from collections.abc import Mapping
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

DEEPRACER_DEFAULTS = {"gae_lambda": 0.95, "clip_range": 0.2}
"""Settings of PPO that no DeepRacer file holds, and their values there."""

AS_HERE = (
    ("stack_size", 1),
    ("loss_type", "mean squared error"),
    ("exploration_type", "categorical"),
)
"""Keys without counterpart, and the values by which they say what racer does anyway."""


@dataclass(frozen=True)
class Hyperparameters:
    """Settings from a DeepRacer file; `notes` say what was not taken over and why."""

    settings: LearnerSettings
    notes: tuple[str, ...]


def read_hyperparameters(
    path: str, settings: LearnerSettings, algorithm: str = "clipped_ppo"
) -> Hyperparameters:
    """`settings` changed by a `hyperparameters.json`, with a note for every key that has no
    counterpart here.

    `algorithm` is clipped_ppo or sac. Raises UsageError.
    """
    table = read_json(path)
    if not isinstance(table, dict):
        raise UsageError(f'{path} must hold a JSON object such as {{"lr": 0.0003}}')
    keys, ignored = PPO_KEYS, PPO_IGNORED
    if algorithm == "sac":
        keys, ignored = SAC_KEYS, SAC_IGNORED
    changes = {keys[key]: _as_number(value) for key, value in table.items() if key in keys}
    if "lr" in changes:
        changes["lr_end"] = 1.0  # the real trainer does not lower it
    deepracer_keys = {setting: key for key, setting in (PPO_KEYS | SAC_KEYS).items()}
    changed = parse_model(
        settings.model_dump() | changes, path, LearnerSettings, key_names=deepracer_keys
    )
    notes = _notes(table, keys, ignored)
    rollout = changed.envs * changed.n_steps
    if "batch_size" in changes and changed.batch_size > rollout:
        notes.append(
            f"batch_size {changed.batch_size} is more than the {rollout} steps of an update: {rollout} is used"
        )
        changed = changed.model_copy(update={"batch_size": rollout})
    return Hyperparameters(changed, tuple(f"{path}: {note}" for note in notes))


def hyperparameters_table(
    settings: LearnerSettings, algorithm: str = "clipped_ppo"
) -> dict[str, Any]:
    """The settings as the contents of a `hyperparameters.json`."""
    keys: Mapping[str, str] = PPO_KEYS
    constants: Mapping[str, Any] = PPO_CONSTANTS
    if algorithm == "sac":
        keys, constants = SAC_KEYS, SAC_CONSTANTS
    table = {key: getattr(settings, setting) for key, setting in keys.items()}
    return table | dict(constants)


def hyperparameters_notes(settings: LearnerSettings, algorithm: str = "clipped_ppo") -> list[str]:
    """A sentence for each setting that differs from what a `hyperparameters.json` stands for."""
    is_sac = algorithm == "sac"
    steps = settings.sac_steps if is_sac else settings.envs * settings.n_steps
    notes = [
        f"the policy is updated every {steps:,} steps here, after num_episodes_between_training episodes there"
    ]
    if settings.normalize_reward:
        notes.append("rewards are divided by the deviation of the return here, not there")
    if settings.lr_end < 1.0:
        notes.append(f"the learning rate falls to {settings.lr_end:.0%} here, and stays there")
    if not is_sac:
        for name, default in DEEPRACER_DEFAULTS.items():
            value = getattr(settings, name)
            if value != default:
                notes.append(f"{name} is {value:g} here, {default:g} there")
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
            notes.append(f"unknown key {key!r}{did_you_mean(key, known)}; it is ignored")
    return notes


def _as_number(value: Any) -> Any:
    """A number that was written as text, as DeepRacer for Cloud's tools sometimes do."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value
