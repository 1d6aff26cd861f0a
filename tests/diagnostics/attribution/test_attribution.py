"""What lines pay: rewards built from known terms get exactly their shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from racer.diagnostics import attribution as explain
from racer.diagnostics.attribution import Attribution, pay_by_piece
from racer.errors import UsageError
from racer.reward import RewardRefused

Paid = Callable[[str], dict[str, float]]
Explained = Callable[..., Attribution]
Lap = list[dict[str, Any]]


def column(lap: Lap, key: str) -> np.ndarray:
    return np.array([float(p[key]) for p in lap])


def test_additive_updates_pay_what_they_add(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def reward_function(params):
            reward = 0.5
            reward += 2 * params["speed"]
            reward = reward + params["distance_from_center"]
            reward -= 0.25 * params["track_width"]
            return reward
    """)
    speed, distance, width = (
        column(lap, key) for key in ("speed", "distance_from_center", "track_width")
    )
    assert found == pytest.approx(
        {
            "reward = 0.5": 0.5 * len(lap),
            'reward += 2 * params["speed"]': 2 * speed.sum(),
            'params["distance_from_center"]': distance.sum(),
            'reward -= 0.25 * params["track_width"]': -0.25 * width.sum(),
        }
    )


def test_a_returned_sum_falls_into_its_terms(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def reward_function(params):
            place = 1 - params["distance_from_center"]
            return float(3 * place + (params["speed"] - 0.1 * params["steps"]) / 2)
    """)
    speed, distance, steps = (
        column(lap, key) for key in ("speed", "distance_from_center", "steps")
    )
    assert found == pytest.approx(
        {
            "3 * place": 3 * (1 - distance).sum(),
            'params["speed"]': speed.sum() / 2,
            '- 0.1 * params["steps"]': -0.05 * steps.sum(),
        }
    )


def test_a_factor_pays_the_difference_it_makes(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def reward_function(params):
            reward = params["speed"] + 1.0
            if not params["all_wheels_on_track"]:
                reward *= 0.1
            return reward * 2
    """)
    speed, on_road = column(lap, "speed"), column(lap, "all_wheels_on_track") == 1.0
    assert 0 < on_road.sum() < len(lap)
    cut = -0.9 * (speed + 1.0)[~on_road].sum()
    total = (speed + 1.0).sum() + cut
    assert found == pytest.approx({
        'params["speed"]': speed.sum(), "1.0": len(lap), "reward *= 0.1": cut, "return reward * 2": total,
    })  # fmt: skip


def test_an_assignment_replaces_what_was_there(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def reward_function(params):
            reward = params["speed"]
            if not params["all_wheels_on_track"]:
                reward = 1e-3
            return float(reward)
    """)
    speed, on_road = column(lap, "speed"), column(lap, "all_wheels_on_track") == 1.0
    assert found == pytest.approx(
        {'reward = params["speed"]': speed[on_road].sum(), "reward = 1e-3": 1e-3 * (~on_road).sum()}
    )


def test_the_branch_that_chose_a_summand_is_named_with_the_summand(
    explained: Explained, lap: Lap
) -> None:
    found = explained("""
        def reward_function(params):
            if params["is_left_of_center"]:
                place = 2.0
            else:
                place = 1.0
            return place + params["speed"]
    """)
    left = column(lap, "is_left_of_center") == 1.0
    table = {row.source: row for row in pay_by_piece(found)}
    assert table["place = 2.0"].total == pytest.approx(2.0 * left.sum())
    assert table["place = 1.0"].total == pytest.approx((~left).sum())
    assert table["place = 1.0"].executed == pytest.approx((~left).mean())
    assert table["place = 1.0"].mean == 1.0
    assert table["place = 2.0"].through is not None
    assert (table["place = 2.0"].line, table["place = 2.0"].through.line) == (4, 7)
    names = {group.name: group for group in explain.pay_by_term(found)}
    assert names["place"].lines == (4, 6, 7)
    assert set(names) == {"place", 'params["speed"]'}


def test_helpers_and_classes_are_followed_to_where_they_are_called(
    explained: Explained, lap: Lap
) -> None:
    found = explained("""
        class Coach:
            def __init__(self, params):
                self.params, self.total = params, 0.0

            def judge(self):
                self.total += self.params["speed"]
                self.total += 1.0
                return self.total

        def bonus(params):
            if params["is_left_of_center"]:
                return 0.5
            return 0.25

        def reward_function(params):
            reward = bonus(params) + Coach(params).judge()
            return reward
    """)
    table = {row.source: row for row in pay_by_piece(found)}
    left, speed = column(lap, "is_left_of_center") == 1.0, column(lap, "speed")
    assert table["return 0.5"].total == pytest.approx(0.5 * left.sum())
    assert table['self.total += self.params["speed"]'].total == pytest.approx(speed.sum())
    assert table["self.total += 1.0"].total == pytest.approx(len(lap))
    assert {row.through.line for row in table.values() if row.through} == {17}
    assert {group.name for group in explain.pay_by_term(found)} == {
        "bonus(params)",
        "Coach(params).judge()",
    }


def test_a_helper_that_changes_the_reward_pays_only_the_change(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def at_least(reward, floor):
            reward = max(reward, floor)
            return reward

        def reward_function(params):
            reward = params["speed"]
            reward += 0.1
            reward = at_least(reward, 1.5)
            return reward
    """)
    speed = column(lap, "speed")
    assert found == pytest.approx(
        {
            'reward = params["speed"]': speed.sum(),
            "reward += 0.1": 0.1 * len(lap),
            "reward = max(reward, floor)": np.maximum(1.5 - speed - 0.1, 0.0).sum(),
        }
    )


