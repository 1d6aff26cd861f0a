"""Words that a validator forbids anywhere in a file, replaced in comments, docstrings and own names."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits, text_constant
from racer.checker.fix.names import rename_symbol
from racer.checker.validators.source import REFUSED_WORDS

_LONGEST_FIRST = sorted(map(re.escape, REFUSED_WORDS), key=len, reverse=True)
FORBIDDEN_WORDS = re.compile("|".join(_LONGEST_FIRST))
WORD_SUBSTITUTES = {
    "load": "read",
    "loads": "reads",
    "loaded": "read",
    "save": "keep",
    "saves": "keeps",
    "saved": "kept",
    "Load": "Read",
    "Save": "Keep",
}
"""Whole words that have a plain substitute; every other one gets a hyphen."""
NAME_SUBSTITUTES = {"load": "read", "save": "keep"}
"""Parts of names that have a substitute; every other one is turned around."""

DocumentedNode = ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef


def replace_forbidden_words(source: str) -> str:
    """The file without forbidden words in its comments, docstrings and own names, as far as that
    goes.
    """
    if not FORBIDDEN_WORDS.search(source):
        return source
    source = _replace_in_comments(_replace_in_docstrings(source))
    for name in sorted(_own_names(SourceText(source))):
        if FORBIDDEN_WORDS.search(name):
            source = rename_symbol(source, name, FORBIDDEN_WORDS.sub(_name_substitute, name))
    return source


def _replace_in_docstrings(source: str) -> str:
    text = SourceText(source)
    edits = []
    for node in text.nodes:
        if not isinstance(node, DocumentedNode) or not node.body:
            continue
        docstring = text_constant(node.body[0])
        if docstring is not None:
            edits.append(text.replaced(docstring, _substitute_words(text.of(docstring))))
    return apply_edits(source, edits)


def _replace_in_comments(source: str) -> str:
    text = SourceText(source)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            start = text.line_start(token.start[0]) + token.start[1]
            comment = _substitute_words(token.string)
            edits.append(TextEdit(start, start + len(token.string), comment))
    return apply_edits(source, edits)


def _substitute_words(text: str) -> str:
    """A text with other words in the place of forbidden ones."""
    return re.sub(r"\w+", _word_substitute, text)


def _word_substitute(word: re.Match[str]) -> str:
    if word[0] in WORD_SUBSTITUTES:
        return WORD_SUBSTITUTES[word[0]]
    return FORBIDDEN_WORDS.sub(lambda part: f"{part[0][:2]}-{part[0][2:]}", word[0])


def _name_substitute(word: re.Match[str]) -> str:
    return NAME_SUBSTITUTES.get(word[0], word[0][::-1])


def _own_names(text: SourceText) -> set[str]:
    """Names that the file itself defines."""
    names = set()
    for node in text.nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
