"""The foresight of `racer watch`: a search in a process of its own, which a new save ends."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import signal
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from racer.errors import RacerError


@dataclass(frozen=True)
class WatchedForesight:
    """What a search came to: a sentence, whether it speaks for the reward, and the lap that the
    reward asks for, None for none. `is_found` is false where the search failed with the sentence.
    """

    sentence: str
    is_fine: bool
    lap_time_s: float | None = None
    is_found: bool = True


class ForesightProcess:
    """A process that searches, one file after the other (a class: it is kept warm between saves).

    `ask` begins anew, `poll` has the answer to the last question once there is one. A question that
    comes during a search ends its process: the next one has to begin with its imports again.
    """

    def __init__(self, track: str, car: str, gamma: float) -> None:
        self._facts = {"track": track, "car": car, "gamma": gamma}
        self._process: Any = None
        self._connection: Connection | None = None
        self._is_asked = False

    def ask(self, path: Path) -> None:
        """Begin to search for what the reward in a file asks for."""
        if self._is_asked:
            self.stop()
        connection = self._started()
        connection.send_bytes(json.dumps({"path": str(path), **self._facts}).encode())
        self._is_asked = True

    def poll(self, seconds: float = 0.0) -> WatchedForesight | None:
        """The answer to the last question; None while there is none, after so many seconds."""
        if not self._is_asked or self._connection is None or not self._connection.poll(seconds):
            return None
        self._is_asked = False
        try:
            return WatchedForesight(**json.loads(self._connection.recv_bytes()))
        except EOFError:  # the reward ended the process
            self.stop()
            return WatchedForesight("the search was ended from inside", False, is_found=False)

    def forget(self) -> None:
        """End the search that is under way, if there is one: its answer is of no use."""
        if self._is_asked:
            self.stop()

    def stop(self) -> None:
        """End the process."""
        self._is_asked = False
        if self._process is None or self._connection is None:
            return
        self._process.kill()
        self._process.join()
        self._connection.close()
        self._process = None
        self._connection = None

    def _started(self) -> Connection:
        """The pipe to the process, which is started where there is none."""
        if self._connection is not None:
            return self._connection
        context = multiprocessing.get_context("spawn")  # threads draw the screen here: no fork
        ours, theirs = context.Pipe()
        process = context.Process(target=answer_questions, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._process = process
        self._connection = ours
        return ours


def answer_questions(connection: Connection) -> None:
    """Search for each file that is asked for, until nobody asks any more: the process of
    `ForesightProcess`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            question = json.loads(connection.recv_bytes())
            answer = foresee_watched(**question)
            connection.send_bytes(json.dumps(asdict(answer)).encode())


def foresee_watched(path: str, track: str, car: str, gamma: float) -> WatchedForesight:
    """What the reward in a file asks for, or the sentence why that is not known."""
    from racer.diagnostics import FORESEEN_SECONDS, weigh_foresight
    from racer.diagnostics.foresight import foresee
    from racer.reward import load_reward
    from racer.track import load_track

    try:
        function = load_reward(path)
        foresight = foresee(
            function, load_track(track), car=car, gamma=gamma, seconds=FORESEEN_SECONDS
        )
        foreseen = weigh_foresight(foresight, (gamma,))
    except RacerError as error:
        return WatchedForesight(str(error), False, is_found=False)
    lap_time_s = foreseen.foresight.lap_time_s
    return WatchedForesight(foreseen.sentence, not foreseen.speaks_against, lap_time_s)