def test_recursion_keeps_the_books_of_every_call_apart(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def ahead(params, depth):
            total = params["speed"]
            if depth:
                total += ahead(params, depth - 1)
                total *= 0.5
            return total

        def reward_function(params):
            return ahead(params, 2)
    """)
    assert sum(found.values()) == pytest.approx(column(lap, "speed").sum())
    assert found["total *= 0.5"] == pytest.approx(-2.0 * column(lap, "speed").sum())


def test_a_running_total_that_outlives_the_call_keeps_its_books_per_instance(
    explained: Explained, lap: Lap
) -> None:
    found = explained(
        """
        TOTAL = 0.0

        def reward_function(params):
            global TOTAL
            TOTAL += params["speed"]
            TOTAL += 1.0
            return TOTAL
        """,
        laps=2,
    )
    speed = column(lap, "speed")
    for drive in found.drives:
        table = {row.source: row.total for row in pay_by_piece(found, [drive])}
        assert table["TOTAL += 1.0"] == pytest.approx(np.arange(1, len(lap) + 1).sum())
        assert table['TOTAL += params["speed"]'] == pytest.approx(np.cumsum(speed).sum())


def test_a_decorated_reward_and_one_by_another_name_are_followed(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def doubled(function):
            def inside(params):
                value = function(params)
                value *= 2
                return value
            return inside

        @doubled
        def mine(params):
            reward = params["speed"]
            reward += 1.0
            return reward

        reward_function = mine
    """)
    speed = column(lap, "speed").sum()
    assert found == pytest.approx({
        'reward = params["speed"]': speed, "reward += 1.0": len(lap), "value *= 2": speed + len(lap),
    })  # fmt: skip


def test_summands_that_cancel_are_told_as_one(paid: Paid) -> None:
    found = paid("""
        LAST = {"progress": 0.0}

        def reward_function(params):
            gained = params["progress"] - LAST["progress"]
            LAST["progress"] = params["progress"]
            return max(gained, 0.0)
    """)
    assert list(found) == ['params["progress"] - LAST["progress"]']


PREDICTED = """
        WHOLE = 40.0

        def reward_function(params):
            reward = 1.0
            near = max(0.01, 1 - params["distance_from_center"] / params["track_width"])
            reward += near
            needed = 100.0 * params["steps"] / max(params["progress"], 0.01) + 1
            worth = max(0.001, -2.0 * (needed - (WHOLE * 15 + 1)))
            early = 0
            if params["steps"] > 2:
                early = min(1.0, worth / needed)
            reward += early
            return float(reward)
"""


def test_a_quotient_or_a_pick_is_one_term_and_not_parts_that_cancel(paid: Paid, lap: Lap) -> None:
    found = paid(PREDICTED)
    assert set(found) == {"reward = 1.0", "reward += near", "reward += early"}
    total = sum(found.values())
    assert all(0.0 <= amount <= total for amount in found.values())


def test_a_class_that_is_called_as_a_whole_is_told_by_its_own_lines(
    explained: Explained, lap: Lap
) -> None:
    found = explained("""
        class Judge:
            def reward_function(self, params):
                reward = params["speed"]
                near = 1 - params["distance_from_center"]
                reward += 3 * near
                return float(reward)

        judge = Judge()

        def reward_function(params):
            return judge.reward_function(params)
    """)
    speed, distance = column(lap, "speed").sum(), column(lap, "distance_from_center")
    totals = {group.name: group.total for group in explain.pay_by_term(found)}
    assert totals == pytest.approx(
        {'reward = params["speed"]': speed, "reward += 3 * near": 3 * (1 - distance).sum()}
    )


