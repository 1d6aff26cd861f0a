"""Follow the racing line at the pace of the fastest drive along it.

Teaches: physics in a table. LINE holds where the fastest drive is after each
fifteenth of a second, as `racer line` found it for re:Invent 2018 and car v6,
in driving order. So the pieces of it that a step covers are the car's pace as
a share of the fastest: 1 is as fast as physics allows. The pace is squared, or
a slow lap of many steps would earn as much as a fast one. A car far from the
line earns less for it, but no less than half: were it less, a slow lap on the
line would earn more than a fast one beside it. There is a memory: it is
searched near the last place only, which is quick, and forgotten when an
attempt begins.
Weakness: it fits one track and one car. The line passes within centimeters of
the border, so early in training the car leaves the road a lot.
"""

LINE = [
    (3.06, 0.92), (3.23, 0.92), (3.40, 0.92), (3.57, 0.92), (3.74, 0.92),
    (3.91, 0.92), (4.08, 0.91), (4.25, 0.91), (4.42, 0.91), (4.60, 0.90),
    (4.77, 0.90), (4.94, 0.89), (5.11, 0.89), (5.28, 0.88), (5.45, 0.88),
    (5.62, 0.87), (5.79, 0.87), (5.96, 0.88), (6.13, 0.91), (6.29, 0.95),
    (6.45, 1.02), (6.58, 1.11), (6.70, 1.23), (6.79, 1.36), (6.85, 1.50),
    (6.89, 1.65), (6.90, 1.80), (6.88, 1.95), (6.83, 2.10), (6.75, 2.25),
    (6.65, 2.38), (6.53, 2.49), (6.38, 2.59), (6.23, 2.66), (6.08, 2.73),
    (5.92, 2.79), (5.76, 2.85), (5.59, 2.90), (5.43, 2.96), (5.27, 3.02),
    (5.11, 3.08), (4.95, 3.14), (4.80, 3.21), (4.64, 3.28), (4.49, 3.35),
    (4.33, 3.43), (4.18, 3.50), (4.03, 3.58), (3.88, 3.66), (3.72, 3.73),
    (3.57, 3.81), (3.42, 3.89), (3.26, 3.96), (3.11, 4.03), (2.95, 4.09),
    (2.78, 4.13), (2.62, 4.17), (2.45, 4.21), (2.28, 4.23), (2.11, 4.24),
    (1.94, 4.24), (1.77, 4.22), (1.60, 4.18), (1.45, 4.12), (1.32, 4.03),
    (1.20, 3.92), (1.11, 3.79), (1.04, 3.64), (0.99, 3.48), (0.97, 3.31),
    (0.98, 3.15), (1.00, 2.98), (1.03, 2.81), (1.07, 2.64), (1.11, 2.48),
    (1.15, 2.31), (1.19, 2.14), (1.23, 1.98), (1.28, 1.82), (1.34, 1.65),
    (1.41, 1.50), (1.50, 1.36), (1.61, 1.23), (1.73, 1.13), (1.88, 1.05),
    (2.04, 0.99), (2.21, 0.96), (2.38, 0.94), (2.55, 0.93), (2.72, 0.93),
    (2.89, 0.92),
]
FAR = 0.4  # m from the line, where the pay would end
LEAST = 0.5  # of the pay is left, however far the line is
MOST = 1.1  # pace that is paid: with more, a car does not stay on the road
NEAR = 6  # pieces of the line before and after the last place

LAST = {"place": 0.0, "steps": 0.0}


def beside(x, y, k):
    """Squared distance to the piece that ends at point k; share along it."""
    (x0, y0), (x1, y1) = LINE[k - 1], LINE[k]
    dx, dy = x1 - x0, y1 - y0
    share = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)
    share = max(0.0, min(1.0, share))
    ex, ey = x - x0 - share * dx, y - y0 - share * dy
    return ex * ex + ey * ey, share


def reward_function(params):
    x, y, steps = params["x"], params["y"], params["steps"]
    is_next_step = steps == LAST["steps"] + 1
    count, at = len(LINE), int(LAST["place"])
    near = range(at - NEAR, at + NEAR + 1) if is_next_step else range(count)
    square, share, k = min(beside(x, y, k % count) + (k % count,) for k in near)

    place = (k - 1 + share) % count
    gained = place - LAST["place"] if is_next_step else 0.0
    gained = (gained + 0.5 * count) % count - 0.5 * count  # over the start
    LAST["place"], LAST["steps"] = place, steps

    if params["is_offtrack"] or params["is_crashed"]:
        return 0.0
    pace = -gained if params["is_reversed"] else gained
    pace = max(-MOST, min(MOST, pace))
    worth = max(LEAST, 1.0 - square / FAR ** 2)
    return float(pace * abs(pace) * worth)
