"""The community's copies of the simulator's routes, fetched once, verified, and kept."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from racer.errors import UsageError, did_you_mean
from racer.files import make_folder, read_text, write_file
from racer.track import library
from racer.track.route import RouteError, load_route

ROUTES_ADDRESS = (
    "https://raw.githubusercontent.com/aws-deepracer-community/deepracer-simapp/HEAD/bundle/routes/"
)
"""Folder of `<world>.npy` files: the community's continuation of the simulator."""

FETCH_TIMEOUT_S = 20.0
"""Seconds without an answer before a server counts as gone."""

FIRST_USE_FILE = "first_use.txt"
"""Hashes, in the fetched folder, of the routes that were fetched without a known one."""

Verification = Literal["verified", "first use", "here already"]


@dataclass(frozen=True)
class FetchedRoute:
    """A route on this machine. `verified`: its SHA-256 is the one racer knows; `first use`: racer
    knew none, and remembers this one from now on; `here already`: nothing had to be fetched.
    """

    name: str
    path: Path
    verification: Verification


def fetch_route(
    name: str, *, home: Path | None = None, address: str = ROUTES_ADDRESS
) -> FetchedRoute:
    """The route of a world, fetched from `address` unless it is here and whole.

    Raises UsageError for an unknown name, without a network, and for a file that is not the route
    it should be.
    """
    if home is None:
        home = library.user_home()
    hashes = library.route_hashes()
    if name not in hashes:
        guess = did_you_mean(name, library.world_names())
        raise UsageError(f"the simulator has no world {name!r}{guess} (racer tracks fetch --list)")
    folder = make_folder(library.fetched_folder(home))
    first_seen = _read_first_use(folder)
    expected = hashes[name] or first_seen.get(name)
    path = folder / f"{name}.npy"
    if path.is_file() and expected == _sha256(path):
        return FetchedRoute(name, path, "here already")
    _download(name, path, expected, address)
    if expected:
        return FetchedRoute(name, path, "verified")
    _write_first_use(folder, {**first_seen, name: _sha256(path)})
    return FetchedRoute(name, path, "first use")


def _download(name: str, path: Path, expected: str | None, address: str) -> None:
    """Put the verified route at `path`, or raise and leave nothing behind."""
    import pooch

    if not address.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"{address}: routes are fetched over http or https; racer tracks import takes files"
        )
    url = f"{address.rstrip('/')}/{name}.npy"
    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(timeout=FETCH_TIMEOUT_S)
    beside = path.with_name(f".{name}.fetching.npy")
    beside.unlink(missing_ok=True)
    try:
        pooch.retrieve(url, None, fname=beside.name, path=path.parent, downloader=downloader)
        if expected and _sha256(beside) != expected:
            raise UsageError(
                f"{url}: not the route {name} that racer knows (its SHA-256 differs); nothing is kept"
            )
        load_route(beside, name=name)
        beside.replace(path)
    except OSError as error:  # those of requests, too
        raise UsageError(_no_answer(name, url, error)) from None
    except RouteError as error:
        raise UsageError(
            f"what {url} sent is no route ({error.problem}): check the address"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def _no_answer(name: str, url: str, error: OSError) -> str:
    """What to do when a server did not answer, or with an error."""
    reason = f"no answer, {type(error).__name__}"
    response = getattr(error, "response", None)
    if response is not None:
        response.close()  # pooch leaves a response that it did not read open
        reason = f"the server says {response.status_code}"
    return (
        f"cannot fetch {url} ({reason}). "
        f"Get {name}.npy another way, then: racer tracks import {name}.npy"
    )


def _read_first_use(folder: Path) -> dict[str, str]:
    """World name to SHA-256 of the routes that were fetched without a known one, as first seen."""
    path = folder / FIRST_USE_FILE
    if not path.is_file():
        return {}
    hashes = {}
    for line in read_text(path).splitlines():
        digest, _, name = line.partition("  ")
        if name:
            hashes[name] = digest
    return hashes


def _write_first_use(folder: Path, hashes: dict[str, str]) -> None:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes.items())]
    write_file(folder / FIRST_USE_FILE, "".join(lines))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
