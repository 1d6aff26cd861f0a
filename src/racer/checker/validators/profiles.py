"""The official validators, emulated: would this file be accepted, and if not, what has to change?

`aws` is the validator of DeepRacer on AWS, `community` the copy in the community's simulator: it
asks flake8 for less (docs/simulator.md 1.8). Both stop at the first objection; here all of them are
found, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from racer.checker.findings import Finding, Rule, RuleContext
from racer.checker.validators import style
from racer.errors import UsageError, did_you_mean
from racer.reward import RewardFunction

SYNTAX_ERROR = "SYNTAX_ERROR"
IMPORT_ERROR = "IMPORT_ERROR"
TEST_FAILURE = "TEST_FAILURE"
RESULT_TYPES = {"RW401": SYNTAX_ERROR, "RW402": SYNTAX_ERROR}
"""The validators' result type of each code; else TEST_FAILURE."""
FIXABLE_REMARKS = ("E1", "E2", "E3", "E4", "E7", "F401", "F403", "F405", "F541", "F811", "F84")
"""Remarks of flake8 that --fix answers."""
FIXABLE_CODES = {"RW406", "RW409"}


@dataclass(frozen=True)
class ValidatorProfile:
    """A validator: its name, whose it is, and the codes of flake8 that it does not mind."""

    name: str
    title: str
    ignored: tuple[str, ...]


PROFILES = {
    "aws": ValidatorProfile("aws", "the validator of DeepRacer on AWS", ("E5", "E226", "E261")),
    "community": ValidatorProfile(
        "community",
        "the validator of the community's simulator",
        ("E2", "E3", "E4", "E5", "W", "F401", "F841"),
    ),
}


def find_profile(name: str) -> ValidatorProfile:
    """The profile of that name. Raises UsageError with a suggestion when there is none."""
    if name not in PROFILES:
        known = list(PROFILES)
        suggestion = did_you_mean(name, known) or f": there are {', '.join(known)}"
        raise UsageError(f"unknown profile {name!r}{suggestion}")
    return PROFILES[name]


def refusal_type(finding: Finding) -> str:
    """The validator's own word for a refusal: SYNTAX_ERROR, IMPORT_ERROR or TEST_FAILURE."""
    if finding.exception == "ImportError":
        return IMPORT_ERROR
    if finding.code == "RW413" and finding.exception == "ModuleNotFoundError":
        return IMPORT_ERROR
    return RESULT_TYPES.get(finding.code, TEST_FAILURE)


def find_text_objections(reward: RewardFunction, context: RuleContext) -> list[Finding]:
    """RW401 to RW405 and RW412: what the validators refuse without running the file."""
    findings = []
    for name in context.profiles:
        findings += _text_objections(reward, find_profile(name))
    return findings


def find_trial_objections(reward: RewardFunction, context: RuleContext) -> list[Finding]:
    """RW406 to RW411 and RW413: what the validators' test drive says. The file runs in a child
    process.
    """
    if not context.profiles:
        return []
    from racer.checker.sandbox import SubprocessLost, run_in_subprocess
    from racer.checker.validators import trial

    trial.sample_params()  # its track is loaded here, so that the child need not
    seconds = trial.VALIDATOR_CALL_TIME_S
    try:
        answer: list[dict[str, Any]] = run_in_subprocess(
            _run_test_drive,
            reward,
            seconds,
            filename=reward.filename,
            seconds=8.0 * seconds + 15.0,
        )
        findings = [Finding(**values) for values in answer]
    except SubprocessLost as error:
        message = f"in the validator's test drive {error}"
        findings = [Finding("RW411", message, reward.filename)]
    objections = []
    for name in context.profiles:
        for finding in findings:
            is_fixable = finding.code in FIXABLE_CODES
            objections.append(replace(finding, profile=name, is_fixable=is_fixable))
    return objections


def validator_findings(reward: RewardFunction, profile: str) -> list[Finding]:
    """Everything that a validator objects to; an empty list: it accepts the file.

    Raises UsageError for an unknown name.
    """
    context = RuleContext(reward.path, (find_profile(profile).name,))
    return find_text_objections(reward, context) + find_trial_objections(reward, context)


RULES: tuple[Rule, ...] = (find_text_objections, find_trial_objections)


def _run_test_drive(reward: RewardFunction, seconds: float) -> list[dict[str, Any]]:
    from racer.checker.validators import trial

    return [asdict(finding) for finding in trial.run_test_drive(reward, seconds)]


def _text_objections(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    tree = reward.syntax.tree
    allowed = ", ".join(style.ALLOWED_IMPORTS)
    unreadable = (
        "a dot after something that is neither a name nor a call, such as `a[0].b` or `'a'.join`, "
        "makes the validator fail"
    )
    forbidden_word = (
        "the text holds {!r}, which is not allowed anywhere, not even in a comment or inside "
        "another word"
    )
    by_code = {
        "RW403": (f"{{}} is imported: allowed are {allowed}", style.foreign_imports(tree)),
        "RW404": ("{}() is not allowed", style.forbidden_builtins(tree)),
        "RW412": (unreadable, style.unreadable_calls(tree)),
        "RW405": (forbidden_word, style.forbidden_words(reward.source)),
    }
    findings = [*_length_objections(reward, profile), *_style_objections(reward, profile)]
    for code, (sentence, spots) in by_code.items():
        findings += _spot_objections(reward, profile, code, sentence, spots)
    return findings


def _length_objections(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    count = len(reward.source)
    if 1 <= count <= style.MAX_SOURCE_CHARS:
        return []
    message = f"the file has {count:,} characters: {style.MAX_SOURCE_CHARS:,} are allowed"
    return [Finding("RW401", message, reward.filename, profile=profile.name)]


def _style_objections(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    from racer.checker.validators import style

    findings = []
    for remark in style.flake8_remarks(reward.source, profile.ignored):
        finding = Finding(
            "RW402",
            f"{remark.code} {remark.text}",
            reward.filename,
            remark.line,
            remark.column,
            remark.cure,
            profile=profile.name,
            is_fixable=remark.code.startswith(FIXABLE_REMARKS),
        )
        findings.append(finding)
    return findings


def _spot_objections(
    reward: RewardFunction,
    profile: ValidatorProfile,
    code: str,
    sentence: str,
    spots: Iterable[style.SourceSpot],
) -> list[Finding]:
    findings = []
    for spot in spots:
        finding = Finding(
            code,
            sentence.format(spot.name),
            reward.filename,
            spot.line,
            spot.column,
            profile=profile.name,
            is_fixable=code == "RW405",
        )
        findings.append(finding)
    return findings
