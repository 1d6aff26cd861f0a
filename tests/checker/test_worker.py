"""What a check may say: an error is one wherever it happens, and what was not tried is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from racer.checker import CheckReport, CheckResult, Severity, check, checks_as_json, runner
from racer.checker.calls import looks_up_table
from racer.reward import load_reward

Checked = Callable[..., CheckReport]

FAR_TABLE = [[500.0 + k, 40.0 + k % 7] for k in range(40)]
"""Coordinates of no shipped track."""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """A function that gives the report of a source text."""
    monkeypatch.chdir(tmp_path)

    def check_text(text: str, **options: object) -> CheckReport:
        path = tmp_path / "reward.py"
        path.write_text(dedent(text))
        options.setdefault("seconds", 0.3)
        result: CheckResult = check(path, **options)  # type: ignore[arg-type]
        return result.reports[0]

    return check_text


def codes(report: CheckReport) -> set[str]:
    return {finding.code for finding in report.findings}


def errors(report: CheckReport) -> set[str]:
    return {finding.code for finding in report.findings if finding.is_error}


def test_a_crash_in_first_calls_is_an_error_whatever_table_stands_in_the_file(
    checked: Checked,
) -> None:
    report = checked(
        f"""
        LINE = {FAR_TABLE}
        seen = {{}}


        def reward_function(params):
            near = [sorted(LINE, key=lambda row: abs(row[0] - params["x"])) for _ in range(30)]
            if params["steps"] == 1:
                seen["start"] = near[0][0]
            return float(seen.get("start")[0] > 0)
        """
    )
    assert errors(report) == {"RW201"}
    assert "16 tracks" in report.summary


def test_an_index_beyond_a_table_is_excused_on_other_tracks(checked: Checked) -> None:
    report = checked(
        f"""
        SPEEDS = {[1.0 + k % 3 for k in range(119)]}


        def reward_function(params):
            return SPEEDS[params["closest_waypoints"][0]]
        """
    )
    assert errors(report) == set()
    assert "RW309" in codes(report)


def test_an_index_beyond_a_table_on_every_track_is_an_error(checked: Checked) -> None:
    report = checked(
        f"""
        SPEEDS = {[1.0 + k % 3 for k in range(20)]}


        def reward_function(params):
            return SPEEDS[int(params["progress"]) // 2]
        """
    )
    assert errors(report) == {"RW201"}


@pytest.mark.parametrize(
    ("failing", "is_table"),
    [
        ("return LINE[k]", True),
        ("return near(LINE, k)", False),
        ("return points[k]", True),
        ("return Memory.rows[k]", True),
        ("return made()[k]", True),
        ("return params['waypoints'][k]", False),
        ("return params['waypoints'][LINE.index(k)]", False),
        ("return begun[k]", False),
    ],
)
def test_what_is_looked_up_in_a_table_is_told_from_other_lookups(
    tmp_path: Path, failing: str, is_table: bool
) -> None:
    lines = [
        f"LINE = {FAR_TABLE}",
        "begun = [None]",
        "class Memory:",
        "    rows = [row[0] for row in LINE]",
        "def made():",
        "    return sorted(LINE)",
        "def near(points, k):",
        "    return points[0] if k else points[1]",
        "def reward_function(params):",
        "    k = len(params)",
        "    points = [point for point in LINE if point]",
        f"    {failing}",
    ]
    path = tmp_path / "reward.py"
    path.write_text("\n".join(lines) + "\n")
    assert looks_up_table(load_reward(path), len(lines)) is is_table


def test_a_table_that_a_function_is_given_is_known_in_it(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        f"LINE = {FAR_TABLE}\n"
        "def at(rows, k):\n    return rows[k]\n"
        "def reward_function(params):\n    return at(LINE, 99)\n"
    )
    assert looks_up_table(load_reward(path), 3)


@pytest.mark.slow
def test_a_slow_reward_is_tried_on_all_tracks_and_the_rest_is_said(checked: Checked) -> None:
    report = checked(
        """
        def reward_function(params):
            total = 0
            for k in range(150000):
                total += k % 7
            return params["speed"] + total * 1e-9
        """
    )
    assert codes(report) == {"RW207"}
    assert report.facts["tracks"] == 16
    assert report.facts["steps"] < report.facts["of_steps"]
    assert (
        f"{report.facts['steps']:,.0f} of {report.facts['of_steps']:,.0f} steps" in report.summary
    )


@pytest.mark.parametrize(
    ("seconds", "tried"), [(1.5, " of 16 tracks driven"), (0.01, "no findings; nothing was tried")]
)
def test_a_trial_that_takes_too_long_says_that_and_accuses_nobody(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, seconds: float, tried: str
) -> None:
    monkeypatch.setattr(runner, "LONGEST_TRIAL_S", seconds)
    report = checked(
        """
        import time


        def reward_function(params):
            time.sleep(0.002)
            return params["speed"]
        """
    )
    assert "RW206" not in codes(report)
    assert f"not all was tried in {seconds:g} s" in report.summary
    assert tried in report.summary
    assert report.facts["limit_s"] == seconds


@pytest.mark.parametrize(
    "reach",
    [
        "os.open(os.path.expanduser('~/nothing'), os.O_WRONLY | os.O_CREAT)",
        pytest.param("os.rename('/tmp/nothing', '/tmp/nowhere')", marks=pytest.mark.slow),
    ],
)
def test_a_file_of_which_no_step_could_be_tried_does_not_pass(checked: Checked, reach: str) -> None:
    report = checked(f"import os\n\n\ndef reward_function(params):\n    {reach}\n    return 1.0\n")
    assert errors(report)
    assert "nothing was tried" in report.summary


def test_without_a_network_the_rest_of_a_reward_is_tried(checked: Checked) -> None:
    report = checked(
        """
        import socket


        def reward_function(params):
            try:
                socket.create_connection(("192.0.2.1", 80), timeout=1)
            except OSError:
                pass
            return 1.0 / params["is_crashed"]
        """
    )
    assert errors(report) == {"RW201"}
    assert "RW108" in codes(report)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise ValueError('caf\\udce9')", "RW201"),
        ("return '\\ud800'", "RW205"),
        ("return Odd()", "RW205"),
    ],
)
def test_odd_texts_and_results_are_a_sentence(checked: Checked, body: str, code: str) -> None:
    report = checked(
        "class Odd:\n    def __array__(self, *rest, **options):\n        raise RuntimeError('no')\n\n\n"
        f"def reward_function(params):\n    {body}\n",
        tracks=["oval"],
    )
    assert errors(report) == {code}
    report.findings[0].sentence.encode("utf-8")
    assert " at 0x" not in report.findings[0].sentence
    assert checks_as_json([report]).encode("utf-8")


@pytest.mark.parametrize(
    "body",
    [
        "return float(5000.0 * params['progress'] / params['steps'])",
        pytest.param(
            "return float((params['progress'] / params['steps']) ** 4)", marks=pytest.mark.slow
        ),
        pytest.param(
            "return float(1.2 ** (params['progress'] / params['steps']))", marks=pytest.mark.slow
        ),
        pytest.param(
            "return 100.0 / (1.6 * params['steps'] - params['progress'])", marks=pytest.mark.slow
        ),
    ],
)
def test_what_no_car_can_do_is_no_error(checked: Checked, body: str) -> None:
    report = checked(f"def reward_function(params):\n    {body}\n", seconds=1.0)
    assert errors(report) == set()


def test_what_a_car_can_do_is_still_one(checked: Checked) -> None:
    report = checked(
        "def reward_function(params):\n    return 1.0 / (100.0 - params['progress'])\n",
        tracks=["oval"],
    )
    (finding,) = [finding for finding in report.findings if finding.is_error]
    assert finding.params is not None
    assert finding.params["steps"] > 60


def test_a_failure_at_0_metres_a_second_is_a_warning_that_says_so(checked: Checked) -> None:
    report = checked("def reward_function(params):\n    return 1.0 / params['speed']\n")
    (finding,) = [finding for finding in report.findings if finding.code == "RW201"]
    assert finding.severity is Severity.WARNING
    assert (
        "if an action commands 0 m/s; on reinvent_2018, 0 m past the start line" in finding.sentence
    )
    assert "speed=0.0, steps=2)" in finding.test


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("return speed", "give that name a value first, or import it"),
        pytest.param(
            "return reward_function(params)", "bound the recursion", marks=pytest.mark.slow
        ),
        ("import torchrl\n    return 1.0", "import it at the top of the file"),
        ("x = params['speed'] if False else y; y = 1\n    return x", "on every path to this line"),
        ("return 1.0 / 0", "guard the case that is shown"),
    ],
)
def test_the_help_fits_the_exception(checked: Checked, line: str, cure: str) -> None:
    report = checked(f"def reward_function(params):\n    {line}\n", tracks=["oval"])
    (finding,) = [finding for finding in report.findings if finding.code == "RW201"]
    assert cure in finding.remedy


def test_a_reward_that_takes_keys_out_gets_a_report_and_the_others_theirs(tmp_path: Path) -> None:
    (tmp_path / "takes.py").write_text(
        "def reward_function(params):\n    del params['steps']\n    return params.pop('speed')\n"
    )
    (tmp_path / "fails.py").write_text("def reward_function(params):\n    return missing\n")
    paths = [tmp_path / "takes.py", tmp_path / "fails.py"]
    result = check(paths, tracks=["oval"], seconds=0.3)
    assert [codes(report) for report in result.reports] == [{"RW303"}, {"RW201"}]


def test_a_fault_of_racers_own_takes_no_other_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from racer.checker import coverage

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(coverage, "observe_calls", fail)
    (tmp_path / "fails.py").write_text("def reward_function(params):\n    return missing\n")
    reports: list[CheckReport] = []
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        check(["center_line", tmp_path / "fails.py"], tracks=["oval"], on_report=reports.append)
    assert [bool(report.findings) for report in reports] == [False, True]


def test_a_line_that_runs_once_is_not_called_dead(checked: Checked) -> None:
    report = checked(
        """
        def reward_function(params):
            if params["steps"] <= 2:
                return 2.0
            if params["progress"] == 100:
                return 3.0
            if params["is_crashed"] and params["is_reversed"] is False:
                return 4.0
            return 1.0
        """
    )
    assert "RW310" not in codes(report)


def test_lines_of_calls_that_failed_ran(checked: Checked) -> None:
    report = checked(
        """
        begun = [None]


        def reward_function(params):
            if params["steps"] <= 2:
                begun[0] = params["x"]
                return 1e9
            return begun[0] * 0.0 + params["speed"]
        """
    )
    assert "RW204" in errors(report)
    assert "RW310" not in codes(report)


@pytest.mark.slow
def test_a_line_that_never_runs_is_called_dead_after_all_steps(checked: Checked) -> None:
    report = checked(
        "def reward_function(params):\n    if params['speed'] > 5:\n        return 2.0\n    return 1.0\n"
    )
    (finding,) = [finding for finding in report.findings if finding.code == "RW310"]
    assert f"never ran in {report.facts['of_steps']:,.0f} steps" in finding.message


@pytest.mark.slow
def test_a_file_that_seems_stuck_is_tried_again_alone_before_it_is_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, bool]] = []
    start = runner._FileTrial._start

    def note(trial: runner._FileTrial) -> None:
        started.append((Path(trial.report.path).stem, trial._is_alone))
        start(trial)

    monkeypatch.setattr(runner._FileTrial, "_start", note)
    (tmp_path / "stuck.py").write_text("def reward_function(params):\n    while True: pass\n")
    (tmp_path / "fine.py").write_text("def reward_function(params):\n    return 1.0\n")
    paths = [tmp_path / "stuck.py", tmp_path / "fine.py"]
    result = check(paths, tracks=["oval"], timeout=0.3, seconds=0.3)
    assert errors(result.reports[0]) == {"RW206"}
    assert sorted(started[:2]) == [("fine", False), ("stuck", False)]
    assert started[2:] == [("stuck", True)]


def test_a_file_that_was_stuck_only_once_is_not_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(params):\n    while True: pass\n")
    start_again = runner._FileTrial.start_again

    def mend(trial: runner._FileTrial) -> None:
        path.write_text("def reward_function(params):\n    return params['speed']\n")
        trial._reward = load_reward(path)
        start_again(trial)

    monkeypatch.setattr(runner._FileTrial, "start_again", mend)
    result = check(path, tracks=["oval"], timeout=0.3, seconds=0.3)
    assert result.findings == []
    assert result.reports[0].facts["steps"] > 0
