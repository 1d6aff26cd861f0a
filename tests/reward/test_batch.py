"""Pricing batches: one instance a car, what is refused and how it is said, and what the simulator
never notices.
"""

import builtins
import contextlib
import gc
import math
import random
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from racer.errors import UsageError
from racer.reward import RefusalReason, RewardBatch, RewardRefused, load_reward

SOON_S = 0.2  # for calls that never come back: others get the time that a busy machine may need
LATE_S = 300.0
PARAMS = {"speed": 1.0, "steps": 7.0, "waypoints": [(0.0, 0.0), (1.0, 1.0)]}


def timeout_of(name):
    """Seconds for a call of one of the hostile files."""
    return SOON_S if name.startswith(("loops", "sleeps")) else LATE_S


def give(n):
    return [{**PARAMS, "waypoints": list(PARAMS["waypoints"])} for _ in range(n)]


def test_each_car_has_its_own_globals(written):
    batch = written("""
        count = 0
        def reward_function(params):
            global count
            count += 1
            return count
        """)
    assert batch(give(3)).tolist() == [1, 1, 1]
    assert batch(give(2), cars=[0, 2]).tolist() == [2, 2]
    assert batch(give(3)).tolist() == [3, 2, 3]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_was_printed_behind_the_last_call_is_told_with_the_next(tmp_path):
    path = tmp_path / "prints_late.py"
    path.write_text(
        "class D(float):\n    def __del__(self):\n        print('x' * 2**21)\n"
        "def reward_function(params):\n    return D(1.0)\n"
    )
    batch = RewardBatch(load_reward(path), 1, print_limit=2**20)
    with contextlib.suppress(RewardRefused):
        batch(give(1))
    assert batch([], []).tolist() == []
    with pytest.raises(RewardRefused, match="MB, more than is kept") as stop:
        batch(give(1))
    assert stop.value.call == 0


def test_a_batch_equals_its_cars_alone(situations):
    reward = load_reward("progress_gained")
    together, alone = RewardBatch(reward, 8), [RewardBatch(reward, 1) for _ in range(8)]
    for step in (2, 3, 4):
        params = situations(8, steps=step)
        expected = [float(one([p])[0]) for one, p in zip(alone, params, strict=True)]
        np.testing.assert_array_equal(together(params), expected)


@pytest.mark.parametrize("last", ["float('nan')", "float('-inf')", "100_001.0", "None"])
def test_one_bad_reward_among_good_ones_is_found_and_many_large_ones_are_fine(written, last):
    text = (
        "n = 0\ndef reward_function(params):\n    return 99_999.0 if params['steps'] < 9.0 else {}"
    )
    batch = written(text.format(last))
    large = give(3)
    assert batch(large).tolist() == [99_999.0] * 3  # together they are more than one may be
    large[2]["steps"] = 9.0
    with pytest.raises(RewardRefused, match=":3"):
        batch(large)


def test_an_empty_batch_gives_an_empty_array(written):
    batch = written("def reward_function(params):\n    return 1")
    assert batch([], cars=[]).shape == (0,)


def test_modules_leave_sys_modules_with_the_batch(written):
    batch = written("def reward_function(params):\n    return 1")
    assert sum(name.startswith("racer_reward_") for name in sys.modules) >= 3
    before = len(sys.modules)
    del batch
    gc.collect()
    assert len(sys.modules) == before - 3


