"""The simulator as gymnasium environments: a vector environment, and one with a single car.

`import racer.env` registers `racer/DeepRacer-v0`. Both have the simulator's order of things: an
episode's first step is the prepare step, in which the car is held and nothing is paid; the step in
which a car is found off the track is its last.
"""

import gymnasium
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

if "racer/DeepRacer-v0" not in gymnasium.registry:
    gymnasium.register(
        "racer/DeepRacer-v0",
        entry_point="racer.env:DeepRacerEnv",
        vector_entry_point="racer.env:DeepRacerVectorEnv",
    )
