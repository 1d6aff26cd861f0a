"""Logs at an address such as `s3://bucket/prefix`, through fsspec: Amazon's S3, MinIO, and whatever else it knows."""

from __future__ import annotations

import io
from functools import partial
from typing import IO, Any, cast

from racer.errors import UsageError
from racer.extras import need
from racer.logs import packed
from racer.logs.packed import Item
from racer.logs.places import Place, is_hidden, natural

_ADVICE = "check the address, the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and, for MinIO, AWS_ENDPOINT_URL"


def find_remote(address: str, endpoint: str = "") -> Place:
    """The file, or all files under the prefix, that an address names. Raises UsageError when there is none.

    `endpoint` is the URL of an S3 server of one's own; without it AWS_ENDPOINT_URL counts, as for Amazon's own tools.
    """
    if address.startswith(("s3:", "s3a:")):
        need("s3")
    try:
        files, root = _listed(address, endpoint)
    except UsageError:
        raise
    except Exception as error:  # a foreign border: each kind of storage raises errors of its own
        raise UsageError(f"cannot read {address}: {_words(error)}; {_ADVICE}") from None
    if not files:
        raise UsageError(f"no file at {address}; {_ADVICE}")
    if len(files) == 1 and files[0].name == root:
        one = Item(root.rpartition("/")[2], files[0].size, files[0].open)
        return Place(address, (one,), not packed.kind(one), tuple(root.split("/")[-2:-1]))
    items = [Item(item.name[len(root) :].lstrip("/"), item.size, item.open) for item in files]
    seen = sorted((item for item in items if not is_hidden(item.name)), key=lambda item: natural(item.name))
    return Place(address, tuple(seen), False, (root.rpartition("/")[2],))


def _listed(address: str, endpoint: str) -> tuple[list[Item], str]:
    """The files at an address, under their whole names there, and the name that the address itself has there."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        need("s3")
        raise
    options: dict[str, Any] = {"client_kwargs": {"endpoint_url": endpoint}} if endpoint else {}
    try:
        system, root = url_to_fs(address, **options)
    except ValueError:
        kind = address.partition(":")[0]
        raise UsageError(f"{address}: addresses that begin with {kind}:// are not known; s3:// is") from None
    root = root.rstrip("/")
    wild = any(sign in root for sign in "*?[")
    found = system.glob(root, detail=True) if wild else system.find(root, detail=True)
    files = [
        Item(name, int(facts.get("size") or 0), partial(_opened, system, name))
        for name, facts in found.items()
        if facts.get("type") == "file"
    ]
    return files, root.partition("*")[0].rpartition("/")[0] if wild else root


def _opened(system: Any, name: str) -> IO[bytes]:
    return cast(IO[bytes], _File(system, name))


class _File(io.RawIOBase):
    """A file over there, whose faults are OSError whatever the storage raises (a class: a file is a contract)."""

    def __init__(self, system: Any, name: str) -> None:
        self._name = name
        self._inner: Any = None
        self._inner = self._tried(system.open, name, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._tried(self._inner.seek, offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._tried(self._inner.read, size))

    def close(self) -> None:
        if not self.closed and self._inner is not None:
            self._inner.close()
        super().close()

    def _tried(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            raise OSError(f"{self._name} cannot be read: {_words(error)}") from None


def _words(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
