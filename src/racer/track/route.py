"""The simulator's route files: `.npy` arrays of N rows by 6 columns, center x y, inner x y, outer x
y.
"""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import write_file
from racer.track.track import Track

Array = NDArray[np.float64]

SEAM_M = 1e-9
"""Center segments up to this length, m, are a seam: simulator 6 removes them, older ones kept them."""

_MAGIC = b"\x93NUMPY"
_DAMAGED = (
    ValueError,
    SyntaxError,
    TypeError,
    OverflowError,
    MemoryError,
    EOFError,
    KeyError,
    tokenize.TokenError,
)
"""What numpy raises for headers that are not what they should be."""


def load_route(path: Path, *, name: str = "", title: str = "", keep_seam: bool = False) -> Track:
    """The track in a route file, as the simulator holds it.

    `name` is the file's stem unless given. `keep_seam` keeps duplicated rows, as simulators before
    version 6 did: logs of that time count waypoints with them. Raises UsageError for anything that
    is not a route.
    """
    rows = _read(path)
    try:
        return track_from_rows(rows, name or path.stem, title, keep_seam=keep_seam)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def track_from_rows(
    rows: NDArray[np.generic], name: str, title: str = "", *, keep_seam: bool = False
) -> Track:
    """The track made of route rows (N, 6) m: center x y, inner x y, outer x y, in driving order.

    It is a loop exactly when the first row equals the last (SIMULATOR.md 2.1). Raises UsageError.
    """
    route = _checked(rows)
    if not keep_seam:
        route = remove_seams(route)
    _check_closing(route)
    center, inner, outer = (np.ascontiguousarray(route[:, k : k + 2]) for k in (0, 2, 4))
    return Track(name, title or name, center, inner, outer)


def remove_seams(rows: Array) -> Array:
    """`rows` (N, 6) without those that repeat the center point before them; the closing row always
    stays.
    """
    keep = np.append(True, np.hypot(*np.diff(rows[:, :2], axis=0).T) > SEAM_M)
    if not keep[-1]:
        keep[np.flatnonzero(keep)[-1]] = False
        keep[-1] = True
    return np.asarray(rows[keep])


def save_route(track: Track, path: Path) -> Path:
    """`path`, after writing the track there as a route file, whole or not at all.

    Reading it back gives the same lines. A reversed track is written in its driving order. Raises
    UsageError.
    """
    buffer = io.BytesIO()
    np.save(buffer, np.hstack([track.center, track.inner, track.outer]), allow_pickle=False)
    return write_file(path, buffer.getvalue())


def _read(path: Path) -> NDArray[np.generic]:
    """The array in a `.npy` file. Nothing is unpickled, and nothing is allocated before its size is
    known to fit.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if head != _MAGIC:
            raise UsageError(
                f"{path}: {_not_npy(head)}. A route is an array of N rows by 6 columns, saved with numpy.save"
            )
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _DAMAGED as error:
        raise UsageError(f"{path}: {_damage(error)}") from None


def _not_npy(head: bytes) -> str:
    if not head:
        return "the file is empty"
    return (
        "this is a .npz or zip archive, not a .npy file"
        if head[:2] == b"PK"
        else "this is not a .npy file"
    )


def _damage(error: Exception) -> str:
    if "object" in str(error).lower():
        return "holds Python objects, which could run code when read; save plain numbers instead"
    return "the .npy file is damaged or cut short; get it again"


def _checked(rows: NDArray[np.generic]) -> Array:
    if rows.ndim != 2 or rows.shape[1] != 6:
        shape = " x ".join(map(str, rows.shape)) or "a single number"
        raise UsageError(
            f"a route has N rows by 6 columns (center x y, inner x y, outer x y), this array is {shape}"
        )
    if rows.dtype.kind not in "fiu":
        raise UsageError(f"a route holds real numbers, this array holds {rows.dtype}")
    if not len(rows):
        raise UsageError("the array has no rows")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise UsageError(
            f"row {bad[0]}, counted from 0, holds a number that is not finite ({len(bad)} such rows)"
        )
    return rows.astype(np.float64)


def _check_closing(route: Array) -> None:
    loop = np.array_equal(route[0], route[-1])
    if np.array_equal(route[0, :2], route[-1, :2]) and not loop and len(route) > 1:
        raise UsageError(
            "the center line ends where it begins but a border does not: repeat the first row at the end"
        )
    if len(route) < (4 if loop else 2):
        raise UsageError(
            f"only {len(route)} different rows: a loop needs at least 3 and the closing row, an open road 2"
        )
