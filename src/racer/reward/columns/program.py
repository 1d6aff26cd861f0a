"""A reward file, walked over the columns of many steps: the rewards of thousands of calls at once.

The syntax tree is data here: it is walked, and nothing of it is compiled or run. A condition divides
the steps: each branch is walked with those steps only that come to it, so nothing is calculated that
the file would not calculate. What the file remembers from call to call (`LAST["progress"]`) is a
column, too: a first round guesses that nothing was remembered, the next one begins with what the
calls before left behind, and once a round leaves behind what it began with, every step saw what it
would have seen, one call after the other.

Everything else that a file may do, such as to print, draw random numbers or define classes, raises
`NotColumnar`, and so does all that raises in the file. Then the file itself must be called.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.columns.calls import list_items
from racer.reward.columns.expressions import SYMBOLS, ColumnExpressions
from racer.reward.columns.frames import (
    Frame,
    LoopExits,
    join_frames,
    leave_call,
)
from racer.reward.columns.names import PARAMS, FileNames, local_names, memory_cell
from racer.reward.columns.values import (
    PLAIN_TYPES,
    NotColumnar,
    Sparse,
    Value,
    join_rows,
    same_values,
    take_rows,
)
from racer.reward.errors import MAX_ABS_REWARD
from racer.reward.load import RewardFunction

MAX_ROUNDS = 4
"""Rounds in which what the calls remember must have settled."""
MAX_LOOPS = 2000
MAX_CALL_DEPTH = 12

Array = NDArray[np.float64]


class ColumnProgram:
    """What a reward file pays for many steps at once, from the columns of their params.

    `namespace` is that of a fresh instance of the file, whose constants are read. Raises NotColumnar
    for a file that cannot be walked.

    Examples
    --------
    >>> from racer.reward import RewardBatch, load_reward
    >>> import numpy as np
    >>> reward = load_reward("stay_on_track")
    >>> program = ColumnProgram(reward, RewardBatch(reward, n=1).namespace)
    >>> columns = {"all_wheels_on_track": np.array([True, False])}
    >>> program(columns, 2, np.array([0])).tolist()
    [1.0, 0.001]
    """

    def __init__(self, reward: RewardFunction, namespace: Mapping[str, Any]) -> None:
        self._tree = reward.syntax.tree
        self._file = FileNames(self._tree, namespace)
        entry = self._file.constant("reward_function")
        if not isinstance(entry, ast.FunctionDef):
            raise NotColumnar("no plain reward_function")
        self._entry = entry

    @cached_property
    def words(self) -> frozenset[str]:
        """Every text in the file, the keys of params among them that it may ask for."""
        nodes = ast.walk(self._tree)
        constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
        return frozenset(value for value in constants if isinstance(value, str))

    @property
    def remembers(self) -> bool:
        """Whether the file keeps something from call to call."""
        return bool(self._file.memory)

    def __call__(self, columns: Mapping[str, Value], count: int, starts: NDArray[np.intp]) -> Array:
        """(count,) rewards of as many calls with the params in `columns` (count,), at least those in `words`.

        At each of the rows `starts` a fresh instance is called for the first time. Raises NotColumnar
        when a call raises, or returns what the real job refuses.
        """
        before = {name: _fill(value, count) for name, value in self._file.memory.items()}
        for number in range(MAX_ROUNDS):
            walker = _Walker(self._file)
            walker.values.lenient = bool(before) and number == 0
            try:
                with np.errstate(all="ignore"):
                    paid, after = walker.call_entry(self._entry, columns, count, before)
            except RecursionError:
                raise NotColumnar("an expression that is nested deeply") from None
            shifted = {
                name: _shift(after[name], starts, value, count)
                for name, value in self._file.memory.items()
            }
            is_settled = all(same_values(shifted[name], before[name]) for name in before)
            if is_settled and not walker.values.lenient:
                return _as_rewards(paid, count)
            before = shifted
        raise NotColumnar("a memory that goes back more than one step")


def _fill(value: Value, count: int) -> Value:
    """A plain number or None for every row."""
    if value is None:
        return Sparse(np.zeros(count), np.ones(count, np.bool_))
    return np.full(count, value)


def _shift(after: Value, starts: NDArray[np.intp], initial: Value, count: int) -> Value:
    """(n,) what each call begins with: what the one before it left, the initial value at starts."""
    if type(after) in PLAIN_TYPES:
        after = _fill(after, count)
    rows = np.setdiff1d(np.arange(1, count), starts, assume_unique=True)
    return join_rows(count, [(rows, take_rows(after, rows - 1)), (starts, initial)])


def _as_rewards(paid: Value, count: int) -> Array:
    if not isinstance(paid, np.ndarray):
        if type(paid) not in (bool, int, float):
            raise NotColumnar("a reward that is no number")
        paid = np.full(count, float(paid))
    rewards: Array = paid.astype(np.float64)
    if not np.all(np.abs(rewards) <= MAX_ABS_REWARD):
        raise NotColumnar("a reward that the real job refuses")
    return rewards


class _Walker(ColumnExpressions):
    """One walk through the file."""

    def __init__(self, file: FileNames) -> None:
        super().__init__(file)
        self._returned: list[list[tuple[Frame, Value]]] = []
        self._loops: list[LoopExits] = []
        self._depth = 0
        self._hidden = 0

    def call_entry(
        self,
        entry: ast.FunctionDef,
        columns: Mapping[str, Value],
        count: int,
        memory: Mapping[str, Value],
    ) -> tuple[Value, dict[str, Value]]:
        """What `reward_function` returns for every row, and what is remembered after it."""
        frame = Frame(count)
        for key, column in columns.items():
            frame.names[f"%{key}"] = column
        for name, value in memory.items():
            frame.names[f".{name}"] = value
        paid = self.call_function(entry, [PARAMS], {}, frame)
        return paid, {name: frame.find(f".{name}") for name in memory}

    def call_function(
        self,
        function: ast.FunctionDef,
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        caller: Frame,
    ) -> Value:
        """What a function of the file returns for the rows of the caller."""
        if self._depth >= MAX_CALL_DEPTH:
            raise NotColumnar("deep recursion", function.lineno)
        frame = Frame(caller.count, origin=caller, is_call=True)
        frame.names.update(_bind(function, arguments, keywords))
        self._depth += 1
        self._returned.append([])
        loops = self._loops
        names = self.locals
        self._loops = []
        self.locals = local_names(function)
        end = self.run_block(function.body, frame)
        self.locals = names
        self._loops = loops
        self._depth -= 1
        ends = self._returned.pop()
        if end is not None:
            ends.append((end, None))
        return leave_call(caller, frame, ends)

    def run_block(self, statements: Sequence[ast.stmt], frame: Frame) -> Frame | None:
        """The rows that go on after the statements, None where none does."""
        current: Frame | None = frame
        for statement in statements:
            if current is None:
                return None
            try:
                current = self._run(statement, current)
            except NotColumnar as error:
                error.line = error.line or statement.lineno
                raise
        return current

    def _run(self, node: ast.stmt, frame: Frame) -> Frame | None:
        method = getattr(self, f"_run_{type(node).__name__}", None)
        if method is None:
            raise NotColumnar(f"a statement that is no column's: {type(node).__name__}")
        result: Frame | None = method(node, frame)
        return result

    def _run_Pass(self, node: ast.Pass, frame: Frame) -> Frame:
        return frame

    _run_Global = _run_Pass

    def _run_Expr(self, node: ast.Expr, frame: Frame) -> Frame:
        self.evaluate(node.value, frame)
        return frame

    def _run_Import(self, node: ast.Import, frame: Frame) -> Frame:
        for alias in node.names:
            if alias.name != "math":
                raise NotColumnar(f"import {alias.name}")
            frame.names[alias.asname or "math"] = math
        return frame

    def _run_Return(self, node: ast.Return, frame: Frame) -> None:
        value = None if node.value is None else self.evaluate(node.value, frame)
        self._returned[-1].append((frame, value))

    def _run_Assign(self, node: ast.Assign, frame: Frame) -> Frame:
        value = self.evaluate(node.value, frame)
        for target in node.targets:
            self.assign(target, value, frame)
        return frame

    def _run_AnnAssign(self, node: ast.AnnAssign, frame: Frame) -> Frame:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value, frame), frame)
        return frame

    def _run_AugAssign(self, node: ast.AugAssign, frame: Frame) -> Frame:
        symbol = SYMBOLS.get(type(node.op))
        if symbol is None:
            raise NotColumnar(type(node.op).__name__)
        before = self.evaluate(node.target, frame)
        value = self.values.binary(symbol, before, self.evaluate(node.value, frame))
        self.assign(node.target, value, frame)
        return frame

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        if isinstance(target, ast.Name):
            is_memory = target.id in self.file.memory and target.id not in self.locals
            frame.names[f".{target.id}" if is_memory else target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value, frame)
        else:
            cell = memory_cell(target)
            if cell is None or cell[0] in self.locals:
                raise NotColumnar("an assignment to a part of something")
            frame.names[f".{cell[0]}.{cell[1]!r}"] = value

    def _unpack(self, targets: Sequence[ast.expr], value: Value, frame: Frame) -> None:
        if not isinstance(value, tuple) or len(value) != len(targets):
            raise NotColumnar("an assignment to several names")
        for target, element in zip(targets, value, strict=True):
            self.assign(target, element, frame)

    def _run_If(self, node: ast.If, frame: Frame) -> Frame | None:
        condition = self.truth(node.test, frame)
        if not isinstance(condition, np.ndarray):
            return self.run_block(node.body if condition else node.orelse, frame)
        yes = self.run_block(node.body, frame.child(np.flatnonzero(condition)))
        no = self.run_block(node.orelse, frame.child(np.flatnonzero(~condition)))
        return join_frames(frame, [yes, no])

    def _run_Try(self, node: ast.Try, frame: Frame) -> Frame | None:
        """What raises is left to the file, so no handler is ever reached."""
        if node.finalbody:
            raise NotColumnar("finally")
        return self.run_block([*node.body, *node.orelse], frame)

    def _run_Assert(self, node: ast.Assert, frame: Frame) -> Frame:
        if not np.all(self.truth(node.test, frame)):
            raise NotColumnar("an assertion that fails")
        return frame

    def _run_For(self, node: ast.For, frame: Frame) -> Frame | None:
        elements = list_items(self.evaluate(node.iter, frame))
        name = self._hide(elements, frame)
        exits = LoopExits()
        self._loops.append(exits)
        current: Frame | None = frame
        for number in range(len(elements)):
            if current is None:
                break
            self.assign(node.target, current.find(name)[number], current)
            current = self._loop_once(node.body, current, exits)
        self._loops.pop()
        if current is not None:
            current = self.run_block(node.orelse, current)
        return join_frames(frame, [current, *exits.broken])

    def _run_While(self, node: ast.While, frame: Frame) -> Frame | None:
        exits = LoopExits()
        self._loops.append(exits)
        ended: list[Frame | None] = []
        current: Frame | None = frame
        for _ in range(MAX_LOOPS):
            if current is None:
                break
            condition = self.truth(node.test, current)
            if isinstance(condition, np.ndarray):
                ended.append(current.child(np.flatnonzero(~condition)))
                goes_on = np.flatnonzero(condition)
                current = current.child(goes_on) if len(goes_on) else None
            elif not condition:
                ended.append(current)
                current = None
            if current is not None:
                current = self._loop_once(node.body, current, exits)
        self._loops.pop()
        if current is not None:
            raise NotColumnar("a long loop")
        end = join_frames(frame, ended)
        if end is not None:
            end = self.run_block(node.orelse, end)
        return join_frames(frame, [end, *exits.broken])

    def _loop_once(self, body: Sequence[ast.stmt], frame: Frame, exits: LoopExits) -> Frame | None:
        end = self.run_block(body, frame)
        current = join_frames(frame, [end, *exits.continued])
        exits.continued.clear()
        return current

    def _run_Break(self, node: ast.Break, frame: Frame) -> None:
        self._loops[-1].broken.append(frame)

    def _run_Continue(self, node: ast.Continue, frame: Frame) -> None:
        self._loops[-1].continued.append(frame)

    def _hide(self, value: Value, frame: Frame) -> str:
        """Keep a value under a name that no file can have."""
        self._hidden += 1
        name = f"0{self._hidden}"
        frame.names[name] = value
        return name


def _bind(
    function: ast.FunctionDef, arguments: Sequence[Value], keywords: Mapping[str, Value]
) -> dict[str, Value]:
    """The values of a function's arguments by name."""
    given = function.args
    if given.vararg or given.kwarg or given.kwonlyargs:
        raise NotColumnar("a function with such arguments", function.lineno)
    names = [argument.arg for argument in [*given.posonlyargs, *given.args]]
    bound = dict(zip(names, arguments, strict=False))
    bound.update(keywords)
    for name, default in zip(reversed(names), reversed(given.defaults), strict=False):
        if name not in bound:
            if not isinstance(default, ast.Constant) or type(default.value) not in PLAIN_TYPES:
                raise NotColumnar("a default value", function.lineno)
            bound[name] = default.value
    if set(bound) != set(names) or len(arguments) > len(names):
        raise NotColumnar("a call with other arguments", function.lineno)
    return bound
