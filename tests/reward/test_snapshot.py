"""A resumed training goes on as if it had never stopped: what reward files remember is saved and
put back.
"""

import pytest

from racer.errors import UsageError
from racer.reward import RewardBatch, load_reward

KEEPERS = {
    "global": """
        count = 0
        def reward_function(params):
            global count
            count += params["x"]
            return count
        """,
    "default": """
        def reward_function(params, seen=[]):
            seen.append(params["x"])
            return sum(seen)
        """,
    "keyword default": """
        def reward_function(params, *, seen={"n": 0}):
            seen["n"] += params["x"]
            return seen["n"]
        """,
    "class attribute": """
        class Memory:
            total = 0.0
            seen = []
        def reward_function(params):
            Memory.total += params["x"]
            Memory.seen.append(Memory)
            return Memory.total + len(Memory.seen)
        """,
    "instance": """
        class Memory:
            def __init__(self):
                self.history = []
            def add(self, x):
                self.history.append(x)
                return sum(self.history)
        memory = Memory()
        add = memory.add
        def reward_function(params):
            assert isinstance(memory, Memory)
            assert add.__self__ is memory
            return add(params["x"])
        """,
    "closure": """
        def make():
            total = 0.0
            def price(params):
                nonlocal total
                total += params["x"]
                return total
            return price
        reward_function = make()
        """,
    "shared closure": """
        def make():
            total = [0.0]
            def add(x):
                total[0] += x
            def read():
                return total[0]
            return add, read
        pair = make()
        def reward_function(params):
            pair[0](params["x"])
            return pair[1]()
        """,
    "function attribute": """
        def reward_function(params):
            reward_function.total = getattr(reward_function, "total", 0.0) + params["x"]
            return reward_function.total
        """,
    "decorator": """
        import functools
        def counted(f):
            @functools.wraps(f)
            def inner(params):
                inner.calls += 1
                return f(params) + inner.calls
            inner.calls = 0
            return inner
        @counted
        def reward_function(params, seen=[]):
            seen.append(1)
            return len(seen)
        """,
    "generators": """
        import random
        import numpy as np
        mine, theirs = random.Random(1), np.random.default_rng(2)
        def reward_function(params):
            return mine.random() + theirs.random() + random.random() + np.random.random()
        """,
    "dataclass and numpy": """
        from dataclasses import dataclass, field
        from collections import deque, defaultdict
        import numpy as np
        @dataclass
        class Memory:
            last: deque = field(default_factory=lambda: deque(maxlen=3))
            table: np.ndarray = field(default_factory=lambda: np.zeros(3))
        M, D = Memory(), defaultdict(int)
        def reward_function(params):
            M.last.append(params["x"]); M.table[len(M.last) - 1] += 1; D["n"] += 1
            return sum(M.last) + float(M.table.sum()) + D["n"]
        """,
    "enum and namedtuple": """
        from enum import Enum
        from collections import namedtuple
        class Mode(Enum):
            SLOW = 1
            FAST = 2
        Point = namedtuple("Point", "x y")
        mode, points = Mode.SLOW, []
        def reward_function(params):
            global mode
            mode = Mode.FAST if mode is Mode.SLOW else Mode.SLOW
            points.append(Point(params["x"], mode))
            return len(points) + mode.value + sum(p.x for p in points if p.y is Mode.FAST)
        """,
    "replaced function": """
        def slow(params):
            return 1.0
        def fast(params):
            global choice
            choice = slow
            return 2.0
        choice = fast
        def reward_function(params):
            return choice(params)
        """,
    "born late and deleted": """
        first = 1
        def reward_function(params):
            g = globals()
            if "first" in g:
                del g["first"]
                g["later"] = lambda x, seen=[]: (seen.append(x), len(seen))[1]
                return 0.0
            return later(params["x"])
        """,
    "module itself": """
        import sys
        me = sys.modules[__name__]
        me.n = 0
        def reward_function(params):
            me.n += 1
            return n
        """,
    "local class": """
        def make():
            class Memory:
                n = 0
                def add(self):
                    self.n += 1
                    return self.n
            return Memory()
        memory = make()
        def reward_function(params):
            return memory.add()
        """,
}


def give(step, n=3):
    return [{"x": float(k + step)} for k in range(n)]


