from .foreseeing import CAR_STEPS_PER_SECOND as CAR_STEPS_PER_SECOND
from .foreseeing import DEFAULT_SECONDS as DEFAULT_SECONDS
from .foreseeing import foresee as foresee
from .foresight import Foresight as Foresight
from .foresight import ForesightProgress as ForesightProgress
from .foresight import ForesightSettings as ForesightSettings
from .foresight import PaidLine as PaidLine
from .foresight import compare_foresights as compare_foresights
from .kinds import KINDS as KINDS
from .kinds import DriveFacts as DriveFacts
from .kinds import Kind as Kind
from .kinds import drive_facts as drive_facts
from .kinds import name_kind as name_kind

__all__ = [
    "CAR_STEPS_PER_SECOND",
    "DEFAULT_SECONDS",
    "KINDS",
    "DriveFacts",
    "Foresight",
    "ForesightProgress",
    "ForesightSettings",
    "Kind",
    "PaidLine",
    "compare_foresights",
    "drive_facts",
    "foresee",
    "name_kind",
]
