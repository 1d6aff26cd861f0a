"""The simulator: a table of cars, the rules that judge them and the step that moves them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
