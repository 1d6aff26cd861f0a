"""Where a trained policy looks: the gradient of its answer by what it sees, over a lap of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from racer.diagnostics.policy import PolicyLap, PolicyViews
from racer.env import DeepRacerVectorEnv
from racer.sensors.camera.camera import FRONT_CAMERA
from racer.sensors.features import FEATURE_NAMES
from racer.sim.simulation import Starts
from racer.sim.state import TRAINING, State, Status
from racer.training.interop.onnx import (
    input_names,
    join_observation,
    policy_head,
    split_observation,
)
from racer.training.learner import load_checkpoint
from racer.training.run import Run
from racer.training.trials import LONGEST_LAP_S, Policy
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import STEP_S

GATHERING_CARS = 5  # that gather observations, begun at equal distances around the track

Observation = Any  # (N, ...) array, or a dict of such


@dataclass(frozen=True, eq=False)
class ObservedSteps:
    """T observations of a policy and the (T,) rows of the state table in which they were made, in
    driving order.
    """

    observation: Observation
    rows: State


def policy_cars(run: Run, count: int, advance: float) -> DeepRacerVectorEnv:
    """`count` cars as the run trained them, without noise; car k begins k times `advance` of a lap
    further on.
    """
    return DeepRacerVectorEnv(
        count,
        track=run.track,
        reward=_unpaid,
        action_space=run.metadata,
        observation=run.observation,
        objects=run.obstacle_layout,
        car=run.config.car,
        reverse=run.config.reverse,
        rules=TRAINING._replace(time_limit=LONGEST_LAP_S),
        starts=Starts(advance=advance),
    )


def gather_observations(run: Run, policy: Policy, count: int) -> ObservedSteps:
    """`count` observations of a policy that drives from everywhere around the track, off the road
    and on again.
    """
    cars = policy_cars(run, GATHERING_CARS, 1.0 / GATHERING_CARS)
    parts: list[ObservedSteps] = []
    cars.reset(seed=0)
    while len(parts) * GATHERING_CARS < count:
        parts.append(_now(cars))
        actions, _ = policy.predict(parts[-1].observation, deterministic=True)
        turn = cars.turn(actions, see=False)
        if (over := turn.terminated | turn.truncated).any():
            cars.restart(over)
    return pick_steps(join_steps(parts), np.arange(count))


def observe_lap(run: Run, policy: Policy) -> ObservedSteps:
    """The observations of one lap from the start line, or of as much of it as the policy manages."""
    cars = policy_cars(run, 1, 0.0)
    parts: list[ObservedSteps] = []
    cars.reset(seed=0)
    is_over = False
    while not is_over:
        parts.append(_now(cars))
        actions, _ = policy.predict(parts[-1].observation, deterministic=True)
        turn = cars.turn(actions, see=False)
        is_over = bool(turn.terminated[0] or turn.truncated[0])
        for name in ("progress", "status", "lap_time"):
            parts[-1].rows[name] = turn.rows[name]
    return join_steps(parts)


def join_steps(parts: list[ObservedSteps]) -> ObservedSteps:
    """Observations one behind the other."""
    return ObservedSteps(
        _mapped(np.concatenate, *(part.observation for part in parts)),
        np.concatenate([p.rows for p in parts]),
    )


def pick_steps(seen: ObservedSteps, index: NDArray[np.int64]) -> ObservedSteps:
    """The observations at the positions `index`."""
    return ObservedSteps(_mapped(lambda parts: parts[0][index], seen.observation), seen.rows[index])


def _now(cars: DeepRacerVectorEnv) -> ObservedSteps:
    """What all cars see, in arrays of its own: the sensors write into theirs again."""
    return ObservedSteps(
        _mapped(lambda parts: parts[0].copy(), cars.observe()), cars.simulation.state.copy()
    )


def _mapped(function: Any, *observations: Observation) -> Observation:
    """`function` of a list of arrays, of each sensor apart where there are several."""
    if isinstance(observations[0], dict):
        return {name: function([one[name] for one in observations]) for name in observations[0]}
    return function(list(observations))


def _unpaid(params: Any) -> float:
    return 0.0


Array = NDArray[np.float64]

SHOWN_PICTURES = 8  # of the lap whose pictures are shown
BAND_DISTANCES_M = (2.0, 1.0, 0.5)  # m ahead of the lens at which bands of the picture end
BANDS = (
    "above the horizon", "floor beyond 2 m", "floor from 1 to 2 m", "floor from 0.5 to 1 m", "floor nearer than 0.5 m",
)  # fmt: skip

_PIECE = 32  # observations whose gradients are taken at a time
_SMOOTH = 1 / 40  # of a picture's width: the deviation of the blur
_GLOW = (60.0, 99.0)  # percentiles of a picture's heat at which it begins to shine, and shines most
_PICTURE = 3  # dimensions of a picture: channels, rows, columns


def explain_run(folder: Path, checkpoint: str = "best") -> tuple[PolicyLap, str]:
    """A lap of a checkpoint of the run in `folder`, and the checkpoint's file. UsageError when
    there is none.
    """
    run = Run.open(folder)
    policy, name = load_checkpoint(run, checkpoint)
    return policy_lap(run, policy), name


def policy_lap(run: Run, policy: BasePolicy) -> PolicyLap:
    """One lap of a policy from the start line, or as much of it as it manages, with what it answers
    and looks at.
    """
    seen = observe_lap(run, policy)
    space = run.metadata.action_space
    track = run.track.reversed() if run.config.reverse else run.track
    sees = dict(
        zip(
            input_names(policy),
            split_observation(input_names(policy), seen.observation),
            strict=True,
        )
    )
    index = np.linspace(0, len(seen.rows), SHOWN_PICTURES, endpoint=False).astype(np.int64)
    parts, weights, views = _attention(policy, sees, index)
    mean, deviation, probabilities = _answers(policy, space, sees)
    progress = seen.rows["progress"]
    return PolicyLap(
        track=track,
        xy=np.column_stack([seen.rows["front_x"], seen.rows["front_y"]]),
        distance=np.maximum.accumulate(progress) / 100.0 * track.length,
        time=float(seen.rows["lap_time"][-1]) if progress[-1] >= 100.0 else len(seen.rows) * STEP_S,
        ended=Status(seen.rows["status"][-1]).word,
        mean=mean,
        deviation=deviation,
        actions=np.empty((0, 2))
        if space.is_continuous
        else np.column_stack([space.steering_deg, space.speed]),
        probabilities=probabilities,
        parts=parts,
        weights=weights,
        views=views,
    )


def picture_bands(height: int) -> NDArray[np.int64]:
    """(H,) which of `BANDS` each row of the front camera's picture shows, on flat ground."""
    focal = FRONT_CAMERA.focal * height / FRONT_CAMERA.height
    down = FRONT_CAMERA.pitch + np.arctan((np.arange(height) + 0.5 - height / 2) / focal)
    with np.errstate(divide="ignore"):
        ahead = np.where(down > 0.0, FRONT_CAMERA.z / np.tan(down), np.inf)
    return np.where(down > 0.0, 1 + (ahead[:, None] <= BAND_DISTANCES_M).sum(axis=1), 0)


