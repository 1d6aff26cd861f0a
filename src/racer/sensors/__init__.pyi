from .features import FEATURE_NAMES as FEATURE_NAMES
from .features import car_features as car_features
from .lidar import FARTHEST_M as FARTHEST_M
from .lidar import RAY_ANGLES_RAD as RAY_ANGLES_RAD
from .lidar import encode_discretized_lidar as encode_discretized_lidar
from .lidar import encode_sector_lidar as encode_sector_lidar
from .lidar import scan_lidar as scan_lidar
from .names import METADATA_OBSERVATIONS as METADATA_OBSERVATIONS
from .names import PICTURE_KINDS as PICTURE_KINDS
from .names import PICTURE_SIZE_PX as PICTURE_SIZE_PX
from .names import has_pictures as has_pictures
from .names import parse_observations as parse_observations
from .names import picture_size as picture_size
from .names import sensor_kind as sensor_kind
from .observation import Observation as Observation
from .observation import Sensors as Sensors
from .observation import SensorSpec as SensorSpec
from .observation import sensor_spec as sensor_spec

__all__ = [
    "FARTHEST_M",
    "FEATURE_NAMES",
    "METADATA_OBSERVATIONS",
    "PICTURE_KINDS",
    "PICTURE_SIZE_PX",
    "RAY_ANGLES_RAD",
    "Observation",
    "SensorSpec",
    "Sensors",
    "car_features",
    "encode_discretized_lidar",
    "encode_sector_lidar",
    "has_pictures",
    "parse_observations",
    "picture_size",
    "scan_lidar",
    "sensor_kind",
    "sensor_spec",
]
