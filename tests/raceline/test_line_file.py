"""Lines read back from files: the same as were written, or a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from racer.errors import UsageError
from racer.raceline.files import line_as_csv, line_as_npy, read_line
from racer.track import library


@pytest.mark.parametrize("name", ["line.csv", "line.npy"])
def test_a_line_is_read_back_as_it_was_written(tmp_path, ring, line, name):
    (tmp_path / name).write_bytes(line_as_csv(line) if name.endswith("csv") else line_as_npy(line))
    again = read_line(tmp_path / name, ring)
    np.testing.assert_allclose(again.xy, line.xy, atol=1e-5)
    np.testing.assert_allclose(again.speed, line.speed, atol=1e-5)
    assert again.lap_time == pytest.approx(line.lap_time, abs=1e-3)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"what is\nthis?\n", b"\x93NUMPY"])
def test_a_file_that_is_no_line_is_a_sentence(tmp_path: Path, ring, content):
    for name in ("a.csv", "a.npy"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="holds no line"):
            read_line(tmp_path / name, ring)


def test_a_line_of_another_track_is_refused(tmp_path, line):
    (tmp_path / "line.csv").write_bytes(line_as_csv(line))
    with pytest.raises(UsageError, match="of another track than vegas"):
        read_line(tmp_path / "line.csv", library.load_track("vegas"))
    with pytest.raises(UsageError, match="no line file"):
        read_line(tmp_path / "none.csv", library.load_track("vegas"))
