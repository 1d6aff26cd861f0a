"""Trainings and policies for others: DeepRacer for Cloud's folders in both directions, and ONNX."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
