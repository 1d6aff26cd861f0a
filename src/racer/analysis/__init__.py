"""From a trace to laps: times, incidents, speeds, smoothness, sectors, and what actions were used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
