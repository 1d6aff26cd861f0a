"""Tests of reward functions: cars placed on a track, driven laps, hypothesis strategies of both,
and what is asserted.

The pytest plugin hands these out as fixtures; they work without it, too.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
