"""Figures. Every function that draws takes an `Axes` and returns it."""
