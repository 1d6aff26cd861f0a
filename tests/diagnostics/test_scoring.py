"""Pay and clock: what the law says about rewards whose order is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from racer.diagnostics import (
    RewardScore,
    ScoredTrack,
    ScoreSettings,
    UnscoredReward,
    compare_scores,
    describe_drive,
    discounted_returns,
    is_faster,
    price_drives,
    score,
    score_drives,
    score_each,
    score_rewards,
)
from racer.drivers.scripted import DRIVER_FAMILY, Drive, drive, drive_all
from racer.errors import UsageError
from racer.records import RecordTable
from racer.reward import RewardRefused, load_reward
from racer.sim import Phase, Status
from racer.track.layout import build_track, layout_from_table
from racer.track.library import load_track as load_track
from racer.vehicle.action_space import ActionSpace

REWARDS = arrays(np.float64, st.integers(1, 60), elements=st.floats(-100.0, 100.0))


@pytest.fixture(scope="module")
def everyone() -> list[Drive]:
    return drive_all(load_track("reinvent_2018"))


@pytest.fixture(scope="module")
def finishers(everyone: list[Drive]) -> list[Drive]:
    return [d for d in everyone if not np.isnan(d.lap_time)]


def written(folder: Path, body: str, before: str = "") -> Path:
    lines = "\n".join("    " + line for line in body.splitlines())
    file = folder / "mine.py"
    file.write_text(f"{before}\ndef reward_function(params):\n{lines}\n")
    return file


def scored(
    folder: Path, body: str, found: list[Drive], before: str = "", at: float = 0.99
) -> RewardScore:
    return score_drives(load_reward(written(folder, body, before)), found, verdict_gamma=at)


@settings(max_examples=60, deadline=None)
@given(REWARDS, st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0]))
def test_returns_are_discounted_sums_of_what_follows(rewards: np.ndarray, gamma: float) -> None:
    slow = [sum(gamma**j * r for j, r in enumerate(rewards[k:])) for k in range(len(rewards))]
    assert discounted_returns(rewards, gamma) == pytest.approx(slow, abs=1e-6)


def test_returns_of_what_would_go_on_for_ever_are_the_same_everywhere() -> None:
    assert discounted_returns(np.ones(50), 0.99, tail=100.0) == pytest.approx(np.full(50, 100.0))


def test_at_a_low_gamma_minus_time_tells_drives_apart_by_their_last_meter(
    tmp_path: Path, finishers: list[Drive]
) -> None:
    found = scored(tmp_path, "return -1.0", finishers, at=0.9)
    assert 0.7 < found.correlation() < 1.0
    assert found.verdict.passed


@pytest.mark.parametrize("gamma", [0.99, 0.999, 1.0])
def test_a_reward_that_pays_minus_time_ranks_as_the_clock(
    tmp_path: Path, finishers: list[Drive], gamma: float
) -> None:
    found = scored(tmp_path, "return -1.0", finishers, at=gamma)
    # not quite 1: the time that is left, averaged over the places, is not quite the time of the lap
    assert found.correlation() >= 0.95
    assert found.inversions() == []
    assert found.verdict.passed


@pytest.mark.parametrize("gamma", [0.99, 0.999, 1.0])
def test_a_reward_that_pays_for_time_ranks_against_the_clock(
    tmp_path: Path, finishers: list[Drive], gamma: float
) -> None:
    found = scored(tmp_path, "return 1.0", finishers, at=gamma)
    assert found.correlation() <= -0.95
    assert found.best_paid.name == "slow"
    assert not found.verdict.passed


def test_minus_time_pays_best_who_ends_the_episode(tmp_path: Path, everyone: list[Drive]) -> None:
    found = scored(tmp_path, "return -1.0", everyone)
    assert np.isnan(found.best_paid.lap_time)
    assert "a car that" in found.verdict.sentence


@pytest.mark.parametrize("gamma", [0.99, 0.999])
def test_the_center_line_reward_prefers_a_crawl_at_high_gamma(
    everyone: list[Drive], gamma: float
) -> None:
    found = score_drives(load_reward("center_line"), everyone, verdict_gamma=gamma)
    assert found.best_paid.name == "slow"
    assert not found.verdict.passed
    assert any(i.worse.name == "slow" and i.better.name == "fastest" for i in found.inversions())


def test_the_time_trial_reward_agrees_with_the_clock(everyone: list[Drive]) -> None:
    found = score_drives(load_reward("time_trial"), everyone)
    assert found.best_paid.name == "fastest"
    assert found.correlation() > 0.9
    assert found.verdict.passed


def test_ranks_do_not_depend_on_the_currency(tmp_path: Path, everyone: list[Drive]) -> None:
    one, other = (
        scored(tmp_path, f"return {scale} * params['speed']", everyone) for scale in (1.0, 250.0)
    )
    assert np.array_equal(one.pay_ranks(), other.pay_ranks())
    assert one.verdict.passed == other.verdict.passed


def test_who_pays_everybody_the_same_fails(tmp_path: Path, everyone: list[Drive]) -> None:
    found = scored(tmp_path, "return 0.0", everyone)
    assert np.isnan(found.correlation())
    assert found.verdict.sentence == "at gamma 0.99 it pays every driver the same"


def test_each_driver_has_an_instance_of_its_own_called_in_order(
    tmp_path: Path, everyone: list[Drive]
) -> None:
    body = "global LAST\nassert params['steps'] == LAST + 1.0, LAST\nLAST = params['steps']\nreturn 1.0"
    found = scored(tmp_path, body, everyone, before="LAST = 1.0")
    assert [len(r) for r in found.rewards] == [len(d.rows) - 1 for d in everyone]


def test_the_prepare_step_is_not_paid(everyone: list[Drive]) -> None:
    paid = price_drives(load_reward("stay_on_track"), everyone[:1])
    assert len(paid[0]) == len(everyone[0].rows) - 1


def test_a_reward_that_the_job_refuses_is_refused_here(
    tmp_path: Path, everyone: list[Drive]
) -> None:
    with pytest.raises(RewardRefused, match="ZeroDivisionError"):
        scored(tmp_path, "return 1.0 / (params['progress'] // 50)", everyone)


def test_a_discount_factor_above_1_is_refused(everyone: list[Drive]) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        score_drives(load_reward("stay_on_track"), everyone, verdict_gamma=1.5)


def test_the_front_door_scores_one_reward_by_names() -> None:
    found = score("time_trial", "oval", gamma=0.999, drivers=["fast", "slow"], quick=True)
    assert found.gammas == (0.999,)
    assert [drive.name for drive in found.drives] == ["fast", "slow"]
    assert found.verdict.passed


def test_a_score_shows_its_drivers_and_verdict(everyone: list[Drive]) -> None:
    found = score_drives(load_reward("center_line"), everyone)
    lines = str(found).splitlines()
    assert lines[0].startswith("center_line fails: at gamma 0.99 ")
    assert lines[1].startswith("what center_line pays: the sum, ")
    [_, table, correlation, *rest] = found.details(is_brief=True)
    assert isinstance(table, RecordTable)
    assert table.heads == ("driver", "lap s", "%", "0.99", "a step", "clock", "pay")
    assert correlation == f"rank correlation of pay and clock: {found.correlation():.2f} at 0.99"
    assert len(rest) < len(found.details()) - 3
    assert sum(line.startswith("weaving ") for line in lines) == 1
    assert '<td style="text-align: left">weaving</td>' in found._repr_html_()
    table = compare_scores([found, score_drives(load_reward("time_trial"), everyone)])
    assert [row[:2] for row in table.rows] == [("center_line", "fails"), ("time_trial", "passes")]


def test_every_inversion_is_a_worse_drive_that_is_paid_better(everyone: list[Drive]) -> None:
    found = score_drives(load_reward("speed_aware"), everyone)
    for inversion in found.inversions():
        assert is_faster(inversion.better, inversion.worse)
        assert inversion.pay_worse > inversion.pay_better


def test_inversions_are_said_in_words(tmp_path: Path, everyone: list[Drive]) -> None:
    found = scored(tmp_path, "return 1.0", everyone, at=0.999)
    times = {d.name: d.lap_time for d in everyone}
    wanted = next(
        i for i in found.inversions() if (i.worse.name, i.better.name) == ("weaving", "racing_line")
    )
    share = 100.0 * (wanted.pay_worse / wanted.pay_better - 1.0)
    assert wanted.sentence(0.999) == (
        f"at gamma 0.999 you pay a weaving lap of {times['weaving']:.1f} s {share:.0f} % more "
        f"than a racing-line lap of {times['racing_line']:.1f} s"
    )


def test_negative_pay_is_told_as_it_is(tmp_path: Path, everyone: list[Drive]) -> None:
    found = scored(tmp_path, "return -1.0", everyone)
    assert found.inversions()
    assert "% more" not in found.inversions()[0].sentence(0.99)


def test_who_did_not_finish_is_described_by_what_it_does(everyone: list[Drive]) -> None:
    by_name = {d.name: describe_drive(d) for d in everyone}
    assert by_name["stopping"].startswith("a car that stops halfway (5")
    assert by_name["outer_edge"].startswith("an outer-edge lap of ")
    assert len(set(by_name.values())) == len(DRIVER_FAMILY)


def test_on_a_track_that_nobody_can_drive_the_verdict_says_so() -> None:
    bend = {"left": 0.45, "angle": 180}  # tighter than the v6 car turns at any speed
    straight = {"straight": 2.0}
    table = {
        "title": "Pin",
        "width": 0.4,
        "direction": "counterclockwise",
        "start": {"x": 0, "y": 0},
    }
    pin = build_track(
        layout_from_table(table | {"segments": [straight, bend, straight, bend]}, "pin", "pin")
    )
    found = score_drives(load_reward("time_trial"), drive_all(pin, ["fast", "weaving"]))
    assert not found.verdict.passed
    assert "no driver completes a lap here" in found.verdict.sentence
    assert describe_drive(found.drives[1]).startswith("a weaving car that does not finish (")


def test_who_cannot_stop_is_described_as_trying() -> None:
    d = drive(
        load_track("oval"), "stopping", action_space=ActionSpace(True, (-30.0, 30.0), (1.0, 2.0))
    )
    assert (
        describe_drive(d)
        == f"a car that stops halfway, as far as its actions let it (lap of {d.lap_time:.1f} s)"
    )


WINDOWS = """
return 1.0 + {30: 4, 45: 8, 60: 16, 75: 64, 90: 512}.get(int(params["progress"]), 0)
"""


def test_a_driver_dawdles_where_a_step_pays_most(tmp_path: Path) -> None:
    [found] = score_rewards([load_reward(written(tmp_path, WINDOWS.strip()))], "reinvent_2018")
    dawdling = next(d for d in found.drives if d.name == "dawdling")
    fast = next(d for d in found.drives if d.name == "fast")
    assert dawdling.lap_time > 1.15 * fast.lap_time
    assert found.best_paid is dawdling
    assert not found.verdict.passed
    rows = dawdling.rows[dawdling.rows["phase"] == Phase.RUN]
    in_best_window = rows["progress"].astype(int) == 90
    assert rows["vx"][in_best_window].mean() < 0.6 * rows["vx"].mean()
    assert "it crawls where a step pays most" in found.verdict.sentence


def test_a_car_that_drives_the_wrong_way_is_ended_by_the_simulator() -> None:
    [found] = score_rewards(["time_trial"], "oval")
    turned = next(d for d in found.drives if d.name == "wrong_way")
    assert turned.status == Status.REVERSED
    assert turned.rows["progress"][-1] < 0.0
    assert describe_drive(turned).startswith("a car that drives the wrong way (")


@pytest.mark.parametrize("name", ["time_trial", "center_line"])
def test_who_looks_for_holes_does_not_change_the_rank_correlation(
    everyone: list[Drive], name: str
) -> None:
    [found] = score_rewards([name], "reinvent_2018")
    assert len(found.drives) == len(everyone) + 2
    of_family = score_drives(load_reward(name), everyone)
    assert found.correlation() == pytest.approx(of_family.correlation())
    assert found.verdict.passed == of_family.verdict.passed


def test_one_reward_that_cannot_be_priced_leaves_the_others_their_scores(tmp_path: Path) -> None:
    broken = written(tmp_path, "return params['sped']")
    first, second, third = score_each([broken, "time_trial", "nowhere"], "oval")
    assert isinstance(first, UnscoredReward)
    assert isinstance(first.error, RewardRefused)
    assert isinstance(second, RewardScore)
    assert second.verdict.passed
    assert isinstance(third, UnscoredReward)
    with pytest.raises(RewardRefused):
        score_rewards([broken, "time_trial"], "oval")


def test_a_reward_that_is_given_certain_drivers_is_scored_by_these_alone() -> None:
    [found] = score_rewards(["time_trial"], "oval", ScoreSettings(drivers=["slow", "fast"]))
    assert [d.name for d in found.drives] == ["slow", "fast"]


REVERSED = """
def reward_function(params):
    # meant: punish the wrong way
    if params["is_reversed"]:
        return 1e-3
    return {other}
