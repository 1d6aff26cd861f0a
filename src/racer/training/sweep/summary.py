"""What the runs of an experiment come to: one row for each combination of what differs, over its
seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.files import write_file, write_json
from racer.plotting import style
from racer.training.run import Run, open_run
from racer.training.sweep.experiment import sorted_keys, value_labels
from racer.training.sweep.runner import FINISHED_FILE

MEASURES = ("best_lap", "median_lap", "clean_steps", "clean_seconds")
"""What has a mean and a spread over seeds: of the best checkpoint, s; steps and s to the first evaluation of complete
laps only."""

HEADS = {
    "runs": "runs", "laps": "laps", "best_lap": "best lap s", "median_lap": "median lap s", "clean": "clean",
    "clean_steps": "steps to clean", "clean_seconds": "s to clean",
}  # fmt: skip
"""Columns that every table has after those that differ."""


@dataclass(frozen=True, eq=False)
class RunComparison:
    """`differing` keys; `rows`, one a combination of them; `runs`, one a run; `curves`, one an
    evaluation of a run.

    All three tables begin with the columns `differing`, whose values are short labels. In `rows`,
    `laps` of `trials` are those of the best checkpoints, `fastest` is their fastest lap (s), and
    each of MEASURES has a mean, `_sd` (sample deviation over the seeds, nan when there is one),
    `_min` and `_max`; `clean` counts the runs that had a clean evaluation, and only these count in
    `clean_steps` and `clean_seconds`.
    """

    differing: tuple[str, ...]
    rows: pd.DataFrame
    runs: pd.DataFrame
    curves: pd.DataFrame
    title: str = ""
    question: str = ""


def compare_runs(folder: Path) -> RunComparison:
    """What the runs in a folder come to. UsageError when there are none. Runs without an evaluation
    only count.
    """
    runs = [open_run(path.parent) for path in sorted(folder.glob("*/run.json"))]
    if not runs:
        raise UsageError(
            f"{folder} holds no runs: racer train EXPERIMENT.toml --out {folder} makes them"
        )
    facts = [_facts(run) for run in runs]
    differing = tuple(
        key for key in sorted_keys(set(facts[0])) if key != "seed" and _differs(key, facts)
    )
    columns = {key: value_labels(key, [fact[key] for fact in facts]) for key in differing}
    place = pd.DataFrame(
        columns | {"seed": [fact["seed"] for fact in facts]}, index=range(len(runs))
    )
    table = pd.concat([place, pd.DataFrame([_result(run) for run in runs])], axis=1)
    curves = pd.concat(
        [_curve(run, place.iloc[[k]]) for k, run in enumerate(runs)], ignore_index=True
    )
    return RunComparison(
        differing, _aggregate(table, list(differing), facts), table, curves, **_words(folder)
    )


def write_run_comparison(found: RunComparison, folder: Path) -> list[Path]:
    """The files that were written: comparison.json, .csv, .md and .png."""
    from racer.plotting.experiment import learning_curve_figure

    places = [folder / f"comparison.{ending}" for ending in ("json", "csv", "md", "png")]
    write_json(places[0], run_comparison_json(found))
    write_file(places[1], found.rows.to_csv(index=False).encode())
    write_file(places[2], run_comparison_markdown(found).encode())
    with style.style_context():
        style.save_figure(
            learning_curve_figure(found.curves, found.differing, found.title), places[3], dpi=110
        )
    return places


def run_comparison_json(found: RunComparison) -> dict[str, Any]:
    """Plain data, with None for what is missing."""
    rows, runs = (json.loads(table.to_json(orient="records")) for table in (found.rows, found.runs))
    words = {"title": found.title, "question": found.question, "differing": list(found.differing)}
    return words | {"rows": rows, "runs": runs}


def run_comparison_markdown(found: RunComparison) -> str:
    """The table for a page."""
    heads, rows = run_comparison_cells(found)
    bar = ["---"] * len(found.differing) + ["---:"] * (len(heads) - len(found.differing))
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, bar, *rows]) + "\n"


def run_comparison_cells(found: RunComparison) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table in words; an empty cell where there is no number."""
    heads = [key.removeprefix("settings.").replace("_", " ") for key in found.differing] + [
        *HEADS.values()
    ]
    return heads, [_cells(row, found.differing) for row in found.rows.to_dict("records")]


