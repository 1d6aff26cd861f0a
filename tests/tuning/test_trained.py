"""Settings beside the file as it is, trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer.errors import UsageError
from racer.reward import RewardFunction, load_reward
from racer.tuning import Setting, Tuning, TuningSettings, find_constants, train_settings
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
