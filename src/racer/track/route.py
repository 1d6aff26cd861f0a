"""The simulator's route files: `.npy` arrays of N rows by 6 columns, center x y, inner x y, outer x
y.
"""

from __future__ import annotations

import io
import tokenize
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import write_file
from racer.track.track import Track

Array = NDArray[np.float64]

SEAM_M = 1e-9
"""Center segments up to this length are a seam: simulator 6 removes them, older ones kept them."""

BORDER_GAP_M = 0.05
"""How far from its start a border may end on a closed lap before it is refused, as for a layout."""

MOST_ROWS = 60_000
"""Rows of the longest route: ten times the longest racing line that people share."""

FARTHEST_M = 1e12
"""Coordinates beyond are none, and overflow when they are squared."""

NEAR_SPACINGS = 3.0
"""A road that ends so many times the distance of its waypoints from its start, or less, is a lap."""

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


class RouteError(UsageError):
    """A file or an array is no route. `problem` says why, without the name of the file."""

    def __init__(self, problem: str, path: Path | None = None) -> None:
        super().__init__(problem if path is None else f"{path}: {problem}")
        self.problem = problem


def load_route(path: Path, *, name: str = "", title: str = "", keep_seam: bool = False) -> Track:
    """The track in a route file, as the simulator holds it.

    `name` is the file's stem unless given. `keep_seam` keeps duplicated rows, as simulators before
    version 6 did: logs of that time count waypoints with them. Raises RouteError, a UsageError, for
    anything that is not a route.
    """
    try:
        rows = read_array(path)
        return track_from_rows(rows, name or path.stem, title, keep_seam=keep_seam)
    except RouteError as error:
        raise RouteError(error.problem, path) from None


def track_from_rows(
    rows: NDArray[np.generic], name: str, title: str = "", *, keep_seam: bool = False
) -> Track:
    """The track made of route rows (N, 6) m: center x y, inner x y, outer x y, in driving order.

    It is a loop exactly when the first row equals the last (docs/simulator.md 2.1). Raises
    RouteError, a UsageError.
    """
    route = _check_rows(rows)
    if not keep_seam:
        route = remove_seams(route)
    route, note = _close_borders(route)
    _check_count(route)
    track = Track(
        name=name,
        title=title or name,
        center=route[:, 0:2].copy(),
        inner=route[:, 2:4].copy(),
        outer=route[:, 4:6].copy(),
        note=note,
    )
    if not track.is_loop and ends_at_its_start(track.center):
        return replace(track, note=_lacks_last_row(track.center))
    return track


def remove_seams(rows: Array) -> Array:
    """`rows` (N, 6) without those that repeat the center point before them; the closing row always
    stays.
    """
    gaps = np.hypot(*np.diff(rows[:, :2], axis=0).T)
    keep = np.append(True, gaps > SEAM_M)
    if not keep[-1]:
        keep[np.flatnonzero(keep)[-1]] = False
        keep[-1] = True
    return np.asarray(rows[keep])


def save_route(track: Track, path: Path) -> Path:
    """`path`, after writing the track there as a route file, whole or not at all.

    Reading it back gives the same lines. A reversed track is written in its driving order. Raises
    UsageError.
    """
    return write_file(path, route_bytes(track))


def route_bytes(track: Track) -> bytes:
    """What the route file of a track holds."""
    buffer = io.BytesIO()
    np.save(buffer, np.hstack([track.center, track.inner, track.outer]), allow_pickle=False)
    return buffer.getvalue()


