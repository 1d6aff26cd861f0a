"""Settings beside the file as it is, trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer.errors import UsageError
from racer.files import read_json, write_json
from racer.reward import RewardFunction, load_reward
from racer.training.sweep import Experiment, RunStatus
from racer.tuning import Setting, Tuning, TuningSettings, find_constants, train_settings, trained
from racer.tuning.trained import _as_comparison

SOURCE = """
FAST = 1.0


def reward_function(params):
    return float(FAST * params["speed"])
"""


def as_tuning(folder: Path) -> Tuning:
    path = folder / "reward.py"
    path.write_text(SOURCE)
    reward: RewardFunction = load_reward(path)
    return Tuning(
        reward=reward,
        constants=tuple(find_constants(reward)),
        settings=TuningSettings(("oval",), "v6", 0.99, "none", 0.1, 0),
        tried=(
            Setting(0, {"FAST": 1.0}, "tried", 2.0, (20.0,), ("slow lap",)),
            Setting(1, {"FAST": 2.0}, "tried", 1.0, (10.0,), ("lap",)),
            Setting(2, {"FAST": 3.0}, "tried", 1.5, (15.0,), ("lap",)),
        ),
        references_s={"oval": 10.0},
        importances={},
    )


def runs_of(laps: dict[str, list[float]]) -> pd.DataFrame:
    rows = []
    for reward, times in laps.items():
        for seed, time in enumerate(times):
            rows.append({"reward": reward, "track": "oval", "seed": seed, "median_lap": time})
    return pd.DataFrame(rows)


def test_the_gain_is_of_medians_with_an_interval_and_no_lap_counts_as_slow(
    tmp_path: Path,
) -> None:
    tuning = as_tuning(tmp_path)
    chosen = {"reward": tuning.tried[0], "setting_1": tuning.tried[1]}
    runs = runs_of(
        {"reward": [20.0, 20.5, np.nan, 21.0, 20.2], "setting_1": [10.0, 10.1, 10.2, 10.3, 10.4]}
    )
    comparison = _as_comparison(tuning, chosen, runs, seeds=5, steps=1000)
    original, other = comparison.settings
    assert original.without_lap == 1
    assert max(original.laps_s) == 40.0
    assert other.gain.value == pytest.approx(1.03)
    assert other.is_faster
    assert comparison.best is other
    assert "setting_1 trains to faster laps" in str(comparison)
    assert comparison.to_dict()["settings"][1]["is_faster"]


def test_what_overlaps_is_not_faster_for_sure(tmp_path: Path) -> None:
    tuning = as_tuning(tmp_path)
    chosen = {"reward": tuning.tried[0], "setting_1": tuning.tried[1]}
    runs = runs_of({"reward": [10.0, 14.0, 9.0, 12.0], "setting_1": [9.5, 13.0, 10.0, 11.0]})
    comparison = _as_comparison(tuning, chosen, runs, seeds=4, steps=1000)
    assert not comparison.settings[1].is_faster
    assert "its interval holds zero" in comparison.verdict


def test_a_file_with_others_beside_it_is_not_trained_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "table.py").write_text("SPEED = 1.0\n")
    tuning = as_tuning(tmp_path)
    tuning.reward.path.write_text("import table\n" + SOURCE)
    changed = Tuning(
        load_reward(tuning.reward.path),
        tuning.constants,
        tuning.settings,
        tuning.tried,
        tuning.references_s,
        {},
    )
    with pytest.raises(UsageError, match="imports files beside it"):
        train_settings(changed, tmp_path / "out")


def test_laps_belong_to_the_setting_that_drove_them_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = as_tuning(tmp_path)
    tuning.reward.path.rename(tmp_path / "weights.py")  # behind setting_1 in the alphabet
    tuning = replace(tuning, reward=load_reward(tmp_path / "weights.py"))

    def finish(experiment: Experiment, folder: Path, *_: object) -> list[RunStatus]:
        runs = []
        for name, config in experiment.runs.items():
            is_original = Path(config.reward).stem == "weights"
            best = {"median_lap": 20.0 if is_original else 10.0}
            write_json(folder / name / "checkpoints/best.json", best)
            runs.append(RunStatus(name, folder / name, config, "finished"))
        return runs

    monkeypatch.setattr(trained, "run_grid", finish)
    monkeypatch.setattr(trained.Run, "open", lambda folder: BestOnly(folder))
    comparison = train_settings(tuning, tmp_path / "out", compared=1, seeds=4, steps=1000)
    assert [entry.laps_s[0] for entry in comparison.settings] == [20.0, 10.0]
    assert [entry.name for entry in comparison.settings] == ["weights", "setting_1"]


class BestOnly:
    """Stands in for a run of which only the best checkpoint is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def best(self) -> dict[str, float]:
        """What its file says."""
        best: dict[str, float] = read_json(self.folder / "checkpoints/best.json")
        return best


@pytest.mark.slow
def test_the_best_settings_are_trained_beside_the_file_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tuning = as_tuning(tmp_path)
    comparison = train_settings(tuning, tmp_path / "out", compared=1, seeds=1, steps=2000, jobs=1)
    assert [entry.name for entry in comparison.settings] == ["reward", "setting_1"]
    assert (tmp_path / "out/setting_1.py").read_text() == SOURCE.replace("= 1.0", "= 2.0")
    finished = sorted((tmp_path / "out/trained").glob("*/finished.json"))
    stamps = [path.stat().st_mtime_ns for path in finished]
    assert len(stamps) == 2
    train_settings(tuning, tmp_path / "out", compared=1, seeds=1, steps=2000, jobs=1)
    assert [path.stat().st_mtime_ns for path in finished] == stamps
