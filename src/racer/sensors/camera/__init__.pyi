from .arena import wall_segments as wall_segments
from .camera import FRONT_CAMERA as FRONT_CAMERA
from .camera import LEFT_CAMERA as LEFT_CAMERA
from .camera import RIGHT_CAMERA as RIGHT_CAMERA
from .camera import Camera as Camera
from .camera import render_camera as render_camera
from .camera import render_stereo as render_stereo
from .ground_map import map_ground as map_ground
from .randomization import APPEARANCE as APPEARANCE
from .randomization import draw_appearances as draw_appearances
from .randomization import find_randomization as find_randomization

__all__ = [
    "APPEARANCE",
    "FRONT_CAMERA",
    "LEFT_CAMERA",
    "RIGHT_CAMERA",
    "Camera",
    "draw_appearances",
    "find_randomization",
    "map_ground",
    "render_camera",
    "render_stereo",
    "wall_segments",
]
