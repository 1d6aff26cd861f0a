"""Reading and compiling reward files, and the sentence for each thing that is none."""

import os
import zipfile

import pytest

from racer.errors import UsageError
from racer.reward import RewardBatch, RewardRefused, find_reward, load_reward, shipped_rewards

GOOD = "def reward_function(params):\n    return 1.0\n"


def price(path):
    return RewardBatch(load_reward(path), 1)([{}]).tolist()


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        ("# -*- coding: latin-1 -*-\n# caf\xe9\n" + GOOD).encode("latin-1"),
        ("# caf\xe9\n" + GOOD).encode("latin-1"),
        GOOD.encode("utf-16"),
        GOOD.rstrip().encode(),
        b"PATTERN = '\\d'\n" + GOOD.encode(),
    ],
    ids=["plain", "bom", "crlf", "cr", "declared", "latin1", "utf16", "no-newline", "escape"],
)
def test_every_common_encoding_runs(tmp_path, raw):
    (tmp_path / "r.py").write_bytes(raw)
    assert price(tmp_path / "r.py") == [1.0]


def test_undeclared_latin_1_is_told(tmp_path):
    (tmp_path / "r.py").write_bytes(("# caf\xe9\n" + GOOD).encode("latin-1"))
    assert "save it as UTF-8" in load_reward(tmp_path / "r.py").notes[0]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("reward_function = lambda p: 1.0", [1.0]),
        ("class R:\n    def __call__(self, params):\n        return 2\nreward_function = R()", [2.0]),
        ("from functools import partial\nreward_function = partial(max, 3.0)", None),
        ("def reward_function(params, seen=[]):\n    seen.append(1)\n    return len(seen)", [1.0]),
        ("def reward_function(*args):\n    return 1", [1.0]),
        ("def reward_function(params):\n    return '1.5'", [1.5]),
        ("import numpy as np\ndef reward_function(params):\n    return np.float32(0.5)", [0.5]),
        ("def reward_function(params):\n    return True", [1.0]),
        ("if __name__ == '__main__':\n    raise SystemExit\ndef reward_function(params):\n    return 1", [1.0]),
        ("import json\ndef reward_function(params):\n    return float(len(json.dumps(params)))", [2.0]),
        ("import sys\nX = 4\ndef reward_function(params):\n    return sys.modules[__name__].X", [4.0]),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 5\n"
         "def reward_function(params):\n    return A().x", [5.0]),
        ("import pickle\nclass A:\n    x = 6\n"
         "def reward_function(params):\n    return pickle.loads(pickle.dumps(A())).x", [6.0]),
        ("from __future__ import annotations\ndef reward_function(params: dict) -> float:\n    return 1", [1.0]),
    ],
)  # fmt: skip
def test_unusual_but_lawful_files_run_unmodified(tmp_path, source, shown):
    (tmp_path / "r.py").write_text(source)
    if shown is None:
        with pytest.raises(RewardRefused, match="not supported between"):
            price(tmp_path / "r.py")
    else:
        assert price(tmp_path / "r.py") == shown


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("bad_syntax", "2:27", "expected ':', at `if params"),
        ("bad_indent", "3:6", "unexpected indent"),
        ("is_generator", "1", "holds `yield`"),
        ("is_async", "1", "`async def`"),
        ("of_2018", "1", "the reward function of 2018, with 12 arguments"),
        ("two_params", "1", "takes (params, track): it must take exactly one"),
        ("no_params", "1", "takes (): it must take exactly one"),
    ],
)
def test_a_file_that_cannot_be_a_reward_is_told_where(hostile, name, line, words):
    path = hostile / f"{name}.py"
    with pytest.raises(UsageError) as stop:
        price(path)
    assert str(stop.value).startswith(f"{path}:{line}: ")
    assert words in str(stop.value)
    assert stop.value.exit_code == 2


def test_a_misspelled_function_is_found(hostile):
    with pytest.raises(UsageError, match=r"no reward_function.*did you mean 'reward_fuction'"):
        price(hostile / "misspelled.py")
    with pytest.raises(UsageError, match="not a function but float"):
        price(hostile / "not_callable.py")


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("r.py", b"", "is empty"),
        ("r.py", b" \n\t\n", "is empty"),
        ("r.py", b"x = '\x00'", "null bytes"),
        ("r.py", b"(" * 10_000, "r.py"),
        ("r.ipynb", b'{"cells": [], "nbformat": 4}', "is a notebook"),
        ("r.py", b'{"cells": [], "nbformat": 4}', "is a notebook"),
        ("r.py", b"\x1f\x8b\x08\x00", "is an archive"),
    ],
)
def test_files_that_are_not_python_get_a_sentence(tmp_path, name, raw, words):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(UsageError, match=words):
        load_reward(tmp_path / name)


def test_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("reward_function.py", GOOD)
    with pytest.raises(UsageError, match="is an archive"):
        load_reward(tmp_path / "model.zip")


def test_folder_and_missing_file_help(tmp_path):
    (tmp_path / "reward.py").write_text(GOOD)
    with pytest.raises(UsageError, match=r"is a folder.*reward\.py"):
        load_reward(tmp_path)
    with pytest.raises(UsageError, match=r"no reward file .*did you mean 'reward\.py'"):
        load_reward(tmp_path / "rewrd.py")
    with pytest.raises(UsageError, match="did you mean 'center_line'"):
        load_reward("centre_line")
    with pytest.raises(UsageError, match=r"shipped are .*center_line"):
        load_reward("zzz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_gets_a_sentence(tmp_path):
    (tmp_path / "r.py").write_text(GOOD)
    (tmp_path / "r.py").chmod(0)
    with pytest.raises(UsageError, match="cannot be read"):
        load_reward(tmp_path / "r.py")


def test_a_shipped_reward_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        find_reward("center_line")
        == find_reward("center_line.py")
        == shipped_rewards()["center_line"]
    )


def test_a_file_in_the_folder_goes_before_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "center_line.py").write_text(GOOD)
    assert find_reward("center_line.py").read_text() == GOOD
