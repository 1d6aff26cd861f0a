"""One vocabulary of options: the same concept has the same name, short form and kind of help in every
command, and every help shows defaults and two commands to type.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from racer import cli
from racer.vehicle import DEFAULT_CAR

OTHER_KINDS = {
    "--track",  # may be repeated where several are tried
    "--objects",  # in check one of three words: files and random places are for whole laps
    "--laps",  # which laps to draw in plot, how many elsewhere
    "--line",  # a file of one in actions, whether to use one in init
    "--trials",  # whether laps begin at standstill in evaluate, how many in a search elsewhere
    "--action-space",  # part of a run's configuration in train: text
}


def walk() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it."""
    for name in cli.COMMANDS:
        command = cli.load_command(name)
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield name, command
        else:
            for sub_name, subcommand in subcommands.items():
                yield f"{name} {sub_name}", subcommand


COMMANDS = dict(walk())


def options() -> Iterator[tuple[str, Any]]:
    """Every option of every command, with the words that call the command."""
    for words, command in COMMANDS.items():
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                yield words, parameter


OPTIONS = [*options()]


def shown_help(words: str) -> str:
    """The help of a command in a wide terminal."""
    environment = {"COLUMNS": "200", "NO_COLOR": "1"}
    done = CliRunner().invoke(cli.app, [*words.split(), "--help"], env=environment)
    assert done.exit_code == 0
    return done.output


def examples(words: str) -> list[str]:
    """The commands to type that the help of a command ends with."""
    paragraphs = (COMMANDS[words].help or "").split("\n\n")
    return [line.strip() for line in paragraphs[-1].splitlines() if line.startswith("racer ")]


def test_an_option_has_one_short_form_and_a_short_form_one_option() -> None:
    names_of_short: dict[str, set[str]] = defaultdict(set)
    shorts_of_name: dict[str, set[str]] = defaultdict(set)
    for words, option in OPTIONS:
        [long] = [name for name in option.opts if name.startswith("--")] or [words]
        short = "".join(name for name in option.opts if not name.startswith("--"))
        names_of_short[short].add(long)
        shorts_of_name[long].add(short)
    assert {name: forms for name, forms in shorts_of_name.items() if len(forms) > 1} == {}
    del names_of_short[""]
    assert {short: names for short, names in names_of_short.items() if len(names) > 1} == {}


def test_the_long_form_stands_first() -> None:
    assert [(words, option.opts) for words, option in OPTIONS if option.opts[0][:2] != "--"] == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("--output", "--out"),
        ("--reward-timeout", "--timeout"),
        ("--heading", "--heading-deg"),
        ("--steering", "--steering-deg"),
        ("--aside", "--offset"),
    ],
)
def test_a_word_that_has_another_name_here_is_not_used(word: str, reason: str) -> None:
    assert [words for words, option in OPTIONS if word in option.opts] == [], reason


@pytest.mark.parametrize(
    ("option", "pattern"),
    [
        ("--out", r"FILE|DIR"),
        ("--car", r"v4, v5 or v6"),
        ("--track", r"[Tt]rack"),
        ("--json", r"JSON"),
        ("--timeout", r"Seconds that one call of the reward function may take"),
        ("--seed", r"Seed of"),
        ("--gamma", r"discount factor"),
        ("--checkpoint", r"best, service, last, or the number of steps"),
        ("--objects", r"none, boxes"),
        ("--action-space", r"A model_metadata\.json"),
        ("--reverse", r"other way"),
        ("--phase", r"Which laps: evaluation or training"),
    ],
)
def test_the_same_option_says_the_same(option: str, pattern: str) -> None:
    helps = {
        words: f"{parameter.metavar or ''} {parameter.help}"
        for words, parameter in OPTIONS
        if option in parameter.opts
    }
    assert helps
    assert [words for words, text in helps.items() if not re.search(pattern, text)] == []


