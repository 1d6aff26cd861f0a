"""From a file name to a compiled reward function: read, decode, compile, and what its syntax tree
tells.

The file is compiled here and executed elsewhere (`racer.reward.snapshot`): nothing of it runs in
this module.
"""

from __future__ import annotations

import ast
import codecs
import hashlib
import io
import os
import sys
import tokenize
import warnings
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

from racer import resources
from racer.errors import UsageError, did_you_mean
from racer.reward.errors import RewardUnusable, UnusableReason
from racer.reward.python311 import downgrade_syntax

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

ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b")
COMPILER_ERRORS = (ValueError, RecursionError, MemoryError, OverflowError)
"""What `compile` raises besides SyntaxError."""


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


class Encoding(StrEnum):
    """How the text of a file was read. The real job reads UTF-8 only."""

    UTF_8 = "UTF-8, or as the file declares"
    UTF_16 = "UTF-16"
    LATIN_1 = "Latin-1, as it is not UTF-8"


@dataclass(frozen=True)
class RewardFunction:
    """A reward file: where it is, its text, its compiled code."""

    path: Path
    source: str = field(repr=False)
    code: CodeType = field(repr=False, compare=False)
    sha256: str
    encoding: Encoding = Encoding.UTF_8

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the code, which is compiled anew."""
        filename = self.code.co_filename
        return _recompile, (self.path, self.source, filename, self.sha256, self.encoding)

    @property
    def name(self) -> str:
        """The file's name without `.py`."""
        return self.path.stem

    @property
    def filename(self) -> str:
        """The file name in this function's frames and in sentences about it."""
        return self.code.co_filename

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""
        note = encoding_note(self.encoding)
        return (f"{self.path} {note}",) if note else ()

    def text_of(self, line: int) -> str:
        """The source line of that number (from 1), without indentation; empty where there is none."""
        if 0 < line <= len(self._lines):
            return self._lines[line - 1].strip()
        return ""

    @cached_property
    def syntax(self) -> RewardSyntax:
        """What its syntax tree tells without running it."""
        return RewardSyntax(self.source)

    @cached_property
    def siblings(self) -> frozenset[str]:
        """Names of the modules beside the file, when the file imports any of them; empty otherwise."""
        folder = self.path.parent
        modules = {path.stem for path in folder.glob("*.py")}
        packages = {path.parent.name for path in folder.glob("*/__init__.py")}
        importable = (modules | packages) - {self.path.stem, *sys.stdlib_module_names}
        if importable & self.syntax.imports:
            return frozenset(importable)
        return frozenset()

    @cached_property
    def _lines(self) -> list[str]:
        return io.StringIO(self.source).read().splitlines()


def load_reward(name: str | os.PathLike[str]) -> RewardFunction:
    """The reward function in a file, or the shipped one of that name.

    Nothing of the file is run. Raises UsageError when there is no such file, and RewardUnusable when
    it cannot be a Python file.

    Examples
    --------
    >>> reward = load_reward("center_line")
    >>> reward.name
    'center_line'
    >>> reward.syntax.entry.name
    'reward_function'
    """
    path = find_reward(name)
    raw = _read_source_bytes(path)
    text, encoding = _decode_source(raw)
    source, code = _compile_source(text, path)
    return RewardFunction(path, source, code, hashlib.sha256(raw).hexdigest(), encoding)


def find_reward(name: str | os.PathLike[str]) -> Path:
    """The file that `name` means: a path, or the name of a shipped reward function."""
    path = Path(name).expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the reward file in it{_examples_in(path)}")
    if path.exists():
        return path
    shipped = shipped_rewards()
    word = os.fspath(name)
    if word.removesuffix(".py") in shipped:
        return shipped[word.removesuffix(".py")]
    neighbors = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
    suggestion = did_you_mean(path.name, neighbors) or did_you_mean(path.stem, [*shipped])
    suggestion = suggestion or f": shipped are {', '.join(shipped)}"
    raise UsageError(f"no reward file {word!r}{suggestion}")


def read_reward_text(path: Path) -> tuple[str, Encoding]:
    """The text of a file, with `\\n` at the end of lines, and how it was read.

    Raises RewardUnusable when it cannot be read, or is not text.
    """
    return _decode_source(_read_source_bytes(path))


