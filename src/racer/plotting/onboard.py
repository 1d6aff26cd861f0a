"""What a car saw on its laps, drawn again, and set beside a moving map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.plotting import style
from racer.sensors.camera.camera import FRONT_CAMERA, render_camera
from racer.sensors.camera.ground_map import map_ground
from racer.sim.obstacles import Obstacles
from racer.sim.state import State
from racer.track.track import Track

if TYPE_CHECKING:
    from PIL.Image import Image

Frames = NDArray[np.uint8]
"""(T, H, W, 3) RGB."""

FRAME_SIZE_PX = (384, 288)  # px, width and height of a picture

_FINE = 2  # each is drawn so much larger first, for smooth edges
_PIECE = 32  # pictures that are drawn at a time
_GAP = 12  # px
_LINE = 30  # px, of the words below
_COLORS = 96  # of a GIF that are kept for the pictures


def onboard_frames(
    rows: State, obstacles: Obstacles | None, tracks: Sequence[Track], grainy: bool = True
) -> Frames:
    """(T, 288, 384, 3) pictures from the front camera at each of the `rows` (T,), whose roads are
    `tracks`.

    `bodies` (T, K) are the objects before each, or None. `grainy` False leaves the grain of the
    ground out, which makes a GIF six times as large.
    """
    land = map_ground(tracks, grainy=grainy)
    camera = replace(
        FRONT_CAMERA, width=FRAME_SIZE_PX[0] * _FINE, height=FRAME_SIZE_PX[1] * _FINE, gray=False
    )
    found = np.empty((len(rows), FRAME_SIZE_PX[1], FRAME_SIZE_PX[0], 3), np.uint8)
    for first in range(0, len(rows), _PIECE):
        some = slice(first, first + _PIECE)
        large = render_camera(
            rows[some], None if obstacles is None else obstacles[some], land, camera
        )
        fine = large.reshape(-1, FRAME_SIZE_PX[1], _FINE, FRAME_SIZE_PX[0], _FINE, 3)
        found[some] = np.rint(fine.mean(axis=(2, 4)))
    return found


def command_captions(trace: pd.DataFrame, laps: pd.DataFrame) -> list[str]:
    """What the car was told at each step of the first of the `laps`, in words."""
    lap = laps.iloc[0]
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    pairs = zip(rows["steer"], rows["throttle"], strict=True)
    return [f"steering {steer:+.0f}°   speed {speed:.1f} m/s" for steer, speed in pairs]


def join_map_and_view(
    pictures: Iterator[Image], onboard: Frames, captions: Sequence[str]
) -> Iterator[Image]:
    """Each picture with the car's own view to its right, and the words below that."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(15)
    high, wide = onboard.shape[1:3]
    for step, picture in enumerate(pictures):
        at = min(step, len(onboard) - 1)
        size = (picture.width + wide + _GAP, max(picture.height, high + _LINE))
        both = Images.new("RGB", (size[0] // 2 * 2, size[1] // 2 * 2), style.BACKGROUND_COLOR)
        both.paste(picture, (0, (size[1] - picture.height) // 2))
        top = (size[1] - high - _LINE) // 2
        both.paste(Images.fromarray(onboard[at]), (picture.width, top))
        place = (picture.width + wide / 2, top + high + _LINE / 2)
        ImageDraw.Draw(both).text(
            place, captions[min(at, len(captions) - 1)], fill=style.INK, font=font, anchor="mm"
        )
        yield both


def extend_palette(palette: Image, onboard: Frames) -> Image:
    """A palette image with the colors of `palette` and those that stand for the pictures."""
    from PIL import Image as Images

    some = onboard[:: max(1, len(onboard) // 12)]
    sample = Images.fromarray(some.reshape(-1, some.shape[2], 3)).quantize(_COLORS)
    known, more = (
        np.array(image.getpalette(), np.uint8).reshape(-1, 3) for image in (palette, sample)
    )
    colors = np.unique(np.vstack([known, more]), axis=0)[:256]
    image = Images.new("P", (1, 1))
    image.putpalette(colors.tobytes())
    return image
