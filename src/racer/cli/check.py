"""`racer check`: everything that can be known about a reward function without training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from racer.checker.runner import CheckOptions, CheckReport
    from racer.checker.settings import ProjectSettings

PROFILES = ("aws", "community")


class OutputFormat(StrEnum):
    """How findings are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def check_command(
    rewards: Annotated[
        list[str],
        typer.Argument(help="Reward files, folders of them, or shipped names.", show_default=False),
    ],
    track: Annotated[
        list[str] | None,
        typer.Option(help="Try it on this track; may be repeated; `all`: all that ship."),
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Also ask this validator: aws or community.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(help="Codes that count, such as RW2 or RW301,RW302.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Codes that do not count.")] = None,
    output: Annotated[
        OutputFormat, typer.Option("--output-format", help="How to write the findings.")
    ] = OutputFormat.text,
    json: Annotated[bool, typer.Option("--json", help="The same as --output-format json.")] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that one call may take (2).", show_default=False)
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Rewrite what the validator objects to; keeps a backup.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="One line a finding, without cures and tests.")
    ] = False,
) -> None:
    """Check reward functions: do they load, can they crash, how do they behave, would they be
    accepted?

    Exit code 1 when there are errors, 2 for wrong use.
    """
    from racer.checker import output as reporting
    from racer.checker import settings
    from racer.checker.runner import check as run
    from racer.checker.runner import expand_paths

    paths = expand_paths(rewards)
    ours = settings.read_project_settings(_folder(paths[0]))
    if fix or diff:
        _fix(paths, (profile or [*ours.profile] or ["aws"])[0], is_written=fix and not diff)
        if diff:
            return
    choice = reporting.parse_selection(select or ours.select, ignore or ours.ignore)
    form = OutputFormat.json if json else output
    done: list[CheckReport] = []

    def show(one: CheckReport) -> None:
        done.append(reporting.select_findings(one, choice))
        if form is OutputFormat.text:
            typer.echo(reporting.format_check(done[-1], not quiet))

    if form is OutputFormat.text:
        typer.echo(f"checking {_named(paths)}")
    run(paths, _orders(track, profile, timeout, ours), show)
    if form is OutputFormat.text and len(done) > 1:
        typer.echo(reporting.summarize_checks(done))
    elif form is not OutputFormat.text:
        write = {
            OutputFormat.json: reporting.checks_as_json,
            OutputFormat.sarif: reporting.checks_as_sarif,
            OutputFormat.github: reporting.checks_as_github,
        }
        typer.echo(write[form](done))
    if any(one.has_errors for one in done):
        raise typer.Exit(1)


def _fix(paths: list[str], profile: str, is_written: bool) -> None:
    """Rewrite each file so that the validator accepts it, where that is proved to pay the same; say
    what was done.
    """
    from racer.checker.fix import fix_reward as fixed_of
    from racer.checker.fix import write_fix

    for path in paths:
        fixed = fixed_of(path, profile)
        if not fixed.is_changed:
            typer.echo(f"{path}: {fixed.left}", err=True)
            continue
        typer.echo(fixed.diff, nl=False)
        typer.echo(
            f"{path}: {', '.join(fixed.steps)}; pays the same in {fixed.compared:,} steps", err=True
        )
        if is_written:
            typer.echo(f"{path}: written; as it was: {write_fix(fixed)}", err=True)


def _orders(
    track: list[str] | None, profile: list[str] | None, timeout: float | None, ours: ProjectSettings
) -> CheckOptions:
    from racer.checker.runner import CALL_TIMEOUT_S, CheckOptions

    seconds = (
        timeout
        if timeout is not None
        else ours.timeout
        if ours.timeout is not None
        else CALL_TIMEOUT_S
    )
    if not 0.0 < seconds < 1e6:
        raise UsageError(f"--timeout is a number of seconds above 0, not {seconds:g}")
    asked = tuple(profile or ours.profile)
    for word in asked:
        if word not in PROFILES:
            raise UsageError(
                f"unknown profile {word!r}{did_you_mean(word, list(PROFILES))} (there are aws and community)"
            )
    return CheckOptions(tuple(track or ours.track), asked, seconds)


def _folder(path: str) -> Path:
    return Path(path).parent if Path(path).exists() else Path()


def _named(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{len(paths)} files"