def read_array(path: Path) -> NDArray[np.generic]:
    """The array in a `.npy` file.

    Nothing is unpickled, and nothing is allocated before its size is known to fit.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if head != _MAGIC:
            raise RouteError(
                f"{_not_npy(head)}. A route is an array of N rows by 6 columns, saved with numpy.save"
            )
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        check_row_count(len(mapped) if mapped.ndim else 0)
        return np.array(mapped)
    except FileNotFoundError:
        raise RouteError("there is no such file") from None
    except OSError as error:
        raise RouteError(f"cannot be read ({error.strerror or error})") from None
    except _DAMAGED as error:
        raise RouteError(_damage(error)) from None


def check_row_count(rows: int) -> None:
    """Raise RouteError for more than `MOST_ROWS`."""
    if rows > MOST_ROWS:
        every = -(-rows // (MOST_ROWS // 10))
        raise RouteError(
            f"a route of {rows:,} rows: up to {MOST_ROWS:,} are read, one every few centimeters is "
            f"plenty; thin it out (numpy: rows[::{every}], and the last row)"
        )


def _not_npy(head: bytes) -> str:
    if not head:
        return "the file is empty"
    if head.startswith(b"PK"):
        return "this is a .npz or zip archive, not a .npy file"
    return "this is not a .npy file"


def _damage(error: Exception) -> str:
    if "object" in str(error).lower():  # numpy has no error of its own for arrays of objects
        return "holds Python objects, which could run code when read; save plain numbers instead"
    return "the .npy file is damaged or cut short; get it again"


def _check_rows(rows: NDArray[np.generic]) -> Array:
    """`rows` as floats. Raises RouteError unless they are finite numbers in 6 columns."""
    if rows.ndim != 2 or rows.shape[1] != 6:
        shape = " x ".join(map(str, rows.shape)) or "a single number"
        raise RouteError(
            f"a route has N rows by 6 columns (center x y, inner x y, outer x y), this array is {shape}"
        )
    if rows.dtype.kind not in "fiu":
        raise RouteError(f"a route holds real numbers, this array holds {rows.dtype}")
    if not len(rows):
        raise RouteError("the array has no rows")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise RouteError(
            f"row {bad[0]}, counted from 0, holds a number that is not finite ({len(bad)} such rows)"
        )
    route = rows.astype(np.float64)
    if np.abs(route).max() > FARTHEST_M:
        raise RouteError(f"holds the coordinate {np.abs(route).max():.3g}: routes are in meters")
    return route


def _close_borders(route: Array) -> tuple[Array, str]:
    """The route with borders that end where they begin if its center line does, and what was done.

    Raises RouteError beyond `BORDER_GAP_M`.
    """
    first, last = route[0], route[-1]
    is_center_closed = np.array_equal(first[:2], last[:2])
    if not is_center_closed or np.array_equal(first, last) or len(route) == 1:
        return route, ""
    gap = max(np.hypot(*(last - first)[2:4]), np.hypot(*(last - first)[4:6]))
    if gap > BORDER_GAP_M:
        raise RouteError(
            f"the center line ends where it begins but a border ends {gap:.3g} m from its start: "
            "repeat the first row at the end (numpy: rows[-1] = rows[0])"
        )
    closed = route.copy()
    closed[-1] = first
    return closed, f"a border ended {1000 * gap:.3g} mm from its start: closed"


def _check_count(route: Array) -> None:
    """Raise RouteError for too few rows."""
    is_loop = np.array_equal(route[0], route[-1])
    least = 4 if is_loop else 2
    if len(route) < least:
        raise RouteError(
            f"only {len(route)} different rows: a loop needs at least 3 and the closing row, an open road 2"
        )


def ends_at_its_start(center: Array) -> bool:
    """Whether an open line ends so near its start that it is a lap without its last row."""
    if len(center) < 4:
        return False
    gap = float(np.hypot(*(center[0] - center[-1])))
    return gap <= NEAR_SPACINGS * float(np.median(np.hypot(*np.diff(center, axis=0).T)))


def _lacks_last_row(center: Array) -> str:
    gap = float(np.hypot(*(center[0] - center[-1])))
    return (
        f"the road is open, but ends {gap:.3g} m from its start: a lap repeats its first row at "
        "the end (racer tracks import closes it)"
    )
