"""What is wrong with a reward function, as data, and the one place where sentences are made of it.

`RewardUnusable` says why a file is no reward function; nothing of it was called. `RewardRefused` says
what a file did, when it was loaded or called, that the real job refuses. Whoever must decide reads
their fields; `str(error)` is for people.
"""

from __future__ import annotations

import math
import re
import traceback
import warnings
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from racer.errors import RacerError, UsageError, printable

if TYPE_CHECKING:
    from racer.reward.load import RewardFunction

MAX_ABS_REWARD = 1e5
"""The real job refuses rewards beyond this (docs/simulator.md 1.7)."""
CLOCK_SENTENCE = (
    "here a step takes microseconds, in the simulator 1/15 s; write params['steps'] / 15 for seconds "
    "of the episode"
)
MAX_DETAIL_CHARS = 200
MAX_VALUE_CHARS = 60
MAX_TRACE_FRAMES = 20
OBJECT_IDENTITY = re.compile(r" at 0x[0-9a-fA-F]+|\bracer_reward_\w+\.")
"""What differs from one run to the next in the text of an object."""

STUCK_IN_C_SENTENCE = (
    "%s:%s: the reward function is in C code that does not come back and cannot be interrupted; "
    "racer gave up after %s (--timeout) and ended with exit code 1\n"
)
"""What the helper of `racer.reward.watchdog` says: file, line and time are filled in there."""
HELD_UP_SENTENCE = (
    "the interpreter was held up for %s while rewards were calculated; racer gave up\n"
)


class UnusableReason(StrEnum):
    """Why a file is no reward function."""

    UNREADABLE = "unreadable"
    ARCHIVE = "archive"
    NOTEBOOK = "notebook"
    EMPTY = "empty"
    SYNTAX = "syntax"
    NOT_COMPILED = "not_compiled"  # nested too deeply, or with a null character
    NO_FUNCTION = "no_function"
    NOT_CALLABLE = "not_callable"
    ASYNC = "async"
    GENERATOR = "generator"
    SIGNATURE = "signature"
    SIGNATURE_2018 = "signature_2018"


@dataclass(eq=False, repr=False, kw_only=True)
class RewardUnusable(UsageError):
    """A file is no reward function.

    `line` and `column` count from 1; 0 is unknown. `detail` is what there is to add: the message of
    Python's compiler, the reason of the operating system, or the type of what stands in place of the
    function. `arguments` are the names that the function takes.
    """

    reason: UnusableReason
    path: str
    line: int = 0
    column: int = 0
    source_line: str = ""
    detail: str = ""
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return unusable_sentence(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), _field_values(self))


class RefusalReason(StrEnum):
    """What a reward function did that the real job refuses."""

    RAISED = "raised"
    RECURSION = "recursion"
    MEMORY = "memory"
    EXIT = "exit"
    NO_NUMBER = "no_number"
    NAN = "nan"
    INFINITE = "infinite"
    BEYOND_LIMIT = "beyond_limit"
    TIMEOUT = "timeout"
    STUCK = "stuck"  # a timeout that only the end of the process ends
    THREAD = "thread"
    THREAD_LIMIT = "thread_limit"  # the system starts no more threads
    FLOOD = "flood"
    BLOCKED = "blocked"  # a guard kept it from reaching out of its process


