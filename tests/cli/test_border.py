"""What stands between a stranger's file and the user: exit code 0 means done, text is data."""

import json
import subprocess
import sys

import pytest

from racer import place
from racer.checker import check, format_check
from racer.errors import printable
from racer.reward import RewardBatch, RewardRefused, load_reward

STEERING = r"\x1b[2J\x1b]0;title\x07\r\nall checks passed\u202e"


@pytest.fixture
def run_racer(tmp_path):
    """Runs `racer` on a reward of that text in a process of its own."""

    def run(command, source, *more, timeout=100):
        (tmp_path / "mine.py").write_text(source)
        (tmp_path / "params.json").write_text(json.dumps(place("oval", waypoint=3), default=float))
        line = [sys.executable, "-m", "racer", command, "mine.py", *more]
        return subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="only there a command has a supervisor")
@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("os._exit(0)", "ended from inside before it was done while mine.py ran"),
        pytest.param(
            "os._exit(7)",
            "ended from inside before it was done while mine.py ran",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "os.execv('/bin/true', ['true'])",
            "ended from inside before it was done while mine.py ran",
            marks=pytest.mark.slow,
        ),
        (
            "os.kill(os.getpid(), 9)",
            "SIGKILL ended the command before it was done while mine.py ran",
        ),
    ],
)
def test_a_reward_that_ends_the_program_ends_it_with_a_sentence_and_exit_code_1(
    run_racer, act, word
):
    source = f"import os\ndef reward_function(params):\n    {act}\n    return 1.0\n"
    done = run_racer("reward", source, "params.json")
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_exit_handler_that_does_not_come_back_is_in_time_too(run_racer):
    source = (
        "import atexit\ndef spin():\n    while True: pass\natexit.register(spin)\n"
        "def reward_function(params):\n    return 1.0\n"
    )
    done = run_racer("reward", source, "params.json")
    assert done.returncode == 1
    assert done.stdout.startswith("1")
    assert "mine.py:3: " in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there a command has a supervisor")
def test_of_several_rewards_the_one_that_ends_the_program_is_named(run_racer, tmp_path):
    (tmp_path / "fine.py").write_text("def reward_function(params):\n    return 1.0\n")
    source = "import os\ndef reward_function(params):\n    os._exit(0)\n"
    done = run_racer("score", source, "fine.py", "--track", "oval", "--quick")
    assert done.returncode == 1
    assert "while mine.py ran" in done.stderr
    other = run_racer("score", source.replace("0", "3"), "--track", "oval", "--quick")
    assert other.returncode == 1
    assert "while mine.py ran" in other.stderr


SPINNER = """
import threading

def spin():
    while True:
        pass

def reward_function(params):
    threading.Thread(target=spin{daemon}).start()
    return 1.0
"""


@pytest.mark.parametrize("daemon", ["", pytest.param(", daemon=True", marks=pytest.mark.slow)])
def test_a_thread_that_every_call_starts_is_told_before_there_are_many(run_racer, daemon):
    done = run_racer("score", SPINNER.format(daemon=daemon), "--track", "oval", "--quick")
    assert done.returncode == 1
    assert "left a thread behind" in done.stderr
    assert "mine.py:4" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there a command has a supervisor")
def test_the_last_timeout_cannot_be_taken_away(run_racer):
    source = (
        "import faulthandler, re\ndef reward_function(params):\n"
        "    faulthandler.cancel_dump_traceback_later()\n"
        "    re.match('(a+)+$', 'a' * 60 + 'b')\n    return 1.0\n"
    )
    done = run_racer("reward", source, "params.json", "--timeout", "1")
    assert done.returncode == 1
    assert "held up" in done.stderr


LOOPS = {
    "__float__": "class L(float):\n    def __float__(self):\n{loop}\nresult = lambda: L(1)",
    "__index__": "class L:\n    def __index__(self):\n{loop}\nresult = lambda: L()",
    "__repr__": "class L:\n    def __repr__(self):\n{loop}\nresult = lambda: L()",
    "__del__": "class L(float):\n    def __del__(self):\n{loop}\nresult = lambda: L(1)",
    "__str__ of an exception": (
        "class L(Exception):\n    def __str__(self):\n{loop}\ndef result():\n    raise L()"
    ),
}


def test_a_repr_that_does_not_come_back_silences_a_check_as_a_call_does(tmp_path):
    file = tmp_path / "loops.py"
    source = LOOPS["__repr__"].format(loop="        while True: pass")
    file.write_text(f"{source}\ndef reward_function(params):\n    return result()\n")
    result = check(file, tracks=["oval"], seconds=0.2, timeout=0.2)
    assert {finding.code for finding in result.findings if finding.is_error} == {"RW206"}


@pytest.mark.skipif(sys.platform != "linux", reason="only there a command has a supervisor")
@pytest.mark.parametrize(
    "act",
    [
        "os.closerange(0, 3)",
        pytest.param("os.dup2(os.open('other', 65), 1)", marks=pytest.mark.slow),
    ],
)
def test_a_reward_that_takes_the_output_away_is_no_success(run_racer, act):
    source = f"import os\ndef reward_function(params):\n    {act}\n    return 1.0\n"
    done = run_racer("reward", source, "params.json")
    assert done.returncode == 1
    assert "closed or replaced the command's output" in done.stderr


