"""Going on beyond the end of a run, and starting a run from the policy of another one.

`extend_run` makes a run longer; its training goes on as if it had been so long from the beginning.
A run that starts from another one has what its configuration leaves out from there
(`inherit_config`), and its policy (`create_run`): as it was, in actions and observations that must
be of the same shape, and its value network where pay is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from racer import __version__
from racer.errors import RacerError, UsageError
from racer.files import hold_folder, write_json
from racer.reward import load_reward
from racer.sensors import parse_observations
from racer.track import load_track
from racer.training.config import TrainConfig, parse_config
from racer.training.interop import read_hyperparameters
from racer.training.learner import plain_bytes, read_checkpoint, read_plain
from racer.training.lineage import IMPORTED_KEY, Ancestor
from racer.training.run import Run, read_story
from racer.training.run_folder import START_FILE, StartPolicy, run_metadata
from racer.training.runs import HANDLE
from racer.vehicle import ActionSpace, Metadata

NOT_INHERITED = (
    *("from_run", "from_checkpoint", "steps", "minutes", "iterations"),
    *("teacher", "also_tracks", "fine_tune"),
)
"""Keys that a run has for itself: how long it goes on, and the teacher that the policy had."""

PAY_SETTINGS = ("gamma", "normalize_reward")
"""Settings that change what a value network has to expect."""

MAX_ACTIONS_NAMED = 3


def extend_run(
    run: Run,
    steps: int | None = None,
    minutes: float | None = None,
    iterations: int | None = None,
) -> Run:
    """The run with another end: after so many `steps`, `minutes` or `iterations` of training in all.

    Its learning rate falls as it did. With steps in place of steps, the training that goes on from
    there ends as one does to the last bit that had both from the beginning: the `steps`, and
    `lr_steps` as the run has it now. Raises UsageError where so much is over already, and while
    another trains the run.

    Examples
    --------
    >>> from racer.training import extend_run, open_session, train
    >>> run = train("center_line", track="oval", steps=2_000)
    >>> run = extend_run(run, steps=6_000)
    >>> session = open_session(run)
    >>> session.resume()
    >>> session.train(lambda progress: None).steps
    8192
    """
    check_can_resume(run)
    with hold_folder(run.folder):
        done = _progress_of(run)
        _check_is_beyond(run, steps, minutes, iterations, done)
        config = run.config
        changes: dict[str, Any] = {"minutes": minutes, "iterations": iterations}
        if steps is not None and config.fine_tune:
            changes["fine_tune"] = steps - config.steps
        elif steps is not None:
            changes["steps"] = steps
        table = config.model_dump() | changes
        table["settings"]["lr_steps"] = _lr_steps(config, done)
        story = read_story(run.folder)
        story["config"] = parse_config(table, str(run.folder)).model_dump()
        ends = {
            "steps": config.steps,
            "minutes": config.minutes,
            "iterations": config.iterations,
            "fine_tune": config.fine_tune,
        }
        extension = {
            "after_steps": done.steps,
            "ended": ends,
            "time": datetime.now(UTC).isoformat(),
            "racer": __version__,
        }
        story["extensions"] = [*story.get("extensions", []), extension]
        write_json(run.folder / "run.json", story)
    return Run.open(run.folder)


def check_can_resume(run: Run) -> None:
    """Raise UsageError for a run that was made of a model, whose training is not here."""
    origin = read_story(run.folder).get(IMPORTED_KEY)
    if origin:
        raise UsageError(
            f"{run.folder} is a model that was trained elsewhere: start a training from its policy (racer train REWARD "
            f"--from {run.folder})"
        )


def next_end(config: TrainConfig) -> str:
    """The options of `racer train --resume` that make a run twice as long."""
    if config.minutes is not None:
        return f"--minutes {2.0 * config.minutes:g}"
    if config.iterations is not None:
        return f"--iterations {2 * config.iterations}"
    return f"--steps {2 * (config.steps + config.fine_tune)}"


def inherit_config(table: dict[str, Any]) -> dict[str, Any]:
    """The keys of a configuration, with those that it leaves out from the run that it starts from.

    A track brings its direction, an action space its car. Without `from_run` the table stays as it
    is. Raises UsageError where there is no such run.
    """
    if not table.get("from_run"):
        return table
    folder = str(table["from_run"])
    if HANDLE.fullmatch(folder) and not Path(folder).exists():
        raise UsageError(
            f"{folder} is another run tomorrow: name the folder (racer runs lists them)"
        )
    parent = Run.open(Path(folder).expanduser().absolute())
    inherited = parent.config.model_dump()
    for key in NOT_INHERITED:
        del inherited[key]
    settings = inherited["settings"] | {"lr_steps": None} | dict(table.get("settings", {}))
    inherited |= _found_again(parent)
    if table.get("track") is not None:
        del inherited["reverse"]
    if table.get("action_space") is not None:
        del inherited["car"]
        inherited["network"] = parent.network
    return inherited | table | {"from_run": str(parent.folder), "settings": settings}


def create_run(config: TrainConfig, folder: str | Path, home: Path | None = None) -> Run:
    """A new run in `folder`, with the policy that it starts from where `config` says `from_run`.

    `home` is racer's data folder. Raises UsageError as `Run.create` does, and for a policy that does
    not fit; then nothing is written.

    Examples
    --------
    >>> from racer.training import create_run, inherit_config, parse_config, train
    >>> first = train("center_line", track="oval", steps=2_000)
    >>> table = {"reward": "progress_gained", "from_run": str(first.folder)}
    >>> run = create_run(parse_config(inherit_config(table), "me"), "runs/second")
    >>> run.track.name, run.lineage[0].reward
    ('oval', 'center_line.py')
    """
    if config.from_run is None:
        return Run.create(config, folder, home=home)
    return Run.create(config, folder, home=home, start=_start_policy(config))


def changes_of_actions(before: ActionSpace, after: ActionSpace) -> str:
    """What a policy that learned with the first space finds otherwise in the second one, of the same
    shape; empty where nothing is.
    """
    old = np.column_stack([before.steering_deg, before.speed])
    new = np.column_stack([after.steering_deg, after.speed])
    differing = np.flatnonzero((old != new).any(axis=1))
    if not len(differing):
        return ""
    if before.is_continuous:
        return f"its actions reach {_range_text(new)}, not {_range_text(old)} as it has learned"
    named = []
    for action in differing[:MAX_ACTIONS_NAMED]:
        named.append(f"{action} is {_command_text(new[action])}, was {_command_text(old[action])}")
    more = "" if len(differing) == len(named) else ", ..."
    return (
        f"{len(differing)} of its {len(old)} actions mean something else than it has learned: "
        f"{'; '.join(named)}{more}"
    )


def _start_policy(config: TrainConfig) -> StartPolicy:
    """The policy that a run of that configuration starts from. Raises UsageError where it does not
    fit.
    """
    parent = Run.open(str(config.from_run))
    _check_fits(parent, config, run_metadata(config))
    _, file, saved = read_checkpoint(parent, config.from_checkpoint)
    keeps_value = "returns" in saved and _pays_the_same(parent, config)
    if file.name == START_FILE:  # that value network is of the parent's own parent
        keeps_value = keeps_value and parent.keeps_value
    ancestor = Ancestor(
        folder=str(parent.folder.absolute()),
        checkpoint=file.name,
        reward=parent.reward.name,
        track=parent.track.title,
        best_lap=_best_lap(parent, file.name),
    )
    content = {key: saved[key] for key in ("weights", "returns") if key in saved}
    return StartPolicy((ancestor, *parent.lineage), plain_bytes(content), keeps_value)


def _check_fits(parent: Run, config: TrainConfig, metadata: Metadata) -> None:
    """Raise UsageError where the policy of a run cannot drive in a training."""
    name = str(parent.folder)
    file = parent.folder / "model" / "model_metadata.json"
    observation = parse_observations(config.observation, metadata.sensor)
    if observation != parent.observation:
        raise UsageError(
            f"the policy of {name} sees {_joined(parent.observation)}, and this training {_joined(observation)}: leave "
            "out --observation to go on with what it sees, or --from to begin with nothing"
        )
    if parent.network is not None and metadata.neural_network != parent.network:
        raise UsageError(
            f"the policy of {name} is the network {parent.network}, and this training asks for {metadata.neural_network}: "
            "leave out --network to go on with its own, or --from to begin with nothing"
        )
    if metadata.training_algorithm != parent.metadata.training_algorithm:
        raise UsageError(
            f"the policy of {name} was trained by {parent.metadata.training_algorithm}, and {config.action_space} says "
            f"{metadata.training_algorithm}: name an action space of its algorithm, such as {file}"
        )
    before = _shape_text(parent.action_space)
    after = _shape_text(metadata.action_space)
    if before != after:
        raise UsageError(
            f"the policy of {name} has {before}, and {config.action_space} has {after}: name an action space of as many, "
            f"such as {file}, or leave out --from to begin with nothing"
        )
    layers = parent.config.settings.net_arch
    if parent.network is None and config.settings.net_arch != layers:
        raise UsageError(
            f"the policy of {name} has layers of {_joined(layers)} units, and net_arch says "
            f"{_joined(config.settings.net_arch)}: leave out net_arch to go on with its own"
        )


def _pays_the_same(parent: Run, config: TrainConfig) -> bool:
    """Whether a value network of the parent knows what a training pays: its reward function is the
    same to the letter, and its future counts as much.
    """
    reward = load_reward(config.reward).path.read_bytes()
    if reward != (parent.folder / "reward_function.py").read_bytes():
        return False
    mine = _settings(config)
    theirs = _settings(parent.config, parent.hyperparameters)
    return all(getattr(mine, name) == getattr(theirs, name) for name in PAY_SETTINGS)


def _settings(config: TrainConfig, hyperparameters: Path | None = None) -> Any:
    """The settings that a run trains with, those of its hyperparameters.json among them."""
    file = hyperparameters or config.hyperparameters
    if file is None:
        return config.settings
    return read_hyperparameters(
        str(file), config.settings, is_like_service=config.is_like_service
    ).settings


class _Done(NamedTuple):
    """What a run has behind it, in all."""

    steps: int = 0
    seconds: float = 0.0
    iterations: int = 0


def _progress_of(run: Run) -> _Done:
    if not run.state.exists():
        return _Done()
    progress = read_plain(run.state, "train anew").get("progress")
    try:
        return _Done(int(progress["steps"]), float(progress["seconds"]), int(progress["iteration"]))
    except (LookupError, TypeError, ValueError):
        raise UsageError(f"{run.state} does not fit this run: train anew") from None


def _check_is_beyond(
    run: Run,
    steps: int | None,
    minutes: float | None,
    iterations: int | None,
    done: _Done,
) -> None:
    """Raise UsageError for an end that is none, or that lies behind."""
    advice = f"give more, such as {next_end(run.config)}"
    if sum(end is not None for end in (steps, minutes, iterations)) != 1:
        raise ValueError("steps, minutes or iterations say where the run ends: one of them")
    if iterations is not None and not run.config.is_like_service:
        raise UsageError(f"{run.folder} has no iterations of the service: {advice}")
    if iterations is not None and iterations <= done.iterations:
        raise UsageError(
            f"{run.folder} has had {done.iterations} iterations, and --iterations counts those too: {advice}"
        )
    if steps is not None and 0 < steps <= done.steps:
        raise UsageError(
            f"{run.folder} has taken {done.steps:,} steps, and --steps counts those too: {advice}"
        )
    if steps is not None and steps <= run.config.steps and run.config.fine_tune:
        raise UsageError(
            f"{run.folder} has {run.config.steps:,} steps of lessons, and --steps counts those too: {advice}"
        )
    if minutes is not None and run.config.fine_tune:
        raise UsageError(f"{run.folder} has a teacher, and ends after --steps: {advice}")
    if minutes is not None and 60.0 * minutes <= done.seconds:
        raise UsageError(
            f"{run.folder} has been trained for {done.seconds / 60.0:.1f} minutes, and --minutes counts those too: "
            f"give more, such as --minutes {max(1.0, 2.0 * done.seconds / 60.0):.1f}"
        )


def _lr_steps(config: TrainConfig, done: _Done) -> int | None:
    """The steps over which the learning rate of a run falls, from now on in so many words."""
    if config.settings.lr_steps is not None:
        return config.settings.lr_steps
    if config.minutes is None:
        return config.fine_tune or config.steps
    fraction = min(done.seconds / (60.0 * config.minutes), 1.0)
    if not done.steps or not fraction:
        return None
    return round(done.steps / fraction)


def _found_again(parent: Run) -> dict[str, Any]:
    """The things that the configuration of a run names, by names that still find them: the run's
    own copies where the names do not.
    """
    config = parent.config
    found: dict[str, Any] = {"reward": _reward_name(parent), "track": _track_name(parent)}
    if config.action_space is not None:
        found["action_space"] = str(parent.folder / "model" / "model_metadata.json")
    if parent.hyperparameters is not None:
        found["hyperparameters"] = str(parent.hyperparameters)
    if config.observation == "sensors":  # which ones, the action space's file said
        found["observation"] = ",".join(parent.observation)
    if str(config.objects).endswith(".toml") and parent.obstacle_layout is not None:
        found["objects"] = asdict(parent.obstacle_layout)
    return found


def _reward_name(parent: Run) -> str:
    try:
        path = load_reward(parent.config.reward).path.resolve()
    except RacerError:  # it is not there any more, or another one is
        return str(parent.reward)
    if path == parent.reward.resolve():
        return parent.config.reward
    return str(parent.reward)


def _track_name(parent: Run) -> str:
    try:
        track = load_track(parent.config.track)
    except UsageError:
        return str(parent.folder / "track.npy")
    if np.array_equal(track.center, parent.track.center):
        return parent.config.track
    return str(parent.folder / "track.npy")


def _best_lap(run: Run, checkpoint: str) -> float | None:
    """The fastest lap, s, of the evaluation of a checkpoint."""
    evaluations = run.evaluations()
    if "checkpoint" not in evaluations:
        return None
    laps = evaluations.loc[evaluations["checkpoint"] == checkpoint, "best_lap"].dropna()
    if not len(laps):
        return None
    return float(laps.iloc[-1])


def _shape_text(space: ActionSpace) -> str:
    if space.is_continuous:
        return "continuous actions"
    return f"{space.size} actions"


def _joined(words: Sequence[Any]) -> str:
    return ", ".join(map(str, words))


def _command_text(command: Any) -> str:
    steering_deg, speed = command
    return f"{steering_deg:+g} deg at {speed:g} m/s"


def _range_text(commands: Any) -> str:
    low = commands.min(axis=0)
    high = commands.max(axis=0)
    return f"{low[0]:g} to {high[0]:g} deg and {low[1]:g} to {high[1]:g} m/s"