def test_modules_beside_the_file_are_one_per_car_and_do_not_leak(written, tmp_path):
    (tmp_path / "lines.py").write_text("import points\nseen = []\n")
    (tmp_path / "points.py").write_text("TABLE = [1.0, 2.0]\n")
    path = list(sys.path)
    batch = written("""
        import lines
        def reward_function(params):
            import points
            lines.seen.append(1)
            return len(lines.seen) + points.TABLE[1]
        """)
    assert batch(give(3)).tolist() == [3, 3, 3]
    assert batch(give(3)).tolist() == [4, 4, 4]
    assert sys.path == path
    assert not {"lines", "points"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        (
            "divides",
            3,
            "raised ZeroDivisionError: float division by zero, at `return 1.0 / speed` (car 0, step 7)",
        ),
        ("missing_key", 2, "raised KeyError: 'sped' is not there"),
        ("recurses", 2, "called itself without end"),
        ("recurses_without_limit", 7, "called itself without end"),
        ("exits", 5, "tried to exit the program"),
        ("quits", 2, "tried to exit the program"),
        ("interrupts", 2, "raised KeyboardInterrupt"),
        ("raises_badly", 7, "raised Odd: (its message cannot be shown)"),
        ("mutates_and_raises", 4, "ZeroDivisionError"),
        ("returns_none", 2, "returned None, which is no number"),
        ("returns_nan", 3, "returned nan, which the real job refuses, at `return reward`"),
        ("returns_inf", 2, "returned -inf"),
        ("returns_too_much", 2, "returned 100001.0, beyond the 100,000"),
        ("returns_list", 2, "returned list [1.0]"),
        ("returns_dict", 2, "returned dict {'reward': 1.0}"),
        ("returns_complex", 2, "returned complex 1j"),
        ("returns_text", 2, "returned 'much'"),
        ("floods", 3, "MB, more than is kept"),
        ("floods_at_once", 3, "printed 300 MB"),
        ("leaves_thread", 5, "left a thread behind"),
        ("leaves_daemon", 6, "left a thread behind"),
        (
            "loops",
            3,
            "did not come back within 0.2 s (--reward-timeout), at `while True:` (car 0, step 7)",
        ),
        ("loops_and_swallows", 4, "did not come back within 0.2 s"),
        ("loops_and_swallows_deeply", 4, "did not come back within 0.2 s"),
        ("sleeps", 5, "did not come back within 0.2 s"),
        ("loops_in_message", 3, "did not come back within 0.2 s"),
    ],
)
def test_what_the_real_job_refuses_names_file_line_and_params(
    hostile, monkeypatch, name, line, words
):
    path = hostile / f"{name}.py"
    # pytest takes SystemExit for a failure
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    limit, streams = sys.getrecursionlimit(), (sys.stdout, sys.stderr)
    with pytest.raises(RewardRefused) as stop:
        RewardBatch(load_reward(path), 3, timeout=timeout_of(name), print_limit=2**20)(give(3))
    assert str(stop.value).startswith(f"{path}:{line}: ")
    assert words in str(stop.value)
    assert (stop.value.path, stop.value.line, stop.value.exit_code) == (str(path), line, 1)
    assert stop.value.params == PARAMS
    assert (sys.getrecursionlimit(), sys.stdout, sys.stderr) == (limit, *streams)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("exits_at_import", 3, "when loaded, tried to exit"),
        ("loops_at_import", 1, "when loaded, did not come back"),
        ("raises_at_import", 2, "when loaded, raised IndexError"),
    ],
)
def test_a_file_that_misbehaves_while_loaded_is_refused(hostile, name, line, words):
    with pytest.raises(RewardRefused) as stop:
        RewardBatch(load_reward(hostile / f"{name}.py"), 2, timeout=timeout_of(name))
    assert str(stop.value).startswith(f"{hostile / name}.py:{line}: ")
    assert words in str(stop.value)
    assert stop.value.params is None


def test_the_failing_car_and_not_the_first_is_named(written):
    batch = written("def reward_function(params):\n    return 1 / params['speed']")
    params = give(3)
    params[1]["speed"] = 0.0
    with pytest.raises(RewardRefused, match=r"\(car 1, step 7\)"):
        batch(params)
    with pytest.raises(RewardRefused, match=r"\(car 2, step 7\)") as stop:
        batch([params[1]], cars=[2])
    assert stop.value.params["speed"] == 0.0
    assert stop.value.trace.startswith("Traceback")
    assert "racer/reward" not in stop.value.trace


def test_other_batches_go_on_after_one_was_stuck(hostile, written):
    good = written("def reward_function(params):\n    return 1")
    for _ in range(2):
        with pytest.raises(RewardRefused):
            RewardBatch(load_reward(hostile / "loops.py"), 1, timeout=SOON_S)(give(1))
        assert good(give(3)).tolist() == [1, 1, 1]


