"""A policy as an ONNX file, and the proof that it drives as the policy does."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.sac.policies import SACPolicy

from racer.sensors.features import FEATURE_NAMES
from racer.vehicle.action_space import ActionSpace, Metadata, metadata_as_json

Tensor = torch.Tensor


class DeterministicPolicy(torch.nn.Module):
    """The acting half of a policy (a class: PyTorch's contract).

    Its inputs are the observations by the names in `inputs`, (N, ...) each, as the environment
    gives them. Its outputs are those of `outputs`: `action`, (N,) positions in the list of actions
    or (N, 2) points in [-1, 1], `command` (N, 2) steering in degrees (positive to the left) and
    speed in m/s, and of discrete actions their `probabilities` (N, K), first of all.
    """

    def __init__(self, policy: BasePolicy, space: ActionSpace) -> None:
        super().__init__()
        self.policy = policy.eval()
        self.is_continuous = space.is_continuous
        self.names = input_names(policy)
        table = torch.tensor([space.steering_deg, space.speed], dtype=torch.float32).T
        self.register_buffer("table", table)
        self.table: Tensor

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        return (
            ("action", "command") if self.is_continuous else ("probabilities", "action", "command")
        )

    def forward(self, *observations: Tensor) -> tuple[Tensor, ...]:
        """What the policy does with N observations."""
        answer = policy_head(self.policy, join_observation(self.names, observations))
        if self.is_continuous:
            action = answer.clamp(-1.0, 1.0)
            low, high = self.table[0], self.table[1]
            return action, low + (action + 1.0) * (high - low) / 2.0
        choice = answer.argmax(dim=1)
        return torch.softmax(answer, dim=1), choice, self.table[choice]


def input_names(policy: BasePolicy) -> tuple[str, ...]:
    """Names of a policy's inputs: of its sensors where there are several, `observation` otherwise."""
    space: Any = policy.observation_space
    return tuple(space.spaces) if hasattr(space, "spaces") else ("observation",)


def split_observation(names: tuple[str, ...], observation: Any) -> tuple[Tensor, ...]:
    """An observation of the environment as tensors, one a name."""
    parts = observation if isinstance(observation, Mapping) else {names[0]: observation}
    return tuple(torch.as_tensor(parts[name]) for name in names)


def join_observation(names: tuple[str, ...], parts: tuple[Tensor, ...]) -> Any:
    """Tensors as the policy takes them: one, or a dict of several."""
    return parts[0] if names == ("observation",) else dict(zip(names, parts, strict=True))


def policy_head(policy: BasePolicy, observation: Any) -> Tensor:
    """(N, K) logits of discrete actions, or (N, 2) points that are clipped to [-1, 1] for
    continuous ones.
    """
    if isinstance(policy, SACPolicy):
        found: Any = policy.actor.extract_features(observation, policy.actor.features_extractor)
        return torch.tanh(policy.actor.mu(policy.actor.latent_pi(found)))
    assert isinstance(policy, ActorCriticPolicy)
    seen = preprocess_obs(
        observation, policy.observation_space, normalize_images=policy.normalize_images
    )
    found = policy.pi_features_extractor(seen)
    answer: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(found))
    return answer


OPSET = 18
TOLERANCE = 1e-4
"""How far an output of onnxruntime may be from PyTorch's: probabilities, points in [-1, 1], degrees, m/s."""

_FLAT = 2  # dimensions of an observation that is a list of numbers
_BATCH = 100  # observations that are asked for at a time


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the file: its name, its type as NumPy calls it, and its shape, N
    first.
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]

    @property
    def words(self) -> str:
        """`camera: uint8 (N, 1, 120, 160)`."""
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class OnnxComparison:
    """What onnxruntime and PyTorch said to the same observations: the largest difference of each
    output.
    """

    observations: int
    differences: dict[str, float]
    decisions: int  # that differ, where the two likeliest actions are further apart than rounding

    @property
    def agrees(self) -> bool:
        """Whether all is as close as it has to be."""
        return max(self.differences.values()) <= TOLERANCE and not self.decisions

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        gaps = ", ".join(f"{name} {gap:.1e}" for name, gap in self.differences.items())
        verdict = "equal" if self.agrees else "NOT equal"
        return f"{verdict} to PyTorch within {TOLERANCE:g} on {self.observations:,} observations of its own laps: {gaps}"


