"""Settings that strangers wrote: what each reader makes of them, and the sentence where it cannot."""

from __future__ import annotations

import os

import pytest

from racer.errors import UsageError
from racer.files import MAX_YAML_ALIASES, hold_folder, is_folder_held, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("WORLD_NAME: oval", {"WORLD_NAME": "oval"}),
        ("'WORLD_NAME': 'oval'", {"WORLD_NAME": "oval"}),
        ('---\n"WORLD_NAME": "oval"\n---\nother: 1\n', {"WORLD_NAME": "oval"}),
        ("REVERSE_DIR: !!bool 'false'", {"REVERSE_DIR": False}),
        ("CAR: !!python/unicode 'Fast'", {"CAR": "Fast"}),
        ("CARS: !!python/tuple [a, b]", {"CARS": ["a", "b"]}),
        ("JOB: !!python/object/apply:os.system [exit]", {"JOB": ["exit"]}),
        ("KEYS: !mine {a: 1}", {"KEYS": {"a": 1}}),
        ("", None),
    ],
)
def test_yaml_gives_plain_values_whatever_its_tags(text: str, value: object) -> None:
    assert parse_yaml(text, "a.yaml") == value


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: !!bool maybe",
        "a: !!int ''",
        "a: !!timestamp soon",
        "a: 2024-99-99",
        "[" * 5000,
        "\x00",
        "? [a]\n: b",
    ],
)
def test_what_is_no_yaml_gets_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"a\.yaml: is n"):
        parse_yaml(text, "a.yaml")


def test_yaml_that_would_not_fit_into_memory_is_refused() -> None:
    lists = ["l0: &l0 [x]"]
    for k in range(1, MAX_YAML_ALIASES + 2):
        lists.append(f"l{k}: &l{k} [*l{k - 1}]")
    with pytest.raises(UsageError, match="aliases"):
        parse_yaml("\n".join(lists), "a.yaml")


def test_whether_a_folder_is_held_is_seen_without_holding_it(tmp_path) -> None:
    assert not is_folder_held(tmp_path)
    assert not list(tmp_path.iterdir())  # a look writes nothing
    with hold_folder(tmp_path):
        assert is_folder_held(tmp_path)
        with pytest.raises(UsageError, match="in use by another racer"), hold_folder(tmp_path):
            pass
    assert not is_folder_held(tmp_path)
    with hold_folder(tmp_path):
        pass


def test_a_pipe_in_the_place_of_a_lock_keeps_nobody(tmp_path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert not is_folder_held(tmp_path)
