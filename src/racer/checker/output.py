"""Check reports as text, JSON, SARIF and annotations of a GitHub workflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from racer import __version__
from racer.checker.findings import CODES, Finding, Severity
from racer.checker.results import CheckReport, displayed_path, severity_of

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
HOME_URL = "https://github.com/"
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def format_check(report: CheckReport, is_verbose: bool = True) -> str:
    """The findings of a file, one a line with its cure below, and a summary; in the manner of ruff."""
    lines = []
    for finding in report.findings:
        lines += _finding_lines(finding, is_verbose)
    return "\n".join([*lines, report.summary])


def checks_as_json(reports: Sequence[CheckReport]) -> str:
    """Files with their findings; `params` as a reward function gets them, for `racer reward FILE
    PARAMS`.
    """
    return json.dumps([report.to_dict() for report in reports], indent=2, default=float)


def checks_as_sarif(reports: Sequence[CheckReport]) -> str:
    """The findings in the Static Analysis Results Interchange Format 2.1.0, which code hosts show
    beside the source.
    """
    findings = _all_findings(reports)
    codes = sorted({finding.code for finding in findings})
    driver = {
        "name": "racer",
        "version": __version__,
        "informationUri": HOME_URL,
        "rules": [_sarif_rule(code) for code in codes],
    }
    results = [_sarif_result(finding, codes) for finding in findings]
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def checks_as_github(reports: Sequence[CheckReport]) -> str:
    """Workflow commands that put each finding beside its line in a pull request."""
    lines = []
    for finding in _all_findings(reports):
        place = f"file={_escape_property(displayed_path(finding.path))},line={max(finding.line, 1)}"
        if finding.column:
            place += f",col={finding.column}"
        title = f"{finding.code} {CODES[finding.code].name}"
        message = _escape(f"{finding.sentence} ({finding.remedy})")
        level = GITHUB_LEVELS[severity_of(finding)]
        lines.append(f"::{level} {place},title={title}::{message}")
    return "\n".join(lines)


def _all_findings(reports: Sequence[CheckReport]) -> list[Finding]:
    findings = []
    for report in reports:
        findings += report.findings
    return findings


def _finding_lines(finding: Finding, is_verbose: bool) -> list[str]:
    place = displayed_path(finding.path)
    for number in (finding.line, finding.column):
        if number:
            place += f":{number}"
    fix = " [*]" if finding.is_fixable else ""
    profile = f" ({finding.profile})" if finding.profile else ""
    severity = severity_of(finding).value
    lines = [f"{place}: {finding.code}{fix} {severity}: {finding.sentence}{profile}"]
    if is_verbose and finding.remedy:
        lines.append(f"    help: {finding.remedy}")
    if is_verbose and finding.test:
        lines += ["    a test that shows it:", ""]
        lines += [f"        {line}".rstrip() for line in finding.test.splitlines()]
        lines.append("")
    return lines


def _sarif_rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "name": entry.name,
        "shortDescription": {"text": entry.meaning},
        "help": {"text": entry.cure},
        "defaultConfiguration": {"level": SARIF_LEVELS[Severity(entry.severity)]},
    }


def _sarif_result(finding: Finding, codes: Sequence[str]) -> dict[str, Any]:
    region = {"startLine": max(finding.line, 1)}
    if finding.column:
        region["startColumn"] = finding.column
    artifact = {"uri": Path(displayed_path(finding.path)).as_posix()}
    location = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": SARIF_LEVELS[severity_of(finding)],
        "message": {"text": f"{finding.sentence}. {finding.remedy}"},
        "locations": [location],
    }


def _escape(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(value: str) -> str:
    return _escape(value).replace(":", "%3A").replace(",", "%2C")
