"""The learner of a run, PPO or SAC of stable-baselines3, and the policies that it has saved."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.files import write_file
from racer.training.config import LearnerSettings
from racer.training.networks import SensorPolicy, SensorSACPolicy
from racer.training.run import Run

Learner = PPO | SAC

UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    MemoryError,
    UnpicklingError,
)
"""What reading raises for a file that is damaged, or that another version of racer wrote."""
VALUE_PARTS = ("value_net", "mlp_extractor.value_net", "vf_features_extractor")
"""Parts of a policy of PPO that say what to expect, and not what to do."""
CRITICS = ("critic", "critic_target")
"""The same of a policy of SAC."""
SAC_BUFFERS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
"""The arrays of a replay buffer."""

MAX_GRADIENT_NORM = 0.5
MAX_REASON_CHARS = 160
ARRAY_KEY = "racer.array"
BYTES_KEY = "racer.bytes"
TABLE_KEY = "racer.table"


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
        state["memory"] = None if _has_pictures(model) else _sac_memory(model)
    return state


def restore_learner(model: Learner, state: dict[str, Any]) -> None:
    """Be as when `learner_state` was taken."""
    for optimizer, saved in zip(_optimizers(model), state["optimizer"], strict=True):
        optimizer.load_state_dict(saved)
    model.num_timesteps = state["steps"]
    model._n_updates = state["updates"]
    if isinstance(model, SAC) and state["memory"] is not None:
        vars(model.replay_buffer).update(
            {name: state["memory"][name] for name in (*SAC_BUFFERS, "pos", "full")}
        )


def save_policy(model: Learner, file: Path) -> None:
    """Write the weights of a learner's policy, for `load_checkpoint`, and what its value network
    measures returns by, for a training that starts from it.
    """
    write_plain(file, {"weights": model.policy.state_dict(), "returns": return_statistics(model)})


def return_statistics(model: Learner) -> tuple[Any, ...] | None:
    """Mean, variance and count of the returns by whose deviation rewards are divided; None where
    rewards are not normalized.
    """
    cars = model.env
    if not isinstance(cars, VecNormalize):
        return None
    statistics = cars.ret_rms
    return statistics.mean, statistics.var, statistics.count


def take_return_statistics(model: Learner, statistics: Sequence[Any] | None) -> None:
    """Divide rewards as the learner did whose `return_statistics` these are."""
    if statistics is not None and isinstance(model.env, VecNormalize):
        mean, var, count = statistics
        vars(model.env.ret_rms).update(mean=mean, var=var, count=count)


def is_value_weight(name: str) -> bool:
    """Whether a weight of that name, as `state_dict` has it, belongs to the value network."""
    return name.startswith(tuple(f"{part}." for part in (*VALUE_PARTS, *CRITICS)))


def start_from(model: Learner, saved: Mapping[str, Any], keeps_value: bool) -> None:
    """Give a fresh learner the policy of a checkpoint, and its value network where that is kept.

    Raises UNREADABLE for one that does not fit.
    """
    weights = model.policy.state_dict()
    for name, saved_weights in saved["weights"].items():
        if keeps_value or not is_value_weight(name):
            weights[name] = saved_weights
    model.policy.load_state_dict(weights)
    if keeps_value:
        take_return_statistics(model, saved["returns"])


@contextmanager
def only_value_trained(model: Learner) -> Iterator[None]:
    """While the value network alone learns: the policy does what it did."""
    frozen = []
    for name, weights in model.policy.named_parameters():
        if not is_value_weight(name):
            weights.requires_grad_(False)
            frozen.append(weights)
    try:
        yield
    finally:
        for weights in frozen:
            weights.requires_grad_(True)


def plain_bytes(value: Any) -> bytes:
    """Numbers, texts, tensors, arrays and tables, in lists, tuples and dicts, as `read_plain` reads
    them.
    """
    content = io.BytesIO()
    torch.save(_to_plain(value), content)
    return content.getvalue()


def write_plain(file: Path, value: Any) -> None:
    """Write a value as `plain_bytes` has it, whole or not at all."""
    write_file(file, plain_bytes(value))


def read_plain(file: Path, advice: str) -> Any:
    """What `write_plain` wrote. Nothing in the file is run.

    Raises UsageError with the advice for a file that holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that is refused
            return _from_plain(torch.load(file, map_location="cpu", weights_only=True))
    except UnpicklingError:
        raise UsageError(
            f"{file} is damaged, of an older racer, or holds more than numbers "
            f"(racer runs nothing out of it): {advice}"
        ) from None
    except UNREADABLE as error:
        raise UsageError(f"{file} is damaged ({first_line(error)}): {advice}") from None


def first_line(error: BaseException) -> str:
    """What an exception says, as far as it fits a sentence."""
    lines = str(error).strip().splitlines()
    if isinstance(error, KeyError) or not lines:
        return f"{type(error).__name__} {error}".strip()
    return lines[0][:MAX_REASON_CHARS]


def load_policy(run: Run, checkpoint: str = "best") -> BasePolicy:
    """The policy of a checkpoint of a run: best, service (the one that the service would keep),
    last, or a number of steps.

    Raises UsageError where there is no such checkpoint.
    """
    return load_checkpoint(run, checkpoint)[0]


def load_checkpoint(run: Run, checkpoint: str) -> tuple[BasePolicy, str]:
    """The policy of a checkpoint, as `load_policy` names them, and the name of its file."""
    policy, file, _ = read_checkpoint(run, checkpoint)
    return policy, file.name


