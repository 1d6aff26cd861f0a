"""What the names of a reward file mean to its result: which are running totals, which lead on to what
was assigned to them, and which functions can matter at all.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from racer.diagnostics.attribution.plans import Variable

# functions that return the value of their first argument, more or less
PASS_ON_FUNCTIONS = {"float", "int", "round", "float64", "float32"}
# functions that return one of their arguments, more or less
PICK_FUNCTIONS = {"max", "min", "abs", "fabs", "clip", "maximum", "minimum"}
SIZE_FUNCTIONS = {"abs", "fabs"}  # those of a difference are one term
SUM_FUNCTIONS = {"sum", "fsum"}
SCALING_OPERATORS = (ast.Div, ast.Pow)  # what a running total may be the left side of
FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CONSTANT_NODES = (
    ast.Constant,
    ast.Name,
    ast.BinOp,
    ast.UnaryOp,
    ast.operator,
    ast.unaryop,
    ast.expr_context,
)
SCOPE_NODES = (*FUNCTION_NODES, ast.Lambda)
COMPREHENSION_NODES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Assignment = tuple[str, ast.expr]


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
    """The factors of a product, without the constants that it is divided by; a quotient of anything
    else is a factor.
    """
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors_of(node.left), *factors_of(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_constant(node.right):
        return factors_of(node.left)
    return [node]


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is made of numbers and names in capitals alone."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not part.id.isupper():
            return False
        if not isinstance(part, CONSTANT_NODES):
            return False
    return True


def is_linear_in(node: ast.expr, name: str) -> bool:
    """Whether an expression is a name times something, or divided by it, or a power of that."""
    if isinstance(node, ast.Name):
        return node.id == name
    if isinstance(node, ast.UnaryOp):
        return is_linear_in(node.operand, name)
    if is_call_of(node, PASS_ON_FUNCTIONS | PICK_FUNCTIONS):
        return any(is_linear_in(argument, name) for argument in node.args)
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, ast.Mult):
        return is_linear_in(node.left, name) or is_linear_in(node.right, name)
    return isinstance(node.op, SCALING_OPERATORS) and is_linear_in(node.left, name)


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


@dataclass(frozen=True)
class NameRoles:
    """What the names of one function mean to its result.

    `running` are updated from their own value, `chosen` are assigned in several places, `whole` are
    worth following when they are all of an expression; each includes the one before. `declared_global`
    and `declared_nonlocal` are declared so; the latter cannot be followed.
    """

    running: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    declared_global: frozenset[str] = frozenset()
    declared_nonlocal: frozenset[str] = frozenset()


class FunctionNames:
    """The names of one function (a class: what is found is needed for several questions).

    `body` are its statements, `defined` the functions and classes of the file.
    """

    def __init__(
        self, body: list[ast.stmt], defined: frozenset[str], parameters: list[str] | None = None
    ) -> None:
        self.nodes = list(own_nodes(body))
        self.defined = defined
        self.parameters = parameters or []
        self.assignments: list[Assignment] = []
        for node in self.nodes:
            self.assignments += assignments_in(node)

    @property
    def is_generator(self) -> bool:
        """Whether it yields or awaits: it does not run in one go, and cannot be watched."""
        return any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in self.nodes)

    def roles(self) -> NameRoles:
        """What each name means to the result, from all assignments to it."""
        running = self._running_names()
        backward = self._backward_names()
        chosen = running | (self._assigned_often() - backward)
        whole = chosen | backward
        for name, value in self._assigned_once().items():
            if is_made_of_terms(value, self.defined):
                whole.add(name)
            if is_call_of(value, self.defined):
                chosen.add(name)
        whole |= self.returned_names() & set(self.parameters)
        return NameRoles(
            running=frozenset(running),
            chosen=frozenset(chosen),
            whole=frozenset(whole),
            declared_global=frozenset(self._declared(ast.Global)),
            declared_nonlocal=frozenset(self._declared(ast.Nonlocal)),
        )

    def returned_names(self) -> set[str]:
        """Names that returned values are computed from."""
        names: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.Return) and node.value is not None:
                names |= self._names_reaching(node.value)
        return names

    def wanted_names(self) -> frozenset[str]:
        """Names whose values can become part of what the function returns, or of an attribute, item
        or global.
        """
        wanted = self.returned_names() | self._declared(ast.Global)
        for node in self.nodes:
            if isinstance(node, ast.Assign | ast.AugAssign) and not _assigns_to_names(node):
                wanted |= self._names_reaching(node.value)
        while True:
            reaching: set[str] = set()
            for name, value in self.assignments:
                if name in wanted:
                    reaching |= self._names_reaching(value)
            if reaching <= wanted:
                return frozenset(wanted)
            wanted |= reaching

    def _running_names(self) -> set[str]:
        """Names that are updated: `total += x`, `total = total + x`."""
        running = {name for name, value in self.assignments if _adds_to(value, name, 1)}
        for node in self.nodes:
            if isinstance(node, ast.AugAssign):
                running |= {name for name, _ in assignments_in(node)}
        return running

    def _backward_names(self) -> set[str]:
        """Names that are computed from themselves in another way: `x = 1 - x`."""
        backward = set()
        for node in self.nodes:
            if isinstance(node, ast.AugAssign):
                continue
            for name, value in assignments_in(node):
                if name in names_in(value) and not _adds_to(value, name, 1):
                    backward.add(name)
        return backward

    def _assigned_often(self) -> set[str]:
        counts = Counter(self.parameters)
        counts.update(name for name, _ in self.assignments)
        return {name for name, count in counts.items() if count > 1}

    def _assigned_once(self) -> dict[str, ast.expr]:
        often = self._assigned_often()
        return {name: value for name, value in self.assignments if name not in often}

    def _declared(self, kind: type[ast.Global] | type[ast.Nonlocal]) -> set[str]:
        names: set[str] = set()
        for node in self.nodes:
            if isinstance(node, kind):
                names |= set(node.names)
        return names

    def _names_reaching(self, value: ast.expr) -> set[str]:
        """Names that a value is computed from, without those that only choose, index or compare."""
        parts = parts_of_value(value, self.defined)
        return {part.id for part in parts if isinstance(part, ast.Name)}


def assignments_in(node: ast.AST) -> list[Assignment]:
    """Names that a node binds, each with the value."""
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.value)] if node.value is not None else []
    return []


def is_made_of_terms(value: ast.expr, defined: frozenset[str]) -> bool:
    """Whether a value that is assigned once is made of terms by its looks."""
    if is_call_of(value, PASS_ON_FUNCTIONS | PICK_FUNCTIONS) and value.args:
        return any(is_made_of_terms(argument, defined) for argument in value.args)
    return isinstance(value, ast.IfExp | ast.BinOp) or is_call_of(value, defined)


def followed_functions(tree: ast.Module, defined: frozenset[str]) -> frozenset[str]:
    """Names of functions whose results can become part of a value, or that are passed around;
    others need no books.
    """
    called: set[str] = set()
    heads: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            heads.add(node.func)
        if isinstance(node, ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign):
            parts = parts_of_value(node.value, defined) if node.value is not None else ()
            called |= {called_name(part) for part in parts if isinstance(part, ast.Call)}
    passed_around = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in heads
    }
    return frozenset(called | passed_around | {"reward_function"})


def parts_of_value(value: ast.expr, defined: frozenset[str]) -> Iterator[ast.expr]:
    """The expressions in a value whose own value can become part of it."""
    yield value
    known = defined | PASS_ON_FUNCTIONS | PICK_FUNCTIONS | SUM_FUNCTIONS
    parts: list[ast.expr] = []
    match value:
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.UnaryOp(operand=operand):
            parts = [operand]
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.Call(args=arguments) if called_name(value) in known:
            parts = arguments
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            parts = elements
    for part in parts:
        yield from parts_of_value(part, defined)


def _adds_to(value: ast.expr, name: str, sign: int) -> bool:
    """Whether a value is `name` itself plus or times something, through rounding and clipping too.

    `sign` is -1 inside of what is subtracted: `1 - total` adds nothing to a total.
    """
    if isinstance(value, ast.Name):
        return value.id == name and sign > 0
    if isinstance(value, ast.IfExp):
        return any(_adds_to(branch, name, sign) for branch in (value.body, value.orelse))
    if is_call_of(value, PASS_ON_FUNCTIONS | PICK_FUNCTIONS):
        return any(_adds_to(argument, name, sign) for argument in value.args)
    if not isinstance(value, ast.BinOp):
        return False
    if _adds_to(value.left, name, sign):
        return True
    if isinstance(value.op, ast.Add | ast.Mult):
        return _adds_to(value.right, name, sign)
    return isinstance(value.op, ast.Sub) and _adds_to(value.right, name, -sign)


def _assigns_to_names(node: ast.Assign | ast.AugAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(target, ast.Name) for target in targets)
