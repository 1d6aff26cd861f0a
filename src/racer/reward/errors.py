"""The error that stops a training for the reward's sake, and the sentence it says."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

from racer.errors import RewardError
from racer.reward.load import RewardFunction

MAX_ABS_REWARD = 1e5  # the real job refuses rewards beyond this (SIMULATOR.md 1.7)


class RewardRefused(RewardError):
    """A reward function did what the real job refuses.

    `path` and `line` say where (line 0: unknown), `params` is what the failing call was given (None
    at load), `trace` the user's side of the traceback as text, `car` the instance, `at` the place
    in the batch (-1: no call), `raised` the name of the exception that came out of the file.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str,
        line: int = 0,
        params: dict[str, Any] | None = None,
        car: int | None = None,
        trace: str = "",
    ) -> None:
        super().__init__(message)
        self.path, self.line, self.params, self.car, self.trace = path, line, params, car, trace
        self.at, self.raised = -1, ""


def make_refusal(
    reward: RewardFunction,
    line: int,
    what: str,
    *,
    params: dict[str, Any] | None = None,
    car: int | None = None,
    trace: str = "",
) -> RewardRefused:
    """The error whose sentence is: file, line, what happened, the source line, the car and step."""
    text = reward.text_of(line)
    at = f", at `{text[:100]}`" if text else ""
    where = f"{reward.filename}:{line}" if line else reward.filename
    message = f"{where}: {what}{at}{_moment(params, car)}"
    return RewardRefused(
        message, path=reward.filename, line=line, params=params, car=car, trace=trace
    )


def relocate_refusal(error: RewardRefused, where: str) -> RewardRefused:
    """The same refusal, told of another place than a car of the batch: `where` is words for the
    parenthesis.
    """
    text = str(error)
    text = f"{text.rpartition(' (car ')[0] or text} ({where})"
    return RewardRefused(
        text,
        path=error.path,
        line=error.line,
        params=error.params,
        car=error.car,
        trace=error.trace,
    )


def describe_exception(error: BaseException) -> str:
    """What an exception from the reward function means to the job, in words."""
    name, text = type(error).__name__, _text(error)
    if isinstance(error, SystemExit):
        return f"the reward function tried to exit the program ({name}: {text})"
    if isinstance(error, RecursionError):
        return f"the reward function called itself without end ({name}: {text})"
    if isinstance(error, MemoryError):
        return f"the reward function ran out of memory ({name})"
    if isinstance(error, KeyError) and error.args:
        return f"the reward function raised KeyError: {error.args[0]!r} is not there"
    return f"the reward function raised {name}{': ' if text else ''}{text}"


def line_of_error(error: BaseException, reward: RewardFunction) -> int:
    """The line of the deepest frame in the user's file, 0 when it has none."""
    if isinstance(error, SyntaxError) and error.filename == reward.filename:
        return error.lineno or 0
    lines = [
        line
        for frame, line in _user_frames(error.__traceback__)
        if frame.f_code.co_filename == reward.filename
    ]
    return lines[-1] if lines else 0


def line_in_stack(frame: FrameType | None, filename: str) -> int:
    """The line of the innermost frame of that file in a stack, 0 when there is none."""
    while frame is not None:
        if frame.f_code.co_filename == filename:
            return frame.f_lineno or 0
        frame = frame.f_back
    return 0


def user_trace(error: BaseException, reward: RewardFunction) -> str:
    """The traceback as Python prints it, from the first frame in the user's file on."""
    start = error.__traceback__
    while start is not None and start.tb_frame.f_code.co_filename != reward.filename:
        start = start.tb_next
    return "".join(traceback.format_exception(type(error), error, start, limit=-20, chain=False))


def _user_frames(tb: TracebackType | None) -> list[tuple[FrameType, int]]:
    return list(traceback.walk_tb(tb))


def _text(error: BaseException) -> str:
    """The message, on one line and not endless. The exception may be the user's own class, and
    raise.
    """
    try:
        text = " ".join(str(error).split())
    except BaseException:  # its __str__ is untrusted too
        return "(its message cannot be shown)"
    return text if len(text) <= 200 else text[:197] + "..."


def _moment(params: Mapping[str, Any] | None, car: int | None) -> str:
    if car is None:
        return ""
    steps = params.get("steps") if isinstance(params, dict) else None
    step = f", step {steps:g}" if isinstance(steps, int | float) else ""
    return f" (car {car}{step})"
