"""One run of an experiment, in a process of its own: `python -m racer.training.sweep.worker FOLDER PARENT`.

It trains the run in FOLDER to its end and marks it there as finished. When the process PARENT is gone,
nobody waits for it any more: on Linux it ends with it, elsewhere it ends itself as Ctrl-C would.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from racer.errors import RacerError
from racer.files import write_json
from racer.reward import die_with_parent


def finish_run(folder: Path, parent: int) -> int:
    """Exit code, after training the run in `folder`; `parent` is the process that waits for it."""
    # seconds on a busy machine, in which the parent may end
    from racer.training.run import Run
    from racer.training.setup import TrainingProgress
    from racer.training.sweep.experiment import FINISHED_FILE
    from racer.training.sweep.runner import INTERRUPTED
    from racer.training.trainer import open_session

    def stop_when_alone(progress: TrainingProgress) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGINT)

    session = open_session(Run.open(folder))
    session.resume()
    progress = session.train(stop_when_alone)
    if session.was_stopped:
        return INTERRUPTED
    write_json(
        folder / FINISHED_FILE, {"steps": progress.steps, "seconds": round(progress.seconds, 3)}
    )
    return 0


def worker_main(arguments: list[str]) -> int:
    """Exit code; what a user can mend is a sentence on stderr."""
    folder, parent = arguments
    die_with_parent(int(parent))
    try:
        return finish_run(Path(folder), int(parent))
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        from racer.training.sweep.runner import INTERRUPTED

        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(worker_main(sys.argv[1:]))
