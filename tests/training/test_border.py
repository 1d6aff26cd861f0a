"""A run folder from a stranger runs no code: its checkpoints and states are read as data."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from racer.errors import RacerError, UsageError
from racer.reward import RewardBatch, load_reward
from racer.training import evaluate, explain_run, load_policy
from racer.training.learner import read_plain, write_plain
from racer.training.run import Run
from racer.training.trainer import open_session


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.mark, "code ran")


@pytest.fixture
def strange(whole: Any, tmp_path: Path) -> Path:
    """A copy of a trained run."""
    return shutil.copytree(whole[0].folder, tmp_path / "strange")


def resume(folder: Path) -> None:
    session = open_session(Run.open(folder))
    session.resume()


USES: dict[str, Callable[[Path], Any]] = {
    "evaluate": lambda folder: evaluate(folder, laps=1, resets=0),
    "explain": explain_run,
    "policy": lambda folder: load_policy(Run.open(folder)),
    "resume": resume,
}


def payloads(mark: Path) -> dict[str, bytes]:
    """Contents that would run code, or that are none."""
    return {
        "pickle": pickle.dumps(Payload(mark)),
        "torch": torch_bytes({"weights": {}, "zzz": Payload(mark)}, mark),
        "objects": numpy_bytes(Payload(mark), mark),
        "nothing": b"",
        "null": b"null",
        "list": b"[1]",
        "deep": b"[" * 100_000,
    }


def torch_bytes(value: Any, mark: Path) -> bytes:
    file = mark.with_name("payload.pt")
    torch.save(value, file)
    return file.read_bytes()


def numpy_bytes(value: Any, mark: Path) -> bytes:
    file = mark.with_name("payload.npy")
    np.save(file, np.array([value], dtype=object), allow_pickle=True)
    return file.read_bytes()


@pytest.mark.slow
def test_a_payload_in_any_file_of_a_run_runs_nowhere(strange, tmp_path):
    mark = tmp_path / "mark"
    files = [path for path in sorted(strange.rglob("*")) if path.is_file()]
    files = [path for path in files if "tensorboard" not in path.parts]
    # the reward function itself is code, and is meant to run
    files = [path for path in files if path.name != "reward_function.py"]
    assert {"run.json", "state.pt", "best.json", "track.npy"} <= {path.name for path in files}
    for path in files:
        good = path.read_bytes()
        for content in payloads(mark).values():
            path.write_bytes(content)
            for use in ("policy", "resume"):
                with contextlib.suppress(RacerError):  # a sentence, and no traceback
                    USES[use](strange)
                assert not mark.exists(), f"{path.name} ran code in {use}"
        path.write_bytes(good)


@pytest.mark.parametrize("use", ["evaluate", "explain", "policy"])
def test_a_checkpoint_with_more_than_weights_is_refused(strange, tmp_path, use):
    mark = tmp_path / "mark"
    for file in (strange / "checkpoints").glob("[0-9]*.pt"):
        saved = torch.load(file, weights_only=True)
        torch.save(saved | {"extra": Payload(mark)}, file)
    with pytest.raises(UsageError, match="runs nothing out of it"):
        USES[use](strange)
    assert not mark.exists()


def test_a_state_with_more_than_numbers_is_refused(strange, tmp_path):
    mark = tmp_path / "mark"
    state = torch.load(strange / "checkpoints" / "state.pt", weights_only=True)
    torch.save(state | {"zzz": Payload(mark)}, strange / "checkpoints" / "state.pt")
    with pytest.raises(UsageError, match="runs nothing out of it"):
        resume(strange)
    assert not mark.exists()


def test_a_state_that_does_not_fit_gets_a_sentence(strange):
    state = read_plain(strange / "checkpoints" / "state.pt", "")
    for damage in (
        {},
        {"progress": 3},
        state | {"field": (1, 2)},
        state | {"rewards": [b"[]"] * 2},
    ):
        write_plain(strange / "checkpoints" / "state.pt", damage)
        with pytest.raises(UsageError, match="train anew"):
            resume(strange)


def test_the_memory_of_a_reward_is_read_as_data(tmp_path):
    mark = tmp_path / "mark"
    file = tmp_path / "mine.py"
    file.write_text("seen = []\ndef reward_function(params):\n    seen.append(1)\n    return 1.0\n")
    batch = RewardBatch(load_reward(file), 1)
    state = json.loads(batch.snapshot())
    damages: list[Any] = [pickle.dumps(Payload(mark)).decode("latin-1"), "[[0],[]]", "[[0],[[]]]"]
    damages += [
        json.dumps([[0], [node]])
        for node in (
            ["module", "os"],
            ["builtin", "eval"],
            ["is", "given", "", "os"],
            ["bound", [0], "__class__"],
            ["all", [[0]]],
            ["tuple", [[0]]],
            ["nonsense"],
        )
    ]
    for damage in damages:
        fresh = RewardBatch(load_reward(file), 1)
        with pytest.raises(UsageError, match="damaged"):
            fresh.restore(json.dumps(state | {"texts": [damage]}).encode())
    assert not mark.exists()


def test_a_run_may_not_name_any_file_of_this_machine_as_its_reward(strange, tmp_path):
    secret = tmp_path / "cleanup.py"
    secret.write_text("raise SystemExit('it ran')\n")
    story = json.loads((strange / "run.json").read_text())
    (strange / "run.json").write_text(json.dumps(story | {"reward_file": str(secret)}))
    run = Run.open(strange)
    assert run.reward == strange / "reward_function.py"
    assert run.brings_own_reward
    assert any(
        "which was run" in note for note in evaluate(run, laps=1, resets=0, own_reward=True).notes
    )


def test_what_a_state_holds_comes_back_as_it_was(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None], "d": [True, False]})
    rows = np.zeros((2, 3), [("x", "<f8"), ("n", "i4", (2,))])
    value = {
        "table": table,
        "rows": rows,
        "scalar": np.float32(0.1),
        "raw": b"\x00\xff",
        "big": 2**127,
        "pairs": [(1, None), ("a", True)],
        3: {"empty": np.empty((0, 4), np.uint8)},
    }
    file = tmp_path / "state.pt"
    write_plain(file, value)
    back = read_plain(file, "")
    pd.testing.assert_frame_equal(back.pop("table"), value.pop("table"))
    assert back["rows"].dtype == rows.dtype
    assert back["rows"].shape == (2, 3)
    assert type(back["scalar"]) is np.float32
    assert back[3]["empty"].shape == (0, 4)
    for key in ("scalar", "raw", "big", "pairs"):
        assert back[key] == value[key]
