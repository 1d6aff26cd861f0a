"""What `deepracer-utils` makes of log files: run by benchmarks/logs.py with the Python that has it,
never by racer's.

    python logs_theirs.py JOB.json > ANSWER.json

JOB is a list of {"file": ..., "kind": "csv" or "text", "repeats": n} and {"folder": ..., "loads":
[method, ...]}.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from deepracer.logs import AnalysisUtils, DeepRacerLog, SimulationLogsIO
from deepracer.logs.misc import LogType

warnings.filterwarnings("ignore")


def main() -> None:
    """Answer every part of the job."""
    answers = [
        _file(part) if "file" in part else _folder(part)
        for part in json.loads(Path(sys.argv[1]).read_text())
    ]
    print(json.dumps({"version": version("deepracer-utils"), "answers": answers}))


def _file(part: dict) -> dict:
    """Seconds of each repeat, and each episode's steps, time, progress and reward."""
    seconds, table = [], None
    for _ in range(part["repeats"]):
        started = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            table = _episodes(part["file"], part["kind"])
        seconds.append(time.process_time() - started)
    names = ["episode", "steps", "time", "progress", "reward"]
    return {"seconds": seconds, "episodes": table[names].to_dict("list")}


def _episodes(file: str, kind: str) -> pd.DataFrame:
    if kind == "text":
        frame, second = (
            SimulationLogsIO.convert_to_pandas(SimulationLogsIO.load_data(file)),
            "episode",
        )
    else:
        log = DeepRacerLog(file)  # a folder with training-simtrace in it
        log.load_training_trace(ignore_metadata=True)
        frame, second = log.dataframe(), "unique_episode"
    table = AnalysisUtils.simulation_agg(frame, firstgroup="iteration", secondgroup=second)
    return table.rename(columns={second: "episode"})


def _folder(part: dict) -> dict:
    """Rows, episodes and sum of rewards that each way of loading finds in a folder."""
    found = {}
    for load in part["loads"]:
        log = DeepRacerLog(part["folder"])
        name, _, kind = load.partition(":")
        options = {"type": LogType[kind]} if kind else {}
        getattr(log, name)(**options)
        frame = log.dataframe()
        found[load] = [len(frame), float(frame["reward"].sum()), float(frame["tstamp"].sum())]
    return {"type": log.fh.type.name, "found": found}


if __name__ == "__main__":
    main()