def test_a_stuck_call_is_called_back_from_any_thread(hostile):
    caught = []

    def price():
        try:
            RewardBatch(load_reward(hostile / "loops_and_swallows.py"), 1, timeout=SOON_S)(give(1))
        except RewardRefused as error:
            caught.append(error)

    thread = threading.Thread(target=price)
    thread.start()
    thread.join()
    assert [error.line for error in caught] == [4]


def test_of_many_cars_whose_calls_leave_threads_only_the_first_is_called(written, monkeypatch):
    # a thread that is told to stop ends with SystemExit
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    begun = []
    batch = written(
        "import threading\n"
        "def reward_function(params):\n"
        "    params['begun'].append(threading.Thread(target=lambda: [None for _ in iter(int, 1)]))\n"
        "    params['begun'][-1].start()\n"
        "    return 1\n",
        n=64,
    )
    with pytest.raises(RewardRefused, match="left a thread behind") as refused:
        batch([{"begun": begun} for _ in range(64)], cars=[3, *range(61), 62, 63])
    assert len(begun) == 1
    assert (refused.value.car, refused.value.call) == (3, 0)
    begun[0].join()


def test_threads_that_end_within_their_call_are_priced_for_each_car(written):
    batch = written(
        "import threading\n"
        "def reward_function(params):\n"
        "    paid = []\n"
        "    thread = threading.Thread(target=lambda: paid.append(params['x']))\n"
        "    thread.start(); thread.join()\n"
        "    return 1 / paid[0]\n",
        n=3,
    )
    assert batch([{"x": 1.0}, {"x": 2.0}, {"x": 4.0}]).tolist() == [1.0, 0.5, 0.25]
    with pytest.raises(RewardRefused, match="ZeroDivisionError") as refused:
        batch([{"x": 1.0}, {"x": 0.0}], cars=[2, 0])
    assert (refused.value.car, refused.value.call) == (0, 1)


def test_ctrl_c_while_pricing_stays_ctrl_c(written):
    batch = written(
        "import os, signal\ndef reward_function(params):\n    os.kill(os.getpid(), signal.SIGINT)\n    return 1"
    )
    with pytest.raises(KeyboardInterrupt):
        batch(give(3))


def test_patched_modules_are_whole_again_outside(hostile):
    sqrt, total = math.sqrt, builtins.sum
    random.seed(5)
    expected = random.Random(5).random()
    batch = RewardBatch(load_reward(hostile / "patches.py"), 2)
    for _ in range(3):
        assert batch(give(2)).tolist() == [44, 44]
        assert math.sqrt is sqrt
        assert builtins.sum is total
    assert random.random() == expected
    assert any(
        "replaces math.sqrt; the simulator goes on with the real one" in note
        for note in batch.notes()
    )


def test_a_file_that_patches_and_then_fails_leaves_no_patch(written):
    total = builtins.sum
    with pytest.raises(RewardRefused, match="when loaded, raised"):
        written("import builtins\nbuiltins.sum = max\nraise ValueError")
    assert builtins.sum is total


def test_what_others_patch_meanwhile_is_not_the_rewards_doing(written, monkeypatch):
    batch = written("import math\ndef reward_function(params):\n    return math.sqrt(4)")
    monkeypatch.setattr(math, "sqrt", lambda x: 5.0)
    assert batch(give(3)).tolist() == [5, 5, 5]
    assert math.sqrt(4) == 5.0
    assert batch.notes() == []


def test_global_generators_are_the_rewards_own(written):
    source = """
        import random
        import numpy as np
        def reward_function(params):
            np.random.seed(0)
            return random.random()
        """
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    first = written(source, seed=3)(give(3))
    outside = (random.random(), np.random.random())  # noqa: NPY002
    random.seed(9)
    second = written(source, seed=3)(give(3))
    assert outside == (random.Random(1).random(), np.random.RandomState(1).random_sample())
    np.testing.assert_array_equal(first, second)
    assert len(set(first.tolist())) == 3


