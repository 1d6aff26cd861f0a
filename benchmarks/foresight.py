"""Is what `racer foresee` foretells right, and how soon is it there?

    python benchmarks/foresight.py --planted [--seeds 3] [--tracks reinvent_2018 ...] [--seconds 3]
    python benchmarks/foresight.py --soon [--rewards time_trial ...]
    python benchmarks/foresight.py --training [--results FILE] [--seeds 2] [--steps 400000]
    python benchmarks/foresight.py --report [--results FILE] [--picture FILE]

`--planted` runs every file of tests/data/foresight, each of which asks for a way to drive that its
docstring names, on three tracks with three seeds, and counts how often the way is named right.
`--soon` measures which fraction of the pay of a long search is there after 2 and 5 processor
seconds, and when the first sentence is on the screen. `--training` trains rewards with PPO, as a
user would, and prices the laps of the trained policy from the start line by the function that the
foresight uses; results are added to a file as they come, a line a run, and a run that is in it is
not done again. `--report` prints the table of what is there, the rank correlation, and each world
that is an exception: a lap that is 1.25 times as long as foreseen, or less than 98 % of the pay.
`--picture` draws foreseen beside trained laps.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PLANTED = ROOT / "tests" / "data" / "foresight"
RESULTS = ROOT / "benchmarks" / "results"
TRACKS = ("reinvent_2018", "clover", "vegas")
SHIPPED = tuple(sorted(path.stem for path in (ROOT / "rewards").glob("*.py")))
TRACK_REWARDS = {"reinvent_2018"}  # rewards whose name ends so are for that track alone
OWN = ("honest_cube", "slow_pace", "wait_first", "crawl_slow", "cut_edge", "weave_sides")
TRAINING_WORLDS = (("reinvent_2018", "v6"), ("oval", "v6"), ("reinvent_2018", "v5"))
LONG_SEARCH_S = 15.0
LAP_RATIO = 1.25  # of trained and foreseen laps, beyond which they are not the same
SLOW_LAP_S = 60.0  # that a driving without a lap counts as


def main() -> None:
    options = _options()
    if options.planted:
        planted(options)
    if options.soon:
        soon(options)
    if options.training:
        train_all(options)
    if options.report:
        report(options.results, options.picture)


def planted(options: argparse.Namespace) -> None:
    """Print a row for each planted reward: how often its way is named right."""
    from racer.diagnostics import foresee

    right = 0
    total = 0
    began = time.process_time()
    print("| reward | asks for | named right | named otherwise |")
    print("|---|---|---:|---|")
    for file in sorted(PLANTED.glob("*.py")):
        kind = planted_kind(file)
        kinds = []
        for track, seed in product(options.tracks, range(options.seeds)):
            found = foresee(
                file,
                track,
                seed=seed,
                seconds=options.seconds,
                car=planted_car(file),
                action_space=planted_action_space(file),
            )
            kinds.append((track, seed, found.kind))
        wrong = [f"{found} ({track}, {seed})" for track, seed, found in kinds if found != kind]
        right += len(kinds) - len(wrong)
        total += len(kinds)
        hits = f"{len(kinds) - len(wrong)} of {len(kinds)}"
        print(f"| {file.stem} | {kind} | {hits} | {', '.join(wrong)} |", flush=True)
    cpu = time.process_time() - began
    print(f"\n{right} of {total} named right, {cpu:.0f} processor seconds")


def planted_kind(file: Path) -> str:
    """What the docstring of a planted reward says that it asks for."""
    match = re.search(r"Asks for: ([a-z ]+)\.", file.read_text("utf-8"))
    assert match is not None, file
    return match[1]


def planted_car(file: Path) -> str:
    """The car that a planted reward is for: not every one can turn around on the road."""
    match = re.search(r"Car: (v[456])\.", file.read_text("utf-8"))
    return match[1] if match else "v6"


def planted_action_space(file: Path) -> Any:
    """The action space that the docstring of a planted reward asks for; None for the usual one."""
    from racer.vehicle import ActionSpace

    match = re.search(r"Action space: from ([0-9.]+) m/s", file.read_text("utf-8"))
    if match is None:
        return None
    return ActionSpace(True, (-30.0, 30.0), (float(match[1]), 2.5))


def soon(options: argparse.Namespace) -> None:
    """Print which fraction of a long search's pay is there after 2 and 5 processor seconds."""
    from racer.diagnostics import foresee

    print("| reward | final pay | after 2 s | after 5 s | car-steps a processor second |")
    print("|---|---:|---:|---:|---:|")
    for reward in options.rewards:
        clock: list[tuple[float, float]] = []
        if not options.cold:
            foresee(
                reward, "reinvent_2018", seconds=0.1
            )  # kernels are loaded and tracks are packed
        began = time.process_time()

        def note(progress: Any, clock: list[tuple[float, float]] = clock) -> None:
            clock.append((time.process_time(), progress.pay))

        found = foresee(reward, "reinvent_2018", seconds=LONG_SEARCH_S, on_progress=note)
        cpu = time.process_time() - began
        fractions = []
        for after in (2.0, 5.0):
            pays = [pay for at, pay in clock if at - began <= after]
            fractions.append(pays[-1] / found.pay if pays else float("nan"))
        cells = f"{fractions[0]:.2%} | {fractions[1]:.2%} | {found.work / cpu:,.0f}"
        print(f"| {reward} | {found.pay:.4g} | {cells} |", flush=True)
    print(f"\nfirst sentence on the screen after {_first_sentence_s():.2f} s (wall), warm kernels")


