"""From a file name to a compiled reward function: read, decode, compile; refuse with a sentence
what cannot be one.

The file is compiled here and executed elsewhere (`racer.reward.instance`): nothing of it runs in
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
from functools import cached_property
from pathlib import Path
from types import CodeType

from racer import resources as shipped
from racer.errors import UsageError, did_you_mean
from racer.reward import python311 as newer
from racer.reward.syntax import RewardSyntax


@dataclass(frozen=True)
class RewardFunction:
    """A reward file: where it is, what it says, its compiled code. `notes` are sentences for the
    user.
    """

    path: Path
    source: str = field(repr=False)
    code: CodeType = field(repr=False, compare=False)
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without `.py`."""
        return self.path.stem

    @property
    def filename(self) -> str:
        """The file name in this function's frames and in sentences about it."""
        return self.code.co_filename

    def text_of(self, line: int) -> str:
        """The source line of that number (from 1), without indentation; empty where there is none."""
        return self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""

    @cached_property
    def syntax(self) -> RewardSyntax:
        """What its syntax tree tells without running it."""
        return RewardSyntax(self.source)

    @cached_property
    def siblings(self) -> frozenset[str]:
        """Names of the modules beside the file, when the file imports any of them; empty otherwise."""
        beside = {p.stem for p in self.path.parent.glob("*.py")}
        beside |= {p.parent.name for p in self.path.parent.glob("*/__init__.py")}
        beside -= {self.path.stem, *sys.stdlib_module_names}
        return frozenset(beside) if beside & self.syntax.imports else frozenset()

    @cached_property
    def _lines(self) -> list[str]:
        return io.StringIO(self.source).read().splitlines()


def load_reward(name: str | os.PathLike[str]) -> RewardFunction:
    """The reward function in a file, or the shipped one of that name (`center_line`).

    UsageError with a sentence when there is no such file, or when it cannot be a Python file.
    """
    path = find_reward(name)
    raw = _bytes(path)
    source, notes = _decoded(raw, path)
    if sys.version_info < (3, 12):
        source = _readable(source)
    code = _compiled(source, path)
    return RewardFunction(path, source, code, hashlib.sha256(raw).hexdigest(), notes)


def find_reward(name: str | os.PathLike[str]) -> Path:
    """The file that `name` means: a path, or the name of a shipped reward function."""
    path = Path(name).expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the reward file in it{_inside(path)}")
    if path.exists():
        return path
    known = shipped_rewards()
    word = os.fspath(name)
    if word.removesuffix(".py") in known:
        return known[word.removesuffix(".py")]
    beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = did_you_mean(path.name, beside) or did_you_mean(path.stem, [*known])
    raise UsageError(f"no reward file {word!r}{near or ': shipped are ' + ', '.join(known)}")


def read_reward_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """What a file says, with `\\n` at the end of lines, and sentences about its encoding.

    UsageError when it cannot be read, or is not text.
    """
    return _decoded(_bytes(path), path)


def shipped_rewards() -> dict[str, Path]:
    """Name and file of every reward function that ships with racer, by name."""
    return {path.stem: path for path in sorted(shipped.rewards_folder().glob("*.py"))}


def _inside(folder: Path) -> str:
    files = sorted(p.name for p in folder.glob("*.py"))[:3]
    return f" ({', '.join(files)})" if files else ""


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    if raw.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise UsageError(f"{path} is an archive: unpack it and name the .py file in it")
    if path.suffix == ".ipynb" or (
        raw.lstrip().startswith(b"{") and b'"cells"' in raw and b'"nbformat"' in raw
    ):
        raise UsageError(
            f"{path} is a notebook: save its reward_function as a .py file and name that"
        )
    if not raw.strip():
        raise UsageError(f"{path} is empty: it must define reward_function(params)")
    return raw


def _decoded(raw: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """Source text and what there is to say about its encoding. Line ends become `\\n`."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text, note = (
            raw.decode("utf-16", errors="replace"),
            f"{path} is UTF-16; the real job reads UTF-8: save it so",
        )
        return _plain_lines(text), (note,)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return _plain_lines(raw.decode(encoding)), ()
    except (SyntaxError, UnicodeDecodeError, LookupError):
        note = f"{path} is not UTF-8 and was read as Latin-1; the real job refuses such a file: save it as UTF-8"
        return _plain_lines(raw.decode("latin-1")), (note,)


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _readable(source: str) -> str:
    """The same program as this Python reads it: the simulator runs 3.12, whose f-strings older ones
    refuse.
    """
    try:
        compile_quietly(source, "reward")
    except SyntaxError:
        return newer.downgrade_syntax(source)
    except (ValueError, RecursionError, MemoryError, OverflowError):
        pass  # said by whoever compiles it in earnest
    return source


def compile_quietly(source: str, filename: str) -> CodeType:
    """The code of a source text. An invalid escape in the user's text is not ours to report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(source, filename, "exec", dont_inherit=True)


def _compiled(source: str, path: Path) -> CodeType:
    try:
        return compile_quietly(source, os.fspath(path))
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        text = (error.text or "").strip()
        raise UsageError(
            f"{path}:{line}:{column}: {error.msg}{f', at `{text[:80]}`' if text else ''}"
        ) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise UsageError(f"{path} cannot be compiled: {error or type(error).__name__}") from None


def reads_objects(reward: RewardFunction) -> bool:
    """Whether a reward file names a key of params that is about objects."""
    words = (node.value for node in ast.walk(reward.syntax.tree) if isinstance(node, ast.Constant))
    return any(
        isinstance(w, str) and (w.startswith("objects_") or w == "closest_objects") for w in words
    )
