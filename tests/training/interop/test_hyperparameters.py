"""DeepRacer's hyperparameters.json: what PPO here takes from it, and what is said about the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from racer.errors import UsageError
from racer.training.config import LearnerSettings
from racer.training.interop.hyperparameters import (
    Hyperparameters,
    hyperparameters_notes,
    read_hyperparameters,
)

PLAIN = LearnerSettings.model_validate({})
OF_THE_SIMULATOR = PLAIN.model_copy(
    update={
        "batch_size": 64,
        "n_epochs": 10,
        "lr": 0.0003,
        "lr_end": 1.0,
        "ent_coef": 0.01,
        "gamma": 0.999,
    }
)
MISSING = "not in the file, so as in the simulator: "
SHIPPED = {  # what the console writes for a new model
    "batch_size": 64, "beta_entropy": 0.01, "discount_factor": 0.99, "e_greedy_value": 0.05, "epsilon_steps": 10000,
    "exploration_type": "categorical", "loss_type": "huber", "lr": 0.0003, "num_episodes_between_training": 20,
    "num_epochs": 10, "stack_size": 1, "term_cond_avg_score": 100000.0, "term_cond_max_episodes": 100000,
}  # fmt: skip


@pytest.fixture
def given(tmp_path: Path) -> Any:
    """A function that reads what it is given as a file `h.json`, and leaves the folder out of the
    notes.
    """

    def of(content: object, settings: LearnerSettings = PLAIN) -> tuple[LearnerSettings, list[str]]:
        path = tmp_path / "h.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        found: Hyperparameters = read_hyperparameters(str(path), settings)
        assert all(note.startswith(f"{path}: ") for note in found.notes)
        return found.settings, [note.removeprefix(f"{path}: ") for note in found.notes]

    return of


def test_what_ppo_has_too_is_taken_over(given: Any):
    settings, _ = given(SHIPPED)
    assert settings == PLAIN.model_copy(
        update={
            "batch_size": 64,
            "n_epochs": 10,
            "lr": 0.0003,
            "lr_end": 1.0,
            "ent_coef": 0.01,
            "gamma": 0.99,
        }
    )


def test_what_has_no_counterpart_is_said_aloud(given: Any):
    assert given(SHIPPED)[1] == [
        "e_greedy_value 0.05 has no counterpart: racer samples from the policy",
        "epsilon_steps 10000 has no counterpart: racer samples from the policy",
        "loss_type huber has no counterpart: the value loss here is the mean squared error",
        "num_episodes_between_training 20: racer updates its policy after a number of steps, not of episodes "
        "(envs x n_steps)",
        "term_cond_avg_score 100000.0 has no counterpart: the simulator ignores it, and so does racer",
        "term_cond_max_episodes 100000 has no counterpart: racer trains for --steps or --minutes",
    ]


@pytest.mark.parametrize("loss", ["mean squared error", "mean_squared_error"])
def test_what_racer_does_anyway_needs_no_word(given: Any, loss: str):
    # docs/simulator.md 9.20: both spellings are the mean squared error
    same = {"stack_size": 1, "loss_type": loss, "exploration_type": "categorical"}
    [note] = given(SHIPPED | same)[1][3:4]
    assert "loss_type" not in str(given(SHIPPED | same)[1])
    assert note.startswith("term_cond")


def test_keys_that_a_file_lacks_are_the_simulators_defaults(given: Any):
    # docs/simulator.md 9.8
    settings, notes = given({"num_epochs": 3}, PLAIN.model_copy(update={"gamma": 0.9}))
    assert settings == OF_THE_SIMULATOR.model_copy(update={"n_epochs": 3})
    assert notes == [f"{MISSING}batch_size 64, lr 0.0003, beta_entropy 0.01, discount_factor 0.999"]


def test_numbers_that_were_written_as_text_are_numbers(given: Any):
    read = given({"lr": "0.001", "num_epochs": "3", "batch_size": "128"})[0]
    assert read == OF_THE_SIMULATOR.model_copy(
        update={"lr": 0.001, "n_epochs": 3, "batch_size": 128}
    )


def test_a_batch_beyond_an_update_is_cut_to_it(given: Any):
    settings, notes = given(
        {"batch_size": 512}, PLAIN.model_copy(update={"envs": 8, "n_steps": 16})
    )
    assert settings.batch_size == 128
    assert notes[1:] == ["batch_size 512 is more than the 128 steps of an update: 128 is used"]


def test_a_batch_beyond_an_update_is_cut_when_it_was_written_as_text(given: Any):
    assert (
        given({"batch_size": "512"}, PLAIN.model_copy(update={"envs": 8, "n_steps": 16}))[
            0
        ].batch_size
        == 128
    )


def test_an_unknown_key_is_ignored_with_a_word(given: Any):
    settings, notes = given({"stack_size": 1, "batch_sise": 32, "zebra": 1})
    assert settings == OF_THE_SIMULATOR
    assert notes[:2] == [
        "unknown key 'batch_sise' is ignored: did you mean 'batch_size'?",
        "unknown key 'zebra' is ignored",
    ]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("learning_rate", "lr"),
        ("Learning rate", "lr"),
        ("entropy", "beta_entropy"),
        ("entropy_coefficient", "beta_entropy"),
        ("ent_coef", "beta_entropy"),
        ("gamma", "discount_factor"),
        ("Discount factor", "discount_factor"),
        ("epochs", "num_epochs"),
        ("n_epochs", "num_epochs"),
        ("Gradient descent batch size", "batch_size"),
    ],
)
def test_a_name_of_the_console_or_of_another_library_is_understood(given: Any, key: str, name: str):
    note, _ = given({"stack_size": 1, key: 1})[1]
    assert note == f"unknown key {key!r} is ignored: it is called {name!r} here"


@pytest.mark.parametrize("key", ["epsilon", "clip_range", "gae_lambda"])
def test_what_the_simulator_does_not_let_one_set_is_said(given: Any, key: str):
    note, _ = given({"stack_size": 1, key: 0.1})[1]
    assert "cannot be set" in note


def test_a_file_without_a_known_key_is_no_hyperparameters_file(given: Any):
    with pytest.raises(UsageError, match=r"this is no hyperparameters file.*'gamma': it is called"):
        given({"gamma": 0.9, "action_space": []})


@pytest.mark.parametrize("comment", ["// slow", "# slow", "/* slow */"])
def test_a_comment_in_json_is_named(given: Any, comment: str):
    with pytest.raises(UsageError, match=r"JSON knows no comments \(line 2, column 1\)"):
        given("{\n" + comment + '\n"lr": 0.001}')
    with pytest.raises(UsageError, match=r"JSON knows no comments \(line 1, column"):
        given('{"lr": 0.001, ' + comment + '\n "num_epochs": 3}')


@pytest.mark.parametrize("strange", [[1, 2], {"a": 1}, None, True])
def test_a_strange_value_without_counterpart_is_shown_as_it_is(given: Any, strange: object):
    assert given({"stack_size": strange})[1][:-1] == [
        f"stack_size {strange} has no counterpart: the simulator ignores it, and so does racer"
    ] * (strange is not True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", r"h\.json: is not valid JSON \(Expecting"),
        ("", r"h\.json: is not valid JSON \(Expecting"),
        ("[1]", r'h\.json must hold a JSON object such as \{"lr": 0.0003\}'),
        ("[" * 100_000, r"h\.json: is nested too deeply to be read as JSON"),
        ({"lr": -1}, r"h\.json: 'lr': input should be greater than 0, not -1"),
        ({"lr": "fast"}, r"h\.json: 'lr': input should be a valid number.*, not 'fast'"),
        ({"lr": None}, r"h\.json: 'lr': input should be a valid number, not None"),
        (
            {"num_epochs": 2.5},
            r"h\.json: 'num_epochs': input should be a valid integer.*, not 2\.5",
        ),
        (
            {"batch_size": [64]},
            r"h\.json: 'batch_size': input should be a valid integer, not \[64\]",
        ),
        (
            {"batch_size": 1},
            r"h\.json: 'batch_size': input should be greater than or equal to 2, not 1",
        ),
        (
            {"discount_factor": 1.5},
            r"h\.json: 'discount_factor': input should be less than or equal to 1, not 1\.5",
        ),
        ('{"lr": NaN}', r"h\.json: 'lr': input should be .*, not nan"),
        ('{"lr": Infinity}', r"h\.json: 'lr': input should be a finite number, not inf"),
        (
            '{"num_epochs": Infinity}',
            r"h\.json: 'num_epochs': input should be a finite number, not inf",
        ),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(given: Any, content: object, words: str):
    with pytest.raises(UsageError, match=words):
        given(content)


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none\.json: there is no such file"):
        read_hyperparameters(str(tmp_path / "none.json"), PLAIN)
    with pytest.raises(UsageError, match="is a folder, not a file"):
        read_hyperparameters(str(tmp_path), PLAIN)
    (tmp_path / "latin.json").write_bytes(b'{"lr\xe4": 1}')
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        read_hyperparameters(str(tmp_path / "latin.json"), PLAIN)


def test_what_ppo_does_otherwise_is_said_once_the_greatest_effect_first():
    # docs/simulator.md 9.9
    notes = hyperparameters_notes(OF_THE_SIMULATOR)
    words = ("whole episodes", "0 there", "over all steps", "gradients", "deviation starts at -0.5")
    places = [next(k for k, note in enumerate(notes) if word in note) for word in words]
    assert places == sorted(places)
    assert len(set(notes)) == len(notes)
    assert not any("advantages" in note for note in hyperparameters_notes(PLAIN, "sac"))
