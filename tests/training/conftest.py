"""Trainings of a second: eight cars, a few hundred steps on the oval."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from racer.training.config import TrainConfig, parse_config
from racer.training.run import Run
from racer.training.trainer import open_session

SETTINGS = {"envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 2}  # 128 steps an update
REMEMBERS = """
import random

last = {"speed": 0.0, "calls": 0}


def reward_function(params, kept=[0.0]):
    global last
    gained = params["progress"] - kept[0]
    kept[0] = params["progress"]
    last = {"speed": params["speed"], "calls": last["calls"] + 1}
    return gained + last["calls"] % 7 + params["speed"] + random.random()
"""
ACTIONS = {
    "action_space": [
        {"steering_angle": a, "speed": v} for a, v in ((-25.0, 1.2), (0.0, 2.0), (25.0, 1.2))
    ],
    "action_space_type": "discrete",
    "sensor": ["FRONT_FACING_CAMERA"],
    "version": "5",
}


@dataclass(frozen=True)
class Story:
    """What two equal trainings share to the last bit: all but the seconds that they took."""

    weights: bytes
    evaluations: str
    logs: dict[str, bytes]
    metrics: bytes


@pytest.fixture(scope="session")
def rewards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `remembers.py`, a reward with a memory, and `model_metadata.json`, three
    actions of version 5.
    """
    folder = tmp_path_factory.mktemp("rewards")
    (folder / "remembers.py").write_text(REMEMBERS)
    (folder / "model_metadata.json").write_text(json.dumps(ACTIONS))
    return folder


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """A function that makes a run of 768 steps, evaluated twice on the way and at the end; keywords
    change that.
    """
    number = count()

    def made(**changes: Any) -> Run:
        folder = (
            changes.pop("folder", None) or tmp_path_factory.mktemp("runs") / f"run{next(number)}"
        )
        return Run.create(tiny(**changes), folder)

    return made


def tiny(**changes: Any) -> TrainConfig:
    plain = {"reward": "center_line", "track": "oval", "steps": 768, "evaluate_every": 300}
    changes["settings"] = SETTINGS | changes.get("settings", {})
    return parse_config(plain | changes, "the test")


@pytest.fixture(scope="session")
def finish() -> Callable[[Run], Story]:
    """A function that trains a run from where it is to its end, and tells its story."""

    def finished(run: Run) -> Story:
        session = open_session(run)
        session.resume()
        session.train(lambda progress: None)
        return told(run)

    return finished


@pytest.fixture(scope="session")
def tell() -> Callable[[Run], Story]:
    """A function that tells the story of a run."""
    return told


def told(run: Run) -> Story:
    state = torch.load(run.state, weights_only=False)
    folder = run.folder / "training-simtrace"
    return Story(
        weights=b"".join(
            np.ascontiguousarray(part.numpy()).tobytes() for part in state["policy"].values()
        ),
        evaluations=pd.read_csv(run.folder / "evaluations.csv").drop(columns="seconds").to_csv(),
        logs={file.name: file.read_bytes() for file in sorted(folder.iterdir())},
        metrics=(run.folder / "metrics" / "TrainingMetrics.json").read_bytes(),
    )


@pytest.fixture(scope="session")
def whole(make: Callable[..., Run], finish: Callable[[Run], Story]) -> tuple[Run, Story]:
    """A run that was trained to its end in one go, and its story; not to be changed."""
    run = make()
    return run, finish(run)
