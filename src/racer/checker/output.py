"""Findings as text, JSON, SARIF and annotations of a GitHub workflow; which of them count."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from racer import __version__
from racer.checker.findings import CODES, Finding, Severity
from racer.checker.runner import CheckReport
from racer.errors import UsageError, did_you_mean

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
HOME_URL = "https://github.com/"
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class CodeSelection:
    """Codes, or beginnings of codes, that count (none: all), and that do not. The longer of two
    that fit decides.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def holds(self, code: str) -> bool:
        """Whether findings of that code count."""
        chosen = max(
            (len(word) for word in self.select if code.startswith(word)),
            default=-1 if self.select else 0,
        )
        left = max((len(word) for word in self.ignore if code.startswith(word)), default=-1)
        return chosen > left or (chosen >= 0 and left < 0)


def parse_selection(select: Sequence[str], ignore: Sequence[str]) -> CodeSelection:
    """What these words choose: codes, beginnings of codes, names as in the table, or `ALL`.
    UsageError for others.
    """
    return CodeSelection(tuple(map(_word, _split(select))), tuple(map(_word, _split(ignore))))


def select_findings(report: CheckReport, choice: CodeSelection) -> CheckReport:
    """The report without findings that do not count, and without those that a `# noqa` on their
    line silences.
    """
    lines = report.source.splitlines()
    kept = [f for f in report.findings if choice.holds(f.code) and not _is_silenced(f, lines)]
    return replace(report, findings=kept)


def format_check(report: CheckReport, is_verbose: bool = True) -> str:
    """The findings of a file, one a line with its cure below, and a summary; in the manner of ruff."""
    lines = [part for found in report.findings for part in _lines(found, is_verbose)]
    return "\n".join([*lines, summarize_check(report)])


def summarize_check(report: CheckReport) -> str:
    """One line: how many findings of what kind, and on what the file was tried."""
    path, counts = displayed_path(report.path), Counter(found.severity for found in report.findings)
    words = [_plural(counts[severity], severity.value) for severity in Severity if counts[severity]]
    facts = report.facts
    tried = (
        f"; {facts['steps']:,.0f} steps on {_plural(int(facts['tracks']), 'track')}"
        if "steps" in facts
        else ""
    )
    pace = f", {1e6 * facts['call_s']:,.1f} us a call" if "call_s" in facts else ""
    return f"{path}: {', '.join(words) or 'all checks passed'}{tried}{pace}"


def summarize_checks(reports: Sequence[CheckReport]) -> str:
    """One line about several files."""
    bad = sum(report.has_errors for report in reports)
    return f"{_plural(len(reports), 'file')} checked, {bad} with errors"


def checks_as_json(reports: Sequence[CheckReport]) -> str:
    """Files with their findings; `params` as a reward function gets them, for `racer reward FILE
    PARAMS`.
    """
    table = [
        {"path": r.path, "findings": [_record(f) for f in r.findings], "trial": r.facts}
        for r in reports
    ]
    return json.dumps(table, indent=2, default=float)


def checks_as_sarif(reports: Sequence[CheckReport]) -> str:
    """The same in the Static Analysis Results Interchange Format 2.1.0, which code hosts show
    beside the source.
    """
    findings = [found for report in reports for found in report.findings]
    codes = sorted({found.code for found in findings})
    driver = {
        "name": "racer",
        "version": __version__,
        "informationUri": HOME_URL,
        "rules": [_rule(code) for code in codes],
    }
    run = {"tool": {"driver": driver}, "results": [_result(found, codes) for found in findings]}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def checks_as_github(reports: Sequence[CheckReport]) -> str:
    """Workflow commands that put each finding beside its line in a pull request."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    lines = []
    for found in (f for report in reports for f in report.findings):
        place = f"file={_escaped(displayed_path(found.path), True)},line={max(found.line, 1)}"
        place += f",col={found.column}" if found.column else ""
        title = f"{found.code} {CODES[found.code].name}"
        message = _escaped(f"{found.message} ({found.remedy})")
        lines.append(f"::{words[_severity(found)]} {place},title={title}::{message}")
    return "\n".join(lines)


def displayed_path(path: str) -> str:
    """A path as short as it goes: relative when it lies below the current folder."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if short.startswith("..") else short


def _lines(found: Finding, is_verbose: bool) -> Iterator[str]:
    place = (
        displayed_path(found.path)
        + (f":{found.line}" if found.line else "")
        + (f":{found.column}" if found.column else "")
    )
    fix = " [*]" if found.is_fixable else ""
    profile = f" ({found.profile})" if found.profile else ""
    yield f"{place}: {found.code}{fix} {_severity(found).value}: {found.message}{profile}"
    if is_verbose and found.remedy:
        yield f"    help: {found.remedy}"
    if is_verbose and found.test:
        yield "    a test that shows it:"
        yield ""
        yield from (f"        {line}".rstrip() for line in found.test.splitlines())
        yield ""


def _severity(found: Finding) -> Severity:
    assert found.severity is not None
    return found.severity


def _record(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code, "name": CODES[found.code].name, "severity": _severity(found).value, "line": found.line,
        "column": found.column, "message": found.message, "remedy": found.remedy, "profile": found.profile,
        "fixable": found.is_fixable, "test": found.test, "params": found.params,
    }  # fmt: skip


def _rule(code: str) -> dict[str, Any]:
    about = CODES[code]
    return {
        "id": code, "name": about.name, "shortDescription": {"text": about.meaning}, "help": {"text": about.cure},
        "defaultConfiguration": {"level": SARIF_LEVELS[Severity(about.severity)]},
    }  # fmt: skip


def _result(found: Finding, codes: Sequence[str]) -> dict[str, Any]:
    region = {"startLine": max(found.line, 1)} | (
        {"startColumn": found.column} if found.column else {}
    )
    where = {
        "artifactLocation": {"uri": Path(displayed_path(found.path)).as_posix()},
        "region": region,
    }
    return {
        "ruleId": found.code, "ruleIndex": codes.index(found.code), "level": SARIF_LEVELS[_severity(found)],
        "message": {"text": f"{found.message}. {found.remedy}"}, "locations": [{"physicalLocation": where}],
    }  # fmt: skip


def _split(words: Sequence[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def _word(word: str) -> str:
    if word.upper() == "ALL":
        return "RW"
    names = {about.name: code for code, about in CODES.items()}
    found = names.get(word.lower(), word.upper())
    if not any(code.startswith(found) for code in CODES):
        near = did_you_mean(word.upper(), list(CODES)) or did_you_mean(word.lower(), list(names))
        raise UsageError(f"no finding has the code {word!r}{near} (docs/check_codes.md lists them)")
    return found


def _is_silenced(found: Finding, lines: Sequence[str]) -> bool:
    # a comment does not silence a validator; the one that flake8 reads is regarded there
    if found.profile:
        return False
    if found.profile:  # a validator does not read our comments
        return False
    line = lines[found.line - 1] if 0 < found.line <= len(lines) else ""
    mark = re.search(r"#\s*noqa(?::\s*([A-Z0-9,\s]+))?", line, re.IGNORECASE)
    if mark is None:
        return False
    return mark[1] is None or found.code in re.split(r"[,\s]+", mark[1].upper())


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 or word == "info" else f"{count} {word}s"


def _escaped(message: str, is_property: bool = False) -> str:
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return message.replace(":", "%3A").replace(",", "%2C") if is_property else message
