"""A study of settings: by what each asks for, kept, gone on with."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from racer.drivers import Drive, drive
from racer.errors import UsageError
from racer.reward import RewardFunction, RewardRefused, load_reward
from racer.track import Track, load_track
from racer.tuning import Setting, study, tune
from racer.tuning.record import Tuning

optuna = pytest.importorskip("optuna", reason="needs the extra tune")

SOURCE = """
FAST = 1.0
OFFSET = 0.5


def reward_function(params):
    return float(FAST - OFFSET * params["speed"])
"""


@cache
def driven(track: Track) -> Drive:
    return drive(track, "fast")


class Foreseen:
    """Stands in for a foresight: laps of 10 s where FAST is 2, slower the farther it is from it;
    without laps below 0.5.
    """

    interrupted = False

    def __init__(self, reward: RewardFunction, track: Track) -> None:
        names: dict[str, Any] = {}
        exec(reward.code, names)
        self.fast = names["FAST"]
        self.track = track
        self.best = driven(track)
        self.fastest_lap_time_s = 10.0
        self.lap_time_s = None if self.fast < 0.5 else 10.0 + 8.0 * abs(self.fast - 2.0)
        self.kind = "lap" if self.fast > 1.5 else "crawling"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """The track and seconds of every look at a setting."""
    looks: list[tuple[str, float]] = []

    def foresee(reward: RewardFunction, track: Track, *, seconds: float, **_: Any) -> Foreseen:
        looks.append((track.name, seconds))
        return Foreseen(reward, track)

    monkeypatch.setattr(study, "foresee", foresee)
    return looks


@pytest.fixture
def reward(tmp_path: Path) -> RewardFunction:
    path = tmp_path / "reward.py"
    path.write_text(SOURCE)
    return load_reward(path)


def tune_here(reward: RewardFunction, folder: Path, trials: int = 12, **options: Any) -> Tuning:
    return tune(reward, [load_track("oval")], folder, trials=trials, **options)


def test_the_first_setting_is_the_file_itself_and_the_best_is_faster(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    tuning = tune_here(reward, tmp_path / "study", 16)
    assert tuning.original.values == {"FAST": 1.0, "OFFSET": 0.5}
    assert tuning.original.lap_times_s == (18.0,)
    assert tuning.best.slowness < 1.3
    assert len(tuning.tried) == 16
    assert tuning.importances["FAST"] > tuning.importances["OFFSET"]


def test_settings_that_crawl_are_told_by_a_limit(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    tuning = tune_here(reward, tmp_path / "study", 16)
    rule = next(rule for rule in tuning.slow_rules if rule.name == "FAST" and not rule.is_above)
    assert rule.kind == "crawling"
    assert "FAST below" in rule.sentence
    text = str(tuning)
    assert "what matters: FAST" in text
    assert "as it is" in text


def test_a_study_goes_on_and_is_done_when_it_has_its_trials(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    first = tune_here(reward, tmp_path / "study", 6)
    more = tune_here(reward, tmp_path / "study", 10)
    assert more.tried[:6] == first.tried
    assert len({tuple(entry.values.values()) for entry in more.tried}) == 10
    seen = len(looks)
    assert tune_here(reward, tmp_path / "study", 10).tried == more.tried
    assert len(looks) == seen


def test_ctrl_c_keeps_what_was_tried(
    looks: list[Any],
    reward: RewardFunction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(tried: Any) -> None:
        if len(tried) == 3:
            monkeypatch.setattr(Foreseen, "interrupted", True)

    with pytest.raises(KeyboardInterrupt):
        tune_here(reward, tmp_path / "study", 9, on_setting=stop)
    monkeypatch.setattr(Foreseen, "interrupted", False)
    assert len(tune_here(reward, tmp_path / "study", 9).tried) == 9


def test_a_study_of_something_else_is_a_sentence(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    tune_here(reward, tmp_path / "study", 2)
    with pytest.raises(UsageError, match="another gamma: name another folder"):
        tune_here(reward, tmp_path / "study", 4, gamma=0.9)
    changed = replace(reward, sha256="0" * 64)
    with pytest.raises(UsageError, match="another sha256"):
        tune_here(changed, tmp_path / "study", 4)


def test_several_tracks_weigh_alike(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    tracks = [load_track("oval"), load_track("reinvent_2018")]
    tuning = tune(reward, tracks, tmp_path / "study", trials=3, seconds=4.0)
    assert looks[:3] == [("oval", 1.0), ("oval", 4.0), ("reinvent_2018", 4.0)]
    assert len(tuning.original.lap_times_s) == 2
    assert set(tuning.references_s) == {"oval", "reinvent_2018"}


def test_hopeless_settings_are_pruned_after_a_quick_look(
    looks: list[Any], reward: RewardFunction, tmp_path: Path
) -> None:
    tuning = tune_here(reward, tmp_path / "study", 24)
    pruned = [entry for entry in tuning.tried if entry.state == "pruned"]
    assert pruned
    assert len(looks) == 24 + 24 - len(pruned)
    assert min(entry.slowness for entry in pruned) > tuning.best.slowness


def test_where_nothing_laps_a_sentence_says_so(
    looks: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reward.py"
    path.write_text(SOURCE.replace("FAST = 1.0", "FAST = 0.1"))
    tuning = tune_here(load_reward(path), tmp_path / "study", 4)
    with pytest.raises(UsageError, match="with none of 4 settings of FAST, OFFSET"):
        _ = tuning.best


def test_a_setting_that_is_refused_is_no_end_and_the_file_itself_is(
    looks: list[Any], reward: RewardFunction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def foresee(candidate: RewardFunction, track: Track, **_: Any) -> Foreseen:
        foreseen = Foreseen(candidate, track)
        if foreseen.fast > most:
            raise UsageError("it pays nan")
        return foreseen

    monkeypatch.setattr(study, "foresee", foresee)
    most = 1.2
    tuning = tune_here(reward, tmp_path / "study", 12)
    refused = [entry for entry in tuning.tried if entry.state == "refused"]
    assert refused
    assert {entry.trouble for entry in refused} == {"it pays nan"}
    assert not any(entry in tuning.ranking for entry in refused)
    most = 0.5
    with pytest.raises(UsageError, match="nan"):
        tune_here(reward, tmp_path / "other", 3)


@pytest.mark.slow
def test_a_real_foresight_is_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(SOURCE)
    tuning = tune_here(load_reward(path), tmp_path / "study", 2, seconds=0.2)
    assert len(tuning.tried) == 2
    assert isinstance(tuning.original, Setting)


def test_a_file_that_raises_is_refused_before_anything_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "FAST = 0.0 + 1\nSLOW = 2.0\n\n\ndef reward_function(params):\n    return SLOW / 0\n"
    )
    with pytest.raises(RewardRefused, match="ZeroDivisionError"):
        tune_here(load_reward(path), tmp_path / "study", 3, seconds=0.2)
