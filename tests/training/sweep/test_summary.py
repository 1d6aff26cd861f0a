"""Comparisons: numbers against those worked out by hand, from run folders written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from racer.errors import UsageError
from racer.plotting import learning_curve_figure
from racer.training.config import TrainConfig
from racer.training.sweep.experiment import FINISHED_FILE
from racer.training.sweep.summary import (
    compare_runs,
    run_comparison_cells,
    run_comparison_json,
    run_comparison_markdown,
    write_run_comparison,
)

COLUMNS = (
    "steps",
    "seconds",
    "complete",
    "trials",
    "completion",
    "lap_time",
    "best_lap",
    "median_lap",
)
Rows = list[tuple[Any, ...]]

SOON: Rows = [
    (100, 1.0, 0, 5, 40.0, None, None, None),
    (200, 2.0, 5, 5, 100.0, 12.0, 11.0, 12.0),
    (300, 3.0, 5, 5, 100.0, 14.0, 13.0, 14.0),
]
LATE: Rows = [
    (100, 1.5, 0, 5, 20.0, None, None, None),
    (200, 3.0, 2, 5, 70.0, 15.0, 14.5, 15.0),
    (300, 5.0, 5, 5, 100.0, 10.0, 9.0, 10.0),
]
NEVER: Rows = [(100, 1.0, 0, 5, 20.0, None, None, None), (200, 2.0, 3, 5, 80.0, 9.0, 8.0, 9.5)]


def put(folder: Path, rows: Rows, best: int, finished: bool = True, **config: Any) -> None:
    """A run folder as far as comparisons read it."""
    (folder / "checkpoints").mkdir(parents=True)
    config = TrainConfig.model_validate({"reward": "center_line"} | config).model_dump()
    story = {
        "config": config,
        "reward_file": "center_line.py",
        "track": "oval",
        "track_title": "Oval",
    }
    (folder / "run.json").write_text(json.dumps(story))
    if rows:
        table = pd.DataFrame(rows, columns=COLUMNS)
        table.to_csv(folder / "evaluations.csv", index=False)
        chosen = dict(zip(COLUMNS, rows[best], strict=True))
        (folder / "checkpoints" / "best.json").write_text(json.dumps(chosen))
    if finished:
        (folder / FINISHED_FILE).write_text("{}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds with each of two discount factors; one of the four never has a clean evaluation."""
    put(tmp_path / "a", SOON, 1, settings={"gamma": 0.99}, seed=0)
    put(tmp_path / "b", LATE, 2, settings={"gamma": 0.99}, seed=1)
    put(tmp_path / "c", SOON, 1, settings={"gamma": 0.9}, seed=0)
    put(tmp_path / "d", NEVER, 1, settings={"gamma": 0.9}, seed=1, finished=False)
    (tmp_path / "experiment.json").write_text(
        json.dumps({"title": "How far ahead?", "question": ""})
    )
    return tmp_path


def test_numbers_are_those_worked_out_by_hand(folder):
    found = compare_runs(folder)
    assert found.differing == ("settings.gamma",)
    assert found.rows["settings.gamma"].tolist() == ["0.9", "0.99"]
    low, high = found.rows.to_dict("records")
    assert (high["runs"], high["finished"], high["laps"], high["trials"], high["clean"]) == (
        2,
        2,
        10,
        10,
        2,
    )
    assert (high["best_lap"], high["best_lap_min"], high["best_lap_max"], high["fastest"]) == (
        10.0,
        9.0,
        11.0,
        9.0,
    )
    assert high["best_lap_sd"] == pytest.approx(2.0**0.5)
    assert (high["median_lap"], high["clean_steps"], high["clean_seconds"]) == (11.0, 250.0, 3.5)
    assert high["clean_steps_sd"] == pytest.approx(5000.0**0.5)
    assert (low["runs"], low["finished"], low["laps"], low["trials"], low["clean"]) == (
        2,
        1,
        8,
        10,
        1,
    )
    assert (low["best_lap"], low["median_lap"], low["clean_steps"]) == (9.5, 10.75, 200.0)
    assert np.isnan(low["clean_steps_sd"])
    # the newest of those that got furthest, be it slower
    assert (high["service_lap"], low["service_lap"]) == (11.0, 10.5)


