"""The error family: what a user can mend, said in a sentence. Everything else is a bug and shows
its traceback.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

UNSEEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode's controls, marks of direction, surrogates, and separators of lines."""

DISTRIBUTION = "racer-sim"
"""The name that pip installs racer by. (`racer` on PyPI is somebody else's package.)"""


class RacerError(Exception):
    """Something a user can mend. The message says what is wrong, where, and what to do next.

    Examples
    --------
    >>> from racer import RacerError, load_track
    >>> try:
    ...     load_track("reinvent_2081")
    ... except RacerError as error:
    ...     print(type(error).__name__, error.exit_code)
    UsageError 2
    """

    exit_code = 1


class UsageError(RacerError):
    """Wrong use: an unknown name, a missing file, a file that is not what it should be, a missing
    extra.
    """

    exit_code = 2


def printable(text: str, keep: str = "") -> str:
    r"""Text from a file as data: what would steer a terminal, hide or start a line is shown escaped.

    Characters in `keep` stay, such as the newlines of a text of several lines.

    Examples
    --------
    >>> print(printable("\x1b[31mred\x1b[0m, \u202eright to left\n"))
    \x1b[31mred\x1b[0m, \u202eright to left\n
    """
    if text.isascii() and text.isprintable():
        return text
    shown = []
    for character in text:
        is_seen = character in keep or unicodedata.category(character) not in UNSEEN_CATEGORIES
        shown.append(character if is_seen else ascii(character)[1:-1])
    return "".join(shown)


def nearest_word(word: str, known: Sequence[str]) -> str | None:
    """The known word that is spelled most like `word`, None when none is near."""
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`: did you mean 'x'?` for the known word nearest to `word`, or an empty string."""
    near = nearest_word(word, known)
    return f": did you mean {near!r}?" if near is not None else ""


@dataclass(frozen=True)
class Extra:
    """An optional part of an installation: what needs it, what it installs (both as words of a
    sentence), and the modules that show that it is there.
    """

    use: str
    packages: str
    modules: tuple[str, ...]


EXTRAS = {
    "train": Extra(
        "training", "PyTorch and stable-baselines3", ("torch", "stable_baselines3", "tensorboard")
    ),
    "export": Extra(
        "an ONNX file", "onnx, onnxscript and onnxruntime", ("onnx", "onnxscript", "onnxruntime")
    ),
    "line": Extra("collocation", "CasADi", ("casadi",)),
    "video": Extra("an MP4", "imageio-ffmpeg", ("imageio_ffmpeg",)),
    "report": Extra("a report", "Bokeh and jinja2", ("bokeh", "jinja2")),
    "s3": Extra("reading logs from S3", "s3fs", ("fsspec", "s3fs")),
    "tune": Extra("tuning", "Optuna", ("optuna",)),
    "bench": Extra(
        "the comparison with peers", "gymnasium[box2d] and highway-env", ("Box2D", "highway_env")
    ),
}


def need(extra: str) -> None:
    """Check that every module of `extra` (one of EXTRAS) can be found; nothing is imported.

    Raises UsageError with the command that installs it.
    """
    needed = EXTRAS[extra]
    if not all(find_spec(module) for module in needed.modules):
        raise UsageError(f"{needed.use} needs {needed.packages}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """The command that adds `extra` to this installation, as its own metadata tell: by name when it
    came from an index, from the folder when it came from a checkout.
    """
    target = "." if _is_from_checkout() else DISTRIBUTION
    return f"pip install '{target}[{extra}]'"


def _is_from_checkout() -> bool:
    """Whether racer was installed from a folder, or runs from one without being installed."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        origin = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return True
    return origin is not None and "dir_info" in json.loads(origin)
