from .corridor import Corridor as Corridor
from .corridor import border_distances as border_distances
from .corridor import build_rough_corridor as build_rough_corridor
from .corridor import neighbors as neighbors
from .corridor import normal_vectors as normal_vectors
from .corridor import relaxed_offsets as relaxed_offsets
from .files import FOLLOWING_MARGIN_M as FOLLOWING_MARGIN_M
from .files import following_reward as following_reward
from .files import line_as_csv as line_as_csv
from .files import line_as_npy as line_as_npy
from .files import line_snippet as line_snippet
from .files import pace_reward as pace_reward
from .files import read_line as read_line
from .ggv import cornering_speeds as cornering_speeds
from .lap_bound import Passage as Passage
from .lap_bound import bound_sentence as bound_sentence
from .lap_bound import corner_passages as corner_passages
from .lap_bound import lap_time_bound as lap_time_bound
from .lap_bound import remember_bound as remember_bound
from .lap_bound import remembered_bound as remembered_bound
from .minimum_time import LINE_MARGIN_M as LINE_MARGIN_M
from .minimum_time import WIDEST_MARGIN_M as WIDEST_MARGIN_M
from .minimum_time import RacingLine as RacingLine
from .minimum_time import racing_line as racing_line

__all__ = [
    "FOLLOWING_MARGIN_M",
    "LINE_MARGIN_M",
    "WIDEST_MARGIN_M",
    "Corridor",
    "Passage",
    "RacingLine",
    "border_distances",
    "bound_sentence",
    "build_rough_corridor",
    "corner_passages",
    "cornering_speeds",
    "following_reward",
    "lap_time_bound",
    "line_as_csv",
    "line_as_npy",
    "line_snippet",
    "neighbors",
    "normal_vectors",
    "pace_reward",
    "racing_line",
    "read_line",
    "relaxed_offsets",
    "remember_bound",
    "remembered_bound",
]
