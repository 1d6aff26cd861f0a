"""DeepRacer's `hyperparameters.json` in terms of PPO here: what it maps to, and what has no
counterpart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.errors import UsageError, did_you_mean
from racer.training.config import LearnerSettings, parse_config

PPO_KEYS = {
    "batch_size": "batch_size",
    "num_epochs": "n_epochs",
    "lr": "lr",
    "beta_entropy": "ent_coef",
    "discount_factor": "gamma",
}
SAC_KEYS = {
    "batch_size": "batch_size",
    "lr": "lr",
    "discount_factor": "gamma",
    "sac_alpha": "sac_alpha",
}
SAC_IGNORED = {
    "num_epochs": "SAC has no passes over an update's steps",
    "beta_entropy": "SAC weighs entropy by sac_alpha",
    "loss_type": "the loss of the critics here is the mean squared error",
    "num_episodes_between_training": "racer moves SAC's target network a little with every update",
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
"""What a DeepRacer file says beside the settings that PPO has here too: the simulator's own defaults."""

SAC_CONSTANTS = {
    "loss_type": "mean squared error",
    "num_episodes_between_training": 1,
    "stack_size": 1,
    "term_cond_max_episodes": 100000,
    "term_cond_avg_score": 100000,
}


@dataclass(frozen=True)
class Hyperparameters:
    """PPO settings from a DeepRacer file; `notes` say what was not taken over and why."""

    settings: LearnerSettings
    notes: tuple[str, ...]


def read_hyperparameters(
    path: str, settings: LearnerSettings, algorithm: str = "clipped_ppo"
) -> Hyperparameters:
    """`settings` changed by a `hyperparameters.json`, with a note for every key that has no
    counterpart here.
    """
    table = _table(path)
    mapped, silent = (
        (SAC_KEYS, PPO_IGNORED | SAC_IGNORED) if algorithm == "sac" else (PPO_KEYS, PPO_IGNORED)
    )
    known = [*mapped, *silent, "num_episodes_between_training"]
    changes: dict[str, Any] = {
        mapped[key]: _number(value) for key, value in table.items() if key in mapped
    }
    notes = [_note(key, table[key], known, silent) for key in table if key not in mapped]
    if "lr" in changes:
        changes["lr_end"] = 1.0  # the real trainer does not lower it
    made = _parsed(settings.model_dump() | changes, path)
    rollout = made.envs * made.n_steps
    if "batch_size" in changes and made.batch_size > rollout:
        notes.append(
            f"batch_size {made.batch_size} is more than the {rollout} steps of an update: {rollout} is used"
        )
        made = made.model_copy(update={"batch_size": rollout})
    return Hyperparameters(made, tuple(f"{path}: {note}" for note in notes if note))


def hyperparameters_table(
    settings: LearnerSettings, algorithm: str = "clipped_ppo"
) -> dict[str, Any]:
    """The settings as the contents of a `hyperparameters.json`."""
    mapped, rest = (SAC_KEYS, SAC_CONSTANTS) if algorithm == "sac" else (PPO_KEYS, PPO_CONSTANTS)
    return {theirs: getattr(settings, ours) for theirs, ours in mapped.items()} | rest


def hyperparameters_notes(settings: LearnerSettings, algorithm: str = "clipped_ppo") -> list[str]:
    """A sentence for each setting that a `hyperparameters.json` cannot say, and that is not what is
    fixed there.
    """
    update = settings.sac_steps if algorithm == "sac" else settings.envs * settings.n_steps
    told = [
        f"the policy is updated every {update:,} steps here, after num_episodes_between_training episodes there",
        "rewards are divided by the deviation of the return here, not there"
        if settings.normalize_reward
        else "",
        f"the learning rate falls to {settings.lr_end:.0%} here, and stays there"
        if settings.lr_end < 1.0
        else "",
    ]
    for name, fixed in (("gae_lambda", 0.95), ("clip_range", 0.2)) if algorithm != "sac" else ():
        value = getattr(settings, name)
        told.append(f"{name} is {value:g} here, {fixed:g} there" if value != fixed else "")
    return [sentence for sentence in told if sentence]


def _parsed(table: dict[str, Any], path: str) -> LearnerSettings:
    """The settings in a table; a complaint about them is in DeepRacer's words."""
    try:
        made = parse_config(table, path, LearnerSettings)
    except UsageError as error:
        complaint = str(error)
        for theirs, ours in (PPO_KEYS | SAC_KEYS).items():
            complaint = complaint.replace(f"{ours!r}: ", f"{theirs!r}: ")
        raise UsageError(complaint) from None
    assert isinstance(made, LearnerSettings)
    return made


def _note(key: str, value: Any, known: list[str], silent: dict[str, str]) -> str:
    if key not in known:
        return f"unknown key {key!r}{did_you_mean(key, known)}; it is ignored"
    if key == "num_episodes_between_training" and key not in silent:
        return f"{key} {value}: racer updates its policy after a number of steps, not of episodes (envs x n_steps)"
    if (key, value) in [
        ("stack_size", 1),
        ("loss_type", "mean squared error"),
        ("exploration_type", "categorical"),
    ]:
        return ""
    return f"{key} {value} has no counterpart: {silent[key]}"


def _number(value: Any) -> Any:
    """A number that was written as text, as DeepRacer for Cloud's tools sometimes do."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _table(path: str) -> dict[str, Any]:
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"there is no hyperparameters file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    if not isinstance(table, dict):
        raise UsageError(f'{path} must hold a JSON object such as {{"lr": 0.0003}}')
    return table
