"""Real trainings foretold: jobs whose reward is known, trained here like the service does, beside what
their logs hold.

    python benchmarks/transfer.py LOGS --tracks DIR [--seeds 5] [--observation features|sensors]
    python benchmarks/transfer.py LOGS --tracks DIR --report [--pictures docs/pictures]

LOGS is a folder with a folder for each job: its training log, and, where they are there,
`model_metadata.json`, `hyperparameters.json`, `*training_metrics.json` (which hold the iterations that
a log lacks) and `reward_function.py`. Where that is missing, the rewards in `transfer_rewards/` and
their multiples are tried on every row of the log. Trainings that are done are kept in
`results/transfer_runs.jsonl` and not made again. docs/proof.md says what the numbers mean.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from fidelity import load_routes
from racer import train
from racer.analysis import (
    action_shares,
    curve_band,
    curve_of_metrics,
    episodes_per_iteration,
    exit_shares,
    lap_phases,
    laps,
    learning_curve,
    outside_band,
    total_variation,
)
from racer.diagnostics.log_replay import price_trace
from racer.errors import RacerError, UsageError
from racer.logs import Log, read_log, read_metrics
from racer.logs.track_matching import match_track
from racer.plotting import foretold_curve_figure, save_figure
from racer.reward import load_reward
from racer.track import Track, save_route
from racer.training.run import Run
from racer.vehicle import read_metadata
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.metadata import Metadata, write_metadata

HERE = Path(__file__).parent
KNOWN_REWARDS = HERE / "transfer_rewards"
RUNS = HERE / "results" / "transfer_runs.jsonl"
REWARD_TOLERANCE = 6e-5
"""Logs have four decimals."""
LEAST_EQUAL_FRACTION = 0.999
"""Of the rows that a reward explains to be the job's."""
MOST_FRESH_POINTS = 15.0
"""Completion of the first iteration, %, above which a job began with a model that could drive."""
LAST_ITERATIONS = 5
"""Over which the use of actions is compared."""
CONSOLE_CHARS = 150

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Job:
    """A real training, with what is needed to have it again."""

    name: str
    reward: Path
    factor: float
    track: Track
    metadata: Metadata
    hyperparameters: Path | None
    log: Log
    laps: pd.DataFrame
    curve: pd.DataFrame
    episodes: int

    @property
    def iterations(self) -> int:
        """How many it had, the last one left out where it is not whole."""
        whole = self.curve[self.curve["episodes"] >= self.episodes]
        return int(whole["iteration"].max()) + 1

    @property
    def whole_curve(self) -> pd.DataFrame:
        """The curve without an iteration that was cut off."""
        return self.curve[self.curve["iteration"] < self.iterations]

    @property
    def is_fresh(self) -> bool:
        """Whether it began with a model that could not drive yet."""
        first = self.curve.loc[self.curve["iteration"] == 0, "completion"]
        return bool(len(first)) and float(first.iloc[0]) <= MOST_FRESH_POINTS


class NotComparable(RacerError):
    """Why a job is left out."""


def main() -> int:
    options = _options()
    try:
        jobs = list(_comparable(options))
        if not options.report:
            _train_missing(jobs, options)
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    done = _read_runs()
    results = []
    for job in jobs:
        runs = _of_job(done, job, options)
        if len(runs) >= 2:
            results.append(_measure(job, runs))
            _print_curve(job, runs)
            if options.pictures:
                curves = [pd.DataFrame(run["curve"]) for run in runs]
                figure = foretold_curve_figure(job.whole_curve, curves, job.name)
                save_figure(figure, options.pictures / f"proof_{job.name}.png")
    _print_results(results)
    return 0


# Reading


def _comparable(options: argparse.Namespace) -> Iterator[Job]:
    """The jobs that can be had again; the others are named with the reason."""
    routes = load_routes(options.tracks)
    for folder in sorted(path for path in options.logs.iterdir() if path.is_dir()):
        if options.jobs and folder.name not in options.jobs:
            continue
        try:
            yield _read_job(folder, routes)
        except (RacerError, OSError) as error:
            print(f"{folder.name}: left out: {error}")


