"""Training: PPO agents that learn to drive by a user's reward function. The only importer of torch."""
