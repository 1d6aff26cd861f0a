from .config import ConfigErrors as ConfigErrors
from .config import LearnerSettings as LearnerSettings
from .config import TrainConfig as TrainConfig
from .config import parse_config as parse_config
from .evaluation import EvaluationResult as EvaluationResult
from .evaluation import evaluate as evaluate
from .explanation import explain_run as explain_run
from .explanation import policy_lap as policy_lap
from .learner import load_policy as load_policy
from .run import Run as Run
from .session import Session as Session
from .setup import CarsVecEnv as CarsVecEnv
from .setup import ProgressCallback as ProgressCallback
from .setup import TrainingProgress as TrainingProgress
from .trainer import open_session as open_session
from .trainer import train as train
from .trials import EvaluationScore as EvaluationScore
from .trials import beyond_logs_notes as beyond_logs_notes

__all__ = [
    "CarsVecEnv",
    "ConfigErrors",
    "EvaluationResult",
    "EvaluationScore",
    "LearnerSettings",
    "ProgressCallback",
    "Run",
    "Session",
    "TrainConfig",
    "TrainingProgress",
    "beyond_logs_notes",
    "evaluate",
    "explain_run",
    "load_policy",
    "open_session",
    "parse_config",
    "policy_lap",
    "train",
]
