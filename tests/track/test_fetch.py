"""Routes are fetched once, verified, and never half kept; all against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from racer.errors import UsageError
from racer.track import find_track, library, load_track, route


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder behind the address of the `address` fixture, with a route named Aragon of known
    hash.
    """
    folder = tmp_path / "served"
    folder.mkdir()
    route.save_route(load_track("oval"), folder / "Aragon.npy")
    digest = hashlib.sha256((folder / "Aragon.npy").read_bytes()).hexdigest()
    hashes = {**library.route_hashes(), "Aragon": digest, "Albert": None}
    monkeypatch.setattr(library, "route_hashes", lambda: hashes)
    return folder


@pytest.fixture
def address(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in library.fetched_folder(home).iterdir())


def test_a_known_route_is_verified_kept_and_loaded_by_name(address: str, tmp_path: Path) -> None:
    got = library.fetch_route("Aragon", home=tmp_path, address=address)
    assert got.verification == "verified"
    assert kept(tmp_path) == ["Aragon.npy"]
    assert find_track("Aragon", home=tmp_path).provenance == "fetched"
    assert load_track("Aragon", home=tmp_path).length == pytest.approx(load_track("oval").length)


def test_what_is_here_is_not_fetched_again(address: str, served: Path, tmp_path: Path) -> None:
    library.fetch_route("Aragon", home=tmp_path, address=address)
    (served / "Aragon.npy").unlink()
    assert (
        library.fetch_route("Aragon", home=tmp_path, address=address).verification == "here already"
    )


def test_a_damaged_copy_is_fetched_again(address: str, tmp_path: Path) -> None:
    path = library.fetch_route("Aragon", home=tmp_path, address=address).path
    path.write_bytes(path.read_bytes()[:-1])
    assert library.fetch_route("Aragon", home=tmp_path, address=address).verification == "verified"
    route.load_route(path)


def test_another_file_under_a_known_name_is_refused_and_not_kept(
    address: str, served: Path, tmp_path: Path
) -> None:
    route.save_route(load_track("clover"), served / "Aragon.npy")
    with pytest.raises(
        UsageError,
        match=r"not the route Aragon that racer knows .its SHA-256 differs.; nothing is kept",
    ):
        library.fetch_route("Aragon", home=tmp_path, address=address)
    assert kept(tmp_path) == []


def test_an_unknown_hash_is_remembered_on_first_use(
    address: str, served: Path, tmp_path: Path
) -> None:
    route.save_route(load_track("clover"), served / "Albert.npy")
    path = library.fetch_route("Albert", home=tmp_path, address=address + "/").path
    assert kept(tmp_path) == ["Albert.npy", "first_use.txt"]
    assert (
        library.fetch_route("Albert", home=tmp_path, address=address).verification == "here already"
    )
    path.unlink()
    assert library.fetch_route("Albert", home=tmp_path, address=address).verification == "verified"
    route.save_route(load_track("oval"), served / "Albert.npy")
    path.unlink()
    with pytest.raises(UsageError, match="its SHA-256 differs"):
        library.fetch_route("Albert", home=tmp_path, address=address)


def test_a_page_instead_of_a_route_is_refused(address: str, served: Path, tmp_path: Path) -> None:
    (served / "Albert.npy").write_text("<html>please log in</html>")
    with pytest.raises(
        UsageError,
        match=r"Albert\.npy sent is no route \(this is not a \.npy file.*\): check the address",
    ):
        library.fetch_route("Albert", home=tmp_path, address=address)
    assert kept(tmp_path) == []


def test_a_missing_file_says_how_to_go_on(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        library.fetch_route("Monaco", home=tmp_path, address=address)
    assert str(error.value) == (
        f"cannot fetch {address}/Monaco.npy (the server says 404). "
        "Get Monaco.npy another way, then: racer tracks import Monaco.npy"
    )


def test_no_network_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"no answer, \w+\). Get Monaco\.npy another way, then: racer tracks import",
    ):
        library.fetch_route("Monaco", home=tmp_path, address="http://127.0.0.1:9/")


def test_names_and_addresses_are_checked_before_the_network(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no world 'Monac': did you mean 'Monaco'\? \(racer tracks fetch --list\)"
    ):
        library.fetch_route("Monac", home=tmp_path)
    with pytest.raises(
        UsageError, match="routes are fetched over http or https; racer tracks import takes files"
    ):
        library.fetch_route("Monaco", home=tmp_path, address="/some/folder")


def test_racer_knows_the_127_worlds_and_most_of_their_hashes(real_routes: Path) -> None:
    known = library.route_hashes()
    assert len(known) == 127
    for path in real_routes.glob("*.npy"):
        assert known[path.stem] == hashlib.sha256(path.read_bytes()).hexdigest()
