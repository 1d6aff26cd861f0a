"""What a reward file's syntax tree tells without running it: imports, and the lines that sentences
point to.
"""

from __future__ import annotations

import ast
import warnings
from functools import cached_property

MUTATING_METHODS = {
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
}
THREAD_STARTERS = {
    "Thread",
    "Timer",
    "ThreadPoolExecutor",
    "ThreadPool",
    "start_new_thread",
    "Process",
    "Pool",
}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class RewardSyntax:
    """Questions to the syntax tree of one file. Lines count from 1; without an answer the list is
    empty.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        with warnings.catch_warnings():
            # an invalid escape in the user's text is not ours to report
            warnings.simplefilter("ignore")
            self.tree = ast.parse(source)
        self._nodes = list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> frozenset[str]:
        """Top-level names of everything that is imported anywhere in the file."""
        modules = []
        for node in self._nodes:
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.append(node.module)
        return frozenset(module.partition(".")[0] for module in modules)

    @cached_property
    def entry(self) -> FunctionNode | None:
        """The last `def reward_function` in the file."""
        last = None
        for node in self._nodes:
            if isinstance(node, FunctionNode) and node.name == "reward_function":
                last = node
        return last

    @cached_property
    def mutations(self) -> list[int]:
        """Lines that change the params dict or a list in it, as far as names show it."""
        if self.entry is None:
            return []
        arguments = self.entry.args
        first = next(iter([*arguments.posonlyargs, *arguments.args]), None)
        if first is None:
            return []
        names = {first.arg}
        for node in self._nodes:
            names.update(_aliases(node, first.arg))
        lines = set()
        for node in self._nodes:
            if isinstance(node, ast.stmt | ast.expr) and _mutates(node, names):
                lines.add(node.lineno)
        return sorted(lines)

    @cached_property
    def starts(self) -> list[int]:
        """Lines that start, or make, a thread or a process."""
        calls = [node for node in self._nodes if isinstance(node, ast.Call)]
        return sorted({call.lineno for call in calls if _last_name(call.func) in THREAD_STARTERS})


def _aliases(node: ast.AST, param: str) -> list[str]:
    """Names bound by `name = params[...]`."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Subscript):
        return []
    if _root(node.value) != param:
        return []
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _mutates(node: ast.AST, names: set[str]) -> bool:
    """Whether a node changes what one of the names stands for."""
    if isinstance(node, ast.Assign | ast.Delete):
        return any(_is_part_of(target, names) for target in node.targets)
    if isinstance(node, ast.AugAssign):
        return _is_part_of(node.target, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in MUTATING_METHODS and _root(node.func.value) in names
    return False


def _is_part_of(target: ast.expr, names: set[str]) -> bool:
    """Whether this is `name[...]`."""
    return isinstance(target, ast.Subscript) and _root(target) in names


def _root(node: ast.AST) -> str | None:
    """The name under any depth of subscripts."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
