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

from racer.diagnostics.attribution.ledger import FileLedger
from racer.diagnostics.attribution.name_roles import (
    FUNCTION_NODES,
    SCALING_OPERATORS,
    FunctionNames,
    NameRoles,
    called_name,
    followed_functions,
    is_sum,
    variable_of,
)
from racer.diagnostics.attribution.plans import GLOBAL, NO_TERM, Variable, WatchedStatement
from racer.diagnostics.attribution.split import FRAME_NAME, ExpressionSplitter, Split, ledger_call
from racer.errors import UsageError
from racer.reward import RewardFunction

INSTANCE_NAME = "_racer_"  # of the instance's ledger in instrumented code
# a constant of the compiled file that the file's ledger takes the place of
LEDGER_MARK = "racer: the ledger of this file"
RECURSION_LIMIT = 20_000
UPDATE_SIGNS: dict[type[ast.operator], int] = {ast.Add: 1, ast.Sub: -1}

Statement = TypeVar("Statement", bound=ast.stmt)


def instrument_reward(reward: RewardFunction) -> tuple[RewardFunction, FileLedger]:
    """A copy of a reward function that keeps books, and the ledger that its calls are written into.

    UsageError when the file is nested too deeply to be taken apart.
    """
    ledger = FileLedger()
    lines = [line.encode() for line in reward.source.split("\n")]
    try:
        with _deep_recursion(), warnings.catch_warnings():
            # an invalid escape in the user's text is not ours to report
            warnings.simplefilter("ignore")
            tree = ast.parse(reward.source)
            ledger.whole = _whole_term(tree, ledger, reward)
            _instrument_module(tree, ledger, lines)
            ast.fix_missing_locations(tree)
            code = compile(tree, reward.filename, "exec", dont_inherit=True)
    except (RecursionError, MemoryError):
        raise UsageError(f"{reward.filename} is nested too deeply to be taken apart") from None
    return replace(reward, code=_with_ledger(code, ledger)), ledger


@contextmanager
def _deep_recursion() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _with_ledger(code: CodeType, ledger: FileLedger) -> CodeType:
    constants = tuple(ledger if const == LEDGER_MARK else const for const in code.co_consts)
    return code.replace(co_consts=constants)


def _whole_term(tree: ast.Module, ledger: FileLedger, reward: RewardFunction) -> int:
    """The term for a result of which nothing is known: the line that defines the function."""
    node: ast.AST = tree
    if reward.syntax.entry is not None:
        node = reward.syntax.entry
    elif tree.body:
        node = tree.body[0]
    text = reward.text_of(getattr(node, "lineno", 1)) or "reward_function"
    return ExpressionSplitter(ledger, [], NameRoles(), frozenset()).new_term(node, text=text)


def _instrument_module(tree: ast.Module, ledger: FileLedger, lines: list[bytes]) -> None:
    """Rewrite the functions of a file; its first statement makes the instance's ledger, its last
    one has the reward function's calls recorded.
    """
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTION_NODES)]
    defined = frozenset(function.name for function in functions)
    outside = _OutsideFunctions(ledger, lines, defined, followed_functions(tree, defined))
    body = [outside.visit(statement) for statement in tree.body]
    head = 0
    while head < len(body) and _is_prologue(body[head]):
        head += 1
    [first] = ast.parse(f"{INSTANCE_NAME} = {LEDGER_MARK!r}.instance()").body
    [last] = ast.parse(
        "if 'reward_function' in globals():\n"
        f"    reward_function = {INSTANCE_NAME}.entry(reward_function)"
    ).body
    if head < len(body):
        _move_to(first, body[head])
        _move_to(last, body[head])
    tree.body = [*body[:head], first, *body[head:], last]


def _is_prologue(node: ast.stmt) -> bool:
    """A docstring or an import from `__future__`, which must stay first."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


class _OutsideFunctions(ast.NodeTransformer):
    """Finds functions, and has each of them instrumented."""

    def __init__(
        self,
        ledger: FileLedger,
        lines: list[bytes],
        defined: frozenset[str],
        followed: frozenset[str],
    ) -> None:
        self.ledger = ledger
        self.lines = lines
        self.defined = defined
        self.followed = followed

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        parameters = _parameter_names(node.args)
        names = FunctionNames(node.body, self.defined, parameters)
        is_magic = node.name.startswith("__") and node.name.endswith("__")
        if names.is_generator or not (is_magic or node.name in self.followed):
            node.body = [self.visit(statement) for statement in node.body]
            return node
        roles = names.roles()
        splitter = ExpressionSplitter(self.ledger, self.lines, roles, self.defined)
        inside = _InsideFunction(splitter, self, names.wanted_names(), node.name)
        body: list[ast.stmt] = []
        for statement in node.body:
            body += inside.rewrite(statement)
        watched = [name for name in parameters if name in roles.whole]
        node.body = self._with_frame(node, body, watched)
        return node

    def _with_frame(
        self, node: ast.FunctionDef, body: list[ast.stmt], parameters: list[str]
    ) -> list[ast.stmt]:
        """The body with a ledger's frame at its beginning, after the docstring."""
        self.ledger.parameters.append(tuple(parameters))
        arguments = ", ".join([str(len(self.ledger.parameters) - 1), *parameters])
        [frame] = ast.parse(f"{FRAME_NAME} = {INSTANCE_NAME}.frame({arguments})").body
        _move_to(frame, node.body[0])
        if ast.get_docstring(node, clean=False) is not None:
            return [body[0], frame, *body[1:]]
        return [frame, *body]


