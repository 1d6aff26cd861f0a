"""The error family: what a user can mend, said in a sentence. Everything else is a bug and shows
its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


class RacerError(Exception):
    """Something a user can mend. The message says what is wrong, where, and what to do next."""

    exit_code = 1


class UsageError(RacerError):
    """Wrong use: an unknown name, a missing file, a file that is not what it should be, a missing
    extra.
    """

    exit_code = 2


class RewardError(RacerError):
    """A reward function did what the real training job refuses."""


def did_you_mean(word: str, known: list[str]) -> str:
    """`: did you mean 'x'?` for the known word nearest to `word`, or an empty string."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else ""


@dataclass(frozen=True)
class Extra:
    """What needs the extra, in words, what it installs, in words, and the modules that show that it
    is there.
    """

    use: str
    parts: str
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
    "bench": Extra(
        "the comparison with peers", "gymnasium[box2d] and highway-env", ("Box2D", "highway_env")
    ),
}


def need(extra: str) -> None:
    """Nothing, when every module of `extra` (one of EXTRAS) can be found; nothing is imported.

    Raises UsageError with the command that installs it.
    """
    about = EXTRAS[extra]
    if not all(find_spec(module) for module in about.modules):
        raise UsageError(f"{about.use} needs {about.parts}: pip install 'racer[{extra}]'")
