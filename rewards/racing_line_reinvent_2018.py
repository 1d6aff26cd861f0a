"""Follow a racing line given as a table of points.

Teaches: knowledge of one track can be written down. The table holds the line of least curvature through re:Invent 2018,
0.12 m clear of the borders, in driving order; the reward falls with the distance from the nearest piece of it and grows
with speed.
Weakness: it fits this track in this direction and no other. The line of least curvature is short of the fastest line,
and going through the table at every step makes this the slowest reward function of the collection.
"""

LINE = [
    (3.06, 0.46), (3.34, 0.44), (3.62, 0.43), (3.90, 0.42), (4.18, 0.42),
    (4.46, 0.43), (4.74, 0.45), (5.02, 0.47), (5.30, 0.51), (5.58, 0.56),
    (5.85, 0.63), (6.12, 0.71), (6.38, 0.81), (6.61, 0.96), (6.81, 1.16),
    (6.95, 1.40), (7.01, 1.67), (6.98, 1.95), (6.86, 2.20), (6.67, 2.40),
    (6.42, 2.54), (6.16, 2.63), (5.88, 2.69), (5.61, 2.74), (5.33, 2.78),
    (5.06, 2.84), (4.79, 2.93), (4.54, 3.06), (4.32, 3.23), (4.11, 3.42),
    (3.92, 3.63), (3.73, 3.83), (3.53, 4.03), (3.32, 4.21), (3.08, 4.36),
    (2.82, 4.46), (2.54, 4.51), (2.26, 4.53), (1.98, 4.52), (1.71, 4.47),
    (1.44, 4.38), (1.19, 4.25), (0.99, 4.05), (0.85, 3.82), (0.76, 3.55),
    (0.72, 3.27), (0.71, 2.99), (0.71, 2.71), (0.75, 2.43), (0.80, 2.16),
    (0.89, 1.89), (0.99, 1.63), (1.12, 1.38), (1.27, 1.15), (1.47, 0.94),
    (1.71, 0.79), (1.96, 0.69), (2.23, 0.61), (2.51, 0.54), (2.78, 0.49),
]
TOLERANCE = 0.3  # m from the line where nothing is paid any more
FAST = 4.0  # m/s


def squared_distance(x, y, one, other):
    """From a point to the straight piece between two points."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    along = ((x - one[0]) * dx + (y - one[1]) * dy) / (dx * dx + dy * dy)
    along = max(0.0, min(1.0, along))
    return (x - one[0] - along * dx) ** 2 + (y - one[1] - along * dy) ** 2


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    x, y = params["x"], params["y"]
    # LINE[-1] and LINE[0] are neighbors: the line is a ring
    away = min(squared_distance(x, y, LINE[k - 1], LINE[k])
               for k in range(len(LINE)))
    place = max(0.0, 1.0 - away ** 0.5 / TOLERANCE)
    pace = 0.5 + 0.5 * min(1.0, params["speed"] / FAST)
    return float(max(1e-3, place * pace))
