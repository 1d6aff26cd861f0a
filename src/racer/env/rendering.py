"""Pictures of a car on its track, for `render()` and for videos: track, obstacles, trail, car, and
the main params in the margin. Drawn with pillow, so that no display is needed.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim import STATUS_WORDS, VISIBLE_SIZE_M, Scenario, Simulation
from racer.track import Track
from racer.vehicle import FOOTPRINT_M, STEP_S

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]

RENDER_MODES = ["human", "rgb_array"]
RENDER_FPS = round(1.0 / STEP_S)

FRAME_SIZE_PX = (800, 480)  # width and height; even, as video codecs want it
MAP_WIDTH_PX = 600  # the margin on the right is the rest
MAP_MARGIN_M = 0.5  # of field around the track
FINE = 2  # pictures are drawn that much larger, and made smaller for smooth edges
TRAIL_STEPS = 900  # a minute
LINE_WIDTH_M = 0.04

FIELD, ROAD, BORDER, CENTER = "#2f6b3c", "#4a4e54", "#f2f2ee", "#e8a33d"
TRAIL, CAR, NOSE, OBSTACLE = "#7fc7ff", "#1f77d0", "#ffe14d", "#b4553c"
MARGIN, INK, FAINT = "#15181c", "#f2f2ee", "#9aa3ad"


class Renderer:
    """What `render()` shows of N cars (a class: it remembers where they have been)."""

    def __init__(self, scenario: Scenario, mode: str) -> None:
        self._tracks = scenario.tracks
        self._map = _MapScale.of(scenario.track)
        self._is_human = mode == "human"
        self._window: Window | None = None
        self._backgrounds: dict[int, Any] = {}
        self._rewards: NDArray[np.float64] | None = None
        # front points of the cars in this episode, by car
        self._trails: dict[int, deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=TRAIL_STEPS)
        )

    def record(self, simulation: Simulation, rewards: NDArray[np.float64] | None) -> None:
        """Take note of where the cars are after a step that paid `rewards` (N,), or after a reset
        (None); in `human` mode show the first one.
        """
        state = simulation.state
        self._rewards = rewards
        x, y, steps = (state[name].tolist() for name in ("front_x", "front_y", "steps"))
        for car, step in enumerate(steps):
            if step == 0:
                self._trails[car].clear()
            self._trails[car].append((x[car], y[car]))
        if self._is_human:
            if self._window is None:
                self._window = Window()
            self._window.show(self.frame(simulation, 0))

    def frame(self, simulation: Simulation, car: int) -> Frame:
        """(H, W, 3) picture of a car by its index."""
        from PIL import ImageDraw

        row = simulation.state[car]
        picture = self._background(int(row["track"])).copy()
        draw = ImageDraw.Draw(picture)
        for obstacle in simulation.obstacles[car]:
            size = VISIBLE_SIZE_M[obstacle["kind"]][:2]
            draw.polygon(self._map.pixels(_rectangle(obstacle, size)), fill=OBSTACLE)
        if len(self._trails[car]) > 1:
            trail = self._map.pixels(np.array(self._trails[car]))
            draw.line(trail, fill=TRAIL, width=2 * FINE, joint="curve")
        body = _rectangle(row, FOOTPRINT_M)
        draw.polygon(self._map.pixels(body), fill=CAR)
        draw.line(self._map.pixels(body[[0, 3]]), fill=NOSE, width=2 * FINE)
        reward = None if self._rewards is None else float(self._rewards[car])
        _write_margin(draw, self._tracks[row["track"]], row, reward)
        return np.asarray(picture.reduce(FINE))

    def close(self) -> None:
        """Close the window, where there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _background(self, number: int) -> Any:
        """The track without cars, FINE times as large."""
        if number not in self._backgrounds:
            self._backgrounds[number] = _draw_track(self._tracks[number], self._map)
        return self._backgrounds[number]


class Window:
    """A window that shows frames, by matplotlib. Where there is no display, the first frame is
    answered with a sentence on stderr, and the others with nothing.
    """

    def __init__(self) -> None:
        from matplotlib import pyplot
        from matplotlib.backends import BackendFilter, backend_registry  # type: ignore[attr-defined]

        registry: Any = backend_registry
        interactive = registry.list_builtin(BackendFilter.INTERACTIVE)
        self._pyplot: Any = pyplot
        self._image: Any = None
        self.is_there = pyplot.get_backend().lower() in interactive
        if not self.is_there:
            print(
                'racer: there is no display for render_mode="human"; "rgb_array" needs none',
                file=sys.stderr,
            )

    def show(self, frame: Frame) -> None:
        """Show a frame for the time of a step; nothing once the user has closed the window."""
        if not self.is_there:
            return
        if self._image is None:
            figure = self._pyplot.figure("racer", figsize=(8.0, 4.8), dpi=100)
            axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
            axes.set_axis_off()
            self._image = axes.imshow(frame)
        if self._pyplot.fignum_exists("racer"):
            self._image.set_data(frame)
            self._pyplot.pause(STEP_S)

    def close(self) -> None:
        """Close the window."""
        if self._image is not None:
            self._pyplot.close("racer")
            self._image = None