def _attention(
    policy: BasePolicy, sees: dict[str, torch.Tensor], index: NDArray[np.int64]
) -> tuple[tuple[str, ...], Array, PolicyViews | None]:
    """Names of parts, weights (T, P), and the pictures at `index` with their heat, where there are
    any.
    """
    spread = {name: part.float().std(dim=0) for name, part in sees.items()}
    tables: dict[str, list[Array]] = {name: [] for name in sees}
    heat: dict[int, Array] = {}
    camera = next((name for name, part in sees.items() if part.ndim > _PICTURE), "")
    for first, gradients in _gradients(policy, sees):
        for name, gradient in gradients.items():
            tables[name].append(_by_part(gradient * spread[name]))
        heat |= {
            int(k): _heat(gradients[camera][k - first])
            for k in index
            if camera and 0 <= k - first < _PIECE
        }
    parts = tuple(
        label for name, part in sees.items() for label in _labels(name, part, len(sees) > 1)
    )
    weights = np.hstack([np.concatenate(table) for table in tables.values()])
    if not camera:
        return parts, weights, None
    pictures = sees[camera][index, 0].numpy()
    return parts, weights, PolicyViews(index, pictures, np.stack([heat[int(k)] for k in index]))


def _gradients(
    policy: BasePolicy, sees: dict[str, torch.Tensor]
) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
    """The first step of a piece of the lap, and for each sensor the size of the answer's gradient
    at each step.

    The answer is the log of the odds of the action that is taken, or steering and speed as points
    in [-1, 1].
    """
    count = len(next(iter(sees.values())))
    for first in range(0, count, _PIECE):
        some = {
            name: part[first : first + _PIECE].float().requires_grad_()
            for name, part in sees.items()
        }
        answer = policy_head(policy, join_observation(tuple(some), tuple(some.values())))
        if not _is_continuous(policy):
            answer = _odds(answer)
        sizes = {name: torch.zeros_like(part) for name, part in some.items()}
        for k in range(answer.shape[1]):
            found = torch.autograd.grad(answer[:, k].sum(), list(some.values()), retain_graph=True)
            for name, gradient in zip(some, found, strict=True):
                sizes[name] += gradient.abs()
        yield first, sizes


