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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import nan
from pathlib import Path
from typing import Any

from racer.checker import static, validators
from racer.checker.calls import copies_of
from racer.checker.cases import TrialEpisode, lap_episodes, probe_episodes
from racer.checker.findings import Finding, RuleContext
from racer.checker.fix import edits, expressions, imports
from racer.checker.sandbox import SubprocessLost, run_in_subprocess
from racer.errors import RacerError
from racer.files import temporary_folder, write_file
from racer.reward import (
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    compile_quietly,
    load_reward,
    read_reward_text,
)
from racer.track import load_track

Rewrite = Callable[[str], str]

REWRITES: tuple[tuple[Rewrite, str], ...] = (
    (edits.separate_statements, "statements separated"),
    (imports.move_imports_to_top, "imports moved to the top"),
    (imports.spell_out_star_imports, "star imports spelled out"),
    (imports.remove_unused_imports, "unused imports taken out"),
    (expressions.remove_unused_names, "unused names taken out"),
    (expressions.replace_lambdas, "lambdas made functions"),
    (expressions.rename_ambiguous_names, "ambiguous names renamed"),
    (expressions.rewrite_comparisons, "comparisons with None, True and types rewritten"),
    (expressions.rewrite_negations, "negations rewritten"),
    (expressions.name_bare_excepts, "bare excepts named"),
    (expressions.rewrite_empty_fstrings, "f-strings without a field made strings"),
    (expressions.convert_results_to_float, "results made floats"),
    (imports.replace_forbidden_words, "forbidden words replaced"),
    (edits.simplify_comment_headings, "headings in comments made plain"),
    (edits.tidy_layout, "layout tidied"),
)
"""What is done to a file, in this order, and how it is called."""
CODES_NEEDED = {
    expressions.convert_results_to_float: "RW409",
    imports.replace_forbidden_words: "RW405",
}
"""Rewrites that are made only where a validator objects with that code."""

PROOF_TRACKS = ("reinvent_2018", "vegas")
"""Counterclockwise both: the probes drive them in reverse, too."""
PROOF_TIME_S = 60.0
"""For all steps."""
PROOF_CALL_TIMEOUT_S = 2.0
CALLS_PER_BATCH = 16
"""A fixed number, so that both texts are called alike."""
MAX_COMPARED_FAILURES = 200
"""Of an episode; the steps behind them are not compared."""

Outcome = float | str
"""A reward, or what happened instead of it."""


@dataclass(frozen=True)
class FixResult:
    """What `--fix` makes of a file.

    `after` is the text that it should have, equal to `before` when it is left alone. `rewrites` say
    what was done, `why_unchanged` why nothing was; `refused` is what the validator would still object
    to, and `compared_steps` the number of steps on which both texts pay alike.
    """

    path: Path
    profile: str
    before: str
    after: str
    rewrites: tuple[str, ...] = ()
    why_unchanged: str = ""
    refused: tuple[Finding, ...] = ()
    compared_steps: int = 0

    @property
    def is_changed(self) -> bool:
        """Whether the file should have another text."""
        return self.after != self.before

    @property
    def diff(self) -> str:
        """What changes, as `diff -u` has it."""
        before = self.before.splitlines(keepends=True)
        after = self.after.splitlines(keepends=True)
        lines = difflib.unified_diff(before, after, str(self.path), f"{self.path} (fixed)")
        return "".join(lines)


def fix_reward(
    name: str | os.PathLike[str] | RewardFunction,
    profile: str = "aws",
    on_progress: Callable[[int, int], None] = lambda done, all: None,
) -> FixResult:
    """What `--fix` makes of a reward file, for a validator. Nothing is written. `on_progress` as
    `rewrite_source`.

    Raises UsageError as `load_reward`, and for an unknown profile.

    Examples
    --------
    >>> fix_reward("center_line").why_unchanged
    'nothing to fix: aws accepts it'
    """
    profile = validators.find_profile(profile).name
    if isinstance(name, RewardFunction):
        reward: RewardFunction | None = name
    else:
        reward, findings = static.read_reward_file(name)
    if reward is None:
        return _unusable_result(Path(findings[0].path), profile, findings)
    before = read_reward_text(reward.path)[0]
    unchanged = FixResult(reward.path, profile, before, before)
    if not _is_utf8(reward.path, before):
        return replace(unchanged, why_unchanged="left alone: save it as UTF-8 first")
    objections = validators.validator_findings(reward, profile)
    if not objections:
        return replace(unchanged, why_unchanged=f"nothing to fix: {profile} accepts it")
    rewritten = _rewritten(unchanged, objections, on_progress)
    if rewritten.why_unchanged:
        return rewritten
    return _proved(reward, rewritten, objections)


