"""TensorFlow's files: what is written is what its own definitions say, and what is damaged is one
sentence, however it is damaged.
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto import graph_pb2

from racer.errors import UsageError
from racer.training.tensorflow import (
    DEEPRACER_NETWORKS,
    Node,
    constant,
    evaluate_graph,
    output_name,
    policy_graph,
    policy_network,
    policy_state,
    policy_tensors,
    read_checkpoint,
    read_graph,
    value_tensors,
    write_checkpoint,
    write_graph,
)
from racer.training.tensorflow.graph import FLOAT, TensorShape

DEEP = DEEPRACER_NETWORKS[2]
MUTATIONS = 300
"""Of each file; benchmarks/models.py tries 10,000."""
MAX_GROWTH_BYTES = 64 << 20
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def model(make_metadata: Make, make_policy: Make) -> tuple[Any, bytes, bytes, bytes]:
    """The metadata, the graph, and a checkpoint's index and data of a policy of megabytes."""
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "discrete")
    state = make_policy(metadata).state_dict()
    tensors = policy_tensors(state, metadata)
    graph = write_graph(policy_graph(tensors, metadata))
    return metadata, graph, *write_checkpoint(tensors | value_tensors(state, metadata))


def test_tensorflows_own_definitions_read_the_graph(model: Any) -> None:
    _, content, _, _ = model
    theirs = graph_pb2.GraphDef()
    theirs.ParseFromString(content)
    assert theirs.versions.producer == 27
    ours = read_graph(content, "model.pb")
    assert [(node.name, node.op, tuple(node.input)) for node in theirs.node] == [
        (node.name, node.operation, node.inputs) for node in ours
    ]
    for node, same in zip(theirs.node, ours, strict=True):
        if node.op == "Const" and same.attributes["value"].ndim:
            shape = [part.size for part in node.attr["value"].tensor.tensor_shape.dim]
            assert shape == list(same.attributes["value"].shape)
            raw = node.attr["value"].tensor.tensor_content
            assert raw == same.attributes["value"].tobytes()
        if node.op == "Conv2D":
            assert list(node.attr["strides"].list.i) == same.attributes["strides"]
        if node.op == "Placeholder":
            sizes = tuple(part.size for part in node.attr["shape"].shape.dim)
            assert sizes == same.attributes["shape"].sizes == (-1, 120, 160, 1)
    scalar = next(node for node in theirs.node if node.name.endswith("truediv/y"))
    assert scalar.attr["value"].tensor.float_val == [255.0]  # OpenVINO reads no raw scalar
    assert not scalar.attr["value"].tensor.tensor_content


def test_a_graph_written_by_tensorflows_own_definitions_is_read() -> None:
    theirs = graph_pb2.GraphDef()
    node = theirs.node.add(name="zeros", op="Const")
    node.attr["dtype"].type = 1
    tensor = node.attr["value"].tensor
    tensor.dtype = 1
    for size in (2, 3):
        tensor.tensor_shape.dim.add().size = size
    tensor.float_val.append(0.5)  # one number stands for all
    other = theirs.node.add(name="shape", op="Const", device="/cpu:0")
    tensor = other.attr["value"].tensor
    tensor.dtype = 3
    tensor.tensor_shape.dim.add().size = 2
    tensor.int_val.extend([-1, 6])
    theirs.node.add(name="flat", op="Reshape", input=["zeros", "shape:0", "^zeros"])
    nodes = read_graph(theirs.SerializeToString(), "theirs.pb")
    result = evaluate_graph(nodes, "flat", {"unused": np.zeros((1, 1))}, "theirs.pb")
    assert result.tolist() == [[0.5] * 6]


def test_names_of_any_length_and_number_come_back_from_a_table() -> None:
    generator = np.random.default_rng(0)
    tensors = {
        f"main/{'deep/' * (k % 7)}layer_{k:03}": generator.normal(size=(k % 5, 3)).astype(
            np.float32
        )
        for k in range(200)
    }
    tensors["step"] = np.array(17, np.int64)
    back = read_checkpoint(*write_checkpoint(tensors), "mine")
    assert set(back) == set(tensors)
    assert all(np.array_equal(back[name], tensors[name]) for name in tensors)


def changed(content: bytes, place: int, byte: int) -> bytes:
    return content[:place] + bytes([byte]) + content[place + 1 :]


@pytest.mark.parametrize("size", [0, 1, 47, 48, 500, -1])
def test_a_cut_index_is_one_sentence(model: Any, size: int) -> None:
    _, _, index, data = model
    with pytest.raises(UsageError, match=r"^1\.ckpt is damaged, or cut off"):
        read_checkpoint(index[:size], data, "1.ckpt")


