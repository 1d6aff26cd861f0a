"""Experiments: files that list several values to compare, their runs, and what these come to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
