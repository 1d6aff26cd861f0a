"""Where a policy looks and how sure it is: against finite differences, and against a policy that is
blind to a part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from racer.cli import app
from racer.diagnostics.policy import (
    action_choices,
    input_weights,
    least_sure_place,
    weight_fractions,
)
from racer.plotting import FRAME_SIZE_PX
from racer.sensors.camera.camera import FRONT_CAMERA
from racer.sensors.features import FEATURE_NAMES
from racer.training.explanation import policy_lap
from racer.training.learner import load_checkpoint
from racer.training.networks import policy_head
from racer.training.run import Run
from racer.training.saliency import (
    BANDS,
    SHOWN_PICTURES,
    _gradients,
    _inside_fractions,
    picture_bands,
)
from racer.training.trainer import open_session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(make: Callable[..., Run], rewards: Path) -> dict[str, Run]:
    """Runs of a few steps: features with continuous and discrete actions, and small pictures."""
    few = {"envs": 2, "n_steps": 8, "batch_size": 8, "n_epochs": 1}
    orders: dict[str, dict[str, Any]] = {
        "continuous": {},
        "discrete": {"action_space": str(rewards / "model_metadata.json")},
        "camera": {
            "observation": "camera:80x60",
            "action_space": str(rewards / "model_metadata.json"),
        },
    }
    found = {name: make(steps=16, settings=few, **order) for name, order in orders.items()}
    for run in found.values():
        open_session(run).train(lambda progress: None)
    return found


def test_the_gradient_is_what_a_small_change_does(trained: dict[str, Run]) -> None:
    policy, _ = load_checkpoint(trained["continuous"], "best")
    seen = torch.from_numpy(
        np.random.default_rng(1).normal(size=(3, len(FEATURE_NAMES))).astype(np.float32)
    )
    [(_, sizes)] = _gradients(policy, {"observation": seen})
    step = 1e-2 * torch.eye(len(FEATURE_NAMES))
    with torch.no_grad():
        inside = _inside_fractions(policy, policy_head(policy, seen))
        for k in range(len(FEATURE_NAMES)):
            slope = (
                policy_head(policy, seen + step[k]) - policy_head(policy, seen - step[k])
            ) / 2e-2
            slope *= inside
            np.testing.assert_allclose(
                sizes["observation"][:, k], slope.abs().sum(dim=1), atol=2e-2
            )


def test_an_action_at_the_end_of_its_range_counts_less(trained: dict[str, Run]) -> None:
    policy, _ = load_checkpoint(trained["continuous"], "best")
    seen = torch.from_numpy(
        np.random.default_rng(2).normal(size=(5, len(FEATURE_NAMES))).astype(np.float32)
    )
    [(_, both)] = _gradients(policy, {"observation": seen})
    with torch.no_grad():
        policy.action_net.bias[1] += 40.0  # full speed, whatever it sees
    [(_, steering)] = _gradients(policy, {"observation": seen})
    with torch.no_grad():
        policy.action_net.weight[1] = 0.0
    [(_, steering_alone)] = _gradients(policy, {"observation": seen})
    assert float((both["observation"] - steering["observation"]).abs().sum()) > 1e-3
    torch.testing.assert_close(steering["observation"], steering_alone["observation"])


def test_what_a_policy_tries_around_a_point_is_cut_to_its_range(trained: dict[str, Run]) -> None:
    policy, _ = load_checkpoint(trained["continuous"], "best")
    points = torch.tensor([[0.0, 0.9], [1.0, 3.0]])
    fractions = _inside_fractions(policy, points)
    tried = points[..., None] + policy.log_std.exp().detach()[:, None] * torch.randn(
        2, 2, 40_000, generator=torch.Generator().manual_seed(1)
    )
    inside = (tried.abs() < 1.0).double().mean(dim=2)
    np.testing.assert_allclose(fractions.numpy(), inside.numpy(), atol=0.01)
    assert float(fractions[1, 1]) < 0.01 < 0.45 < float(fractions[1, 0])


def test_what_a_policy_is_blind_to_has_no_share(trained: dict[str, Run]) -> None:
    run = trained["discrete"]
    policy, _ = load_checkpoint(run, "best")
    blind = FEATURE_NAMES.index("yaw rate / 5 rad/s")
    with torch.no_grad():
        policy.mlp_extractor.policy_net[0].weight[:, blind] = 0.0
    found = {part.name: part.fraction for part in input_weights(policy_lap(run, policy))}
    assert found[FEATURE_NAMES[blind]] == 0.0
    assert sum(found.values()) == pytest.approx(1.0)


def test_probabilities_are_those_of_the_policy(trained: dict[str, Run]) -> None:
    run = trained["discrete"]
    policy, _ = load_checkpoint(run, "best")
    lap = policy_lap(run, policy)
    np.testing.assert_allclose(lap.probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(weight_fractions(lap).sum(axis=1), 1.0)
    assert sum(choice.taken for choice in action_choices(lap)) == pytest.approx(1.0)
    at, chance = least_sure_place(lap)
    assert chance == lap.probabilities.max(axis=1).min()
    assert lap.distance[0] <= at <= lap.distance[-1]


def test_bands_of_the_picture_are_where_the_floor_is() -> None:
    band = picture_bands(120)
    assert list(np.unique(band)) == [0, 1, 2, 3, 4]
    assert (np.diff(band) >= 0).all(), "the lower, the nearer"
    horizon = 60.0 - FRONT_CAMERA.focal * np.tan(FRONT_CAMERA.pitch)
    assert np.flatnonzero(band > 0)[0] == pytest.approx(horizon, abs=1.0)
    row = 60.0 + FRONT_CAMERA.focal * np.tan(np.arctan(FRONT_CAMERA.z / 1.0) - FRONT_CAMERA.pitch)
    assert np.flatnonzero(band == 3)[0] == pytest.approx(row, abs=1.0)


def test_pictures_shine_where_the_network_looks(trained: dict[str, Run]) -> None:
    run = trained["camera"]
    policy, _ = load_checkpoint(run, "best")
    lap = policy_lap(run, policy)
    assert lap.views is not None
    assert lap.views.pictures.shape == lap.views.heat.shape == (SHOWN_PICTURES, 60, 80)
    assert (lap.views.heat.min(), lap.views.heat.max()) == (0.0, 1.0)
    assert lap.parts == BANDS
    first = policy.pi_features_extractor.embedders["observation"].conv0
    with torch.no_grad():
        first.weight[:] = 0.0
    blind = policy_lap(run, policy)
    assert blind.views is not None
    assert blind.views.heat.max() == 0.0


@pytest.mark.parametrize("kind", ["continuous", "camera"])
def test_the_command_prints_and_draws(trained: dict[str, Run], kind: str, tmp_path: Path) -> None:
    folder = trained[kind].folder
    done = CliRunner().invoke(app, ["explain", str(folder), "-o", str(tmp_path / "look.png")])
    assert done.exit_code == 0, done.output
    assert f"{folder}, checkpoint 16.pt, on Oval: " in done.stdout
    assert ("speed m/s" if kind == "continuous" else "floor nearer than 0.5 m") in done.stdout
    with Image.open(tmp_path / "look.png") as picture:
        assert picture.width > 1000
    told = json.loads(CliRunner().invoke(app, ["explain", str(folder), "--json"]).stdout)
    assert sum(part["share"] for part in told["parts"]) == pytest.approx(1.0)
    assert len(told["steps"]["distance"]) == len(told["probabilities"])


def test_a_policy_that_sees_pictures_shows_them_in_its_animation(trained: dict[str, Run]) -> None:
    folder = str(trained["camera"].folder)
    done = CliRunner().invoke(
        app, ["evaluate", folder, "--laps", "1", "--resets", "0", "--save", "--json"]
    )
    assert done.exit_code == 0, done.output
    film = next(file for file in json.loads(done.stdout)["files"] if file.endswith(".gif"))
    with Image.open(film) as pictures:
        assert pictures.width == 560 + FRAME_SIZE_PX[0] + 12
    done = CliRunner().invoke(app, ["evaluate", folder, "--onboard"])
    assert (done.exit_code, done.stderr) == (
        2,
        "racer: --onboard is about the animation, which --save writes\n",
    )


def test_what_is_for_rewards_is_refused_for_runs_and_the_other_way_round(
    trained: dict[str, Run],
) -> None:
    done = CliRunner().invoke(app, ["explain", str(trained["camera"].folder), "--driver", "medium"])
    assert done.exit_code == 2
    assert "a run is explained on its own track" in done.stderr
    done = CliRunner().invoke(app, ["explain", "center_line", "--checkpoint", "last"])
    assert done.exit_code == 2
    assert "--checkpoint is for a run's folder, and center_line is none" in done.stderr
