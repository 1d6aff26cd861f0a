from .actions import design_figure as design_figure
from .actions import draw_action_bars as draw_action_bars
from .actions import draw_action_grid as draw_action_grid
from .actions import draw_command_plane as draw_command_plane
from .actions import draw_commands as draw_commands
from .actions import draw_fastest_lap as draw_fastest_lap
from .actions import draw_usage_by_place as draw_usage_by_place
from .actions import review_figure as review_figure
from .animation import FRAME_SIZE_PX as FRAME_SIZE_PX
from .animation import MAX_ANIMATION_FRAMES as MAX_ANIMATION_FRAMES
from .animation import Frames as Frames
from .animation import animate_laps as animate_laps
from .animation import onboard_frames as onboard_frames
from .attribution import attribution_figure as attribution_figure
from .attribution import draw_strongest_term as draw_strongest_term
from .attribution import draw_terms as draw_terms
from .figures import PlotRequest as PlotRequest
from .figures import Rival as Rival
from .figures import ghosts_figure as ghosts_figure
from .foresight import animate_foresight as animate_foresight
from .foresight import foresight_figure as foresight_figure
from .ghosts import draw_ghosts as draw_ghosts
from .heat_maps import draw_exits as draw_exits
from .heat_maps import draw_mean_rewards as draw_mean_rewards
from .heat_maps import draw_visits as draw_visits
from .kinds import PLOT_KINDS as PLOT_KINDS
from .kinds import PlotKind as PlotKind
from .kinds import find_plot_kind as find_plot_kind
from .kinds import plot as plot
from .kinds import symptom_figure as symptom_figure
from .lap_times import draw_best_so_far as draw_best_so_far
from .lap_times import draw_lap_times as draw_lap_times
from .lap_times import draw_reward_time as draw_reward_time
from .lap_times import draw_sector_times as draw_sector_times
from .lap_times import draw_time_distribution as draw_time_distribution
from .lap_times import sector_time_table as sector_time_table
from .laps import LAP_COLORINGS as LAP_COLORINGS
from .laps import draw_laps as draw_laps
from .laps import race_figure as race_figure
from .reward_map import draw_headings as draw_headings
from .reward_map import draw_ranks as draw_ranks
from .reward_map import draw_reward_map as draw_reward_map
from .reward_map import draw_slice_along as draw_slice_along
from .reward_map import draw_slices_across as draw_slices_across
from .reward_map import rank_figure as rank_figure
from .reward_map import reward_map_figure as reward_map_figure
from .selection import count_noun as count_noun
from .selection import laps_of_phase as laps_of_phase
from .selection import prefer_phase as prefer_phase
from .selection import row_numbers as row_numbers
from .selection import select_laps as select_laps
from .sensors import sensor_figure as sensor_figure
from .style import BORDER_COLOR as BORDER_COLOR
from .style import FAINT as FAINT
from .style import INK as INK
from .style import PALETTE as PALETTE
from .style import ROAD_COLOR as ROAD_COLOR
from .style import START_COLOR as START_COLOR
from .style import save_figure as save_figure
from .style import style_context as style_context
from .telemetry import align_laps as align_laps
from .telemetry import comparison_figure as comparison_figure
from .telemetry import draw_corner_gains as draw_corner_gains
from .telemetry import draw_corners as draw_corners
from .telemetry import draw_lap_delta as draw_lap_delta
from .telemetry import draw_lap_speeds as draw_lap_speeds
from .telemetry import draw_lap_steering as draw_lap_steering
from .telemetry import draw_median_deltas as draw_median_deltas
from .telemetry import draw_median_speeds as draw_median_speeds
from .telemetry import draw_times_by_log as draw_times_by_log
from .telemetry import laps_over_distance as laps_over_distance
from .track import border_points as border_points
from .track import corner_spans as corner_spans
from .track import draw_curvature as draw_curvature
from .track import draw_direction as draw_direction
from .track import draw_obstacles as draw_obstacles
from .track import draw_racing_line as draw_racing_line
from .track import draw_speed_profiles as draw_speed_profiles
from .track import draw_track as draw_track
from .track import draw_waypoints as draw_waypoints
from .track import name_corners as name_corners
from .track import racing_line_figure as racing_line_figure
from .track import start_line as start_line
from .track import track_figure as track_figure
from .track import track_gallery_figure as track_gallery_figure
from .training import draw_action_probabilities as draw_action_probabilities
from .training import draw_completion_by_iteration as draw_completion_by_iteration
from .training import draw_entropy as draw_entropy
from .training import draw_input_parts as draw_input_parts
from .training import draw_kl as draw_kl
from .training import draw_learning_curves as draw_learning_curves
from .training import draw_mean_command as draw_mean_command
from .training import draw_numbered_places as draw_numbered_places
from .training import draw_rewards_by_iteration as draw_rewards_by_iteration
from .training import draw_times_by_iteration as draw_times_by_iteration
from .training import learning_curve_figure as learning_curve_figure
from .training import policy_figure as policy_figure
from .training import training_figure as training_figure

__all__ = [
    "BORDER_COLOR",
    "FAINT",
    "FRAME_SIZE_PX",
    "INK",
    "LAP_COLORINGS",
    "MAX_ANIMATION_FRAMES",
    "PALETTE",
    "PLOT_KINDS",
    "ROAD_COLOR",
    "START_COLOR",
    "Frames",
    "PlotKind",
    "PlotRequest",
    "Rival",
    "align_laps",
    "animate_foresight",
    "animate_laps",
    "attribution_figure",
    "border_points",
    "comparison_figure",
    "corner_spans",
    "count_noun",
    "design_figure",
    "draw_action_bars",
    "draw_action_grid",
    "draw_action_probabilities",
    "draw_best_so_far",
    "draw_command_plane",
    "draw_commands",
    "draw_completion_by_iteration",
    "draw_corner_gains",
    "draw_corners",
    "draw_curvature",
    "draw_direction",
    "draw_entropy",
    "draw_exits",
    "draw_fastest_lap",
    "draw_ghosts",
    "draw_headings",
    "draw_input_parts",
    "draw_kl",
    "draw_lap_delta",
    "draw_lap_speeds",
    "draw_lap_steering",
    "draw_lap_times",
    "draw_laps",
    "draw_learning_curves",
    "draw_mean_command",
    "draw_mean_rewards",
    "draw_median_deltas",
    "draw_median_speeds",
    "draw_numbered_places",
    "draw_obstacles",
    "draw_racing_line",
    "draw_ranks",
    "draw_reward_map",
    "draw_reward_time",
    "draw_rewards_by_iteration",
    "draw_sector_times",
    "draw_slice_along",
    "draw_slices_across",
    "draw_speed_profiles",
    "draw_strongest_term",
    "draw_terms",
    "draw_time_distribution",
    "draw_times_by_iteration",
    "draw_times_by_log",
    "draw_track",
    "draw_usage_by_place",
    "draw_visits",
    "draw_waypoints",
    "find_plot_kind",
    "foresight_figure",
    "ghosts_figure",
    "laps_of_phase",
    "laps_over_distance",
    "learning_curve_figure",
    "name_corners",
    "onboard_frames",
    "plot",
    "policy_figure",
    "prefer_phase",
    "race_figure",
    "racing_line_figure",
    "rank_figure",
    "review_figure",
    "reward_map_figure",
    "row_numbers",
    "save_figure",
    "sector_time_table",
    "select_laps",
    "sensor_figure",
    "start_line",
    "style_context",
    "symptom_figure",
    "track_figure",
    "track_gallery_figure",
    "training_figure",
]
