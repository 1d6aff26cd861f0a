"""The learner of a run, PPO or SAC of stable-baselines3, and the policies that it has saved."""

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

UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    ImportError,
    UnpicklingError,
)
"""What `torch.load` raises for a file that is damaged, or that another version of racer wrote."""

NO_NUMBER = "found invalid values"
"""What torch's distributions say, in a ValueError, of a mean or deviation that is no number."""


def make_learner(
    run: Run, settings: LearnerSettings, cars: VecEnv, learning_rate: Callable[[], float]
) -> Learner:
    """A learner with a fresh policy; it asks for its `learning_rate` before every update."""
    # two threads cost more in waiting than they bring, and runs go side by side
    torch.set_num_threads(1)
    arguments: dict[str, Any] = {
        "env": cars,
        "batch_size": min(settings.batch_size, settings.envs * settings.n_steps),
        "learning_rate": lambda _: learning_rate(),
        "gamma": settings.gamma,
        "seed": run.config.seed,
        "device": "cpu",
    }
    if run.metadata.training_algorithm == "sac":
        return _make_sac(run, settings, arguments)
    return _make_ppo(run, settings, arguments)


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
        state["memory"] = None if _has_pictures(model) else model.replay_buffer
    return state


def restore_learner(model: Learner, state: dict[str, Any]) -> None:
    """Be as when `learner_state` was taken."""
    for optimizer, saved in zip(_optimizers(model), state["optimizer"], strict=True):
        optimizer.load_state_dict(saved)
    model.num_timesteps = state["steps"]
    model._n_updates = state["updates"]
    if isinstance(model, SAC) and state["memory"] is not None:
        model.replay_buffer = state["memory"]


def load_policy(run: Run, checkpoint: str = "best") -> BasePolicy:
    """The policy of a checkpoint of a run: best, last, or a number of steps.

    Raises UsageError where there is no such checkpoint.
    """
    return load_checkpoint(run, checkpoint)[0]


def load_checkpoint(run: Run, checkpoint: str) -> tuple[BasePolicy, str]:
    """The policy of a checkpoint, best, last or a number of steps, and the name of its file."""
    file = run.checkpoints / _checkpoint_name(run, checkpoint)
    torch.set_num_threads(1)
    try:
        policy = _policy_class(run).load(str(file), device="cpu")
    except UNREADABLE as error:
        raise UsageError(f"{file} is damaged ({error}): name another with --checkpoint") from None
    if not has_finite_weights(policy):
        raise UsageError(
            f"the policy {file} has weights that are no numbers (nan): its training went astray, or "
            "the file is damaged; name another with --checkpoint"
        )
    policy.set_training_mode(False)  # stable-baselines3 leaves it on
    return policy, file.name


def has_finite_weights(policy: BasePolicy) -> bool:
    """Whether all weights of a policy are numbers."""
    return all(bool(torch.isfinite(weights).all()) for weights in policy.parameters())


def _make_ppo(run: Run, settings: LearnerSettings, arguments: dict[str, Any]) -> PPO:
    return PPO(
        **arguments,
        policy=SensorPolicy if run.network else "MlpPolicy",
        policy_kwargs=_policy_arguments(run, settings) | {"log_std_init": settings.log_std_init},
        n_steps=settings.n_steps,
        n_epochs=settings.n_epochs,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
    )


def _make_sac(run: Run, settings: LearnerSettings, arguments: dict[str, Any]) -> SAC:
    steps_of_each_car = max(1, settings.sac_steps // settings.envs)
    return SAC(
        **arguments,
        policy=SensorSACPolicy if run.network else "MlpPolicy",
        policy_kwargs=_policy_arguments(run, settings),
        ent_coef=settings.sac_alpha,
        buffer_size=settings.sac_memory,
        learning_starts=settings.batch_size,
        train_freq=(steps_of_each_car, "step"),
        gradient_steps=max(1, steps_of_each_car * settings.envs // settings.sac_steps),
    )


def _policy_arguments(run: Run, settings: LearnerSettings) -> dict[str, Any]:
    if run.network:
        return {"network_name": run.network}
    # ReLU as in DeepRacer's networks; half again as fast as the usual tanh
    return {"net_arch": list(settings.net_arch), "activation_fn": nn.ReLU}


def _policy_class(run: Run) -> type[BasePolicy]:
    if run.metadata.training_algorithm == "sac":
        return SensorSACPolicy if run.network else SACPolicy
    return SensorPolicy if run.network else ActorCriticPolicy


def _optimizers(model: Learner) -> list[torch.optim.Optimizer]:
    if isinstance(model, SAC):
        return [model.actor.optimizer, model.critic.optimizer]
    return [model.policy.optimizer]


def _has_pictures(model: Learner) -> bool:
    space = model.observation_space
    spaces = space.spaces.values() if hasattr(space, "spaces") else [space]
    return any(part.dtype == np.uint8 for part in spaces)


def _checkpoint_name(run: Run, checkpoint: str) -> str:
    """The name of a checkpoint's file."""
    steps = sorted(int(file.stem) for file in run.checkpoints.glob("*.pt") if file.stem.isdigit())
    best = run.best()
    if not steps or best is None:
        raise UsageError(
            f"{run.folder} has no checkpoint yet: go on with racer train --resume {run.folder}"
        )
    names = {f"{number}": f"{number}.pt" for number in steps}
    names |= {"best": best["checkpoint"], "last": f"{steps[-1]}.pt"}
    if checkpoint not in names:
        raise UsageError(
            f"{run.folder} has no checkpoint {checkpoint}: there are best, last, {', '.join(map(str, steps))}"
        )
    return str(names[checkpoint])
