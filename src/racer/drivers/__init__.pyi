from .mpc import CommandLimits as CommandLimits
from .mpc import DrivingPlan as DrivingPlan
from .mpc import follow_plans as follow_plans
from .mpc import start_followers as start_followers
from .plans import PlanInputs as PlanInputs
from .plans import avoiding_offsets as avoiding_offsets
from .rollout import Drive as Drive
from .rollout import command_choices as command_choices
from .rollout import follow_line as follow_line
from .rollout import roll_out as roll_out
from .rollout import scored_rows_of as scored_rows_of
from .scripted import ALL_DRIVERS as ALL_DRIVERS
from .scripted import DAWDLING as DAWDLING
from .scripted import DRIVER_FAMILY as DRIVER_FAMILY
from .scripted import EXPERT as EXPERT
from .scripted import WRONG_WAY as WRONG_WAY
from .scripted import Driver as Driver
from .scripted import default_drivers as default_drivers
from .scripted import drive as drive
from .scripted import drive_all as drive_all
from .scripted import drive_dawdling as drive_dawdling
from .scripted import plan_inputs as plan_inputs

__all__ = [
    "ALL_DRIVERS",
    "DAWDLING",
    "DRIVER_FAMILY",
    "EXPERT",
    "WRONG_WAY",
    "CommandLimits",
    "Drive",
    "Driver",
    "DrivingPlan",
    "PlanInputs",
    "avoiding_offsets",
    "command_choices",
    "default_drivers",
    "drive",
    "drive_all",
    "drive_dawdling",
    "follow_line",
    "follow_plans",
    "plan_inputs",
    "roll_out",
    "scored_rows_of",
    "start_followers",
]
