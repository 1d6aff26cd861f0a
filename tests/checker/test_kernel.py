"""A trial is held by the kernel: threads, functions in C and opens in C touch nothing outside."""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from racer import check
from racer.checker.kernel import give_up_rights, kernel_gap

needs_kernel = pytest.mark.skipif(bool(kernel_gap()), reason=f"no guard: {kernel_gap()}")
STEADY = "\ndef reward_function(params):\n    return float(params['speed'])\n"
THREAD = "import threading\nt = threading.Thread(target={0}, args={1})\nt.start(); t.join()\n"
PAST_PYTHON = {
    "system in a thread": "import os\n" + THREAD.format("os.system", "('echo x > {canary}',)"),
    "open in a thread": THREAD.format("open", "('{canary}', 'w')"),
    "open beside it in a thread": THREAD.format("open", "('log.txt', 'w')"),
    "program in a pool": (
        "import subprocess\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    pool.submit(subprocess.run, ['touch', '{canary}']).result()\n"
    ),
    "late timer": (
        "import os, threading, time\n"
        "threading.Timer(0.01, os.system, ('echo x > {canary}',)).start(); time.sleep(0.2)\n"
    ),
    "system of libc": "import ctypes\nctypes.CDLL(None).system(b'echo x > {canary}')\n",
    "creat of libc": "import ctypes\nctypes.CDLL(None).creat(b'{canary}', 0o600)\n",
    "swallowed": (
        "import ctypes\ntry:\n    ctypes.CDLL(None).creat(b'{canary}', 0o600)\n"
        "except BaseException:\n    pass\n"
    ),
    "the maker of subprocess": (
        "import _posixsubprocess, os\nr, w = os.pipe()\n"
        "_posixsubprocess.fork_exec([b'/bin/touch', b'{canary}'], [b'/bin/touch'], True, (w,), None,\n"
        "    None, -1, -1, -1, -1, -1, -1, r, w, True, True, None, None, None, -1, None)\n"
    ),
    "a borrowed file name": (
        "exec(compile('import os; os.system(\"echo x > {canary}\")',\n"
        "    '<frozen importlib._bootstrap>', 'exec'))\n"
    ),
    "a pipe in the file system": "import os\nos.mkfifo('{canary}')\n",
    "a database": "import sqlite3\nsqlite3.connect('{canary}').execute('create table t (x)')\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAST_PYTHON)
@pytest.mark.skipif(sys.platform == "win32", reason="these ways are those of POSIX")
def test_whoever_reaches_out_past_the_hook_is_told_and_touches_nothing(kind, tmp_path):
    canary = tmp_path / "canary"
    file = tmp_path / "reward.py"
    file.write_text(PAST_PYTHON[kind].replace("{canary}", str(canary)) + STEADY)
    result = check(file, tracks=["oval"], seconds=0.2)
    assert not canary.exists()
    assert result.exit_code == 1
    errors = {finding.code for finding in result.findings if finding.is_error}
    assert errors & {"RW109", "RW110"}


def test_a_thread_that_fails_is_not_said_to_read_the_files_of_its_traceback(tmp_path):
    file = tmp_path / "reward.py"
    file.write_text(THREAD.format("lambda: 1 / 0", "()") + STEADY)
    result = check(file, tracks=["oval"], seconds=0.2)
    assert "RW109" not in {finding.code for finding in result.findings}


@needs_kernel
def test_code_that_takes_the_hook_away_meets_the_kernel(tmp_path):
    canary = tmp_path / "canary"
    file = tmp_path / "reward.py"
    file.write_text(
        "import racer.checker.sandbox as sandbox, os\n"
        "sandbox.WATCHED_EVENTS = frozenset()\n"
        f"os.system('echo x > {canary}')\n" + STEADY
    )
    check(file, tracks=["oval"], seconds=0.2)
    assert not canary.exists()


def refusals(folder: Path) -> dict[str, bool]:
    """What a child that gave up its rights was refused; it computes and reads on."""
    libc = ctypes.CDLL(None, use_errno=True)
    outside = folder.parent / "outside"
    return {
        "write outside": libc.open(os.fsencode(outside), os.O_CREAT | os.O_WRONLY, 0o600) < 0,
        "write inside": libc.open(os.fsencode(folder / "a"), os.O_CREAT | os.O_WRONLY, 0o600) < 0,
        "change a mode": libc.chmod(os.fsencode(__file__), 0o600) < 0,
        "fork": libc.fork() < 0,
        "a signal to the parent": libc.kill(os.getppid(), 0) < 0,
        "a signal to itself": libc.kill(os.getpid(), 0) < 0,
        "the network": libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0) < 0,
        "reading": libc.open(os.fsencode(__file__), os.O_RDONLY) < 0,
        "a program": libc.execv(b"/bin/true", None) < 0,
    }


@needs_kernel
def test_rights_are_gone_for_functions_in_c_too(tmp_path):
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:3]\n"
        "import importlib.util as u; s = u.spec_from_file_location('t', sys.argv[1])\n"
        "t = u.module_from_spec(s); s.loader.exec_module(t)\n"
        "folder = Path(sys.argv[3]); t.give_up_rights(str(folder)); print(t.refusals(folder))"
    )
    folder = tmp_path / "inside"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, __file__, "", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    allowed = {"write inside", "a signal to itself", "reading"}
    refused = eval(done.stdout)
    assert {name for name, is_refused in refused.items() if not is_refused} == allowed


def test_where_the_kernel_does_not_help_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernel_gap() == "only Linux can"
    give_up_rights(str(tmp_path))  # nothing happens
    assert (tmp_path.parent / "still").write_text("writable") == 8
