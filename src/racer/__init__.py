"""racer: check, simulate and train AWS DeepRacer reward functions on a laptop.

    >>> import racer
    >>> params = racer.place("reinvent_2018", waypoint=40, offset=0.1)
    >>> params["closest_waypoints"], params["is_left_of_center"]
    ([39, 40], True)
    >>> racer.check("center_line").verdict
    'passed'
    >>> racer.score("center_line").best_paid.name
    'slow'

| what | names |
|---|---|
| the things | `Track`, `load_track`, `Car`, `ActionSpace`, `read_metadata` |
| a reward function | `load_reward`, `RewardRefused`, `place` |
| what is true of it | `check`, `score`, `foresee`, `explain`, `replay` |
| physics | `racing_line`, `drive` |
| training | `train`, `evaluate`, `Run` |
| logs | `read_log`, `laps`, `compare`, `plot`, `doctor` |
| environments | `DeepRacerEnv`, `DeepRacerVectorEnv` |
| what goes wrong | `RacerError` |

Names are loaded when they are asked for. Whatever a call gives prints as a table in a terminal, shows
itself in a notebook, and is plain data on request. Each folder lists in `__all__` what else others
may use.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
