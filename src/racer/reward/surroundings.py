"""What a reward function shares with the program, kept apart: streams, random generators, patched modules.

A reward function may do to its surroundings what it likes; it keeps what it did, and the simulator sees none of it.
"""

from __future__ import annotations

import os
import random
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from racer.reward.load import RewardFunction
from racer.reward.printed import Sink

PATCHABLE = ("builtins", "math", "random", "json", "time", "copy", "numpy", "numpy.random")


class Surroundings:
    """Entered before a batch and left after it; not a context manager, because every nanosecond counts here.

    The reward's global generators start from `seed`; they are told apart only when the file mentions `random` or brings
    modules of its own.
    """

    def __init__(self, reward: RewardFunction, limit: int, seed: int) -> None:
        self.sink = Sink(reward.filename, limit)
        self.uses_random = "random" in reward.source or bool(reward.siblings)
        self.moves = "chdir" in reward.source or bool(reward.siblings)
        self.generators = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())
        self.patches: dict[tuple[str, str], object] = {}
        self.replaced_streams = False
        self._modules: dict[str, ModuleType] = {name: import_module(name) for name in PATCHABLE}
        self._originals: dict[tuple[str, str], Any] = {}
        self.remember()
        self._folder = ""
        self._limit = sys.getrecursionlimit()
        self._outside, self._stderr = sys.stdout, sys.stderr

    def enter(self) -> None:
        sink = self.sink
        sink.outside = self._outside = sys.stdout
        self._stderr = sys.stderr
        sys.stdout = sys.stderr = sink
        self._limit = sys.getrecursionlimit()
        if self.uses_random or self.moves or self.patches:
            self._enter_special()

    def leave(self) -> None:
        if self.uses_random or self.moves or self.patches:
            self._leave_special()
        if sys.getrecursionlimit() != self._limit:
            sys.setrecursionlimit(self._limit)
        self.replaced_streams |= sys.stdout is not self.sink
        sys.stdout, sys.stderr = self._outside, self._stderr

    def remember(self) -> None:
        """Look at the shared modules as they are now, before a batch after which `notice_patches` is to be asked."""
        self._names = {name: dict(vars(module)) for name, module in self._modules.items()}

    def notice_patches(self) -> None:
        """Find what was replaced in the shared modules since `remember`, and take it back until the next `enter`."""
        for name, module in self._modules.items():
            now = vars(module)
            changed = [key for key, value in self._names[name].items() if now.get(key) is not value]
            for key in changed:
                if key != "_":  # the interactive shell's last value
                    self.patches[name, key] = now.get(key)
                    setattr(module, key, self._names[name][key])

    def _enter_special(self) -> None:
        if self.uses_random:
            self._swap_generators()
        if self.moves:
            self._folder = str(Path.cwd())
        for (name, key), value in self.patches.items():
            self._originals[name, key] = getattr(self._modules[name], key, None)
            setattr(self._modules[name], key, value)

    def _leave_special(self) -> None:
        for name, key in self.patches:
            module = self._modules[name]
            self.patches[name, key] = getattr(module, key, None)
            setattr(module, key, self._originals[name, key])
        if self.uses_random:
            self._swap_generators()
        if self.moves:
            os.chdir(self._folder)

    def _swap_generators(self) -> None:
        """Exchange the program's global generators and the reward's."""
        outside = (_PY_GET(), _NP_GET())
        _PY_SET(self.generators[0])
        _NP_SET(self.generators[1])
        self.generators = outside


# bound here: a reward function may patch the modules themselves
_PY_GET, _PY_SET = random.getstate, random.setstate
_NP_GET, _NP_SET = np.random.get_state, np.random.set_state
