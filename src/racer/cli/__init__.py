"""The command line: `racer COMMAND`. A command's module is imported when that command is called,
never before.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from racer import __version__
from racer.errors import RacerError

# commands that stop at the first step that cannot be priced
PRICING_COMMANDS = ("score", "explain", "map", "replay")
INTERRUPTED_EXIT_CODE = 130  # what a shell reports for a program that Ctrl-C stopped


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module:attribute`, a function or a `typer.Typer`), and its line in
    `racer --help`.
    """

    place: str
    panel: str
    line: str


COMMANDS = {
    "check": Command(
        "racer.cli.check:check_command",
        "Reward",
        "Say whether a reward can crash, behaves and is accepted.",
    ),
    "score": Command(
        "racer.cli.score:score_command", "Reward", "Say whether a reward agrees with the clock."
    ),
    "explain": Command(
        "racer.cli.explain:explain_command",
        "Reward",
        "Say which lines of a reward pay how much, or where a policy looks.",
    ),
    "map": Command(
        "racer.cli.map:map_command", "Reward", "Draw what a reward pays all over a track."
    ),
    "replay": Command(
        "racer.cli.replay:replay_command",
        "Reward",
        "Price the steps of logs with a reward, and compare laps with the clock.",
    ),
    "watch": Command(
        "racer.cli.watch:watch_command", "Reward", "Check and score a reward again on every save."
    ),
    "reward": Command(
        "racer.cli.reward:reward_command",
        "Reward",
        "Call a reward function with the params of one step.",
    ),
    "actions": Command(
        "racer.cli.actions:app",
        "Drive",
        "Say what an action space allows on a track, and design one.",
    ),
    "init": Command(
        "racer.cli.init:init_command",
        "Reward",
        "Write a starter project: a reward, its tests, an experiment.",
    ),
    "train": Command(
        "racer.cli.train:train_command",
        "Drive",
        "Train a car with a reward function, or a whole experiment.",
    ),
    "evaluate": Command(
        "racer.cli.evaluate:evaluate_command",
        "Drive",
        "Drive laps with a trained car and print the lap table.",
    ),
    "export": Command(
        "racer.cli.export:export_command",
        "Drive",
        "Write a policy as ONNX, and its experiment for DeepRacer for Cloud.",
    ),
    "import": Command(
        "racer.cli.import_:import_command",
        "Drive",
        "Read a training set up elsewhere into an experiment for racer train.",
    ),
    "line": Command(
        "racer.cli.line:line_command",
        "Drive",
        "Find the fastest line around a track, and drive it.",
    ),
    "tracks": Command(
        "racer.cli.tracks:app", "Drive", "List, show, import, export and fetch tracks."
    ),
    "analyze": Command(
        "racer.cli.analyze:analyze_command",
        "Look",
        "Read logs, ours or the real ones, and print their laps.",
    ),
    "compare": Command(
        "racer.cli.compare:compare_command",
        "Look",
        "Compare two or more logs or runs, and say who is faster.",
    ),
    "plot": Command(
        "racer.cli.plot:plot_command",
        "Look",
        "Draw one picture of a log: racer plot --list says which there are.",
    ),
    "see": Command(
        "racer.cli.see:see_command",
        "Look",
        "Draw what every sensor of a car tells at a place of a track.",
    ),
    "report": Command(
        "racer.cli.report:report_command",
        "Look",
        "Make one page of a log that opens in any browser, offline.",
    ),
}


class _Group(TyperGroup):
    """The root command. Help and suggestions come from COMMANDS; a command that is called is loaded
    first.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else None, rest

    def invoke(self, ctx: Any) -> Any:
        """The one border: what a user can mend becomes a line of text, everything else is a bug and
        shows itself.
        """
        try:
            return super().invoke(ctx)
        except RacerError as error:
            _leave(f"{error}{_advice(ctx.invoked_subcommand, error)}", error.exit_code)
        except KeyboardInterrupt:
            _leave("interrupted", INTERRUPTED_EXIT_CODE)


def load_command(name: str) -> Any:
    """The click command called `name`, one of COMMANDS, with its module imported."""
    module, attribute = COMMANDS[name].place.split(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        found = _alone(found)
    return typer.main.get_command(found)


def main() -> None:
    """Run `racer` with the words of the command line; a reader that leaves early (`racer ... |
    head`) is no error.
    """
    try:
        try:
            app(prog_name="racer")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _alone(function: Any) -> typer.Typer:
    single = _typer()
    single.command()(function)
    return single


def _advice(command: str | None, error: RacerError) -> str:
    """What to do about a reward that the real job would refuse, after a command that only wanted
    its prices.
    """
    path = getattr(error, "path", "") if command in PRICING_COMMANDS else ""
    return f"\nracer check {path} finds the smallest step that shows it" if path else ""


def _leave(message: str, code: int) -> None:
    typer.echo(f"racer: {message}", err=True)
    raise typer.Exit(code)


def _typer(**options: Any) -> typer.Typer:
    names = {"help_option_names": ["-h", "--help"]}
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, context_settings=names, **options
    )


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"racer {__version__}")
        raise typer.Exit


app = _typer(cls=_Group, no_args_is_help=True)


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Check, simulate and train AWS DeepRacer reward functions on a laptop."""


for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.line, rich_help_panel=_command.panel)(lambda: None)