@dataclass(eq=False, repr=False, kw_only=True)
class RewardRefused(RacerError):
    """A reward function did what the real job refuses.

    Attributes
    ----------
    reason
        What it did.
    path, line, source_line
        Where: the file, the line (from 1; 0 is unknown) and what stands there.
    params
        What the failing call was given; None while the file was loaded.
    car, call
        The number of the instance, None while the file was loaded, and the index of the failing call
        in its batch, -1 for none.
    exception, detail, key
        The class name and the message of the exception that came out of the file; the missing key of
        a KeyError.
    value, limit
        The result that was refused, as text; the greatest reward or the seconds that were allowed.
    printed
        Characters that were printed.
    trace
        The traceback from the first line of the file on, as Python prints it.
    place
        Where the call was made, in words, instead of the car and its step.
    clock
        The clock on the wall that decides on the result, and its line, as `time.time() in line 3`;
        empty where there is none, or where the call was refused for something else.
    advice
        Lines on how to go on, below the sentence.

    Examples
    --------
    >>> from pathlib import Path
    >>> from racer import RewardRefused, load_reward, place
    >>> from racer.reward import RewardBatch
    >>> _ = Path("sped.py").write_text("def reward_function(params):\\n  return params['sped']")
    >>> batch = RewardBatch(load_reward("sped.py"), n=1)
    >>> try:
    ...     batch([place("oval", waypoint=3)])
    ... except RewardRefused as refused:
    ...     print(refused.reason.value, refused.line, refused.key)
    raised 2 sped
    """

    reason: RefusalReason
    path: str
    line: int = 0
    source_line: str = ""
    params: dict[str, Any] | None = None
    car: int | None = None
    call: int = -1
    exception: str = ""
    detail: str = ""
    key: str | None = None
    value: str = ""
    limit: float = math.nan
    printed: int = 0
    trace: str = ""
    place: str = ""
    clock: str = ""
    advice: str = ""

    @property
    def is_loading(self) -> bool:
        """Whether the file was being loaded, and not called."""
        return self.params is None

    def __str__(self) -> str:
        return refusal_sentence(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), _field_values(self))


class CallStopped(BaseException):
    """racer stopped a call from inside. Not an Exception, so that `except Exception` lets it pass."""

    reason: ClassVar[RefusalReason]


def relocate_refusal(error: RewardRefused, place: str) -> RewardRefused:
    """A copy of the refusal that says `place` in the parenthesis behind its sentence."""
    return replace(error, place=place)


def exception_facts(error: BaseException) -> dict[str, Any]:
    """The fields of a RewardRefused that an exception out of the user's file decides."""
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    return {
        "reason": _reason_of(error),
        "exception": printable(type(error).__name__),
        "detail": _message_of(error),
        "key": key if isinstance(key, str) else None,
    }


def read_result(result: Any) -> tuple[float, dict[str, Any]]:
    """A result as the real job reads it, and the fields of a RewardRefused where it is refused.

    What is in the result may be the user's code, which runs here. What a tensor warns of on the way is
    not said: the job does not say it either.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            number = float(_element_of(result))
    except Exception:  # __float__ may be the user's
        return math.nan, {"reason": RefusalReason.NO_NUMBER, "value": _text_of(result)}
    if math.isnan(number):
        return number, {"reason": RefusalReason.NAN, "value": _text_of(result)}
    if math.isinf(number):
        return number, {"reason": RefusalReason.INFINITE, "value": _text_of(result)}
    if abs(number) > MAX_ABS_REWARD:
        reason = RefusalReason.BEYOND_LIMIT
        return number, {"reason": reason, "value": _text_of(result), "limit": MAX_ABS_REWARD}
    return number, {}


def error_facts(error: BaseException, reward: RewardFunction) -> dict[str, Any]:
    """The fields of a RewardRefused that an exception out of the user's file decides.

    The exception may be of the user's own class, whose code runs here.
    """
    return {
        **exception_facts(error),
        "line": line_of_error(error, reward),
        "trace": user_trace(error, reward),
    }


def mute_error_facts(error: BaseException, reward: RewardFunction) -> dict[str, Any]:
    """The same of an exception whose own code does not come back: none of that runs here."""
    name = type.__getattribute__(type(error), "__name__")
    line = 0
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == reward.filename:
            line = number
    detail = "(its message does not come back)"
    return {"reason": RefusalReason.RAISED, "exception": str(name), "detail": detail, "line": line}


def line_of_error(error: BaseException, reward: RewardFunction) -> int:
    """The line of the deepest frame in the user's file, 0 when it has none."""
    if isinstance(error, SyntaxError) and error.filename == reward.filename:
        return error.lineno or 0
    deepest = 0
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == reward.filename:
            deepest = line
    return deepest


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
    parts = traceback.format_exception(
        type(error), error, start, limit=-MAX_TRACE_FRAMES, chain=False
    )
    # a frame is several lines; a message is one, whatever is in it
    shown = []
    for part in parts:
        keep = "\n" if part.startswith("  ") else ""
        shown.append(printable(part.rstrip("\n"), keep) + "\n")
    return "".join(shown)