def _rewritten(
    unchanged: FixResult, objections: Sequence[Finding], on_progress: Callable[[int, int], None]
) -> FixResult:
    """The result with the text that the validator accepts, or why there is none."""
    before = unchanged.before
    path = unchanged.path
    profile = unchanged.profile
    codes = {finding.code for finding in objections}
    after, rewrites = rewrite_source(before, codes, on_progress)
    if after == before:
        why = _explain(objections, "nothing of it can be fixed")
        return replace(unchanged, why_unchanged=why, refused=tuple(objections))
    refused = _objections_to(after, path, profile)
    new_codes = {finding.code for finding in refused} - codes
    if new_codes:  # the first objections hid these
        after, rewrites = rewrite_source(before, codes | new_codes, on_progress)
        refused = _objections_to(after, path, profile)
    if refused:
        why = _explain(refused, "left alone")
        return replace(unchanged, rewrites=rewrites, why_unchanged=why, refused=tuple(refused))
    return replace(unchanged, rewrites=rewrites, after=after)


def _proved(
    reward: RewardFunction, rewritten: FixResult, objections: Sequence[Finding]
) -> FixResult:
    """The result if the new text pays the same on the steps of a trial; else the old text, and why."""
    proof = find_reward_difference(reward, rewritten.after)
    result = replace(rewritten, compared_steps=proof.steps)
    if not proof.difference:
        return result
    return replace(
        result,
        after=result.before,
        why_unchanged=f"left alone: {proof.difference}",
        refused=tuple(objections),
    )


def rewrite_source(
    source: str, codes: set[str], on_progress: Callable[[int, int], None] = lambda done, all: None
) -> tuple[str, tuple[str, ...]]:
    """The source with everything rewritten that can be, and what was done.

    `codes` are those of a validator's objections. A rewrite whose outcome is no Python any more is
    not made. `on_progress` gets the number of rewrites that were tried, and of all.
    """
    done: list[str] = []
    for k, (rewrite, description) in enumerate(REWRITES):
        on_progress(k, len(REWRITES))
        if rewrite in CODES_NEEDED and CODES_NEEDED[rewrite] not in codes:
            continue
        changed = _try_rewrite(rewrite, source)
        if changed != source:
            done.append(description)
            source = changed
    return source, tuple(done)


def write_fix(result: FixResult) -> Path:
    """Write the new text over the file, and the old one beside it. Returns the backup's path."""
    if not result.is_changed:
        raise ValueError(f"{result.path} is left alone")
    raw = result.path.read_bytes()
    backup = write_file(_free_backup_path(result.path), raw)
    line_end = "\r\n" if b"\r\n" in raw else "\n"
    # a link stays a link
    write_file(result.path.resolve(), result.after.replace("\n", line_end))
    return backup


def _unusable_result(path: Path, profile: str, findings: Sequence[Finding]) -> FixResult:
    """The result for a file that is no source text, or no Python."""
    try:
        text = read_reward_text(path)[0]
    except RewardUnusable:  # the findings say what it is instead
        text = ""
    why = _explain(findings, "left alone")
    return FixResult(path, profile, text, text, why_unchanged=why, refused=tuple(findings))


def _is_utf8(path: Path, source: str) -> bool:
    """Whether the file says its text in UTF-8: then another text can be written in its place."""
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == source.encode(errors="replace")


def _try_rewrite(rewrite: Rewrite, source: str) -> str:
    try:
        changed = rewrite(source)
        compile_quietly(changed, "fixed")
    # a text that the rewrite cannot read
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return source
    return changed


def _objections_to(source: str, path: Path, profile: str) -> list[Finding]:
    """What the validator says to the new text. The test drive happens only when it reads well."""
    with temporary_folder("racer-fix-") as folder:
        copy = Path(folder) / path.name
        copy.write_text(source, encoding="utf-8")
        try:
            reward = load_reward(copy)
        except RewardUnusable as error:
            raise RacerError(f"{path} cannot be fixed: {error}") from None
        context = RuleContext(copy, (profile,))
        return validators.find_text_objections(reward, context) or validators.find_trial_objections(
            reward, context
        )


