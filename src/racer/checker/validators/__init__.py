"""The official validators, emulated: would this file be accepted, and if not, what has to change?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