def _odds(logits: torch.Tensor) -> torch.Tensor:
    """(N, 1) log of the odds of the likeliest action against all others: unlike probabilities it
    never levels off.
    """
    best = logits.argmax(dim=1, keepdim=True)
    rest = logits.scatter(1, best, -torch.inf)
    return logits.gather(1, best) - torch.logsumexp(rest, dim=1, keepdim=True)


def _by_part(weights: torch.Tensor) -> Array:
    """(N, P) weights of a sensor, put together by its parts."""
    if weights.ndim > _PICTURE:
        rows = weights.sum(dim=(1, 3)).double().numpy()
        band = picture_bands(weights.shape[2])
        return np.column_stack([rows[:, band == k].sum(axis=1) for k in range(len(BANDS))])
    values: Array = weights.double().numpy()
    return values if values.shape[1] == len(FEATURE_NAMES) else values.sum(axis=1, keepdims=True)


def _labels(name: str, part: torch.Tensor, is_one_of_several: bool) -> list[str]:
    if part.ndim > _PICTURE:
        return [f"{name}: {band}" if is_one_of_several else band for band in BANDS]
    return list(FEATURE_NAMES) if part.shape[1] == len(FEATURE_NAMES) else [name]


def _heat(gradient: torch.Tensor) -> Array:
    """(H, W) from 0, for most of the picture, to 1."""
    smooth = _blurred(gradient.sum(dim=0).double().numpy())
    low, top = np.percentile(smooth, _GLOW)
    return np.clip((smooth - low) / (top - low), 0.0, 1.0) if top > low else np.zeros_like(smooth)


def _blurred(picture: Array) -> Array:
    """The picture under a Gaussian window, darker towards its edges."""
    for axis, count in enumerate(picture.shape):
        away = np.subtract.outer(np.arange(count), np.arange(count)) / (_SMOOTH * picture.shape[1])
        window = np.exp(-0.5 * away**2)
        picture = np.moveaxis(
            np.tensordot(window / window[count // 2].sum(), picture, (1, axis)), 0, axis
        )
    return picture


def _answers(
    policy: BasePolicy, space: ActionSpace, sees: dict[str, torch.Tensor]
) -> tuple[Array, Array, Array]:
    """(T, 2) likeliest commands, (T, 2) their deviations in training, (T, K) probabilities."""
    found, spread = [], []
    with torch.no_grad():
        for first in range(0, len(next(iter(sees.values()))), _PIECE):
            some = join_observation(
                tuple(sees), tuple(part[first : first + _PIECE] for part in sees.values())
            )
            found.append(policy_head(policy, some))
            spread.append(_spread(policy, some, found[-1]))
    answer, deviation = torch.cat(found), torch.cat(spread).double().numpy()
    if space.is_continuous:
        half = np.array([np.ptp(space.steering_deg), np.ptp(space.speed)]) / 2.0
        return space.command_deg(answer.numpy()), deviation * half, np.empty((len(answer), 0))
    chances: Array = torch.softmax(answer.double(), dim=1).numpy()
    table = np.column_stack([space.steering_deg, space.speed])
    middle = chances @ table
    return (
        table[chances.argmax(axis=1)],
        np.sqrt(np.maximum(chances @ table**2 - middle**2, 0.0)),
        chances,
    )


def _spread(policy: BasePolicy, observation: Any, answer: torch.Tensor) -> torch.Tensor:
    """(N, 2) deviation of continuous actions, in points of [-1, 1]; for SAC of what is left after
    its tanh.
    """
    if isinstance(policy, SACPolicy):
        mean, log_std, _ = policy.actor.get_action_dist_params(observation)
        return (torch.tanh(mean + log_std.exp()) - torch.tanh(mean - log_std.exp())) / 2.0
    assert isinstance(policy, ActorCriticPolicy)
    log = policy.log_std if _is_continuous(policy) else torch.full((2,), -torch.inf)
    return log.exp().expand(len(answer), 2)


def _is_continuous(policy: BasePolicy) -> bool:
    return bool(policy.action_space.shape)
