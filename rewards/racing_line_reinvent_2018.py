"""Follow the racing line at the pace of the fastest drive along it.

Teaches: physics in a table. LINE holds where the fastest drive is after each
fifteenth of a second, as `racer line` found it for re:Invent 2018 and car v6,
in driving order. So the pieces of it that a step covers are the car's pace as
a share of the fastest: 1 is as fast as physics allows. The pace is squared, or
a slow lap of many steps would earn as much as a fast one, and a car far from
the line earns less for it. There is a memory: it is searched near the last
place only, which is quick, and forgotten when an attempt begins.
Weakness: it fits one track and one car. The line passes within centimeters of
the border, so early in training the car leaves the road a lot.
"""

LINE = [
    (3.06, 0.35), (3.23, 0.33), (3.40, 0.32), (3.57, 0.31), (3.74, 0.30),
    (3.91, 0.30), (4.08, 0.31), (4.25, 0.32), (4.42, 0.34), (4.59, 0.36),
    (4.76, 0.39), (4.93, 0.42), (5.09, 0.45), (5.26, 0.50), (5.42, 0.54),
    (5.59, 0.59), (5.75, 0.64), (5.91, 0.70), (6.07, 0.76), (6.23, 0.82),
    (6.38, 0.90), (6.52, 1.00), (6.64, 1.11), (6.75, 1.24), (6.83, 1.38),
    (6.88, 1.53), (6.89, 1.67), (6.89, 1.79), (6.87, 1.92), (6.82, 2.04),
    (6.76, 2.15), (6.68, 2.25), (6.58, 2.35), (6.46, 2.43), (6.31, 2.51),
    (6.15, 2.56), (5.98, 2.61), (5.82, 2.66), (5.65, 2.70), (5.49, 2.74),
    (5.32, 2.78), (5.16, 2.83), (5.00, 2.88), (4.84, 2.94), (4.69, 3.02),
    (4.54, 3.11), (4.41, 3.21), (4.28, 3.32), (4.15, 3.44), (4.03, 3.56),
    (3.91, 3.68), (3.79, 3.80), (3.66, 3.91), (3.53, 4.03), (3.40, 4.13),
    (3.26, 4.23), (3.12, 4.32), (2.96, 4.39), (2.80, 4.43), (2.63, 4.47),
    (2.46, 4.49), (2.29, 4.49), (2.12, 4.49), (1.95, 4.47), (1.79, 4.45),
    (1.62, 4.41), (1.46, 4.35), (1.31, 4.28), (1.17, 4.19), (1.05, 4.07),
    (0.94, 3.94), (0.87, 3.79), (0.81, 3.63), (0.77, 3.46), (0.75, 3.29),
    (0.74, 3.12), (0.73, 2.95), (0.74, 2.78), (0.75, 2.61), (0.77, 2.44),
    (0.80, 2.28), (0.83, 2.11), (0.88, 1.95), (0.94, 1.79), (1.00, 1.63),
    (1.08, 1.47), (1.16, 1.32), (1.25, 1.18), (1.36, 1.05), (1.48, 0.93),
    (1.61, 0.83), (1.76, 0.75), (1.91, 0.67), (2.07, 0.61), (2.23, 0.55),
    (2.40, 0.50), (2.56, 0.46), (2.73, 0.42), (2.89, 0.38),
]
FAR = 0.4  # m from the line, where most of the pay is gone
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
    pace = max(-2.0, min(2.0, pace))
    worth = max(0.2, 1.0 - square / FAR ** 2)
    return float(pace * abs(pace) * worth)
