"""The camera against two frames of the real simulator, whose places `benchmarks/camera_fit.py`
finds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from racer.sensors.camera.camera import FRONT_CAMERA

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import camera_fit


@pytest.mark.slow
@pytest.mark.parametrize("name", ["front_1", "front_2"])
def test_classes_of_pixels_agree_and_so_does_the_pose_of_the_lens(
    shared_data: Path, name: str
) -> None:
    eye = camera_fit.Eye(shared_data)
    frame = np.array(Image.open(shared_data / "camera" / f"{name}.png").convert("RGB"))
    target = camera_fit.painted(frame)
    (pose, off), (_, elsewhere) = camera_fit.located(eye, *target)
    assert off < 0.85 * elsewhere
    assert np.degrees(pose[3]) == pytest.approx(np.degrees(FRONT_CAMERA.pitch), abs=0.1)
    assert pose[4] == pytest.approx(FRONT_CAMERA.z, abs=0.0005)
    held, _ = camera_fit.fitted(eye, *target, pose[:3], (FRONT_CAMERA.pitch, FRONT_CAMERA.z))
    real = camera_fit.classes_of(frame)
    for where in (pose, held):
        assert (np.array(camera_fit.overlap(real, eye.classes(where))) >= camera_fit.NEEDED).all()
