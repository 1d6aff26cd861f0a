"""`racer explain`: its words, its table, its JSON, its picture, and what it refuses."""

import json
from textwrap import dedent

import pytest
import typer
from typer.testing import CliRunner

from racer.cli.explain import explain_command
from racer.errors import UsageError
from racer.logs import write_csv
from racer.reward import RewardRefused
from racer.track import route

app = typer.Typer()
app.command()(explain_command)


@pytest.fixture
def reward(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        dedent("""
        def reward_function(params):
            reward = 3.0
            reward += params["speed"] * 0.0 + 1.0
            return reward
        """).lstrip()
    )
    return str(path)


def said(*words):
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.exception
    return result.stdout


def complaint(*words):
    return str(CliRunner().invoke(app, list(words)).exception)


def test_the_dominating_term_is_named_in_words(reward):
    text = said(reward, "--track", "oval", "--driver", "medium")
    assert "`reward = 3.0` (line 2) pays 75%; `1.0` (line 3) pays 25%" in text
    assert [word in text for word in ("line", "source", "share", "mean", "executed")] == [True] * 5


def test_several_drivers_have_a_column_each(reward):
    text = said(reward, "--track", "oval", "--driver", "medium", "--driver", "leaving")
    assert any("medium" in line and "leaving" in line for line in text.splitlines())
    assert text.count("75.0%") == 2


def test_json_holds_shares_means_and_places(reward):
    found = json.loads(said(reward, "--track", "oval", "--driver", "fast", "--json"))
    lines = {row["source"]: row for row in found["lines"]}
    assert lines["reward = 3.0"] == {
        "line": 2, "source": "reward = 3.0", "through": None, "share": pytest.approx(0.75), "part": pytest.approx(0.75),
        "mean": pytest.approx(3.0), "executed": 1.0, "total": pytest.approx(3.0 * found["runs"][0]["steps"]),
    }  # fmt: skip
    assert found["runs"][0]["strongest"][0]["term"] == "reward = 3.0"
    assert found["runs"][0]["reward"] == pytest.approx(4.0 * found["runs"][0]["steps"])


def test_a_picture_is_drawn_where_asked(reward, tmp_path):
    said(reward, "--track", "oval", "--driver", "medium", "--driver", "stopping", "-o", "terms.png")
    assert (tmp_path / "terms.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_is_explained_by_its_best_laps(reward, ring, drive, tmp_path):
    write_csv(drive(episodes=3), tmp_path / "log.csv")
    route.save_route(ring, tmp_path / "ring.npy")
    found = json.loads(said(reward, "--trace", "log.csv", "--track", "ring.npy", "--json"))
    assert {run["name"].split(" (")[0] for run in found["runs"]} == {"episode 0", "episode 2"}
    assert found["runs"][0]["sentence"].endswith("`1.0` (line 3) pays 25%")


def test_wrong_use_gets_a_sentence(reward, tmp_path):
    assert "did you mean 'weaving'" in complaint(reward, "--driver", "waeving")
    assert "without --driver" in complaint(reward, "--trace", "log.csv", "--driver", "slow")
    assert "unknown track" in complaint(reward, "--track", "ovl")
    assert isinstance(CliRunner().invoke(app, ["nothing.py"]).exception, UsageError)


def test_a_reward_that_raises_ends_it_as_it_would_end_the_job(tmp_path):
    (tmp_path / "bad.py").write_text("def reward_function(params):\n    return params['sped']\n")
    error = CliRunner().invoke(app, [str(tmp_path / "bad.py"), "--track", "oval"]).exception
    assert isinstance(error, RewardRefused)
    assert "bad.py:2: the reward function raised KeyError: 'sped' is not there" in str(error)
