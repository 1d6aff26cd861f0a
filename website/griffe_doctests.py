"""An extension of Griffe: doctests that stand in the text of a docstring become code blocks."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object


class Doctests(Extension):
    """Fences examples outside of numpydoc's own section, which Griffe knows."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of every object that was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = fence_doctests(obj.docstring.value)


def fence_doctests(text: str) -> str:
    r"""The text with a fence around each run of lines that begins with a prompt.

    >>> fence_doctests("Adds.\n\n>>> 1 + 1\n2")
    'Adds.\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    if "\nExamples\n---" in text:
        return text
    blocks = []
    for block in text.split("\n\n"):
        is_example = block.lstrip().startswith(">>>")
        blocks.append(f"```pycon\n{block}\n```" if is_example else block)
    return "\n\n".join(blocks)
