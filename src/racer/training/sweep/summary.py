"""What the runs of an experiment come to: one row for each combination of what differs, over its
seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.files import read_json, write_file, write_json
from racer.plotting import save_figure, style_context
from racer.training.kept_checkpoint import service_pick
from racer.training.run import read_config, read_evaluations
from racer.training.sweep.experiment import (
    FINISHED_FILE,
    ExperimentText,
    sorted_keys,
    value_labels,
)

MEASURES = ("best_lap", "median_lap", "service_lap", "clean_steps", "clean_seconds")
"""What has a mean and a spread over seeds: laps of the best checkpoint, and the best one of the checkpoint that the
service would keep, s; steps and seconds to the first evaluation of complete laps only."""

HEADS = {
    "runs": "runs",
    "laps": "laps",
    "best_lap": "best lap s",
    "median_lap": "median lap s",
    "service_lap": "service's lap s",
    "clean": "clean",
    "clean_steps": "steps to clean",
    "clean_seconds": "s to clean",
}
"""Columns that every table has after those that differ."""

CURVE_COLUMNS = ("steps", "seconds", "completion", "lap_time")

MISSING = float("nan")


@dataclass(frozen=True, eq=False)
class RunComparison:
    """What the runs of an experiment come to, as tables.

    All three begin with the columns `differing`, whose values are short labels.

    Attributes
    ----------
    differing
        Keys of the configuration that differ between the runs, but for the seed.
    rows
        One row a combination of them. `laps` of `trials` are those of the best checkpoints,
        `fastest` is their fastest lap (s), and each of MEASURES has a mean, `_sd` (sample deviation
        over the seeds, nan when there is one), `_min` and `_max`. `clean` counts the runs that had a
        clean evaluation; only these count in `clean_steps` and `clean_seconds`.
    runs
        One row a run.
    curves
        One row an evaluation of a run.
    title, question
        What the experiment says about itself.
    """

    differing: tuple[str, ...]
    rows: pd.DataFrame
    runs: pd.DataFrame
    curves: pd.DataFrame
    title: str = ""
    question: str = ""


def compare_runs(folder: Path) -> RunComparison:
    """What the runs in a folder come to; a run without an evaluation only counts.

    Raises UsageError when there are none.
    """
    folders = [file.parent for file in sorted(folder.glob("*/run.json"))]
    if not folders:
        raise UsageError(
            f"{folder} holds no runs: racer train EXPERIMENT.toml --out {folder} makes them"
        )
    configs = list(map(_flat_config, folders))
    differing = _differing_keys(configs)
    labels = _labels(configs, differing)
    results = pd.DataFrame(list(map(_run_result, folders)))
    runs = pd.concat([labels, results], axis=1)
    curves = []
    for number, run_folder in enumerate(folders):
        curves.append(_curve(run_folder, labels.iloc[number]))
    return RunComparison(
        differing=differing,
        rows=_combination_rows(runs, differing, configs),
        runs=runs,
        curves=pd.concat(curves, ignore_index=True),
        **_experiment_text(folder),
    )


def write_run_comparison(comparison: RunComparison, folder: Path) -> list[Path]:
    """The files that were written: comparison.json, .csv, .md and .png."""
    from racer.plotting import learning_curve_figure

    files = [folder / f"comparison.{ending}" for ending in ("json", "csv", "md", "png")]
    json_file, csv_file, markdown_file, picture_file = files
    write_json(json_file, run_comparison_json(comparison))
    write_file(csv_file, comparison.rows.to_csv(index=False))
    write_file(markdown_file, run_comparison_markdown(comparison))
    with style_context():
        figure = learning_curve_figure(comparison.curves, comparison.differing, comparison.title)
        save_figure(figure, picture_file, dpi=110)
    return files


def run_comparison_json(comparison: RunComparison) -> dict[str, Any]:
    """Plain data, with None for what is missing."""
    return {
        "title": comparison.title,
        "question": comparison.question,
        "differing": list(comparison.differing),
        "rows": json.loads(comparison.rows.to_json(orient="records")),
        "runs": json.loads(comparison.runs.to_json(orient="records")),
    }


def run_comparison_markdown(comparison: RunComparison) -> str:
    """The table of `rows` in Markdown."""
    heads, rows = run_comparison_cells(comparison)
    text_columns = len(comparison.differing)
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
    return "\n".join(lines) + "\n"


def run_comparison_cells(comparison: RunComparison) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table as text; an empty cell where there is no number."""
    names = [key.removeprefix("settings.").replace("_", " ") for key in comparison.differing]
    rows = []
    for row in comparison.rows.to_dict("records"):
        labels = [str(row[key]) for key in comparison.differing]
        rows.append([*labels, *_measure_cells(row)])
    return [*names, *HEADS.values()], rows


def _measure_cells(row: dict[Any, Any]) -> list[str]:
    """Cells under HEADS."""
    runs = str(row["runs"])
    if row["finished"] != row["runs"]:
        runs = f"{row['finished']} of {row['runs']}"
    return [
        runs,
        f"{row['laps']} of {row['trials']}",
        _mean_and_deviation(row, "best_lap", 2),
        _mean_and_deviation(row, "median_lap", 2),
        _mean_and_deviation(row, "service_lap", 2),
        f"{row['clean']} of {row['runs']}",
        _mean_and_deviation(row, "clean_steps", 0),
        _mean_and_deviation(row, "clean_seconds", 1),
    ]


