"""The curvature of a track's center line, the corners that follow from it as a racing engineer
numbers them, the facts that describe a track, and what makes a road none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CURVATURE_WINDOW_M = 0.3
"""Curvature is that of the circle through three points this far apart along the lap, or a waypoint if farther."""

BEND_CURVATURE = 0.1
"""A track of more curvature than this, 1/m, bends: its radius is under 10 m, 50 times the car's wheelbase."""

LEAST_CORNER_RAD = np.radians(20.0)
"""A bend that turns less than this is a kink in a straight and no corner."""

CURVATURE_SPACING_M = 0.05
"""Distance of the samples of the curvature in which corners are looked for."""

SMOOTHING_M = 0.35
"""Standard deviation of the Gaussian that smooths those samples: a third of a track's width."""

EDGE_FRACTION = 0.3
"""A corner begins and ends where this fraction of its tightest curvature is reached."""

VALLEY_FRACTION = 0.4
"""Two bends to one side are two corners where the curvature between them falls below this fraction of the lesser peak."""

WIDE_M, NARROW_M = 20.0, 0.2
"""No road of the simulator is as wide as the one, in the median, or as narrow as the other: a car's width."""

APEX_FRACTION = 0.85
"""The apex is the middle of the stretch above this fraction of the tightest curvature."""


@dataclass(frozen=True)
class TrackFacts:
    """Numbers about one track: m and rad, x y of the start line, counts of corners to either side."""

    length: float
    width_min: float
    width_median: float
    width_max: float
    waypoints: int
    corners_left: int
    corners_right: int
    radius_min: float
    direction: str
    start_x: float
    start_y: float
    start_heading: float


def track_facts(track: Track) -> TrackFacts:
    """The facts of `track`."""
    width = track.width
    angles = np.array([corner.angle for corner in find_corners(track)])
    tightest = max(float(np.abs(track_curvature(track)).max()), 1e-9)
    dx, dy = track.center[1] - track.center[0]
    return TrackFacts(
        length=track.length,
        width_min=float(width.min()),
        width_median=float(np.median(width)),
        width_max=float(width.max()),
        waypoints=len(track.center),
        corners_left=int(np.sum(angles > 0)),
        corners_right=int(np.sum(angles < 0)),
        radius_min=1.0 / tightest,
        direction=driving_direction(track),
        start_x=float(track.center[0, 0]),
        start_y=float(track.center[0, 1]),
        start_heading=float(np.arctan2(dy, dx)),
    )


def driving_direction(track: Track) -> str:
    """`counterclockwise`, `clockwise` or, for a track that is no loop, `open`."""
    if not track.is_loop:
        return "open"
    if track.is_ccw:
        return "counterclockwise"
    return "clockwise"


def track_curvature(track: Track) -> Array:
    """(W,) curvature of the center line at every waypoint, 1/m, left positive; 0 at an open end.

    It is taken over `CURVATURE_WINDOW_M`, because waypoints of real routes are a few millimeters
    off and seams would count as corners.
    """
    reach = max(CURVATURE_WINDOW_M, float(np.median(np.diff(track.s))))
    before = track.center - track.point_at(track.s - reach)
    after = track.point_at(track.s + reach) - track.center
    return geometry.circle_curvature(before, after)


def _bend_side(kappa: Array) -> Array:
    """(S,) 1 where the track bends to the left, -1 to the right, 0 where it is straight."""
    return np.asarray(np.sign(kappa) * (np.abs(kappa) > BEND_CURVATURE))


def _run_starts(values: Array) -> Index:
    """Indices at which a run of equal `values` (S,) begins, but for the first run."""
    return np.flatnonzero(np.diff(values)) + 1


@dataclass(frozen=True)
class Corner:
    """A corner. `start`, `apex`, `end`: m of arc length from the start line, in driving direction.

    `end` is less than `start` where the corner spans the start line. `angle` is what the track
    turns in it, rad, positive to the left; `radius` that of the center line where it is tightest, m.
    """

    name: str
    start: float
    apex: float
    end: float
    angle: float
    radius: float


