"""Pictures of tracks: everything that should be on them is, and they are written whole."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from racer.errors import UsageError
from racer.plotting import style
from racer.plotting.track import (
    draw_curvature,
    draw_obstacles,
    draw_track,
    draw_waypoints,
    track_figure,
    track_gallery_figure,
)
from racer.sim.obstacles import VISIBLE_SIZE_M, merge_obstacles, obstacles_on
from racer.track import load_track
from racer.track.track import Track

LINE = np.column_stack([np.linspace(0, 5, 21), np.zeros(21)])
OFFSET = np.array([0.0, 0.3])
OPEN = Track("open", "Open", LINE, LINE + OFFSET, LINE - OFFSET)


@pytest.mark.parametrize(
    "track",
    [load_track("reinvent_2018"), load_track("grand_prix"), load_track("oval").reversed(), OPEN],
)
def test_the_road_is_filled_between_its_borders_and_nowhere_else(track: Track) -> None:
    ax = draw_track(track, Figure().subplots())
    outline = ax.patches[0].get_path()
    middle = track.center[3:8] * 0.7 + track.outer[3:8] * 0.3
    assert outline.contains_points(middle).all()
    if track.is_loop:
        figure = Figure(figsize=(2, 2), dpi=100)
        axes = style.hide_frame(draw_track(track, figure.add_axes((0, 0, 1, 1))))
        FigureCanvasAgg(figure).draw()
        assert _color(figure, axes, track.inner[:-1].mean(axis=0)) == pytest.approx(
            [1, 1, 1], abs=0.02
        )


def _color(figure: Figure, ax: object, point: np.ndarray) -> np.ndarray:
    column, row = ax.transData.transform(point).astype(int)  # type: ignore[attr-defined]
    image = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    return image[len(image) - 1 - row, column, :3] / 255


def test_waypoint_numbers_are_sparse_and_start_at_zero() -> None:
    ax = draw_waypoints(load_track("reinvent_2018"), Figure().subplots())
    assert [text.get_text() for text in ax.texts] == [str(number) for number in range(0, 116, 5)]
    sparse = draw_waypoints(load_track("reinvent_2018"), Figure().subplots(), every=50)
    assert [text.get_text() for text in sparse.texts] == ["0", "50"]


def test_the_curvature_panel_spans_the_lap_and_names_the_sides() -> None:
    ax = draw_curvature(load_track("clover"), Figure().subplots())
    assert ax.get_xlim() == pytest.approx((0, load_track("clover").length))
    assert ax.get_legend_handles_labels()[1] == ["left turn", "right turn"]
    assert draw_curvature(OPEN, Figure().subplots()).get_legend() is None


def test_figure_and_gallery_are_written_in_any_format(tmp_path: Path) -> None:
    for name in ("track.png", "track.svg", "track.PDF"):
        assert (
            style.save_figure(track_figure(load_track("oval")), tmp_path / name, dpi=40)
            .stat()
            .st_size
            > 1000
        )
    style.save_figure(
        track_gallery_figure([load_track("oval"), OPEN], columns=3),
        tmp_path / "gallery.png",
        dpi=40,
    )
    style.save_figure(track_figure(OPEN), tmp_path / "open.png", dpi=40)
    assert len(list(tmp_path.iterdir())) == 5


def test_an_unknown_ending_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no picture format has the ending '\.pgn': did you mean 'p.g'\?"
    ):
        style.save_figure(Figure(), tmp_path / "a.pgn")
    with pytest.raises(UsageError, match="no picture format has the ending ''"):
        style.save_figure(Figure(), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_the_style_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    track_figure(load_track("oval"))
    assert dict(mpl.rcParams) == before


def test_obstacles_are_drawn_where_they_stand_and_as_large_as_they_are() -> None:
    track = load_track("oval")
    obstacles = merge_obstacles(
        obstacles_on(track, [(0.2, 1)]), obstacles_on(track, [(0.6, -1)], "bot")
    )
    ax = draw_obstacles(obstacles, Figure().subplots())
    for patch, obstacle in zip(ax.patches, obstacles, strict=True):
        corners = np.asarray(patch.get_path().vertices)[:-1]
        length, width, _ = VISIBLE_SIZE_M[obstacle["kind"]]
        assert 0.5 * (corners.max(axis=0) + corners.min(axis=0)) == pytest.approx(
            [obstacle["x"], obstacle["y"]], abs=0.05
        )
        c, s = np.cos(obstacle["yaw"]), np.sin(obstacle["yaw"])
        turned = (corners - [obstacle["x"], obstacle["y"]]) @ np.array([[c, -s], [s, c]])
        assert np.ptp(turned, axis=0) == pytest.approx([length, width])