def _read_job(folder: Path, routes: list[Track]) -> Job:
    log = read_log(folder)
    table = laps(log.trace)
    table = table[lap_phases(table) == "training"]
    if table.empty:
        raise NotComparable("no laps of a training")
    match = match_track(log.trace, routes)
    if match is None:
        raise NotComparable("its track is none of those in --tracks")
    reward, factor = _known_reward(folder, log, match.track)
    metadata = _metadata(folder, log)
    workers = table["source"].nunique()
    size = int(table.groupby("source")["episode"].agg(episodes_per_iteration).iloc[0])
    curve = learning_curve(log.trace, table)
    metrics = sorted(folder.glob("*training_metrics.json"))
    if metrics:
        curve = _with_metrics(
            curve, curve_of_metrics([read_metrics(file) for file in metrics], size)
        )
    job = Job(
        name=folder.name,
        reward=reward,
        factor=factor,
        track=match.track,
        metadata=metadata,
        hyperparameters=_existing(folder / "hyperparameters.json"),
        log=log,
        laps=table,
        curve=curve,
        episodes=size * workers,
    )
    if not job.is_fresh:
        raise NotComparable(
            f"it began with a model that could drive: {curve['completion'].iloc[0]:.0f} % in its first iteration"
        )
    return job


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None


