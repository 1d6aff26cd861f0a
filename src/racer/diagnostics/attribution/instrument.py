"""A reward file that keeps books on itself: the same statements, operators and order, with the
ledger looking on.

What is watched are assignments to names, attributes and items that can reach a function's result,
and what functions return. Conditions, loops, imports and everything else stay as they are, and so
do line numbers.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType
from typing import TypeVar

from racer.diagnostics.attribution.ledger import FileLedger, Variable, WatchedStatement
from racer.diagnostics.attribution.split import (
    COMPREHENSIONS,
    PASS_ON_FUNCTIONS,
    PICK_FUNCTIONS,
    SCOPES,
    SUM_FUNCTIONS,
    ExpressionSplitter,
    NameRoles,
    ledger_call,
    variable_of,
)
from racer.errors import UsageError
from racer.reward import RewardFunction

# a constant of the compiled file that the book takes the place of
LEDGER_MARK = "racer: the ledger of this file"
RECURSION_LIMIT = 20_000

Statement = TypeVar("Statement", bound=ast.stmt)


def instrument_reward(reward: RewardFunction) -> tuple[RewardFunction, FileLedger]:
    """The same reward function, keeping books, and the book that its calls are written into.

    UsageError when the file is nested too deeply to be taken apart.
    """
    book = FileLedger()
    try:
        with _deep(), warnings.catch_warnings():
            # an invalid escape in the user's text is not ours to report
            warnings.simplefilter("ignore")
            tree = ast.parse(reward.source)
            book.whole = _whole(tree, book, reward)
            _instrument(tree, book, [line.encode() for line in reward.source.split("\n")])
            code = compile(
                ast.fix_missing_locations(tree), reward.filename, "exec", dont_inherit=True
            )
    except (RecursionError, MemoryError):
        raise UsageError(f"{reward.filename} is nested too deeply to be taken apart") from None
    return replace(reward, code=_with_book(code, book)), book


@contextmanager
def _deep() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _with_book(code: CodeType, book: FileLedger) -> CodeType:
    return code.replace(
        co_consts=tuple(book if const == LEDGER_MARK else const for const in code.co_consts)
    )


def _whole(tree: ast.Module, book: FileLedger, reward: RewardFunction) -> int:
    entry = reward.syntax.entry
    node: ast.AST = entry if entry is not None else tree.body[0] if tree.body else tree
    text = reward.text_of(getattr(node, "lineno", 1)) or "reward_function"
    return ExpressionSplitter(book, [], _names_of([], frozenset()), frozenset()).term(
        node, text=text
    )


def _instrument(tree: ast.Module, book: FileLedger, lines: list[bytes]) -> None:
    defined = frozenset(n.name for n in ast.walk(tree) if isinstance(n, (*SCOPES[:3],)))
    outside = _Outside(book, lines, defined, _followed(tree, defined))
    tree.body = [outside.visit(node) for node in tree.body]
    head = next((k for k, node in enumerate(tree.body) if not _is_prologue(node)), len(tree.body))
    first = ast.parse(f"_racer_ = {LEDGER_MARK!r}.instance()").body
    last = ast.parse("reward_function = _racer_.entry(reward_function)").body
    for node in (*first, *last):
        _at(node, tree.body[head] if head < len(tree.body) else node)
    guard = ast.If(ast.parse("'reward_function' in globals()", mode="eval").body, last, [])
    tree.body = [*tree.body[:head], *first, *tree.body[head:], _at(guard, last[0])]


def _is_prologue(node: ast.stmt) -> bool:
    """A docstring or an import from `__future__`, which must stay first."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


class _Outside(ast.NodeTransformer):
    """Finds functions, and has each of them instrumented."""

    def __init__(
        self,
        book: FileLedger,
        lines: list[bytes],
        defined: frozenset[str],
        followed: frozenset[str],
    ) -> None:
        self.book, self.lines, self.defined, self.followed = book, lines, defined, followed

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        own = list(_own(node.body))
        is_magic = node.name.startswith("__") and node.name.endswith("__")
        is_strange = any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in own)
        if is_strange or not (is_magic or node.name in self.followed):
            node.body = [self.visit(statement) for statement in node.body]
            return node
        parameters = _parameters(node.args)
        names = _names_of(own, self.defined, parameters)
        splitter = ExpressionSplitter(self.book, self.lines, names, self.defined)
        inside = _Inside(splitter, self, _wanted(own, self.defined))
        body = [new for statement in node.body for new in inside.all_of(statement)]
        node.body = self._framed(node, body, [p for p in parameters if p in names.whole])
        return node

    def _framed(
        self, node: ast.FunctionDef, body: list[ast.stmt], parameters: list[str]
    ) -> list[ast.stmt]:
        """The body with a ledger's frame at its beginning, after the docstring."""
        self.book.parameters.append(tuple(parameters))
        words = ", ".join([str(len(self.book.parameters) - 1), *parameters])
        first = _at(ast.parse(f"_racer_f_ = _racer_.frame({words})").body[0], node.body[0])
        has_text = ast.get_docstring(node, clean=False) is not None
        return [*body[:1], first, *body[1:]] if has_text else [first, *body]


