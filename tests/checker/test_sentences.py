"""Nobody reads a sentence back: with every sentence about a reward replaced by nonsense a check finds
the same codes, and every command ends alike.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from racer.checker import check
from racer.checker.fix import fix_reward
from racer.checker.validators import trial, validator_findings
from racer.cli import app
from racer.reward import errors, load_reward

pytestmark = pytest.mark.slow


FAILING = {
    "raises": "return 1 / params['is_reversed']",
    "unknown_key": "return params['distance_from_centre']",
    "nan": "return float('nan')",
    "infinite": "return float('-inf')",
    "too_much": "return 1e9",
    "no_number": "return None",
    "loops": "while params: pass",
    "exits": "raise SystemExit(3)",
    "thread": "import threading, time\n    threading.Thread(target=time.sleep, args=(9,)).start()\n    return 1.0",
    "floods": "print('x' * 10**8)\n    return 1.0",
    "memory": "return len(bytearray(2**40))",
    "recursion": "return reward_function(params)",
    "late_import": "import math\n    return math.pi",
    "blocked": "import os\n    os.system('true')\n    return 1.0",
}
UNUSABLE = {
    "load": "raise ValueError('no')\n",
    "missing_module": "import nothing_like_it\n\n\ndef reward_function(params):\n    return 1.0\n",
    "no_function": "def reward(params):\n    return 1.0\n",
    "made_signature": "reward_function = lambda a, b: 1.0\n",
    "generator": "def reward_function(params):\n    yield 1.0\n",
    "syntax": "x = = 1\n",
    "empty": " \n",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A dozen reward files, and more, that fail in as many ways."""
    folder = tmp_path_factory.mktemp("failing")
    sources = {
        name: f"def reward_function(params):\n    {body}\n" for name, body in FAILING.items()
    }
    paths = []
    for name, source in (sources | UNUSABLE).items():
        path = folder / f"{name}.py"
        path.write_text(dedent(source))
        paths.append(path)
    return paths


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that are stuck are given up soon, but not before those that flood have flooded."""
    monkeypatch.setattr(trial, "VALIDATOR_CALL_TIME_S", 2.0)


def talk_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sentence about a refused or unusable reward is the same word."""
    for name in ("refusal_sentence", "refusal_cause", "unusable_sentence"):
        monkeypatch.setattr(errors, name, lambda error: "mumble")
    for template in (errors._REFUSALS, errors._UNUSABLE):
        for reason in template:
            monkeypatch.setitem(template, reason, "mumble")


@pytest.fixture(scope="module")
def facts() -> dict[str, list[object]]:
    """What was found with the sentences as they are."""
    return {}


def findings_of(files: list[Path]) -> list[object]:
    result = check(files, tracks=["oval"], timeout=2.0, seconds=0.3)
    codes = [
        sorted((finding.code, finding.line) for finding in report.findings if finding.is_error)
        for report in result.reports
    ]
    return [*codes, result.exit_code]


def verdicts_of(files: list[Path]) -> list[object]:
    verdicts: list[object] = []
    for path in files[: len(FAILING)]:
        findings = validator_findings(load_reward(path), "community")
        verdicts.append([(finding.code, finding.line) for finding in findings])
    return verdicts


def fixes_of(files: list[Path]) -> list[object]:
    by_name = {path.stem: path for path in files}
    return [
        fix_reward(by_name[name], "community").is_changed
        for name in ("late_import", "raises", "load")
    ]


def exit_codes_of(files: list[Path]) -> list[object]:
    codes: list[object] = []
    params = files[0].with_name("params.json")
    params.write_text('{"is_reversed": 0, "steps": 2}')
    for path in files:
        words = ["reward", str(path), str(params), "--timeout", "2"]
        if path.stem not in ("memory", "blocked", "thread"):
            codes.append((path.stem, CliRunner().invoke(app, words).exit_code))
    return codes


ASKED = {
    "findings": findings_of,
    "verdicts": verdicts_of,
    "fixes": fixes_of,
    "exits": exit_codes_of,
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("question", ASKED)
def test_failing_rewards_are_told_apart(
    files: list[Path], facts: dict[str, list[object]], question: str
) -> None:
    facts[question] = ASKED[question](files)
    if question == "findings":
        codes = [{code for code, _ in found} for found in facts["findings"][:-1]]  # type: ignore[attr-defined]
        assert codes[: len(FAILING)] == [
            {"RW201"}, {"RW307"}, {"RW202"}, {"RW203"}, {"RW204"}, {"RW205"}, {"RW206"}, {"RW208"},
            {"RW209"}, {"RW210"}, {"RW211"}, {"RW201"}, set(), {"RW110"},
        ]  # fmt: skip
        assert codes[len(FAILING) :] == [
            {"RW105", "RW102"}, {"RW106"}, {"RW102"}, {"RW103"}, {"RW103"}, {"RW101"}, {"RW102"},
        ]  # fmt: skip


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("question", ASKED)
def test_they_are_told_apart_without_their_sentences(
    files: list[Path],
    facts: dict[str, list[object]],
    question: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if question not in facts:  # the test above ran in another process
        facts[question] = ASKED[question](files)
    talk_nonsense(monkeypatch)
    assert ASKED[question](files) == facts[question]
