"""Settings that strangers wrote: what each reader makes of them, and the sentence where it cannot.
What is written: whole or not at all, whenever the writer is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from racer.errors import UsageError
from racer.files import (
    MAX_YAML_ALIASES,
    hold_folder,
    is_folder_held,
    make_folder,
    parse_yaml,
    temporary_folder,
    write_file,
    write_folder,
)


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


KILLED_WRITES = """
import json, os, signal, sys, tempfile
from pathlib import Path
from racer.files import temporary_folder, write_file, write_folder

tempfile.gettempdir()  # writes a file to see whether it can
home = Path(sys.argv[1])
file, folder = home / "file.txt", home / "folder"
EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.listdir",
    "ctypes.dlsym", "ctypes.call_function", "shutil.rmtree"}


def fill(place):
    write_file(place / "one", "new")
    write_file(place / "two", "new")


def use_temporary():
    with temporary_folder("racer-test-") as name:
        write_file(Path(name) / "one", "new")


WRITES = {"file": lambda: write_file(file, "new" * 100), "folder": lambda: write_folder(folder, fill),
    "temporary": use_temporary}


def run(write, last):
    # in a fork, which is killed before its event of that number
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    count = 0

    def look(event, arguments):
        nonlocal count
        if event in EVENTS:
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    write()
    os._exit(0)


story = {}
for name, write in WRITES.items():
    story[name] = []
    last = 1
    while run(write, last):
        texts = [path.read_text() for path in (file, folder / "one", folder / "two") if path.exists()]
        story[name].append(texts)
        last += 1
print(json.dumps(story))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a folder is replaced in two steps")
def test_a_writer_that_is_killed_at_any_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    write_file(tmp_path / "file.txt", "old")
    write_folder(tmp_path / "folder", lambda place: write_both(place, "old"))
    command = [sys.executable, "-c", KILLED_WRITES, str(tmp_path)]
    temporary = make_folder(tmp_path / "tmp")
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    story = json.loads(done.stdout)
    assert min(map(len, story.values())) >= 4
    for texts in story["file"]:
        assert texts[0] in ("old", "new" * 100)
    for texts in story["folder"]:
        assert texts[1:] in (["old", "old"], ["new", "new"])
    # what is called again behind a kill leaves nothing of those before
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "file.txt",
        "folder",
        "one",
        "tmp",
        "two",
    ]


def write_both(place: Path, text: str) -> None:
    for name in ("one", "two"):
        write_file(place / name, text)


@pytest.mark.skipif(os.name == "nt", reason="there nothing tells who is gone")
def test_only_what_nobody_holds_and_racer_named_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    abandoned = [make_folder(tmp_path / "racer-test-12345678"), tmp_path / ".a.txt.77.racer-part"]
    abandoned[1].write_text("half")
    others = [make_folder(tmp_path / "racer-test-mine"), tmp_path / ".a.txt.77.part"]
    others[1].write_text("of another program")
    with temporary_folder("racer-test-") as held, temporary_folder("racer-test-"):
        write_file(tmp_path / "b.txt", "whole")
        assert Path(held).is_dir()
    assert not Path(held).exists()
    assert [path.exists() for path in abandoned] == [False, False]
    assert [path.exists() for path in others] == [True, True]


def test_a_file_in_the_place_of_a_folder_gets_a_sentence(tmp_path: Path) -> None:
    place = write_file(tmp_path / "run", "a file")
    with pytest.raises(UsageError, match="is a file, not a folder: name a new folder"):
        make_folder(place)
    with pytest.raises(UsageError, match="is a file, not a folder"), hold_folder(place):
        pass


KILLED_CHECK = """
import time


def reward_function(params):
    while True:
        time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child notices it later")
def test_a_check_that_is_killed_takes_its_children_along_and_the_next_removes_its_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "reward.py").write_text(KILLED_CHECK)
    temporary = make_folder(tmp_path / "tmp")
    words = ["check", "-q", "reward.py", "--track", "oval", "--timeout", "100"]
    command = [sys.executable, "-m", "racer", *words]
    environment = os.environ | {"TMPDIR": str(temporary)}
    for number in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
            worker = first_child(process.pid)
            assert any(temporary.iterdir())
            process.send_signal(number)
        wait_until_gone(worker)
    # the second has removed what the first left, and its own when it was asked to end
    assert not any(temporary.iterdir())
    assert process.returncode == 128 + signal.SIGTERM


def first_child(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while not (found := children.read_text().split()):
        time.sleep(0.01)
    return int(found[0])


def wait_until_gone(process: int) -> None:
    """Return when a process that this one did not start has ended, or is only waited for."""
    status = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + 10.0
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.01)


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
