"""What a piece of syntax is: sums, factors, calls, and the names in it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from racer.diagnostics.attribution.plans import Variable

# functions that return the value of their first argument, more or less
PASS_ON_FUNCTIONS = {"float", "int", "round", "float64", "float32"}
# functions that return one of their arguments, more or less
PICK_FUNCTIONS = {"max", "min", "abs", "fabs", "clip", "maximum", "minimum"}
SIZE_FUNCTIONS = {"abs", "fabs"}  # those of a difference are one term
SUM_FUNCTIONS = {"sum", "fsum"}
FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SCOPE_NODES = (*FUNCTION_NODES, ast.Lambda)
COMPREHENSION_NODES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_sum(node: ast.AST) -> TypeGuard[ast.BinOp]:
    """Whether it is `a + b` or `a - b`."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def is_negation(node: ast.AST) -> TypeGuard[ast.UnaryOp]:
    """Whether it is `-a`, of anything but a number."""
    if not isinstance(node, ast.UnaryOp) or not isinstance(node.op, ast.USub):
        return False
    return not isinstance(node.operand, ast.Constant)


def signed_summands(node: ast.expr, sign: int = 1) -> list[tuple[int, ast.expr]]:
    """The summands of a sum in their order, each with +1 or -1; an expression that is no sum is its
    own only one.
    """
    if not is_sum(node):
        return [(sign, node)]
    right_sign = sign if isinstance(node.op, ast.Add) else -sign
    return [*signed_summands(node.left, sign), *signed_summands(node.right, right_sign)]


def factors_of(node: ast.expr) -> list[ast.expr]:
    """The factors of a product, without what it is divided by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors_of(node.left), *factors_of(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return factors_of(node.left)
    return [node]


def called_name(node: ast.Call) -> str:
    """The last part of what is called: `clip` of `np.clip`; empty for what has no name."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    if isinstance(node.func, ast.Name):
        return node.func.id
    return ""


def is_call_of(node: ast.AST, names: Iterable[str]) -> TypeGuard[ast.Call]:
    """Whether it is a call of one of these names."""
    return isinstance(node, ast.Call) and called_name(node) in names


def variable_of(node: ast.expr) -> Variable | None:
    """The variable that `self.total` or `state["total"]` is; None for what is reached in a longer
    way.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return Variable(node.value.id, node.attr)
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return None
    if not isinstance(node.slice, ast.Constant):
        return None
    key = node.slice.value
    return Variable(node.value.id, key if isinstance(key, str) else f"[{key!r}]")


def own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes and all below them, in the order of the text, but for what is inside of functions
    and comprehensions: that runs in a scope of its own.
    """
    waiting = [*nodes][::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*SCOPE_NODES, *COMPREHENSION_NODES)):
            waiting += [*ast.iter_child_nodes(node)][::-1]


def names_in(node: ast.AST) -> set[str]:
    """The names in an expression, in its own scope."""
    return {n.id for n in own_nodes([node]) if isinstance(n, ast.Name)}


def shorten_source(text: str, max_chars: int) -> str:
    """Source on one line, cut off where it is longer."""
    line = " ".join(text.split())
    if len(line) > max_chars:
        return line[: max_chars - 3] + "..."
    return line