def test_cells_show_mean_and_spread_and_leave_out_what_is_missing(folder):
    heads, rows = run_comparison_cells(compare_runs(folder))
    assert heads == [
        "gamma",
        "runs",
        "laps",
        "best lap s",
        "median lap s",
        "service's lap s",
        "clean",
        "steps to clean",
        "s to clean",
    ]
    assert rows == [
        [
            "0.9",
            "1 of 2",
            "8 of 10",
            "9.50 ± 2.12",
            "10.75 ± 1.77",
            "10.50 ± 3.54",
            "1 of 2",
            "200",
            "2.0",
        ],
        [
            "0.99",
            "2",
            "10 of 10",
            "10.00 ± 1.41",
            "11.00 ± 1.41",
            "11.00 ± 2.83",
            "2 of 2",
            "250 ± 71",
            "3.5 ± 2.1",
        ],
    ]


def test_numbers_go_in_their_order_and_not_in_that_of_letters(tmp_path):
    for envs in (8, 64, 16):
        put(tmp_path / str(envs), SOON, 1, settings={"envs": envs})
    assert compare_runs(tmp_path).rows["settings.envs"].tolist() == ["8", "16", "64"]


def test_a_run_without_an_evaluation_only_counts(tmp_path):
    put(tmp_path / "a", SOON, 1, seed=0)
    put(tmp_path / "b", [], 0, seed=1, finished=False)
    found = compare_runs(tmp_path)
    (row,) = found.rows.to_dict("records")
    assert found.differing == ()
    assert (row["runs"], row["finished"], row["laps"], row["trials"], row["best_lap"]) == (
        2,
        1,
        5,
        5,
        11.0,
    )


def test_a_folder_without_runs_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="holds no runs"):
        compare_runs(tmp_path)


def test_files_say_what_the_table_says(folder):
    found = compare_runs(folder)
    paths = {path.suffix: path for path in write_run_comparison(found, folder)}
    told = json.loads(paths[".json"].read_text())
    assert told == run_comparison_json(found)
    assert told["rows"][0]["clean_steps_sd"] is None
    assert [run["seed"] for run in told["runs"]] == [0, 1, 0, 1]
    table = pd.read_csv(paths[".csv"])
    assert table["median_lap"].tolist() == [10.75, 11.0]
    assert run_comparison_markdown(found).splitlines()[3].startswith("| 0.99 | 2 | 10 of 10 |")
    assert paths[".png"].stat().st_size < 150_000


def test_lines_are_means_over_seeds_in_bands_from_least_to_greatest(folder):
    found = compare_runs(folder)
    figure = learning_curve_figure(found.curves, found.differing)
    assert isinstance(figure, Figure)
    completion, times = figure.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in completion.lines}
    assert drawn["0.99"] == [[100.0, 30.0], [200.0, 85.0], [300.0, 100.0]]
    band = completion.collections[0].get_paths()[0].vertices
    assert {tuple(vertex) for vertex in band} >= {
        (100.0, 20.0),
        (100.0, 40.0),
        (200.0, 70.0),
        (200.0, 100.0),
    }
    laps = {line.get_label(): line.get_ydata().tolist() for line in times.lines}
    assert laps["0.99"][1:] == [13.5, 12.0]
    assert np.isnan(laps["0.99"][0])


def test_each_track_has_its_own_panels(tmp_path):
    for k, (track, car) in enumerate(
        [("oval", "v5"), ("oval", "v6"), ("bowtie", "v5"), ("bowtie", "v6")]
    ):
        put(tmp_path / str(k), SOON, 1, track=track, car=car)
    found = compare_runs(tmp_path)
    figure = learning_curve_figure(found.curves, found.differing)
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["oval", "bowtie"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["v5", "v6"]
