"""Degrees and radians in one expression."""

from __future__ import annotations

from pathlib import Path

import pytest

from racer.checker.angles import find_mixed_angles
from racer.checker.findings import RuleContext
from racer.reward import load_reward

HEAD = "import math\n\nimport numpy as np\n\n\ndef reward_function(params):\n"
ROAD = "road = math.atan2(params['y'], params['x'])"


def messages(lines: tuple[str, ...], folder: Path) -> list[str]:
    path = folder / "reward.py"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in lines) + "    return 1.0\n")
    return [one.message for one in find_mixed_angles(load_reward(path), RuleContext(path))]


@pytest.mark.parametrize(
    "lines",
    [
        (ROAD, "off = abs(road - params['heading'])"),
        (ROAD, "heading = params['heading']", "off = heading - road"),
        ("road = np.arctan2(params['y'], params['x'])", "off = params['heading'] - road"),
        (ROAD, "off = road - math.radians(params['heading'])", "if off > 10.0:", "    return 0.0"),
        (ROAD, "road = road % (2 * math.pi)", "off = road - (params['heading'] + 360) % 360"),
        ("side = math.cos(params['heading'])",),
        (ROAD, "if road > params['heading']:", "    return 0.0"),
        ("road = math.radians(params['heading'])", "off = road - params['steering_angle']"),
        ("off = params['objects_heading'][0] - params['heading']",),
    ],
)
def test_radians_beside_degrees_are_named(lines: tuple[str, ...], tmp_path: Path) -> None:
    [message] = messages(lines, tmp_path)
    assert "radians" in message


@pytest.mark.parametrize(
    "lines",
    [
        (ROAD, "road = math.degrees(road)", "off = abs(road - params['heading'])"),
        (ROAD, "off = road * 180 / math.pi - params['heading']"),
        (ROAD, "off = road * (180.0 / 3.1416) - params['heading']"),
        (ROAD, "off = road * 57.3 - params['heading']"),
        (ROAD, "off = road - math.radians(params['heading'])", "off = math.degrees(off)"),
        ("off = math.sin(params['heading'] * math.pi / 180)",),
        (ROAD, "off = np.rad2deg(road) - params['heading']", "if off > 180:", "    off -= 360"),
        ("off = abs(params['heading'] - params['steering_angle'])",),
        (ROAD, "if road > math.pi:", "    road -= 2 * math.pi"),
        (ROAD, "if params['speed'] > 2:", "    road = math.degrees(road)", "x = road - 30"),
    ],
)
def test_converted_angles_and_those_of_one_unit_are_fine(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    assert messages(lines, tmp_path) == []


def test_the_unit_that_a_function_returns_is_known(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "import math\n\n\n"
        "def reward_function(params):\n"
        "    return abs(road(params) - params['heading'])\n\n\n"
        "def road(params):\n"
        "    return math.atan2(params['y'], params['x'])\n"
    )
    [finding] = find_mixed_angles(load_reward(path), RuleContext(path))
    assert finding.line == 5
    path.write_text(path.read_text().replace("return math.atan2", "return 57.3 * math.atan2"))
    assert find_mixed_angles(load_reward(path), RuleContext(path)) == []
