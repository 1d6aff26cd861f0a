"""Rewards of many steps at once: to the last bit what the file itself pays, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.reward import (
    ColumnProgram,
    NotColumnar,
    RewardBatch,
    RewardFunction,
    RewardRefused,
    load_reward,
)

COUNT = 240
STARTS = np.array([0, 100, 101, 180])


def columns() -> dict[str, Any]:
    """Params of steps of several episodes, with what is seldom met: standstill, whole laps, nothing
    gained, both sides, angles at the seam.
    """
    rng = np.random.default_rng(7)
    progress = rng.uniform(-2.0, 100.0, COUNT)
    progress[::17] = 100.0
    progress[3::29] = 0.0
    speed = rng.uniform(0.5, 4.0, COUNT)
    speed[5::31] = 0.0
    heading = rng.uniform(-180.0, 180.0, COUNT)
    heading[::19] = 180.0
    return {
        "progress": progress,
        "speed": speed,
        "heading": heading,
        "steps": np.arange(2.0, COUNT + 2.0),
        "distance_from_center": rng.uniform(0.0, 0.6, COUNT).round(2),
        "track_width": np.full(COUNT, 1.07),
        "steering_angle": rng.choice([-30.0, -15.0, 0.0, 15.0, 30.0], COUNT),
        "all_wheels_on_track": rng.random(COUNT) < 0.8,
        "is_left_of_center": rng.random(COUNT) < 0.5,
        "is_reversed": False,
        "track_length": 17.7,
        "closest_waypoints": (
            rng.integers(0, 5, COUNT),
            rng.integers(0, 5, COUNT),
        ),
        "waypoints": ((0.0, 0.0), (1.0, 0.25), (2.0, 1.0), (2.0, 1.0), (0.5, 3.0)),
    }


def params_of(values: dict[str, Any], row: int) -> dict[str, Any]:
    params = {}
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            params[key] = value[row].item()
        elif isinstance(value, tuple) and isinstance(value[0], np.ndarray):
            params[key] = [column[row].item() for column in value]
        elif isinstance(value, tuple):
            params[key] = list(value)
        else:
            params[key] = value
    return params


def write_reward(folder: Path, source: str) -> RewardFunction:
    path = folder / "reward.py"
    path.write_text(source)
    return load_reward(path)


def by_columns(reward: RewardFunction) -> np.ndarray:
    program = ColumnProgram(reward, RewardBatch(reward, 1).namespace)
    return program(columns(), COUNT, STARTS)


def by_file(reward: RewardFunction) -> np.ndarray:
    """Each episode by an instance of its own."""
    values = columns()
    cars = np.searchsorted(STARTS, np.arange(COUNT), side="right") - 1
    batch = RewardBatch(reward, len(STARTS))
    return np.concatenate([batch([params_of(values, k)], [cars[k]]) for k in range(COUNT)])


CALCULATED = {
    "bands": """
def reward_function(params):
    d, w = params["distance_from_center"], params["track_width"]
    if d <= 0.1 * w:
        return 1
    elif d <= 0.25 * w:
        return 0.5
    return 1e-3
""",
    "powers": """
import math
SPEED = 2.5
def reward_function(params):
    x = abs(params["speed"] - SPEED) / SPEED
    y = math.exp(-3 * x ** 2) + math.sqrt(x) + x ** 0.37 + pow(params["steps"], -1)
    return float(y + math.hypot(x, y) + math.sin(y) * math.degrees(0.01) + math.log1p(x))
""",
    "angles": """
import math
def reward_function(params):
    w = params["waypoints"]
    a, b = params["closest_waypoints"]
    direction = math.degrees(math.atan2(w[b][1] - w[a][1], w[b][0] - w[a][0]))
    error = abs(direction - params["heading"])
    if error > 180:
        error = 360 - error
    return max(1e-3, 1 - error / 180) + (params["heading"] - direction + 180.0) % 360.0 - 180.0
""",
    "guarded division": """
def reward_function(params):
    if params["speed"] == 0:
        return 0.0
    ok = params["speed"] != 0 and 1 / params["speed"] < 1
    extra = 2.0 if params["progress"] <= 0 else params["steps"] / params["progress"]
    return 1 / params["speed"] + ok + extra
""",
    "early return in a helper": """
