from .action_space import ActionSpace as ActionSpace
from .car import CARS as CARS
from .car import DEFAULT_CAR as DEFAULT_CAR
from .car import FOOTPRINT_M as FOOTPRINT_M
from .car import FRONT_POINT_M as FRONT_POINT_M
from .car import PUT_BACK_RULES as PUT_BACK_RULES
from .car import SPEED_LIMITS_MPS as SPEED_LIMITS_MPS
from .car import STEERING_LIMIT_DEG as STEERING_LIMIT_DEG
from .car import STEP_S as STEP_S
from .car import V6 as V6
from .car import WHEEL_CENTERS_M as WHEEL_CENTERS_M
from .car import Car as Car
from .car import car_preset as car_preset
from .car import car_table as car_table
from .dynamics import _speeds as _speeds
from .dynamics import advance_motion as advance_motion
from .metadata import CAR_VERSIONS as CAR_VERSIONS
from .metadata import DEFAULT_CAMERA as DEFAULT_CAMERA
from .metadata import DEFAULT_LIDAR_CONFIG as DEFAULT_LIDAR_CONFIG
from .metadata import DEFAULT_NETWORK as DEFAULT_NETWORK
from .metadata import DEFAULT_VERSION as DEFAULT_VERSION
from .metadata import LIDAR_RAYS as LIDAR_RAYS
from .metadata import Metadata as Metadata
from .metadata import car_generation as car_generation
from .metadata import metadata_as_json as metadata_as_json
from .metadata import parse_metadata as parse_metadata
from .metadata import read_metadata as read_metadata
from .metadata import write_metadata as write_metadata

__all__ = [
    "CARS",
    "CAR_VERSIONS",
    "DEFAULT_CAMERA",
    "DEFAULT_CAR",
    "DEFAULT_LIDAR_CONFIG",
    "DEFAULT_NETWORK",
    "DEFAULT_VERSION",
    "FOOTPRINT_M",
    "FRONT_POINT_M",
    "LIDAR_RAYS",
    "PUT_BACK_RULES",
    "SPEED_LIMITS_MPS",
    "STEERING_LIMIT_DEG",
    "STEP_S",
    "V6",
    "WHEEL_CENTERS_M",
    "ActionSpace",
    "Car",
    "Metadata",
    "_speeds",
    "advance_motion",
    "car_generation",
    "car_preset",
    "car_table",
    "metadata_as_json",
    "parse_metadata",
    "read_metadata",
    "write_metadata",
]