def read_checkpoint(run: Run, checkpoint: str) -> tuple[BasePolicy, Path, dict[str, Any]]:
    """The policy of a checkpoint, its file, and all that the file holds."""
    file = run.checkpoints / _checkpoint_name(run, checkpoint)
    torch.set_num_threads(1)
    advice = "name another with --checkpoint, or train anew"
    saved = read_plain(file, advice)
    policy = new_policy(run)
    try:
        policy.load_state_dict(saved["weights"])
    except UNREADABLE as error:
        raise UsageError(
            f"{file} does not fit the actions and observations that {run.folder} says "
            f"({first_line(error)}): {advice}"
        ) from None
    if not has_finite_weights(policy):
        raise UsageError(
            f"the policy {file} has weights that are no numbers (nan): its training went astray, or "
            "the file is damaged; name another with --checkpoint"
        )
    policy.set_training_mode(False)  # stable-baselines3 leaves it on
    return policy, file, saved


def has_finite_weights(policy: BasePolicy) -> bool:
    """Whether all weights of a policy are numbers."""
    return all(bool(torch.isfinite(weights).all()) for weights in policy.parameters())


def new_policy(run: Run) -> BasePolicy:
    """A policy as the run trains it, with fresh weights. No reward function is run for it."""
    cars = DeepRacerVectorEnv(1, **(run.env_arguments() | {"reward": lambda params: 0.0}))
    arguments: dict[str, Any] = _policy_arguments(run, run.config.settings)
    return _policy_class(run)(
        cars.single_observation_space,
        cars.single_action_space,
        lambda _: 0.0,
        **arguments,
    )


def _make_ppo(run: Run, settings: LearnerSettings, arguments: dict[str, Any]) -> PPO:
    is_like_service = run.config.is_like_service
    return PPO(
        **arguments,
        policy=SensorPolicy if run.network else "MlpPolicy",
        policy_kwargs=_policy_arguments(run, settings) | {"log_std_init": settings.log_std_init},
        # whole episodes are learned from there: stable-baselines3 only warns of what does not fit
        n_steps=settings.batch_size if is_like_service else settings.n_steps,
        n_epochs=settings.n_epochs,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        # the service clips no gradient, and standardizes advantages over the whole iteration
        max_grad_norm=math.inf if is_like_service else MAX_GRADIENT_NORM,
        normalize_advantage=not is_like_service,
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


def _sac_memory(model: SAC) -> dict[str, Any]:
    """What SAC's replay buffer holds."""
    buffer = vars(model.replay_buffer)
    return {name: buffer[name] for name in (*SAC_BUFFERS, "pos", "full")}


def _to_plain(value: Any) -> Any:
    """The value without anything that `torch.load` would have to call a class for."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).copy()
        return {
            ARRAY_KEY: torch.from_numpy(raw),
            "dtype": np.lib.format.dtype_to_descr(array.dtype),
            "shape": list(array.shape),
            "is_scalar": isinstance(value, np.generic),
        }
    if isinstance(value, bytes):
        return {BYTES_KEY: torch.from_numpy(np.frombuffer(value, np.uint8).copy())}
    if isinstance(value, pd.DataFrame):
        columns = [_to_plain(_plain_column(value[name])) for name in value]
        return {TABLE_KEY: list(value.columns), "columns": columns, "rows": len(value)}
    if isinstance(value, list | tuple):
        items = map(_to_plain, value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {key: _to_plain(part) for key, part in value.items()}
    return value


def _plain_column(column: pd.Series[Any]) -> Any:
    """A column of a table: an array of numbers, or a list of texts."""
    if column.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return [str(column.dtype), column.astype(object).tolist()]


def _from_plain(plain: Any) -> Any:
    """The value that `_to_plain` was given."""
    if isinstance(plain, list | tuple):
        return type(plain)(map(_from_plain, plain))
    if not isinstance(plain, dict):
        return plain
    if ARRAY_KEY in plain:
        dtype = np.lib.format.descr_to_dtype(plain["dtype"])
        raw = plain[ARRAY_KEY].numpy().tobytes()
        array = np.frombuffer(raw, dtype).reshape(plain["shape"]).copy()
        return array[()] if plain["is_scalar"] else array
    if BYTES_KEY in plain:
        return plain[BYTES_KEY].numpy().tobytes()
    if TABLE_KEY in plain:
        columns = [_from_column(column) for column in _from_plain(plain["columns"])]
        named = dict(zip(plain[TABLE_KEY], columns, strict=True))
        return pd.DataFrame(named, index=pd.RangeIndex(plain["rows"]))
    return {key: _from_plain(part) for key, part in plain.items()}


def _from_column(column: Any) -> Any:
    if isinstance(column, np.ndarray):
        return column
    dtype, values = column
    return pd.Series(values, dtype=dtype)


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
    # the name only: a best.json from elsewhere may name a file anywhere
    names |= {"best": Path(str(best["checkpoint"])).name, "last": f"{steps[-1]}.pt"}
    if checkpoint == "service":
        kept = run.service_pick() or best
        names["service"] = Path(str(kept["checkpoint"])).name
    if checkpoint not in names:
        raise UsageError(
            f"{run.folder} has no checkpoint {checkpoint}: there are best, service, last, {', '.join(map(str, steps))}"
        )
    return str(names[checkpoint])
