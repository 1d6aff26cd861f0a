from .single_env import DeepRacerEnv as DeepRacerEnv
from .vector_env import DeepRacerVectorEnv as DeepRacerVectorEnv
from .vector_env import StepResult as StepResult

__all__ = ["DeepRacerEnv", "DeepRacerVectorEnv", "StepResult"]