def _reason_of(error: BaseException) -> RefusalReason:
    if isinstance(error, CallStopped):
        return error.reason
    if isinstance(error, SystemExit):
        return RefusalReason.EXIT
    if isinstance(error, RecursionError):
        return RefusalReason.RECURSION
    if isinstance(error, MemoryError):
        return RefusalReason.MEMORY
    # Python raises a bare RuntimeError where a thread cannot be started, and nothing else tells it
    if type(error) is RuntimeError and error.args == ("can't start new thread",):
        return RefusalReason.THREAD_LIMIT
    return RefusalReason.RAISED


def _message_of(error: BaseException) -> str:
    """The message on one line. The exception may be of the user's own class, and raise itself."""
    try:
        if isinstance(error, KeyError) and error.args:
            message = repr(error.args[0])
        else:
            message = str(error)
    except CallStopped:
        raise
    except BaseException:
        return "(its message cannot be shown)"
    return _shortened(printable(" ".join(message.split())), MAX_DETAIL_CHARS)


def _element_of(result: Any) -> Any:
    """The one element of an array that has one, which the job's numpy takes for a number, and numpy
    from 2.4 on does not (docs/simulator.md 1.7); everything else as it is.
    """
    import numpy as np

    if type(result) is np.ndarray and result.size == 1:
        return result.item()
    return result


def _text_of(result: Any) -> str:
    """A result as text. Its `repr` is the user's code, and may raise, or have to be stopped."""
    if type(result) in (type(None), bool, int, float, str):
        text = repr(result)
    else:
        try:
            text = f"{type(result).__name__} {result!r}"
        except CallStopped:
            raise
        except BaseException:
            text = f"an object of type {type(result).__name__}"
    return _shortened(OBJECT_IDENTITY.sub("", printable(text)), MAX_VALUE_CHARS)


