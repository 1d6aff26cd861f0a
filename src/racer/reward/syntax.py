"""What a reward file's syntax tree tells without running it: imports, and the lines that sentences
point to.
"""

from __future__ import annotations

import ast
import warnings
from functools import cached_property

MUTATING_METHODS = {"append", "clear", "extend", "insert", "pop", "popitem"}
MUTATING_METHODS |= {"remove", "reverse", "setdefault", "sort", "update"}
THREAD_STARTERS = {
    "Thread",
    "Timer",
    "ThreadPoolExecutor",
    "ThreadPool",
    "start_new_thread",
    "Process",
    "Pool",
}


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
        names = [
            alias.name
            for node in self._nodes
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        names += [
            n.module
            for n in self._nodes
            if isinstance(n, ast.ImportFrom) and n.module and not n.level
        ]
        return frozenset(name.partition(".")[0] for name in names)

    @cached_property
    def entry(self) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The last `def reward_function` in the file."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = [n for n in self._nodes if isinstance(n, kinds) and n.name == "reward_function"]
        return found[-1] if found else None

    @cached_property
    def mutations(self) -> list[int]:
        """Lines that change the params dict or a list in it, as far as names show it."""
        arguments = self.entry.args if self.entry else None
        first = [*arguments.posonlyargs, *arguments.args][:1] if arguments else []
        if not first:
            return []
        param = first[0].arg
        held = {param} | {name for node in self._nodes for name in _aliases(node, param)}
        places = [node for node in self._nodes if isinstance(node, ast.stmt | ast.expr)]
        return sorted({node.lineno for node in places if _changes(node, held)})

    @cached_property
    def starts(self) -> list[int]:
        """Lines that start, or make, a thread or a process."""
        calls = [node for node in self._nodes if isinstance(node, ast.Call)]
        return sorted({call.lineno for call in calls if _last_name(call.func) in THREAD_STARTERS})


def _aliases(node: ast.AST, param: str) -> list[str]:
    """Names bound by `name = params[...]`."""
    if not (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and _root(node.value) == param
    ):
        return []
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _changes(node: ast.AST, held: set[str]) -> bool:
    if isinstance(node, ast.Assign | ast.Delete):
        return any(
            isinstance(target, ast.Subscript) and _root(target) in held for target in node.targets
        )
    if isinstance(node, ast.AugAssign):
        return isinstance(node.target, ast.Subscript) and _root(node.target) in held
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in MUTATING_METHODS and _root(node.func.value) in held
    return False


def _root(node: ast.AST) -> str | None:
    """The name under any depth of subscripts."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