class _MapScale(NamedTuple):
    """From m on the track to pixels of the large picture."""

    left: float  # m, of the picture
    top: float
    px_per_m: float

    @classmethod
    def of(cls, track: Track) -> _MapScale:
        """The scale at which a track fills the map."""
        lines = np.concatenate([track.center, track.inner, track.outer])
        low = lines.min(axis=0) - MAP_MARGIN_M
        high = lines.max(axis=0) + MAP_MARGIN_M
        size_px = FINE * np.array([MAP_WIDTH_PX, FRAME_SIZE_PX[1]])
        px_per_m = float(np.min(size_px / (high - low)))
        left, bottom = 0.5 * (low + high) - 0.5 * size_px / px_per_m
        return cls(float(left), float(bottom + size_px[1] / px_per_m), px_per_m)

    def pixels(self, xy: Array) -> list[tuple[float, float]]:
        """Pixels of points (P, 2) m, as pillow takes them."""
        columns = (xy[:, 0] - self.left) * self.px_per_m
        rows = (self.top - xy[:, 1]) * self.px_per_m
        return list(zip(columns.tolist(), rows.tolist(), strict=True))

    def width(self, meters: float) -> int:
        """Pixels of a line of that width, at least one in the frame."""
        return max(round(meters * self.px_per_m), FINE)


def _draw_track(track: Track, scale: _MapScale) -> Any:
    from PIL import Image, ImageDraw

    size = (FINE * FRAME_SIZE_PX[0], FINE * FRAME_SIZE_PX[1])
    picture = Image.new("RGB", size, MARGIN)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, FINE * MAP_WIDTH_PX, size[1]), fill=FIELD)
    road = np.concatenate([track.outer, track.inner[::-1]])
    draw.polygon(scale.pixels(road), fill=ROAD)
    width = scale.width(LINE_WIDTH_M)
    for border in (track.inner, track.outer):
        draw.line(scale.pixels(border), fill=BORDER, width=width, joint="curve")
    dashes = track.point_at(np.arange(0.0, track.length, 0.1))
    for first in range(0, len(dashes) - 1, 3):
        draw.line(scale.pixels(dashes[first : first + 2]), fill=CENTER, width=width)
    start = np.stack([track.inner[0], track.outer[0]])
    draw.line(scale.pixels(start), fill=BORDER, width=2 * width)
    return picture


def _rectangle(row: np.void, size: tuple[float, ...]) -> Array:
    """(4, 2) m corners, front left first and then counterclockwise, of a car or an obstacle."""
    length, width = 0.5 * size[0], 0.5 * size[1]
    corners = np.array([[length, width], [-length, width], [-length, -width], [length, -width]])
    cos, sin = np.cos(row["yaw"]), np.sin(row["yaw"])
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.asarray(corners @ turn + [row["x"], row["y"]])


def _write_margin(draw: Any, track: Track, row: np.void, reward: float | None) -> None:
    left = FINE * (MAP_WIDTH_PX + 14)
    right = FINE * (FRAME_SIZE_PX[0] - 14)
    title = f"{track.title}, reversed" if track.is_reversed else track.title
    fits = draw.textlength(title, font=_font(16)) <= right - left
    draw.text((left, FINE * 14), title, fill=INK, font=_font(16 if fits else 11))
    lines = {
        "time": f"{row['clock'] - row['episode_start']:.2f} s",
        "step": f"{row['steps']}",
        "status": str(STATUS_WORDS[row["status"]]) if row["steps"] else "start",
        "progress": f"{row['progress']:.1f} %",
        "speed": f"{row['speed_command']:.2f} m/s",
        "steering": f"{row['steer_command_deg']:+.1f}°",
        "heading": f"{np.degrees(row['yaw']):+.0f}°",
        "from center": f"{row['distance']:.3f} m",
        "track width": f"{row['width']:.2f} m",
        "wheels on track": f"{row['wheels']}",
        "reward": "" if reward is None else f"{reward:.3f}",
    }
    for number, (name, value) in enumerate(lines.items()):
        y = FINE * (52 + 24 * number)
        draw.text((left, y), name, fill=FAINT, font=_font(13))
        draw.text((right, y), value, fill=INK, font=_font(13), anchor="ra")


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(FINE * size)