def _first_sentence_s() -> float:
    """s of wall time from the command to the first sentence on its way; the median of 5."""
    times = []
    for _ in range(6):
        began = time.monotonic()
        words = [sys.executable, "-m", "racer", "foresee", "center_line", "--seconds", "1"]
        with subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stderr is not None
            process.stderr.readline()
            times.append(time.monotonic() - began)
            process.stderr.read()
    return sorted(times[1:])[2]


# against training


def train_all(options: argparse.Namespace) -> None:
    """Train what is not in the results file yet."""
    done = {_key(row) for row in read(options.results)}
    for seed, (track, car), reward in product(
        range(options.seeds), TRAINING_WORLDS, (*SHIPPED, *OWN)
    ):
        if any(reward.endswith(name) and name != track for name in TRACK_REWARDS):
            continue
        job = {"reward": reward, "track": track, "car": car, "seed": seed, "steps": options.steps}
        if _key(job) in done:
            continue
        row = train(job)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        with options.results.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(f"{reward} {track} {car} {seed}: {row['last_lap']}", file=sys.stderr, flush=True)


def train(job: dict[str, Any]) -> dict[str, Any]:
    """The job with the lap and the pay of the trained policy, from the start line."""
    reward = str(reward_file(job["reward"]))
    began = os.times()
    with tempfile.TemporaryDirectory(prefix="fs-training-") as place:
        folder = Path(place) / "run"
        words = [sys.executable, "-m", "racer", "train", reward, "--track", job["track"]]
        words += ["--car", job["car"], "--seed", str(job["seed"]), "--steps", str(job["steps"])]
        words += ["--out", str(folder)]
        finished = subprocess.run(words, capture_output=True, text=True, check=False)
        if finished.returncode:
            sys.exit(f"racer train ended with {finished.returncode}: {finished.stderr}")
        facts = policy_facts(folder, reward)
    spent = os.times()
    facts["cpu_s"] = round(spent.children_user - began.children_user, 1)
    return job | facts


def policy_facts(folder: Path, reward: str) -> dict[str, Any]:
    """Lap and pay of the last policy of a run and of its best one."""
    from racer.diagnostics import pay_around_lap, price_drives
    from racer.reward import load_reward

    function = load_reward(reward)
    facts: dict[str, Any] = {}
    for name in ("last", "best"):
        drive = drive_policy(folder, name)
        [paid] = price_drives(function, [drive])
        lap = drive.lap_time
        facts[f"{name}_lap"] = None if np.isnan(lap) else float(lap)
        facts[f"{name}_pay"] = pay_around_lap(paid, drive, 0.99)
        facts[f"{name}_completion"] = drive.completion
        facts[f"{name}_status"] = drive.status.word
    return facts


def drive_policy(folder: Path, checkpoint: str) -> Any:
    """The drive of a trained policy's likeliest actions from the start line."""
    from racer.drivers import Drive
    from racer.env import DeepRacerVectorEnv
    from racer.training import Run, load_policy

    run = Run.open(folder)
    policy = load_policy(run, checkpoint)
    env = DeepRacerVectorEnv(1, **run.env_arguments(), starts={"advance": 0.0})
    observation, _ = env.reset(seed=0)
    rows = []
    for _ in range(2700):
        action, _ = policy.predict(observation, deterministic=True)
        result = env.advance(action)
        rows.append(result.rows.copy())
        observation = result.observation
        if result.terminated[0]:
            break
    return Drive("policy", "trained", np.concatenate(rows), env.scenario.tracks)


def reward_file(name: str) -> Path:
    """The file of a shipped or a planted reward."""
    shipped = ROOT / "rewards" / f"{name}.py"
    return shipped if shipped.is_file() else PLANTED / f"{name}.py"


