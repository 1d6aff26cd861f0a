"""The car and its commands: geometry and limits, dynamics, action spaces, model metadata."""
