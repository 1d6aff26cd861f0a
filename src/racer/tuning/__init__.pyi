from .constants import Constant as Constant
from .constants import differs_in_numbers_only as differs_in_numbers_only
from .constants import find_constants as find_constants
from .constants import tuned_path as tuned_path
from .constants import with_values as with_values
from .record import Setting as Setting
from .record import SlowRule as SlowRule
from .record import Tuning as Tuning
from .record import TuningSettings as TuningSettings
from .study import OnSetting as OnSetting
from .study import tune as tune
from .trained import TrainedComparison as TrainedComparison
from .trained import TrainedSetting as TrainedSetting
from .trained import train_settings as train_settings

__all__ = [
    "Constant",
    "OnSetting",
    "Setting",
    "SlowRule",
    "TrainedComparison",
    "TrainedSetting",
    "Tuning",
    "TuningSettings",
    "differs_in_numbers_only",
    "find_constants",
    "train_settings",
    "tune",
    "tuned_path",
    "with_values",
]
