"""Tests of reward functions: cars placed on a track, driven laps, hypothesis strategies of both, and what is asserted.

The pytest plugin hands these out as fixtures; they work without it, too.
"""

from racer.testing.placed import Lap, Placed, lap, placed
from racer.testing.strategies import laps, params
from racer.testing.subject import Reward

__all__ = ["Lap", "Placed", "Reward", "lap", "laps", "params", "placed"]
