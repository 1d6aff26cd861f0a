from .placed import DrivenLap as DrivenLap
from .placed import PlacedParams as PlacedParams
from .placed import lap as lap
from .placed import placed as placed
from .strategies import laps as laps
from .strategies import params as params
from .subject import Reward as Reward

__all__ = ["DrivenLap", "PlacedParams", "Reward", "lap", "laps", "params", "placed"]
