"""Laps as moving pictures: one car, or several racing each other as ghosts, in real time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer.errors import UsageError, install_command
from racer.plotting import style
from racer.plotting.onboard import Frames, command_captions, extend_palette, join_map_and_view
from racer.plotting.track import draw_obstacles, draw_track
from racer.sim.obstacles import Obstacles
from racer.track.track import Track

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[np.float64]

FPS = 15  # the simulator's camera rate: one picture a step is real time
CAR_SIZE_M = (0.324, 0.196)  # m, length and width
CENTER_BEHIND_M = 0.14  # m from the logged X, Y back to the car's center
CAR_COLORS = tuple(style.PALETTE[i] for i in (0, 5, 2, 3, 1, 4))
JUMP_M = 0.5  # m between two steps: no car is that fast, it was set down elsewhere
MAX_ANIMATION_FRAMES = 180 * FPS  # pictures

_TAIL = FPS  # steps of the line behind a car
_FINE = 2  # each picture is painted this much larger and then shrunk, for smooth edges
_GIF_MS = (70, 70, 60)  # GIF counts in hundredths of a second: on average 1/15 s


@dataclass(frozen=True, eq=False)
class _Scene:
    """The still picture behind the cars and how meters become its pixels."""

    still: Image
    affine: Array  # (2, 3) meters to pixels of the painted size


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
    times otherwise. `objects` (K,) stand on the road all the time. `onboard` (T, H, W, 3) are
    pictures from the first lap's car, a step each, shown beside the map with its commands. 15
    pictures a second are real time. MP4 needs the extra `video`. Raises UsageError for another
    ending, a missing extra, no lap.
    """
    ending = path.suffix.lower()
    if ending not in (".gif", ".mp4"):
        raise UsageError(f"{path}: an animation is a .gif or a .mp4 file")
    if not 0 < len(laps) <= len(CAR_COLORS):
        raise UsageError(
            f"an animation shows 1 to {len(CAR_COLORS)} laps, not {len(laps)}: choose some"
        )
    if ending == ".mp4":
        _encoder()
    poses = [
        _poses(trace, first, last)
        for first, last in zip(laps["first_row"], laps["last_row"], strict=True)
    ]
    labels = [
        name or f"{time:.2f} s"
        for name, time in zip(_padded(names, len(laps)), laps["time"], strict=True)
    ]
    scene = _scene(poses, labels, track, width, obstacles)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.part{ending}")
    pictures, palette = _pictures(scene, poses), _palette()
    if onboard is not None:
        pictures = join_map_and_view(pictures, onboard, command_captions(trace, laps))
        palette = extend_palette(palette, onboard)
    try:
        if ending == ".gif":
            _write_gif(pictures, beside, palette)
        else:
            _write_mp4(pictures, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def car_corners(pose: Array) -> Array:
    """(..., 4, 2) m corners of the car for logged poses (..., 3): X, Y in m and yaw in rad."""
    forward = np.stack([np.cos(pose[..., 2]), np.sin(pose[..., 2])], axis=-1)
    left = np.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    center = pose[..., :2] - CENTER_BEHIND_M * forward
    reach = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    return np.stack(
        [center + a * CAR_SIZE_M[0] * forward + b * CAR_SIZE_M[1] * left for a, b in reach], axis=-2
    )


def _poses(trace: pd.DataFrame, first: int, last: int) -> Array:
    rows = trace.iloc[first : last + 1]
    return np.column_stack([rows["X"], rows["Y"], np.radians(rows["yaw"])])[:MAX_ANIMATION_FRAMES]


def _padded(names: Sequence[str], count: int) -> list[str]:
    return [*names, *[""] * count][:count]


def _scene(
    poses: Sequence[Array],
    labels: Sequence[str],
    track: Track | None,
    width: int,
    objects: Obstacles | None,
) -> _Scene:
    """Road, path of the laps and legend, painted once."""
    from PIL import Image

    area = np.vstack(
        [pose[:, :2] for pose in poses] if track is None else [track.inner, track.outer]
    )
    low, size = area.min(axis=0) - 0.3, np.ptp(area, axis=0) + 0.6
    high = int(np.clip(width * size[1] / size[0], width / 4, 1.25 * width)) // 2 * 2
    with style.style_context():
        figure = Figure(figsize=(width / 100.0, (high + 36) / 100.0), dpi=100.0 * _FINE)
        figure.set_layout_engine("none")
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0.0, 0.0, 1.0, high / (high + 36.0)))
        style.hide_frame(ax)
        if track is not None:
            draw_track(track, ax, center=False)
        if objects is not None:
            draw_obstacles(objects, ax)
        for i, (pose, label) in enumerate(zip(poses, labels, strict=True)):
            ax.plot(
                *_broken(pose).T,
                color=CAR_COLORS[i],
                linewidth=0.6,
                alpha=0.5,
                label=label,
                zorder=3,
            )
        ax.set_xlim(low[0], low[0] + size[0])
        ax.set_ylim(low[1], low[1] + size[1])
        legend = figure.legend(
            loc="upper left", ncols=len(poses), handlelength=1.2, columnspacing=1.2
        )
        for line in legend.get_lines():
            line.set(linewidth=4.0, alpha=1.0)
        canvas.draw()  # type: ignore[no-untyped-call]
        still = Image.fromarray(np.array(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
        matrix = ax.transData.get_affine().get_matrix()
    flip = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, still.height]])
    return _Scene(still, flip @ matrix)


