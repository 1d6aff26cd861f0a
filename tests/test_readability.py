"""How dense and how ambiguous the code of src is, in the figures of fourteen model codebases.

Look at the code, not at the figure: each of them can be met by making the code worse. They are held
together, so that none is met at the cost of another.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "racer"

MAX_TOKENS_PER_LINE = 9.0
MAX_PARALLEL_ASSIGNMENTS = 6.0  # per 1,000 code lines
MAX_TERNARIES = 15.0  # per 1,000 code lines
MAX_COMPREHENSION_CLAUSES = 2
MAX_SHARED_FUNCTION_NAMES = 30
MAX_ONE_WORD_FRACTION = 0.35  # of the public functions
MAX_OPAQUE_NAMES = 200

OPAQUE = {
    "told", "found", "share", "way", "aside", "said", "seen", "worn", "one", "what", "which", "mine",
    "here", "there", "held", "handed", "drawn", "laid",
}  # fmt: skip
"""Words that say nothing of what a variable holds."""

CODE_TOKENS = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, str]:
    """The source of every module, by its path in the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in files}


@cache
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(source) for name, source in modules().items()}


@cache
def token_rows() -> dict[str, list[int]]:
    """By module, the row of each token that is code: no comment, no end of a line."""
    return {name: rows_of_tokens(source) for name, source in modules().items()}


def rows_of_tokens(source: str) -> list[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.start[0] for token in tokens if token.type in CODE_TOKENS]


def code_lines() -> int:
    """How many lines hold a token of code; those of a docstring count as one."""
    return sum(len(set(rows)) for rows in token_rows().values())


def nodes(kind: object) -> Iterator[tuple[str, ast.AST]]:
    """Every node of a kind, with a word for its place."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, kind):  # type: ignore[arg-type]
                yield f"{module}:{getattr(node, 'lineno', 0)}", node


def per_thousand_lines(count: int) -> float:
    return 1000.0 * count / code_lines()


def contains(node: ast.AST, kind: object) -> bool:
    """Whether a node of a kind is within another one."""
    inner = (child for child in ast.walk(node) if child is not node)
    return any(isinstance(child, kind) for child in inner)  # type: ignore[arg-type]


def assigns_in_parallel(node: ast.AST) -> bool:
    """Whether it is an assignment like `a, b = x, y`."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        and len(node.value.elts) > 1
    )


def has_too_many_clauses(node: ast.AST) -> bool:
    """Whether a comprehension has, with those within it, more `for` clauses than are easily read."""
    clauses = [child for child in ast.walk(node) if isinstance(child, ast.comprehension)]
    return len(clauses) > MAX_COMPREHENSION_CLAUSES


def public_names(kind: type) -> Counter[str]:
    """How many modules define a public function or class of each name."""
    return Counter(
        node.name  # type: ignore[attr-defined]
        for tree in trees().values()
        for node in tree.body
        if isinstance(node, kind) and not node.name.startswith("_")  # type: ignore[attr-defined]
    )


def variable_names() -> Iterator[str]:
    """The names of variables and parameters, once for each time that one is written."""
    for _, node in nodes(ast.Name | ast.arg):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def misplaced_constants(tree: ast.Module) -> list[str]:
    """Names that are assigned below a function or class, though nothing that they are made from is
    defined there.
    """
    defined_below: set[str] = set()
    misplaced: list[str] = []
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            defined_below.add(node.name)
        elif defined_below and isinstance(node, ast.Assign | ast.AnnAssign):
            names = [child for child in ast.walk(node) if isinstance(child, ast.Name)]
            assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
            if {name.id for name in names} & defined_below:
                defined_below |= assigned
            else:
                misplaced += sorted(assigned)
    return misplaced


def tokens_per_line() -> float:
    return sum(map(len, token_rows().values())) / code_lines()


def parallel_assignments() -> float:
    count = sum(assigns_in_parallel(node) for _, node in nodes(ast.Assign))
    return per_thousand_lines(count)


def ternaries() -> float:
    return per_thousand_lines(sum(1 for _ in nodes(ast.IfExp)))