class _Inside(ast.NodeTransformer):
    """Rewrites the statements of one function; functions inside it are functions of their own."""

    def __init__(
        self, splitter: ExpressionSplitter, outside: _Outside, wanted: frozenset[str]
    ) -> None:
        self.splitter, self.outside, self.wanted = splitter, outside, wanted

    def all_of(self, statement: ast.stmt) -> list[ast.stmt]:
        new = self.visit(statement)
        return new if isinstance(new, list) else [new]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.outside.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self.outside.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is None:
            return node
        term = self.splitter.term(node)
        plan, value = self.splitter.split(node.value, term)
        site = self._site(WatchedStatement(plan, term))
        return ast.copy_location(ast.Return(ledger_call("done", node, site, value)), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        return self._assigned(node, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        return self._assigned(node, [node.target]) if node.value is not None else node

    def _assigned(
        self, node: ast.Assign | ast.AnnAssign, targets: list[ast.expr]
    ) -> ast.AST | list[ast.stmt]:
        places = [self._place(target) for target in targets]
        held = [place for place in places if place is not None and not place.is_local]
        if None in places or len(held) > 1 or node.value is None:
            return node
        term = self.splitter.term(node)
        plan, value = self.splitter.split(node.value, term)
        names = tuple(str(place.key) for place in places if place is not None and place.is_local)
        site = self._site(WatchedStatement(plan, term, names, held[0] if held else None))
        node.value = ledger_call("end", node, site, value)
        return [node, _statement("hold", node, site, _owner(held[0]))] if held else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        place = self._place(node.target)
        if place is None:
            return node
        splitter, target = self.splitter, ast.unparse(node.target)
        sign = {ast.Add: 1, ast.Sub: -1}.get(type(node.op), 0)
        term, before = splitter.term(node), splitter.term(node, text=f"{target}, from before")
        plan = None
        if sign:
            plan, node.value = splitter.split(node.value, term)
        site = self._site(WatchedStatement(plan, term, (), place, before, sign))
        owner = [] if place.is_local else [_owner(place)]
        after = _statement("update", node, site, _loaded(target), *owner)
        return [node, after] if sign else [_statement("before", node, _loaded(target)), node, after]

    def _place(self, target: ast.expr) -> Variable | None:
        """Where a target keeps its value, if that is worth watching."""
        names = self.splitter.names
        if isinstance(target, ast.Name):
            if target.id in names.foreign:
                return Variable("global", target.id)
            return Variable("", target.id) if target.id in self.wanted - names.hidden else None
        return variable_of(target)

    def _site(self, site: WatchedStatement) -> int:
        self.splitter.book.sites.append(site)
        return len(self.splitter.book.sites) - 1


def _statement(method: str, at: ast.AST, *arguments: ast.expr | str | int) -> ast.stmt:
    return ast.copy_location(ast.Expr(ledger_call(method, at, *arguments)), at)


def _loaded(target: str) -> ast.expr:
    return ast.parse(target, mode="eval").body


def _owner(place: Variable) -> ast.expr:
    return ast.Constant("global") if place.owner == "global" else ast.Name(place.owner, ast.Load())


def _at(node: Statement, place: ast.AST) -> Statement:
    for each in ast.walk(node):
        ast.copy_location(each, place)
    return node


def _parameters(arguments: ast.arguments) -> list[str]:
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a function's body that run in its own scope."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*SCOPES, *COMPREHENSIONS)):
            waiting += ast.iter_child_nodes(node)


def _names_of(
    own: list[ast.AST], defined: frozenset[str], parameters: list[str] | None = None
) -> NameRoles:
    """What each name means to the result, from all assignments to it in a function."""
    values: dict[str, list[ast.expr | None]] = {name: [None] for name in parameters or []}
    running: set[str] = set()
    backward: set[str] = set()
    for node in own:
        for name, value in _assignments(node):
            values.setdefault(name, []).append(value)
            if isinstance(node, ast.AugAssign) or (value is not None and _adds(value, name, 1)):
                running.add(name)
            elif value is not None and name in _names_in(value):
                backward.add(name)
    chosen = running | {
        name for name, all_of in values.items() if len(all_of) > 1 and name not in backward
    }
    foreign = {name for node in own if isinstance(node, ast.Global) for name in node.names}
    hidden = {name for node in own if isinstance(node, ast.Nonlocal) for name in node.names}
    whole = (
        chosen
        | backward
        | {name for name, all_of in values.items() if _is_made(all_of[-1], defined)}
    )
    whole |= {p for p in parameters or [] if p in _returned(own, defined)}
    chosen |= {
        name
        for name, all_of in values.items()
        if len(all_of) == 1 and _is_own_call(all_of[0], defined)
    }
    return NameRoles(*map(frozenset, (running, chosen, whole, foreign, hidden)))


def _assignments(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """Names that a node binds, each with the value; None for a value that nobody can tell."""
    if isinstance(node, ast.Assign):
        return [(t.id, node.value) for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.value)] if node.value is not None else []
    return []


def _adds(value: ast.expr, name: str, sign: int) -> bool:
    """Whether a value is `name` itself plus or times something, through rounding and clipping too."""
    if isinstance(value, ast.Name):
        return value.id == name and sign > 0
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Mult):
        return _adds(value.left, name, sign) or _adds(value.right, name, sign)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub):
        return _adds(value.left, name, sign) or _adds(value.right, name, -sign)
    if isinstance(value, ast.BinOp):
        return _adds(value.left, name, sign)
    if isinstance(value, ast.IfExp):
        return _adds(value.body, name, sign) or _adds(value.orelse, name, sign)
    if isinstance(value, ast.Call) and _name_called(value) in PASS_ON_FUNCTIONS | PICK_FUNCTIONS:
        return any(_adds(argument, name, sign) for argument in value.args)
    return False


