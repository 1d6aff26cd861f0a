"""What the validators read in a file before they run it: length, imports, builtins, words, and what
flake8 says.

The two are asked directly: flake8 itself would read the configuration of whatever folder the user
is in, and load the plugins of whatever environment.

What the validators read in a file before they run it: length, imports, builtins, words, and their
own blind spot.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pycodestyle import BaseReport, Checker, StyleGuide
from pyflakes.checker import Checker as PyflakesChecker

PYFLAKES_CODES = {
    "UnusedImport": "F401", "ImportShadowedByLoopVar": "F402", "ImportStarUsed": "F403", "LateFutureImport": "F404",
    "ImportStarUsage": "F405", "ImportStarNotPermitted": "F406", "FutureFeatureNotDefined": "F407",
    "PercentFormatInvalidFormat": "F501", "PercentFormatExpectedMapping": "F502",
    "PercentFormatExpectedSequence": "F503", "PercentFormatExtraNamedArguments": "F504",
    "PercentFormatMissingArgument": "F505", "PercentFormatMixedPositionalAndNamed": "F506",
    "PercentFormatPositionalCountMismatch": "F507", "PercentFormatStarRequiresSequence": "F508",
    "PercentFormatUnsupportedFormatCharacter": "F509", "StringDotFormatInvalidFormat": "F521",
    "StringDotFormatExtraNamedArguments": "F522", "StringDotFormatExtraPositionalArguments": "F523",
    "StringDotFormatMissingArgument": "F524", "StringDotFormatMixingAutomatic": "F525",
    "FStringMissingPlaceholders": "F541", "TStringMissingPlaceholders": "F542", "MultiValueRepeatedKeyLiteral": "F601",
    "MultiValueRepeatedKeyVariable": "F602", "TooManyExpressionsInStarredAssignment": "F621",
    "TwoStarredExpressions": "F622", "AssertTuple": "F631", "IsLiteral": "F632", "InvalidPrintSyntax": "F633",
    "IfTuple": "F634", "BreakOutsideLoop": "F701", "ContinueOutsideLoop": "F702", "YieldOutsideFunction": "F704",
    "ReturnOutsideFunction": "F706", "DefaultExceptNotLast": "F707", "ForwardAnnotationSyntaxError": "F722",
    "RedefinedWhileUnused": "F811", "UndefinedName": "F821", "UndefinedExport": "F822", "UndefinedLocal": "F823",
    "UnusedIndirectAssignment": "F824", "DuplicateArgument": "F831", "UnusedVariable": "F841",
    "UnusedAnnotation": "F842", "RaiseNotImplemented": "F901",
}  # fmt: skip
"""flake8's codes for the messages of pyflakes."""
REMARK_CURES = {
    "E1": "indent with four spaces, and continued lines under what they belong to", "E2": "mind the spaces",
    "E3": "leave two blank lines around functions, and no more than one inside them",
    "E401": "import one module a line", "E402": "move the import to the top", "E70": "write one statement a line",
    "E711": "write `is None` or `is not None`", "E712": "write `if x:` or `if not x:`",
    "E713": "write `x not in y`", "E714": "write `x is not y`", "E721": "write `type(x) is y` or isinstance(x, y)",
    "E722": "write `except Exception:`", "E731": "write a `def`", "E741": "take a longer name", "E9": "mend the syntax",
    "F401": "take the import out", "F403": "name what you import", "F405": "name what you import",
    "F5": "make the text and what is filled into it agree", "F541": "take the f before the text away",
    "F632": "compare with == and !=", "F811": "take one of the two out", "F821": "define the name, or correct it",
    "F823": "give the name a value first", "F824": "take the global statement out", "F841": "take the name out",
    "F842": "take the name out",
}  # fmt: skip
"""What to do about each remark, by the beginning of its code: the longest that fits counts."""
_CODES = r"[A-Z][0-9]+(?:[,\s]+[A-Z][0-9]+)*"
_NOQA = re.compile(rf"#\s*noqa(?::\s?(?P<codes>{_CODES}))?", re.I)
_NOQA_FILE = re.compile(rf"\s*#\s*flake8[:=]\s*noqa(?P<some>:\s?(?P<codes>{_CODES}))?\s*$", re.I)