@pytest.mark.parametrize(
    ("added", "shown"),
    [
        ("5 - 4.5 * params['speed'] / 2", "5 - 4.5 * params['speed'] / 2"),
        ("2 * (600 - params['steps'] - 500)", "reward += 2 * (600 - params['steps'] - 500)"),
        ("bonus", "reward += bonus"),
        ("shrunk(params)", "reward += shrunk(params)"),
    ],
)
def test_no_part_is_larger_than_the_term_that_it_belongs_to(
    paid: Paid, added: str, shown: str
) -> None:
    found = paid(f"""
        def shrunk(params):
            return 50 * (params["steps"] - params["steps"] * 0.9)

        def reward_function(params):
            bonus = 0
            bonus += 5 * params["speed"]
            bonus -= 4 * params["speed"]
            reward = 1.0
            reward += {added}
            return reward
    """)
    assert set(found) == {"reward = 1.0", shown}


@pytest.mark.parametrize(
    ("shrink", "factor"),
    [("reward /= 8", 1 / 8), ("reward **= 2", None), ("reward = reward / 8", 1 / 8)],
)
def test_a_quotient_and_a_power_of_the_total_scale_all_that_was_paid(
    paid: Paid, lap: Lap, shrink: str, factor: float | None
) -> None:
    found = paid(f"""
        def reward_function(params):
            reward = params["speed"]
            reward += 2.0
            {shrink}
            return reward
    """)
    speed = column(lap, "speed")
    scale = speed + 2.0 if factor is None else factor
    assert found == pytest.approx(
        {
            'reward = params["speed"]': (scale * speed).sum(),
            "reward += 2.0": (scale * 2.0 * np.ones(len(lap))).sum(),
        }
    )


def test_what_is_not_linear_in_the_total_is_one_term(paid: Paid, lap: Lap) -> None:
    found = paid("""
        def reward_function(params):
            error = params["distance_from_center"]
            error += 40.0
            return 1 / (1 + error)
    """)
    distance = column(lap, "distance_from_center")
    assert found == pytest.approx({"return 1 / (1 + error)": (1 / (41 + distance)).sum()})


@pytest.mark.parametrize(
    "body",
    [
        "return sum([params['speed'], 1.0])",
        "return float(round(params['speed'] + 1.0, 12))",
        "return (params['speed'] if params['speed'] >= 0 else 7.0) + 1.0",
        "return params['speed'] - -1.0",
        "return -(-params['speed'] - 1.0)",
        "r = s = params['speed']; r += 1.0; return r",
        "r: float = params['speed']; r = 1.0 + r; return r",
        "r = params['speed']; d = {'r': 0.0}; d['r'] = r + 1.0; return d['r']",
        "r = 0.0\n    for part in (params['speed'], 1.0):\n        r += part\n    return r",
        "return (lambda: params['speed'] + 1.0)()",
        "r = params['speed']\n    def more():\n        nonlocal r\n        r += 1.0\n    more()\n    return r",
        "r = params['speed']; [r := r + 1.0]; return r",
        "r, one = params['speed'], 1.0; r += one; return r",
        "return __import__('numpy').float64(params['speed']) + True",
        "return str(params['speed'] + 1.0)",
    ],
)
def test_amounts_add_up_to_the_reward_however_it_is_written(
    explained: Explained, lap: Lap, body: str
) -> None:
    found = explained(f"def reward_function(params):\n    {body}\n")
    drive = found.drives[0]
    assert found.notes == ()
    assert drive.reward == pytest.approx(column(lap, "speed") + 1.0)
    assert drive.amounts.sum(axis=1) == pytest.approx(drive.reward)


