"""Lines to drive: a road as stations with room on both sides, and the fastest line through them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
