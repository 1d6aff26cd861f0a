"""The search for better constants: an Optuna study of what the reward asks for with each setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.diagnostics import VERDICT_GAMMA, Foresight, foresee
from racer.errors import RacerError, UsageError, need
from racer.reward import RewardFunction
from racer.track import Track
from racer.tuning.constants import Constant, Number, find_constants, with_values
from racer.tuning.record import NO_LAP_RATIO, Setting, SettingState, Tuning, TuningSettings
from racer.vehicle import DEFAULT_CAR, ActionSpace

if TYPE_CHECKING:
    import optuna

STUDY_FILE = "study.db"
DEFAULT_TRIALS = 40
DEFAULT_SECONDS = 2.0
QUICK_FRACTION = 0.25  # of the seconds, for the first look, after which a setting may be pruned
STARTUP_TRIALS = 8  # of the sampler: drawn at random before it learns
PRUNING_TRIALS = 6  # that must be complete before any is pruned
REFUSED_RATIO = 6.0  # and one that the real job would refuse

OnSetting = Callable[[Sequence[Setting]], None]


@dataclass(frozen=True)
class TuningTask:
    """What is tuned: a reward's constants, on tracks, for a car."""

    reward: RewardFunction
    tracks: tuple[Track, ...]
    constants: tuple[Constant, ...]
    settings: TuningSettings
    action_space: ActionSpace | None = None

    def identity(self) -> dict[str, Any]:
        """What a study must have in common with the task to go on with it."""
        ranges = {c.name: [c.low, c.high, c.is_log, c.is_whole] for c in self.constants}
        return {"sha256": self.reward.sha256, "ranges": ranges, **self.settings.to_dict()}


def tune(
    reward: RewardFunction,
    tracks: Sequence[Track],
    folder: Path,
    *,
    trials: int = DEFAULT_TRIALS,
    seconds: float = DEFAULT_SECONDS,
    gamma: float = VERDICT_GAMMA,
    car: str = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    objects: str | None = None,
    seed: int = 0,
    on_setting: OnSetting | None = None,
) -> Tuning:
    """Search the constants of a reward file for those that ask for the fastest laps.

    Parameters
    ----------
    reward
        The file; `racer.tuning.find_constants` says which of its numbers are searched.
    tracks
        Where: a setting is as good as its foreseen laps are fast, on average over the tracks.
    folder
        Holds the study, `study.db`. What is there is gone on with.
    trials
        How many settings there are to be in the study, the file's own among them.
    seconds
        Of search for each setting and track; see `racer.foresee`.
    gamma, car, action_space, objects
        Those of the training.
    seed
        Seed of the searches and of the sampler.
    on_setting
        Is told all settings after each that was tried.

    Ctrl-C raises KeyboardInterrupt: the study keeps what was tried. Raises UsageError for a file
    without constants, and where `folder` holds a study of something else; RewardRefused when the file
    itself is refused as it stands.

    Examples
    --------
    >>> from racer.reward import load_reward
    >>> from racer.track import load_track
    >>> tracks = [load_track("oval")]
    >>> tuning = tune(load_reward("speed_aware"), tracks, Path("study"), trials=2, seconds=0.2)
    >>> len(tuning.tried), tuning.original.values["FAST"]
    (2, 2.5)
    """
    need("tune")
    constants = tuple(find_constants(reward))
    names = tuple(track.name for track in tracks)
    settings = TuningSettings(names, car, gamma, objects or "none", seconds, seed)
    task = TuningTask(reward, tuple(tracks), constants, settings, action_space)
    study = _open_study(task, folder)

    def report(study: optuna.Study, trial: Any) -> None:
        if on_setting is not None:
            on_setting(_settings_of(study))

    missing = trials - len(_settings_of(study))
    if missing > 0:
        with _quiet_optuna():
            study.optimize(_Objective(task), n_trials=missing, callbacks=[report])
    return _as_tuning(task, study)


class _Objective:
    """How slow the laps are that a trial's setting asks for (a class: Optuna calls it)."""

    def __init__(self, task: TuningTask) -> None:
        self._task = task

    def __call__(self, trial: optuna.Trial) -> float:
        values = _suggest(trial, self._task.constants)
        trial.set_user_attr("values", values)
        candidate = with_values(self._task.reward, values)
        try:
            return self._look(trial, candidate)
        except RacerError as error:
            if not trial.study.user_attrs.get("references"):  # the file itself: nothing to tune
                raise
            trial.set_user_attr("trouble", str(error))
            return REFUSED_RATIO

    def _look(self, trial: optuna.Trial, candidate: RewardFunction) -> float:
        import optuna

        settings = self._task.settings
        quick = self._foresee(candidate, self._task.tracks[0], QUICK_FRACTION * settings.seconds)
        _record(trial, [quick])
        trial.report(_slowness(trial, quick), 0)
        if trial.should_prune():
            raise optuna.TrialPruned
        ratios = []
        foresights = []
        for step, track in enumerate(self._task.tracks, start=1):
            foresights.append(self._foresee(candidate, track, settings.seconds))
            ratios.append(_slowness(trial, foresights[-1]))
            _record(trial, foresights)
            mean = sum(ratios) / len(ratios)
            trial.report(mean, step)
            if step < len(self._task.tracks) and trial.should_prune():
                raise optuna.TrialPruned
        return mean

    def _foresee(self, candidate: RewardFunction, track: Track, seconds: float) -> Foresight:
        settings = self._task.settings
        foresight = foresee(
            candidate,
            track,
            gamma=settings.gamma,
            car=settings.car,
            action_space=self._task.action_space,
            objects=settings.objects,
            seconds=seconds,
            seed=settings.seed,
        )
        if foresight.interrupted:
            raise KeyboardInterrupt
        return foresight