def _pictures(scene: _Scene, poses: Sequence[Array]) -> Iterator[Image]:
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(13 * _FINE)
    size = (scene.still.width // _FINE // 2 * 2, scene.still.height // _FINE // 2 * 2)
    for step in range(max(map(len, poses))):
        picture = scene.still.copy()
        paint = ImageDraw.Draw(picture)
        for pose, color in list(zip(poses, CAR_COLORS, strict=False))[::-1]:
            at = min(step, len(pose) - 1)
            tail = pose[max(0, min(step - _TAIL, at)) : at + 1, :2]
            far = np.flatnonzero(np.hypot(*np.diff(tail, axis=0).T) > JUMP_M)
            tail = tail[far[-1] + 1 :] if len(far) else tail
            if len(tail) > 1:
                paint.line(_pixels(scene, tail), fill=color, width=2 * _FINE)
            paint.polygon(_pixels(scene, car_corners(pose[at])), fill=color, outline="black")
        clock = f"{step / FPS:.1f} s"
        paint.text(
            (picture.width - 8 * _FINE, 9 * _FINE), clock, fill=style.INK, font=font, anchor="ra"
        )
        yield picture.resize(size, reducing_gap=None)


def _broken(pose: Array) -> Array:
    """(N, 2) m the way of a car, with nan before each place that it was set down at."""
    xy = pose[:, :2].copy()
    return np.insert(
        xy, np.flatnonzero(np.hypot(*np.diff(xy, axis=0).T) > JUMP_M) + 1, np.nan, axis=0
    )


def _pixels(scene: _Scene, xy: Array) -> list[tuple[float, float]]:
    return [(x, y) for x, y in (xy @ scene.affine[:, :2].T + scene.affine[:, 2]).tolist()]


def _write_gif(pictures: Iterator[Image], path: Path, palette: Image) -> None:
    """One palette for all pictures, without dither, so that only what moves is stored."""
    from PIL.Image import Dither

    first, *rest = [picture.quantize(palette=palette, dither=Dither.NONE) for picture in pictures]
    times = [_GIF_MS[i % 3] for i in range(len(rest))] + [1500]
    first.save(
        path, save_all=True, append_images=rest, duration=times, loop=0, optimize=True, disposal=1
    )


def _palette() -> Image:
    """An image with the colors of every animation: grays, and each car's color pure and over all
    grounds.
    """
    from PIL import Image

    cars, grounds = (
        np.array([to_rgb(c) for c in names])
        for names in (CAR_COLORS, (style.ROAD_COLOR, style.BACKGROUND_COLOR, "black"))
    )
    mixed = [
        car + share * (ground - car)
        for car in cars
        for ground in grounds
        for share in (0.0, 0.3, 0.6, 0.8)
    ]
    grays = np.repeat(np.linspace(0.0, 1.0, 24)[:, None], 3, axis=1)
    colors = np.unique(
        np.round(255.0 * np.vstack([mixed, grays, grounds])).astype(np.uint8), axis=0
    )
    image = Image.new("P", (1, 1))
    image.putpalette(colors.tobytes())
    return image


def _write_mp4(pictures: Iterator[Image], path: Path) -> None:
    first = next(pictures)
    writer = _encoder()(
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


def _encoder() -> Callable[..., Any]:
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise UsageError(
            f"an MP4 needs imageio-ffmpeg: {install_command('video')} (GIF works without)"
        ) from None
    return write_frames  # type: ignore[no-any-return]
