"""A reward file rewritten so that the official validators accept it and it pays as before."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