def encoding_note(encoding: Encoding) -> str:
    """What there is to say of a file in that encoding, with the file as the subject; "" for UTF-8."""
    if encoding is Encoding.UTF_16:
        return "is UTF-16; the real job reads UTF-8: save it so"
    if encoding is Encoding.LATIN_1:
        return "is not UTF-8 and was read as Latin-1; the real job refuses such a file: save it as UTF-8"
    return ""


def shipped_rewards() -> dict[str, Path]:
    """Name and file of every reward function that ships with racer, by name."""
    return {path.stem: path for path in sorted(resources.rewards_folder().glob("*.py"))}


def compile_quietly(source: str, filename: str) -> CodeType:
    """The code of a source text. An invalid escape in the user's text is not ours to report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(source, filename, "exec", dont_inherit=True)


def reads_objects(reward: RewardFunction) -> bool:
    """Whether a reward file names a key of params that is about objects."""
    return any(_names_objects(node) for node in ast.walk(reward.syntax.tree))


def _names_objects(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return node.value.startswith("objects_") or node.value == "closest_objects"


def _recompile(
    path: Path, source: str, filename: str, sha256: str, encoding: Encoding
) -> RewardFunction:
    return RewardFunction(path, source, compile_quietly(source, filename), sha256, encoding)


def _examples_in(folder: Path) -> str:
    files = sorted(path.name for path in folder.glob("*.py"))[:3]
    return f" ({', '.join(files)})" if files else ""


def _read_source_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        detail = error.strerror or str(error)
        raise _unusable(UnusableReason.UNREADABLE, path, detail=detail) from None
    if raw.startswith(ARCHIVE_STARTS):
        raise _unusable(UnusableReason.ARCHIVE, path)
    if path.suffix == ".ipynb" or _is_notebook(raw):
        raise _unusable(UnusableReason.NOTEBOOK, path)
    if not raw.strip():
        raise _unusable(UnusableReason.EMPTY, path)
    return raw


def _is_notebook(raw: bytes) -> bool:
    return raw.lstrip().startswith(b"{") and b'"cells"' in raw and b'"nbformat"' in raw


def _decode_source(raw: bytes) -> tuple[str, Encoding]:
    """Source text and how it was read. Line ends become `\\n`."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _plain_line_ends(raw.decode("utf-16", errors="replace")), Encoding.UTF_16
    try:
        declared, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return _plain_line_ends(raw.decode(declared)), Encoding.UTF_8
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return _plain_line_ends(raw.decode("latin-1")), Encoding.LATIN_1


def _plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _compile_source(text: str, path: Path) -> tuple[str, CodeType]:
    """The source text as this Python reads it, and its code."""
    filename = os.fspath(path)
    try:
        return text, compile_quietly(text, filename)
    except SyntaxError as error:
        older = _older_source(text)
        if older is None:
            raise _syntax_unusable(error, path) from None
        return older, compile_quietly(older, filename)
    except COMPILER_ERRORS as error:
        line, column = _place_of_null(text)
        detail = str(error) or type(error).__name__
        raise _unusable(UnusableReason.NOT_COMPILED, path, line, column, detail) from None


def _older_source(text: str) -> str | None:
    """The program in the syntax of this Python, None when that does not help.

    The simulator runs Python 3.12, whose f-strings older ones refuse.
    """
    if sys.version_info >= (3, 12):
        return None
    older = downgrade_syntax(text)
    try:
        compile_quietly(older, "reward")
    except (SyntaxError, *COMPILER_ERRORS):
        return None
    return older


def _place_of_null(text: str) -> tuple[int, int]:
    """Line and column of the first null character, (1, 1) without one."""
    before, null, _ = text.partition("\0")
    if not null:
        return 1, 1
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax_unusable(error: SyntaxError, path: Path) -> RewardUnusable:
    return RewardUnusable(
        reason=UnusableReason.SYNTAX,
        path=os.fspath(path),
        line=error.lineno or 1,
        column=max(error.offset or 1, 1),
        source_line=(error.text or "").strip(),
        detail=error.msg,
    )


def _unusable(
    reason: UnusableReason, path: Path, line: int = 0, column: int = 0, detail: str = ""
) -> RewardUnusable:
    return RewardUnusable(
        reason=reason, path=os.fspath(path), line=line, column=column, detail=detail
    )
