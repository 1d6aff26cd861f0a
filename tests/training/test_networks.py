"""DeepRacer's networks layer by layer, against the sizes in docs/simulator.md 7.1."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict

from racer.errors import UsageError
from racer.training import networks
from racer.training.networks import NETWORKS, Embedding, SensorPolicy, SensorSACPolicy

SHALLOW, FIVE, DEEP, SMALL = NETWORKS
CAMERA = Box(0, 255, (1, 120, 160), np.uint8)
STEREO = Box(0, 255, (2, 120, 160), np.uint8)
LIDAR = Box(0.15, 1.0, (64,), np.float32)
ACTION = Box(-1.0, 1.0, (2,), np.float32)


def convolutions(
    layers: list[tuple[int, int, int]], channels: int, rows: int = 120, columns: int = 160
):
    """Weights of convolutions, and the numbers that come out of the last one."""
    weights = 0
    for filters, kernel, stride in layers:
        weights += filters * (channels * kernel * kernel + 1)
        rows, columns, channels = (
            (rows - kernel) // stride + 1,
            (columns - kernel) // stride + 1,
            filters,
        )
    return weights, channels * rows * columns


def dense(*sizes: int) -> int:
    return sum(after * (before + 1) for before, after in pairwise(sizes))


def weights_of(module: torch.nn.Module) -> int:
    return sum(part.numel() for part in module.parameters())


EXPECTED = {
    SHALLOW: ([(32, 8, 4), (64, 4, 2), (64, 3, 1)], (), (512,)),
    FIVE: ([(32, 5, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1)], (64,), (512,)),
    DEEP: ([(32, 8, 4), (32, 4, 2), (64, 4, 2), (64, 3, 1)], (512, 512), (256, 128)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_network_has_the_weights_that_its_table_says(name):
    layers, behind, middle = EXPECTED[name]
    weights, flat = convolutions(layers, 1)
    assert weights_of(Embedding(CAMERA, name)) == weights + dense(flat, *behind, *middle)


@pytest.mark.parametrize("name", EXPECTED)
def test_stereo_convolutions_go_straight_to_the_middleware_beside_lidar(name):
    # docs/simulator.md 9.4: no dense layers behind them, whatever the network has for one camera
    layers, _, middle = EXPECTED[name]
    if name != SHALLOW:
        layers = [(32, 3, 1), (64, 3, 2), (64, 3, 1), (128, 3, 2), (128, 3, 1)]
    space = Dict({"stereo": Box(0, 255, (2, 60, 80), np.uint8), "lidar": LIDAR})
    weights, flat = convolutions(layers, 2, 60, 80)
    expected = weights + dense(64, 256, 256) + dense(flat + 256, *middle)
    assert weights_of(Embedding(space, name)) == expected


def test_the_shallow_network_makes_11264_numbers_of_a_picture_and_512_of_these():
    network = Embedding(CAMERA)
    picture = torch.zeros(1, 1, 120, 160)
    shapes = []
    for layer in network.embedders["observation"]:
        picture = layer(picture)
        if isinstance(layer, torch.nn.Conv2d):
            shapes.append(tuple(picture.shape[1:]))
    assert shapes == [(32, 29, 39), (64, 13, 18), (64, 11, 16)]
    assert picture.shape == (1, 11264)
    assert network.middleware(picture).shape == (1, 512)


def policy(kind: type = SensorPolicy, space=CAMERA, name: str = SHALLOW):
    return kind(space, ACTION, lambda _: 1e-3, network_name=name)


def test_value_and_policy_share_no_weight():
    made = policy(name=SMALL)
    assert not {id(p) for p in made.pi_features_extractor.parameters()} & {
        id(p) for p in made.vf_features_extractor.parameters()
    }
    assert made.action_net.in_features == made.value_net.in_features == 128
    assert len(list(made.mlp_extractor.parameters())) == 0


@pytest.mark.parametrize("kind", [SensorPolicy, SensorSACPolicy])
def test_a_policy_comes_back_from_its_file_the_same(kind, tmp_path):
    space = Dict({"stereo": Box(0, 255, (2, 60, 80), np.uint8), "lidar": LIDAR})
    made = policy(kind, space, SMALL)
    made.save(str(tmp_path / "p.pt"))
    found = kind.load(str(tmp_path / "p.pt"))
    rng = np.random.default_rng(0)
    seen = {
        "stereo": rng.integers(0, 256, (3, 2, 60, 80), np.uint8),
        "lidar": rng.random((3, 64), np.float32),
    }
    answers = [one.predict(seen, deterministic=True)[0] for one in (made, found)]
    assert np.array_equal(*answers)
    assert answers[0].shape == (3, 2)


def test_pictures_are_divided_by_255_once():
    made = policy(space=Box(0, 255, (1, 60, 80), np.uint8), name=SMALL)
    made.set_training_mode(False)
    white = np.full((1, 1, 60, 80), 255, np.uint8)
    direct = made.action_net(made.pi_features_extractor(torch.full((1, 1, 60, 80), 255.0)))
    assert made.predict(white, deterministic=True)[0] == pytest.approx(
        np.clip(direct.detach().numpy(), -1, 1), abs=1e-6
    )
    scaled = made.pi_features_extractor.embedders["observation"][0](
        torch.full((1, 1, 60, 80), 255.0)
    )
    assert float(scaled.max()) == 1.0


def test_a_network_that_there_is_not_and_pictures_that_are_too_small_are_sentences():
    with pytest.raises(
        UsageError, match=r"unknown network 'SHALOW'.*did you mean 'SMALL'|unknown network 'SHALOW'"
    ):
        Embedding(CAMERA, "SHALOW")
    with pytest.raises(UsageError, match="pictures of 16 x 12 are too small for this network"):
        Embedding(Box(0, 255, (1, 12, 16), np.uint8), SHALLOW)


def test_passes_in_bfloat16_are_those_of_training_alone_and_come_near_the_others(monkeypatch):
    torch.manual_seed(0)
    network = Embedding(CAMERA, SHALLOW)
    pictures = torch.randint(0, 255, (8, 1, 120, 160)).float()
    monkeypatch.setattr(networks, "HAS_BFLOAT16", False)
    exact = network.train()(pictures)
    monkeypatch.setattr(networks, "HAS_BFLOAT16", True)
    assert torch.equal(network.eval()(pictures), exact)
    rough = network.train()(pictures)
    assert rough.dtype == torch.float32
    assert (
        0.0 < float((rough - exact).detach().abs().max()) < 0.02 * float(exact.detach().abs().max())
    )
    rough.sum().backward()
    assert all(part.grad.dtype == torch.float32 for part in network.parameters())
