"""Lines to drive: the road as stations with room on both sides, and the line of least curvature
through them.
"""
