from .corners import Corner as Corner
from .corners import TrackFacts as TrackFacts
from .corners import driving_direction as driving_direction
from .corners import find_corners as find_corners
from .corners import is_inside_corner as is_inside_corner
from .corners import road_faults as road_faults
from .corners import track_curvature as track_curvature
from .corners import track_facts as track_facts
from .layout import read_layout as read_layout
from .library import ROUTES_ADDRESS as ROUTES_ADDRESS
from .library import TRACK_SUFFIXES as TRACK_SUFFIXES
from .library import TrackEntry as TrackEntry
from .library import TrackSource as TrackSource
from .library import available_tracks as available_tracks
from .library import fetch_route as fetch_route
from .library import find_track as find_track
from .library import import_track as import_track
from .library import load_track as load_track
from .library import open_entry as open_entry
from .library import own_tracks as own_tracks
from .library import track_entries as track_entries
from .library import user_home as user_home
from .library import world_names as world_names
from .library import world_of_direction as world_of_direction
from .library import world_reconstructions as world_reconstructions
from .route import load_route as load_route
from .route import save_route as save_route
from .spatial_index import PackedTracks as PackedTracks
from .spatial_index import check_extent as check_extent
from .spatial_index import nearest_segment as nearest_segment
from .spatial_index import on_road as on_road
from .spatial_index import pack_tracks as pack_tracks
from .track import DEFAULT_TRACK as DEFAULT_TRACK
from .track import Track as Track

__all__ = [
    "DEFAULT_TRACK",
    "ROUTES_ADDRESS",
    "TRACK_SUFFIXES",
    "Corner",
    "PackedTracks",
    "Track",
    "TrackEntry",
    "TrackFacts",
    "TrackSource",
    "available_tracks",
    "check_extent",
    "driving_direction",
    "fetch_route",
    "find_corners",
    "find_track",
    "import_track",
    "is_inside_corner",
    "load_route",
    "load_track",
    "nearest_segment",
    "on_road",
    "open_entry",
    "own_tracks",
    "pack_tracks",
    "read_layout",
    "road_faults",
    "save_route",
    "track_curvature",
    "track_entries",
    "track_facts",
    "user_home",
    "world_names",
    "world_of_direction",
    "world_reconstructions",
]
