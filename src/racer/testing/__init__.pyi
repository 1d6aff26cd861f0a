from .messages import DrivenLap as DrivenLap
from .messages import PlacedParams as PlacedParams
from .messages import lap as lap
from .messages import placed as placed
from .strategies import laps as laps
from .strategies import params as params
from .subject import Reward as Reward

__all__ = ["DrivenLap", "PlacedParams", "Reward", "lap", "laps", "params", "placed"]
