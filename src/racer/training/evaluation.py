"""Evaluating a trained car: a race, or trials, with one of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from stable_baselines3.common.policies import BasePolicy

from racer import analysis
from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError, did_you_mean
from racer.records import Record, RecordTable, format_number
from racer.sensors import has_pictures
from racer.sim import EVALUATION, Obstacles, Params
from racer.track import Track, load_track
from racer.training.learner import load_checkpoint
from racer.training.run import Run
from racer.training.trials import (
    LONGEST_LAP_S,
    DrivenSteps,
    beyond_logs_notes,
    drive_policy,
    mean_beyond_logs,
)
from racer.vehicle import Car

OWN_REWARD = "the run's own reward"
SERVICE_REWARD = "the service's center-line reward"


class RaceRules(NamedTuple):
    """What an evaluation or a race allows."""

    laps: int
    is_continuous: bool  # one race; else every lap is a trial from standstill
    resets: int  # incidents that are forgiven
    penalty: float  # s held after leaving the track
    crash_penalty: float  # s held after hitting an obstacle
    checkpoint: str = "best"
    time_limit: float = inf  # s of simulation time


RACE_RULES = {
    "racer": RaceRules(5, True, 100, 2.0, 5.0),
    "simulator": RaceRules(10, False, 0, 2.0, 5.0),
    "drfc": RaceRules(3, True, 100, 5.0, 5.0, checkpoint="last"),
    "aws": RaceRules(3, True, 10_000, 2.0, 5.0),
    "league": RaceRules(3, True, 10_000, 2.0, 5.0),
    "event": RaceRules(3, True, 10_000, 2.0, 5.0, time_limit=180.0),
}
"""Rules by name: racer's own; the simulator's defaults; those of DeepRacer for Cloud's template; of
DeepRacer on AWS; of the console's leaderboards; of virtual events (docs/simulator.md 2.5 and 6.5).
"""


def service_reward(params: Params) -> float:
    """What evaluation jobs of the service pay, whatever a training's reward is (docs/simulator.md
    9.7): more the nearer the car is to the center line.

    >>> service_reward({"distance_from_center": 0.1, "track_width": 0.8})
    0.5
    """
    distance = params["distance_from_center"] / params["track_width"]
    for edge, pay in ((0.1, 1.0), (0.25, 0.5), (0.5, 0.1)):
        if distance <= edge:
            return pay
    return 1e-3


@dataclass(frozen=True, eq=False)
class EvaluationResult(Record):
    """Laps that a trained car drove.

    Attributes
    ----------
    trace
        The steps as columns of the simulator's log.
    laps
        The lap table of `racer.laps`.
    track
        The track in the direction in which it was driven.
    drive
        The steps again, with the rows of the state table and the obstacles.
    car
        The car that was driven.
    headline, notes
        What to say about it.
    sees_pictures, has_obstacles
        Whether the policy has a camera, and whether there were obstacles.
    obstacles
        (K,) obstacles that stood on the track all the time; none where every lap had others.
    is_race
        Whether the laps were driven in one go.
    paid_by
        Whose reward stands in trace and laps: the service's, or the run's own.
    stamp
        Date and time in 14 digits, as in the names of DeepRacer for Cloud's folders.
    """

    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track
    drive: DrivenSteps
    car: Car
    headline: str
    notes: tuple[str, ...]
    sees_pictures: bool
    has_obstacles: bool
    obstacles: Obstacles
    is_race: bool
    paid_by: str
    stamp: str

    def blocks(self) -> Sequence[str | RecordTable]:
        """The headline, the lap table, and the notes."""
        paid_by = self.paid_by
        if paid_by == SERVICE_REWARD:
            paid_by = f"{paid_by} (--own-reward: the run's)"
        notes = [f"reward: {paid_by}", *(f"note: {note}" for note in self.notes)]
        return [self.headline, self._lap_table(), *notes]

    def to_dict(self) -> dict[str, Any]:
        """Headline, laps and notes."""
        return {
            "headline": self.headline,
            "laps": json.loads(self.laps.to_json(orient="records")),
            "paid_by": self.paid_by,
            "notes": list(self.notes),
        }

    def _lap_table(self) -> RecordTable:
        incidents = ["off_tracks"]
        if self.has_obstacles:
            incidents.append("crashes")
        incidents.append("resets")
        incident_heads = [name.replace("_", "-") for name in incidents]
        heads = ("lap", "time s", "%", "status", *incident_heads, "m/s", "reward")
        table = RecordTable(
            heads,
            text_heads=frozenset({"status"}),
            minor_heads=("m/s", *incident_heads[:-1], "reward"),
        )
        for number, lap in enumerate(self.laps.to_dict("records"), 1):
            table.add_row(
                str(number),
                format_number(lap["time"]),
                format_number(lap["completion"], 1),
                str(lap["status"]),
                *(str(lap[name]) for name in incidents),
                format_number(lap["speed"]),
                format_number(lap["reward"]),
            )
        return table


def evaluate(
    run: Run | str | Path,
    *,
    track: str | None = None,
    rules: str = "racer",
    laps: int | None = None,
    penalty: float | None = None,
    resets: int | None = None,
    trials: bool = False,
    reverse: bool = False,
    car: str | None = None,
    noise: str = "none",
    objects: str | None = None,
    crash_penalty: float | None = None,
    own_reward: bool = False,
    seed: int = 0,
    checkpoint: str | None = None,
    home: Path | None = None,
) -> EvaluationResult:
    """Drive laps with a checkpoint of a run, without exploration.

    Parameters
    ----------
    run
        A run, or its folder.
    track
        Another track than the run's: a name, a .toml or a .npy file.
    rules
        A name of `RACE_RULES`: `racer`, `simulator`, `drfc`, `aws`, `league`, `event`. What is given
        beside it goes before it.
    laps
        Laps of the race, driven in one go.
    penalty
        Time for which the car is held after it left the track, s.
    resets
        Incidents that are forgiven; the next one ends the race. The simulator refuses 1.
    trials
        Whether every lap starts from standstill, in place of one race.
    reverse
        Whether to drive in the other direction than in training.
    car
        Another car than the run's: v4, v5 or v6.
    noise
        none, jitter or robust.
    objects
        none, boxes, random_boxes, bots, or a .toml file; by default those of the training.
    crash_penalty
        Time for which the car is held after it hit an obstacle, s.
    own_reward
        Whether the run's own reward function pays, which runs its code; by default the service's
        center-line reward does, as in evaluation jobs.
    seed
        Seed of the noise, and of obstacles at random places.
    checkpoint
        best, service, last, or a number of steps.
    home
        racer's data folder, where tracks are looked for.

    Raises
    ------
    UsageError
        For something that is named and not there, and for one reset.

    Examples
    --------
    >>> from racer.training import evaluate, train
    >>> run = train("center_line", track="oval", steps=2_000)
    >>> result = evaluate(run, laps=2, resets=0)
    >>> result.laps[["status", "off_tracks"]].shape
    (1, 2)
    """
    if not isinstance(run, Run):
        run = Run.open(run)
    options = _Options(
        rules=_race_rules(rules, laps, penalty, resets, crash_penalty, trials, checkpoint),
        track=track,
        reverse=reverse,
        car=car,
        noise=noise,
        objects=objects,
        own_reward=own_reward,
    )
    policy, file_name = load_checkpoint(run, options.rules.checkpoint)
    cars = _evaluation_cars(run, options, home)
    _check_spaces(policy, cars)
    steps = drive_policy(policy, cars, seed=seed)
    return _evaluation_result(run, options, cars, steps, file_name)


@dataclass(frozen=True)
class _Options:
    """The arguments of `evaluate`."""

    rules: RaceRules
    track: str | None
    reverse: bool
    car: str | None
    noise: str
    objects: str | None
    own_reward: bool


def _race_rules(
    name: str,
    laps: int | None,
    penalty: float | None,
    resets: int | None,
    crash_penalty: float | None,
    trials: bool,
    checkpoint: str | None,
) -> RaceRules:
    """The rules of that name, changed by what was given. Raises UsageError."""
    if name not in RACE_RULES:
        known = ", ".join(RACE_RULES)
        raise UsageError(f"unknown rules {name!r}{did_you_mean(name, [*RACE_RULES])} ({known})")
    if resets == 1:
        raise UsageError("1 reset is refused by the simulator: take 0, or 2 and more")
    given: dict[str, Any] = {
        "laps": laps,
        "penalty": penalty,
        "resets": resets,
        "crash_penalty": crash_penalty,
        "checkpoint": checkpoint,
        "is_continuous": False if trials else None,
    }
    return RACE_RULES[name]._replace(
        **{k: value for k, value in given.items() if value is not None}
    )


def _evaluation_cars(run: Run, options: _Options, home: Path | None) -> DeepRacerVectorEnv:
    """The car of a race, or one car a trial."""
    changes: dict[str, Any] = {
        "car": options.car or run.car,
        "noise": options.noise,
        "reverse": options.reverse != run.config.reverse,
    }
    if options.track is not None:
        changes["track"] = load_track(options.track, home=home)
    if options.objects is not None:
        changes["objects"] = options.objects
    if not options.own_reward:
        changes["reward"] = service_reward
    race = options.rules
    cars = 1
    laps_of_each_car = race.laps
    if not race.is_continuous:
        cars = race.laps
        laps_of_each_car = 1
    rules = EVALUATION._replace(
        laps=laps_of_each_car,
        resets=race.resets,
        off_track_penalty=race.penalty,
        collision_penalty=race.crash_penalty,
        time_limit=min(race.time_limit, LONGEST_LAP_S * laps_of_each_car),
    )
    arguments = run.env_arguments() | changes
    return DeepRacerVectorEnv(cars, evaluation=True, rules=rules, **arguments)


def _check_spaces(policy: BasePolicy, cars: DeepRacerVectorEnv) -> None:
    same_actions = policy.action_space == cars.single_action_space
    same_observations = policy.observation_space == cars.single_observation_space
    if not (same_actions and same_observations):
        raise UsageError(
            "the checkpoint was trained with other actions or observations than the run folder says"
        )


def _evaluation_result(
    run: Run,
    options: _Options,
    cars: DeepRacerVectorEnv,
    steps: DrivenSteps,
    checkpoint: str,
) -> EvaluationResult:
    trace = steps.trace.assign(phase="evaluation")
    laps = analysis.laps(trace)
    track = cars.scenario.track
    subject = f"{run.folder}, checkpoint {checkpoint}, on {track.title}, car {cars.car.name}"
    outcome = _outcome(
        laps, options.rules.laps, has_obstacles=cars.scenario.obstacle_layout is not None
    )
    return EvaluationResult(
        trace=trace,
        laps=laps,
        track=track,
        drive=steps,
        car=cars.car,
        headline=f"{subject}: {outcome}",
        notes=(
            *beyond_logs_notes(cars, mean_beyond_logs(cars, trace, laps)),
            *(own_reward_notes(run) if options.own_reward else ()),
        ),
        sees_pictures=has_pictures(run.observation),
        has_obstacles=cars.scenario.obstacle_layout is not None,
        obstacles=_standing_obstacles(cars),
        is_race=options.rules.is_continuous,
        paid_by=OWN_REWARD if options.own_reward else SERVICE_REWARD,
        stamp=f"{datetime.now():%Y%m%d%H%M%S}",
    )


def own_reward_notes(run: Run) -> list[str]:
    """That code of the run folder was run, where it was."""
    if not run.brings_own_reward:
        return []
    return [f"the rewards are those of {run.reward}, which was run for them"]


def _outcome(laps: pd.DataFrame, lap_count: int, has_obstacles: bool) -> str:
    """How many laps were completed, the best of them, and how many crashes there were."""
    complete = laps[laps["complete"]]
    outcome = f"{len(complete)} of {lap_count} laps complete"
    if len(complete):
        outcome += f", the best in {complete['time'].min():.2f} s"
    if has_obstacles:
        outcome += f", {laps['crashes'].sum()} crashes"
    return outcome


def _standing_obstacles(cars: DeepRacerVectorEnv) -> Obstacles:
    """(K,) the obstacles that do not move, where those of all cars are the same; else none."""
    obstacles = cars.simulation.obstacles
    places = obstacles[["x", "y"]]
    if obstacles.size == 0 or not bool((places == places[:1]).all()):
        nothing: Obstacles = obstacles[0][:0]
        return nothing
    standing: Obstacles = obstacles[0][~obstacles[0]["moves"]]
    return standing
