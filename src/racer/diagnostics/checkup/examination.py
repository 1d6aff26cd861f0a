"""`doctor`: from a log to what holds its training back."""

from __future__ import annotations

from pathlib import Path

from racer.analysis import TOO_SHORT
from racer.diagnostics.checkup.case import Case, open_case
from racer.diagnostics.checkup.course import examine_course, examine_entropy, examine_length
from racer.diagnostics.checkup.diagnosis import Diagnosis, Symptom, rank_symptoms
from racer.diagnostics.checkup.driving import (
    examine_corners,
    examine_endings,
    examine_one_action,
    examine_starts,
    find_passages,
)
from racer.diagnostics.checkup.physics import (
    examine_actions,
    examine_foresight,
    examine_unused,
    reachable_lap,
    review_actions,
)
from racer.diagnostics.foresight import DEFAULT_SECONDS, Foresight, foresee
from racer.diagnostics.pay import VERDICT_GAMMA
from racer.errors import UsageError
from racer.logs import HasTrace, Log, as_log, find_log_track
from racer.reward import RewardFunction, load_reward, reads_objects
from racer.track import Track
from racer.vehicle import CARS, Car, car_preset

RUN_FILE = "run.json"
REWARD_FILE = "reward_function.py"


def doctor(
    log: Log | HasTrace | str | Path,
    track: Track | str | None = None,
    *,
    reward: str | Path | RewardFunction | None = None,
    car: str | Car | None = None,
    seconds: float = DEFAULT_SECONDS,
    name: str = "",
) -> Diagnosis:
    """What holds a training back, the costliest first, each with its evidence and what to do next.

    Parameters
    ----------
    log
        A log, a run, the path of one, or whatever has driven.
    track
        The track that it was driven on; left out, it is recognized among those with a name.
    reward
        Its reward function: what it pays best is foreseen, which runs it. Without one that is not
        looked at; the code in a run's folder is never run unasked.
    car
        The car, where the log does not say it.
    seconds
        How long to look for what the reward pays best, as in `racer.foresee`.
    name
        What the log is called in commands; the path, where one was given.

    What its actions allow is looked for as `racer actions check` does, which takes some seconds.
    Raises UsageError where there is no lap to look at, RewardRefused for what the real job refuses.

    Examples
    --------
    >>> import racer
    >>> lap = racer.drive("oval", "fast")
    >>> racer.doctor(lap).symptoms
    ()
    >>> diagnosis = racer.doctor(lap, reward="center_line", car="v6", seconds=0.5)
    >>> [symptom.title for symptom in diagnosis.symptoms]
    ['the reward does not want what the clock wants']
    """
    source = log if isinstance(log, str | Path) else getattr(log, "folder", "")
    if track is None:
        track = getattr(log, "track", None)
    log = as_log(source or log)
    case = open_case(log, _track_of(log, track), _car_of(log, car))
    if not len(case.laps):
        raise UsageError(f"{name or source or 'this log'} holds no lap to look at")
    review = review_actions(case)
    reachable_s = reachable_lap(case, review)
    symptoms = [*examine_course(case, reachable_s), *examine_entropy(case, reachable_s)]
    symptoms += _examine_driving(case, reachable_s)
    unused, notes = examine_unused(case, review)
    symptoms += unused
    if review is not None:
        symptoms += examine_actions(case, review)
    foresight = _foresee(case, reward, seconds)
    if foresight is not None:
        asked = [*examine_foresight(foresight)]
        symptoms = [
            *(symptom for symptom in symptoms if symptom.kind != "reward" or not asked),
            *asked,
        ]
    place = Path(source or name)
    is_run = (place / RUN_FILE).is_file()
    reward_name = _reward_name(reward, place, is_run)
    return Diagnosis(
        name=name or str(source) or "LOG",
        track=case.track,
        car=case.car.name if case.car else "",
        window=case.window,
        verdict=str(case.verdict),
        laps=len(case.recent),
        completion=case.completion,
        lap_s=case.lap_s,
        symptoms=rank_symptoms(symptoms, case.lap_s),
        notes=(*notes, *_gaps(case, foresight is not None, reward_name)),
        reward=reward_name,
        is_run=is_run,
        recent_laps=case.recent,
        review=review,
        foresight=foresight,
    )


def _examine_driving(case: Case, reachable_s: float | None) -> list[Symptom]:
    passages = find_passages(case, case.recent)
    of_all = find_passages(case, case.laps)
    corners: list[Symptom] = []
    symptoms: list[Symptom] = []
    if passages is not None and of_all is not None:
        corners += examine_corners(case, passages, of_all)
        symptoms += examine_starts(case, passages)
    symptoms += corners
    symptoms += [*examine_length(case)] or [*examine_endings(case, corners)]
    symptoms += examine_one_action(case, reachable_s)
    return symptoms


def _track_of(log: Log, track: Track | str | None) -> Track | None:
    """The track in the log's direction, None where it is unknown."""
    if isinstance(track, Track):
        return track
    length = log.trace["track_len"].round(2)
    lengths = length.mode()
    rows = log.trace[length == lengths.iloc[0]] if len(lengths) else log.trace
    return find_log_track(rows, track or "").track


def _car_of(log: Log, car: str | Car | None) -> Car | None:
    if isinstance(car, Car):
        return car
    if car:
        return car_preset(car)
    return CARS.get(log.job.car)


def _foresee(
    case: Case, reward: str | Path | RewardFunction | None, seconds: float
) -> Foresight | None:
    """What the reward pays best, with the log's actions and discount factor."""
    if reward is None or case.track is None or case.car is None:
        return None
    function = reward if isinstance(reward, RewardFunction) else load_reward(reward)
    objects = "boxes" if case.track.is_loop and reads_objects(function) else None
    return foresee(
        function,
        case.track,
        gamma=_gamma_of(case.log),
        car=case.car,
        action_space=case.space,
        objects=objects,
        seconds=seconds,
    )


def _gamma_of(log: Log) -> float:
    gamma = log.job.hyperparameters.get("discount_factor")
    if isinstance(gamma, int | float) and 0.0 <= gamma <= 1.0:
        return float(gamma)
    return VERDICT_GAMMA


def _reward_name(reward: str | Path | RewardFunction | None, place: Path, is_run: bool) -> str:
    if isinstance(reward, RewardFunction):
        return str(reward.path)
    if reward is not None:
        return str(reward)
    if is_run:
        return str(place / REWARD_FILE)
    return ""


def _gaps(case: Case, is_foreseen: bool, reward: str) -> list[str]:
    """What could not be looked at, and how to have it looked at."""
    gaps = []
    if case.verdict.kind == TOO_SHORT and case.is_training:
        gaps.append(f"its course tells little: {case.verdict.sentence}")
    if case.track is None:
        gaps.append(
            "the track is unknown, so corners and actions were not looked at: name it with --track"
        )
    elif case.space is None:
        gaps.append(
            "the log does not say its actions: what they allow was not looked at (put its model_metadata.json beside it)"
        )
    elif case.car is None:
        gaps.append(
            "the log does not say its car: what its actions allow was not looked at (--car)"
        )
    if not is_foreseen:
        gaps.append(
            f"what the reward pays best was not looked at: --reward {reward or 'FILE'} runs it, and says it"
        )
    return gaps