def write_onnx(
    path: Path, policy: DeterministicPolicy, observation: Any, metadata: Metadata
) -> None:
    """Write `policy` to `path`; `observation` are a few of its observations, which tell shapes and
    types.
    """
    inputs = tuple(part[:2] for part in split_observation(policy.names, observation))
    batch = torch.export.Dim("N")
    # tell of packages that racer does not need
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about its own code
        made = torch.onnx.export(
            policy,
            inputs,
            input_names=policy.names,
            output_names=policy.outputs,
            opset_version=OPSET,
            dynamic_shapes={"observations": tuple({0: batch} for _ in inputs)},
            dynamo=True,
            verbose=False,
        )
    assert made is not None
    model = made.model_proto
    words = {"model_metadata.json": json.dumps(metadata_as_json(metadata))}
    if any(part.ndim == _FLAT and part.shape[1] == len(FEATURE_NAMES) for part in inputs):
        words["features"] = json.dumps(FEATURE_NAMES)
    for key, value in words.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())


def compare_onnx(path: Path, policy: DeterministicPolicy, observation: Any) -> OnnxComparison:
    """The file under onnxruntime beside the policy under PyTorch, on all `observation`s."""
    session = _session(path)
    parts = split_observation(policy.names, observation)
    ours: list[list[NDArray[Any]]] = []
    theirs: list[list[NDArray[Any]]] = []
    for first in range(0, len(parts[0]), _BATCH):
        some = [part[first : first + _BATCH] for part in parts]
        with torch.no_grad():
            ours.append([part.numpy() for part in policy(*some)])
        theirs.append(
            session.run(
                list(policy.outputs),
                dict(zip(policy.names, (p.numpy() for p in some), strict=True)),
            )
        )
    whole = [
        [np.concatenate(some) for some in zip(*answers, strict=True)] for answers in (ours, theirs)
    ]
    tables = [dict(zip(policy.outputs, table, strict=True)) for table in whole]
    return _compared(tables[0], tables[1], len(parts[0]))


def onnx_signature(path: Path) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Inputs and outputs of the file, as onnxruntime tells them."""
    session = _session(path)
    inputs, outputs = (
        [_tie(one) for one in some] for some in (session.get_inputs(), session.get_outputs())
    )
    return inputs, outputs


def onnx_description(path: Path, comparison: OnnxComparison) -> dict[str, Any]:
    """All there is to say about the file, as plain data."""
    inputs, outputs = onnx_signature(path)
    return {
        "opset": OPSET,
        "inputs": [asdict(one) for one in inputs],
        "outputs": [asdict(one) for one in outputs],
        "check": asdict(comparison) | {"tolerance": TOLERANCE, "agrees": comparison.agrees},
    }


def _compared(
    ours: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]], count: int
) -> OnnxComparison:
    """The comparison of two tables of outputs. Which of two equally likely actions is named is a
    matter of rounding.
    """
    if "probabilities" not in ours:
        return OnnxComparison(count, {name: _gap(ours[name], theirs[name]) for name in ours}, 0)
    two = np.sort(ours["probabilities"], axis=1)[:, -2:]
    clear = (
        two[:, -1] - two[:, 0] > TOLERANCE if two.shape[1] > 1 else np.ones(count, dtype=np.bool_)
    )
    same = ours["action"] == theirs["action"]
    gaps = {
        "probabilities": _gap(ours["probabilities"], theirs["probabilities"]),
        "command": _gap(ours["command"][same], theirs["command"][same]),
    }
    return OnnxComparison(count, gaps, int((clear & ~same).sum()))


def _gap(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    return float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))


def _session(path: Path) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def _tie(one: Any) -> TensorSpec:
    dtypes = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}
    return TensorSpec(one.name, dtypes.get(one.type, one.type), tuple(one.shape))
