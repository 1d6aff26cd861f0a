"""Words that the validators forbid anywhere in the text: taken out of comments, docstrings and names of the file."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from racer.check.fix.edits import Edit, Text, applied
from racer.check.fix.names import rename
from racer.check.profiles.source import WORDS

FORBIDDEN = re.compile("|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)))
# whole words that have a plain substitute; every other one gets a hyphen
PLAIN = {
    "load": "read", "loads": "reads", "loaded": "read", "save": "keep", "saves": "keeps", "saved": "kept",
    "Load": "Read", "Save": "Keep",
}  # fmt: skip
NAMES = {"load": "read", "save": "keep"}


def rewritten(source: str) -> str:
    """The file without forbidden words in its comments, docstrings and own names, as far as that goes."""
    if not FORBIDDEN.search(source):
        return source
    source = _comments(_docstrings(source))
    for name in sorted(_own_names(Text(source))):
        if FORBIDDEN.search(name):
            source = rename(source, name, FORBIDDEN.sub(lambda word: NAMES.get(word[0], word[0][::-1]), name))
    return source


def _docstrings(source: str) -> str:
    text = Text(source)
    places = [
        node.body[0].value
        for node in text.nodes
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
        and isinstance(node.body[0].value.value, str)
    ]
    return applied(source, [Edit(text.start(node), text.end(node), _put(text.of(node))) for node in places])


def _comments(source: str) -> str:
    text = Text(source)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            start = text.line_start(token.start[0]) + token.start[1]
            edits.append(Edit(start, start + len(token.string), _put(token.string)))
    return applied(source, edits)


def _put(words: str) -> str:
    """A text with other words in the place of forbidden ones."""
    return re.sub(r"\w+", lambda word: PLAIN.get(word[0]) or _hyphened(word[0]), words)


def _hyphened(word: str) -> str:
    return FORBIDDEN.sub(lambda part: f"{part[0][:2]}-{part[0][2:]}", word)


def _own_names(text: Text) -> set[str]:
    kinds = ast.FunctionDef | ast.ClassDef
    own = {node.name for node in text.nodes if isinstance(node, kinds)}
    own |= {node.id for node in text.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return own | {node.arg for node in text.nodes if isinstance(node, ast.arg)}
