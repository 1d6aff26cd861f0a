"""Everything about a reward function that can be known without training."""

from racer.checker.findings import CODES, Finding, Severity
from racer.checker.results import CheckReport, CheckResult
from racer.checker.runner import check

__all__ = ["CODES", "CheckReport", "CheckResult", "Finding", "Severity", "check"]
