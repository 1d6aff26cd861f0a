"""What the pictures of a log show: which laps, and what is true of what is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.analysis.telemetry import lap_telemetry
from racer.errors import UsageError
from racer.files import make_folder
from racer.plotting import actions, heat_maps, lap_times, policy, selection, telemetry
from racer.plotting.figures import PLOT_KINDS, Rival, plot
from racer.track import library
from racer.vehicle.action_space import ActionSpace


@pytest.fixture
def trace(drive) -> pd.DataFrame:
    return drive(episodes=12)


def table_of(trace: pd.DataFrame) -> pd.DataFrame:
    """Its laps, timed to the hundredth, so that laps driven alike are equally fast and the first
    one is the best.
    """
    table = laps(trace)
    return table.assign(time=table["time"].round(2))


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


# which laps


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3,1", [3, 1]),
        (" 2 ", [2]),
        ("best:2", [1, 3]),
        ("best2", [1, 3]),
        ("first:3", [1, 2, 3]),
        ("last:2", [11, 12]),
        ("all", list(range(1, 13))),
    ],
)
def test_laps_are_chosen_by_words(trace, text: str, numbers: list[int]) -> None:
    assert [
        selection.lap_number(label) for label in selection.select_laps(table_of(trace), text).index
    ] == numbers


@pytest.mark.parametrize("text", ["13", "0", "1,,2", "best", "best:0", "-1", "1-3", ""])
def test_words_that_name_no_lap_are_refused(trace, text: str) -> None:
    with pytest.raises(UsageError):
        selection.select_laps(laps(trace), text)


def test_a_lap_keeps_its_number_when_others_are_left_out(trace) -> None:
    whole = laps(trace).query("complete")
    assert selection.lap_labels(selection.select_laps(whole, "3")) == ["lap 3 (4.33 s)"]
    with pytest.raises(UsageError, match="no lap 2 among these"):
        selection.select_laps(whole, "2")


def test_the_farthest_laps_are_taken_where_none_is_complete(drive) -> None:
    table = laps(drive(episodes=4, ends=(30.0, 60.0)))
    assert selection.best_or_farthest(table, 1)["completion"].tolist() == [60.0]


def test_the_best_lap_meets_one_that_began_where_it_did(trace, ring) -> None:
    # episodes begin a fifth of the lap apart: the 1st, 6th and 11th at the same place, complete are
    # the odd ones
    table = table_of(trace)
    assert [label + 1 for label in selection.comparable_pair(trace, table).index] == [1, 11]
    assert [label + 1 for label in selection.comparable_pair(trace, table.iloc[:6]).index] == [1, 6]
    assert [
        label + 1 for label in selection.comparable_pair(trace, table.iloc[:6], ring).index
    ] == [1, 3]


# what is drawn


def test_a_lap_cut_at_the_start_line_takes_as_long_and_passes_the_same_places(trace, ring) -> None:
    third = laps(trace).iloc[2]
    trip = lap_telemetry(trace, third)
    cut = telemetry.align_laps([lap_telemetry(trace, laps(trace).iloc[0]), trip], ["a", "b"], ring)
    assert cut.start == 0.0
    moved = cut.trips["b"]
    assert moved["distance"].is_monotonic_increasing
    assert moved["distance"].iloc[-1] == pytest.approx(ring.length, abs=0.15)
    assert moved["time"].iloc[-1] == pytest.approx(third["time"], abs=0.15)
    assert moved["time"].is_monotonic_increasing
    spot = np.interp([0.0, 5.0], ring.s, ring.center[:, 0])
    assert np.interp([0.0, 5.0], moved["distance"], moved["X"]) == pytest.approx(spot, abs=0.12)


def test_laps_that_cannot_be_laid_over_each_other_are_refused(trace, ring) -> None:
    trips = telemetry.laps_over_distance(trace, laps(trace).iloc[[0, 1]])
    with pytest.raises(UsageError, match="not all are complete"):
        telemetry.align_laps(trips, ["a", "b"], ring)
    with pytest.raises(UsageError, match="the track is unknown"):
        telemetry.align_laps(trips, ["a", "b"], None)


def test_the_gap_says_who_is_ahead(ax, drive) -> None:
    slow, fast = (
        lap_telemetry(t, laps(t).iloc[0]) for t in (drive(episodes=1), drive(episodes=1, step=0.4))
    )
    telemetry.draw_lap_delta(slow, fast, ax, ("slow", "fast"))
    gap = ax.lines[0].get_ydata()
    assert gap[-1] == pytest.approx(-1.0, abs=0.01)
    assert ax.get_title(loc="left") == "fast is 1.00 s ahead of slow at the end"


def test_every_corner_has_its_name_wherever_the_lap_began(ax) -> None:
    track = library.load_track("reinvent_2018")
    for start in (0.0, 9.0):
        ax.clear()
        ax.set_xlim(0.0, track.length)
        telemetry.draw_corners(track, ax, start)
        assert sorted(words(ax)) == ["T1", "T2", "T3", "T4", "T5"]
        assert ax.get_xlim() == (0.0, track.length)


def test_exits_are_where_laps_ended(trace, ring, ax) -> None:
    table = laps(trace)
    found = heat_maps.exit_rows(trace, table)
    assert found.index.tolist() == table.loc[~table["complete"], "last_row"].tolist()
    heat_maps.draw_exits(trace, table, ax, ring)
    assert ax.get_title(loc="left") == "Where cars left the track: 6 times in 12 laps"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["off track (6)"]


def test_the_worst_sections_say_their_share_and_waypoints(drive, ring, ax) -> None:
    one = drive(episodes=1, ends=(40.0,))
    same = pd.concat([one.assign(episode=k) for k in range(4)], ignore_index=True)
    heat_maps.draw_exits(same, laps(same), ax, ring)
    assert len(words(ax)) == 2  # and the arrow of the direction, which has no words
    share, place = words(ax)[0].split("\n") if words(ax)[0] else words(ax)[1].split("\n")
    assert share == "100 %"
    first, last = (int(word) for word in place.removeprefix("waypoints ").split("-"))
    assert first <= 0.4 * 60 <= last


def test_a_cell_holds_the_mean_of_what_was_paid_in_it() -> None:
    xy = np.array([[0.01, 0.01], [0.02, 0.02], [1.01, 0.01]])
    paid = heat_maps.bin_on_map(xy, np.array([1.0, 3.0, 7.0]))
    count = heat_maps.bin_on_map(xy, None)
    assert sorted(paid.value[np.isfinite(paid.value)]) == [2.0, 7.0]
    assert sorted(count.value[np.isfinite(count.value)]) == [1.0, 2.0]
    assert paid.size == pytest.approx(0.05)


def test_actions_never_taken_are_crossed(trace, ax) -> None:
    table = laps(trace)
    space = ActionSpace(False, (0.0, 10.0, 20.0, -10.0, -20.0, 30.0, -30.0), (1.0,) * 7)
    use = actions.discrete_action_usage(trace, table, space)
    assert use["count"].tolist()[5:] == [0, 0]
    assert use["share"].sum() == pytest.approx(1.0)
    actions.draw_action_bars(use, ax)
    assert ax.get_title(loc="left") == "Actions taken: 2 of 7 never"
    [crosses] = [line for line in ax.lines if line.get_marker() == "x"]
    assert list(crosses.get_xdata()) == [5, 6]


def test_an_index_that_was_skipped_is_a_gap_even_without_the_action_space(trace) -> None:
    some = trace.assign(action=np.where(trace["action"] == 3, 6, trace["action"]))
    use = actions.discrete_action_usage(some, laps(some))
    assert use.loc[use["count"] == 0, "action"].tolist() == [3, 5]
    assert use.loc[3, ["steer", "speed"]].isna().all()


def test_continuous_actions_have_no_bars(drive) -> None:
    trace = drive(episodes=2, discrete=False)
    assert len(actions.discrete_action_usage(trace, laps(trace))) == 0


def test_a_discounted_reward_counts_later_steps_less(trace) -> None:
    table = laps(trace)
    assert lap_times.discounted_rewards(trace, table) == pytest.approx(table["reward"].to_numpy())
    first = trace["reward"].to_numpy()[: table["steps"].iloc[0]]
    assert lap_times.discounted_rewards(trace, table, 0.9)[0] == pytest.approx(
        np.sum(first * 0.9 ** np.arange(len(first)))
    )
    assert len(lap_times.discounted_rewards(trace, table.head(0))) == 0


@pytest.mark.parametrize(
    ("sign", "said"), [(-1, "Faster laps earn more"), (1, "Faster laps earn less")]
)
def test_whether_faster_laps_earn_more_is_said(drive, sign: int, said: str, ax) -> None:
    parts = [drive(episodes=1, step=0.2 + 0.02 * k).assign(episode=k) for k in range(9)]
    trace = pd.concat(parts, ignore_index=True)
    table = laps(trace)
    pay = np.repeat(table["time"].to_numpy() ** sign / table["steps"].to_numpy(), table["steps"])
    lap_times.draw_reward_time(trace.assign(reward=pay), table, ax)
    assert ax.get_title(loc="left").startswith(said)


def test_the_best_so_far_never_rises_and_names_its_lap(trace, ax) -> None:
    table = table_of(trace)
    lap_times.draw_best_so_far(table, ax)
    assert np.all(np.diff(ax.lines[1].get_ydata()) <= 0)
    assert words(ax) == ["4.33 s (lap 1)"]


def test_purple_is_the_best_of_all_and_green_the_best_until_then() -> None:
    from racer.plotting.lap_times import BEST_FILL, BETTER_FILL

    ax = Figure().add_subplot()
    table = pd.DataFrame({"S1": [3.0, 2.0, 2.5], "S2": [1.0, 1.5, 0.9]}, index=[0, 4, 7])
    lap_times.draw_sector_times(table, ax)
    fills = {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in ax.patches}
    purple = [key for key, fill in fills.items() if fill == BEST_FILL]
    green = [key for key, fill in fills.items() if fill == BETTER_FILL]
    assert (len(purple), len(green)) == (2, 2)
    # 2.0 and 0.9 are the best lap there could be
    assert {"lap 1", "lap 5", "lap 8", "2.90", "best"} <= set(words(ax))


def test_entropy_says_from_where_to_where_it_fell(ppo, ax) -> None:
    policy.draw_entropy(ppo, ax)
    assert ax.get_title(loc="left") == "Entropy of the policy: from 1.93 to 1.00"


# whole figures


def test_one_call_gives_a_figure_of_every_kind(trace, ring, log_of, ppo) -> None:
    log = log_of(trace, ppo=ppo)
    for kind in PLOT_KINDS:
        assert isinstance(plot(log, kind, track=ring), Figure), kind


def test_without_a_track_it_is_recognized_among_those_with_a_name(drive, log_of) -> None:
    track = library.load_track("oval")
    figure = plot(log_of(drive(track=track, episodes=2)), "track")
    assert figure.axes[0].get_title(loc="left").startswith("Oval")


def test_a_rival_may_be_a_whole_log(drive, ring, log_of) -> None:
    one, other = log_of(drive(episodes=3)), log_of(drive(episodes=3, step=0.4))
    for rival in (other, Rival(other, laps(other.trace))):
        figure = plot(one, "versus", track=ring, rival=rival)
        assert (
            figure.axes[2].get_title(loc="left") == "B lap 3 is 1.00 s ahead of A lap 3 at the end"
        )


def test_the_jobs_discount_factor_is_taken_unless_another_is_given(trace, ring, log_of) -> None:
    log = log_of(trace, hyperparameters={"discount_factor": 0.95})
    assert plot(log, "reward-time", track=ring).axes[1].get_ylabel() == "reward of a lap, γ = 0.95"
    assert (
        plot(log, "reward-time", track=ring, gamma=0.5).axes[1].get_ylabel()
        == "reward of a lap, γ = 0.5"
    )
    assert len(plot(log, "reward-time", track=ring, gamma=1.0).axes) == 1


def test_a_training_is_meant_where_there_is_one(trace, ring, log_of) -> None:
    log = log_of(trace)
    mixed = log.trace.assign(phase=np.where(log.trace["episode"] < 9, "training", "evaluation"))
    figure = plot(type(log)(mixed, log.sources), "visits", track=ring)
    assert figure.axes[0].get_title(loc="left").startswith("Where the cars were: 9 laps")


def test_an_unknown_kind_is_told_with_the_nearest(trace, log_of) -> None:
    with pytest.raises(UsageError, match="did you mean 'rewards'"):
        plot(log_of(trace), "reward")


def test_a_route_with_a_name_that_cannot_be_read_is_named(
    trace, log_of, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(library, "user_home", lambda: tmp_path)
    make_folder(library.imported_folder(tmp_path))
    (library.imported_folder(tmp_path) / "broken.npy").write_text("no route")
    with pytest.raises(UsageError, match=r"broken\.npy"):
        plot(log_of(trace), "track")