def find_corners(track: Track) -> tuple[Corner, ...]:
    """The corners of a track, T1, T2, ... in driving direction from its start line, by their apex.

    Bends to the same side are one corner as long as the track between them stays bent (see
    `VALLEY_FRACTION`); what turns less than `LEAST_CORNER_RAD` is none.

    >>> from racer.track import load_track
    >>> [(corner.name, round(corner.radius, 1)) for corner in find_corners(load_track("skid_pad"))]
    [('T1', 2.5)]
    """
    samples = _sample_curvature(track)
    corners = []
    for bend in _find_bends(samples.kappa):
        corner = _corner_of_bend(samples, bend, track)
        if abs(corner.angle) >= LEAST_CORNER_RAD:
            corners.append(corner)
    corners.sort(key=lambda corner: corner.apex)
    return tuple(replace(corner, name=f"T{number}") for number, corner in enumerate(corners, 1))


def is_inside_corner(corner: Corner, s: Array) -> NDArray[np.bool_]:
    """(N,) whether arc lengths `s` (N,) m from the start line lie in a corner."""
    is_after_start = s >= corner.start
    is_before_end = s <= corner.end
    if corner.start <= corner.end:
        return np.asarray(is_after_start & is_before_end)
    return np.asarray(is_after_start | is_before_end)


@dataclass(frozen=True, eq=False)
class _CurvatureSamples:
    """The lap at equal steps of `spacing` m, from where it bends least, `origin` m behind the start
    line.
    """

    kappa: Array  # (S,) 1/m, smoothed
    sharp: Array  # (S,) 1/m, not smoothed
    heading: Array  # (S,) rad, without jumps
    spacing: float
    origin: float


def _sample_curvature(track: Track) -> _CurvatureSamples:
    count = max(round(track.length / CURVATURE_SPACING_M), 8)
    s = np.linspace(0.0, track.length, count, endpoint=not track.is_loop)
    spacing = float(s[1] - s[0])
    sharp = np.interp(s, track.s, track_curvature(track))
    kappa = _smooth(sharp, spacing, track.is_loop)
    first = 0
    if track.is_loop:
        first = int(np.argmin(np.abs(kappa)))
    return _CurvatureSamples(
        kappa=np.roll(kappa, -first),
        sharp=np.roll(sharp, -first),
        heading=np.unwrap(np.roll(_headings(track, s), -first)),
        spacing=spacing,
        origin=first * spacing,
    )


def _smooth(samples: Array, spacing: float, is_loop: bool) -> Array:
    """`samples` (S,) under a Gaussian of deviation `SMOOTHING_M`, around the lap on a loop."""
    from scipy.ndimage import gaussian_filter1d

    sigma = SMOOTHING_M / spacing
    reach = min(int(np.ceil(3.0 * sigma)), len(samples) - 1)
    mode = "wrap" if is_loop else "nearest"
    return np.asarray(gaussian_filter1d(samples, sigma, mode=mode, radius=reach))


def _headings(track: Track, s: Array) -> Array:
    """(S,) rad, of the chords of the center line around `s` (S,) m that are as long as the window
    of the curvature.
    """
    half = CURVATURE_WINDOW_M / 2
    chord = track.point_at(s + half) - track.point_at(s - half)
    return np.arctan2(chord[:, 1], chord[:, 0])


def _find_bends(kappa: Array) -> list[Index]:
    """Samples of each bend, in driving order: runs to one side, cut where they are nearly straight
    in between, and trimmed to `EDGE_FRACTION`.
    """
    size = np.abs(kappa)
    side = _bend_side(kappa)
    bends = []
    for run in np.split(np.arange(len(kappa)), _run_starts(side)):
        if not side[run[0]]:
            continue
        for piece in _cut_at_valleys(size, run):
            is_bent = size[piece] >= EDGE_FRACTION * size[piece].max()
            bends.append(piece[is_bent])
    return bends


def _cut_at_valleys(size: Array, run: Index) -> list[Index]:
    """`run`, cut at its deepest valley (compared with the lesser of the peaks around it), and so on
    in both parts.
    """
    peak_before = np.maximum.accumulate(size[run])
    peak_after = np.maximum.accumulate(size[run][::-1])[::-1]
    depth = size[run] / np.minimum(peak_before, peak_after)
    lowest = int(np.argmin(depth))
    if depth[lowest] >= VALLEY_FRACTION:
        return [run]
    return [*_cut_at_valleys(size, run[:lowest]), *_cut_at_valleys(size, run[lowest:])]