def factor(steering, limit=15.0):
    if abs(steering) > limit:
        return 0.8
    if steering == 0:
        return 1
    return 0.9
def reward_function(params):
    reward = 1.0
    reward *= factor(params["steering_angle"])
    reward -= factor(params["steering_angle"], limit=20)
    return reward
""",
    "loops": """
import math
def reward_function(params):
    w = params["waypoints"]
    here = params["closest_waypoints"][1]
    total = 0.0
    for k in range(4):
        x, y = w[(here + k) % len(w)]
        if x > 1.5 and params["is_left_of_center"]:
            continue
        total += math.hypot(x, y)
        if total > 3.0:
            break
    else:
        total = -total
    while total > 1.0:
        total = total / 2
    return total
""",
    "lists": """
TURNS = [1, 2]
BONUS = {10: 1.5, 20: 2, 100: 5}
LINE = [(0.0, 1.0, 2.0), (1.0, 1.0, 3.0), (2.0, 0.0, 1.5)]
def reward_function(params):
    n = params["closest_waypoints"][0]
    reward = BONUS.get(int(params["progress"]), 0)
    if n in TURNS or n not in range(1, 4):
        reward += 1
    near = min(LINE, key=lambda p: (p[0] - n) ** 2 + p[1])
    away = [abs(p[0] - params["speed"]) for p in LINE]
    k = away.index(min(away))
    return reward + near[2] + k + sum(away) + LINE[n % 3][1] + len(LINE) + max(away[:2])
""",
    "types": """
