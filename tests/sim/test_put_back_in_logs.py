"""Where real cars were put back after an incident: every one of the logs, under the rule of the
simulator that wrote it (docs/simulator.md 9.1).

`benchmarks/fidelity.py` prints the same distances, by both rules.
"""

from __future__ import annotations

import sys
from pathlib import Path

from racer.logs.to_state import state_rows
from racer.vehicle.car import CARS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from fidelity import load_routes, measure_put_backs, read_jobs

WITHIN_MM = 1.0
CAR_OF_FOLDER = {"lg_": "v5", "droa26": "v6"}
"""Of logs that have no metadata of their own, by the beginning of their folder's name."""


def test_9_1_every_logged_incident_is_put_back_within_a_millimeter_by_the_rule_of_its_year(
    shared_data: Path,
):
    away = {}
    for job in read_jobs(shared_data / "logs", load_routes(shared_data / "tracks")):
        if job.track is None or "pause" not in set(job.trace["episode_status"]):
            continue
        named = [car for folder, car in CAR_OF_FOLDER.items() if job.name.startswith(folder)]
        rule = CARS[job.car or named[0]].put_back
        for incident in measure_put_backs(state_rows(job.trace, job.track), job.track):
            away[job.name, incident["steps"]] = incident[rule]
    assert len(away) >= 2
    assert {place: mm for place, mm in away.items() if mm > WITHIN_MM} == {}
