"""What a check comes to: a report for each file, as text, JSON, SARIF and annotations of a GitHub
workflow.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from racer import __version__
from racer.checker.findings import CODES, Finding, Severity, suggest_code
from racer.errors import UsageError, printable
from racer.records import Record, RecordTable

Verdict = Literal["passed", "failed"]

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
HOME_URL = "https://github.com/"
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass
class CheckReport:
    """What is known about one file.

    `findings` stand in the order of their lines; `facts` are numbers of the trial: `steps` and `tracks`
    that were tried, of how many (`of_steps`, `of_tracks`), `calls`, the seconds of a call (`call_s`,
    `median_s`, `p95_s`, `slowest_s`), and, where the trial took too long, after how many seconds it
    ended (`limit_s`).
    """

    path: str
    source: str = ""
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Whether the real job would stop, or refuse the file."""
        return any(finding.is_error for finding in self.findings)

    @property
    def _is_untried(self) -> bool:
        return not self.facts.get("steps", True)

    @property
    def summary(self) -> str:
        """One line: how many findings of what kind, and on what the file was tried."""
        counts = Counter(finding.severity for finding in self.findings)
        kinds = []
        for severity in Severity:
            if counts[severity]:
                kinds.append(plural(counts[severity], severity.value))
        if not kinds:
            kinds.append("no findings" if self._is_untried else "all checks passed")
        summary = f"{displayed_path(self.path)}: {', '.join(kinds)}"
        if "steps" in self.facts:
            summary += f"; {_describe_driven(self.facts)}"
        if "limit_s" in self.facts:
            summary += f"; not all was tried in {self.facts['limit_s']:g} s"
        if "call_s" in self.facts:
            summary += f", {1e6 * self.facts['call_s']:,.1f} us a call"
        return summary

    def to_dict(self) -> dict[str, Any]:
        """The report as `racer check --json` writes it."""
        return {
            "path": self.path,
            "findings": [finding_as_dict(finding) for finding in self.findings],
            "trial": self.facts,
        }


@dataclass
class CheckResult(Record):
    """What `racer.check` found: a report for each file, in the order in which they were named."""

    reports: list[CheckReport]

    @property
    def findings(self) -> list[Finding]:
        """The findings of all files."""
        findings = []
        for report in self.reports:
            findings += report.findings
        return findings

    @property
    def verdict(self) -> Verdict:
        """`failed` when a file has an error, `passed` otherwise."""
        return "failed" if any(report.has_errors for report in self.reports) else "passed"

    @property
    def exit_code(self) -> int:
        """What `racer check` exits with: 1 when a file has an error, 0 otherwise."""
        return 1 if self.verdict == "failed" else 0

    @property
    def summary(self) -> str:
        """One line about all files."""
        failed = sum(report.has_errors for report in self.reports)
        return f"{plural(len(self.reports), 'file')} checked, {failed} with errors"

    def blocks(self) -> Sequence[str | RecordTable]:
        """A table and a summary for each file, and a line about all of them."""
        blocks: list[str | RecordTable] = []
        for report in self.reports:
            if report.findings:
                blocks.append(_table_of(report))
            blocks.append(report.summary)
        if len(self.reports) > 1:
            blocks.append(self.summary)
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The verdict, the exit code and the reports."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reports": [report.to_dict() for report in self.reports],
        }


@dataclass(frozen=True)
class CodeSelection:
    """Codes, or beginnings of codes, that count (none: all), and that do not. The longer of two
    that fit decides.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def holds(self, code: str) -> bool:
        """Whether findings of that code count."""
        selected = _longest_start(self.select, code) if self.select else 0
        ignored = _longest_start(self.ignore, code)
        if ignored < 0:
            return selected >= 0
        return selected > ignored


def parse_selection(select: Sequence[str], ignore: Sequence[str]) -> CodeSelection:
    """The selection that these words mean: codes, beginnings of codes, names as in the table of
    codes, or `ALL`. Raises UsageError for others.
    """
    return CodeSelection(_parse_codes(select), _parse_codes(ignore))


def select_findings(report: CheckReport, selection: CodeSelection) -> CheckReport:
    """The report without findings that do not count, and without those that a `# noqa` on their
    line silences.
    """
    lines = report.source.splitlines()
    kept = []
    for finding in report.findings:
        if selection.holds(finding.code) and not _is_silenced(finding, lines):
            kept.append(finding)
    return replace(report, findings=kept)


def merge_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Findings in the order of their lines, each fact once: what a trial finds again of a rule's is
    left out, unless it is worse.
    """
    of_the_file = ("RW102", "RW103", "RW104", "RW106", "RW305")
    unique: dict[tuple[str, str, int], Finding] = {}
    for finding in findings:
        line = 0 if finding.code in of_the_file else finding.line
        key = finding.code, finding.profile, line
        known = unique.setdefault(key, finding)
        if finding.is_error and not known.is_error:
            unique[key] = finding
    return sorted(
        unique.values(),
        key=lambda finding: (finding.line, finding.column, finding.code, finding.profile),
    )


