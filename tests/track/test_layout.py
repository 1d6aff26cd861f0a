"""Layouts close exactly, open sizes are found, and roads that cannot be are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from racer.errors import UsageError
from racer.track import layout
from racer.track.corners import track_curvature
from racer.track.layout import Segment, TrackLayout

WIDTH = 0.6


def road(*segments: Segment, width: float = WIDTH) -> TrackLayout:
    return TrackLayout("test", "Test", width, (1.0, -2.0, 0.3), segments)


def left(radius: float, angle_deg: float) -> Segment:
    return Segment(radius, math.radians(angle_deg))


OVAL = road(Segment(4.0), left(1.5, 180), Segment(4.0), left(1.5, 180))


@st.composite
def laps(draw: st.DrawFn, lefts_only: bool = False) -> TrackLayout:
    """A half lap that turns 180 degrees, driven twice: it closes by symmetry, whatever its sizes
    are.
    """
    angles = (
        st.floats(5, 90)
        if lefts_only
        else st.floats(-120, 120).filter(lambda angle: abs(angle) > 5)
    )
    turns = draw(st.lists(angles, min_size=0, max_size=4))
    rest = 180.0 - sum(turns)
    assume(5 < abs(rest) <= 360 and (rest > 0 or not lefts_only))
    half: list[Segment] = []
    for turn in [*turns, rest]:
        half += [Segment(draw(st.floats(0.1, 5))), left(draw(st.floats(WIDTH / 2 + 0.01, 3)), turn)]
    return road(*half, *half)


@given(laps())
def test_a_point_symmetric_lap_closes_whatever_its_sizes(lap: TrackLayout) -> None:
    _, center, heading = layout.sample_layout(layout.close_layout(lap))
    assert center[0] == center[-1]
    assert heading[0] == heading[-1]


@given(laps(), st.data())
def test_open_sizes_are_found_again(lap: TrackLayout, data: st.DataObject) -> None:
    count = len(lap.segments)
    one, two = sorted(
        data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))
    )
    pieces = [
        replace(piece, size=math.nan) if k in (one, two) else piece
        for k, piece in enumerate(lap.segments)
    ]
    reach = lap.displacements_per_size[[one, two]]
    assume(np.linalg.svd([reach.real, reach.imag], compute_uv=False)[-1] > 0.05)
    closed = layout.close_layout(road(*pieces))
    np.testing.assert_allclose(closed.sizes, lap.sizes, atol=1e-9)


@given(laps(lefts_only=True))
def test_a_convex_lap_is_a_road_as_wide_as_it_says(lap: TrackLayout) -> None:
    track = layout.build_track(lap)
    assert track.is_loop
    assert track.is_ccw
    for line in (track.inner, track.outer):
        np.testing.assert_array_equal(line[0], line[-1])
    assert track.width.max() <= WIDTH + 1e-9
    assert np.median(track.width) > 0.93 * WIDTH  # chords of the tightest turns lie inside the arc
    assert shapely.Polygon(track.outer).contains(shapely.Polygon(track.inner))


@given(laps(lefts_only=True))
def test_waypoints_are_equidistant(lap: TrackLayout) -> None:
    s, center, _ = layout.sample_layout(layout.close_layout(lap))
    assert np.diff(s) == pytest.approx(s[1])
    assert s[1] == pytest.approx(layout.WAYPOINT_SPACING_M, rel=0.2)
    assert np.abs(np.diff(center)).max() <= s[1] * (1 + 1e-9)


@pytest.mark.slow
@given(laps())
def test_roads_that_touch_themselves_are_refused_as_shapely_would(lap: TrackLayout) -> None:
    _, center, heading = layout.sample_layout(layout.close_layout(lap))
    sides = [center + sign * 0.5j * WIDTH * np.exp(1j * heading) for sign in (1, -1)]
    rings = [shapely.LinearRing(np.column_stack([side.real, side.imag])) for side in sides]
    sound = all(ring.is_simple for ring in rings) and not rings[0].intersects(rings[1])
    if sound:
        assert layout.build_track(lap).is_loop
    else:
        with pytest.raises(UsageError, match="the road runs into itself near x = "):
            layout.build_track(lap)


@given(laps(lefts_only=True))
def test_reversing_twice_and_mirroring_twice_change_nothing(lap: TrackLayout) -> None:
    track = layout.build_track(lap)
    for again in (track.reversed().reversed(), track.mirrored().mirrored()):
        for line in ("center", "inner", "outer"):
            np.testing.assert_array_equal(getattr(again, line), getattr(track, line))
    assert track.reversed().is_reversed
    assert not track.reversed().reversed().is_reversed


@given(laps(lefts_only=True))
def test_the_mirror_image_bends_the_other_way(lap: TrackLayout) -> None:
    track = layout.build_track(lap)
    np.testing.assert_allclose(
        track_curvature(track.mirrored()), -track_curvature(track), atol=1e-9
    )
    np.testing.assert_allclose(
        track_curvature(track.reversed()), -track_curvature(track)[::-1], atol=1e-6
    )
    assert not track.mirrored().is_ccw


def test_the_inside_border_is_on_the_right_when_driven_clockwise() -> None:
    clockwise = layout.build_track(
        road(Segment(4.0), left(1.5, -180), Segment(4.0), left(1.5, -180))
    )
    assert not clockwise.is_ccw
    assert shapely.Polygon(clockwise.outer).contains(shapely.Polygon(clockwise.inner))


def test_a_lap_begins_at_its_start_in_its_heading() -> None:
    track = layout.build_track(OVAL)
    np.testing.assert_allclose(track.center[0], [1.0, -2.0])
    step = track.center[1] - track.center[0]
    assert math.atan2(step[1], step[0]) == pytest.approx(0.3)
    assert track.length == pytest.approx(8 + 3 * math.pi, rel=1e-3)


def test_a_small_residue_is_spread_so_that_the_line_closes_exactly() -> None:
    track = layout.build_track(road(Segment(4.0), left(1.5, 180), Segment(4.04), left(1.5, 180)))
    np.testing.assert_array_equal(track.center[0], track.center[-1])
    steps = np.hypot(*np.diff(track.center, axis=0).T)
    assert np.ptp(steps) < 0.002


def test_two_open_radii_are_solvable_too() -> None:
    closed = layout.close_layout(
        road(
            Segment(3.0),
            left(math.nan, 90),
            Segment(1.0),
            left(math.nan, 90),
            Segment(3.0),
            left(1, 180),
        )
    )
    assert np.isfinite(closed.sizes).all()


REFUSED = {
    "the segments turn 270 deg to the left in all, a loop turns 360 deg: 90 deg too little": road(
        Segment(4.0), left(1, 270)
    ),
    "the segments turn 361 deg to the right in all, a loop turns 360 deg: 1 deg too much": road(
        Segment(4.0), left(1, -361)
    ),
    "the lap ends 0.500 m from its start (-0.478 m in x, -0.148 m in y): "
    'write "?" for one straight and one radius, and racer finds the sizes that close it': road(
        Segment(4.0), left(1.5, 180), Segment(4.5), left(1.5, 180)
    ),
    "segment 2: radius is 0.3 m, not above half the width (0.3 m), so the inside border would fold: "
    "widen the turn or narrow the road": road(
        Segment(4.0), left(0.3, 180), Segment(4.0), left(0.3, 180)
    ),
    "segment 2: radius would have to be 0.2 m, not above half the width (0.3 m), so the inside border would fold: "
    "widen the turn or narrow the road": road(
        Segment(math.nan), left(math.nan, 180), Segment(4.0), left(0.2, 180), width=0.6
    ),
    "segment 3: straight would have to be -1 m to close the lap: "
    "change another segment, or leave another one open": road(
        Segment(1.0), left(1, 180), Segment(math.nan), Segment(2.0), left(1, 180)
    ),
    "segments 1, 2, 3 are left open: at most two can be found, give the others a size": road(
        Segment(math.nan), left(math.nan, 180), Segment(math.nan), left(1, 180)
    ),
    "the open segments (1, 3) cannot steer the end of the lap to its start, so their sizes cannot be found: "
    "leave open two that point in clearly different directions": road(
        Segment(math.nan), left(1, 180), Segment(math.nan), left(1, 180)
    ),
    "the open segments (1) cannot steer the end of the lap to its start, so their sizes cannot be found: "
    "leave open two that point in clearly different directions": road(left(math.nan, 360)),
    "the lap is 8006 m long, more than 1000 m: sizes are in meters": road(
        Segment(4000.0), left(1, 180), Segment(4000.0), left(1, 180)
    ),
    "the road runs into itself near x = 3.69, y = -0.44 m, where segments 2 and 10 meet: "
    "move them apart or narrow the road": road(
        *2
        * (
            Segment(3.0),
            left(0.5, 180),
            Segment(3.0),
            left(0.5, -180),
            Segment(3.0),
            left(0.5, 180),
        )
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_a_road_is_refused_in_a_sentence(sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        layout.build_track(REFUSED[sentence])
    assert str(error.value) == sentence
