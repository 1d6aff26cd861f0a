from .analysis import compare as compare
from .analysis import laps as laps
from .checker import check as check
from .diagnostics import doctor as doctor
from .diagnostics import explain as explain
from .diagnostics import foresee as foresee
from .diagnostics import replay as replay
from .diagnostics import score as score
from .drivers import drive as drive
from .env import DeepRacerEnv as DeepRacerEnv
from .env import DeepRacerVectorEnv as DeepRacerVectorEnv
from .errors import RacerError as RacerError
from .logs import read_log as read_log
from .plotting import plot as plot
from .raceline import racing_line as racing_line
from .reward import RewardRefused as RewardRefused
from .reward import load_reward as load_reward
from .sim import place as place
from .track import Track as Track
from .track import load_track as load_track
from .training import Run as Run
from .training import evaluate as evaluate
from .training import train as train
from .vehicle import ActionSpace as ActionSpace
from .vehicle import Car as Car
from .vehicle import read_metadata as read_metadata

__version__: str
__all__ = [
    "ActionSpace",
    "Car",
    "DeepRacerEnv",
    "DeepRacerVectorEnv",
    "RacerError",
    "RewardRefused",
    "Run",
    "Track",
    "check",
    "compare",
    "doctor",
    "drive",
    "evaluate",
    "explain",
    "foresee",
    "laps",
    "load_reward",
    "load_track",
    "place",
    "plot",
    "racing_line",
    "read_log",
    "read_metadata",
    "replay",
    "score",
    "train",
]
