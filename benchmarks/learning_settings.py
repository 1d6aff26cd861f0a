"""How soon a car laps cleanly when one setting of PPO is changed at a time: `learning.py --compare`."""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from launching import format_count, machine_text
from learning import (
    TrainingJob,
    TrainingOutcome,
    outcome_statistics,
    parse_value,
    settings_text,
    show_outcomes,
)
from racer.training import Run, TrainingProgress, open_session, parse_config

MAX_STEPS = 200_000
EVALUATE_EVERY = 8_192
VARIANTS = (
    "envs=16,32,128,256",
    "n_steps=32,128,256",
    "batch_size=256,512,2048,4096",
    "n_epochs=4,20",
    "lr=0.0003,0.003",
    "lr_end=1.0",
    "gamma=0.95,0.995",
    "gae_lambda=0.9,1.0",
    "ent_coef=0.01",
    "log_std_init=-1.0,0.0",
    "normalize_reward=false",
    "net_arch=[32;32],[128;128]",
)
"""Settings and the values that they are changed to."""


def main(options: argparse.Namespace) -> None:
    """Train with the defaults and with each setting changed, and print a row for each."""
    rows = []
    for name, outcomes in compare_settings(options).items():
        rows.append({"settings": name, **outcome_statistics(outcomes)})
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows, options)


def compare_settings(options: argparse.Namespace) -> dict[str, list[TrainingOutcome]]:
    """The outcomes over seeds and tracks of the defaults, and of each setting changed."""
    variants: list[dict[str, Any]] = [{}]
    for text in options.compare or VARIANTS:
        name, _, values = text.partition("=")
        variants += [{name: parse_value(value)} for value in values.split(",")]
    car = options.cars[-1]
    jobs = [
        TrainingJob(options.reward, track, car, seed, settings)
        for settings, track, seed in product(variants, options.tracks, range(options.seeds))
    ]
    outcomes_by_name: dict[str, list[TrainingOutcome]] = {}
    for outcome in show_outcomes(map(train_until_clean, jobs), len(jobs)):
        outcomes_by_name.setdefault(settings_text(outcome.job.settings), []).append(outcome)
    return outcomes_by_name


class CleanEvaluation(Exception):
    """A clean evaluation has come: the training may end."""


def train_until_clean(job: TrainingJob) -> TrainingOutcome:
    """Train in this process until the first clean evaluation."""
    table = {
        "reward": job.reward,
        "track": job.track,
        "car": job.car,
        "seed": job.seed,
        "settings": job.settings,
        "evaluate_every": EVALUATE_EVERY,
        "traced_cars": 0,
    }
    config = parse_config(table, "--compare")

    def stop_when_clean(progress: TrainingProgress) -> None:
        if progress.first_clean or progress.steps > MAX_STEPS:
            raise CleanEvaluation

    with tempfile.TemporaryDirectory() as folder:
        session = open_session(Run.create(config, Path(folder)))
        with suppress(CleanEvaluation):
            session.train(stop_when_clean)
    if session.progress.first_clean is None:
        return TrainingOutcome(job, None, None)
    steps, seconds = session.progress.first_clean
    return TrainingOutcome(job, steps, round(seconds, 2))


def print_table(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    tracks = ", ".join(options.tracks)
    print(
        f"{options.reward}, {options.seeds} seeds on each of {tracks}; car {options.cars[-1]}; {machine_text()}"
    )
    print(
        f"{'settings':28} {'clean':>10} {'steps, median':>14} {'max':>8} {'s, median':>10} {'max':>6}"
    )
    for row in rows:
        clean = f"{row['clean']} of {row['runs']}"
        cells = [
            f"{row['settings']:28} {clean:>10}",
            f"{format_count(row['steps_median']):>14} {format_count(row['steps_max']):>8}",
            f"{format_count(row['seconds_median'], 1):>10} {format_count(row['seconds_max'], 1):>6}",
        ]
        print(" ".join(cells))
