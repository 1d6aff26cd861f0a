"""Findings as text, JSON, SARIF and annotations, and which of them count."""

from __future__ import annotations

import json

import pytest

from racer.checker.findings import CODES, Finding, Severity
from racer.checker.results import (
    CheckReport,
    checks_as_github,
    checks_as_json,
    checks_as_sarif,
    format_check,
    merge_findings,
    parse_selection,
    select_findings,
)
from racer.errors import UsageError

SOURCE = "def reward_function(params):\n    return 1 / params['x']  # noqa: RW304\n"


def report() -> CheckReport:
    found = [
        Finding("RW201", "it raises, 100 % of the time", "my.py", 2),
        Finding("RW304", "it prints", "my.py", 2),
        Finding("RW310", "never", "my.py", 1, 5),
    ]
    return CheckReport("my.py", SOURCE, found, {"steps": 1200.0, "tracks": 3.0, "call_s": 2e-6})


def test_text_is_one_line_a_finding_with_its_cure() -> None:
    assert format_check(report()).splitlines() == [
        "my.py: 1 error, 2 info; 1,200 steps on 3 tracks, 2.0 us a call",
        "my.py:2: RW201 error: it raises, 100 % of the time",
        "    help: guard the case that is shown",
        "my.py:2: RW304 info: it prints",
        "    help: take the print out, or the log grows by gigabytes",
        "my.py:1:5: RW310 info: never",
        "    help: take it out, or mend its condition",
    ]


def test_a_comment_silences_its_line() -> None:
    assert [
        found.code for found in select_findings(report(), parse_selection([], [])).findings
    ] == ["RW201", "RW310"]


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ((), ("RW3",), ["RW201"]),
        (("RW2",), (), ["RW201"]),
        (("RW3", "RW201"), ("RW2",), ["RW201", "RW310"]),
        (("ALL",), ("never-reached",), ["RW201"]),
        (("RW3,RW2",), (), ["RW201", "RW310"]),
        (("RW2",), ("RW201",), []),
    ],
)
def test_the_longer_word_decides(
    select: tuple[str, ...], ignore: tuple[str, ...], codes: list[str]
) -> None:
    assert [
        found.code for found in select_findings(report(), parse_selection(select, ignore)).findings
    ] == codes


def test_an_unknown_code_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="did you mean 'RW2"):
        parse_selection(["RW20l"], [])


def test_json_holds_everything() -> None:
    (found,) = json.loads(checks_as_json([report()]))
    assert found["path"] == "my.py"
    first = found["findings"][0]
    assert (first["code"], first["severity"], first["line"]) == ("RW201", "error", 2)


def test_sarif_names_every_rule_and_place() -> None:
    run = json.loads(checks_as_sarif([report()]))["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["RW201", "RW304", "RW310"]
    assert [one["level"] for one in run["results"]] == ["error", "note", "note"]
    assert run["results"][2]["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 1,
        "startColumn": 5,
    }


def test_annotations_are_escaped() -> None:
    first = checks_as_github([report()]).splitlines()[0]
    assert first.startswith(
        "::error file=my.py,line=2,title=RW201 raises::it raises, 100 %25 of the time"
    )


def test_severity_and_cure_come_from_the_table_of_codes() -> None:
    found = Finding("RW301", "it remembers", "my.py")
    assert (found.severity, found.remedy) == (Severity.INFO, CODES["RW301"].cure)
    assert Finding("RW301", "it remembers", "my.py", severity=Severity.ERROR).is_error


def test_the_same_fact_is_told_once() -> None:
    twice = [
        Finding("RW102", "none", "my.py", 0),
        Finding("RW102", "none", "my.py", 4),
        Finding("RW201", "a", "my.py", 1),
    ]
    assert [found.code for found in merge_findings(twice)] == ["RW102", "RW201"]


def test_codes_are_numbered_by_what_they_are_about() -> None:
    assert all(code[:2] == "RW" and code[2] in "1234" and len(code) == 5 for code in CODES)
    assert len({about.name for about in CODES.values()}) == len(CODES)
