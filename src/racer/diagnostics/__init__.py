"""What a reward function pays, and whether that is what it should: scored against the clock, mapped
over a track, replayed on recorded laps, explained line by line; and what a trained policy looks at.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
