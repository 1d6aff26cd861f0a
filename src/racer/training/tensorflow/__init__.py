"""TensorFlow's files of DeepRacer's models, read and written without TensorFlow: frozen graphs and
checkpoints, and what the networks in them are called.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
