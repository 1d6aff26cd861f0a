"""A policy goes out into the simulator's names and layouts and comes back to the last bit, and its
graph calculates what PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from racer.errors import UsageError
from racer.training.networks import policy_head
from racer.training.tensorflow import (
    DEEPRACER_NETWORKS,
    evaluate_graph,
    fresh_critics,
    output_name,
    policy_graph,
    policy_network,
    policy_state,
    policy_tensors,
    read_checkpoint,
    read_graph,
    value_state,
    value_tensors,
    write_checkpoint,
    write_graph,
)

SHALLOW, FIVE_LAYERS, DEEP = DEEPRACER_NETWORKS
KINDS = ("discrete", "continuous", "sac")
MIXES = (
    "FRONT_FACING_CAMERA",
    "LEFT_CAMERA",
    "observation",
    "STEREO_CAMERAS,LIDAR",
    "FRONT_FACING_CAMERA,SECTOR_LIDAR",
    "LEFT_CAMERA,DISCRETIZED_SECTOR_LIDAR",
)
MODELS = [
    pytest.param(sensors, network, kind, marks=() if network == DEEP else pytest.mark.slow)
    for sensors in MIXES
    for network in (SHALLOW, FIVE_LAYERS, DEEP)
    for kind in KINDS
    # stereo pictures make these two networks of hundreds of megabytes: benchmarks/models.py has them
    if not ("STEREO" in sensors and network != SHALLOW)
]
Make = Callable[..., Any]


@pytest.mark.parametrize(("sensors", "network", "kind"), MODELS)
def test_out_and_in_again_is_the_same_to_the_last_bit(
    make_metadata: Make, make_policy: Make, sensors: str, network: str, kind: str
) -> None:
    metadata = make_metadata(sensors, network, kind)
    state = make_policy(metadata).state_dict()
    tensors = policy_tensors(state, metadata)
    graph = read_graph(write_graph(policy_graph(tensors, metadata)), "model.pb")
    held = {node.name: node.attributes["value"] for node in graph if node.operation == "Const"}
    from_graph = policy_state(held, metadata, "model.pb")
    values = fresh_critics(metadata) if kind == "sac" else value_tensors(state, metadata)
    read = read_checkpoint(*write_checkpoint(tensors | values), "1.ckpt")
    from_checkpoint = policy_state(read, metadata, "1.ckpt") | value_state(read, metadata, "1.ckpt")
    for back in (from_graph, from_checkpoint):
        assert all(torch.equal(weights, state[name]) for name, weights in back.items())
    critics = ("critic", "critic_target")
    lost = {name for name in state if name.partition(".")[0] not in critics} - set(from_checkpoint)
    assert lost == set()
    only_chance = {"log_std", "actor.log_std.weight", "actor.log_std.bias"}
    acting = {name for name in from_checkpoint if not name.startswith(("vf_", "value_net"))}
    assert acting - set(from_graph) <= only_chance


@pytest.mark.parametrize(("sensors", "network", "kind"), MODELS)
def test_a_graph_calculates_what_pytorch_does(
    make_metadata: Make,
    make_policy: Make,
    observe: Make,
    sensors: str,
    network: str,
    kind: str,
) -> None:
    metadata = make_metadata(sensors, network, kind)
    policy = make_policy(metadata)
    observation, inputs = observe(metadata)
    nodes = policy_graph(policy_tensors(policy.state_dict(), metadata), metadata)
    result = evaluate_graph(nodes, output_name(policy_network(metadata)), inputs, "mine")
    with torch.no_grad():
        head = policy_head(policy, observation)
    expected = torch.softmax(head, dim=1) if kind == "discrete" else head
    if kind == "sac":
        result = np.tanh(result)
    np.testing.assert_allclose(result, expected.numpy(), atol=1e-6)


def test_the_names_are_those_that_the_simulator_and_the_car_look_for(make_metadata: Make) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", SHALLOW, "discrete")
    network = policy_network(metadata)
    assert output_name(network) == "main_level/agent/main/online/network_1/ppo_head_0/policy"
    assert [layer.name for layer in network.layers] == [
        "FRONT_FACING_CAMERA/Conv2d_0",
        "FRONT_FACING_CAMERA/Conv2d_2",
        "FRONT_FACING_CAMERA/Conv2d_4",
        "middleware_fc_embedder/Dense_0",
        "ppo_head_0/policy_fc",
    ]
    actor = policy_network(make_metadata("STEREO_CAMERAS,LIDAR", DEEP, "sac"))
    assert output_name(actor) == "main_level/agent/policy/online/network_0/sac_policy_head_0/policy"
    assert [embedder.sensor for embedder in actor.embedders] == ["LIDAR", "STEREO_CAMERAS"]


def test_a_checkpoint_has_as_many_tensors_as_the_simulators(
    make_metadata: Make, make_policy: Make
) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", SHALLOW, "discrete")
    state = make_policy(metadata).state_dict()
    tensors = policy_tensors(state, metadata) | value_tensors(state, metadata)
    assert len(tensors) == 22
    rescaler = "main_level/agent/main/online/network_0/gradients_from_head_0-0_rescalers"
    assert tensors[rescaler].shape == ()
    assert tensors[rescaler] == 1.0


def test_a_value_network_is_scaled_to_the_pay_there(
    make_metadata: Make, make_policy: Make, observe: Make
) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "discrete")
    policy = make_policy(metadata)
    observation, _ = observe(metadata)
    with torch.no_grad():
        before = policy.predict_values(observation)
    tensors = policy_tensors(policy.state_dict(), metadata)
    tensors |= value_tensors(policy.state_dict(), metadata, scale=25.0)
    policy.load_state_dict(value_state(tensors, metadata, "mine"), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(policy.predict_values(observation), 25.0 * before)


def test_layers_of_sac_that_the_simulator_counts_otherwise_are_told_apart(
    make_metadata: Make, make_policy: Make
) -> None:
    """Its version 6 counts layers without a name over all networks."""
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "sac")
    state = make_policy(metadata).state_dict()
    place = "sac_policy_head_0/dense"
    theirs = {
        name.replace(f"{place}_1/", f"{place}_7/").replace(f"{place}/", f"{place}_6/"): tensor
        for name, tensor in policy_tensors(state, metadata).items()
    }
    back = policy_state(theirs, metadata, "theirs")
    assert all(torch.equal(weights, state[name]) for name, weights in back.items())
    assert "actor.log_std.weight" in back


def test_a_model_of_several_agents_is_read_by_its_name(
    make_metadata: Make, make_policy: Make
) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "discrete")
    state = make_policy(metadata).state_dict()
    theirs = {
        name.replace("/agent/", "/agent_0/"): tensor
        for name, tensor in policy_tensors(state, metadata).items()
    }
    back = policy_state(theirs, metadata, "theirs")
    assert all(torch.equal(weights, state[name]) for name, weights in back.items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"neural_network": SHALLOW},
            "Conv2d_2 is 4 x 4 x 32 x 32, and not 4 x 4 x 32 x 64, which",
        ),
        ({"sensor": ("LEFT_CAMERA",)}, "has no layer main_level/agent/main/online/network_1/LEFT"),
    ],
)
def test_weights_of_another_model_are_named(
    make_metadata: Make, make_policy: Make, change: dict[str, Any], sentence: str
) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "discrete")
    tensors = policy_tensors(make_policy(metadata).state_dict(), metadata)
    with pytest.raises(UsageError, match=sentence):
        policy_state(tensors, replace(metadata, **change), "model.pb")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weights: weights.astype(np.float16), "is no float32: it was quantized"),
        (lambda weights: weights * np.float32("nan"), "holds what is no number"),
        (lambda weights: weights[:, :1], "and not 128 x 3, which"),
    ],
)
def test_spoilt_weights_are_named(
    make_metadata: Make, make_policy: Make, change: Make, sentence: str
) -> None:
    metadata = make_metadata("FRONT_FACING_CAMERA", DEEP, "discrete")
    tensors = policy_tensors(make_policy(metadata).state_dict(), metadata)
    name = "main_level/agent/main/online/network_1/ppo_head_0/policy_fc/kernel"
    tensors[name] = change(tensors[name])
    with pytest.raises(UsageError, match=sentence):
        policy_state(tensors, metadata, "model.pb")