@pytest.mark.slow
def test_the_stops_of_the_watch_are_not_shown_as_what_the_reward_raises(run_racer):
    source = (
        "class D(float):\n    def __del__(self):\n        while True: pass\n"
        "def reward_function(params):\n    for _ in range(12): D(1.0)\n    return 1.0\n"
    )
    done = run_racer("reward", source, "params.json", "--timeout", "0.5")
    assert "KeyboardInterrupt" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow
def test_what_each_call_raises_outside_of_itself_is_shown_a_few_times(run_racer):
    source = (
        "class D(float):\n    def __del__(self):\n        f = lambda: f()\n        f()\n"
        "def reward_function(params):\n    for _ in range(50): D(1.0)\n    return 1.0\n"
    )
    done = run_racer("reward", source, "params.json")
    assert done.returncode == 0
    assert done.stderr.count("RecursionError") == 20
    assert "20 exceptions outside of calls so far: no more are shown" in done.stderr
    assert done.stderr.count("in <lambda>") < 20 * 15


@pytest.mark.parametrize(
    "begin", ["atexit.register(work)", "t = threading.Thread(target=work); t.start(); t.join()"]
)
def test_what_an_exit_handler_or_a_thread_raises_is_shown_as_data(run_racer, begin):
    source = (
        f"import atexit, threading\ndef work():\n    raise ValueError('{STEERING}')\n{begin}\n"
        "def reward_function(params):\n    return 1.0\n"
    )
    done = run_racer("reward", source, "params.json")
    assert done.stdout == "1.0\n"
    assert "ValueError: " in done.stderr
    assert printable(done.stderr, keep="\n") == done.stderr
    assert not any(line.startswith("all checks passed") for line in done.stderr.splitlines())


@pytest.mark.slow
def test_a_flood_behind_a_result_shows_no_traceback_of_racers_own(run_racer):
    source = (
        "class F(float):\n    def __float__(self):\n"
        "        for _ in range(10**6): print('x' * 1000)\n"
        "def reward_function(params):\n    return F(1.0)\n"
    )
    done = run_racer("reward", source, "params.json")
    assert done.returncode == 1
    assert "mine.py:3: the reward function printed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of __del__
@pytest.mark.parametrize("kind", LOOPS)
def test_code_behind_a_result_is_under_the_watch(kind, tmp_path):
    file = tmp_path / "loops.py"
    source = LOOPS[kind].format(loop="        while True: pass")
    file.write_text(f"{source}\ndef reward_function(params):\n    return result()\n")
    batch = RewardBatch(load_reward(file), 1, timeout=0.2)
    with pytest.raises(RewardRefused) as refused:
        batch([{"steps": 2}])
    assert refused.value.path == str(file)
    assert refused.value.params == {"steps": 2}


def test_an_array_of_one_element_is_a_number_as_for_the_jobs_numpy(tmp_path):
    file = tmp_path / "array.py"
    file.write_text(
        "import numpy as np\ndef reward_function(params):\n    return np.full(params['shape'], 2.0)\n"
    )
    batch = RewardBatch(load_reward(file), 1)
    for shape in ((), (1,), (1, 1)):
        assert batch([{"shape": shape}]).tolist() == [2.0]
    with pytest.raises(RewardRefused, match="ndarray"):
        batch([{"shape": (2,)}])
    assert batch.notes() == []


def test_numbers_of_a_class_of_its_own_are_read_as_the_job_reads_them(tmp_path):
    file = tmp_path / "half.py"
    file.write_text(
        "class Half(float):\n    def __float__(self):\n        return 0.5\n"
        "def reward_function(params):\n    return Half(3.0)\n"
    )
    assert RewardBatch(load_reward(file), 2)([{}, {}]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "source",
    [
        f"def reward_function(params):\n    raise ValueError('{STEERING}')\n",
        (
            f"class R(str):\n    def __repr__(self):\n        return '{STEERING}'\n"
            "def reward_function(params):\n    return R('x')\n"
        ),
        "def reward_function(params):\n    x = 1 / 0  # \x1b[2J \u202e evil\n    return x\n",
        f"class E(Exception): pass\nE.__name__ = '{STEERING}'\ndef reward_function(params):\n    raise E\n",
    ],
    ids=["exception", "repr", "source", "class name"],
)
def test_text_of_a_file_steers_no_terminal_and_says_nothing_in_racers_name(source, tmp_path):
    file = tmp_path / "speaks.py"
    file.write_text(source)
    [report] = check(file, tracks=["oval"], seconds=0.2).reports
    text = format_check(report)
    assert report.has_errors
    assert printable(text, keep="\n") == text
    assert not any(line.strip().startswith("all checks passed") for line in text.splitlines())


def test_what_is_printable_stays_as_it_is():
    for text in ("plain", "Zürich, Ελλάδα, 東京 1.5 m/s", ""):
        assert printable(text) == text
    assert printable("a\tb\nc", keep="\t\n") == "a\tb\nc"
    assert printable("\x9b\u2028\ud800\u200b") == r"\x9b\u2028\ud800\u200b"