def displayed_path(path: str) -> str:
    """A path as short as it goes: relative when it lies below the current folder."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return printable(path)
    return printable(path if short.startswith("..") else short)


def severity_of(finding: Finding) -> Severity:
    """The severity of a finding, which its code decides where it has none of its own."""
    assert finding.severity is not None
    return finding.severity


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`; `info` has no plural."""
    return f"{count} {noun}" if count == 1 or noun == "info" else f"{count} {noun}s"


def _describe_driven(facts: dict[str, float]) -> str:
    """On how many steps and tracks a file was tried, and of how many where that was not all."""
    steps = facts["steps"]
    tracks = facts["tracks"]
    of_steps = facts.get("of_steps", steps)
    of_tracks = facts.get("of_tracks", tracks)
    if not steps:
        return "nothing was tried"
    if tracks < of_tracks:
        return f"{tracks:g} of {of_tracks:g} tracks driven, {steps:,.0f} of {of_steps:,.0f} steps"
    if steps < of_steps:
        return f"{steps:,.0f} of {of_steps:,.0f} steps on {plural(int(tracks), 'track')}"
    return f"{steps:,.0f} steps on {plural(int(tracks), 'track')}"


def _table_of(report: CheckReport) -> RecordTable:
    table = RecordTable(
        ("line", "code", "severity", "finding"),
        text_heads=frozenset({"code", "severity", "finding"}),
    )
    for finding in report.findings:
        line = str(finding.line or "")
        table.add_row(line, finding.code, severity_of(finding).value, finding.sentence)
    return table


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    """A finding as `racer check --json` writes it; `params` hold numpy's numbers, too."""
    return {
        "code": finding.code,
        "name": CODES[finding.code].name,
        "severity": severity_of(finding).value,
        "line": finding.line,
        "column": finding.column,
        "message": finding.sentence,
        "remedy": finding.remedy,
        "profile": finding.profile,
        "fixable": finding.is_fixable,
        "test": finding.test,
        "params": finding.params,
    }


def _longest_start(starts: Sequence[str], code: str) -> int:
    """Length of the longest of these that the code begins with, -1 for none."""
    return max((len(start) for start in starts if code.startswith(start)), default=-1)


def _parse_codes(words: Sequence[str]) -> tuple[str, ...]:
    codes = []
    for word in words:
        codes += [_parse_code(part.strip()) for part in word.split(",") if part.strip()]
    return tuple(codes)


def _parse_code(word: str) -> str:
    if word.upper() == "ALL":
        return "RW"
    codes_by_name = {code.name: number for number, code in CODES.items()}
    start = codes_by_name.get(word.lower(), word.upper())
    if not any(code.startswith(start) for code in CODES):
        raise UsageError(
            f"no finding has the code {word!r}{suggest_code(word)} (docs/check_codes.md lists them)"
        )
    return start


def _is_silenced(finding: Finding, lines: Sequence[str]) -> bool:
    # a comment does not silence a validator; the one that flake8 reads is regarded there
    if finding.profile or not 0 < finding.line <= len(lines):
        return False
    line = lines[finding.line - 1]
    comment = re.search(r"#\s*noqa(?::\s*([A-Z0-9,\s]+))?", line, re.IGNORECASE)
    if comment is None:
        return False
    return comment[1] is None or finding.code in re.split(r"[,\s]+", comment[1].upper())


def format_check(report: CheckReport) -> str:
    """The verdict on a file, and its findings, each with its cure and a test that shows it."""
    return "\n".join([report.summary, *map(format_finding, report.findings)])


def format_finding(finding: Finding, with_help: bool = True, with_tests: bool = True) -> str:
    """A finding as a line in the manner of ruff; below it its cure, and a test that shows it."""
    return "\n".join(_finding_lines(finding, with_help, with_tests))


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


def _finding_lines(finding: Finding, with_help: bool, with_tests: bool) -> list[str]:
    place = displayed_path(finding.path)
    for number in (finding.line, finding.column):
        if number:
            place += f":{number}"
    fix = " [*]" if finding.is_fixable else ""
    profile = f" ({finding.profile})" if finding.profile else ""
    severity = severity_of(finding).value
    lines = [f"{place}: {finding.code}{fix} {severity}: {finding.sentence}{profile}"]
    if with_help and finding.remedy:
        lines.append(f"    help: {finding.remedy}")
    if with_tests and finding.test:
        lines += ["    a test that shows it:", ""]
        lines += [f"        {printable(line)}".rstrip() for line in finding.test.split("\n")]
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
