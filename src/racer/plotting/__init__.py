"""Pictures: figures of logs, tracks, rewards and policies, and the functions that they are made of.

`plot` gives any picture of a log; functions that end in `_figure` make one figure; those that begin
with `draw_` take an `Axes` and return it, so that a notebook can compose its own. Names are loaded
when they are asked for, as matplotlib takes a while.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
