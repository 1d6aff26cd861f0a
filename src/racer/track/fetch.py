"""The community's copies of the simulator's routes, fetched once, verified, and kept."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from racer.errors import UsageError, did_you_mean
from racer.files import write_file
from racer.track import library, route, worlds

ROUTES_ADDRESS = (
    "https://raw.githubusercontent.com/aws-deepracer-community/deepracer-simapp/HEAD/bundle/routes/"
)
"""Folder of `<world>.npy` files: the community's continuation of the simulator."""

FETCH_TIMEOUT_S = 20.0
"""Seconds without an answer before a server counts as gone."""

Verification = Literal["verified", "first use", "here already"]


@dataclass(frozen=True)
class FetchedRoute:
    """A route on this machine. `verified`: its SHA-256 is the one racer knows; `first use`: racer
    knew none, and remembers this one from now on; `here already`: nothing had to be fetched.
    """

    name: str
    path: Path
    how: Verification


def fetch_route(
    name: str, *, home: Path | None = None, address: str = ROUTES_ADDRESS
) -> FetchedRoute:
    """The route of a world, fetched from `address` unless it is here and whole.

    Raises UsageError for an unknown name, without a network, and for a file that is not the route
    it should be.
    """
    home = library.user_home() if home is None else home
    if name not in worlds.route_hashes():
        raise UsageError(
            f"the simulator has no world {name!r}{did_you_mean(name, worlds.world_names())} (racer tracks fetch --list)"
        )
    folder = library.ensure_folder(library.fetched_folder(home))
    known = worlds.route_hashes()[name] or _remembered(folder).get(name)
    path = folder / f"{name}.npy"
    if path.is_file() and known == _sha256(path):
        return FetchedRoute(name, path, "here already")
    _download(name, folder, known, address)
    if known:
        return FetchedRoute(name, path, "verified")
    _remember(folder, name, _sha256(path))
    return FetchedRoute(name, path, "first use")


def _download(name: str, folder: Path, known: str | None, address: str) -> None:
    """Put the verified route into `folder`, or raise and leave nothing behind."""
    import pooch

    if not address.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"{address}: routes are fetched over http or https; racer tracks import takes files"
        )
    url = f"{address.rstrip('/')}/{name}.npy"
    pooch.get_logger().setLevel(logging.ERROR)
    beside = f".{name}.fetching.npy"
    (folder / beside).unlink(missing_ok=True)
    try:
        pooch.retrieve(
            url,
            known,
            fname=beside,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=FETCH_TIMEOUT_S),
        )
        route.load_route(folder / beside, name=name)
        (folder / beside).replace(folder / f"{name}.npy")
    except OSError as error:
        raise UsageError(_no_network(name, url, error)) from None
    except UsageError as error:
        raise UsageError(
            f"what {url} sent is no route ({str(error).rpartition(': ')[2]}): check the address"
        ) from None
    except ValueError as error:
        if known is None or known not in str(error):
            raise
        raise UsageError(
            f"{url}: not the route {name} that racer knows (its SHA-256 differs); nothing is kept"
        ) from None
    finally:
        (folder / beside).unlink(missing_ok=True)


def _no_network(name: str, url: str, error: OSError) -> str:
    """What to do when a server did not answer. The errors of requests are OSErrors."""
    answer = getattr(error, "response", None)
    if answer is not None:
        answer.close()  # pooch leaves an answer that it did not read open
    reason = (
        f"no answer, {type(error).__name__}"
        if answer is None
        else f"the server says {answer.status_code}"
    )
    return f"cannot fetch {url} ({reason}). Get {name}.npy another way, then: racer tracks import {name}.npy"


def _remembered(folder: Path) -> dict[str, str]:
    """World name to SHA-256 of the routes that were fetched without a known one, as first seen."""
    path = folder / "first_use.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def _remember(folder: Path, name: str, digest: str) -> None:
    seen = {**_remembered(folder), name: digest}
    write_file(
        folder / "first_use.txt", "".join(f"{v}  {k}\n" for k, v in sorted(seen.items())).encode()
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