def _explain(findings: Sequence[Finding], outcome: str) -> str:
    """The outcome with the first finding as its reason."""
    first = findings[0]
    place = f"line {first.line}: " if first.line else ""
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{outcome}: {place}{first.code} {first.message}{more}"


def _free_backup_path(path: Path) -> Path:
    backup = path.with_name(f"{path.name}.bak")
    number = 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


@dataclass(frozen=True)
class ProofResult:
    """Whether two texts pay alike on `steps` steps: `difference` says in words how not, "" for yes."""

    difference: str
    steps: int


class _NotRunnable(Exception):
    """A text cannot be loaded, or ends the process. The message says how."""


def find_reward_difference(before: RewardFunction, after: str) -> ProofResult:
    """How the reward of a new text differs from that of the file."""
    episodes = proof_episodes()
    steps = sum(len(episode.params) for episode in episodes)
    try:
        old = _outcomes_apart(before)
    except _NotRunnable as error:
        return ProofResult(f"the file cannot be compared: {error}", steps)
    with temporary_folder("racer-fix-") as folder:
        path = Path(folder) / before.path.name
        path.write_text(after, encoding="utf-8")
        try:
            new = _outcomes_apart(load_reward(path))
        except _NotRunnable as error:
            return ProofResult(f"the changed file cannot be run: {error}", steps)
    for episode, was, now in zip(episodes, old, new, strict=True):
        for k, (old_outcome, new_outcome) in enumerate(zip(was, now, strict=False)):
            if not _are_alike(old_outcome, new_outcome):
                difference = (
                    f"at step {k} of {episode.title} it pays {new_outcome} instead of {old_outcome}"
                )
                return ProofResult(difference, steps)
    return ProofResult("", steps)


@cache
def proof_episodes() -> tuple[TrialEpisode, ...]:
    """The steps on which rewards are compared."""
    tracks = [load_track(name) for name in PROOF_TRACKS]
    episodes = lap_episodes(tracks[0])
    for track in tracks:
        episodes += probe_episodes(track)
    return tuple(episodes)


def reward_outcomes(
    reward: RewardFunction, episodes: Sequence[TrialEpisode]
) -> list[list[Outcome]]:
    """The outcome of every step of each episode, called in this process.

    Raises RewardRefused or RewardUnusable when the file cannot be executed.
    """
    outcomes = []
    for episode in episodes:
        batch = RewardBatch(reward, 1, timeout=PROOF_CALL_TIMEOUT_S)
        outcomes.append(_episode_outcomes(batch, episode))
    return outcomes


def _outcomes_apart(reward: RewardFunction) -> list[list[Outcome]]:
    """The outcomes, from a process of their own. Raises _NotRunnable."""
    episodes = proof_episodes()
    try:
        answer = run_in_subprocess(
            _answer, reward, episodes, filename=os.fspath(reward.filename), seconds=PROOF_TIME_S
        )
    except SubprocessLost as error:
        raise _NotRunnable(str(error)) from None
    if answer["trouble"]:
        raise _NotRunnable(answer["trouble"])
    outcomes: list[list[Outcome]] = answer["outcomes"]
    return outcomes


def _answer(reward: RewardFunction, episodes: Sequence[TrialEpisode]) -> dict[str, Any]:
    """What the child process says: the outcomes, or why there are none."""
    try:
        return {"outcomes": reward_outcomes(reward, episodes), "trouble": ""}
    except (RewardRefused, RewardUnusable) as error:
        return {"outcomes": [], "trouble": str(error)}


def _episode_outcomes(batch: RewardBatch, episode: TrialEpisode) -> list[Outcome]:
    """Outcomes in order; nan for the few calls that were made together with a failing one, before
    it.
    """
    outcomes: list[Outcome] = []
    failures = 0
    while len(outcomes) < len(episode.params) and failures < MAX_COMPARED_FAILURES:
        params = copies_of(episode.params[len(outcomes) : len(outcomes) + CALLS_PER_BATCH])
        try:
            outcomes += batch(params, [0] * len(params)).tolist()
        except RewardRefused as error:
            outcomes += [nan] * error.call
            outcomes.append(error.exception or f"{error.value} ({error.reason})")
            failures += 1
    return outcomes


def _are_alike(first: Outcome, second: Outcome) -> bool:
    both_nan = first != first and second != second
    return first == second or both_nan
