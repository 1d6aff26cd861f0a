"""What the words of a reward file give away about it."""

from __future__ import annotations

import ast

from racer.reward.load import RewardFunction


def reads_objects(reward: RewardFunction) -> bool:
    """Whether a reward file names a key of params that is about objects."""
    words = (node.value for node in ast.walk(reward.syntax.tree) if isinstance(node, ast.Constant))
    return any(isinstance(w, str) and (w.startswith("objects_") or w == "closest_objects") for w in words)
