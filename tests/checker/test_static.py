"""Rules that need no drive: does the file parse, in which Python, with which signature, and what
does it import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from racer.checker import static
from racer.checker.findings import Finding, RuleContext
from racer.errors import UsageError
from racer.reward import shipped_rewards

Look = Callable[..., list[Finding]]
FUNCTION = "def reward_function(params):\n    return 1.0\n"


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """A function that gives what the static rules say to a source text."""

    def said(text: str | bytes, name: str = "reward.py") -> list[Finding]:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode())
        reward, found = static.read_reward_file(path)
        if reward is None:
            return found
        rules = static.RULES
        return [*found, *(finding for rule in rules for finding in rule(reward, RuleContext(path)))]

    return said


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, [finding.message for finding in found]
    return found[0]


@pytest.mark.parametrize("name", sorted(shipped_rewards()))
def test_what_ships_is_clean(look: Look, name: str) -> None:
    assert look(shipped_rewards()[name].read_bytes()) == []


def test_a_syntax_error_has_its_line_and_column(look: Look) -> None:
    found = only(look("def reward_function(params):\n    return (1.0\n"))
    assert (found.code, found.line, found.column) == ("RW101", 2, 12)
    assert "never closed" in found.message


@pytest.mark.parametrize(
    "text", ["def reward_function(params):\nreturn 1\n", "x = = 1\n", "\tx = 1\n  y = 2\n"]
)
def test_layout_that_python_refuses_is_a_syntax_error(look: Look, text: str) -> None:
    assert only(look(text)).code == "RW101"


def test_a_zero_byte_has_its_place(look: Look) -> None:
    found = only(look(b"x = 1\ny = \0\n"))
    assert found.code == "RW101"
    assert found.line in (1, 2)


def test_python_2_is_a_syntax_error(look: Look) -> None:
    assert only(look(FUNCTION + "print 'hello'\n")).code == "RW101"


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no reward file"):
        static.read_reward_file(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"PK\x03\x04abc", "RW101", "the file is an archive: unpack it"),
        (b'{"cells": [], "nbformat": 4}', "RW101", "the file is a notebook"),
        (b" \n", "RW102", "the file is empty: it must define reward_function(params)"),
    ],
)
def test_a_file_that_is_no_source_is_a_finding_beside_those_of_others(
    look: Look, content: bytes, code: str, words: str
) -> None:
    found = only(look(content))
    assert found.code == code
    assert found.message.startswith(words)


def test_an_f_string_of_3_12_is_named_and_still_checked(look: Look) -> None:
    found = look(
        'def reward_function(params):\n    import math\n    return float(f"{params["x"]}")\n'
    )
    assert [(one.code, one.line) for one in found] == [("RW111", 3), ("RW107", 2)]
    assert "valid on Python 3.12, which the simulator runs" in found[0].message


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
@pytest.mark.parametrize("text", ["def one[T](x: T) -> T:\n    return x\n", "type Number = int\n"])
def test_other_syntax_of_3_12_is_no_error_of_the_file(look: Look, text: str) -> None:
    found = only(look(text + FUNCTION))
    assert (found.code, found.line) == ("RW111", 1)
    assert not found.is_error
    assert "3.12" in found.remedy


def test_a_file_in_latin_1_is_refused_by_the_job(look: Look) -> None:
    found = only(look(b"# caf\xe9\n" + FUNCTION.encode()))
    assert found.code == "RW112"
    assert "UTF-8" in found.message


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("def reward_fuction(params):\n    return 1.0\n", "RW102", "did you mean 'reward_fuction'"),
        ("x = 1\n", "RW102", "defines no reward_function"),
        ("class A:\n    def reward_function(self, params):\n        return 1.0\n", "RW102", "inside a class"),
        ("def reward_function():\n    return 1.0\n", "RW103", "no argument"),
        ("def reward_function(params, track):\n    return 1.0\n", "RW103", "(params, track)"),
        ("def reward_function(*, params):\n    return 1.0\n", "RW103", "no argument"),
        ("async def reward_function(params):\n    return 1.0\n", "RW103", "async def"),
        ("def reward_function(params):\n    yield 1.0\n", "RW103", "yield"),
        (
            "def reward_function(on_track, x, y, distance_from_center, car_orientation, progress, steps, throttle, "
            "steering, track_width, waypoints, closest_waypoint):\n    return 1.0\n",
            "RW104", "2018",
        ),
        ("def reward_function (x, y, on_track, throttle, steering, steps):\n    return 1.0\n", "RW104", "6 arguments"),
    ],
)  # fmt: skip
def test_signatures_that_the_job_cannot_call(look: Look, text: str, code: str, word: str) -> None:
    found = only(look(text))
    assert found.code == code
    assert word in found.message


def test_the_cure_for_2018_names_the_new_keys(look: Look) -> None:
    text = "def reward_function(on_track, x, y, distance_from_center, throttle):\n    return 1.0\n"
    assert "throttle is params['speed']" in only(look(text)).remedy


@pytest.mark.parametrize(
    "text",
    [
        "def reward_function(params, extra=1):\n    return 1.0\n",
        "def reward_function(*args):\n    return 1.0\n",
        "reward_function = lambda params: 1.0\n",
        "def other(params):\n    return 1.0\n\n\nreward_function = other\n",
        "class Reward:\n    def __call__(self, params):\n        return 1.0\n\n\nreward_function = Reward()\n",
        "if True:\n    def reward_function(params):\n        return 1.0\n",
        "from functools import lru_cache\n\n\n@lru_cache\ndef reward_function(a, b):\n    return 1.0\n",
        "def reward_function(params):\n    def inner():\n        yield 1\n    return float(sum(inner()))\n",
    ],
)
def test_signatures_that_the_job_can_call_or_only_a_call_can_tell(look: Look, text: str) -> None:
    assert look(text) == []


@pytest.mark.parametrize(
    ("line", "code", "severity"),
    [
        ("import nonsense", "RW106", "error"),
        ("import distutils.util", "RW106", "error"),
        ("import tensorflow as tf", "RW106", "warning"),
        ("from . import helper", "RW113", "error"),
        ("import requests", "RW108", "warning"),
        ("from urllib.request import urlopen", "RW108", "warning"),
        ("import socket", "RW108", "warning"),
        ("import shutil", "RW109", "warning"),
        ("import subprocess", "RW110", "warning"),
    ],
)
def test_imports_that_the_job_lacks_or_should_not_use(
    look: Look, line: str, code: str, severity: str
) -> None:
    found = [one for one in look(f"{line}\n\n\n{FUNCTION}") if one.code == code]
    assert [(one.line, one.severity) for one in found] == [(1, severity)]


HAS = [
    "import math",
    "import numpy.linalg",
    "from shapely.geometry import Point",
    "import scipy",
    "import os",
]
HAS += ["import urllib.parse", "import time", "from dataclasses import dataclass"]


@pytest.mark.parametrize("line", HAS)
def test_imports_that_the_job_has(look: Look, line: str) -> None:
    assert look(f"{line}\n\n\n{FUNCTION}") == []


def test_an_import_that_may_fail_is_only_mentioned(look: Look) -> None:
    found = only(
        look(f"try:\n    import nonsense\nexcept ImportError:\n    nonsense = None\n\n\n{FUNCTION}")
    )
    assert (found.code, found.severity) == ("RW106", "info")


def test_a_file_beside_it_is_not_there_in_the_job(look: Look, tmp_path: Path) -> None:
    (tmp_path / "my_table.py").write_text("TABLE = []\n")
    found = only(look(f"import my_table\n\n\n{FUNCTION}"))
    assert (found.code, found.line) == ("RW113", 1)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("open('x')", "RW109"),
        ("np.load('x.npy')", "RW109"),
        ("np.savetxt('x', [])", "RW109"),
        ("Path('x').write_text('')", "RW109"),
        ("os.system('ls')", "RW110"),
        ("run('ls')", "RW110"),
        ("os.execv('a', [])", "RW110"),
    ],
)
def test_calls_are_known_by_the_module_that_they_come_from(
    look: Look, call: str, code: str
) -> None:
    text = f"""
        import os
        import numpy as np
        from pathlib import Path
        from os import system as run


        def reward_function(params):
            {call}
            return 1.0
        """
    assert [(one.code, one.line) for one in look(text)] == [(code, 8)]


def test_a_function_of_ones_own_may_be_called_open(look: Look) -> None:
    assert look(f"def open(x):\n    return x\n\n\ny = open(1)\n\n\n{FUNCTION}") == []


def test_an_import_inside_a_function_has_its_line(look: Look) -> None:
    found = only(look("def reward_function(params):\n    import math\n    return math.pi\n"))
    assert (found.code, found.line, found.is_fixable) == ("RW107", 2, True)
