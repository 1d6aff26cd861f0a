"""Laps as moving pictures: one car, or several racing each other as ghosts, in real time; beside the
map, what the car's camera saw.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer.errors import UsageError, need
from racer.files import temporary_folder, write_file
from racer.plotting import style
from racer.plotting.ghosts import GHOST_COLORS, Ghost, car_corners, ghosts_of_laps
from racer.plotting.track import border_points, draw_obstacles, draw_track
from racer.sensors.camera import FRONT_CAMERA, map_ground, render_camera
from racer.sim import Obstacles, State
from racer.track import Track

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Array = NDArray[np.float64]

Frames = NDArray[np.uint8]
"""(T, H, W, 3) RGB pictures from a car, one a step."""

FPS = 15  # the simulator's camera rate (docs/simulator.md 3.1): one picture a step is real time
MAX_ANIMATION_FRAMES = 180 * FPS
JUMP_M = 0.5  # between two steps: no car is that fast, it was set down elsewhere
FRAME_SIZE_PX = (384, 288)  # width and height of a picture from the car

_TRAIL_STEPS = FPS  # of the line behind a car
_OVERSAMPLING = 2  # pictures are painted so much larger and then shrunk, for smooth edges
_LEGEND_PX = 36
_MIN_LABELED_WIDTH_PX = 360  # of a map that has room for words beside the cars
_WORDS_GAP_PX = 14 * _OVERSAMPLING  # from a car to its words
_GIF_DURATIONS_MS = (70, 70, 60)  # GIF counts in hundredths of a second: on average 1/15 s
_LAST_GIF_DURATION_MS = 1500
_FRAMES_AT_A_TIME = 32  # pictures from the car that are drawn together
_FRAME_GAP_PX = 12
_CAPTION_PX = 30
_FRAME_COLORS = 96  # of a GIF that are kept for the pictures from the car


@dataclass(frozen=True, eq=False)
class _Scene:
    """The still picture behind the cars, and how meters become its pixels."""

    still: Image
    affine: Array  # (2, 3) from meters to pixels of the painted size

    def pixels(self, xy: Array) -> list[tuple[float, float]]:
        """Pixels of points (N, 2) m."""
        points = xy @ self.affine[:, :2].T + self.affine[:, 2]
        return [(x, y) for x, y in points.tolist()]


def animate_laps(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    path: Path,
    track: Track | None = None,
    *,
    names: Sequence[str] = (),
    width: int = 720,
    onboard: Frames | None = None,
    obstacles: Obstacles | None = None,
) -> Path:
    """`path`, after writing an animation of the given laps there, all starting at once: GIF or MP4
    by its ending.

    `laps` are up to 6 rows of `racer.analysis.laps(trace)`; `names` label them, in order, their lap
    times otherwise. `obstacles` (K,) stand on the road all the time. `onboard` (T, H, W, 3) are
    pictures from the first lap's car, a step each, shown beside the map with its commands. `width`
    of the map is in pixels. 15 pictures a second are real time. MP4 needs the extra `video`. Raises
    UsageError for another ending, a missing extra, no lap.
    """
    ending = path.suffix.lower()
    if ending not in (".gif", ".mp4"):
        raise UsageError(f"{path}: an animation is a .gif or a .mp4 file")
    if not 0 < len(laps) <= len(GHOST_COLORS):
        raise UsageError(
            f"an animation shows 1 to {len(GHOST_COLORS)} laps, not {len(laps)}: choose some"
        )
    if ending == ".mp4":
        need("video")
    ghosts = ghosts_of_laps(trace, laps, _labels(laps, names))
    poses = [ghost.pose[:MAX_ANIMATION_FRAMES] for ghost in ghosts]
    scene = _paint_scene(poses, [ghost.name for ghost in ghosts], track, width, obstacles)
    pictures = _paint_pictures(scene, poses, ghosts if width >= _MIN_LABELED_WIDTH_PX else [])
    palette = _map_palette()
    if onboard is not None:
        pictures = join_map_and_view(pictures, onboard, command_captions(trace, laps))
        palette = extend_palette(palette, onboard)
    content = _gif(pictures, palette) if ending == ".gif" else _mp4(pictures)
    return write_file(path, content)


def onboard_frames(
    rows: State, obstacles: Obstacles | None, tracks: Sequence[Track], grainy: bool = True
) -> Frames:
    """(T, 288, 384, 3) pictures from the front camera at each of the `rows` (T,), whose `road` is an
    index into `tracks`.

    `obstacles` (T, K) are those before each, or None. `grainy` False leaves the grain of the ground
    out, which makes a GIF six times as large.
    """
    width, height = FRAME_SIZE_PX
    ground_map = map_ground(tracks, grainy=grainy)
    camera = replace(
        FRONT_CAMERA, width=width * _OVERSAMPLING, height=height * _OVERSAMPLING, gray=False
    )
    frames = np.empty((len(rows), height, width, 3), np.uint8)
    for first in range(0, len(rows), _FRAMES_AT_A_TIME):
        span = slice(first, first + _FRAMES_AT_A_TIME)
        before = None if obstacles is None else obstacles[span]
        large = render_camera(rows[span], before, ground_map, camera)
        blocks = large.reshape(-1, height, _OVERSAMPLING, width, _OVERSAMPLING, 3)
        frames[span] = np.rint(blocks.mean(axis=(2, 4)))
    return frames


def command_captions(trace: pd.DataFrame, laps: pd.DataFrame) -> list[str]:
    """The commanded steering and speed of each step of the first of the `laps`."""
    lap = laps.iloc[0]
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    captions = []
    for steer, speed in zip(rows["steer"], rows["throttle"], strict=True):
        captions.append(f"steering {steer:+.0f}°   speed {speed:.1f} m/s")
    return captions


def join_map_and_view(
    pictures: Iterator[Image], onboard: Frames, captions: Sequence[str]
) -> Iterator[Image]:
    """Each picture with the car's own view to its right, and a caption below that."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(15)
    view_height, view_width = onboard.shape[1:3]
    for step, picture in enumerate(pictures):
        width = picture.width + view_width + _FRAME_GAP_PX
        height = max(picture.height, view_height + _CAPTION_PX)
        joined = Images.new("RGB", (_even(width), _even(height)), style.BACKGROUND_COLOR)
        joined.paste(picture, (0, (height - picture.height) // 2))
        top = (height - view_height - _CAPTION_PX) // 2
        k = min(step, len(onboard) - 1)
        joined.paste(Images.fromarray(onboard[k]), (picture.width, top))
        ImageDraw.Draw(joined).text(
            (picture.width + view_width / 2, top + view_height + _CAPTION_PX / 2),
            captions[min(k, len(captions) - 1)],
            fill=style.INK,
            font=font,
            anchor="mm",
        )
        yield joined


def extend_palette(palette: Image, onboard: Frames) -> Image:
    """A palette image with the colors of `palette` and those that stand for the pictures."""
    from PIL import Image as Images

    sample = onboard[:: max(1, len(onboard) // 12)]
    image = Images.fromarray(sample.reshape(-1, sample.shape[2], 3)).quantize(_FRAME_COLORS)
    colors = np.vstack([_palette_colors(palette), _palette_colors(image)])
    return _palette_image(np.unique(colors, axis=0)[:256])


def _labels(laps: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The name of each lap; its time where it has none."""
    labels = [f"{time:.2f} s" for time in laps["time"]]
    for k, name in enumerate(names[: len(labels)]):
        labels[k] = name or labels[k]
    return labels


def _paint_scene(
    poses: Sequence[Array],
    labels: Sequence[str],
    track: Track | None,
    width: int,
    obstacles: Obstacles | None,
) -> _Scene:
    """Road, path of the laps and legend, painted once."""
    from PIL import Image

    low, size = _shown_area(poses, track)
    height = _even(int(np.clip(width * size[1] / size[0], width / 4, 1.25 * width)))
    with style.style_context():
        figure = style.NotebookFigure(
            figsize=(width / 100.0, (height + _LEGEND_PX) / 100.0), dpi=100.0 * _OVERSAMPLING
        )
        figure.set_layout_engine("none")
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0.0, 0.0, 1.0, height / (height + _LEGEND_PX)))
        style.hide_frame(ax)
        if track is not None:
            draw_track(track, ax, center=False)
        if obstacles is not None:
            draw_obstacles(obstacles, ax)
        _draw_paths(poses, labels, ax)
        ax.set_xlim(low[0], low[0] + size[0])
        ax.set_ylim(low[1], low[1] + size[1])
        _add_scene_legend(figure, len(poses))
        canvas.draw()  # type: ignore[no-untyped-call]
        still = Image.fromarray(np.array(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
        matrix = ax.transData.get_affine().get_matrix()
    flip = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, still.height]])
    return _Scene(still, flip @ matrix)


def _shown_area(poses: Sequence[Array], track: Track | None) -> tuple[Array, Array]:
    """The lower left corner (2,) m of what is shown, the track or else the laps, and its size (2,)
    m.
    """
    if track is not None:
        points = border_points(track)
    else:
        points = np.vstack([pose[:, :2] for pose in poses])
    return points.min(axis=0) - 0.3, np.ptp(points, axis=0) + 0.6


def _draw_paths(poses: Sequence[Array], labels: Sequence[str], ax: Axes) -> None:
    """The path of each lap as a thin line, which breaks where the car was set down."""
    for pose, label, color in zip(poses, labels, GHOST_COLORS, strict=False):
        xy = pose[:, :2]
        path = np.insert(xy, _jumps(xy) + 1, np.nan, axis=0)
        ax.plot(*path.T, color=color, linewidth=0.6, alpha=0.5, label=label, zorder=3)


def _add_scene_legend(figure: Figure, columns: int) -> None:
    legend = figure.legend(loc="upper left", ncols=columns, handlelength=1.2, columnspacing=1.2)
    for line in legend.get_lines():
        line.set(linewidth=4.0, alpha=1.0)


def _paint_pictures(
    scene: _Scene, poses: Sequence[Array], ghosts: Sequence[Ghost]
) -> Iterator[Image]:
    """A picture a step, until the last car has ended its lap; beside each car what is said of the
    `ghosts`.
    """
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(13 * _OVERSAMPLING)
    small_font = ImageFont.load_default(11 * _OVERSAMPLING)
    size = (_even(scene.still.width // _OVERSAMPLING), _even(scene.still.height // _OVERSAMPLING))
    colored = list(zip(poses, GHOST_COLORS, strict=False))
    for step in range(max(map(len, poses))):
        picture = scene.still.copy()
        paint = ImageDraw.Draw(picture)
        for pose, color in reversed(colored):  # the first car on top
            _paint_car(paint, scene, pose, step, color)
        _paint_words(paint, scene, ghosts, step, small_font)
        _paint_clock(paint, picture.width, step, font)
        yield picture.resize(size, reducing_gap=None)


def _paint_words(
    paint: ImageDraw,
    scene: _Scene,
    ghosts: Sequence[Ghost],
    step: int,
    font: FreeTypeFont | ImageFont,
) -> None:
    """The speed and the gap of each car beside it, where they hide no other; its name, too, where
    there are several.
    """
    taken: list[tuple[float, float, float, float]] = []
    size = (scene.still.width, scene.still.height)
    for ghost in ghosts:
        k = min(step, len(ghost.pose) - 1)
        text = ghost.words_at(k)
        if len(ghosts) == 1:
            text = text.rpartition("\n")[2]
        [spot] = scene.pixels(ghost.pose[k : k + 1, :2])
        left, top, right, foot = paint.multiline_textbbox((0, 0), text, font=font)
        box = _free_box(spot, (right - left, foot - top), size, taken)
        taken.append(box)
        paint.rounded_rectangle(
            (box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), 6, fill=style.BACKGROUND_COLOR
        )
        paint.multiline_text((box[0] - left, box[1] - top), text, fill=style.INK, font=font)


def _free_box(
    spot: tuple[float, float],
    text: tuple[float, float],
    size: tuple[int, int],
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """Left, top, right and foot, px, of the first place beside a spot for a text of this width and
    height that lies in a picture of this `size` and hides no box that is `taken`.
    """
    width, height = text
    places = []
    for down in (-1.6, 0.6, -2.9, 1.9, -4.2, 3.2, -5.5, 4.5):
        for across in (_WORDS_GAP_PX, -width - _WORDS_GAP_PX):
            x = spot[0] + across
            y = spot[1] + down * (height + 6)
            places.append((x, y, x + width, y + height))
    for left, top, right, foot in places:
        is_inside = left >= 0 and top >= _LEGEND_PX and right <= size[0] and foot <= size[1]
        is_free = all(
            right + 8 < other[0] or left - 8 > other[2] or foot + 6 < other[1] or top - 6 > other[3]
            for other in taken
        )
        if is_inside and is_free:
            return left, top, right, foot
    return places[0]


def _paint_car(paint: ImageDraw, scene: _Scene, pose: Array, step: int, color: str) -> None:
    """A car at a step of its lap, or where it ended, with the line behind it."""
    k = min(step, len(pose) - 1)
    trail = pose[max(0, min(step - _TRAIL_STEPS, k)) : k + 1, :2]
    jumps = _jumps(trail)
    if len(jumps):
        trail = trail[jumps[-1] + 1 :]
    if len(trail) > 1:
        paint.line(scene.pixels(trail), fill=color, width=2 * _OVERSAMPLING)
    paint.polygon(scene.pixels(car_corners(pose[k])), fill=color, outline="black")


def _paint_clock(paint: ImageDraw, width: int, step: int, font: FreeTypeFont | ImageFont) -> None:
    paint.text(
        (width - 8 * _OVERSAMPLING, 9 * _OVERSAMPLING),
        f"{step / FPS:.1f} s",
        fill=style.INK,
        font=font,
        anchor="ra",
    )


def _jumps(xy: Array) -> NDArray[np.int64]:
    """The steps of a path (N, 2) m after which the car was set down elsewhere."""
    return np.flatnonzero(np.hypot(*np.diff(xy, axis=0).T) > JUMP_M)


def _gif(pictures: Iterator[Image], palette: Image) -> bytes:
    """One palette for all pictures, without dither, so that only what moves is stored."""
    from PIL.Image import Dither

    first, *rest = [picture.quantize(palette=palette, dither=Dither.NONE) for picture in pictures]
    durations = [_GIF_DURATIONS_MS[k % 3] for k in range(len(rest))]
    content = io.BytesIO()
    first.save(
        content,
        format="GIF",
        save_all=True,
        append_images=rest,
        duration=[*durations, _LAST_GIF_DURATION_MS],
        loop=0,
        optimize=True,
        disposal=1,
    )
    return content.getvalue()


def _mp4(pictures: Iterator[Image]) -> bytes:
    """The encoder writes into a file, which is read back."""
    from imageio_ffmpeg import write_frames

    first = next(pictures)
    with temporary_folder("racer-film-") as folder:
        path = Path(folder) / "animation.mp4"
        writer = write_frames(
            str(path),
            first.size,
            fps=FPS,
            codec="libx264",
            quality=6,
            macro_block_size=2,
            ffmpeg_log_level="error",
        )
        writer.send(None)
        try:
            writer.send(first.tobytes())
            for picture in pictures:
                writer.send(picture.tobytes())
        finally:
            writer.close()
        return path.read_bytes()


def _map_palette() -> Image:
    """A palette image with the colors of every map: grays, and each car's color pure and over all
    grounds.
    """
    grounds = np.array(
        [to_rgb(color) for color in (style.ROAD_COLOR, style.BACKGROUND_COLOR, "black")]
    )
    cars = np.array([to_rgb(color) for color in GHOST_COLORS])[:, None, None]
    transparency = np.array([0.0, 0.3, 0.6, 0.8])[:, None]
    mixed = cars + transparency * (grounds[:, None] - cars)
    grays = np.repeat(np.linspace(0.0, 1.0, 24)[:, None], 3, axis=1)
    colors = np.vstack([mixed.reshape(-1, 3), grays, grounds])
    return _palette_image(np.unique(np.round(255.0 * colors).astype(np.uint8), axis=0))


def _palette_image(colors: NDArray[np.uint8]) -> Image:
    """An image that holds nothing but a palette of colors (C, 3)."""
    from PIL import Image

    image = Image.new("P", (1, 1))
    image.putpalette(colors.tobytes())
    return image


def _palette_colors(image: Image) -> NDArray[np.uint8]:
    """(C, 3) the colors of an image's palette."""
    return np.array(image.getpalette(), np.uint8).reshape(-1, 3)


def _even(pixels: int) -> int:
    """The greatest even number up to `pixels`: encoders ask for it."""
    return pixels // 2 * 2