def shared_function_names() -> int:
    return sum(count > 1 for count in public_names(ast.FunctionDef).values())


def one_word_fraction() -> float:
    names = public_names(ast.FunctionDef)
    one_word = sum(count for name, count in names.items() if "_" not in name)
    return one_word / names.total()


def opaque_names() -> int:
    return sum(name in OPAQUE for name in variable_names())


@pytest.mark.parametrize(
    ("figure", "limit"),
    [
        (tokens_per_line, MAX_TOKENS_PER_LINE),
        (parallel_assignments, MAX_PARALLEL_ASSIGNMENTS),
        (ternaries, MAX_TERNARIES),
        (shared_function_names, MAX_SHARED_FUNCTION_NAMES),
    ],
)
def test_the_code_is_as_light_as_that_of_model_codebases(
    figure: Callable[[], float], limit: float
) -> None:
    assert figure() <= limit


def test_few_public_functions_have_one_word_for_a_name() -> None:
    assert one_word_fraction() < MAX_ONE_WORD_FRACTION


def test_variables_are_named_for_what_they_hold() -> None:
    assert opaque_names() < MAX_OPAQUE_NAMES


def test_no_ternary_is_in_another() -> None:
    assert [place for place, node in nodes(ast.IfExp) if contains(node, ast.IfExp)] == []


def test_no_comprehension_has_more_than_two_clauses() -> None:
    places = [place for place, node in nodes(Comprehension) if has_too_many_clauses(node)]
    assert places == []


def test_constants_stand_above_the_first_function() -> None:
    late = {name: misplaced_constants(tree) for name, tree in trees().items()}
    assert {name: constants for name, constants in late.items() if constants} == {}


def test_no_public_class_name_is_used_twice() -> None:
    assert [name for name, count in public_names(ast.ClassDef).items() if count > 1] == []


def test_the_whole_package_is_measured() -> None:
    assert len(modules()) > 100
    assert code_lines() > 100 * len(modules())


def expression(text: str) -> ast.AST:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("text", "is_nested"),
    [
        ("a if b else c", False),
        ("a if b else (c if d else e)", True),
        ("a if (b if c else d) else e", True),
    ],
)
def test_a_ternary_in_any_part_of_another_is_nested(text: str, is_nested: bool) -> None:
    assert contains(expression(text), ast.IfExp) == is_nested


@pytest.mark.parametrize(
    ("text", "is_too_much"),
    [
        ("[a for a in b]", False),
        ("[a for a in b for c in a]", False),
        ("[[a for a in b] for b in c]", False),
        ("[a for a in b for c in a for d in c]", True),
        ("{a: [c for c in a] for a in b for d in e}", True),
    ],
)
def test_clauses_are_counted_over_nested_comprehensions(text: str, is_too_much: bool) -> None:
    assert has_too_many_clauses(expression(text)) == is_too_much


@pytest.mark.parametrize(
    ("text", "misplaced"),
    [
        ("A = 1\ndef f(): pass\nB: int = A", ["B"]),
        ("def f(): pass\nA = f\nB = A", []),
        ("class K: pass\nA: dict[str, K] = {}\nB = 1\nC = D = 2", ["B", "C", "D"]),
    ],
)
def test_a_constant_is_misplaced_where_it_needs_nothing_from_above_it(
    text: str, misplaced: list[str]
) -> None:
    assert misplaced_constants(ast.parse(text)) == misplaced


def test_an_unpacked_result_is_no_parallel_assignment() -> None:
    parallel, swapped, unpacked, plain = ast.parse(
        "a, b = 1, 2\na, b = b, a\na, b = f()\na = 1, 2"
    ).body
    assert [assigns_in_parallel(node) for node in (parallel, swapped, unpacked, plain)] == [
        True,
        True,
        False,
        False,
    ]


def test_comments_and_ends_of_lines_are_no_tokens() -> None:
    assert rows_of_tokens("# why\na = 1  # b\n\n(a,\n b)\n") == [2, 2, 2, 4, 4, 4, 5, 5]
