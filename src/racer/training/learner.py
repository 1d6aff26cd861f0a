"""The learner of a run: PPO or SAC of stable-baselines3, with the network that the run says; and
its saved policies.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from racer.errors import UsageError
from racer.training.config import LearnerSettings
from racer.training.networks import SensorPolicy, SensorSACPolicy
from racer.training.run import Run

Learner = PPO | SAC
Model = SensorPolicy | ActorCriticPolicy | SACPolicy


def make_learner(
    run: Run, settings: LearnerSettings, cars: VecEnv, rate: Callable[[], float]
) -> Learner:
    """A learner that has not learned yet; `rate` says its learning rate at any time."""
    # two threads cost more in waiting than they bring, and runs go side by side
    torch.set_num_threads(1)
    shared: dict[str, Any] = {
        "env": cars,
        "batch_size": min(settings.batch_size, settings.envs * settings.n_steps),
        "learning_rate": lambda _: rate(),
        "gamma": settings.gamma,
        "seed": run.config.seed,
        "device": "cpu",
    }
    if run.metadata.training_algorithm == "sac":
        return _sac(run, settings, shared)
    return PPO(
        **shared,
        policy=SensorPolicy if run.network else "MlpPolicy",
        policy_kwargs=_policy_arguments(run, settings) | {"log_std_init": settings.log_std_init},
        n_steps=settings.n_steps,
        n_epochs=settings.n_epochs,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
    )


def _sac(run: Run, settings: LearnerSettings, shared: dict[str, Any]) -> SAC:
    turns = max(1, settings.sac_steps // settings.envs)
    return SAC(
        **shared,
        policy=SensorSACPolicy if run.network else "MlpPolicy",
        policy_kwargs=_policy_arguments(run, settings),
        ent_coef=settings.sac_alpha,
        buffer_size=settings.sac_memory,
        learning_starts=settings.batch_size,
        train_freq=(turns, "step"),
        gradient_steps=max(1, turns * settings.envs // settings.sac_steps),
    )


def _policy_arguments(run: Run, settings: LearnerSettings) -> dict[str, Any]:
    if run.network:
        return {"network_name": run.network}
    # ReLU as in DeepRacer's networks; half again as fast as the usual tanh
    return {"net_arch": list(settings.net_arch), "activation_fn": nn.ReLU}


def learner_state(model: Learner) -> dict[str, Any]:
    """What a learner goes on from besides its weights, as plain data for `restore_learner`.

    SAC's memory of pictures is left out: it would be hundreds of megabytes in each checkpoint.
    """
    state: dict[str, Any] = {
        "optimizer": [optimizer.state_dict() for optimizer in _optimizers(model)],
        "steps": model.num_timesteps,
        "updates": model._n_updates,
    }
    if isinstance(model, SAC):
        pictures = any(space.dtype == np.uint8 for space in _parts(model.observation_space))
        state["memory"] = None if pictures else model.replay_buffer
    return state


def restore_learner(model: Learner, state: dict[str, Any]) -> None:
    """Be as when `learner_state` was taken."""
    for optimizer, saved in zip(_optimizers(model), _listed(state["optimizer"]), strict=True):
        optimizer.load_state_dict(saved)
    model.num_timesteps, model._n_updates = state["steps"], state["updates"]
    if isinstance(model, SAC) and state["memory"] is not None:
        model.replay_buffer = state["memory"]


def _optimizers(model: Learner) -> list[torch.optim.Optimizer]:
    if isinstance(model, SAC):
        return [model.actor.optimizer, model.critic.optimizer]
    return [model.policy.optimizer]


def _listed(found: Any) -> list[dict[str, Any]]:
    """A run of old has the state of its one optimizer alone."""
    return found if isinstance(found, list) else [found]


def _parts(space: Any) -> list[Any]:
    return list(space.spaces.values()) if hasattr(space, "spaces") else [space]


def load_policy(run: Run, checkpoint: str = "best") -> BasePolicy:
    """The policy of a checkpoint of a run: best, last, or a number of steps. UsageError where there
    is none.
    """
    return load_checkpoint(run, checkpoint)[0]


def load_checkpoint(run: Run, checkpoint: str) -> tuple[BasePolicy, str]:
    """The policy of a checkpoint: best, last, or a number of steps; and the name of its file."""
    known = sorted(int(file.stem) for file in run.checkpoints.glob("*.pt") if file.stem.isdigit())
    best = run.best()
    if not known or best is None:
        raise UsageError(
            f"{run.folder} has no checkpoint yet: go on with racer train --resume {run.folder}"
        )
    name = (
        best["checkpoint"]
        if checkpoint == "best"
        else f"{known[-1] if checkpoint == 'last' else checkpoint}.pt"
    )
    if name not in [f"{steps}.pt" for steps in known]:
        raise UsageError(
            f"{run.folder} has no checkpoint {checkpoint}: there are best, last, {', '.join(map(str, known))}"
        )
    torch.set_num_threads(1)
    try:
        policy = _kind(run).load(str(run.checkpoints / name), device="cpu")
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        AttributeError,
        UnpicklingError,
    ) as error:
        raise UsageError(
            f"{run.checkpoints / name} is damaged ({error}): name another with --checkpoint"
        ) from None
    policy.set_training_mode(False)  # stable-baselines3 leaves it on
    return policy, name


def _kind(run: Run) -> type[BasePolicy]:
    if run.metadata.training_algorithm == "sac" and not run.config.teacher:
        return SensorSACPolicy if run.network else SACPolicy
    return SensorPolicy if run.network else ActorCriticPolicy