def reward_function(params):
    left = params["is_left_of_center"]
    wheels = params["all_wheels_on_track"]
    a = left + wheels
    b = -left
    c = params["closest_waypoints"][0] // 2 - params["closest_waypoints"][1] % 3
    d = params["closest_waypoints"][0] / 7
    e = round(params["speed"], 1) + round(params["progress"])
    f = (left or 0.25) + (wheels and params["speed"]) + (not left)
    g = 0 < params["progress"] <= 50 != left
    return a + b + c + d + e + f + g + (params["progress"] // 7) + bool(params["speed"])
""",
    "try": """
def reward_function(params):
    try:
        reward = params["progress"] / (params["steps"] + 1)
    except ZeroDivisionError:
        reward = 0
    return reward
""",
    "always the same": "def reward_function(params):\n    return True\n",
    "params passed on": """
from math import fabs, pi
def away(p):
    return fabs(p["distance_from_center"]) * pi
def reward_function(params):
    extra = 1 if "wheels" in params or "speed" not in params else 2
    return away(params) + params.get("speed", 0) + extra
""",
    "memory in a dict": """
LAST = {"progress": 0.0, "steps": 0}
def reward_function(params):
    gained = params["progress"] - LAST["progress"]
    if params["steps"] != LAST["steps"] + 1:
        gained = 0.0
    LAST["progress"] = params["progress"]
    LAST["steps"] = params["steps"]
    return gained
""",
    "memory in a list, and returns before it": """
last = [None]
def reward_function(params):
    before = last[0]
    last[0] = params["steering_angle"]
    if not params["all_wheels_on_track"]:
        return 1e-3
    if before is None:
        return 0.5
    return 1.0 / (1.0 + abs(before - params["steering_angle"]))
""",
    "global memory set in a helper": """
previous = 0
def keep(x):
    global previous
    change = x - previous
    previous = x
    return change
def reward_function(params):
    return abs(keep(params["speed"])) + 0.1
""",
    "memory in a class": """
class Memory:
    speed = None
def reward_function(params):
    if Memory.speed is None or params["steps"] < 50:
        Memory.speed = params["speed"]
    slower = params["speed"] < Memory.speed
    Memory.speed = params["speed"]
    return 0.1 if slower else 1
""",
}

LEFT_TO_THE_FILE = {
    "prints": "def reward_function(params):\n    print(1)\n    return 1.0\n",
    "random": "import random\ndef reward_function(params):\n    return random.random()\n",
    "numpy": "import numpy as np\ndef reward_function(params):\n    return np.sqrt(2.0)\n",
    "an object": """
class Reward:
    def pay(self, params):
        return 1.0
it = Reward()
def reward_function(params):
    return it.pay(params)
""",
    "a memory that counts": """
n = [0]
def reward_function(params):
    n[0] += 1
    return n[0]
""",
    "a division by zero": "def reward_function(params):\n    return 1 / params['speed']\n",
    "a root of a negative number": """
import math
def reward_function(params):
    return math.sqrt(params["progress"])
""",
    "a complex power": "def reward_function(params):\n    return abs(params['progress'] ** 0.5)\n",
    "a reward that is nothing": """
def reward_function(params):
    if params["speed"] > 1:
        return 1.0
""",
    "a reward too large": "def reward_function(params):\n    return 1e7 * params['speed']\n",
    "an index out of range": """
def reward_function(params):
    return params["waypoints"][params["closest_waypoints"][0] + 1][0]
""",
    "a missing key": "def reward_function(params):\n    return params['wheels']\n",
    "a name before its assignment": """
bonus = 1.0
def reward_function(params):
    if params["speed"] > 1:
        bonus = 2.0
    return bonus
""",
    "params changed": "def reward_function(params):\n    params['speed'] = 1\n    return 1.0\n",
    "a name of Python's replaced": """
def reward_function(params):
    max = lambda a, b: 7
    return max(1, 2)
""",
    "numbers without end": "def reward_function(params):\n    return 9 ** 9 ** 9 % 7\n",
    "a loop without end": "def reward_function(params):\n    while True:\n        pass\n",
    "a call that is spared": """
n = [0.0]
def keep(x):
    n[0] = x
    return x
def reward_function(params):
    return float(1.0 < params["speed"] < keep(params["steps"])) + n[0]
""",
    "a large list": """
def reward_function(params):
    return sum([params["speed"] for a in range(4000) for b in range(4000)])
""",
    "a function made anew": """
def reward_function(params):
    return 1.0
reward_function = lambda params: 2.0
""",
}


@pytest.mark.parametrize("name", CALCULATED)
def test_what_only_calculates_pays_the_same_bits(tmp_path: Path, name: str) -> None:
    reward = write_reward(tmp_path, CALCULATED[name])
    expected = by_file(reward)
    assert by_columns(reward).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", LEFT_TO_THE_FILE)
def test_everything_else_is_left_to_the_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotColumnar):
        by_columns(write_reward(tmp_path, LEFT_TO_THE_FILE[name]))


def test_a_memory_that_goes_on_and_on_settles_or_is_refused(tmp_path: Path) -> None:
    source = """
best = [0.0]
def reward_function(params):
    best[0] = max(best[0], params["speed"])
    return best[0]
"""
    with pytest.raises(NotColumnar, match="more than one step"):
        by_columns(write_reward(tmp_path, source))


def test_a_patched_module_is_seen_as_the_file_has_it(tmp_path: Path) -> None:
    source = "import math\nmath = 3\ndef reward_function(params):\n    return math\n"
    reward = write_reward(tmp_path, source)
    assert set(by_columns(reward)) == {3.0}


VARIABLES = ["a", "b", "c", "n", "t"]
LEAVES = st.sampled_from([*VARIABLES, "0", "1", "2.5", "-3", "0.1", "7"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    comparisons = st.sampled_from(["<", "<=", "==", "!=", ">", ">="])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} {} {})".format, inner, comparisons, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("max({}, {})".format, inner, inner),
        st.builds("min({}, {}, {})".format, inner, inner, inner),
        st.builds("abs({})".format, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("int({})".format, inner),
        st.builds("math.atan2({}, {})".format, inner, inner),
        st.builds("({} ** 2)".format, inner),
    )


@settings(max_examples=100, deadline=None)
@given(st.recursive(LEAVES, larger, max_leaves=12))
def test_any_expression_pays_the_same_bits_or_is_left_to_the_file(
    tmp_path_factory: pytest.TempPathFactory, expression: str
) -> None:
    source = f"""
import math
def reward_function(params):
    a, b = params["progress"], params["speed"]
    c, n = params["steering_angle"], params["closest_waypoints"][0]
    t = params["is_left_of_center"]
    return {expression}
"""
    reward = write_reward(tmp_path_factory.mktemp("reward"), source)
    try:
        paid = by_columns(reward)
    except NotColumnar:
        return
    try:
        expected = by_file(reward)
    except RewardRefused as error:
        pytest.fail(f"the file is refused ({error}), the columns are not: {expression}")
    assert paid.tobytes() == (expected + 0.0).tobytes() or np.array_equal(paid, expected)