def _shortened(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[: max_chars - 3] + "..."


def _field_values(error: RewardUnusable | RewardRefused) -> dict[str, Any]:
    return {field.name: getattr(error, field.name) for field in fields(error)}


def _rebuild(kind: type[Exception], values: dict[str, Any]) -> Exception:
    """What pickle makes an error of that crossed a process."""
    return kind(**values)


# Sentences are made below, and nowhere else.


_REFUSALS = {
    RefusalReason.RAISED: "raised {exception}{colon}{detail}",
    RefusalReason.RECURSION: "called itself without end ({exception}: {detail})",
    RefusalReason.MEMORY: "ran out of memory ({exception})",
    RefusalReason.EXIT: "tried to exit the program ({exception}: {detail})",
    RefusalReason.NO_NUMBER: "returned {value}, which is no number",
    RefusalReason.NAN: "returned {value}, which the real job refuses",
    RefusalReason.INFINITE: "returned {value}, which the real job refuses",
    RefusalReason.BEYOND_LIMIT: "returned {value}, beyond the {limit:,.0f} that the real job accepts",
    RefusalReason.TIMEOUT: "did not come back within {limit:g} s{option}",
    RefusalReason.STUCK: (
        "did not come back within {limit:g} s{option} and could not be interrupted, so racer ended"
    ),
    RefusalReason.THREAD: "left a thread behind ({detail}), which the job would never end",
    RefusalReason.THREAD_LIMIT: "raised {exception}{colon}{detail}",
    RefusalReason.FLOOD: "printed {megabytes:,.0f} MB, more than is kept for it",
    RefusalReason.BLOCKED: "reached out of its process: {detail}",
}

_UNUSABLE = {
    UnusableReason.UNREADABLE: "cannot be read: {detail}",
    UnusableReason.ARCHIVE: "is an archive: unpack it and name the .py file in it",
    UnusableReason.NOTEBOOK: (
        "is a notebook: save its reward_function as a .py file and name that"
    ),
    UnusableReason.EMPTY: "is empty: it must define reward_function(params)",
    UnusableReason.SYNTAX: "{detail}",
    UnusableReason.NOT_COMPILED: "cannot be compiled: {detail}",
    UnusableReason.NO_FUNCTION: "defines no reward_function(params){detail}",
    UnusableReason.NOT_CALLABLE: "reward_function is not a function but {detail}",
    UnusableReason.ASYNC: "reward_function is `async def`, so a call returns no number: write `def`",
    UnusableReason.GENERATOR: (
        "reward_function holds `yield`, so a call returns no number: write `return`"
    ),
    UnusableReason.SIGNATURE: (
        "reward_function takes ({all_arguments}): it must take exactly one, params"
    ),
    UnusableReason.SIGNATURE_2018: (
        "this is the reward function of 2018, with {count} arguments ({first_arguments}, ...); "
        "write reward_function(params) and read params['x'], params['distance_from_center'] and so on"
    ),
}
_FILE_IS_SUBJECT = {
    UnusableReason.UNREADABLE,
    UnusableReason.ARCHIVE,
    UnusableReason.NOTEBOOK,
    UnusableReason.EMPTY,
    UnusableReason.NOT_COMPILED,
    UnusableReason.NO_FUNCTION,
}


def refusal_sentence(error: RewardRefused) -> str:
    """File, line, what happened, the source line, the car and its step, the clock that decides, and
    how to go on.
    """
    sentence = refusal_cause(error) + _moment(error)
    if error.clock:
        sentence += f"\n{error.clock} is the clock on the wall: {CLOCK_SENTENCE}"
    if error.advice:
        return f"{sentence}\n{error.advice}"
    return sentence


def refusal_cause(error: RewardRefused) -> str:
    """File, line, what happened and the source line."""
    path = printable(error.path)
    where = f"{path}:{error.line}" if error.line else path
    return f"{where}: {describe_refusal(error, option=' (--timeout)')}"


def describe_refusal(error: RewardRefused, option: str = "") -> str:
    """What happened and the source line. `option` is said behind the time of a timeout."""
    subject = "the file, when loaded," if error.is_loading else "the reward function"
    predicate = _REFUSALS[error.reason].format(
        exception=error.exception,
        detail=error.detail,
        colon=": " if error.detail else "",
        value=error.value,
        limit=error.limit,
        megabytes=error.printed / 1e6,
        option=option,
    )
    if error.exception == "KeyError" and error.detail:
        predicate += " is not there"
    return f"{subject} {predicate}{_source(error.source_line, 100)}"


def unusable_sentence(error: RewardUnusable) -> str:
    """The file, the line and column where they are known, and what is wrong."""
    if error.reason in _FILE_IS_SUBJECT:
        return describe_unusable(error, subject=printable(error.path))
    place = [str(number) for number in (error.line, error.column) if number]
    return f"{':'.join([printable(error.path), *place])}: {describe_unusable(error)}"


def describe_unusable(error: RewardUnusable, subject: str = "the file") -> str:
    """What is wrong and the source line. `subject` is how the file is called."""
    predicate = _UNUSABLE[error.reason].format(
        detail=printable(error.detail),
        count=len(error.arguments),
        all_arguments=", ".join(error.arguments),
        first_arguments=", ".join(error.arguments[:4]),
    )
    if error.reason in _FILE_IS_SUBJECT:
        return f"{subject} {predicate}"
    return predicate + _source(error.source_line, 80)


def _source(line: str, max_chars: int) -> str:
    return f", at `{printable(line[:max_chars])}`" if line else ""


def _moment(error: RewardRefused) -> str:
    """The parenthesis behind a sentence: where the call was made."""
    if error.place:
        return f" ({error.place})"
    if error.car is None:
        return ""
    steps = error.params.get("steps") if error.params is not None else None
    if isinstance(steps, int | float):
        return f" (car {error.car}, step {steps:g})"
    return f" (car {error.car})"
