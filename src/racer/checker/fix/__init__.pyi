from .rewrite import FixResult as FixResult
from .rewrite import fix_reward as fix_reward
from .rewrite import write_fix as write_fix

__all__ = ["FixResult", "fix_reward", "write_fix"]
