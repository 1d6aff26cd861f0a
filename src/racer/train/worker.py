"""One run of a grid in a process of its own: `python -m racer.train.worker FOLDER PARENT`, begun or gone on with.

It ends as Ctrl-C would end it when the process PARENT is gone, so that no training is left over.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from racer.errors import RacerError
from racer.train.run import open_run, write_json
from racer.train.session import Progress
from racer.train.teaching import session_of

INTERRUPTED = 130
FINISHED = "finished.json"


def work(folder: Path, parent: int) -> int:
    """Exit code, after training the run in `folder` to its end and marking it there as finished."""

    def report(progress: Progress) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGINT)

    session = session_of(open_run(folder))
    session.resume()
    progress = session.train(report)
    if session.was_stopped:
        return INTERRUPTED
    write_json(folder / FINISHED, {"steps": progress.steps, "seconds": round(progress.seconds, 3)})
    return 0


def main(words: list[str]) -> int:
    """Exit code; what a user can mend is a sentence on stderr."""
    try:
        return work(Path(words[0]), int(words[1]))
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
