"""What DeepRacer for Cloud will do otherwise than the run that is exported for it: sentences."""

from __future__ import annotations

from pathlib import Path

from racer.sensors import PICTURE_SIZE_PX, has_pictures, picture_size
from racer.training.config import LearnerSettings
from racer.training.interop.drfc import obstacle_notes
from racer.training.interop.hyperparameters import hyperparameters_notes, read_hyperparameters
from racer.training.networks import NETWORKS, SMALL
from racer.training.run import Run
from racer.vehicle import DEFAULT_NETWORK

DEEPRACER_NETWORKS = tuple(name for name in NETWORKS if name != SMALL)

_WEIGHTS_NOTE = (
    "what the policy has learned stays here, in model/policy.onnx, and DeepRacer for Cloud trains from the beginning: "
    "racer export --to drfc takes along a checkpoint that it goes on from"
)
_FEATURES_NOTE = (
    "this policy drives on numbers about car and road; DeepRacer for Cloud trains the network that model_metadata.json "
    "names, on pictures"
)


def export_notes(run: Run, is_pretrained: bool = False) -> list[str]:
    """Sentences about what does not go over to DeepRacer for Cloud, with the weights or without."""
    return [
        *_sensor_notes(run),
        *(() if is_pretrained else (_WEIGHTS_NOTE,)),
        *obstacle_notes(run.obstacle_layout),
        *hyperparameters_notes(
            effective_settings(run), run.metadata.training_algorithm, run.config.is_like_service
        ),
        *_config_notes(run, is_pretrained),
    ]


def effective_settings(run: Run) -> LearnerSettings:
    """The settings of PPO or SAC that the run trained with."""
    if run.hyperparameters is None:
        return run.config.settings
    return read_hyperparameters(
        str(run.hyperparameters),
        run.config.settings,
        run.metadata.training_algorithm,
        run.config.is_like_service,
    ).settings


def _sensor_notes(run: Run) -> list[str]:
    """Sentences about what the policy perceives here and not there."""
    notes = []
    if {"features", "objects"} & set(run.observation):
        notes.append(_FEATURES_NOTE)
    usual_width, usual_height = PICTURE_SIZE_PX
    for sensor in run.observation:
        width, height = picture_size(sensor)
        if has_pictures([sensor]) and (width, height) != PICTURE_SIZE_PX:
            notes.append(
                f"pictures are {width} x {height} pixels here, {usual_width} x {usual_height} there"
            )
    if not has_pictures(run.observation) and run.observation != ("features",):
        notes.append(
            "the sensors of this policy have no camera among them, which DeepRacer for Cloud always wants"
        )
    if run.network and run.network not in DEEPRACER_NETWORKS:
        notes.append(
            f"the network {run.network} is racer's alone: there, {DEFAULT_NETWORK} is trained"
        )
    return notes


def _config_notes(run: Run, is_pretrained: bool) -> list[str]:
    """Sentences about keys of the configuration that its files have no counterpart for."""
    config = run.config
    notes = []
    if run.lineage and not is_pretrained:
        notes.append(
            f"the run started from the policy of {Path(run.lineage[0].folder).name}; the experiment begins with nothing"
        )
    if config.teacher and not is_pretrained:
        notes.append("there is no teacher there: the network learns from the reward alone")
    if config.also_tracks:
        notes.append(
            f"{', '.join(config.also_tracks)}: there, a worker-N.env for each (DR_TRAIN_MULTI_CONFIG)"
        )
    if config.look not in ("none", "simulator"):
        notes.append(
            f"look {config.look} is racer's alone: there, lights and colors of objects vary"
        )
    if config.noise != "none":
        notes.append(f"noise {config.noise} has no counterpart there: the simulator has its own")
    return notes