def _corner_of_bend(samples: _CurvatureSamples, bend: Index, track: Track) -> Corner:
    """The corner, without a name, that takes up the samples from the first to the last of `bend`."""
    first = int(bend[0])
    last = int(bend[-1])
    sharpest = float(np.abs(samples.sharp[first : last + 1]).max())
    apex = first + _middle_of_peak(np.abs(samples.kappa[first : last + 1]))
    start_s, apex_s, end_s = (
        samples.origin + samples.spacing * np.array([first, apex, last])
    ).tolist()
    if track.is_loop:
        start_s %= track.length
        apex_s %= track.length
        end_s %= track.length
    return Corner(
        name="",
        start=start_s,
        apex=apex_s,
        end=end_s,
        angle=float(samples.heading[last] - samples.heading[first]),
        radius=1.0 / max(sharpest, 1e-9),
    )


def _middle_of_peak(size: Array) -> float:
    """Index, between samples, of the middle of what is above `APEX_FRACTION` of the largest."""
    weight = np.where(size >= APEX_FRACTION * size.max(), size, 0.0)
    return float(np.interp(0.5, np.cumsum(weight) / weight.sum(), np.arange(len(size))))


# ---- roads that are none


def road_faults(track: Track) -> list[str]:
    """What makes a road one that nobody could race on: sentences, the likeliest cause first."""
    width = float(np.median(track.width))
    if width > 10 * WIDE_M:
        return [f"the road is {width:.0f} m wide: are these millimeters? (--scale 0.001)"]
    if width > WIDE_M:
        return [f"the road is {width:.0f} m wide: are these centimeters? (--scale 0.01)"]
    if width < NARROW_M:
        return [
            f"the road is {width:.2g} m wide, a car is {NARROW_M} m: is the scale right? (--scale)"
        ]
    fault = (
        _crossing({"center line": track.center})
        or _swapped_columns(track)
        or _crossing({"inner border": track.inner, "outer border": track.outer})
    )
    return [fault] if fault else []


def _swapped_columns(track: Track) -> str:
    """What says that the columns of a route are in another order; empty where they are not."""
    to_inner = np.hypot(*(geometry.nearest_point(track.inner, track.center) - track.center).T)
    to_outer = np.hypot(*(geometry.nearest_point(track.outer, track.center) - track.center).T)
    is_beside = track.width < 0.9 * (to_inner + to_outer)
    if is_beside.any():
        return (
            f"the center line is not between the borders at {is_beside.sum():,} of "
            f"{len(is_beside):,} waypoints: are the columns in another order? "
            "They are center x y, inner x y, outer x y"
        )
    if not track.is_loop:
        return ""
    inside, outside = (abs(geometry.signed_area(line)) for line in (track.inner, track.outer))
    if inside > outside:
        return (
            "the inner border goes around the outer one: the columns are center x y, inner x y, "
            "outer x y (numpy: rows[:, [0, 1, 4, 5, 2, 3]] swaps them)"
        )
    return ""


def _crossing(lines: Mapping[str, Array]) -> str:
    """Where one of the named lines crosses itself, or two of them meet; empty where none does."""
    import shapely

    for name, line in lines.items():
        if not shapely.LineString(line).is_simple:
            x, y = _first_crossing(line)
            return (
                f"the {name} crosses itself near x = {x:.2f}, y = {y:.2f} m: a road cannot cross "
                "itself, or turn tighter than half its width"
            )
    for one, other in combinations(map(shapely.LineString, lines.values()), 2):
        if one.intersects(other):
            spot = one.intersection(other).representative_point()
            return f"the borders meet near x = {spot.x:.2f}, y = {spot.y:.2f} m: a road cannot cross itself"
    return ""


def _first_crossing(line: Array) -> tuple[float, float]:
    """A point at which a line meets itself, of those nearest to its start."""
    import shapely

    edges = np.asarray(shapely.linestrings(np.stack([line[:-1], line[1:]], axis=1)))
    first, second = shapely.STRtree(edges).query(edges, predicate="intersects")
    apart = (second - first) % len(edges)
    is_crossing = (apart > 1) & (apart < len(edges) - 1)
    edge = int(np.min(first[is_crossing], initial=len(edges) - 1))
    return float(line[edge, 0]), float(line[edge, 1])