def test_cut_or_changed_data_are_one_sentence(model: Any) -> None:
    _, _, index, data = model
    with pytest.raises(UsageError, match="lies beyond the end of the data: the file is cut off"):
        read_checkpoint(index, data[:-1], "1.ckpt")
    with pytest.raises(UsageError, match="its checksum is wrong"):
        read_checkpoint(index, changed(data, 1000, data[1000] ^ 1), "1.ckpt")
    with pytest.raises(UsageError, match="a checksum in it is wrong"):
        read_checkpoint(changed(index, 40, index[40] ^ 1), data, "1.ckpt")


def test_a_cut_or_foreign_graph_is_one_sentence(model: Any) -> None:
    _, content, _, _ = model
    for other in (content[:-100_000], b"PK\x03\x04" + bytes(100), b"\x08\x01", b""):
        with pytest.raises(UsageError, match=r"^model.pb is .*(damaged|no frozen graph)"):
            read_graph(other, "model.pb")


def test_more_nodes_than_any_model_has_are_refused_before_they_are_read() -> None:
    with pytest.raises(UsageError, match="more than 5,000 nodes"):
        read_graph(b"\n\0" * 1_000_000, "model.pb")


def test_a_tensor_that_says_it_is_huge_takes_no_memory() -> None:
    node = constant("w", np.zeros((2, 2), np.float32))
    content = write_graph([node]).replace(b"\x12\x02\x08\x02", b"\x12\x02\x08\x7f")
    with pytest.raises(UsageError, match="shape and its size contradict each other"):
        read_graph(content, "model.pb")
    huge = graph_pb2.GraphDef()
    tensor = huge.node.add(name="w", op="Const").attr["value"].tensor
    tensor.dtype = 1
    for _ in range(3):
        tensor.tensor_shape.dim.add().size = 2**40
    with pytest.raises(UsageError, match="is damaged"):
        read_graph(huge.SerializeToString(), "model.pb")


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([Node("y", "FakeQuantWithMinMaxVars", ("x",))], "has the operation 'FakeQuant"),
        ([Node("y", "Relu", ("z",)), Node("z", "Relu", ("y",))], "goes round in circles"),
        ([Node("y", "Relu", ("gone",))], "lacks the node gone"),
        ([Node("y", "Placeholder", (), {"dtype": FLOAT})], "which no sensor of the model fills"),
        ([Node("y", "MatMul", ("x", "x"))], "does not fit its inputs"),
        (
            [
                constant("s", np.array([-1, 1], np.int32)),
                Node("a", "Reshape", ("x", "s")),
                constant("t", np.array([1, -1], np.int32)),
                Node("b", "Reshape", ("x", "t")),
                Node("y", "Mul", ("a", "b")),
            ],
            "does not fit its inputs",
        ),
    ],
)
def test_a_graph_that_no_model_has_is_one_sentence(nodes: list[Node], sentence: str) -> None:
    inputs = {"x": np.zeros((1, 9000), np.float32)}
    with pytest.raises(UsageError, match=sentence):
        evaluate_graph(nodes, "y", inputs, "model.pb")


def test_a_shape_of_any_size_is_kept() -> None:
    node = Node("x", "Placeholder", (), {"dtype": FLOAT, "shape": TensorShape((-1, 3))})
    assert read_graph(write_graph([node]), "mine")[0].attributes["shape"].sizes == (-1, 3)


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """The bytes with one kind of damage: bits, a cut, a gap, a repetition, a number made huge."""
    kind = generator.integers(5)
    # the ends of the files, where their structure is, more often than the weights in between
    reach = len(content) if generator.random() < 0.5 else min(len(content), 4000)
    place = int(generator.integers(reach))
    if generator.random() < 0.5:
        place = len(content) - 1 - place
    size = int(generator.integers(1, 64))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + content[place + size :]
    if kind == 2:
        return content[:place] + content[place : place + size] * 3 + content[place + size :]
    if kind == 3:
        return content[:place] + struct.pack("<Q", 2**63 + place) + content[place + 8 :]
    return changed(content, place, int(generator.integers(256)))


def test_whatever_is_damaged_ends_in_one_sentence_and_little_memory(model: Any) -> None:
    metadata, graph, index, data = model
    generator = np.random.default_rng(7)
    network = policy_network(metadata)
    picture = {
        "main_level/agent/main/online/network_0/FRONT_FACING_CAMERA/FRONT_FACING_CAMERA": np.zeros(
            (1, 120, 160, 1), np.float32
        )
    }
    sentences: list[str] = []
    tracemalloc.start()
    for _ in range(MUTATIONS):
        try:
            nodes = read_graph(mutate(graph, generator), "model.pb")
            held = {node.name: node.attributes.get("value") for node in nodes}
            arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
            policy_state(arrays, metadata, "model.pb")
            evaluate_graph(nodes, output_name(network), picture, "model.pb")
        except UsageError as error:
            sentences.append(str(error))
        try:
            read_checkpoint(mutate(index, generator), data, "1.ckpt")
        except UsageError as error:
            sentences.append(str(error))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sentences) > MUTATIONS
    assert all(text.isprintable() for text in sentences)
    assert peak < MAX_GROWTH_BYTES