def _mean_and_deviation(row: dict[Any, Any], measure: str, decimals: int) -> str:
    mean = _number_cell(row[measure], decimals)
    deviation = _number_cell(row[f"{measure}_sd"], decimals)
    if not deviation:
        return mean
    return f"{mean} ± {deviation}"


def _number_cell(value: float, decimals: int) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:,.{decimals}f}"


def _flat_config(run_folder: Path) -> dict[str, Any]:
    """A run's configuration with `settings.gamma` and the like as keys."""
    config = read_config(run_folder).model_dump()
    settings = config.pop("settings")
    return config | {f"settings.{key}": value for key, value in settings.items()}


def _differing_keys(configs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Keys whose values are not the same in all configurations, but for the seed."""
    keys = []
    for key in sorted_keys(set(configs[0])):
        values = {repr(config[key]) for config in configs}
        if key != "seed" and len(values) > 1:
            keys.append(key)
    return tuple(keys)


def _labels(configs: Sequence[dict[str, Any]], differing: Sequence[str]) -> pd.DataFrame:
    """What differs, as short labels, and the seed; one row a run."""
    columns: dict[str, Any] = {}
    for key in differing:
        columns[key] = value_labels(key, [config[key] for config in configs])
    columns["seed"] = [config["seed"] for config in configs]
    return pd.DataFrame(columns, index=range(len(configs)))


def _run_result(run_folder: Path) -> dict[str, Any]:
    """A row of `runs`, after its labels."""
    best: dict[str, Any] = {}
    best_file = run_folder / "checkpoints" / "best.json"
    if best_file.exists():
        best = read_json(best_file)
    evaluations = read_evaluations(run_folder)
    kept = service_pick(evaluations.to_dict("records")) or {}
    is_clean = evaluations["complete"] == evaluations["trials"]
    first_clean = evaluations[is_clean].head(1)
    return {
        "finished": (run_folder / FINISHED_FILE).exists(),
        "laps": best.get("complete", 0),
        "trials": best.get("trials", 0),
        "completion": best.get("completion", MISSING),
        "best_lap": _nan_for_none(best.get("best_lap")),
        "median_lap": _nan_for_none(best.get("median_lap")),
        "service_lap": _nan_for_none(kept.get("best_lap")),
        "clean_steps": float(first_clean["steps"].sum()) if len(first_clean) else MISSING,
        "clean_seconds": float(first_clean["seconds"].sum()) if len(first_clean) else MISSING,
    }


def _nan_for_none(value: float | None) -> float:
    if value is None:
        return MISSING
    return value


def _curve(run_folder: Path, labels: pd.Series) -> pd.DataFrame:
    """Rows of `curves` of one run."""
    evaluations = read_evaluations(run_folder)
    columns: dict[str, Any] = {
        str(key): [label] * len(evaluations) for key, label in labels.items()
    }
    columns["evaluation"] = np.arange(len(evaluations))
    for name in CURVE_COLUMNS:
        columns[name] = evaluations[name].to_numpy(float)
    return pd.DataFrame(columns)


def _combination_rows(
    runs: pd.DataFrame, differing: Sequence[str], configs: Sequence[dict[str, Any]]
) -> pd.DataFrame:
    """One row a combination, numbers in their order, words in that of the alphabet."""
    runs_of: dict[tuple[str, ...], list[int]] = {}
    rank: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for number, config in enumerate(configs):
        combination = tuple(runs[key].iloc[number] for key in differing)
        runs_of.setdefault(combination, []).append(number)
        values = [config[key] for key in differing]
        rank[combination] = list(map(_rank, values, combination))
    rows = []
    for combination in sorted(rank, key=rank.__getitem__):
        labels = dict(zip(differing, combination, strict=True))
        rows.append(labels | _statistics(runs.iloc[runs_of[combination]]))
    return pd.DataFrame(rows)


def _rank(value: Any, label: str) -> tuple[float, str]:
    if isinstance(value, int | float):
        return value, ""
    return float("-inf"), label


def _statistics(runs: pd.DataFrame) -> dict[str, Any]:
    """Counts of some runs, and the mean and spread of their measures."""
    numbers: dict[str, Any] = {
        "runs": len(runs),
        "finished": int(runs["finished"].sum()),
        "laps": int(runs["laps"].sum()),
        "trials": int(runs["trials"].sum()),
        "completion": float(runs["completion"].mean()),
        "fastest": float(runs["best_lap"].min()),
        "clean": int(runs["clean_steps"].notna().sum()),
    }
    for measure in MEASURES:
        values = runs[measure]
        numbers[measure] = float(values.mean())
        numbers[f"{measure}_sd"] = float(values.std(ddof=1))
        numbers[f"{measure}_min"] = float(values.min())
        numbers[f"{measure}_max"] = float(values.max())
    return numbers


def _experiment_text(folder: Path) -> dict[str, str]:
    """Title and question, if an experiment left them in the folder."""
    file = folder / "experiment.json"
    if not file.exists():
        return {}
    text = read_json(file)
    return {key: str(text.get(key, "")) for key in ExperimentText.model_fields}
