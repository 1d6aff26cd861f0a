"""A policy as an ONNX file, and the check that the file drives as the policy does."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from racer.files import write_file
from racer.sensors.features import FEATURE_NAMES
from racer.training.deterministic_policy import DeterministicPolicy, Tensor, split_observation
from racer.vehicle.metadata import Metadata, metadata_as_json

OPSET = 18

TOLERANCE = 1e-4
"""How far an output of onnxruntime may be from PyTorch's: probabilities, points in [-1, 1], degrees, m/s."""

BATCH_OBSERVATIONS = 100
"""Observations that are compared at a time."""

DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}
"""onnxruntime's types, as NumPy calls them."""

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the file: its name, its type as NumPy calls it, its shape with N first."""

    name: str
    dtype: str
    shape: tuple[str | int, ...]

    @property
    def text(self) -> str:
        """`camera: uint8 (N, 1, 120, 160)`."""
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class OnnxComparison:
    """What onnxruntime and PyTorch answered to the same observations.

    `differences` has the largest difference of each output. `decisions` counts the actions that
    differ where the two likeliest ones are further apart than rounding.
    """

    observations: int
    differences: dict[str, float]
    decisions: int

    @property
    def agrees(self) -> bool:
        """Whether all is as close as it has to be."""
        return max(self.differences.values()) <= TOLERANCE and not self.decisions

    @property
    def sentence(self) -> str:
        """The comparison as a sentence without its full stop."""
        differences = ", ".join(f"{name} {gap:.1e}" for name, gap in self.differences.items())
        verdict = "equal" if self.agrees else "NOT equal"
        return (
            f"{verdict} to PyTorch within {TOLERANCE:g} on {self.observations:,} observations "
            f"of its own laps: {differences}"
        )


def write_onnx(
    path: Path, policy: DeterministicPolicy, observation: Any, metadata: Metadata
) -> None:
    """Write `policy` to `path`.

    `observation` holds two or more of its observations, which show shapes and types. The file also
    holds `metadata`, and the names of the features where the policy has them.
    """
    inputs = tuple(part[:2] for part in split_observation(policy.names, observation))
    program = _export(policy, inputs)
    model = program.model_proto
    texts = {"model_metadata.json": json.dumps(metadata_as_json(metadata))}
    if any(map(_are_features, inputs)):
        texts["features"] = json.dumps(FEATURE_NAMES)
    for key, text in texts.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = text
    write_file(path, model.SerializeToString())


def compare_onnx(path: Path, policy: DeterministicPolicy, observation: Any) -> OnnxComparison:
    """The file under onnxruntime beside the policy under PyTorch, on N observations."""
    session = _open_session(path)
    inputs = split_observation(policy.names, observation)
    count = len(inputs[0])
    pytorch_batches = []
    onnx_batches = []
    for first in range(0, count, BATCH_OBSERVATIONS):
        batch = tuple(part[first : first + BATCH_OBSERVATIONS] for part in inputs)
        pytorch_batches.append(_run_pytorch(policy, batch))
        onnx_batches.append(_run_onnx(session, policy, batch))
    pytorch_outputs = _join_batches(policy, pytorch_batches)
    onnx_outputs = _join_batches(policy, onnx_batches)
    return _compare_outputs(pytorch_outputs, onnx_outputs, count)


def onnx_signature(path: Path) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Inputs and outputs of the file, as onnxruntime reports them."""
    session = _open_session(path)
    inputs = list(map(_tensor_spec, session.get_inputs()))
    outputs = list(map(_tensor_spec, session.get_outputs()))
    return inputs, outputs


def onnx_description(path: Path, comparison: OnnxComparison) -> dict[str, Any]:
    """All there is to say about the file, as plain data."""
    inputs, outputs = onnx_signature(path)
    return {
        "opset": OPSET,
        "inputs": list(map(asdict, inputs)),
        "outputs": list(map(asdict, outputs)),
        "check": asdict(comparison) | {"tolerance": TOLERANCE, "agrees": comparison.agrees},
    }


def _export(policy: DeterministicPolicy, inputs: tuple[Tensor, ...]) -> Any:
    """The policy as an ONNX program, for any number of observations."""
    # they report packages that racer does not need
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    any_number = torch.export.Dim("N")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about its own code
        program = torch.onnx.export(
            policy,
            inputs,
            input_names=policy.names,
            output_names=policy.outputs,
            opset_version=OPSET,
            dynamic_shapes={"observations": tuple({0: any_number} for _ in inputs)},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def _are_features(part: Tensor) -> bool:
    """Whether an input (N, ...) has as many numbers as there are features."""
    return tuple(part.shape[1:]) == (len(FEATURE_NAMES),)


def _run_pytorch(policy: DeterministicPolicy, inputs: tuple[Tensor, ...]) -> list[NDArray[Any]]:
    with torch.no_grad():
        return [output.numpy() for output in policy(*inputs)]


def _run_onnx(
    session: Any, policy: DeterministicPolicy, inputs: tuple[Tensor, ...]
) -> list[NDArray[Any]]:
    arrays = [part.numpy() for part in inputs]
    named_inputs = dict(zip(policy.names, arrays, strict=True))
    outputs: list[NDArray[Any]] = session.run(list(policy.outputs), named_inputs)
    return outputs


def _join_batches(policy: DeterministicPolicy, batches: list[list[NDArray[Any]]]) -> Outputs:
    """The outputs of all batches by their names."""
    columns = zip(*batches, strict=True)
    joined = map(np.concatenate, columns)
    return dict(zip(policy.outputs, joined, strict=True))


def _compare_outputs(pytorch: Outputs, onnx: Outputs, count: int) -> OnnxComparison:
    """The comparison of two sets of outputs.

    Which of two equally likely actions is chosen is a matter of rounding.
    """
    if "probabilities" not in pytorch:
        gaps = {name: _largest_gap(pytorch[name], onnx[name]) for name in pytorch}
        return OnnxComparison(count, gaps, decisions=0)
    is_clear = _clear_decisions(pytorch["probabilities"])
    is_same = pytorch["action"] == onnx["action"]
    gaps = {
        "probabilities": _largest_gap(pytorch["probabilities"], onnx["probabilities"]),
        "command": _largest_gap(pytorch["command"][is_same], onnx["command"][is_same]),
    }
    return OnnxComparison(count, gaps, decisions=int((is_clear & ~is_same).sum()))


def _clear_decisions(probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) whether the two likeliest actions are further apart than rounding."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities), dtype=np.bool_)
    likeliest = np.sort(probabilities, axis=1)[:, -2:]
    is_clear: NDArray[np.bool_] = likeliest[:, 1] - likeliest[:, 0] > TOLERANCE
    return is_clear


def _largest_gap(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(np.abs(first.astype(np.float64) - second).max(initial=0.0))


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _tensor_spec(node: Any) -> TensorSpec:
    return TensorSpec(node.name, DTYPES.get(node.type, node.type), tuple(node.shape))
