"""Where a training is and where it is going: its iterations, and what its reward asks for beside its
laps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.cli.tables import echo, new_table, print_table
from racer.errors import UsageError
from racer.files import read_json
from racer.records import format_number, format_seconds

if TYPE_CHECKING:
    import pandas as pd

    from racer.cli.inputs import LogOnTrack
    from racer.diagnostics import Foresight

MAX_ITERATIONS_SHOWN = 25
ARRIVED_RATIO = 1.05  # laps that are nearer than that to the foreseen one are there


def iterations_with_entropy(laps: pd.DataFrame, ppo: pd.DataFrame) -> pd.DataFrame:
    """`racer.analysis.laps_by_iteration` with the mean `entropy` of the trainer's epochs, nan where
    its log is not there.
    """
    from racer.analysis import laps_by_iteration

    iterations = laps_by_iteration(laps)
    entropy = ppo.groupby("iteration")["entropy"].mean()
    return iterations.assign(entropy=iterations["iteration"].map(entropy).astype(float))


def print_iterations(iterations: pd.DataFrame) -> None:
    """A table of the iterations, of long trainings some of them."""
    heads = ["iteration", "episodes", "complete", "covered %", "reward", "steps"]
    heads += ["best s", "mean s"]
    has_entropy = iterations["entropy"].notna().any()
    if has_entropy:
        heads.append("entropy")
    table = new_table(*heads, minor=("entropy", "reward", "mean s", "steps"))
    every = -(-len(iterations) // MAX_ITERATIONS_SHOWN)  # rounded up
    shown = iterations.iloc[::-every].iloc[::-1]  # counted from the last
    for row in shown.to_dict("records"):
        cells = [f"{row[name]:.0f}" for name in ("iteration", "episodes", "complete")]
        cells += [f"{row[name]:.1f}" for name in ("completion", "reward", "steps")]
        cells += [format_seconds(row["best_time"]), format_seconds(row["mean_time"])]
        if has_entropy:
            cells.append(format_number(row["entropy"]))
        table.add_row(*cells)
    print_table(table)
    if every > 1:
        echo(f"one iteration in {every} is shown")


@dataclass(frozen=True)
class TrainingCourse:
    """The laps of a training beside what its reward asks for.

    `last_lap_s` is the mean lap of the last iteration that completed one, None where none did.
    """

    foresight: Foresight
    last_lap_s: float | None

    @property
    def sentence(self) -> str:
        """`the last laps took 12.7 s; the reward asks for laps of 14.8 s at gamma 0.99: they will get
        slower`.
        """
        gamma = f"at gamma {self.foresight.gamma:g}"
        asked_s = self.foresight.lap_time_s
        now = "no lap is complete yet"
        if self.last_lap_s is not None:
            now = f"the last laps took {self.last_lap_s:.1f} s"
        if asked_s is None:
            kind = self.foresight.kind
            return f"{now}; the reward asks for a car that never completes a lap ({kind}) {gamma}"
        asked = f"{now}; the reward asks for laps of {asked_s:.1f} s {gamma}"
        return f"{asked}{self._outlook(asked_s)}"

    def _outlook(self, asked_s: float) -> str:
        if self.last_lap_s is None:
            return ""
        if asked_s > ARRIVED_RATIO * self.last_lap_s:
            return ": they will get slower"
        if self.last_lap_s > ARRIVED_RATIO * asked_s:
            return ": there is more to gain"
        return ": that is as fast as it asks for"

    def to_dict(self) -> dict[str, Any]:
        """The facts for JSON."""
        return {
            "sentence": self.sentence,
            "last_lap_s": self.last_lap_s,
            "foreseen": self.foresight.to_dict(),
        }


def is_run_folder(path: Path) -> bool:
    """Whether a path is the folder of one of racer's trainings, with the reward of it."""
    return (path / "run.json").is_file() and (path / "reward_function.py").is_file()


def foresee_course(log: LogOnTrack) -> TrainingCourse:
    """What the reward in a training's folder asks for, beside its laps. Its code is run.

    Raises UsageError for a log that is no run folder, or of which the track is unknown, and
    RewardRefused.
    """
    from racer.diagnostics import foresee

    folder = log.path.expanduser()
    if not is_run_folder(folder):
        raise UsageError(
            f"--foresee: {folder} is no folder of racer train, whose reward could be asked; "
            "racer foresee REWARD asks any reward"
        )
    if log.track is None:
        raise UsageError(f"--foresee: {log.sentence}")
    story = read_json(folder / "run.json")
    foresight = foresee(folder / "reward_function.py", log.track, **_training_facts(story, folder))
    return TrainingCourse(foresight, _last_lap_s(log))


def _training_facts(story: Any, folder: Path) -> dict[str, Any]:
    """Car, actions, objects and discount factor of a training, as `foresee` takes them."""
    from racer.sim import read_obstacle_layout
    from racer.vehicle import read_metadata

    try:
        return {
            "car": story["car"],
            "gamma": story["config"]["settings"]["gamma"],
            "objects": read_obstacle_layout(story.get("objects")),
            "action_space": read_metadata(folder / "model" / "model_metadata.json").action_space,
        }
    except (KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{folder / 'run.json'} is damaged: it lacks the training's facts"
        ) from None


def _last_lap_s(log: LogOnTrack) -> float | None:
    """The mean complete lap of the last iteration that has one, s."""
    from racer.analysis import lap_phases, laps_by_iteration

    training = log.laps[(lap_phases(log.laps) == "training") & log.laps["complete"]]
    if not len(training):
        return None
    return float(laps_by_iteration(training)["mean_time"].iloc[-1])