TERMS = (
    'params["speed"]',
    "1.25",
    'params["steps"] / 8',
    'params["distance_from_center"] ** 2',
    "helper(params)",
)


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A reward of random statements, and the obvious twin of its books: statements that keep one
    amount a line.
    """
    source = [
        "def helper(params):",
        "    return abs(params['steering_angle']) / 30",
        "",
        "def reward_function(params):",
    ]
    twin: list[str] = []
    source.append("    reward = 1.0")
    twin.append("paid = {5: 1.0}")
    for _ in range(draw(st.integers(1, 6))):
        condition = draw(
            st.sampled_from(("True", 'params["steps"] % 2 == 0', 'params["is_left_of_center"]'))
        )
        term = draw(st.sampled_from(TERMS))
        kind = draw(st.sampled_from(("+=", "-=", "*=", "=", "plain", "clip")))
        line = len(source) + 2
        source.append(f"    if {condition}:")
        statement, books = {
            "+=": (f"reward += {term}", f"paid[{line}] = {term}"),
            "-=": (f"reward -= {term}", f"paid[{line}] = -({term})"),
            "*=": (f"reward *= {term}", f"paid[{line}] = sum(paid.values()) * ({term} - 1)"),
            "=": (f"reward = {term}", f"paid = {{{line}: {term}}}"),
            "plain": (f"reward = {term} + reward", f"paid[{line}] = {term}"),
            "clip": (
                f"reward = max(reward, {term})", f"paid[{line}] = max(sum(paid.values()), {term}) - sum(paid.values())",
            ),
        }[kind]  # fmt: skip
        source.append(f"        {statement}")
        twin += [f"if {condition}:", f"    {books}"]
    source.append("    return reward")
    return "\n".join(source), twin


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(programs())
def test_books_of_random_rewards_agree_with_their_twins(
    explained: Explained, lap: Lap, program: tuple[str, list[str]]
) -> None:
    source, twin = program
    found = explained(source)
    for at, params in enumerate(lap):
        scope: dict[str, Any] = {
            "params": params,
            "helper": lambda p: abs(p["steering_angle"]) / 30,
        }
        exec("\n".join(twin), scope)
        mine: dict[int, float] = {}
        for piece, amount in zip(found.pieces, found.drives[0].amounts[at], strict=True):
            line = (piece.through or piece.term).line
            mine[line] = mine.get(line, 0.0) + amount
        size = sum(map(abs, scope["paid"].values())) + 1.0
        for line in {*mine, *scope["paid"]}:
            assert mine.get(line, 0.0) == pytest.approx(
                scope["paid"].get(line, 0.0), abs=1e-9 * size
            ), (line, source)


def test_shares_of_a_reward_that_sums_to_nothing_are_not_told(explained: Explained) -> None:
    found = explained(
        "def reward_function(params):\n    return 1.0 if params['steps'] % 2 else -1.0\n"
    )
    assert all(np.isnan(row.fraction) for row in pay_by_piece(found))
    assert sum(row.moved_fraction for row in pay_by_piece(found)) == pytest.approx(1.0)


def test_what_pays_has_a_positive_share_of_a_negative_sum_too(explained: Explained) -> None:
    found = explained(
        "def reward_function(params):\n    reward = 1.0\n    reward -= 3.0\n    return reward\n"
    )
    assert {row.source: row.fraction for row in pay_by_piece(found)} == pytest.approx(
        {"reward = 1.0": 0.5, "reward -= 3.0": -1.5}
    )


def test_the_size_of_a_difference_is_one_term(paid: Paid) -> None:
    found = paid("def reward_function(params):\n    return abs(params['x'] - params['y']) + 1.0\n")
    assert set(found) == {"abs(params['x'] - params['y'])", "1.0"}


def test_a_reward_of_nothing_at_all_is_explained_too(explained: Explained) -> None:
    found = explained("def reward_function(params):\n    return 0\n")
    assert [row.total for row in pay_by_piece(found)] == [0.0]


def test_what_cannot_be_watched_is_one_amount_of_its_line(explained: Explained) -> None:
    found = explained("""
        class Judge:
            def __call__(self, params):
                yield_ = params["speed"]
                return yield_

        reward_function = Judge()
    """)
    assert sum(row.total for row in pay_by_piece(found)) == pytest.approx(
        found.drives[0].reward.sum()
    )
    made = explained("reward_function = lambda params: params['speed'] + 1.0\n")
    assert pay_by_piece(made)[0].fraction == pytest.approx(1.0)


def test_a_reward_that_is_not_the_same_twice_is_said_so(explained: Explained) -> None:
    found = explained("""
        import time

        def reward_function(params):
            return time.perf_counter() % 1e-3
    """)
    assert "pays differently when it is called again" in found.notes[0]


def test_what_the_reward_function_raises_names_its_line(explained: Explained) -> None:
    with pytest.raises(
        RewardRefused,
        match=r"reward\.py:3: the reward function raised ZeroDivisionError.*`return 1 / 0`",
    ):
        explained("def reward_function(params):\n    reward = 1.0\n    return 1 / 0\n")
    with pytest.raises(UsageError, match="async def"):
        explained("async def reward_function(params):\n    return 1.0\n")


def test_a_source_that_is_nested_deeply_is_explained_or_refused_with_a_sentence(
    explained: Explained,
) -> None:
    long = "def reward_function(params):\n    return " + " + ".join(["0.01"] * 800) + "\n"
    assert explained(long).drives[0].amounts.sum() == pytest.approx(8.0 * 24)
    chain = ["def reward_function(params):", "    if params['steps'] == 0: return 0.0"]
    chain += [f"    elif params['steps'] == {k}: return {k}.0" for k in range(1, 300)]
    found = explained("\n".join(chain) + "\n    return 0.0\n")
    assert found.drives[0].reward[:2].tolist() == [2.0, 3.0]
