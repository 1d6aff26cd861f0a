from .columns import param_columns as param_columns
from .noise import read_noise as read_noise
from .obstacle_layout import OBSTACLE_LAYOUTS as OBSTACLE_LAYOUTS
from .obstacle_layout import ObstacleLayout as ObstacleLayout
from .obstacle_layout import ObstacleSource as ObstacleSource
from .obstacle_layout import read_obstacle_layout as read_obstacle_layout
from .obstacles import BOT as BOT
from .obstacles import COLLISION_SIZE_M as COLLISION_SIZE_M
from .obstacles import OBSTACLE_DTYPE as OBSTACLE_DTYPE
from .obstacles import OBSTACLE_KINDS as OBSTACLE_KINDS
from .obstacles import VISIBLE_SIZE_M as VISIBLE_SIZE_M
from .obstacles import Obstacles as Obstacles
from .obstacles import hit_obstacle as hit_obstacle
from .obstacles import merge_obstacles as merge_obstacles
from .obstacles import obstacles_before as obstacles_before
from .obstacles import obstacles_on as obstacles_on
from .params import Params as Params
from .params import both_directions as both_directions
from .params import build_params as build_params
from .params import copy_params as copy_params
from .params import least_steps as least_steps
from .params import obstacles_met as obstacles_met
from .params import place as place
from .params import placed_rows as placed_rows
from .params import waypoint_distance as waypoint_distance
from .simulation import ROUND_ROBIN as ROUND_ROBIN
from .simulation import START_LINE as START_LINE
from .simulation import Scenario as Scenario
from .simulation import Simulation as Simulation
from .simulation import Starts as Starts
from .simulation import line_up as line_up
from .state import EVALUATION as EVALUATION
from .state import HELD_STATUSES as HELD_STATUSES
from .state import ROW_BYTES as ROW_BYTES
from .state import STATE as STATE
from .state import STATUS_WORDS as STATUS_WORDS
from .state import TRAINING as TRAINING
from .state import Phase as Phase
from .state import Rules as Rules
from .state import State as State
from .state import Status as Status
from .state import trace_columns as trace_columns
from .state import trace_row as trace_row
from .step import locate_cars as locate_cars
from .step import locate_in_sequence as locate_in_sequence
from .step import step_cars as step_cars
from .step import tally_rows as tally_rows

__all__ = [
    "BOT",
    "COLLISION_SIZE_M",
    "EVALUATION",
    "HELD_STATUSES",
    "OBSTACLE_DTYPE",
    "OBSTACLE_KINDS",
    "OBSTACLE_LAYOUTS",
    "ROUND_ROBIN",
    "ROW_BYTES",
    "START_LINE",
    "STATE",
    "STATUS_WORDS",
    "TRAINING",
    "VISIBLE_SIZE_M",
    "ObstacleLayout",
    "ObstacleSource",
    "Obstacles",
    "Params",
    "Phase",
    "Rules",
    "Scenario",
    "Simulation",
    "Starts",
    "State",
    "Status",
    "both_directions",
    "build_params",
    "copy_params",
    "hit_obstacle",
    "least_steps",
    "line_up",
    "locate_cars",
    "locate_in_sequence",
    "merge_obstacles",
    "obstacles_before",
    "obstacles_met",
    "obstacles_on",
    "param_columns",
    "place",
    "placed_rows",
    "read_noise",
    "read_obstacle_layout",
    "step_cars",
    "tally_rows",
    "trace_columns",
    "trace_row",
    "waypoint_distance",
]
