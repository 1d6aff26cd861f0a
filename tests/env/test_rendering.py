"""What `render()` draws, the window, and videos."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import racer.env
from racer.env import DeepRacerEnv, DeepRacerVectorEnv, rendering

assert racer.env  # importing it registers the environment

MAP = slice(None), slice(0, rendering.MAP_WIDTH_PX)
MARGIN = slice(None), slice(rendering.MAP_WIDTH_PX, None)


def color_of(name: str) -> np.ndarray:
    return np.array([int(name[k : k + 2], 16) for k in (1, 3, 5)])


def pixels_of(frame: np.ndarray, color: str) -> np.ndarray:
    """(P, 2) rows and columns of pixels of a color."""
    return np.argwhere(np.abs(frame.astype(int) - color_of(color)).max(axis=2) < 12)


def made(**arguments: Any) -> gymnasium.Env:
    return gymnasium.make("racer/DeepRacer-v0", **{"track": "oval", **arguments})


def test_a_picture_shows_track_car_and_numbers() -> None:
    env = made(render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert (frame.shape, frame.dtype) == ((480, 800, 3), np.uint8)
    for color in (rendering.FIELD, rendering.ROAD, rendering.BORDER, rendering.CENTER):
        assert len(pixels_of(frame[MAP], color)) > 100
    assert 50 < len(pixels_of(frame[MAP], rendering.CAR)) < 2000
    assert len(pixels_of(frame[MARGIN], rendering.INK)) > 100
    assert len(pixels_of(frame[MAP], rendering.OBSTACLE)) == 0


def test_the_car_moves_along_its_trail_and_a_reset_clears_it() -> None:
    env = made(render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    for _ in range(25):
        env.step(np.array([0.0, 0.2], np.float32))
    later = env.render()
    before, after = (pixels_of(frame[MAP], rendering.CAR).mean(axis=0) for frame in (first, later))
    assert np.hypot(*(after - before)) > 40
    trail = pixels_of(later[MAP], rendering.TRAIL)
    assert len(trail) > 50
    assert np.hypot(*(trail - before).T).min() < 20
    assert np.hypot(*(trail - after).T).min() < 20
    env.reset()
    assert len(pixels_of(env.render()[MAP], rendering.TRAIL)) == 0


def test_a_frame_is_a_picture_of_its_own() -> None:
    env = made(render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    kept = first.copy()
    env.step(np.array([0.0, 1.0], np.float32))
    env.render()
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("objects", ["boxes", "bots"])
def test_obstacles_are_drawn(objects: str) -> None:
    env = made(render_mode="rgb_array", objects=objects)
    env.reset(seed=0)
    assert len(pixels_of(env.render()[MAP], rendering.OBSTACLE)) > 200


def test_the_vector_environment_draws_a_picture_of_each_car() -> None:
    cars = DeepRacerVectorEnv(3, track="oval", render_mode="rgb_array")
    cars.reset(seed=0)
    cars.step(np.zeros((3, 2)))
    frames = cars.render()
    assert frames is not None
    assert [frame.shape for frame in frames] == [(480, 800, 3)] * 3
    assert not np.array_equal(frames[0], frames[1])


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = DeepRacerEnv(track="oval")
    env.reset(seed=0)
    assert env.render() is None
    assert env.cars.renderer is None
    env.close()


def test_a_track_and_its_reverse_are_drawn_by_the_direction_of_the_car() -> None:
    env = made(render_mode="rgb_array", reverse=True, observation="camera:40x30")
    env.reset(seed=0)
    assert len(pixels_of(env.render()[MAP], rendering.CAR)) > 50


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_has_nothing_to_say_with_pictures() -> None:
    import matplotlib
    from gymnasium.utils.env_checker import check_env

    matplotlib.use("agg")
    env = made(render_mode="rgb_array", observation="camera:40x30")
    check_env(env.unwrapped)


def test_without_a_display_human_says_so_once_and_goes_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    import matplotlib

    matplotlib.use("agg")
    env = made(render_mode="human")
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(2, np.float32))
    assert env.render() is None
    env.close()
    said = capfd.readouterr().err
    assert said.count("there is no display") == 1


def test_with_a_display_every_step_is_shown_until_the_window_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pauses: list[float] = []
    monkeypatch.setattr(pyplot, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(pyplot, "pause", pauses.append)
    env = made(render_mode="human")
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(2, np.float32))
    assert len(pauses) == 4
    pyplot.close("racer")  # as the user does
    env.step(np.zeros(2, np.float32))
    assert len(pauses) == 4
    env.close()
    env.close()


@pytest.mark.slow
def test_a_video_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip(
        "moviepy", reason="gymnasium records videos with moviepy: pip install 'racer-sim[video]'"
    )
    from gymnasium.wrappers import RecordVideo

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of moviepy
        env = RecordVideo(
            made(render_mode="rgb_array", rules={"step_limit": 10}),
            str(tmp_path / "videos"),
            episode_trigger=lambda episode: True,
        )
        for _ in range(2):
            env.reset(seed=0)
            is_over = False
            while not is_over:
                *_, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
                is_over = terminated or truncated
        env.close()
    videos = sorted((tmp_path / "videos").iterdir())
    assert [video.suffix for video in videos] == [".mp4", ".mp4"]
    assert all(video.stat().st_size > 2000 for video in videos)
    assert env.metadata["render_fps"] == 15