def _cells(row: dict[Any, Any], differing: tuple[str, ...]) -> list[str]:
    unfinished = f"{row['finished']} of {row['runs']}"
    runs, laps = (
        str(row["runs"]) if row["finished"] == row["runs"] else unfinished,
        f"{row['laps']} of {row['trials']}",
    )
    times, clean = (
        [_spread(row, "best_lap", 2), _spread(row, "median_lap", 2)],
        f"{row['clean']} of {row['runs']}",
    )
    sooner = [_spread(row, "clean_steps", 0), _spread(row, "clean_seconds", 1)]
    return [str(row[key]) for key in differing] + [runs, laps, *times, clean, *sooner]


def _spread(row: dict[Any, Any], name: str, digits: int) -> str:
    mean, deviation = _number(row[name], digits), _number(row[f"{name}_sd"], digits)
    return f"{mean} ± {deviation}" if deviation else mean


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if np.isfinite(value) else ""


def _facts(run: Run) -> dict[str, Any]:
    """The run's configuration as flat as an experiment says it."""
    facts = run.config.model_dump()
    settings = facts.pop("settings")
    return facts | {f"settings.{key}": value for key, value in settings.items()}


def _differs(key: str, facts: list[dict[str, Any]]) -> bool:
    return len({repr(fact[key]) for fact in facts}) > 1


def _result(run: Run) -> dict[str, Any]:
    best, evaluations = run.best() or {}, _evaluations(run)
    clean = evaluations[evaluations["complete"] == evaluations["trials"]].head(1)
    missing = float("nan")
    return {
        "finished": (run.folder / FINISHED_FILE).exists(),
        "laps": best.get("complete", 0),
        "trials": best.get("trials", 0),
        "completion": best.get("completion", missing),
        "best_lap": _or_nan(best.get("best_lap")),
        "median_lap": _or_nan(best.get("median_lap")),
        "clean_steps": float(clean["steps"].sum()) if len(clean) else missing,
        "clean_seconds": float(clean["seconds"].sum()) if len(clean) else missing,
    }


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _evaluations(run: Run) -> pd.DataFrame:
    """Rows of evaluations.csv; an empty table with its columns when there is none yet."""
    file = run.folder / "evaluations.csv"
    if not file.exists():
        return pd.DataFrame(
            columns=["steps", "seconds", "complete", "trials", "completion", "lap_time"],
            dtype=float,
        )
    return pd.read_csv(file)


def _curve(run: Run, place: pd.DataFrame) -> pd.DataFrame:
    evaluations = _evaluations(run)
    values = {key: [place[key].iloc[0]] * len(evaluations) for key in place}
    names = ("steps", "seconds", "completion", "lap_time")
    numbers = {name: evaluations[name].to_numpy(float) for name in names}
    return pd.DataFrame(values | {"evaluation": np.arange(len(evaluations))} | numbers)


def _aggregate(
    table: pd.DataFrame, differing: list[str], facts: list[dict[str, Any]]
) -> pd.DataFrame:
    """One row a combination, numbers in their order, words in that of the alphabet."""
    places = list(table[differing].itertuples(index=False, name=None))
    rank = {
        p: [_rank(fact[key], p[k]) for k, key in enumerate(differing)]
        for p, fact in zip(places, facts, strict=True)
    }
    chosen = {
        place: [other == place for other in places] for place in sorted(rank, key=rank.__getitem__)
    }
    return pd.DataFrame(
        [dict(zip(differing, p, strict=True)) | _numbers(table[mine]) for p, mine in chosen.items()]
    )


def _rank(value: Any, label: str) -> tuple[float, str]:
    return (value, "") if isinstance(value, int | float) else (float("-inf"), label)


def _numbers(mine: pd.DataFrame) -> dict[str, Any]:
    counts: dict[str, Any] = {"runs": len(mine), "finished": int(mine["finished"].sum())}
    counts |= {"laps": int(mine["laps"].sum()), "trials": int(mine["trials"].sum())}
    counts |= {
        "completion": float(mine["completion"].mean()),
        "fastest": float(mine["best_lap"].min()),
    }
    counts["clean"] = int(mine["clean_steps"].notna().sum())
    for name in MEASURES:
        values = mine[name]
        counts[name], counts[f"{name}_sd"] = float(values.mean()), float(values.std(ddof=1))
        counts[f"{name}_min"], counts[f"{name}_max"] = float(values.min()), float(values.max())
    return counts


def _words(folder: Path) -> dict[str, str]:
    """Title and question, if an experiment left them here."""
    file = folder / "experiment.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    return {key: str(found.get(key, "")) for key in ("title", "question")}
