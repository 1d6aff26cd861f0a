"""Calls that nothing can call back end the process with exit code 1 and a sentence: each in a
process of its own.
"""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow


HANG_S = 300  # guards against a process that stands still

DRIVER = """
    import signal, sys
    from racer.errors import RacerError
    from racer.reward import RewardBatch, load_reward
    {setup}
    try:
        RewardBatch(load_reward(sys.argv[1]), 2, timeout={timeout}, last_words=lambda e: print(sorted(e.params), flush=True))(
            [{{"speed": 1.0, "steps": 2.0}} for _ in range(2)]
        )
    except RacerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def run(path, setup="", timeout=HANG_S):
    """The driver with a file: a short `timeout` is for calls that never come back."""
    code = textwrap.dedent(DRIVER).format(setup=setup, timeout=timeout)
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=HANG_S
    )


@pytest.mark.parametrize(("name", "line"), [("waits_in_c", 2), ("backtracks", 5)])
def test_c_code_that_holds_the_interpreter_ends_with_a_sentence(hostile, name, line):
    done = run(hostile / f"{name}.py", timeout=0.3)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"{hostile / name}.py:{line}: the reward function is in C code that does not come back"
    )


def test_a_sleep_that_cannot_be_interrupted_ends_with_params_and_sentence(hostile):
    setup = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = run(hostile / "sleeps.py", setup, timeout=0.3)
    assert done.returncode == 1
    assert "sleeps.py:5: the reward function did not come back within 0.3 s" in done.stderr
    assert (
        "could not be interrupted, so racer ended, at `time.sleep(1e9)` (car 0, step 2)"
        in done.stderr
    )
    assert done.stdout == "['speed', 'steps']\n"


def test_a_thread_left_behind_does_not_keep_the_program_from_ending(hostile):
    done = run(hostile / "leaves_thread.py")
    assert done.returncode == 1
    assert "leaves_thread.py:5: the reward function left a thread behind" in done.stderr
    assert "Traceback" not in done.stderr


SUSPENDED = """
    import faulthandler, sys
    from racer.reward import thread_times, watchdog

    thread_times.MAX_SLOWDOWN = 1.0  # however busy the machine is

    def count_down(seconds, **_):
        print("counts down from", seconds, flush=True)

    def cancel():
        print("cancelled", flush=True)

    faulthandler.dump_traceback_later = count_down
    faulthandler.cancel_dump_traceback_later = cancel
    watchdog.start_countdown(1.0)
    sys.stdin.readline()  # and at its end racer cancels the countdown
"""


def test_nothing_counts_down_while_a_program_is_stopped_with_ctrl_z():
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SUSPENDED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert child.stdout.readline() == "counts down from 1.0\n"
    child.send_signal(signal.SIGTSTP)
    assert child.stdout.readline() == "cancelled\n"
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    child.send_signal(signal.SIGCONT)
    assert child.stdout.readline() == "counts down from 1.0\n"
    assert child.communicate("\n", timeout=HANG_S)[0] == "cancelled\n"
    assert child.returncode == 0


def test_a_good_program_ends_quietly(tmp_path):
    (tmp_path / "good.py").write_text("def reward_function(params):\n    return 1\n")
    done = run(tmp_path / "good.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


TRACED = """
    import sys
    from racer.errors import RacerError
    from racer.reward import RewardBatch, load_reward
    for name in sys.argv[1:]:
        try:
            RewardBatch(load_reward(name), 1, timeout=0.3)([{"speed": 1.0, "steps": 2.0}])
        except RacerError:
            pass
    lines = []

    def trace(frame, event, _):
        lines.append(event)
        return trace

    def traced():
        return sum(range(3))

    sys.settrace(trace)
    traced()
    sys.settrace(None)
    print(lines)
"""


@pytest.mark.parametrize(
    "names", [["loops"], ["leaves_thread"], ["loops", "leaves_thread", "loops"]]
)
def test_a_debugger_can_go_on_after_calls_that_were_ended(hostile, names):
    paths = [str(hostile / f"{name}.py") for name in names]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRACED), *paths],
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.stdout.startswith("['call', 'line', 'return'")
