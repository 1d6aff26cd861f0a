"""`racer rule`, `racer help`, and commands that are spelled wrong."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from racer.checker import CODES
from racer.cli import COMMANDS, app
from racer.cli.rule import code_section


def racer(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


@pytest.mark.parametrize("text", ["RW309", "rw309", "one-track-only"])
def test_a_code_is_shown_with_its_example_and_cure(text: str) -> None:
    exit_code, output = racer("rule", text)
    assert exit_code == 0
    assert output.startswith("RW309 one-track-only")
    assert "Cure: " in output
    assert output.count("def reward_function(params):") == 2


def test_every_code_has_a_section() -> None:
    assert [code for code in CODES if not code_section(code)] == []


def test_the_beginning_of_codes_lists_them() -> None:
    _, output = racer("rule", "RW3")
    listed = {line.split()[0] for line in output.splitlines() if line.strip().startswith("RW")}
    assert listed == {code for code in CODES if code.startswith("RW3")}


def test_json_says_the_same() -> None:
    _, output = racer("rule", "RW101", "--json")
    [code] = json.loads(output)
    assert code["name"] == "syntax-error"
    assert code["severity"] == CODES["RW101"].severity


def test_an_unknown_code_is_wrong_use() -> None:
    exit_code, output = racer("rule", "RW999")
    assert exit_code == 2
    assert "no code 'RW999'" in output


def test_help_of_a_command_is_what_its_option_prints() -> None:
    assert racer("help", "rule") == racer("rule", "--help")
    assert racer("help") == racer("--help")


def test_a_command_that_is_spelled_wrong_gets_the_nearest_one() -> None:
    exit_code, output = racer("trian")
    assert exit_code == 2
    assert "Did you mean 'train'" in output
    assert "help" not in COMMANDS
