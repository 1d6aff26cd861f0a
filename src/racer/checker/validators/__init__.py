"""The official validators, emulated: would this file be accepted, and if not, what has to change?

`aws` is the validator of DeepRacer on AWS, `community` the copy in the community's simulator: it
asks flake8 for less. Facts: SIMULATOR.md 1.8. Both stop at the first objection; all of them are
told here, in their order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from racer.checker.findings import Finding, Rule, RuleContext
from racer.checker.validators import source
from racer.errors import UsageError, did_you_mean
from racer.reward.load import RewardFunction


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
SYNTAX_ERROR, IMPORT_ERROR, TEST_FAILURE = "SYNTAX_ERROR", "IMPORT_ERROR", "TEST_FAILURE"
# the result type of each code; else TEST_FAILURE
RESULT_TYPES = {"RW401": SYNTAX_ERROR, "RW402": SYNTAX_ERROR}


def find_profile(name: str) -> ValidatorProfile:
    """The profile of that name. UsageError with a suggestion when there is none."""
    if name not in PROFILES:
        near = did_you_mean(name, [*PROFILES]) or f": there are {', '.join(PROFILES)}"
        raise UsageError(f"unknown profile {name!r}{near}")
    return PROFILES[name]


def refusal_type(finding: Finding) -> str:
    """The validator's own word for a refusal: SYNTAX_ERROR, IMPORT_ERROR or TEST_FAILURE."""
    if (
        finding.code == "RW413" and "ModuleNotFoundError" in finding.message
    ) or "ImportError" in finding.message:
        return IMPORT_ERROR
    return RESULT_TYPES.get(finding.code, TEST_FAILURE)


def find_text_objections(reward: RewardFunction, context: RuleContext) -> list[Finding]:
    """RW401 to RW405 and RW412: what the validators refuse without running the file."""
    return [finding for name in context.profiles for finding in _read(reward, find_profile(name))]


def find_trial_objections(reward: RewardFunction, context: RuleContext) -> list[Finding]:
    """RW406 to RW411 and RW413: what the validators' test drive says. The file runs in a child
    process.
    """
    if not context.profiles:
        return []
    from racer.checker.sandbox import SubprocessLost, run_in_subprocess
    from racer.checker.validators import trial
    from racer.checker.validators import trial as samples

    samples.sample_params()  # its track is loaded here, so that the child need not
    try:
        found = run_in_subprocess(
            _troubles,
            reward,
            trial.VALIDATOR_CALL_TIME_S,
            filename=reward.filename,
            seconds=8.0 * trial.VALIDATOR_CALL_TIME_S + 15.0,
        )
    except SubprocessLost as error:
        found = [{"code": "RW411", "message": f"in the validator's test drive {error}"}]
    return [
        Finding(
            **trouble,
            path=reward.filename,
            profile=name,
            is_fixable=trouble["code"] in FIXABLE_CODES,
        )
        for name in context.profiles
        for trouble in found
    ]


def validator_findings(reward: RewardFunction, profile: str) -> list[Finding]:
    """Everything that a validator objects to; an empty list: it accepts the file. UsageError for an
    unknown name.
    """
    context = RuleContext(reward.path, (find_profile(profile).name,))
    return [finding for rule in RULES for finding in rule(reward, context)]


RULES: tuple[Rule, ...] = (find_text_objections, find_trial_objections)


def _troubles(reward: RewardFunction, seconds: float) -> list[dict[str, Any]]:
    from racer.checker.validators import trial

    return [asdict(trouble) for trouble in trial.run_test_drive(reward, seconds)]


# remarks that --fix answers
FIXABLE_REMARKS = ("E1", "E2", "E3", "E4", "E7", "F401", "F403", "F405", "F541", "F811", "F84")
FIXABLE_CODES = {"RW406", "RW409"}


def _read(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    tree = reward.syntax.tree
    imports = ", ".join(source.ALLOWED_IMPORTS)
    return [
        *_length(reward, profile),
        *_style(reward, profile),
        *_spots(reward, profile, "RW403", source.foreign_imports(tree), f"{{}} is imported: allowed are {imports}"),
        *_spots(reward, profile, "RW404", source.forbidden_builtins(tree), "{}() is not allowed"),
        *_spots(
            reward, profile, "RW412", source.unreadable_calls(tree),
            "a dot after something that is neither a name nor a call, such as `a[0].b` or `'a'.join`, "
            "makes the validator fail",
        ),
        *_spots(
            reward, profile, "RW405", source.forbidden_words(reward.source),
            "the text holds {!r}, which is not allowed anywhere, not even in a comment or inside another word",
        ),
    ]  # fmt: skip


def _length(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    count = len(reward.source)
    if 1 <= count <= source.MAX_SOURCE_CHARS:
        return []
    what = f"the file has {count:,} characters: {source.MAX_SOURCE_CHARS:,} are allowed"
    return [Finding("RW401", what, reward.filename, profile=profile.name)]


def _style(reward: RewardFunction, profile: ValidatorProfile) -> list[Finding]:
    from racer.checker.validators import style

    remarks = style.flake8_remarks(reward.source, profile.ignored)
    return [
        Finding(
            "RW402", f"{remark.code} {remark.text}", reward.filename, remark.line, remark.column,
            remark.cure, profile=profile.name, is_fixable=remark.code.startswith(FIXABLE_REMARKS),
        )
        for remark in remarks
    ]  # fmt: skip


def _spots(
    reward: RewardFunction,
    profile: ValidatorProfile,
    code: str,
    spots: list[source.SourceSpot],
    sentence: str,
) -> list[Finding]:
    return [
        Finding(
            code, sentence.format(spot.what), reward.filename, spot.line, spot.column, profile=profile.name,
            is_fixable=code == "RW405",
        )
        for spot in spots
    ]  # fmt: skip
