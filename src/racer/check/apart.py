"""A function that calls a user's code, run in a child process that may be lost, and what it said as plain data."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from racer.check.confined import Guard, folder, settle


class Lost(Exception):
    """The child process ended, or had to be ended, without an answer. The message says which."""


def apart(function: Callable[..., Any], *arguments: Any, filename: str, seconds: float) -> Any:
    """What `function(*arguments)` returns in a confined child, as JSON has it: no tuples, arrays as lists.

    `filename` is the user's file, against whose acts the child is guarded. Raises Lost.
    """
    mine, its = multiprocessing.Pipe(duplex=False)
    with folder() as place:
        order = (function, arguments, filename, place, its)
        process = multiprocessing.get_context("fork").Process(target=_answer, args=order, daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: a fork beside threads
            process.start()
        its.close()
        try:
            return _heard(mine, seconds)
        finally:
            _end(process)
            mine.close()


def _heard(connection: Connection, seconds: float) -> Any:
    if not connection.poll(seconds):
        raise Lost(f"it did not come back within {seconds:g} s and could not be interrupted")
    try:
        said = json.loads(connection.recv_bytes())
    except (EOFError, OSError, ValueError):
        raise Lost("it ended the whole program, or was stuck where nothing could interrupt it") from None
    if "trouble" in said:
        raise RuntimeError(said["trouble"])
    return said["answer"]


def _answer(
    function: Callable[..., Any], arguments: tuple[Any, ...], filename: str, place: str, connection: Connection
) -> None:
    faulthandler.disable()  # a parent's, such as pytest's, would write about what happens here
    settle(place)
    Guard(filename, place).raise_up()
    try:
        said = {"answer": function(*arguments)}
    except Exception as error:
        import traceback

        said = {"trouble": "".join(traceback.format_exception(error))}
    connection.send_bytes(json.dumps(said, default=_plain).encode())
    connection.close()
    os._exit(0)  # what the file left behind does not run on


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else float(value)


def _end(process: Any) -> None:
    process.join(0.05)
    with suppress(OSError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()