def read(file: Path) -> list[dict[str, Any]]:
    """The runs in a results file; a last line that was cut off does not count."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{file}: a line that is cut off is left out", file=sys.stderr)
    return rows


@dataclass(frozen=True)
class World:
    """A reward on a track with a car: what was foreseen, and what training came to, a run each."""

    reward: str
    track: str
    car: str
    kind: str
    lap: float | None  # foreseen, s
    pay: float
    trained_laps: tuple[float | None, ...]
    trained_pays: tuple[float, ...]

    @property
    def lap_s(self) -> float:
        """s that the foreseen lap counts as."""
        return self.lap or SLOW_LAP_S

    @property
    def trained_lap_s(self) -> float:
        """s that the trained laps count as: their mean."""
        return float(np.mean([lap or SLOW_LAP_S for lap in self.trained_laps]))

    @property
    def missed_pays(self) -> list[float]:
        """The pays of trained policies that the foreseen driving does not come near."""
        return [pay for pay in self.trained_pays if self.pay < pay - 0.02 * abs(pay)]

    @property
    def exceptions(self) -> list[str]:
        """What is not as foreseen, in words."""
        words = []
        times = self.trained_lap_s / self.lap_s
        if not 1.0 / LAP_RATIO <= times <= LAP_RATIO:
            words.append(f"trained laps take {times:.2f} times the foreseen {self.lap_s:.1f} s")
        for pay in self.missed_pays:
            words.append(
                f"a policy is paid {pay:.4g}, {pay / self.pay:.2f} times what was foreseen"
            )
        return words


def report(file: Path, picture: Path | None) -> None:
    """Print what was foreseen beside what training came to, and draw it."""
    from racer.stats import rank_correlation

    rows = read(file)
    names = sorted({(row["reward"], row["track"], row["car"]) for row in rows})
    worlds = []
    print("| reward | track | car | foreseen | lap s | pay | trained lap s | pay |")
    print("|---|---|---|---|---:|---:|---:|---:|")
    for name in names:
        runs = [row for row in rows if (row["reward"], row["track"], row["car"]) == name]
        worlds.append(foresee_world(*name, runs))
        print(_row_of(worlds[-1]), flush=True)
    foreseen = np.array([world.lap_s for world in worlds])
    trained = np.array([world.trained_lap_s for world in worlds])
    correlation = rank_correlation(foreseen, trained)
    print(
        f"\nrank correlation of foreseen and trained laps: {correlation:.3f} ({len(worlds)} worlds)"
    )
    total = sum(len(world.trained_pays) for world in worlds)
    missed = sum(len(world.missed_pays) for world in worlds)
    print(f"foreseen pay at least 98 % of the trained policy's: {total - missed} of {total}")
    for world in worlds:
        for words in world.exceptions:
            print(f"exception: {world.reward}, {world.track}, {world.car}: {words}")
    if picture:
        draw(worlds, picture)


def foresee_world(reward: str, track: str, car: str, runs: list[dict[str, Any]]) -> World:
    """What is foreseen of a reward beside its runs."""
    from racer.diagnostics import foresee

    result = foresee(reward_file(reward), track, car=car)
    laps = tuple(row["last_lap"] for row in runs)
    pays = tuple(max(row["last_pay"], row["best_pay"]) for row in runs)
    return World(reward, track, car, result.kind, result.lap_time_s, result.pay, laps, pays)


def _row_of(world: World) -> str:
    shown = " ".join("-" if lap is None else f"{lap:.1f}" for lap in world.trained_laps)
    paid = " ".join(f"{pay:.4g}" for pay in world.trained_pays)
    lap = "-" if world.lap is None else f"{world.lap:.2f}"
    foreseen = f"{world.kind} | {lap} | {world.pay:.4g}"
    return f"| {world.reward} | {world.track} | {world.car} | {foreseen} | {shown} | {paid} |"


def draw(worlds: list[World], picture: Path) -> None:
    """A scatter plot of foreseen and trained laps, a color a track and car; exceptions are named."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 6.0), layout="constrained")
    ax = figure.subplots()
    for place in sorted({(world.track, world.car) for world in worlds}):
        there = [world for world in worlds if (world.track, world.car) == place]
        foreseen = [world.lap_s for world in there]
        trained = [world.trained_lap_s for world in there]
        ax.scatter(foreseen, trained, s=26, label=", ".join(place), zorder=3)
    for world in worlds:
        if world.exceptions:
            spot = (world.lap_s, world.trained_lap_s)
            ax.annotate(world.reward, spot, (4, 4), textcoords="offset points", fontsize=7)
    limits = np.array([5.0, SLOW_LAP_S * 1.1])
    ax.plot(limits, limits, color="0.6", linewidth=1.0)
    ax.fill_between(limits, limits / LAP_RATIO, limits * LAP_RATIO, color="0.93")
    ax.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    ticks = [5, 7, 10, 15, 20, 30, 40, 60]
    ax.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
    ax.set_yticks(ticks, [str(tick) for tick in ticks], minor=False)
    ax.minorticks_off()
    ax.set_xlabel(f"foreseen lap (s); {SLOW_LAP_S:.0f} without one")
    ax.set_ylabel("lap after training (s), mean of the runs")
    ax.set_title("What training comes to, beside what was foreseen", loc="left", fontsize=11)
    ax.legend(frameon=False)
    figure.savefig(picture, dpi=110)
    print(f"\n{picture}", file=sys.stderr)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("reward", "track", "car", "seed", "steps"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for flag in ("--planted", "--soon", "--training", "--report", "--cold"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--tracks", nargs="+", default=list(TRACKS))
    parser.add_argument("--rewards", nargs="+", default=list(SHIPPED))
    parser.add_argument("--seeds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--picture", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=400_000)
    parser.add_argument("--results", type=Path, default=RESULTS / "foresight_runs.jsonl")
    options = parser.parse_args()
    if options.seeds is None:
        options.seeds = 3 if options.planted else 2
    return options


if __name__ == "__main__":
    main()
