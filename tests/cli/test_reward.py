"""`racer reward FILE PARAMS.json`: the shortest way to reproduce what stopped a training."""

import json

import pytest
import typer
from typer.testing import CliRunner

from racer.cli.replay import read_params, reward_command
from racer.errors import UsageError
from racer.reward import RewardRefused

app = typer.Typer()
app.command()(reward_command)


@pytest.fixture
def saved(tmp_path, situations):
    path = tmp_path / "params.json"
    path.write_text(json.dumps(situations(1)[0]))
    return path


def test_it_prints_what_the_call_prints_and_returns(tmp_path, saved):
    (tmp_path / "r.py").write_text("def reward_function(params):\n    print('hello')\n    return 2")
    done = CliRunner().invoke(app, [str(tmp_path / "r.py"), str(saved)])
    assert (done.exit_code, done.output) == (0, "hello\n2.0\n")


def test_a_refused_call_shows_the_users_traceback(hostile, saved):
    done = CliRunner().invoke(app, [str(hostile / "divides.py"), str(saved)])
    assert isinstance(done.exception, RewardRefused)
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: float division by zero"
    assert "racer/reward" not in done.stderr


def test_params_come_back_as_the_reward_function_had_them(saved, situations):
    assert read_params(saved) == situations(1)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "not valid JSON"), ("[]", "does not hold an object"), ("\udcff", "is not text")],
)
def test_params_that_are_none_get_a_sentence(tmp_path, content, words):
    path = tmp_path / "params.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=words):
        read_params(path)
    with pytest.raises(UsageError, match="there is no such file"):
        read_params(tmp_path / "none.json")