def _name_called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_own_call(value: ast.expr | None, defined: frozenset[str]) -> bool:
    return isinstance(value, ast.Call) and _name_called(value) in defined


def _is_made(value: ast.expr | None, defined: frozenset[str]) -> bool:
    """Whether a value assigned once is made of terms by its looks."""
    if (
        isinstance(value, ast.Call)
        and _name_called(value) in PASS_ON_FUNCTIONS | PICK_FUNCTIONS
        and value.args
    ):
        return any(_is_made(argument, defined) for argument in value.args)
    is_sum = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub)
    return is_sum or isinstance(value, ast.IfExp | ast.BinOp) or _is_own_call(value, defined)


def _names_in(value: ast.expr) -> set[str]:
    return {n.id for n in _own([ast.Expr(value)]) if isinstance(n, ast.Name)}


def _returned(own: list[ast.AST], defined: frozenset[str]) -> set[str]:
    values = [n.value for n in own if isinstance(n, ast.Return) and n.value is not None]
    return {name for value in values for name in _reached(value, defined)}


def _wanted(own: list[ast.AST], defined: frozenset[str]) -> frozenset[str]:
    """Names whose values can become part of what the function returns, or of an attribute, item or
    global.
    """
    assigned = [pair for node in own for pair in _assignments(node) if pair[1] is not None]
    kept = [
        n.value for n in own if isinstance(n, ast.Assign | ast.AugAssign) and not _is_name_target(n)
    ]
    foreign = {name for node in own if isinstance(node, ast.Global) for name in node.names}
    found = (
        _returned(own, defined)
        | foreign
        | {name for value in kept for name in _reached(value, defined)}
    )
    count = -1
    while count != len(found):
        count = len(found)
        found |= {
            name
            for target, value in assigned
            if target in found and value
            for name in _reached(value, defined)
        }
    return frozenset(found)


def _is_name_target(node: ast.Assign | ast.AugAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(target, ast.Name) for target in targets)


def _reached(value: ast.expr, defined: frozenset[str]) -> list[str]:
    """Names that a value is computed from, without those that only choose, index or compare."""
    return [node.id for node in _amounts_in(value, defined) if isinstance(node, ast.Name)]


def _followed(tree: ast.Module, defined: frozenset[str]) -> frozenset[str]:
    """Names of functions whose results can become part of a value, or that are handed around;
    others need no books.
    """
    kinds = (ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign)
    values = [
        node.value for node in ast.walk(tree) if isinstance(node, kinds) and node.value is not None
    ]
    nodes = [node for value in values for node in _amounts_in(value, defined)]
    called = {_name_called(node) for node in nodes if isinstance(node, ast.Call)}
    heads = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    around = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in heads
    }
    return frozenset(called | around | {"reward_function"})


def _amounts_in(value: ast.expr, defined: frozenset[str]) -> Iterator[ast.expr]:
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
        case ast.Call(args=arguments) if _name_called(value) in known:
            parts = arguments
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            parts = elements
    for part in parts:
        yield from _amounts_in(part, defined)
