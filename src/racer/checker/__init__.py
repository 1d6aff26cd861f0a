"""Everything about a reward function that can be known without training."""