class _InsideFunction(ast.NodeTransformer):
    """Rewrites the statements of one function; functions inside it are functions of their own."""

    def __init__(
        self,
        splitter: ExpressionSplitter,
        outside: _OutsideFunctions,
        wanted: frozenset[str],
        function: str,
    ) -> None:
        self.splitter = splitter
        self.outside = outside
        self.wanted = wanted
        self.function = function

    def rewrite(self, statement: ast.stmt) -> list[ast.stmt]:
        """A statement, and those that tell the ledger of it."""
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
        term = self.splitter.new_term(node)
        self.splitter.open_term = term
        plan, code = self.splitter.split(node.value, term)
        statement = self._add_statement(WatchedStatement(plan, term))
        returned = ledger_call("return_value", node, statement, code)
        return ast.copy_location(ast.Return(returned), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        return self._rewrite_assignment(node, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        return self._rewrite_assignment(node, [node.target])

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        variable = self._watched_variable(node.target)
        if variable is None:
            return node
        target = ast.unparse(node.target)
        term = self.splitter.new_term(node)
        old_term = self.splitter.new_term(node, text=f"{target}, from before")
        sign = UPDATE_SIGNS.get(type(node.op), 0)
        called = {called_name(part) for part in ast.walk(node.value) if isinstance(part, ast.Call)}
        names_parts = not is_sum(node.value) and self.function not in called
        plan = None
        if sign:
            self.splitter.open_term = term if self.function in called else NO_TERM
            plan, node.value = self._split_added(node.value, term, called)
        statement = self._add_statement(
            WatchedStatement(
                plan,
                term,
                variable=variable,
                old_term=old_term,
                sign=sign,
                scales=isinstance(node.op, SCALING_OPERATORS),
                names_parts=names_parts,
            )
        )
        owner = [] if variable.is_local else [_owner_code(variable)]
        after = _ledger_statement("update", node, statement, _load_code(target), *owner)
        if sign:
            return [node, after]
        before = _ledger_statement("before_update", node, _load_code(target))
        return [before, node, after]

    def _split_added(self, value: ast.expr, term: int, called: set[str]) -> Split:
        """What an update adds, and what is noted of it in the ledger."""
        ledger = self.splitter.ledger
        if is_sum(value):
            ledger.update_sums.add((value.lineno, self.splitter.source_of(value)))
        split = self.splitter.split(value, term)
        ledger.whole_calls.discard(term)
        if not called & self.splitter.defined:
            ledger.plain_updates.add(term)
        return split

    def _rewrite_assignment(
        self, node: ast.Assign | ast.AnnAssign, targets: list[ast.expr]
    ) -> ast.AST | list[ast.stmt]:
        names: list[str] = []
        members: list[Variable] = []
        for target in targets:
            variable = self._watched_variable(target)
            if variable is None:
                return node
            if variable.is_local:
                names.append(str(variable.key))
            else:
                members.append(variable)
        if len(members) > 1 or node.value is None:
            return node
        member = members[0] if members else None
        term = self.splitter.new_term(node)
        plan, code = self.splitter.split(node.value, term)
        statement = self._add_statement(WatchedStatement(plan, term, tuple(names), member))
        node.value = ledger_call("assign", node, statement, code)
        if member is None:
            return node
        return [node, _ledger_statement("assign_member", node, statement, _owner_code(member))]

    def _watched_variable(self, target: ast.expr) -> Variable | None:
        """Where a target keeps its value, if that is worth watching."""
        if not isinstance(target, ast.Name):
            return variable_of(target)
        roles = self.splitter.names
        if target.id in roles.declared_global:
            return Variable(GLOBAL, target.id)
        if target.id in self.wanted - roles.declared_nonlocal:
            return Variable("", target.id)
        return None

    def _add_statement(self, statement: WatchedStatement) -> int:
        statements = self.splitter.ledger.statements
        statements.append(statement)
        return len(statements) - 1


def _ledger_statement(method: str, at: ast.AST, *arguments: ast.expr | str | int) -> ast.stmt:
    return ast.copy_location(ast.Expr(ledger_call(method, at, *arguments)), at)


def _load_code(target: str) -> ast.expr:
    return ast.parse(target, mode="eval").body


def _owner_code(variable: Variable) -> ast.expr:
    if variable.owner == GLOBAL:
        return ast.Constant(GLOBAL)
    return ast.Name(variable.owner, ast.Load())


def _move_to(node: Statement, place: ast.AST) -> None:
    """Give a statement and all in it the line and column of another node."""
    for part in ast.walk(node):
        ast.copy_location(part, place)


def _parameter_names(arguments: ast.arguments) -> list[str]:
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
