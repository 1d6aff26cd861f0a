"""`--fix`: what a validator objects to, rewritten where that does not change what the reward pays,
and proved.

A file is changed as a whole or not at all: the new text is taken when the validator accepts it and
when it pays the same as the old one on every step of a trial. Comments and formatting stay where
they are not objected to.
"""

from __future__ import annotations

import codecs
import difflib
import os
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from racer.checker import static as syntax_rules
from racer.checker import validators as profiles
from racer.checker.findings import Finding, RuleContext
from racer.checker.fix import expressions, imports, layout, names
from racer.checker.fix import names as words
from racer.errors import RacerError, UsageError
from racer.reward.load import RewardFunction, compile_quietly, load_reward, read_reward_text

REWRITES: tuple[tuple[Callable[[str], str], str], ...] = (
    (layout.separate_statements, "statements separated"),
    (imports.move_imports_to_top, "imports moved to the top"),
    (imports.spell_out_star_imports, "star imports spelled out"),
    (imports.remove_unused_imports, "unused imports taken out"),
    (names.remove_unused_names, "unused names taken out"),
    (names.replace_lambdas, "lambdas made functions"),
    (names.rename_ambiguous_names, "ambiguous names renamed"),
    (expressions.rewrite_comparisons, "comparisons with None, True and types rewritten"),
    (expressions.rewrite_negations, "negations rewritten"),
    (expressions.name_bare_excepts, "bare excepts named"),
    (expressions.rewrite_empty_fstrings, "f-strings without a field made strings"),
    (expressions.convert_results_to_float, "results made floats"),
    (words.replace_forbidden_words, "forbidden words replaced"),
    (layout.simplify_comment_headings, "headings in comments made plain"),
    (layout.tidy_layout, "layout tidied"),
)


@dataclass(frozen=True)
class FixResult:
    """What `--fix` makes of a file. `after` is the text that it should have, equal to `before` when
    it is left alone.

    `steps` say what was done, `left` why nothing was; `refused` is what the validator would still
    object to, and `compared` the number of steps on which both texts pay the same.
    """

    path: Path
    profile: str
    before: str
    after: str
    steps: tuple[str, ...] = ()
    left: str = ""
    refused: tuple[Finding, ...] = ()
    compared: int = 0

    @property
    def is_changed(self) -> bool:
        return self.after != self.before

    @property
    def diff(self) -> str:
        """What changes, as `diff -u` has it."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*lines, str(self.path), f"{self.path} (fixed)"))


def fix_reward(name: str | os.PathLike[str] | RewardFunction, profile: str = "aws") -> FixResult:
    """What `--fix` makes of a reward file, for a validator. Nothing is written. UsageError as for
    `load`.
    """
    asked = profiles.find_profile(profile).name
    reward, broken = (
        (name, []) if isinstance(name, RewardFunction) else syntax_rules.read_reward_file(name)
    )
    if reward is None:
        path = Path(broken[0].path)
        before = _text(path)
        return FixResult(path, asked, before, before, (), _why(broken, "left alone"), tuple(broken))
    before = read_reward_text(reward.path)[0]
    if not _is_utf8(reward.path, before):
        return FixResult(
            reward.path, asked, before, before, left="left alone: save it as UTF-8 first"
        )
    said = profiles.validator_findings(reward, asked)
    if not said:
        return FixResult(
            reward.path, asked, before, before, left=f"nothing to fix: {asked} accepts it"
        )
    codes = {finding.code for finding in said}
    after, steps = rewrite_source(before, codes)
    if after == before:
        return FixResult(
            reward.path,
            asked,
            before,
            before,
            (),
            _why(said, "nothing of it can be fixed"),
            tuple(said),
        )
    refused = _refused(reward.path, after, asked)
    # the first objections stood before these
    if not codes.issuperset(finding.code for finding in refused):
        after, steps = rewrite_source(before, codes.union(finding.code for finding in refused))
        refused = _refused(reward.path, after, asked)
    if refused:
        return FixResult(
            reward.path, asked, before, before, steps, _why(refused, "left alone"), tuple(refused)
        )
    from racer.checker.fix import proof

    different, compared = proof.find_reward_difference(reward, after)
    if different:
        return FixResult(
            reward.path,
            asked,
            before,
            before,
            steps,
            f"left alone: {different}",
            tuple(said),
            compared,
        )
    return FixResult(reward.path, asked, before, after, steps, compared=compared)


def rewrite_source(source: str, codes: set[str]) -> tuple[str, tuple[str, ...]]:
    """The source with everything rewritten that can be, and what was done. `codes`: what a
    validator said.

    A step whose outcome is no Python any more is not taken.
    """
    done: list[str] = []
    for step, words_for_it in REWRITES:
        if step is expressions.convert_results_to_float and "RW409" not in codes:
            continue
        if step is words.replace_forbidden_words and "RW405" not in codes:
            continue
        changed = _taken(step, source)
        if changed != source:
            done.append(words_for_it)
            source = changed
    return source, tuple(done)


def write_fix(fixed: FixResult) -> Path:
    """Write the new text over the file, and the old one beside it. Returns the backup's path."""
    if not fixed.is_changed:
        raise ValueError(f"{fixed.path} is left alone")
    raw = fixed.path.read_bytes()
    backup = _free(fixed.path)
    _written(backup, raw)
    end = "\r\n" if b"\r\n" in raw else "\n"
    _written(fixed.path, fixed.after.replace("\n", end).encode())
    return backup


def _text(path: Path) -> str:
    try:
        return read_reward_text(path)[0]
    except UsageError:  # the finding says what it is instead of a source text
        return ""


def _is_utf8(path: Path, source: str) -> bool:
    """Whether the file says its text in UTF-8: then another text can be written in its place."""
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == source.encode(errors="replace")


def _taken(step: Callable[[str], str], source: str) -> str:
    try:
        changed = step(source)
        compile_quietly(changed, "fixed")
    # a text that the step cannot read
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return source
    return changed


def _refused(path: Path, source: str, profile: str) -> list[Finding]:
    """What the validator says to the new text. The test drive happens only when it reads well."""
    with TemporaryDirectory(prefix="racer_fix_") as folder:
        copy = Path(folder) / path.name
        copy.write_text(source, encoding="utf-8")
        try:
            reward = load_reward(copy)
        except UsageError as error:
            raise RacerError(f"{path} cannot be fixed: {error}") from None
        context = RuleContext(copy, (profile,))
        return profiles.find_text_objections(reward, context) or profiles.find_trial_objections(
            reward, context
        )


def _why(said: list[Finding], what: str) -> str:
    first = said[0]
    more = f", and {len(said) - 1} more" if len(said) > 1 else ""
    at = f"line {first.line}: " if first.line else ""
    return f"{what}: {at}{first.code} {first.message}{more}"


def _free(path: Path) -> Path:
    backup = path.with_name(f"{path.name}.bak")
    number = 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


def _written(path: Path, raw: bytes) -> None:
    """Write beside and rename, with the mode of the file that was there. A link stays one."""
    path = path.resolve()
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as beside:
            beside.write(raw)
        Path(beside.name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(beside.name).replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