def _suggest(trial: optuna.Trial, constants: Sequence[Constant]) -> dict[str, Number]:
    """A value for each constant, as it will be written."""
    values: dict[str, Number] = {}
    for constant in constants:
        ends = (constant.name, constant.low, constant.high)
        if constant.is_whole:
            value: float = trial.suggest_int(*ends, log=constant.is_log)  # type: ignore[arg-type]
        else:
            value = trial.suggest_float(*ends, log=constant.is_log)
        values[constant.name] = constant.rounded(value)
    return values


def _slowness(trial: optuna.Trial, foresight: Foresight) -> float:
    """The foreseen lap time, in laps of the fastest driver that the first trial knew there."""
    references = dict(trial.study.user_attrs.get("references", {}))
    name = foresight.track.name
    if name not in references:
        if foresight.fastest_lap_time_s is None:
            raise UsageError(f"no driver completes a lap of {name}: nothing can be tuned there")
        references[name] = foresight.fastest_lap_time_s
        trial.study.set_user_attr("references", references)
    if foresight.lap_time_s is None:
        return NO_LAP_RATIO + 1.0 - foresight.best.completion / 100.0
    reference: float = references[name]
    return foresight.lap_time_s / reference


def _record(trial: optuna.Trial, foresights: Sequence[Foresight]) -> None:
    trial.set_user_attr("laps", [foresight.lap_time_s for foresight in foresights])
    trial.set_user_attr("kinds", [foresight.kind for foresight in foresights])


def _open_study(task: TuningTask, folder: Path) -> optuna.Study:
    """The study in a folder, a new one where there is none."""
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    with _quiet_optuna():
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder / STUDY_FILE}")
        study = optuna.create_study(
            storage=storage,
            study_name=task.reward.name,
            direction="minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(PRUNING_TRIALS, n_warmup_steps=0),
        )
    # a study that goes on must not draw the same settings again
    sampler_seed = task.settings.seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=STARTUP_TRIALS, multivariate=True, seed=sampler_seed
    )
    identity = task.identity()
    known = study.user_attrs.get("task")
    if known is None:
        study.set_user_attr("task", identity)
        study.enqueue_trial({constant.name: constant.value for constant in task.constants})
    elif known != json.loads(json.dumps(identity)):
        differing = [
            key for key in identity if known.get(key) != json.loads(json.dumps(identity[key]))
        ]
        raise UsageError(
            f"{folder} holds a study with another {', '.join(differing)}: name another folder with "
            "--out, or delete that one"
        )
    return study


@contextmanager
def _quiet_optuna() -> Any:
    """Without Optuna's own lines about each trial, and its notes on what is experimental."""
    import logging
    import warnings

    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _settings_of(study: optuna.Study) -> list[Setting]:
    """What was tried to its end, in order."""
    states: Mapping[str, SettingState] = {"COMPLETE": "tried", "PRUNED": "pruned"}
    settings = []
    for trial in study.get_trials(deepcopy=False):
        state = states.get(trial.state.name)
        values = trial.user_attrs.get("values")
        if state is None or values is None:
            continue
        trouble = trial.user_attrs.get("trouble", "")
        slowness = trial.value
        if slowness is None:
            slowness = trial.intermediate_values[max(trial.intermediate_values)]
        settings.append(
            Setting(
                number=trial.number,
                values=values,
                state="refused" if trouble else state,
                slowness=slowness,
                lap_times_s=tuple(trial.user_attrs.get("laps", ())),
                kinds=tuple(trial.user_attrs.get("kinds", ())),
                trouble=trouble,
            )
        )
    return settings


def _importances(study: optuna.Study) -> dict[str, float]:
    """How much of the differences each constant makes, 0 to 1; empty for too few settings."""
    import optuna

    complete = [
        trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"
    ]
    if len(complete) < STARTUP_TRIALS or len({trial.value for trial in complete}) < 2:
        return {}
    with _quiet_optuna():
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _as_tuning(task: TuningTask, study: optuna.Study) -> Tuning:
    return Tuning(
        reward=task.reward,
        constants=task.constants,
        settings=task.settings,
        tried=tuple(_settings_of(study)),
        references_s=dict(study.user_attrs.get("references", {})),
        importances=_importances(study),
    )