FILENAME = "reward_function.py"
"""How the validators call every file."""

MAX_SOURCE_CHARS = 140_000
ALLOWED_IMPORTS = ("math", "random", "numpy", "scipy", "shapely")
REFUSED_BUILTINS = ("open", "exec", "eval", "compile", "input")
REFUSED_WORDS = (
    "__import__",
    "load",
    "fromfile",
    "genfromtxt",
    "loadtxt",
    "tofile",
    "savez",
    "save",
    "savetxt",
    "memmap",
)


@dataclass(frozen=True, order=True)
class Flake8Remark:
    """One line that flake8 prints. Remarks sort as flake8 sorts them: by code, then by place.

    `argument` is the name that the remark is about, where there is one.
    """

    code: str
    line: int
    column: int
    text: str
    argument: str = ""

    @property
    def cure(self) -> str:
        """What to do about it, empty where the remark itself tells."""
        fitting = [start for start in REMARK_CURES if self.code.startswith(start)]
        return REMARK_CURES[max(fitting, key=len)] if fitting else ""


def flake8_remarks(source: str, ignore: tuple[str, ...] = ()) -> list[Flake8Remark]:
    """What `flake8 --select=E,F --ignore=...` prints for a file of that text, in its order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [_syntax_remark(error)]
    remarks = {*_layout_remarks(source), *_pyflakes_remarks(tree)}
    if ignore:
        is_silenced = _noqa_filter(source)
        remarks = {
            remark
            for remark in remarks
            if not remark.code.startswith(ignore) and not is_silenced(remark)
        }
    return sorted(remarks)


class _CollectingReport(BaseReport):  # type: ignore[misc]
    """A report of pycodestyle that keeps everything."""

    remarks: list[Flake8Remark]

    def error(self, line_number: int, offset: int | tuple[int, int], text: str, check: Any) -> None:
        line, column = offset if isinstance(offset, tuple) else (line_number, offset)
        self.remarks.append(Flake8Remark(text[:4], line, column + 1, text[5:]))


class _LayoutChecker(Checker):  # type: ignore[misc]
    """pycodestyle without its own reading of `# noqa`, for flake8 has another."""

    @property
    def noqa(self) -> bool:
        return False

    @noqa.setter
    def noqa(self, _: object) -> None:
        pass


def _syntax_remark(error: Exception) -> Flake8Remark:
    line = getattr(error, "lineno", None) or 1
    column = getattr(error, "offset", None) or 1
    text = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    return Flake8Remark("E999", line, column, text)


def _layout_remarks(source: str) -> list[Flake8Remark]:
    options = StyleGuide(select=["E"], ignore=[], quiet=1).options
    report = _CollectingReport(options)
    report.remarks = []
    lines = io.StringIO(source).readlines()
    _LayoutChecker(FILENAME, lines=lines, options=options, report=report).check_all()
    return [remark for remark in report.remarks if remark.code.startswith("E")]


def _pyflakes_remarks(tree: ast.Module) -> list[Flake8Remark]:
    try:
        messages = PyflakesChecker(tree, FILENAME).messages
    except RecursionError:  # flake8 says nothing then, and the validators go on
        return []
    remarks = []
    for message in messages:
        code = PYFLAKES_CODES.get(type(message).__name__)
        if code:
            text = str(message.message % message.message_args)
            argument = str(message.message_args[0]) if message.message_args else ""
            remarks.append(Flake8Remark(code, message.lineno, message.col + 1, text, argument))
    return remarks


def _noqa_filter(source: str) -> Callable[[Flake8Remark], bool]:
    """Whether a `# noqa` comment silences a remark: on its line, anywhere in its statement, or for
    the whole file.
    """
    codes_of_file: list[str] = []
    for line in source.splitlines():
        match = _NOQA_FILE.match(line)
        if match and not match["some"]:
            return lambda remark: True
        if match:
            codes_of_file += _split_codes(match["codes"])
    statements = _statements(source)

    def is_silenced(remark: Flake8Remark) -> bool:
        match = _NOQA.search(statements.get(remark.line, ""))
        codes = _split_codes(match["codes"]) if match else []
        if codes_of_file or codes:
            return remark.code.startswith((*codes_of_file, *codes))
        return match is not None

    return is_silenced


def _split_codes(codes: str | None) -> list[str]:
    return re.split(r"[,\s]+", codes.upper()) if codes else []


def _statements(source: str) -> dict[int, str]:
    """The text of the logical line that each line belongs to."""
    lines = source.splitlines(keepends=True)
    statements = dict(enumerate(lines, start=1))
    first = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.ENDMARKER, tokenize.DEDENT):
                continue
            first = first or token.start[0]
            last = token.end[0]
            is_end = token.type == tokenize.NL and first == last
            if is_end or token.type == tokenize.NEWLINE:
                text = "".join(lines[first - 1 : last])
                statements |= dict.fromkeys(range(first, last + 1), text)
                first = 0
    except (tokenize.TokenError, SyntaxError):
        pass  # what is not covered by statements is looked at line by line
    return statements


@dataclass(frozen=True)
class SourceSpot:
    """A name in a source text that a validator refuses, and its place (both from 1)."""

    name: str
    line: int
    column: int


def foreign_imports(tree: ast.Module) -> list[SourceSpot]:
    """Imports of modules that are not allowed, wherever they stand."""
    spots = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if name.partition(".")[0] not in ALLOWED_IMPORTS:
                spots.append(SourceSpot(name, node.lineno, node.col_offset + 1))
    return spots


def forbidden_builtins(tree: ast.Module) -> list[SourceSpot]:
    """Calls of builtins that are not allowed, as far as the validators see them: not in the
    arguments by name.
    """
    return [spot for spot in _visited_names(tree) if spot.name in REFUSED_BUILTINS]


def unreadable_calls(tree: ast.Module) -> list[SourceSpot]:
    """What stops the validators' own reading: a call or an attribute of what is neither a name nor
    a call.

    Their search for builtins follows `a.b(c).d` from name to name and fails at the first `a[0].b`
    or `"a".join`.
    """
    return [spot for spot in _visited_names(tree) if not spot.name][:1]


def forbidden_words(source: str) -> list[SourceSpot]:
    """Each forbidden word that stands anywhere in the text, comments and other words included, at
    its first place.
    """
    spots = []
    for word in REFUSED_WORDS:
        at = source.find(word)
        if at >= 0:
            line = source.count("\n", 0, at) + 1
            column = at - source.rfind("\n", 0, at)
            spots.append(SourceSpot(word, line, column))
    return spots


def _visited_names(tree: ast.Module) -> list[SourceSpot]:
    """The dotted names of all calls and attributes that the validators' search visits; empty names
    where it fails.
    """
    try:
        return _visit(tree)
    except RecursionError:  # which ends the validators' search, too
        return [SourceSpot("", 1, 1)]


def _visit(node: object) -> list[SourceSpot]:
    if isinstance(node, ast.Call | ast.Attribute):
        spots: list[SourceSpot] = []
        name = _follow_chain(node, spots)
        return [*spots, SourceSpot(name or "", node.lineno, node.col_offset + 1)]
    if not isinstance(node, ast.AST):
        return []
    spots = []
    for name in node._fields:
        value = getattr(node, name, None)
        for child in value if isinstance(value, list) else [value]:
            spots += _visit(child)
    return spots


def _follow_chain(node: ast.expr, spots: list[SourceSpot]) -> str | None:
    """`a.b.c` of `a.b(...).c`; the spots in the arguments on the way are added to `spots`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        for argument in node.args:
            spots += _visit(argument)
        return _follow_chain(node.func, spots)
    if isinstance(node, ast.Attribute):
        owner = _follow_chain(node.value, spots)
        return f"{owner}.{node.attr}" if owner else owner
    return None
