"""The official validators, emulated: would this file be accepted, and if not, what has to change?

`aws` is the validator of DeepRacer on AWS, `community` the copy in the community's simulator: it
asks flake8 for less. Facts: SIMULATOR.md 1.8. Both stop at the first objection; all of them are
told here, in their order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from racer.checker.findings import Context, Finding, Rule
from racer.checker.validators import source
from racer.errors import UsageError, did_you_mean
from racer.reward.load import RewardFunction


@dataclass(frozen=True)
class Profile:
    """A validator: its name, whose it is, and the codes of flake8 that it does not mind."""

    name: str
    title: str
    ignored: tuple[str, ...]


PROFILES = {
    "aws": Profile("aws", "the validator of DeepRacer on AWS", ("E5", "E226", "E261")),
    "community": Profile(
        "community",
        "the validator of the community's simulator",
        ("E2", "E3", "E4", "E5", "W", "F401", "F841"),
    ),
}
SYNTAX_ERROR, IMPORT_ERROR, TEST_FAILURE = "SYNTAX_ERROR", "IMPORT_ERROR", "TEST_FAILURE"
# the result type of each code; else TEST_FAILURE
KINDS = {"RW401": SYNTAX_ERROR, "RW402": SYNTAX_ERROR}


def named(name: str) -> Profile:
    """The profile of that name. UsageError with a suggestion when there is none."""
    if name not in PROFILES:
        near = did_you_mean(name, [*PROFILES]) or f": there are {', '.join(PROFILES)}"
        raise UsageError(f"unknown profile {name!r}{near}")
    return PROFILES[name]


def kind(finding: Finding) -> str:
    """The validator's own word for a refusal: SYNTAX_ERROR, IMPORT_ERROR or TEST_FAILURE."""
    if (
        finding.code == "RW413" and "ModuleNotFoundError" in finding.message
    ) or "ImportError" in finding.message:
        return IMPORT_ERROR
    return KINDS.get(finding.code, TEST_FAILURE)


def reading(reward: RewardFunction, context: Context) -> list[Finding]:
    """RW401 to RW405 and RW412: what the validators refuse without running the file."""
    return [finding for name in context.profiles for finding in _read(reward, named(name))]


def drive(reward: RewardFunction, context: Context) -> list[Finding]:
    """RW406 to RW411 and RW413: what the validators' test drive says. The file runs in a child
    process.
    """
    if not context.profiles:
        return []
    from racer.checker.sandbox import Lost, apart
    from racer.checker.validators import trial
    from racer.checker.validators import trial as samples

    samples.samples()  # its track is loaded here, so that the child need not
    try:
        found = apart(
            _troubles,
            reward,
            trial.SECONDS,
            filename=reward.filename,
            seconds=8.0 * trial.SECONDS + 15.0,
        )
    except Lost as error:
        found = [{"code": "RW411", "message": f"in the validator's test drive {error}"}]
    return [
        Finding(
            **trouble, path=reward.filename, profile=name, is_fixable=trouble["code"] in FIXABLE
        )
        for name in context.profiles
        for trouble in found
    ]


def verdict(reward: RewardFunction, profile: str) -> list[Finding]:
    """Everything that a validator objects to; an empty list: it accepts the file. UsageError for an
    unknown name.
    """
    context = Context(reward.path, (named(profile).name,))
    return [finding for rule in RULES for finding in rule(reward, context)]


RULES: tuple[Rule, ...] = (reading, drive)


def _troubles(reward: RewardFunction, seconds: float) -> list[dict[str, Any]]:
    from racer.checker.validators import trial

    return [asdict(trouble) for trouble in trial.troubles(reward, seconds)]


# remarks that --fix answers
MENDED = ("E1", "E2", "E3", "E4", "E7", "F401", "F403", "F405", "F541", "F811", "F84")
FIXABLE = {"RW406", "RW409"}


def _read(reward: RewardFunction, profile: Profile) -> list[Finding]:
    tree = reward.syntax.tree
    imports = ", ".join(source.IMPORTS)
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


def _length(reward: RewardFunction, profile: Profile) -> list[Finding]:
    count = len(reward.source)
    if 1 <= count <= source.LONGEST:
        return []
    what = f"the file has {count:,} characters: {source.LONGEST:,} are allowed"
    return [Finding("RW401", what, reward.filename, profile=profile.name)]


def _style(reward: RewardFunction, profile: Profile) -> list[Finding]:
    from racer.checker.validators import style

    remarks = style.remarks(reward.source, profile.ignored)
    return [
        Finding(
            "RW402", f"{remark.code} {remark.text}", reward.filename, remark.line, remark.column,
            remark.cure, profile=profile.name, is_fixable=remark.code.startswith(MENDED),
        )
        for remark in remarks
    ]  # fmt: skip


def _spots(
    reward: RewardFunction, profile: Profile, code: str, spots: list[source.Spot], sentence: str
) -> list[Finding]:
    return [
        Finding(
            code, sentence.format(spot.what), reward.filename, spot.line, spot.column, profile=profile.name,
            is_fixable=code == "RW405",
        )
        for spot in spots
    ]  # fmt: skip
