"""One self-contained HTML page about a log: in words, in figures, and as laps that can be driven
again. Names are loaded when they are asked for, as Bokeh takes a while.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