def test_the_same_option_takes_the_same_kind_of_value() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    for _, option in OPTIONS:
        kind = str(option.type_descriptor.annotation)
        kinds[option.opts[0]].add(kind.replace(" | None", "").replace("typing.", ""))
    assert {name for name, seen in kinds.items() if len(seen) > 1} == OTHER_KINDS


def test_every_parameter_has_help() -> None:
    silent = [
        (words, parameter.name)
        for words, command in COMMANDS.items()
        for parameter in command.params
        if not (parameter.help or "").strip()
    ]
    assert silent == []


def test_no_default_is_hidden_and_none_is_written_by_hand() -> None:
    hidden = []
    for words, option in OPTIONS:
        if option.is_bool_flag or option.multiple:
            continue
        is_shown = isinstance(option.show_default, str) or option.default not in (None, "")
        if not is_shown and not is_optional(words, option):
            hidden.append((words, option.opts[0]))
    by_hand = [(words, option.opts[0]) for words, option in OPTIONS if "[" in (option.help or "")]
    assert (hidden, by_hand) == ([], [])


def is_optional(words: str, option: Any) -> bool:
    """Whether nothing happens without an option: it names a file to write or a thing to add."""
    adds = {
        "--minutes",
        "--iterations",
        "--from",
        "--resume",
        "--hyperparameters",
        "--tracks",
        "--trace",
        "--run",
    }
    writes = {"--out", "--csv", "--npy", "--snippet", "--animation", "--picture"}
    others = {"--minus", "--own", "--reward"}
    return option.required or bool(set(option.opts) & (adds | writes | others))


def test_defaults_reach_the_screen() -> None:
    for words, option in OPTIONS:
        if isinstance(option.show_default, str):
            text = re.sub(r"[\s│]+", " ", shown_help(words))
            assert f"[default: ({option.show_default})" in text, (words, option.opts)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_help_ends_with_two_commands_that_parse(words: str) -> None:
    lines = examples(words)
    assert len(lines) >= 2
    for line in lines:
        assert line.startswith(f"racer {words}")
        assert line in shown_help(words)
        assert_parses(line)


def assert_parses(line: str) -> None:
    """Every word of a command is one that racer knows, and no argument is missing."""
    first, *rest = shlex.split(line)
    assert first == "racer"
    command = cli.load_command(rest[0])
    rest = rest[1:]
    if hasattr(command, "commands"):
        command = command.commands[rest[0]]
        rest = rest[1:]
    for parameter in command.params:
        parameter.callback = None  # which would look for a run; the command was made for this call
    command.make_context("racer", rest)


def test_there_is_one_default_car() -> None:
    defaults = {
        words: option.default
        for words, option in OPTIONS
        if "--car" in option.opts and option.default is not None
    }
    assert set(defaults.values()) == {DEFAULT_CAR}


def test_whatever_prints_a_table_prints_json() -> None:
    sources = {name: Path(cli.__file__).with_name(f"{name}.py") for name in cli.COMMANDS}
    without = {words for words in COMMANDS if not has_option(words, "--json")}
    assert {"train", "watch", "score", "check", "evaluate", "runs"}.isdisjoint(without)
    for words in without:
        source = sources.get(words.split()[0])
        if source is None or not source.exists():
            continue
        text = source.read_text("utf-8")
        prints_table = "print_table(" in text or "print_record(" in text
        assert not prints_table or " " in words, words


def has_option(words: str, name: str) -> bool:
    return any(name in parameter.opts for parameter in COMMANDS[words].params)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("scor", "score"),
        ("trian", "train"),
        ("score --objekts none", "--objects"),
        ("train --outt x", "--out"),
        ("line oval --output x", "--out"),
        ("tracks lst", "list"),
    ],
)
def test_what_is_misspelled_is_guessed(typed: str, meant: str) -> None:
    done = CliRunner().invoke(cli.app, typed.split())
    assert done.exit_code == 2
    assert f"Did you mean {meant}" in done.output.replace("'", "")