def _with_metrics(curve: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The curve of a log, and the iterations that only metrics tell of; evaluations as they tell."""
    missing = told[~told["iteration"].isin(curve["iteration"])]
    evaluations = ["evaluated_completion", "evaluated_time"]
    both = pd.concat([curve, missing]).sort_values("iteration").set_index("iteration")
    both[evaluations] = told.set_index("iteration")[evaluations]
    return both.reset_index()


def _known_reward(folder: Path, log: Log, track: Track) -> tuple[Path, float]:
    """The file of the job's reward, and by what it is multiplied."""
    own = folder / "reward_function.py"
    if own.is_file():
        return own, 1.0
    logged = log.trace["reward"].to_numpy(dtype=float)
    in_training = (log.trace["phase"] != "evaluation").to_numpy()
    for file in sorted(KNOWN_REWARDS.glob("*.py")):
        paid = price_trace(log.trace, track, load_reward(file))
        scored = np.isfinite(paid) & in_training
        factor = float(np.median(logged[scored] / paid[scored]))
        wrong = np.abs(logged[scored] - factor * paid[scored]) > REWARD_TOLERANCE * max(factor, 1.0)
        if 1.0 - wrong.mean() >= LEAST_EQUAL_FRACTION:
            return file, factor
    raise NotComparable("its reward is not known")


def _metadata(folder: Path, log: Log) -> Metadata:
    file = folder / "model_metadata.json"
    if file.is_file():
        return read_metadata(file)
    rows = log.trace[log.trace["action"] >= 0]
    commands = rows.groupby("action")[["steer", "throttle"]].median()
    if list(commands.index) != list(range(len(commands))) or len(commands) < 2:
        raise NotComparable("its actions are not known: no model_metadata.json")
    space = ActionSpace(
        is_continuous=False,
        steering_deg=tuple(commands["steer"].tolist()),
        speed=tuple(commands["throttle"].tolist()),
    )
    return Metadata(space)


# Training


def _train_missing(jobs: list[Job], options: argparse.Namespace) -> None:
    for seed in range(options.seeds):
        for job in jobs:
            runs = _of_job(_read_runs(), job, options)
            if any(run["seed"] == seed for run in runs):
                continue
            run = _train(job, seed, options.observation)
            with RUNS.open("a") as file:
                file.write(json.dumps(run) + "\n")
            print(f"{job.name}, seed {seed}: {run['cpu_s']:.0f} s of CPU", flush=True)


def _train(job: Job, seed: int, observation: str) -> dict[str, Any]:
    """What a training of the job's kind comes to."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reward = _scaled(job.reward, job.factor, folder)
        save_route(job.track, folder / "track.npy")
        write_metadata(job.metadata, folder / "model_metadata.json")
        hyperparameters = {}
        if job.hyperparameters:
            shutil.copy(job.hyperparameters, folder / "hyperparameters.json")
            hyperparameters = {"hyperparameters": str(folder / "hyperparameters.json")}
        before = process_time()
        run = train(
            reward,
            folder / "track.npy",
            folder=folder / "run",
            like="service",
            iterations=job.iterations,
            observation=observation,
            action_space=str(folder / "model_metadata.json"),
            settings={"envs": job.episodes},
            seed=seed,
            **hyperparameters,
        )
        cpu_s = process_time() - before
        log = read_log(run.folder)
        table = laps(log.trace)
        driven = table[lap_phases(table) == "training"]
        last = driven[driven["iteration"] >= job.iterations - LAST_ITERATIONS]
        return {
            "job": job.name,
            "observation": observation,
            "seed": seed,
            "iterations": job.iterations,
            "steps": len(log.trace),
            "cpu_s": round(cpu_s, 1),
            "curve": _curve_of_run(run, log.trace, table).round(4).to_dict("list"),
            "lap_times": _complete_times(driven),
            "actions": _shares_as_json(action_shares(log.trace, last)),
            "exits": exit_shares(log.trace, driven, len(job.track.center)).round(5).tolist(),
        }


def _curve_of_run(run: Run, trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The learning curve of a run, whose evaluations are in a file of their own."""
    curve = learning_curve(trace, table)
    evaluations = run.evaluations()
    curve["evaluated_completion"] = evaluations["completion"]
    curve["evaluated_time"] = evaluations["median_lap"]
    return curve


def _scaled(file: Path, factor: float, folder: Path) -> Path:
    """A reward file whose rewards are multiplied."""
    scaled = folder / "reward_function.py"
    text = file.read_text("utf-8")
    if abs(factor - 1.0) > 1e-6:
        text = text.replace("def reward_function(", "def _unscaled(")
        text += f"\n\ndef reward_function(params):\n    return {factor!r} * _unscaled(params)\n"
    scaled.write_text(text, "utf-8")
    return scaled


def _complete_times(table: pd.DataFrame) -> list[float]:
    return [round(float(time), 3) for time in table.loc[table["complete"], "time"].dropna()]


def _shares_as_json(shares: pd.Series) -> list[list[float]]:
    return [[*map(float, command), round(float(share), 5)] for command, share in shares.items()]


def _read_runs() -> list[dict[str, Any]]:
    if not RUNS.is_file():
        return []
    return [json.loads(line) for line in RUNS.read_text().splitlines()]


def _of_job(
    done: list[dict[str, Any]], job: Job, options: argparse.Namespace
) -> list[dict[str, Any]]:
    wanted = (job.name, options.observation, job.iterations)
    return [run for run in done if (run["job"], run["observation"], run["iterations"]) == wanted]


# Comparing


def _measure(job: Job, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The job and what was foretold of it."""
    curves = [pd.DataFrame(run["curve"]) for run in runs]
    outside = outside_band(job.curve, curve_band(curves, "completion"), "completion")
    real_times = _complete_times(job.laps)
    foretold = [float(np.median(run["lap_times"])) for run in runs if run["lap_times"]]
    evaluated = [_settled(curve["evaluated_time"]) for curve in curves]
    return {
        "job": job.name,
        "seeds": len(runs),
        "inside": float((outside["outside"] == 0.0).mean()),
        "points": float(outside["outside"].mean()),
        "time": float(np.median(real_times)) if real_times else np.nan,
        "foretold": float(np.mean(foretold)) if foretold else np.nan,
        "best": min(real_times, default=np.nan),
        "best_foretold": float(np.mean([min(run["lap_times"], default=np.nan) for run in runs])),
        "evaluated": _settled(job.curve["evaluated_time"]),
        "evaluated_foretold": float(np.nanmean(evaluated))
        if np.isfinite(evaluated).any()
        else np.nan,
        "complete": float(job.whole_curve["complete"].iloc[-1]),
        "complete_foretold": float(np.mean([curve["complete"].iloc[-1] for curve in curves])),
        "first": _first_complete(job.curve),
        "first_foretold": float(np.mean([_first_complete(curve) for curve in curves])),
        "actions": float(np.mean([_action_difference(job, run) for run in runs])),
        "exits": float(np.mean([_exit_correlation(job, run) for run in runs])),
    }


def _settled(times: pd.Series) -> float:
    """The median of the latest evaluations that have complete laps."""
    known = times.dropna()
    return float(known.iloc[-LAST_ITERATIONS:].median()) if len(known) else float("nan")


def _first_complete(curve: pd.DataFrame) -> float:
    complete = curve.loc[curve["complete"] > 0.0, "iteration"]
    return float(complete.min()) if len(complete) else float("nan")


def _action_difference(job: Job, run: dict[str, Any]) -> float:
    """The share of steps, of the last iterations, with other actions."""
    iterations = job.laps["episode"] // (job.episodes // job.laps["source"].nunique())
    last = job.laps[iterations >= job.iterations - LAST_ITERATIONS]
    ours = {(steer, speed): share for steer, speed, share in run["actions"]}
    return total_variation(action_shares(job.log.trace, last), pd.Series(ours))


def _exit_correlation(job: Job, run: dict[str, Any]) -> float:
    real = exit_shares(job.log.trace, job.laps, len(job.track.center))
    return float(spearmanr(real, run["exits"]).statistic)


# Printing


def _print_curve(job: Job, runs: list[dict[str, Any]]) -> None:
    band = curve_band([pd.DataFrame(run["curve"]) for run in runs], "completion")
    beyond = outside_band(job.curve, band, "completion")
    rows = beyond.merge(band, on="iteration")
    table = Table(
        title=f"{job.name}: completion of training episodes, %, by iteration; "
        f"real, and the band of {len(runs)} seeds"
    )
    for head in ("iteration", "real", "foretold", "band", "outside"):
        table.add_column(head, justify="right")
    for row in rows.itertuples():
        table.add_row(
            f"{row.iteration}",
            f"{row.value:.1f}",
            f"{row.mean:.1f}",
            f"{max(row.low, 0.0):.0f} to {min(row.high, 100.0):.0f}",
            f"{row.outside:+.1f}" if row.outside else "",
        )
    Console(width=CONSOLE_CHARS).print(table)


def _print_results(results: list[dict[str, Any]]) -> None:
    table = Table(title="Jobs and what was foretold of them: real, foretold")
    heads = (
        *("job", "seeds", "iterations inside", "points outside", "median lap s", "best lap s"),
        *("evaluated lap s", "complete at the end", "first complete lap", "actions", "exits"),
    )
    for head in heads:
        table.add_column(head, justify="left" if head == "job" else "right")
    for row in results:
        table.add_row(
            row["job"],
            f"{row['seeds']}",
            f"{row['inside']:.0%}",
            f"{row['points']:+.1f}",
            f"{row['time']:.2f}, {row['foretold']:.2f}",
            f"{row['best']:.2f}, {row['best_foretold']:.2f}",
            f"{row['evaluated']:.2f}, {row['evaluated_foretold']:.2f}",
            f"{row['complete']:.0%}, {row['complete_foretold']:.0%}",
            f"{row['first']:.0f}, {row['first_foretold']:.1f}",
            f"{row['actions']:.2f}",
            f"{row['exits']:.2f}",
        )
    console = Console(width=CONSOLE_CHARS)
    console.print(table)
    errors = np.array([row["foretold"] / row["time"] - 1.0 for row in results])
    errors = errors[np.isfinite(errors)]
    if len(errors):
        console.print(
            f"median lap of complete laps: {np.median(np.abs(errors)):.1%} off in the median over "
            f"{len(errors)} jobs, {np.abs(errors).max():.1%} at most"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", type=Path)
    parser.add_argument("--tracks", type=Path, required=True, help="folder of route files")
    parser.add_argument("--jobs", nargs="+", help="only those")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--observation", default="features", help="features, or sensors: pictures")
    parser.add_argument("--report", action="store_true", help="train nothing: what is done already")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the course of each job")
    options = parser.parse_args()
    if not options.logs.is_dir():
        raise UsageError(f"{options.logs} is no folder of jobs")
    return options


if __name__ == "__main__":
    sys.exit(main())
