"""What holds a training back: symptoms with their evidence, what each costs, and what to do next."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
