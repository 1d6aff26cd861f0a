"""What is known about a job beside its steps: a record whose every field is empty where no file says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from racer.actions import ActionSpace

PPO = {
    "iteration": "int64", "epoch": "int64", "loss": "float64", "kl": "float64", "entropy": "float64",
    "learning_rate": "float64",
}  # fmt: skip


def no_epochs() -> pd.DataFrame:
    """A table of policy-training epochs without a row: the columns and dtypes of `PPO`."""
    return _no_epochs().copy()


@cache
def _no_epochs() -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0, kind) for name, kind in PPO.items()})


@dataclass(frozen=True, eq=False)
class Job:
    """The facts of a job. Nothing here is guessed: empty means that no file says it.

    | field | meaning |
    |---|---|
    | platform | `console`, `DeepRacer for Cloud`, `DeepRacer on AWS` or `racer` |
    | simulator | its version, such as `5.0` or `6.0.5` |
    | car | generation, `v4`, `v5` or `v6` |
    | world, race_type | as the job's own files have them: `reinvent_base`, `TIME_TRIAL` |
    | action_space | of `model_metadata.json`, or printed in the log |
    | hyperparameters | of `hyperparameters.json`, or printed in the log |
    | reward | source text of the reward function |
    | ppo | one row a policy-training epoch: iteration, epoch, loss, kl, entropy, learning_rate |
    | metrics | entries of each metrics file by its name, as `racer.logs.metrics.read` gives them |
    | best_checkpoint | name of the checkpoint that the job itself calls best |
    """

    platform: str = ""
    simulator: str = ""
    car: str = ""
    world: str = ""
    race_type: str = ""
    action_space: ActionSpace | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    reward: str = ""
    ppo: pd.DataFrame = field(default_factory=no_epochs)
    metrics: dict[str, pd.DataFrame] = field(default_factory=dict)
    best_checkpoint: str = ""
