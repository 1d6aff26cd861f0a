"""`racer check`: everything that can be known about a reward function without training."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.completion import offer_rewards, offer_tracks
from racer.cli.tables import BAD, DOUBTFUL, GOOD, echo, echo_as_is, echo_verdict

if TYPE_CHECKING:
    from racer.checker import CheckReport, ProjectSettings


REACHING_CODES = {"RW108", "RW109", "RW110"}
"""Codes of a file that reaches out of its process."""

RewardsArgument = Annotated[
    list[str],
    typer.Argument(
        autocompletion=offer_rewards,
        help="Reward files, folders of them, or shipped names.",
        show_default=False,
    ),
]
TriedTracksOption = Annotated[
    list[str] | None,
    typer.Option(
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file, to try it on; may be repeated; all: all that ship.",
        show_default="all that ship",
    ),
]
ProfileOption = Annotated[
    list[str] | None, typer.Option(help="Also ask this validator: aws or community.")
]
SelectOption = Annotated[
    list[str] | None, typer.Option(help="Codes that count, such as RW2 or RW301,RW302.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        help="Seconds that one call of the reward function may take.",
        show_default="2",
    ),
]
FixOption = Annotated[
    bool, typer.Option("--fix", help="Rewrite what the validator objects to; keeps a backup.")
]
DiffOption = Annotated[
    bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="One line a finding, without cures.")
]


class OutputFormat(StrEnum):
    """How findings are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


class RoadObjects(StrEnum):
    """What stands on every road."""

    none = "none"
    boxes = "boxes"
    bots = "bots"


OutputFormatOption = Annotated[
    OutputFormat, typer.Option("--output-format", help="How to write the findings.")
]
ObjectsOption = Annotated[
    RoadObjects | None,
    typer.Option(help="What stands on every road: none, boxes or bots.", show_default="none"),
]


def check_command(
    rewards: RewardsArgument,
    track: TriedTracksOption = None,
    profile: ProfileOption = None,
    select: SelectOption = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Codes that do not count.")] = None,
    output: OutputFormatOption = OutputFormat.text,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: short for --output-format json.")
    ] = False,
    timeout: TimeoutOption = None,
    objects: ObjectsOption = None,
    fix: FixOption = False,
    diff: DiffOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a test that shows each error, too.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Check reward functions: do they load, can they crash, how do they behave, would they be
    accepted?

    Exit code 1 when there are errors, 2 for wrong use.

    racer check my_racer/reward.py
    racer check center_line --track oval --profile aws
    """
    from racer.checker import check, expand_paths, read_project_settings

    paths = expand_paths(rewards)
    project = read_project_settings(_folder(paths[0]))
    profiles = profile or list(project.profile)
    form = OutputFormat.json if json else output
    is_text = form is OutputFormat.text
    if fix or diff:
        # what is for a machine has standard output for itself
        _fix(paths, (profiles or ["aws"])[0], fix and not diff, is_text or diff)
        if diff:
            return

    def show(report: CheckReport) -> None:
        if is_text:
            _print_report(report, with_help=not quiet, with_tests=verbose)

    if is_text:
        echo(f"checking {_named(paths)}")
    result = check(
        paths,
        tracks=track or project.track,
        profiles=profiles,
        select=select or project.select,
        ignore=ignore or project.ignore,
        timeout=_timeout(timeout, project),
        objects=(objects.value if objects else project.objects) or "none",
        on_report=show,
    )
    if not is_text:
        echo_as_is(_written(result.reports, form))
    elif len(result.reports) > 1:
        echo(result.summary)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _print_report(report: CheckReport, with_help: bool, with_tests: bool) -> None:
    """Print the verdict on a file, its findings, and what held it where that was not the kernel."""
    from racer.checker import format_finding, kernel_gap

    doubt = DOUBTFUL if report.findings else GOOD
    echo_verdict(report.summary, BAD if report.has_errors else doubt)
    for finding in report.findings:
        echo(format_finding(finding, with_help, with_tests))
    reaches_out = any(finding.code in REACHING_CODES for finding in report.findings)
    if reaches_out and kernel_gap():
        echo(f"note: only Python's own calls were held back ({kernel_gap()})")


def _written(reports: Sequence[CheckReport], form: OutputFormat) -> str:
    """Reports as a program reads them."""
    from racer.checker import checks_as_github, checks_as_json, checks_as_sarif

    writers = {
        OutputFormat.json: checks_as_json,
        OutputFormat.sarif: checks_as_sarif,
        OutputFormat.github: checks_as_github,
    }
    return writers[form](reports)


def _fix(paths: list[str], profile: str, is_written: bool, shows_diff: bool) -> None:
    """Rewrite each file so that the validator accepts it, where that is proved to pay the same; say
    what was done on standard error.
    """
    from racer.checker import fix_reward, write_fix
    from racer.cli.progress import show_count_bar

    for path in paths:
        with show_count_bar(f"fixing {path}", is_shown=True) as report:
            result = fix_reward(path, profile, report)
        if not result.is_changed:
            echo(f"{path}: {result.why_unchanged}", err=True)
            continue
        if shows_diff:
            echo_as_is(result.diff)
        echo(
            f"{path}: {', '.join(result.rewrites)}; pays the same in "
            f"{result.compared_steps:,} steps",
            err=True,
        )
        if is_written:
            echo(f"{path}: written; as it was: {write_fix(result)}", err=True)


def _timeout(asked: float | None, project: ProjectSettings) -> float:
    """Seconds for a call: as asked for, as the project has it, or the default."""
    from racer.checker import CALL_TIMEOUT_S

    if asked is not None:
        return asked
    if project.timeout is not None:
        return project.timeout
    return CALL_TIMEOUT_S


def _folder(path: str) -> Path:
    return Path(path).parent if Path(path).exists() else Path()


def _named(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{len(paths)} files"