@pytest.mark.parametrize("kind", KEEPERS)
def test_a_restored_batch_goes_on_as_the_uninterrupted_one(written, kind):
    whole = written(KEEPERS[kind])
    for step in range(3):
        whole(give(step))
    saved = whole.snapshot()
    assert whole.notes() == []
    resumed = RewardBatch(whole.reward, 3)
    resumed.restore(saved)
    for step in range(3, 6):
        assert resumed(give(step)).tolist() == whole(give(step)).tolist()


@pytest.mark.parametrize("kind", KEEPERS)
def test_two_batches_restored_from_one_state_do_not_touch_each_other(written, kind):
    first = written(KEEPERS[kind])
    first(give(0))
    saved = first.snapshot()
    one, other = RewardBatch(first.reward, 3), RewardBatch(first.reward, 3)
    one.restore(saved)
    other.restore(saved)
    expected = [first(give(step)).tolist() for step in (1, 2)]
    assert [one(give(step)).tolist() for step in (1, 2)] == expected
    assert [other(give(step)).tolist() for step in (1, 2)] == expected


def test_a_state_of_a_restored_batch_is_as_good(written):
    whole = written(KEEPERS["instance"])
    for step in range(4):
        whole(give(step))
        saved = whole.snapshot()
        if step % 2:
            whole = RewardBatch(whole.reward, 3)
            whole.restore(saved)
    assert whole(give(4)).tolist() == [10.0, 15.0, 20.0]


def test_cars_without_memory_share_their_state(written):
    batch = written(
        "TABLE = [(0.5 * k, 1.0) for k in range(500)]\ndef reward_function(params):\n    return 1.0",
        n=50,
    )
    alone = written(
        "TABLE = [(0.5 * k, 1.0) for k in range(500)]\ndef reward_function(params):\n    return 1.0",
        n=1,
    )
    batch(give(0, 50))
    assert len(batch.snapshot()) < len(alone.snapshot()) + 1000


def test_what_cannot_be_saved_is_named_and_the_rest_is_saved(written, tmp_path):
    source = f"""
        log = open({str(tmp_path / "log.txt")!r}, "w")
        lines = (k for k in range(9))
        count = 0
        def reward_function(params):
            global count
            count += 1
            log.write("x")
            return count
        """
    batch = written(source, n=2)
    batch(give(0, 2))
    saved = batch.snapshot()
    assert (
        "resumed training starts it afresh: `lines` (generator), `log` (TextIOWrapper)"
        in batch.notes()[-1]
    )
    resumed = RewardBatch(batch.reward, 2)
    resumed.restore(saved)
    assert resumed(give(0, 2)).tolist() == [2, 2]
    for one in (batch, resumed):
        for instance in one._instances:
            instance.modules[""].log.close()


def test_modules_beside_the_file_are_saved_too(written, tmp_path):
    (tmp_path / "memory.py").write_text(
        "seen = []\ndef add(x):\n    seen.append(x)\n    return sum(seen)\n"
    )
    batch = written(
        "import memory\ndef reward_function(params):\n    return memory.add(params['x'])"
    )
    batch(give(1))
    resumed = RewardBatch(batch.reward, 3)
    resumed.restore(batch.snapshot())
    assert resumed(give(1)).tolist() == [2, 4, 6]


def test_state_of_another_file_or_number_of_cars_is_refused(written):
    saved = written("def reward_function(params):\n    return 1").snapshot()
    with pytest.raises(UsageError, match="has changed since"):
        written("def reward_function(params):\n    return 2").restore(saved)
    with pytest.raises(UsageError, match="of 3 cars, not of 2"):
        written("def reward_function(params):\n    return 1", n=2).restore(saved)


def test_state_survives_the_process(written, tmp_path):
    import subprocess
    import sys

    batch = written(KEEPERS["instance"])
    batch(give(1))
    (tmp_path / "state").write_bytes(batch.snapshot())
    code = (
        "import sys; from racer.reward import RewardBatch, load_reward; b = RewardBatch(load_reward(sys.argv[1]), 3);"
        "b.restore(open(sys.argv[2], 'rb').read()); print(b([{'x': 1.0}] * 3).tolist())"
    )
    place = [str(load_reward(batch.reward.path).path), str(tmp_path / "state")]
    done = subprocess.run(
        [sys.executable, "-c", code, *place], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "[2.0, 3.0, 4.0]\n", done.stderr