def test_replaced_stdout_and_folder_are_put_back(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stdout = sys.stdout
    batch = RewardBatch(load_reward(hostile / "replaces_stdout.py"), 2)
    RewardBatch(load_reward(hostile / "moves.py"), 2)(give(2))
    batch(give(2))
    assert sys.stdout is stdout
    assert tmp_path.samefile(".")
    assert any("replaces sys.stdout" in note for note in batch.notes())


def test_prints_are_counted_and_kept_out(written, capsys):
    batch = written("""
        print("loaded")
        def reward_function(params):
            print("speed", params["speed"])
            return 1
        """)
    batch(give(3))
    batch(give(3))
    notes = batch.notes()
    assert capsys.readouterr() == ("", "")
    assert "printed 9 lines (81 B) in 6 calls" in notes[0]
    assert [note.partition("reward.py")[2] for note in notes[1:]] == [
        ":2: first printed 'loaded'",
        ":4: first printed 'speed'",
    ]
    assert batch.printed.startswith("loaded\nloaded\nloaded\nspeed 1.0\n")


def test_prints_of_other_threads_reach_the_real_stream(written, capsys):
    batch = written(
        """
        def reward_function(params):
            params["begun"].set()
            params["said"].wait()
            return 1
        """,
        timeout=0.0,  # no limit
    )
    begun, said = threading.Event(), threading.Event()

    def say():
        begun.wait()
        print("progress")
        said.set()

    thread = threading.Thread(target=say)
    thread.start()
    batch([{"begun": begun, "said": said}] * 3)
    thread.join()
    assert capsys.readouterr().out == "progress\n"
    assert batch.printed == ""


def test_printing_the_params_in_every_call_is_never_too_much(written):
    batch = written(
        "def reward_function(params):\n    print('x' * 15_000)\n    return 1", n=500, print_limit=1
    )
    for _ in range(3):
        assert batch(give(500)).sum() == 500


def test_changed_params_are_told_with_their_line(written):
    batch = written("""
        def reward_function(params):
            points = params["waypoints"]
            points.append((2.0, 2.0))
            params["speed"] *= 2
            return params["speed"]
        """)
    assert batch(give(3)).tolist() == [2, 2, 2]
    assert [note.partition("reward.py ")[2] for note in batch.notes()] == [
        "changes its params at line 4, 5; without effect on the simulator"
    ]


def test_unchanged_params_are_not_told(written, situations):
    batch = written(
        "def reward_function(params):\n    params = dict(params)\n    params['x'] = 0\n    return 1",
        n=64,
    )
    batch(situations(64))
    assert batch.notes() == []


def test_a_wrong_number_of_params_is_a_bug_of_the_caller(written):
    with pytest.raises(ValueError, match="2 params for 3 cars"):
        written("def reward_function(params):\n    return 1")(give(2))


def test_a_missing_function_is_wrong_use(written):
    with pytest.raises(UsageError):
        written("x = 1")


def test_a_bad_result_names_its_car_also_where_cars_are_chosen(
    written: Callable[..., RewardBatch],
) -> None:
    batch = written("def reward_function(params):\n    return params['value']\n", n=4)
    with pytest.raises(RewardRefused) as refused:
        batch([{"value": 1.0}, {"value": 1.0}, {"value": None}], [3, 1, 2])
    assert (refused.value.car, refused.value.call) == (2, 2)


SWALLOWS = {
    "returns": """
        def reward_function(params):
            if params["car"] == 1:
                try:
                    while True:
                        pass
                except BaseException:
                    return 1.0
            return 1.0
    """,
    "goes": """
        class Stubborn:
            def __del__(self):
                while True:
                    try:
                        while True:
                            pass
                    except BaseException:
                        pass

        def reward_function(params):
            if params["car"] == 1:
                Stubborn()
            return 1.0
    """,
}


@pytest.mark.parametrize("how", SWALLOWS)
def test_a_call_that_swallows_its_stop_and_returns_is_refused(written, how):
    batch = written(SWALLOWS[how], timeout=0.2)
    with pytest.raises(RewardRefused) as stop:
        batch([{"car": car} for car in range(3)])
    assert (stop.value.reason, stop.value.car) == (RefusalReason.TIMEOUT, 1)
    assert stop.value.source_line.strip() in ("while True:", "pass")