"""


def test_a_reward_that_punishes_a_reversed_track_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(REVERSED.format(other="float(params['progress'] / params['steps']) + 0.1"))
    [backward] = score_rewards([file], "oval", ScoreSettings(reverse=True))
    assert not backward.verdict.passed
    assert backward.punishes_reversed
    assert backward.reversed_fraction < 0.02
    assert "is_reversed were false" in backward.summary
    [forward] = score_rewards([file], "oval")
    assert not forward.punishes_reversed
    assert "is_reversed" not in forward.summary


def test_is_reversed_is_not_blamed_where_it_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(REVERSED.format(other="1e-3"))
    [backward] = score_rewards([file], "oval", ScoreSettings(reverse=True))
    assert not backward.verdict.passed
    assert not backward.punishes_reversed
    assert "is_reversed" not in backward.summary


def test_a_track_is_driven_once_for_all_that_is_scored_there(tmp_path: Path) -> None:
    oval = ScoredTrack("oval", ScoreSettings(gammas=(0.99,)))
    [first] = oval.score_each(["time_trial"])
    [second] = oval.score_each(["center_line"])
    assert isinstance(first, RewardScore)
    assert isinstance(second, RewardScore)
    shared = len(oval.drives)
    assert all(a is b for a, b in zip(first.drives, second.drives[:shared], strict=False))
    assert [d.name for d in first.drives] == [d.name for d in second.drives]
    assert first.drives[-1].name == "dawdling"
    [alone] = score_rewards(["center_line"], "oval", ScoreSettings(gammas=(0.99,)))
    assert alone.pay[0.99].tolist() == second.pay[0.99].tolist()
