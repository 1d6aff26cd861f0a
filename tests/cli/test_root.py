"""The root command: what it lists, what it loads, and how each kind of ending reaches the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner, Result

from racer import __version__, cli
from racer import errors as extras
from racer.errors import RacerError, UsageError


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], Result]:
    """A function that runs `racer play`, a command made for the test that does what it is told."""

    def run(deed: Callable[[], None]) -> Result:
        module = ModuleType("racer.cli.play")
        module.play = deed  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(cli.COMMANDS, "train", cli.Command("racer.cli.play:play", "Drive", ""))
        return CliRunner().invoke(cli.app, ["train"])

    return run


def racer(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """What `racer WORDS` does in a process of its own."""
    command = [sys.executable, "-m", "racer", *words]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def failing(error: BaseException) -> Callable[[], None]:
    def deed() -> None:
        raise error

    return deed


def test_help_lists_every_command_with_its_line() -> None:
    shown = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "120"}).output
    for name, command in cli.COMMANDS.items():
        assert any(name in line and command.line in line for line in shown.splitlines()), name


def test_help_imports_no_command() -> None:
    code = "import sys; sys.argv = ['racer', '--help']; from racer.cli import app; app(standalone_mode=False)\n"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code + "print([m for m in sys.modules if m.startswith('racer.cli.')])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_exists_and_answers_help(name: str) -> None:
    shown = CliRunner().invoke(cli.app, [name, "--help"], prog_name="racer")
    assert shown.exit_code == 0, shown.exception
    assert f"Usage: racer {name} " in shown.output


def test_version_is_the_packages() -> None:
    assert racer("--version").stdout == f"racer {__version__}\n"


def test_a_misspelled_command_is_guessed() -> None:
    done = racer("trian")
    assert done.returncode == 2
    assert "'train'" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("no such file"), 2), (RacerError("reward is nan"), 1)]
)
def test_what_a_user_can_mend_is_one_line_on_stderr(
    act: Callable[..., Result], error: Exception, code: int
) -> None:
    done = act(failing(error))
    assert (done.exit_code, done.stderr, done.stdout) == (code, f"racer: {error}\n", "")


def test_a_bug_shows_itself(act: Callable[..., Result]) -> None:
    done = act(failing(ZeroDivisionError("a bug")))
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_bugs_traceback_has_no_locals() -> None:
    code = (
        "import sys, types; from racer import cli; sys.argv = ['racer', 'train']\n"
        "def play():\n    secret = 'hush' * 2; 1 / 0\n"
        "sys.modules['racer.cli.train'] = types.SimpleNamespace(train_command=play)\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "ZeroDivisionError" in done.stderr
    assert "hushhush" not in done.stderr


def test_ctrl_c_is_one_line_and_130(act: Callable[..., Result]) -> None:
    done = act(failing(KeyboardInterrupt()))
    assert (done.exit_code, done.stderr) == (130, "racer: interrupted\n")


def test_an_exit_code_of_a_command_is_kept(act: Callable[..., Result]) -> None:
    assert act(failing(typer.Exit(3))).exit_code == 3


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = racer("--version", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_missing_extra_is_a_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        extras.need("train")
    assert (
        str(caught.value) == "training needs PyTorch and stable-baselines3: pip install '.[train]'"
    )


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        (None, "racer-sim"),  # from an index
        ('{"archive_info": {}, "url": "file:///racer_sim-1.whl"}', "racer-sim"),
        ('{"dir_info": {"editable": true}, "url": "file:///checkout"}', "."),
        ('{"dir_info": {}, "url": "file:///checkout"}', "."),
    ],
)
def test_an_extra_is_installed_from_where_racer_was(
    monkeypatch: pytest.MonkeyPatch, origin: str | None, target: str
) -> None:
    installed = SimpleNamespace(read_text=lambda name: origin)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: installed)
    assert extras.install_command("video") == f"pip install '{target}[video]'"


def test_an_extra_that_is_there_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: object())
    extras.need("train")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("words", [("tracks", "list"), ("tracks", "fetch", "--list"), ("--help",)])
def test_a_full_disk_behind_the_output_is_a_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "racer", *words]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "racer: cannot write the output: No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="closes it with a shell of Unix")
def test_a_closed_output_is_a_sentence() -> None:
    command = f"{sys.executable} -m racer tracks list >&-"
    ended = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "racer: standard output is closed: send it to a file or to /dev/null\n"
