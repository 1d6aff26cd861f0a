"""The simulator as gymnasium environments: a vector environment, and one with a single car.

`import racer.env` registers `racer/DeepRacer-v0`. Both have the simulator's order of things: an
episode's first step is the prepare step, in which the car is held and nothing is paid; the step in
which a car is found off the track is its last.
"""

import gymnasium

from racer.env.vector_env import DeepRacerEnv, DeepRacerVectorEnv, StepResult

__all__ = ["DeepRacerEnv", "DeepRacerVectorEnv", "StepResult"]

if "racer/DeepRacer-v0" not in gymnasium.registry:
    gymnasium.register(
        "racer/DeepRacer-v0",
        entry_point="racer.env:DeepRacerEnv",
        vector_entry_point="racer.env:DeepRacerVectorEnv",
    )
