"""Logs at an address such as `s3://bucket/prefix`, by fsspec."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import IO, Any, TypeVar, cast

from racer.errors import UsageError, need
from racer.logs.archive import FileEntry

_ADVICE = (
    "check the address, the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and, for MinIO, "
    "AWS_ENDPOINT_URL"
)
_WILDCARDS = "*?["

Result = TypeVar("Result")


def list_remote_files(address: str, endpoint: str = "") -> tuple[list[FileEntry], str]:
    """The files at an address, under their whole names there, and the name of the address itself.

    The name of a glob is that of the folder above its first wildcard. `endpoint` is the URL of an S3
    server of one's own; without it AWS_ENDPOINT_URL counts, as for Amazon's own tools. Raises
    UsageError when there is no file.
    """
    if address.startswith(("s3:", "s3a:")):
        need("s3")
    try:
        files, root = _list_files(address, endpoint)
    except UsageError:
        raise
    except Exception as error:  # each kind of storage raises errors of its own
        raise UsageError(f"cannot read {address}: {_one_line(error)}; {_ADVICE}") from None
    if not files:
        raise UsageError(f"no file at {address}; {_ADVICE}")
    return files, root


def _list_files(address: str, endpoint: str) -> tuple[list[FileEntry], str]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        need("s3")
        raise
    options: dict[str, Any] = {}
    if endpoint:
        options["client_kwargs"] = {"endpoint_url": endpoint}
    try:
        storage, root = url_to_fs(address, **options)
    except ValueError:
        protocol = address.partition(":")[0]
        raise UsageError(
            f"{address}: addresses that begin with {protocol}:// are not known; s3:// is"
        ) from None
    root = root.rstrip("/")
    if any(wildcard in root for wildcard in _WILDCARDS):
        listing = storage.glob(root, detail=True)
        root = root.partition("*")[0].rpartition("/")[0]
    else:
        listing = storage.find(root, detail=True)
    files = []
    for name, details in listing.items():
        if details.get("type") == "file":
            size = int(details.get("size") or 0)
            files.append(FileEntry(name, size, partial(_open_remote_file, storage, name)))
    return files, root


def _open_remote_file(storage: Any, name: str) -> IO[bytes]:
    return cast(IO[bytes], _RemoteFile(storage, name))


class _RemoteFile(io.RawIOBase):
    """A file in a storage, whose faults are OSError whatever the storage raises."""

    def __init__(self, storage: Any, name: str) -> None:
        self._name = name
        self._file: Any = None
        self._file = self._call(storage.open, name, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._call(self._file.seek, offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._call(self._file.read, size))

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        try:
            return function(*arguments)
        except Exception as error:
            raise OSError(f"{self._name} cannot be read: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
